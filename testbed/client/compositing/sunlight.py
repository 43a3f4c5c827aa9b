"""Sun and sky by the weather that every server tells: where light comes from and how much of it a shadow leaves.

The model is the embedded renderer's, in its exposed units; for other servers it is an estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from testbed.core.weather import WeatherParameters

if TYPE_CHECKING:
    from testbed.world.render.lighting import Lighting


def light_of(weather: WeatherParameters) -> Lighting:
    """Return the light of a weather."""
    from testbed.world.render.lighting import Lighting

    return Lighting.from_weather(weather)


def without_sun(light: Lighting, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of the light on a surface, per channel, a shadow leaves, shape (3,).

    Args:
        light: The weather's light.
        normal: Unit normal of the surface, shape (3,).
    """
    cosine = float(normal @ np.array(light.sun))
    if cosine <= 0.0:
        return np.ones(3)
    sun = np.array(light.sun_rgb) * cosine
    sky = np.array(light.ambient_rgb) * (0.5 + 0.5 * normal[2])
    ground = np.array(light.ground_rgb) * (0.5 - 0.5 * normal[2])
    return np.asarray((sky * (1.0 - light.sky_shadow) + ground) / (sun + sky + ground))


def highlight(
    light: Lighting, normal: NDArray[np.float64], sight: NDArray[np.float64], shininess: float
) -> NDArray[np.float64]:
    """Return the sun's light that a clear coat would mirror if it mirrored all of it, shape (n, 3) (Blinn, 1977).

    Args:
        light: The weather's light.
        normal: Unit normals, shape (n, 3).
        sight: Unit lines of sight from the camera, shape (n, 3).
        shininess: Exponent of the highlight.
    """
    toward = np.array(light.sun)
    half = toward - sight
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    lobe = np.clip((normal * half).sum(axis=1), 0.0, 1.0) ** shininess * (shininess + 8.0) / 8.0
    return np.asarray(np.where(normal @ toward > 0.0, lobe, 0.0)[:, None] * np.array(light.sun_rgb))

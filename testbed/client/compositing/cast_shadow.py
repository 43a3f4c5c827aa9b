"""Draw a cast shadow onto a sign in a picture: what falls on the plate when a card keeps the sun from part of it.

A shadow takes the sun's light away and leaves the sky's. How much that is follows from the weather, which every server
tells; where it falls follows from the card that would throw it. The lightness that an artefact assumes (``light_left``)
is the digital attack's model of the same, and belongs to pasted shadows only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.client.compositing.appearance import sign_outline
from testbed.client.compositing.layers import PLATE_CLEARANCE_M, Light, covering
from testbed.client.compositing.sunlight import light_of, without_sun
from testbed.client.compositing.surfaces import SignPlate
from testbed.client.compositing.texture_lookup import SummedAreaTexture
from testbed.core.projection import PinholeProjection, rotation
from testbed.core.weather import WeatherParameters
from testbed.world.assets.occluder import OccluderCard

MASK_PX = 256
BIAS_M = 0.007
"""Renderers look shadows up this far before a surface, so that it does not shade itself."""


class ShadeLayer:
    """A shadow on a sign."""

    def __init__(
        self, card: OccluderCard, target: SignPlate, weather: WeatherParameters, *, crisp: bool = False
    ) -> None:
        """Work out once where the shadow falls and what it leaves; ``crisp`` pictures have hard edges."""
        from PIL import Image, ImageDraw
        from scipy.ndimage import gaussian_filter

        self._crisp = crisp
        light = light_of(weather)
        toward = np.array(light.sun)
        self._left = without_sun(light, -rotation(target.pose)[:, 0])
        self._quads = target.quads()
        quad = self._quads[0]
        corners = card.world_m()
        normal = np.cross(quad.along_u_m, quad.along_v_m)
        looked_up = quad.origin_m + normal / float(np.linalg.norm(normal)) * BIAS_M
        along = ((looked_up - corners) @ normal) / max(float(toward @ normal), 1e-6)
        local = corners + along[:, None] * toward - quad.origin_m
        uv = np.stack([local @ axis / float(axis @ axis) for axis in (quad.along_u_m, quad.along_v_m)], axis=1)
        picture = Image.new("L", (MASK_PX, MASK_PX))
        ImageDraw.Draw(picture).polygon([(float(u) * MASK_PX, float(v) * MASK_PX) for u, v in uv], 255)
        sigma_px = 0.4 * light.shadow_blur_m / target.width_m * MASK_PX
        # beyond the plate's edge the shadow goes on
        mask = gaussian_filter(np.asarray(picture, np.float32) / 255.0, sigma_px, mode="nearest")
        plate = sign_outline(target.gtsrb_class, MASK_PX)
        self._mask = SummedAreaTexture(np.stack([mask * plate, plate], axis=2))

    def draw(self, light: Light, camera: PinholeProjection, depth_m: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Draw it: ``I (1 - s (1 - left))``, with s the share of a pixel in shadow."""
        over = covering(camera, self._quads, self._mask, depth_m, PLATE_CLEARANCE_M, middle=self._crisp)
        dark: NDArray[np.bool_] = over[..., 0] > 0.0
        light[dark] *= 1.0 - over[..., :1][dark] * (1.0 - self._left)
        return np.asarray(over[..., 0] >= 0.5)

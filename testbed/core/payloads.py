"""What an adversary puts into the world of an episode: paint on the road, on a vehicle, on a sign, or a shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.core.body import Body


@dataclass(frozen=True, slots=True)
class Decal:
    """A flat artefact on the road surface, ready to be injected into a world.

    Attributes:
        name: Artefact name.
        rgba: Linear premultiplied colour and coverage, shape (rows, columns, 4), float32, 0-1. Rows run along the
            road with row 0 at the far end, columns across it with column 0 at the left edge as the driver sees it.
            Surface albedo becomes ``base * (1 - a) + rgb``, so ``a = 0`` only ever brightens.
        length_m: Extent along the road.
        width_m: Extent across the road.
    """

    name: str
    rgba: NDArray[np.float32]
    length_m: float
    width_m: float


@dataclass(frozen=True, slots=True)
class Skin:
    """Paint for a vehicle's body.

    Attributes:
        name: Artefact name.
        rgb: Linear albedo over the vehicle's paint atlas, shape (rows, columns, 3), float32, 0-1, row 0 at v = 0.
        mask: 1 where the attacker paints, 0 where the vehicle keeps its own paint, shape (rows, columns), float32;
            None paints everything.
        blueprint: Vehicle whose atlas it was made for; None fits any.
        body: A body of one's own whose atlas it is; None takes that of the blueprint.
    """

    name: str
    rgb: NDArray[np.float32]
    mask: NDArray[np.float32] | None = None
    blueprint: str | None = None
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class SignFace:
    """A picture stuck onto a traffic sign.

    Attributes:
        name: Artefact name.
        rgba: Linear colour and straight alpha over the plate's bounding square, shape (rows, columns, 4), float32, 0-1.
            Row 0 is the top, column 0 the left as the driver sees it; where alpha is 0 the sign's own face shows.
    """

    name: str
    rgba: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shade:
    """A shadow that somebody casts on a traffic sign.

    Attributes:
        name: Artefact name.
        polygon: Corners, shape (n, 2), float64: x to the right and y down as the driver sees it, the plate's bounding
            square is [0, 1]²; corners may lie outside of it.
        light_left: Share of LAB lightness L that remains inside the polygon (Zhong et al., CVPR 2022: k = 0.43).
        blur_px: Width of its soft edge, in pixels of a plate 224 pixels wide.
    """

    name: str
    polygon: NDArray[np.float64]
    light_left: float = 0.43
    blur_px: float = 3.0


Payload = Decal | Skin | SignFace | Shade
"""What an adversary puts into the world of an episode."""

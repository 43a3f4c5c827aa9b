"""The attacker's card: a flat polygon without thickness, hung into the sunlight to throw a shadow of its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.render.mesh import Material, Mesh

MAX_CORNERS = 64
REACH_M = 100.0


def card_corners(text: str) -> NDArray[np.float64]:
    """Return the corners (n, 2) that an attribute "y,z;y,z;y,z" means, metres in the card's plane.

    Raises:
        ValueError: There are fewer than three or too many corners, or one is not two numbers within reach.
    """
    try:
        corners = np.array([[float(part) for part in pair.split(",")] for pair in text.split(";")])
    except ValueError:
        raise ValueError(f"polygon {text!r} is not of the form y,z;y,z;y,z") from None
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= MAX_CORNERS:
        raise ValueError(f"polygon {text!r} has not 3 to {MAX_CORNERS} corners of two numbers")
    if not (np.abs(corners) <= REACH_M).all():
        raise ValueError(f"polygon {text!r} reaches farther than {REACH_M:.0f} m")
    return corners


def card_asset(corners_m: NDArray[np.float64]) -> Asset:
    """Return a dark card in the plane x = 0 of its pose.

    Args:
        corners_m: (n, 2) corners (y, z) in order around a polygon whose border does not cross itself.
    """
    name = "occluder"
    count = len(corners_m)
    mesh = Mesh(
        np.column_stack((np.zeros(count), corners_m)).astype(np.float32),
        np.tile(np.array([-1.0, 0.0, 0.0], np.float32), (count, 1)),
        np.zeros((count, 2), np.float32),
        triangles_of(corners_m),
        name,
    )
    pixels = textures.linear(np.full((4, 4, 3), (40, 40, 42)))
    return Asset((mesh,), {name: Material(texture=name)}, {name: pixels})


def triangles_of(corners: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the triangles (n - 2, 3) of a simple polygon (n, 2), by cutting off its ears (Meisters, 1975)."""
    x, y = corners.T
    left = list(range(len(corners)))
    sense = 1.0 if float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) >= 0.0 else -1.0

    def turn(a: int, b: int, c: int) -> float:
        return sense * float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))

    def is_ear(k: int) -> bool:
        a, b, c = left[k - 1], left[k], left[(k + 1) % len(left)]
        if turn(a, b, c) <= 0.0:
            return False
        others = (p for p in left if p not in (a, b, c))
        return not any(min(turn(a, b, p), turn(b, c, p), turn(c, a, p)) >= 0.0 for p in others)

    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        # A polygon whose border touches itself may have no ear left: any corner then keeps the count right.
        k = next((k for k in range(len(left)) if is_ear(k)), 0)
        triangles.append((left[k - 1], left[k], left[(k + 1) % len(left)]))
        del left[k]
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, dtype=np.int32)

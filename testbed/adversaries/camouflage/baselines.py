"""What a camouflage is compared with: random camouflage of the very same colours, and one plain colour.

Random camouflage holds exactly the texel values of the attack inside the mask, only in other places: blotches of
several sizes, ordered by brightness. If it hides the car as well as the attack does, the attack is only loud paint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALES_PX = ((18.0, 1.0), (7.0, 0.8), (2.5, 0.5))
"""Blotch sizes in texels of a 512 px atlas, with their weights."""


def random_camouflage(atlas: NDArray[np.uint8], mask: NDArray[np.bool_], seed: int) -> NDArray[np.uint8]:
    """Return an atlas (h, w, 3) with the masked texels of another one in random places.

    Args:
        atlas: The attack, sRGB.
        mask: Texels (h, w) that count.
        seed: Seed of the blotches.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, 7])
    field = np.zeros(mask.shape)
    for scale, weight in SCALES_PX:
        layer = gaussian_filter(rng.standard_normal(mask.shape), scale * mask.shape[0] / 512.0, mode="reflect")
        field += weight * layer / (layer.std() + 1e-12)
    values = atlas[mask]
    # Ordered along the direction in which the colours vary most, so that neighbours in the field look alike.
    centred = values.astype(np.float64) - values.mean(axis=0)
    axis = np.linalg.eigh(np.cov(centred.T))[1][:, -1]
    places = np.flatnonzero(mask)
    out = np.empty((mask.size, 3), np.uint8)
    out[places[np.argsort(field.reshape(-1)[places], kind="stable")]] = values[
        np.argsort(centred @ axis, kind="stable")
    ]
    return filled(out.reshape(*mask.shape, 3), mask)


def plain_colour(atlas: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an atlas of one colour that reflects as much light of every primary as the attack does on average."""
    from testbed.adversaries.picture import srgb_to_linear
    from testbed.core.colour import linear_to_srgb

    mean = srgb_to_linear(atlas)[mask].mean(axis=0).astype(np.float64)
    return np.broadcast_to(np.rint(linear_to_srgb(mean) * 255.0).astype(np.uint8), atlas.shape).copy()


def filled(atlas: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an atlas whose texels outside the mask repeat the nearest one inside.

    Nobody sees them, but the coarse levels of a texture mix neighbours: paint must not pick up the colour of nothing.
    """
    rows, columns = nearest(mask)
    result: NDArray[np.uint8] = atlas[rows, columns]
    return result


def nearest(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for every texel the row and column of the nearest one inside the mask, shape (h, w) each."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return rows.astype(np.int64), columns.astype(np.int64)

"""The texture lookup of one picture as a sparse matrix: which texels each pixel shows, with which weights.

The torch twin of the renderer (``testbed.world.render.rerender``) works out once per picture which texels of the mip
pyramid every pixel reads. Multiplied out with the pyramid, that is a matrix from texels to pixels, and thousands of
gradient steps on the same pictures cost one sparse product each way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from testbed.world.render.rerender import Rerenderer


def pyramid_matrix(rows: int, columns: int) -> sparse.csr_matrix:
    """Return the matrix from the texels of a texture, row by row, to those of all its mip levels in turn."""
    total = sparse.identity(rows * columns, dtype=np.float32, format="csr")
    levels = [total]
    while rows * columns > 1:
        total = sparse.kron(_halve(rows), _halve(columns), format="csr") @ total
        levels.append(total)
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return sparse.vstack(levels, format="csr", dtype=np.float32)


def _halve(count: int) -> sparse.csr_matrix:
    """Return the matrix that averages neighbours; an odd side repeats its last texel."""
    half = (count + 1) // 2
    first = np.arange(half) * 2
    second = np.minimum(first + 1, count - 1)
    at = np.concatenate([first, second])
    return sparse.csr_matrix((np.full(2 * half, 0.5, np.float32), (np.tile(np.arange(half), 2), at)), (half, count))


def lookup_matrix(twin: Rerenderer, pyramid: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix from texels to the pixels of ``twin.mask``, row by row.

    Args:
        twin: Made for the picture.
        pyramid: ``pyramid_matrix`` of the texture's size.
    """
    texels, weights, starts = (part.numpy() for part in twin.reads)
    ends = np.append(starts, len(texels))
    return sparse.csr_matrix((weights, texels, ends), (len(starts), pyramid.shape[0])) @ pyramid


class _Product(torch.autograd.Function):
    """Sparse matrix times vector, both directions in scipy."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, matrix: sparse.csr_matrix) -> Tensor:
        """Return ``matrix @ vector``."""
        ctx.matrix = matrix
        return torch.from_numpy(matrix @ vector.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return ``matrix.T @ gradient``."""
        return torch.from_numpy(ctx.matrix.T @ gradients[0].contiguous().numpy()), None


def product(matrix: sparse.csr_matrix, vector: Tensor) -> Tensor:
    """Return a float32 sparse matrix times a vector, differentiable in the vector."""
    result: Tensor = _Product.apply(vector, matrix)
    return result

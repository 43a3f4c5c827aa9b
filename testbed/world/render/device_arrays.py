"""Device arrays that are refilled for every picture without being allocated anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.world.render.structs import table_dtype


class GrowingArray:
    """One device array that grows to the largest content it ever had; kernels learn the length from their launch."""

    def __init__(self, dtype: Any, device: str) -> None:
        """Start with one element of a Warp type or struct."""
        self._dtype = dtype
        self._device = device
        self.array = wp.zeros(1, dtype=dtype, device=device)
        self._host: NDArray[Any] = self._view()

    def fill(self, rows: NDArray[Any]) -> Any:
        """Copy rows to the front of the device array and return it."""
        count = len(rows)
        if count > len(self._host):
            self.array = wp.zeros(2 * count, dtype=self._dtype, device=self._device)
            self._host = self._view()
        self._host[:count] = rows
        if self._device != "cpu" and count:
            wp.copy(self.array, wp.array(self._host[:count], self._dtype, device="cpu"), 0, 0, count)
        return self.array

    def _view(self) -> NDArray[Any]:
        """Return the memory of the device array itself on the CPU, a twin of it elsewhere."""
        if self._device == "cpu":
            view: NDArray[Any] = self.array.numpy()
            return view
        if hasattr(self._dtype, "numpy_dtype"):
            return np.zeros(len(self.array), table_dtype(self._dtype))
        return np.zeros_like(self.array.numpy())

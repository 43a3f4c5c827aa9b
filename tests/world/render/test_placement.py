"""Where pictures are drawn: ``auto`` is the processor, a GPU that is not there is one sentence."""

from __future__ import annotations

import pytest
import warp

from testbed.core.errors import UsageError
from testbed.world.render.placement import renderer_device


def test_words_become_devices_of_warp() -> None:
    assert [renderer_device(word) for word in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(UsageError, match="is not understood"):
        renderer_device("gpu")


def test_a_gpu_that_is_not_there() -> None:
    warp.init()
    with pytest.raises(UsageError, match="was asked for, but Warp sees"):
        renderer_device(f"cuda:{warp.get_cuda_device_count()}")

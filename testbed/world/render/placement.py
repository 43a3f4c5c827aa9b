"""From a word for a device to Warp's device, checked: a GPU that is not there is one sentence."""

from __future__ import annotations

from testbed.core.device import check_there, gpu_number, is_gpu


def renderer_device(word: str) -> str:
    """Return the Warp device that a word stands for; ``auto`` is the CPU, whose pictures are the same everywhere.

    Raises:
        UsageError: It is no such word, or asks for a GPU that is not there.
    """
    if not is_gpu(word):
        return "cpu"
    import warp

    warp.config.log_level = warp.LOG_ERROR
    warp.init()
    check_there(word, warp.get_cuda_device_count(), "Warp")
    return f"cuda:{gpu_number(word)}"

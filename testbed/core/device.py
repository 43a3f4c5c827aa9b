"""Words for where something computes, the same on every command line and in every agent file.

=============  =====================================================================================================
word           meaning
=============  =====================================================================================================
``auto``       each where it belongs: checkpoints of one's own on the first GPU there is, what comes with the testbed
               (renderer, small networks) on the CPU, where its results are the same on every machine
``cpu``        the processor
``cuda``       the first GPU
``cuda:N``     the GPU of that number, from 0
=============  =====================================================================================================
"""

from __future__ import annotations

import re

from testbed.core.errors import UsageError

DEVICE_PATTERN = r"^(auto|cpu|cuda(:[0-9]{1,4})?)$"
DEVICE_WORDS = "auto, cpu, cuda or cuda:N"


def check_word(word: str) -> str:
    """Return a word for a device as it is.

    Raises:
        UsageError: It is none.
    """
    if not re.fullmatch(DEVICE_PATTERN, word):
        raise UsageError(f"device {word!r} is not understood", hint=f"use {DEVICE_WORDS}")
    return word


def is_gpu(word: str) -> bool:
    """Tell whether a word asks for a GPU."""
    return check_word(word).startswith("cuda")


def gpu_number(word: str) -> int:
    """Return which GPU a word asks for, ``cuda`` being the first."""
    return int(word.partition(":")[2] or 0)


def check_there(word: str, count: int, seen_by: str) -> None:
    """Hold a word against the GPUs that there are.

    Args:
        word: Word for a device.
        count: GPUs of this machine.
        seen_by: Library that counted them.

    Raises:
        UsageError: It asks for a GPU that is not there.
    """
    if is_gpu(word) and gpu_number(word) >= count:
        found = f"{seen_by} sees no GPU here" if count == 0 else f"{seen_by} sees {count} here, from cuda:0"
        raise UsageError(f"device {word} was asked for, but {found}", hint="use --device auto or cpu")

"""Words for devices mean the same everywhere, and a GPU that is not there is one sentence."""

from __future__ import annotations

import pytest

from testbed.core.device import check_there, check_word, gpu_number, is_gpu
from testbed.core.errors import UsageError


@pytest.mark.parametrize("word", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_words_that_are_understood(word: str) -> None:
    assert check_word(word) == word
    assert is_gpu(word) == word.startswith("cuda")


@pytest.mark.parametrize("word", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cpu:0", "mps", "cuda:0 "])
def test_words_that_are_not(word: str) -> None:
    with pytest.raises(UsageError, match="is not understood.*use auto, cpu, cuda or cuda:N"):
        check_word(word)


def test_which_gpu() -> None:
    assert [gpu_number(word) for word in ("cuda", "cuda:0", "cuda:3")] == [0, 0, 3]


def test_a_gpu_that_is_there_is_fine_and_one_that_is_not_is_named() -> None:
    for word, count in (("auto", 0), ("cpu", 0), ("cuda", 1), ("cuda:1", 2)):
        check_there(word, count, "torch")
    with pytest.raises(UsageError, match="device cuda was asked for, but torch sees no GPU here"):
        check_there("cuda", 0, "torch")
    with pytest.raises(UsageError, match="device cuda:2 was asked for, but Warp sees 2 here"):
        check_there("cuda:2", 2, "Warp")

"""Requests are answered together, each caller with his own answer, and none waits longer than it must."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.sweep.batching import Batcher, BatcherClosed, BatchLimits


def double(batch: Sequence[int]) -> list[int | BaseException]:
    return [2 * number for number in batch]


def one_group(number: int) -> str:
    return "all"


def asked_at_once(batcher: Batcher[int, int], numbers: Sequence[int]) -> list[int]:
    with ThreadPoolExecutor(len(numbers)) as callers:
        return list(callers.map(batcher.ask, numbers))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_everybody_gets_his_own_answer_from_one_batch() -> None:
    batcher = Batcher(double, one_group, BatchLimits(wait_s=5.0, most=8))
    assert asked_at_once(batcher, range(8)) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert batcher.sizes == {8: 1}
    batcher.close()


def test_nobody_waits_when_all_who_can_ask_have_asked() -> None:
    batcher = Batcher(double, one_group, BatchLimits(wait_s=60.0, callers=3))
    before = time.monotonic()
    assert asked_at_once(batcher, [1, 2, 3]) == [2, 4, 6]
    assert time.monotonic() - before < 10.0
    batcher.close()


def test_the_oldest_request_waits_its_time_and_no_longer() -> None:
    begun: list[float] = []

    def answer(batch: Sequence[int]) -> list[int | BaseException]:
        begun.append(time.monotonic())
        return double(batch)

    batcher = Batcher(answer, one_group, BatchLimits(wait_s=0.2))
    before = time.monotonic()
    assert batcher.ask(4) == 8
    # a lower bound alone is certain on a busy machine; without the limit this would never come back
    assert begun[0] - before >= 0.2 - 0.01
    batcher.close()


def test_what_comes_in_while_one_batch_is_answered_is_the_next() -> None:
    go_on = threading.Event()

    def slow(batch: Sequence[int]) -> list[int | BaseException]:
        go_on.wait(10.0)
        return double(batch)

    batcher = Batcher(slow, one_group, BatchLimits(wait_s=0.0, most=16))
    with ThreadPoolExecutor(8) as callers:
        first = callers.submit(batcher.ask, 0)
        until(lambda: batcher.sizes[1] == 1)
        rest = [callers.submit(batcher.ask, number) for number in range(1, 6)]
        until(lambda: len(batcher._queue) == 5)
        go_on.set()
        assert [future.result(10.0) for future in (first, *rest)] == [0, 2, 4, 6, 8, 10]
    assert batcher.sizes == {1: 1, 5: 1}
    batcher.close()


def test_requests_of_different_groups_never_share_a_batch() -> None:
    seen: list[list[int]] = []

    def answer(batch: Sequence[int]) -> list[int | BaseException]:
        seen.append(list(batch))
        return double(batch)

    batcher = Batcher(answer, lambda number: number % 2, BatchLimits(wait_s=0.05, callers=6))
    assert asked_at_once(batcher, range(6)) == [0, 2, 4, 6, 8, 10]
    assert all(len({number % 2 for number in batch}) == 1 for batch in seen)
    batcher.close()


def test_callers_are_held_back_while_the_queue_is_full() -> None:
    go_on = threading.Event()

    def slow(batch: Sequence[int]) -> list[int | BaseException]:
        go_on.wait(10.0)
        return double(batch)

    batcher = Batcher(slow, one_group, BatchLimits(wait_s=0.0, most=2, capacity=2))
    with ThreadPoolExecutor(10) as callers:
        asked = [callers.submit(batcher.ask, number) for number in range(10)]
        until(lambda: len(batcher._queue) == 2)
        time.sleep(0.05)
        assert len(batcher._queue) == 2
        go_on.set()
        assert sorted(future.result(10.0) for future in asked) == [2 * number for number in range(10)]
    assert max(batcher.sizes) <= 2
    batcher.close()


def test_an_error_belongs_to_its_request_or_to_the_whole_batch() -> None:
    def picky(batch: Sequence[int]) -> list[int | BaseException]:
        if 7 in batch:
            raise ZeroDivisionError("all of you")
        return [ValueError(f"not {number}") if number == 3 else number for number in batch]

    batcher = Batcher(picky, one_group, BatchLimits(wait_s=0.0))
    assert batcher.ask(1) == 1
    with pytest.raises(ValueError, match="not 3"):
        batcher.ask(3)
    with pytest.raises(ZeroDivisionError, match="all of you"):
        batcher.ask(7)
    assert batcher.ask(2) == 2  # the thread lives on
    batcher.close()


def test_an_answer_too_few_is_an_error_not_a_wait() -> None:
    batcher: Batcher[int, int] = Batcher(lambda batch: [], one_group, BatchLimits(wait_s=0.0))
    with pytest.raises(RuntimeError, match="0 answers to 1 requests"):
        batcher.ask(1)
    batcher.close()


def test_a_closed_one_answers_nobody() -> None:
    batcher = Batcher(double, one_group, BatchLimits())
    batcher.close()
    with pytest.raises(BatcherClosed):
        batcher.ask(1)


@pytest.mark.parametrize("wrong", [{"wait_s": -1.0}, {"most": 0}, {"capacity": 0}, {"callers": 0}])
def test_limits_under_which_nothing_is_answered_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BatchLimits(**wrong)  # type: ignore[arg-type]

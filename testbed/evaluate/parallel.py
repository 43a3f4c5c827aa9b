"""Asking in several processes: cells that show the same pictures are filled by one of them, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import groupby
from typing import TYPE_CHECKING, Any

from testbed.core.processes import CONTEXT, processes

if TYPE_CHECKING:
    from testbed.evaluate.evaluation import PendingCell
    from testbed.evaluate.request import Request
    from testbed.evaluate.tables import VictimRow

LOOK_S = 0.2
"""How often it is looked whether a process has something to tell."""

_at_work: list[Any] = []
"""In a process that asks: its own evaluation, that one's cells by name, where to tell what was done, and whether to
stop."""


def fill(
    request: Request, rows: Sequence[VictimRow], todos: Sequence[PendingCell], jobs: int, say: Callable[[str], None]
) -> Iterator[str]:
    """Fill cells in several processes and yield a line about each that is filled, in no certain order.

    Args:
        request: What is asked.
        rows: Rows that the evaluation was planned for.
        todos: Cells to be filled, those with the same pictures next to each other.
        jobs: Processes.
        say: Told what else there is to tell.

    Raises:
        TestbedError: As of `Evaluation.fill`, or a process died; cells filled until then are kept.
    """
    groups = [
        [todo.key for todo in members]
        for _, members in groupby(todos, key=lambda todo: (id(todo.album), todo.condition))
    ]
    told, stop = CONTEXT.SimpleQueue(), CONTEXT.Event()
    with processes(min(jobs, len(groups)), _begin, (request, tuple(rows), told, stop)) as pool:
        left: set[Future[None]] = {pool.submit(_fill, group) for group in groups}
        try:
            while left:
                ended, left = wait(left, LOOK_S, FIRST_COMPLETED)
                while not told.empty():
                    filled, line = told.get()
                    if filled:
                        yield line
                    else:
                        say(line)
                for future in ended:
                    future.result()
        finally:
            # Reached early by an error or Ctrl-C: the cell in work is finished and kept, no other is begun.
            stop.set()


def _begin(request: Request, rows: tuple[VictimRow, ...], told: Any, stop: Any) -> None:
    from testbed.evaluate.evaluation import Evaluation

    evaluation = Evaluation(request, lambda line: told.put((False, line)), rows)
    _at_work[:] = [evaluation, {todo.key: todo for todo in evaluation.missing()}, told, stop]


def _fill(keys: list[str]) -> None:
    evaluation, todos, told, stop = _at_work
    for line in evaluation.fill([todos[key] for key in keys]):
        told.put((True, line))
        if stop.is_set():
            return

"""How an attempt ended decides what is done about it, on this side of a process border and on the other."""

from __future__ import annotations

import json

import pytest

from testbed.core import errors
from testbed.core.errors import TestbedError
from testbed.sweep.outcome import (
    SIM_CRASH,
    SIM_HANG,
    belongs_to_episode,
    from_wire,
    quarantine_code,
    to_wire,
    worth_retrying,
)

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TestbedError)]

AGAIN = {"EndpointError", "ServerError", "SimulatorCrashError", "SimulatorHangError"}
"""Errors after which another attempt may succeed."""

OF_THE_EPISODE = {"AgentError", "JudgeError", "TestbedError"}
"""Errors that end their episode; any other ends the run."""


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_tried_again_or_recorded_or_ends_the_run(kind: type[TestbedError]) -> None:
    error = kind("what happened")
    assert worth_retrying(error) == (kind.__name__ in AGAIN)
    assert belongs_to_episode(error) == (kind.__name__ in OF_THE_EPISODE)
    assert not (worth_retrying(error) and belongs_to_episode(error))


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_crosses_the_border_as_what_it_is(kind: type[TestbedError]) -> None:
    sent = kind("what happened: 100 %", hint="what helps")
    back = from_wire(json.loads(json.dumps(to_wire(sent))))
    assert (type(back), str(back), back.code, back.exit_code) == (kind, str(sent), sent.code, sent.exit_code)


def test_a_defect_becomes_an_error_of_its_episode_and_keeps_its_traceback() -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        wire = to_wire(error)
    assert "test_outcome.py" in wire["trace"]
    back = from_wire(wire)
    assert type(back) is TestbedError and str(back) == "ZeroDivisionError: division by zero"
    assert belongs_to_episode(back)


def test_an_endless_traceback_is_cut() -> None:
    def deeper(level: int) -> None:
        if level == 0:
            raise ValueError("x" * 100)
        deeper(level - 1)

    try:
        deeper(200)
    except ValueError as error:
        assert len(to_wire(error)["trace"]) <= 4000


@pytest.mark.parametrize(
    "wire",
    [{}, {"type": "Path"}, {"type": "suggest", "message": "m"}, {"type": "no_such", "hint": "h"}, {"type": None}],
)
def test_what_is_no_error_of_ours_is_never_made_into_anything_else(wire: dict[str, str]) -> None:
    assert type(from_wire(wire)) is TestbedError


def test_quarantine_tells_hung_from_dead() -> None:
    assert quarantine_code(errors.SimulatorHangError("slow")) == SIM_HANG
    assert quarantine_code(errors.SimulatorCrashError("gone")) == quarantine_code(errors.ServerError("no")) == SIM_CRASH
    assert quarantine_code(errors.EndpointError("away")) == "TB410" and errors.is_infrastructure("TB410")

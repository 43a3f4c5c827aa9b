"""How an attempt at an episode ended, and how an error crosses a process border without pickle.

Three endings are told apart because they are treated differently: a record (driving done, whatever came of it), an
error that would come again (the run stops, or the episode is recorded as failed), and infrastructure that was lost
(the episode is tried again; never a driving failure).
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.core import errors
from testbed.core.errors import (
    AgentError,
    EndpointError,
    JudgeError,
    ServerError,
    SimulatorCrashError,
    SimulatorHangError,
    TestbedError,
)
from testbed.core.records import EpisodeRecord

SIM_CRASH = "SIM_CRASH"
SIM_HANG = "SIM_HANG"


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """End of one attempt.

    Attributes:
        slot: Worker that made it.
        record: What happened, if the episode was carried out.
        folder: Where the worker left trace and video.
        error: What went wrong otherwise.
    """

    slot: int
    record: EpisodeRecord | None = None
    folder: Path | None = None
    error: TestbedError | None = None


def worth_retrying(error: TestbedError) -> bool:
    """Tell whether trying again may help: simulator or worker died or hung or could not start, an endpoint is away."""
    return isinstance(error, SimulatorCrashError | SimulatorHangError | EndpointError) or type(error) is ServerError


def belongs_to_episode(error: TestbedError) -> bool:
    """Tell whether the error ends its episode only; any other would come again in every episode and ends the run."""
    if worth_retrying(error):
        return False
    return isinstance(error, AgentError | JudgeError) or type(error) is TestbedError


def quarantine_code(error: TestbedError) -> str:
    """Return the code that is recorded for an episode given up for infrastructure reasons."""
    if isinstance(error, EndpointError):
        return error.code
    return SIM_HANG if isinstance(error, SimulatorHangError) else SIM_CRASH


def to_wire(error: BaseException) -> dict[str, str]:
    """Return an exception as JSON types; what is not a TestbedError is a defect and keeps its traceback."""
    if isinstance(error, TestbedError):
        return {"type": type(error).__name__, "message": str(error.args[0]) if error.args else "", "hint": error.hint}
    trace = "".join(traceback.format_exception(error))[-4000:]
    return {"type": "TestbedError", "message": f"{type(error).__name__}: {error}", "hint": "", "trace": trace}


def from_wire(wire: Mapping[str, Any]) -> TestbedError:
    """Return the exception that ``to_wire`` wrote down."""
    kind = getattr(errors, str(wire.get("type")), TestbedError)
    if not (isinstance(kind, type) and issubclass(kind, TestbedError)):
        kind = TestbedError
    return kind(str(wire.get("message")), hint=str(wire.get("hint", "")))

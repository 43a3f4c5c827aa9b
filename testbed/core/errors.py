"""Every error a user can meet, one tree, each with a stable code and a process exit status.

::

    TestbedError                     1  TB000
    ├── UsageError                   2  TB100  a command line or option that cannot be carried out
    ├── ScenarioError                2  TB110  a scenario or sweep file that cannot be accepted (file:line:col)
    ├── MapError                     2  TB120  a map that does not exist or cannot be parsed
    ├── ArtefactError                2  TB130  an attack artefact that is missing, altered or malformed
    ├── WeightsError                 2  TB140  model weights that are missing, altered or malformed
    ├── DatasetError                 2  TB150  a data set with a wrong layout
    ├── MissingExtraError            2  TB160  a package that an extra brings is needed and not installed
    ├── StoreError                   3  TB200  a run folder that cannot be read or written (disk, corruption)
    ├── ServerError                  3  TB300  the simulator could not be started or reached
    │   ├── PortBusyError            3  TB301
    │   ├── UnreachableError         3  TB302
    │   ├── VersionMismatchError     3  TB303
    │   ├── SimulatorCrashError      3  TB304  (infrastructure: never a driving failure)
    │   ├── SimulatorHangError       3  TB305  (infrastructure: never a driving failure)
    │   └── UnsupportedError         3  TB306  what a scenario asks for is beyond this server; asking again is no use
    ├── AgentError                   1  TB400  an agent that raised or answered what its protocol forbids
    │   └── EndpointError            1  TB410  (infrastructure: never a driving failure)
    ├── JudgeError                   1  TB500  a judge that failed: the episode becomes an error, never a missing metric
    └── InconclusiveError            4  TB600  too many episodes failed for infrastructure reasons
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? `` for the known word that resembles ``word`` most, or an empty string."""
    near = difflib.get_close_matches(word[:80], known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def is_infrastructure(code: str) -> bool:
    """Tell whether a recorded code blames simulator, worker, disk or network: it is no failure of agent or judge."""
    return code.startswith(("SIM_", "TB2", "TB3")) or code in (EndpointError.code, "WORKER", "")


class TestbedError(Exception):
    """Base of all errors that are reported to the user as one sentence.

    Attributes:
        code: Stable identifier, for instance ``TB110``.
        exit_code: Process exit status of the command line when this error ends it.
        hint: What the user can do about it, or an empty string.
    """

    __test__ = False
    code = "TB000"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Store the sentence and the advice that go to the user."""
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence followed by the advice, if any."""
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UsageError(TestbedError):
    """Raised when the user gives a command line or option that cannot be carried out.

    Attributes:
        at: Keys that lead to the value in the file that names it; empty where there is no file or the place is unknown.
    """

    code = "TB100"
    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", at: Sequence[str | int] = ()) -> None:
        """Store what `TestbedError` does, and the place."""
        super().__init__(message, hint=hint)
        self.at = tuple(at)


class ScenarioError(TestbedError):
    """Raised when the user gives a scenario or sweep file that cannot be accepted.

    Args:
        message: What is wrong, quoting the offending value.
        path: File in question.
        line: Line number, first line is 1; 0 when unknown.
        column: Column number, first column is 1; 0 when unknown.
        hint: What to do.
    """

    code = "TB110"
    exit_code = 2

    def __init__(
        self, message: str, *, path: Path | str | None = None, line: int = 0, column: int = 0, hint: str = ""
    ) -> None:
        """Prefix the sentence with ``file:line:column`` as editors and compilers do."""
        place = f"{path}:{line}:{column}: " if path is not None and line else (f"{path}: " if path is not None else "")
        super().__init__(f"{place}{message}", hint=hint)
        self.path = path
        self.line = line
        self.column = column


class MapError(TestbedError):
    """Raised when the user names a map that does not exist or cannot be parsed."""

    code = "TB120"
    exit_code = 2


class ArtefactError(TestbedError):
    """Raised when the user names an attack artefact that is missing, altered or malformed."""

    code = "TB130"
    exit_code = 2


class WeightsError(TestbedError):
    """Raised when the user names model weights that are missing, altered or malformed."""

    code = "TB140"
    exit_code = 2


class DatasetError(TestbedError):
    """Raised when the user points at a data set with a wrong layout."""

    code = "TB150"
    exit_code = 2


class MissingExtraError(TestbedError):
    """Raised when the user asks for something that needs an extra which is not installed, see `testbed.core.extras`.

    Attributes:
        extra: Name of the extra, or an empty string.
    """

    code = "TB160"
    exit_code = 2

    def __init__(self, message: str, *, extra: str = "", hint: str = "") -> None:
        """Store the sentence and the extra's name."""
        super().__init__(message, hint=hint)
        self.extra = extra


class StoreError(TestbedError):
    """Raised when a run folder cannot be read or written: disk full, no permission, corruption."""

    code = "TB200"
    exit_code = 3


class ServerError(TestbedError):
    """Raised when the simulator could not be started, reached or trusted."""

    code = "TB300"
    exit_code = 3


class PortBusyError(ServerError):
    """Raised when the user asks for a port that another process holds."""

    code = "TB301"


class UnreachableError(ServerError):
    """Raised when nothing answers at the given host and port."""

    code = "TB302"


class VersionMismatchError(ServerError):
    """Raised when the CARLA server speaks another version than the client."""

    code = "TB303"


class SimulatorCrashError(ServerError):
    """Raised when the simulator died during an episode."""

    code = "TB304"


class SimulatorHangError(ServerError):
    """Raised when the simulator missed its tick deadline."""

    code = "TB305"


class UnsupportedError(ServerError):
    """Raised when a scenario asks a server for something that it cannot do, now or later."""

    code = "TB306"


class AgentError(TestbedError):
    """Raised when an agent raised, or answered what the agent protocol forbids."""

    code = "TB400"


class EndpointError(AgentError):
    """Raised when a server that an agent asks gave no usable reply within the budget of tries and seconds."""

    code = "TB410"


class JudgeError(TestbedError):
    """Raised when a judge failed; the episode becomes an error, never a missing metric."""

    code = "TB500"


class InconclusiveError(TestbedError):
    """Raised when so many episodes failed for infrastructure reasons that a run answers nothing."""

    code = "TB600"
    exit_code = 4


class GateError(TestbedError):
    """Raised when a run is complete and shows what the user said it must not (``--fail-on``)."""

    code = "TB610"
    exit_code = 5

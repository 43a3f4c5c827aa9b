"""A worker process: reads plans from stdin, one JSON object a line, and answers each with one line on stdout.

::

    → {"plan": {…}, "folder": "…/scratch"}
    ← {"record": {…}}                                        trace and video lie in the folder
    ← {"error": {"type": …, "message": …, "hint": …}}        see testbed.sweep.outcome

It keeps a warm simulator and loaded agents between plans, ends when stdin closes, and is killed by the kernel when
its parent dies. Whatever libraries print goes to stderr, which the parent keeps as a log.

    python -m testbed.sweep.worker OPTIONS
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self, cast

from testbed.core import lasting_thread
from testbed.core.errors import SimulatorCrashError
from testbed.core.process_life import die_with_parent
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Agent
from testbed.server.process import RENDER_THREADS
from testbed.sweep.outcome import to_wire

THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Libraries that would start a thread per core in every worker (two threads on busy cores are slower than one)."""


GRACE_S = 1.0
"""Time that a runner has to say itself that its simulator is lost."""


class Runner(Protocol):
    """What carries out one episode after the other; ``testbed.episode.EpisodeRunner`` is the real one."""

    def run(self, plan: EpisodePlan, folder: Path) -> EpisodeRecord:
        """Carry out a plan and leave trace and video in ``folder``."""

    def trouble(self) -> str:
        """Return why the simulator cannot answer any more ("was killed by signal 11"), or an empty string."""

    def close(self) -> None:
        """Stop the simulator."""


@dataclass(frozen=True, slots=True)
class RunnerSpec:
    """How a worker makes its runner.

    Attributes:
        factory: ``module:name`` of the class.
        carla: ``host:port`` of a CARLA server, or None to start the embedded one.
        device: Where renderer and models run, a word of `testbed.core.device`.
    """

    factory: str = "testbed.episode:EpisodeRunner"
    carla: str | None = None
    device: str = "auto"

    def make(self, load_agent: Callable[[str], Agent] | None = None) -> Runner:
        """Import the class and make a runner; `load_agent` is how it comes by its agents, None leaves that to it."""
        module, _, name = self.factory.partition(":")
        options: dict[str, Any] = {} if load_agent is None else {"load_agent": load_agent}
        made = getattr(importlib.import_module(module), name)(carla=self.carla, device=self.device, **options)
        return cast(Runner, made)

    def to_json(self) -> str:
        """Return it as text for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(text))


class RestartingRunner:
    """Carry out plans with one runner, made for the first of them and made anew after an error."""

    def __init__(self, spec: RunnerSpec, load_agent: Callable[[str], Agent] | None = None) -> None:
        """Remember how to make a runner, see `RunnerSpec.make`."""
        self._spec = spec
        self._load_agent = load_agent
        self._runner: Runner | None = None
        self._troubled_since_s: float | None = None

    def attempt(self, plan: EpisodePlan, folder: Path) -> dict[str, Any]:
        """Carry out a plan; return ``{"record": …}`` or ``{"error": …}`` in JSON types, never raise.

        The client waits long for a simulator that is no more, so that somebody else has to look after it meanwhile. A
        process in which it still waits is of no more use: the pool ends it.
        """
        self._troubled_since_s = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            record = lasting_thread.call(lambda: self._run(plan, folder), look=self._look)
            return {"record": record.model_dump(mode="json")}
        except Exception as error:  # the border of a process: every error becomes an answer
            wire = to_wire(error)
            print(wire.get("trace", f"{wire['type']}: {wire['message']}"), file=sys.stderr, flush=True)
            self.close()
            return {"error": wire}

    def _run(self, plan: EpisodePlan, folder: Path) -> EpisodeRecord:
        if self._runner is None:
            self._runner = self._spec.make(self._load_agent)
        return self._runner.run(plan, folder)

    def _look(self) -> None:
        """Raise `SimulatorCrashError` when the simulator has been lost for longer than the runner needs to notice."""
        trouble = self._runner.trouble() if self._runner is not None else ""
        now = time.monotonic()
        if not trouble:
            self._troubled_since_s = None
        elif self._troubled_since_s is None:
            self._troubled_since_s = now
        elif now - self._troubled_since_s > GRACE_S:
            raise SimulatorCrashError(f"the simulator {trouble}")

    def close(self) -> None:
        """Stop the simulator, if any."""
        runner, self._runner = self._runner, None
        if runner is not None:
            try:
                runner.close()
            except Exception as error:  # a simulator that died cannot be closed politely
                print(f"closing the simulator: {error}", file=sys.stderr, flush=True)


def environment(base: Mapping[str, str], render_threads: int = 1) -> dict[str, str]:
    """Return the environment of a worker: one thread each, but for pictures, and nothing fetched from a network."""
    limits = {**dict.fromkeys(THREAD_LIMITS, "1"), RENDER_THREADS: str(render_threads)}
    return {**limits, "HF_HUB_OFFLINE": "1", **base}


def main(argv: list[str]) -> int:
    """Serve plans until stdin closes.

    Args:
        argv: Process id of the parent, then the runner spec as JSON.
    """
    die_with_parent(int(argv[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    runner = RestartingRunner(RunnerSpec.from_json(argv[1]))
    for line in sys.stdin:
        order = json.loads(line)
        answer = runner.attempt(EpisodePlan.model_validate(order["plan"]), Path(order["folder"]))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    runner.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

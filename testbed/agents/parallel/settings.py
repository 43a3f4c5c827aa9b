"""What an agent file may say about a parallel agent, read and checked before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.agents.parallel.arbiter import TASKS, ArbiterRules, Policy
from testbed.core.errors import UsageError, suggest
from testbed.core.latency_spec import LATENCY_WORDS, LatencySpec


@dataclass(frozen=True, slots=True)
class ParallelSettings:
    """A parallel agent's options.

    Attributes:
        fast: Agent that is asked at every decision: a name or an agent file.
        slow: Agent that is asked whenever it is done with its last picture.
        rules: The arbiter's policy and thresholds.
        slow_latency: What an answer of the slow agent costs on the simulation clock: the figures of its card, or fixed.
    """

    fast: str = "dnn"
    slow: str = "tandem"
    rules: ArbiterRules = field(default_factory=ArbiterRules)
    slow_latency: LatencySpec = field(default_factory=lambda: LatencySpec.parse("card"))

    @classmethod
    def parse(
        cls,
        fast: str = "dnn",
        slow: str = "tandem",
        policy: str = Policy.PREFER_VLM.value,
        stale_s: float | Mapping[str, float] | None = None,
        alarm_after_s: float | None = None,
        stop_after_s: float | None = None,
        slow_for_s: float | None = None,
        slow_latency: str = "card",
    ) -> ParallelSettings:
        """Read the options of an agent file.

        Args:
            fast: Agent asked at every decision: a name or an agent file.
            slow: Agent asked at its own rate: a name or an agent file.
            policy: One of `testbed.agents.parallel.arbiter.Policy`.
            stale_s: Age from which an answer of the slow agent is not acted on: one number, or one per task.
            alarm_after_s: For how long a disagreement must last to be an alarm.
            stop_after_s: For how long it must last to end in a stop, under ``minimal_risk_stop``.
            slow_for_s: For how long after an alarm it is driven slowly, under ``slow_on_disagreement``.
            slow_latency: ``card``, a profile such as ``llava7b_a100``, or ``fixed:851`` (milliseconds).

        Raises:
            UsageError: If an option cannot be meant.
        """
        for role, name in (("fast", fast), ("slow", slow)):
            if not isinstance(name, str) or not name:
                raise UsageError(f"agent parallel: {role} is {name!r}", hint="name an agent or an agent file")
        usual = ArbiterRules()
        rules = ArbiterRules(
            policy=_policy(policy),
            stale_s=usual.stale_s if stale_s is None else _per_task(stale_s, usual.stale_s),
            alarm_after_s=_seconds("alarm_after_s", alarm_after_s, usual.alarm_after_s),
            stop_after_s=_seconds("stop_after_s", stop_after_s, usual.stop_after_s),
            slow_for_s=_seconds("slow_for_s", slow_for_s, usual.slow_for_s),
        )
        spec = LatencySpec.parse(str(slow_latency))
        if spec.name == "measured":
            raise UsageError(
                "agent parallel: slow_latency cannot be measured, or no drive would repeat",
                hint=f"latencies are {LATENCY_WORDS}",
            )
        return cls(fast, slow, rules, spec)


def _policy(name: object) -> Policy:
    known = [policy.value for policy in Policy]
    if name not in known:
        raise UsageError(
            f"agent parallel: unknown policy {name!r}", hint=f"{suggest(str(name), known)}known: {', '.join(known)}"
        )
    return Policy(name)


def _seconds(name: str, value: Any, usual: float | None = None) -> float:
    """Return a number of seconds; the usual one, if there is one, where none is given."""
    if value is None and usual is not None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0.0:
        raise UsageError(f"agent parallel: {name} is {value!r}", hint="give seconds, 0 or more")
    return float(value)


def _per_task(value: Any, default: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return dict.fromkeys(TASKS, _seconds("stale_s", value))
    for task in value:
        if task not in TASKS:
            raise UsageError(f"agent parallel: stale_s knows {', '.join(TASKS)}, not {task!r}")
    return {**default, **{task: _seconds(f"stale_s.{task}", number) for task, number in value.items()}}

"""Numbers about the alarms of agents that doubt themselves, over the drives of one agent under one condition.

The scores are those of `testbed.judge.alarm`, which defines them. Decisions of one drive resemble each other, so that
intervals over decisions are narrower than they should be; those over drives are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testbed import stats
from testbed.events import Task
from testbed.report.run_view import Episode


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """Alarms over several drives.

    Attributes:
        drives: Drives with at least one alarm, of those whose agent could raise one.
        detected: Drives in which an alarm followed a fault of the fast agent's, of those in which there was one.
        delays_s: Detection delay of each detected drive.
        after_visible_s: The same from the moment at which the artefact first showed.
        count: Alarms begun.
        driven_km: Kilometres driven.
        decisions: Decisions under alarm, of all.
        false_decisions: Decisions under alarm although the fast agent was right, of all.
        disagreed: Pictures on which the two disagreed on the task, of those about which both answered.
        fast_right: In how many of those the fast agent was right ...
        slow_right: ... and in how many the slow one.
        slow_s: Seconds driven slowly because of an alarm.
        stop_s: Seconds of a stop because of one, standing included.
    """

    drives: stats.Rate
    detected: stats.Rate
    delays_s: tuple[float, ...]
    after_visible_s: tuple[float, ...]
    count: int
    driven_km: float
    decisions: stats.Rate
    false_decisions: stats.Rate
    disagreed: stats.Rate
    fast_right: int
    slow_right: int
    slow_s: float
    stop_s: float

    @property
    def per_km(self) -> stats.Interval | None:
        """Interval of the alarms per kilometre; None where nothing was driven."""
        return stats.garwood(self.count, self.driven_km) if self.driven_km > 0.0 else None


def alarm_figures(episodes: Sequence[Episode], task: Task) -> AlarmFigures | None:
    """Return the figures of those drives whose agent could raise an alarm; None where there is none.

    Args:
        episodes: Drives of one agent under one condition.
        task: What is attacked: detection and disagreements are about it, alarms about any task.
    """
    able = [e for e in episodes if e.number("arbitration.decisions") is not None]
    if not able:
        return None

    def total(name: str) -> float:
        return sum(e.number(name) or 0.0 for e in able)

    def known(name: str) -> tuple[float, ...]:
        return tuple(value for e in able if (value := e.number(name)) is not None)

    wrong = known(f"detection.{task}.detected")
    decisions = int(total("arbitration.decisions"))
    return AlarmFigures(
        drives=stats.rate(sum(bool(e.number("alarm.count")) for e in able), len(able)),
        detected=stats.rate(int(sum(wrong)), len(wrong)),
        delays_s=known(f"detection.{task}.delay_s"),
        after_visible_s=known(f"detection.{task}.after_visible_s"),
        count=int(total("alarm.count")),
        driven_km=total("alarm.driven_km"),
        decisions=stats.rate(int(total("alarm.decisions")), decisions),
        false_decisions=stats.rate(int(total("alarm.false_decisions")), decisions),
        disagreed=stats.rate(int(total(f"disagreement.{task}.count")), int(total(f"disagreement.{task}.n"))),
        fast_right=int(total(f"disagreement.{task}.fast_right")),
        slow_right=int(total(f"disagreement.{task}.slow_right")),
        slow_s=total("caution.slow_s"),
        stop_s=total("caution.stop_s"),
    )

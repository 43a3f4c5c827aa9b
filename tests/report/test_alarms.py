"""The table of alarms: counts added over drives, intervals, and nothing where no agent could raise one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.core.records import EpisodeRecord
from testbed.report.alarms import alarm_figures
from testbed.report.run_view import RunView
from testbed.report.tables import all_tables

CLEAN: list[str] = []


def scored(record: EpisodeRecord) -> EpisodeRecord:
    """Give the drives of parallel their scores: seed 1 has an alarm, and is detected under paint after 0.5 s."""
    seed, attacked = record.plan.seed, record.plan.condition != "benign"
    if record.plan.agent != "parallel":
        return record
    scores: dict[str, Any] = {
        "arbitration.decisions": 50, "alarm.count": int(seed == 1), "alarm.driven_km": 0.2,
        "alarm.decisions": 6 // seed, "alarm.false_decisions": 2, "disagreement.vd.n": 40, "disagreement.vd.count": 4,
        "disagreement.vd.fast_right": 1, "disagreement.vd.slow_right": 3, "caution.slow_s": 1.5, "caution.stop_s": 0.0,
    }  # fmt: skip
    if attacked:
        scores |= {"detection.vd.detected": seed == 1, "detection.vd.delay_s": 0.5 if seed == 1 else None}
        scores |= {"detection.vd.after_visible_s": 0.9 if seed == 1 else None}
        scores |= {"detection.alc.detected": True, "detection.alc.delay_s": 9.0}
    return record.model_copy(update={"scores": scores})


DRIVES = {(agent, name): [CLEAN] * 3 for agent in ("dnn", "parallel") for name in ("benign", "paint")}


@pytest.fixture
def view(make_view: Callable[..., RunView]) -> RunView:
    return make_view(DRIVES, change=scored)


def test_counts_are_added_over_drives(view: RunView) -> None:
    group = view.group("parallel", "paint")
    assert group is not None
    found = alarm_figures(group.episodes, "vd")
    assert found is not None
    assert (found.drives.k, found.drives.n) == (1, 3) and (found.detected.k, found.detected.n) == (1, 3)
    assert found.delays_s == (0.5,) and found.after_visible_s == (0.9,)
    assert (found.count, found.driven_km) == (1, pytest.approx(0.6))
    assert (found.decisions.k, found.decisions.n, found.false_decisions.k) == (11, 150, 6)
    assert (found.disagreed.k, found.disagreed.n, found.fast_right, found.slow_right) == (12, 120, 3, 9)
    assert found.per_km is not None and found.per_km.high == pytest.approx(5.572 / 0.6, abs=1e-2)
    assert found.slow_s == 4.5


def test_the_table_is_about_what_is_attacked_and_about_agents_that_can_raise_an_alarm(view: RunView) -> None:
    table = next(table for table in all_tables(view) if table.caption == "Alarms")
    assert [(row.agent, row.condition) for row in table.rows] == [("parallel", "benign"), ("parallel", "paint")]
    benign, paint = ({head: cell for (head, _), cell in zip(table.heads, row.cells, strict=True)} for row in table.rows)
    assert benign["detected"].text == "–" and benign["delay"].text == "–"
    assert (paint["detected"].text, paint["delay"].text) == ("1/3", "0.50 s")
    assert benign["alarms per km"].text == "1.67" and benign["alarms per km"].note.startswith("1 in 0.60 km, 0.04–9.29")
    assert paint["under alarm"].text == "11/150" and paint["false"].text == "6/150"
    assert paint["disagreed"].note == "fast right 3, slow 9" and paint["cautious"].text == "4.5 s"


def test_a_run_without_such_an_agent_has_no_such_table(make_view: Callable[..., RunView]) -> None:
    view = make_view({key: drives for key, drives in DRIVES.items() if key[0] == "dnn"}, change=scored)
    assert "Alarms" not in [table.caption for table in all_tables(view)]

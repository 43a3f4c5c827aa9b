"""A DNN and a V²LM really drive side by side: real server, real client, real networks, a lasting disagreement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.core.types import Caution, Step
from testbed.episode import EpisodeRunner
from testbed.scenario.schema import Scenario
from testbed.store import TraceReader


def drive(
    runner: EpisodeRunner, folder: Path, agent: str, seconds: float, **more: Any
) -> tuple[EpisodeRecord, list[Step]]:
    """Drive along the highway; return the record and the steps as they stand in the trace."""
    scene: dict[str, Any] = {
        "name": "side_by_side",
        "question": "Do two agents drive side by side?",
        "map": "highway",
        "duration_s": seconds,
        "weather": {"preset": "ClearNoon", "vary": False},
        "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 12, "vary": False},
        "signs": [{"id": "limit", "gtsrb_class": 7, "ahead_m": 30}],
        **more,
    }
    folder.mkdir(exist_ok=True)
    plan = EpisodePlan(scenario="side_by_side", scene=Scenario.model_validate(scene).dump(), agent=agent, seed=4)
    record = runner.run(plan, folder)
    return record, TraceReader(folder / "trace.mcap").steps()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_dnn_and_tandem_keep_the_lane_together_and_do_so_again(runner: EpisodeRunner, tmp_path: Path) -> None:
    first, steps = drive(runner, tmp_path / "a", "parallel", 1.5)
    again, _ = drive(runner, tmp_path / "b", "parallel", 1.5)
    assert first.trace_sha256 == again.trace_sha256 and first.scores == again.scores
    assert first.events == () and first.scores["lane.max_offset_m"] < 0.5  # type: ignore[operator]
    found = {step.decision.frame: step.decision.perception for step in steps if step.decision is not None}
    assert len(found) == first.scores["arbitration.decisions"] == 15
    arbitrations = [one.arbitration for one in found.values()]
    assert arbitrations[0] is not None and arbitrations[0].slow is None, "nothing is ready at the first decision"
    for one in arbitrations[1:]:
        assert one is not None and one.slow is not None and one.checked is not None
        # tandem needs less than the 0.1 s from one decision to the next
        assert one.slow.t_s == one.checked.t_s == pytest.approx(one.fast.t_s - 0.1)
        assert one.slow.raw != one.checked.raw, "two networks, two ways to say it"
    assert first.scores["disagreement.vd.n"] == 14


@pytest.mark.timeout(300)
def test_a_disagreement_that_lasts_ends_in_a_stop_in_the_lane(runner: EpisodeRunner, tmp_path: Path) -> None:
    """An oracle that needs 0.3 s sees the vehicle ahead that the other agent never reports."""
    path = tmp_path / "stop.yaml"
    path.write_text(
        "agent: parallel\n"
        "options: {fast: constant, slow: scripted, policy: minimal_risk_stop, slow_latency: 'fixed:300'}\n"
    )
    lead = {"id": "lead", "ahead_m": 30.0, "speed_mps": 12.0}
    record, steps = drive(runner, tmp_path / "a", str(path), 5.0, actors=[lead])
    asked_s = {Caution.NONE: -1.0, Caution.STOP: -1.0}
    for step in reversed(steps):
        assert step.decision is not None and step.decision.perception.arbitration is not None
        asked_s[step.decision.perception.arbitration.caution] = step.t_s
    # pictures of 0, 0.3, 0.6 s; the last is weighed at 0.9 s, and has lasted longer than the 0.5 s that are asked for
    assert asked_s == {Caution.NONE: 0.0, Caution.STOP: pytest.approx(0.9)}
    assert record.scores["speed.min_mps"] == pytest.approx(0.0, abs=0.1)
    assert record.scores["lane.max_offset_m"] < 0.5  # type: ignore[operator]
    assert record.scores["caution.stop_s"] == pytest.approx(5.0 - 0.9, abs=0.06)
    assert record.scores["alarm.count"] == 1 and record.scores["alarm.false_decisions"] == 0
    assert steps[-1].truth.ego.speed_mps < 0.1

"""The contract of judges: events of the kinds they name, finite scores, the same verdict for the same drive."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from testbed.core.records import Event
from testbed.core.types import (
    Arbitration,
    AttackTruth,
    Caution,
    Collision,
    Command,
    ConflictTruth,
    Decision,
    EgoState,
    LaneState,
    LeadTruth,
    LineTruth,
    Opinion,
    Perception,
    Relation,
    SignAnswer,
    SignTruth,
    Steering,
    SteeringAnswer,
    Step,
    Truth,
    VehicleAnswer,
)
from testbed.judge import Findings, History, Judge, JudgeLimits, JudgePanel, event_catalogue, judges_for
from testbed.judge.registry import create

STEP_S = 0.05
LIMITS = JudgeLimits(planned_distance_m=400.0, blocked_after_s=5.0)


class JudgeContract:
    """Tests of one judge; subclass it, name the judge, and let pytest collect the subclass.

    Attributes:
        name: Registered name.
    """

    name: ClassVar[str] = ""

    def test_it_says_who_it_is(self) -> None:
        """What the registry makes is a judge of that name with a version, and names what it reports and scores."""
        judge = create(self.name)
        assert isinstance(judge, Judge)
        assert judge.name == self.name and judge.version
        assert judge.events or judge.scores, "a judge reports or measures something"
        assert all(isinstance(score, str) and score for score in judge.scores)

    def test_its_kinds_of_events_are_in_the_catalogue(self) -> None:
        """Reports, tables and claims know the kinds under their names, and have words, a chart and a task for them."""
        catalogue = event_catalogue()
        for kind in create(self.name).events:
            assert catalogue[kind.name] == kind, f"another kind is called {kind.name!r} already"
            assert kind.name.replace("_", "").isalnum() and kind.name == kind.name.lower()
            for words in (kind.happened, kind.held, kind.column, kind.hazard):
                assert words and words == words.strip(), f"{kind.name}: words are missing"
            assert bool(kind.severity) == bool(kind.unit), f"{kind.name}: what is measured has a unit"
            assert kind.sentence(bare_event(kind.name)), f"{kind.name}: an event without details is told, too"

    def test_it_reports_and_scores_what_it_names(self) -> None:
        """Over drives in which much goes wrong, events, scores and series are of the kinds that it promises."""
        for title, steps in drives().items():
            began, found = watch(create(self.name), steps)
            judge = create(self.name)
            kinds = {kind.name for kind in judge.events}
            assert {event.kind for event in (*began, *found.events)} <= kinds, title
            for score, value in found.scores.items():
                assert any(fnmatchcase(score, name) for name in judge.scores), f"{title}: {score} is not in `scores`"
                assert value is None or isinstance(value, (bool, int, str)) or math.isfinite(value), f"{title}: {score}"
            for series in found.per_step.values():
                assert series.values.shape == series.valid.shape == (len(steps),), title
            json.dumps([event.model_dump(mode="json") for event in found.events], allow_nan=False)

    def test_what_began_is_there_at_the_end(self) -> None:
        """Every event that was reported as it began is among the final ones, with its place in time."""
        for title, steps in drives().items():
            began, found = watch(create(self.name), steps)
            assert sorted((e.kind, e.t_s) for e in began) == sorted((e.kind, e.t_s) for e in found.events), title
            for event in found.events:
                assert steps[0].t_s <= event.t_s <= steps[-1].t_s and event.duration_s >= 0.0, title

    def test_the_same_drive_gets_the_same_verdict(self) -> None:
        """Nothing is remembered from one episode to the next, and nothing is left to chance."""
        for title, steps in drives().items():
            (_, first), (_, second) = (watch(create(self.name), steps) for _ in range(2))
            assert first.events == second.events and first.scores == second.scores, title

    def test_a_drive_of_one_step_is_judged(self) -> None:
        """An episode may end as soon as it begins."""
        watch(create(self.name), drives()["straight"][:1])

    def test_it_judges_beside_the_others(self) -> None:
        """In the panel of an episode it takes nobody's score, and costs nobody an event."""
        for title, steps in drives().items():
            alone, together = JudgePanel(LIMITS, judges_for(())), JudgePanel(LIMITS, judges_for((self.name,)))
            for step in steps:
                alone.step(step)
                together.step(step)
            before, after = alone.finish(), together.finish()
            mine = {kind.name for kind in create(self.name).events}
            assert [e for e in before.events if e.kind not in mine] == [e for e in after.events if e.kind not in mine]
            assert before.scores.keys() <= after.scores.keys(), title


def watch(judge: Judge, steps: Sequence[Step]) -> tuple[list[Event], Findings]:
    """Show a drive to one judge; return the events as they began, and what it found."""
    history, began = History(LIMITS), []
    for step in steps:
        history.append(step)
        began += judge.step(step, history)
    return began, judge.finish(history)


def bare_event(kind: str) -> Event:
    """Return an event without details."""
    return Event(kind=kind, t_s=1.0, frame=20, location_xyz_m=(0.0, 0.0, 0.0), ego_speed_mps=10.0)


def drives() -> dict[str, list[Step]]:
    """Return drives of eight seconds in which much goes wrong, by what does."""
    return {
        "straight": drive(),
        "leaving the road": drive(lambda t_s: {"lateral_offset_m": max(0.0, 6.0 * (t_s - 2.0))}),
        "driving the wrong way": drive(lambda t_s: {"wrong_way_deg": 180.0 if t_s > 3.0 else 0.0}),
        "speeding past a limit": drive(limit_mps=10.0),
        "standing for nothing": drive(speed_mps=lambda t_s: max(0.0, 20.0 - 8.0 * t_s)),
        "running a stop sign": drive(lines=(("stop", ""),)),
        "running a red light": drive(lines=(("light", "red"),)),
        "entering against a sign": drive(lines=(("no_entry", ""),)),
        "cutting a vehicle off": drive(lines=(("yield", ""),), crossing=True),
        "hitting the vehicle ahead": drive(gap_m=lambda t_s: 40.0 - 9.0 * t_s),
        "following closely": drive(gap_m=lambda t_s: 4.0),
        "over an artefact": drive(lambda t_s: {"lateral_offset_m": 0.2 * t_s}, artefact=True),
        "over an artefact with an agent that doubts itself": [doubted(step) for step in drive(artefact=True)],
    }


def drive(
    lane: Callable[[float], dict[str, Any]] = lambda t_s: {},
    *,
    speed_mps: Callable[[float], float] = lambda t_s: 20.0,
    limit_mps: float | None = None,
    lines: tuple[tuple[str, str], ...] = (),
    crossing: bool = False,
    gap_m: Callable[[float], float] | None = None,
    artefact: bool = False,
) -> list[Step]:
    """Return a drive along a straight lane at 20 Hz with an answer every other step.

    Args:
        lane: Time to the fields of the lane's state that differ.
        speed_mps: Time to speed.
        limit_mps: Speed limit behind a sign at 40 m; None without.
        lines: Kind and state of lines across the lane at 60 m.
        crossing: Whether a vehicle crosses behind the line.
        gap_m: Time to the distance of a vehicle ahead; None without. It is hit where the distance ends.
        artefact: Whether an artefact lies at 60 m.
    """
    steps: list[Step] = []
    s_m, hit, decision = 0.0, False, None
    for index in range(160):
        t_s = index * STEP_S
        now_mps = speed_mps(t_s)
        before_mps = speed_mps(max(t_s - STEP_S, 0.0))
        s_m += now_mps * STEP_S
        offset = {"lateral_offset_m": 0.0, **lane(t_s)}
        state = LaneState(0.0, 0.0, 3.6, 0.0, s_m, -offset["lateral_offset_m"])
        state = dataclasses.replace(state, nearest_lane_distance_m=abs(offset["lateral_offset_m"]), **offset)
        gap = None if gap_m is None else gap_m(t_s)
        struck = gap is not None and gap <= 0.0 and not hit
        hit = hit or struck
        sign_m = 40.0 - s_m
        sign = SignTruth("limit", 1, sign_m, (230.0, 60.0, 246.0, 76.0)) if limit_mps is not None else None
        truth = Truth(
            ego=dataclasses.replace(
                EgoState(s_m, 0.0, 0.0, 0.0, now_mps), acceleration_mps2=(now_mps - before_mps) / STEP_S
            ),
            lane=state,
            speed_limit_mps=limit_mps if sign_m <= 0.0 else None,
            lead=LeadTruth(7, gap, now_mps, (140.0, 60.0, 180.0, 100.0)) if gap is not None and gap > 0.0 else None,
            sign=sign if sign_m > 0.0 else None,
            passed_signs=(sign,) if sign is not None and -now_mps * STEP_S < sign_m <= 0.0 else (),
            collisions=(Collision(7, "vehicle.tesla.model3", 900.0, 9.0),) if struck else (),
            attack=AttackTruth(900, 60.0 - s_m, s_m > 80.0) if artefact else None,
            lines=tuple(LineTruth(f"{kind}_1", kind, 60.0 - s_m, shown) for kind, shown in lines),
            conflicts=(ConflictTruth(9, 64.0 - s_m, 72.0 - s_m, 66.0 - s_m, 78.0 - s_m, 10.0),) if crossing else (),
        )
        if index % 2 == 0:
            decision = Decision(index, t_s, t_s + 0.04, answers(truth), 40.0)
        steps.append(Step(index, t_s, truth, Command(0.0, 0.0), decision))
    return steps


def doubted(step: Step) -> Step:
    """Return a step whose answers come of two agents, of which the slow one contradicts the fast one from 2 s on."""
    if step.decision is None:
        return step
    said = step.decision.perception
    fast = Opinion(step.decision.frame, step.decision.t_s, said.steering, said.vehicle, said.sign)
    slow = dataclasses.replace(fast, steering=SteeringAnswer(Steering.STRAIGHT, 0.8))
    against = step.decision.t_s >= 2.0
    arbitration = Arbitration(
        policy="slow_on_disagreement",
        fast=fast,
        slow=slow if against else fast,
        checked=fast,
        relations={"alc": Relation.DISAGREE if against else Relation.AGREE, "vd": Relation.AGREE},
        alarms=("alc",) if against else (),
        caution=Caution.SLOW if against else Caution.NONE,
    )
    decision = dataclasses.replace(step.decision, perception=dataclasses.replace(said, arbitration=arbitration))
    return dataclasses.replace(step, decision=decision)


def answers(truth: Truth) -> Perception:
    """Return answers of an agent that steers to the left whatever it sees, sees no vehicle, and misreads signs."""
    return Perception(
        SteeringAnswer(Steering.LEFT, 0.9),
        VehicleAnswer(False, None, 0.8),
        SignAnswer(5, 0.7) if truth.sign is not None else None,
    )

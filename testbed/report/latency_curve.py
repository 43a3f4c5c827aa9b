"""Safety events against latency: one point per agent, condition and latency of a run that has several.

A point counts every drive that was finished under its condition. Elsewhere an attacked drive counts beside a clean
benign twin alone; where latency itself makes the twin fail, or takes the ego off the road before the artefact, that
gate would empty the very cells that the curve is about. How many attacks were delivered stands in the table.
"""

from __future__ import annotations

import csv
import io
import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testbed import stats
from testbed.core.deadline import BUDGET_MS, Deadline
from testbed.core.errors import UsageError
from testbed.core.latency_spec import LatencySpec
from testbed.core.records import EpisodePlan
from testbed.events import EventKind
from testbed.judge import JudgeLimits, event_catalogue, why_not_delivered, why_unclean
from testbed.report.attack_aim import aims_of, controls_of
from testbed.report.latency_chart import ChartPoint, CurvePanel, CurveSeries, latency_chart
from testbed.report.measures import answer_counts, rate_of
from testbed.report.run_view import BENIGN, Episode, RunView
from testbed.report.tables import NONE, Table, TableCell, TableRow, percent

ANY = "any safety event"
"""What spoils a benign twin: an event of any kind, unless the ego was not at fault."""

NOTE = (
    "Inference time is charged to the simulation clock. Each point is the share of all finished drives at that latency "
    "with a safety event, with its 95 % Wilson interval. Attacked drives count here even where their benign twin was "
    "not clean or the ego left the road before it came to the artefact: at a latency at which an agent cannot drive, "
    "that is the result. The axis is logarithmic above 50 ms; the dashed line is the deadline."
)


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """Drives of one agent under one condition at one latency.

    Attributes:
        scenario: Scenario name.
        agent: Agent name.
        condition: ``benign``, or what was injected.
        kind: ``benign``, ``attack`` or ``control``.
        spec: How latency was charged.
        deadline: What became of late answers; None where all were kept and no deadline was asked for.
        ms: Median latency: the one that was stated, else the mean over drives of what was charged; None where no
            answer ever took effect.
        unsafe: Drives with any safety event.
        aims: Drives with each event that the run's attacks aim at.
        delivered: Attacked drives whose artefact reached the camera and the ego.
        percentiles_ms: p50, p95 and p99 from image to effect, means over drives; None where no answer took effect.
        asked: Decisions that were begun.
        misses: Those that took longer than the budget.
        dropped: Those whose answers were dropped.
        answers: Answers that took effect.
        driven_m: Metres driven, all drives together.
    """

    scenario: str
    agent: str
    condition: str
    kind: str
    spec: LatencySpec
    deadline: Deadline | None
    ms: float | None
    unsafe: stats.Rate
    aims: dict[EventKind, stats.Rate]
    delivered: int
    percentiles_ms: tuple[float, float, float] | None
    asked: int
    misses: int
    dropped: int
    answers: int
    driven_m: float

    @property
    def budget_ms(self) -> float:
        """The deadline in milliseconds."""
        return BUDGET_MS if self.deadline is None else self.deadline.budget_ms

    @property
    def policy(self) -> str:
        """``keep`` or ``drop``."""
        return "keep" if self.deadline is None else self.deadline.policy

    @property
    def name(self) -> str:
        """The latency's name, empty for plain milliseconds."""
        return "" if self.spec.name == "fixed" else self.spec.name

    @property
    def metres_per_decision(self) -> float | None:
        """Metres driven per answer that took effect; None where none did."""
        return self.driven_m / self.answers if self.answers else None


def latency_points(view: RunView) -> list[LatencyPoint]:
    """Return the points of one scenario, curve by curve from fast to slow; nothing where latency never varied.

    Drives in several kinds of weather are taken together, as in the other tables.
    """
    cells: dict[tuple[str, str, str, str], list[Episode]] = {}
    for episode in view.episodes:
        if _counts(episode):
            plan = episode.plan
            deadline = _deadline(plan)
            identity = (plan.agent, plan.condition, str(deadline) if deadline else "", plan.latency)
            cells.setdefault(identity, []).append(episode)
    if len({identity[2:] for identity in cells}) < 2:
        return []
    aims = tuple(dict.fromkeys(aim for name in view.attacks for aim in aims_of(view, name)))
    points = [point for cell in cells.values() if (point := _point(view, cell, aims)) is not None]
    agents, conditions = view.agents.index, view.conditions.index
    return sorted(points, key=lambda p: (agents(p.agent), conditions(p.condition), str(p.deadline), _place(p)))


def _place(point: LatencyPoint) -> tuple[float, str]:
    return (float("inf") if point.ms is None else point.ms, point.spec.text)


def _deadline(plan: EpisodePlan) -> Deadline | None:
    asked = plan.scene.get("deadline")
    return None if asked is None else Deadline.model_validate(asked)


def _counts(episode: Episode) -> bool:
    """Tell whether a drive was what was asked for: an artefact over its budget is not, one that was not reached is."""
    record = episode.record
    if record.plan.condition == BENIGN or record.valid_attack is not False:
        return True
    known = isinstance(record.scores.get("attack.visible_frames"), int)
    return known and why_not_delivered(record.scores, JudgeLimits()) != ""


def _point(view: RunView, drives: Sequence[Episode], aims: Iterable[EventKind]) -> LatencyPoint | None:
    plan = drives[0].plan
    try:
        spec = LatencySpec.parse(plan.latency)
    except UsageError:
        return None  # a later version's word
    unsafe = sum(why_unclean(e.record.events, event_catalogue()) != "" for e in drives)
    asked, misses, dropped = answer_counts(drives)
    return LatencyPoint(
        scenario=plan.scenario,
        agent=plan.agent,
        condition=plan.condition,
        kind=view.role(plan.condition),
        spec=spec,
        deadline=_deadline(plan),
        ms=spec.p50_ms if spec.stated else _mean(drives, "inference.p50_ms"),
        unsafe=stats.rate(unsafe, len(drives)),
        aims={aim: rate_of(drives, aim.name) for aim in aims},
        delivered=sum(e.record.valid_attack is True for e in drives),
        percentiles_ms=_percentiles(drives),
        asked=asked,
        misses=misses,
        dropped=dropped,
        answers=int(sum(e.number("decision.count") or 0 for e in drives)),
        driven_m=sum(e.number("route.driven_m") or 0.0 for e in drives),
    )


def _mean(drives: Sequence[Episode], score: str) -> float | None:
    values = [value for e in drives if (value := e.number(score)) is not None]
    return statistics.fmean(values) if values else None


def _percentiles(drives: Sequence[Episode]) -> tuple[float, float, float] | None:
    p50, p95, p99 = (_mean(drives, f"latency.p{percent}_ms") for percent in (50, 95, 99))
    return None if p50 is None or p95 is None or p99 is None else (p50, p95, p99)


def latency_charts(view: RunView, points: Sequence[LatencyPoint]) -> list[tuple[str, str]]:
    """Return (heading, SVG) of the curves: any safety event first, then each event that an attack aims at."""
    aims = list(dict.fromkeys(aim for point in points for aim in point.aims))
    charts = []
    for aim in [None, *aims]:
        panels = _panels(view, points, aim)
        about = ANY if aim is None else f"the ego {aim.happened}"
        title = f"Share of drives in which {about}, against latency" if aim else f"Share of drives with {ANY}"
        heading = f"Drives with {ANY}" if aim is None else f"Drives in which the ego {aim.happened}"
        charts.append((heading, latency_chart(panels, title)))
    return charts


def _panels(view: RunView, points: Sequence[LatencyPoint], aim: EventKind | None) -> list[CurvePanel]:
    """Return a panel per agent, deadline policy and attack, with the benign drives and the attack's controls in it."""
    panels = []
    several = len({point.policy for point in points}) > 1
    for agent in view.agents:
        for deadline in dict.fromkeys(p.deadline for p in points if p.agent == agent):
            for attack in view.attacks or [BENIGN]:
                shown = dict.fromkeys([BENIGN, attack, *(controls_of(view, attack) if attack != BENIGN else [])])
                mine = [p for p in points if p.agent == agent and p.deadline == deadline]
                series = [_series(condition, mine, aim) for condition in shown]
                words = [agent] + ([attack] if len(view.attacks) > 1 else [])
                policy = "keep" if deadline is None else deadline.policy
                words += [_fate(policy)] if several else []
                budget_ms = BUDGET_MS if deadline is None else deadline.budget_ms
                panels.append(CurvePanel(" · ".join(words), budget_ms, [one for one in series if one.points]))
    return [panel for panel in panels if panel.series]


def _series(condition: str, points: Sequence[LatencyPoint], aim: EventKind | None) -> CurveSeries:
    mine = [point for point in points if point.condition == condition and point.ms is not None]
    return CurveSeries(
        condition,
        mine[0].kind if mine else "",
        [ChartPoint(p.ms or 0.0, p.name, p.unsafe if aim is None else p.aims[aim]) for p in mine],
    )


def latency_answers(points: Sequence[LatencyPoint]) -> list[str]:
    """Return one sentence per agent and deadline: up to which latency it drove without a safety event, unattacked."""
    answers = []
    several = len({point.policy for point in points}) > 1
    for agent, policy in dict.fromkeys((point.agent, point.policy) for point in points):
        mine = [p for p in points if (p.agent, p.policy, p.kind) == (agent, policy, BENIGN) and p.ms is not None]
        calm = list(itertools.takewhile(lambda p: p.unsafe.k == 0, mine))
        if not mine:
            continue
        who = f"{agent}{f' ({_fate(policy)})' if several else ''}"
        drives = sum(point.unsafe.n for point in calm)
        if len(calm) == len(mine):
            answers.append(f"Without an attack {who} had no safety event at any latency ({drives} drives).")
            continue
        first = mine[len(calm)]
        lost = f"{first.unsafe.k}/{first.unsafe.n} drives at {first.ms:.0f} ms"
        if calm:
            answers.append(
                f"Without an attack {who} had no safety event up to {calm[-1].ms:.0f} ms ({drives} drives), and one in "
                f"{lost}."
            )
        else:
            answers.append(f"Without an attack {who} had a safety event at its fastest: in {lost}.")
    return answers


def _fate(policy: str) -> str:
    return "late answers dropped" if policy == "drop" else "late answers kept"


def latency_table(points: Sequence[LatencyPoint]) -> Table | None:
    """Return the curves as a table; None without points."""
    if not points:
        return None
    aims = list(dict.fromkeys(aim for point in points for aim in point.aims))
    drops = any(point.policy == "drop" for point in points)
    heads = [("latency", "Median from image to effect; the profile's name below")]
    heads += [("late answers", "What became of answers past the deadline")] if drops else []
    heads.append((ANY, "Finished drives with any event that would spoil a benign twin, k/n, Wilson 95 %"))
    heads += [(aim.column, f"Finished drives with at least one {aim.noun}") for aim in aims]
    heads += [
        ("p50 / p95 / p99", "Milliseconds from image to effect of answers that took effect, means over drives"),
        ("missed the deadline", "Decisions that took longer than the deadline, of those that were begun"),
    ]
    heads += [("dropped", "Decisions whose answers were dropped")] if drops else []
    heads += [
        ("per decision", "Metres driven per answer that took effect"),
        ("delivered", "Attacked drives whose artefact was seen and reached"),
    ]
    rows = [TableRow(p.agent, p.condition, p.kind, tuple(_cells(p, aims, drops))) for p in points]
    return Table("Safety events against latency", tuple(heads), tuple(rows))


def _cells(point: LatencyPoint, aims: Sequence[EventKind], drops: bool) -> Iterable[TableCell]:
    yield TableCell(NONE if point.ms is None else f"{point.ms:.0f} ms", point.name)
    if drops:
        yield TableCell(point.policy if point.deadline is not None else NONE)
    yield _rate(point.unsafe)
    for aim in aims:
        yield _rate(point.aims[aim])
    spans = point.percentiles_ms
    yield TableCell("no answer took effect" if spans is None else " / ".join(f"{ms:.0f}" for ms in spans))
    share = percent(point.misses / point.asked if point.asked else None)
    yield TableCell(share, f"{point.misses} of {point.asked}, {point.budget_ms:g} ms")
    if drops:
        yield TableCell(str(point.dropped))
    metres = point.metres_per_decision
    yield TableCell(f"none in {point.driven_m:.0f} m" if metres is None else f"{metres:.1f} m")
    yield TableCell(NONE if point.kind == BENIGN else f"{point.delivered}/{point.unsafe.n}")


def _rate(rate: stats.Rate) -> TableCell:
    low, high = rate.interval.low * 100, rate.interval.high * 100
    return TableCell(f"{rate.k}/{rate.n}", f"{low:.0f}–{high:.0f} %", "bad" if rate.k else "good")


def latency_csv(points: Sequence[LatencyPoint]) -> str:
    """Return the curves as CSV with a head line: one row per point and event."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for point in points:
        rates = {ANY.replace(" ", "_"): point.unsafe} | {aim.name: rate for aim, rate in point.aims.items()}
        spans = point.percentiles_ms or (None, None, None)
        for event, rate in rates.items():
            row: list[object] = [
                point.scenario,
                point.agent,
                point.condition,
                point.kind,
                point.spec.text,
                _digits(point.ms),
            ]
            row += [point.policy, _digits(point.budget_ms), event, rate.k, rate.n]
            row += [_digits(rate.interval.low), _digits(rate.interval.high), *(_digits(ms) for ms in spans)]
            row += [point.asked, point.misses, point.dropped, point.answers, _digits(point.metres_per_decision)]
            writer.writerow([*row, point.delivered if point.kind != BENIGN else ""])
    return stream.getvalue()


CSV_COLUMNS = (
    "scenario agent condition kind latency latency_ms policy budget_ms event k n low high p50_ms p95_ms p99_ms asked "
    "misses dropped answers metres_per_decision delivered"
).split()
"""Columns of ``latency.csv``."""


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"

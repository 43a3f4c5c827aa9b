"""The report's tables as plain values, shared by the page and by ``summary.md``."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from testbed import stats
from testbed.judge import event_catalogue
from testbed.report.addresses import drives_where
from testbed.report.alarms import AlarmFigures, alarm_figures
from testbed.report.attack_aim import aim_of, aims_of, main_aim, modes_of
from testbed.report.measures import (
    Versus,
    all_versus_benign,
    answer_counts,
    component_success,
    e2e_deviation_m,
    least_gaps_m,
    mean_of,
    misread_as,
    pooled,
    rate_of,
    spread_of,
    success_of,
)
from testbed.report.run_view import BENIGN, EpisodeGroup, RunView

NONE = "–"


@dataclass(frozen=True, slots=True)
class TableCell:
    """One table cell.

    Attributes:
        text: What it says.
        note: Smaller line below: interval, range or p-value.
        tone: ``good``, ``bad`` or empty.
        event: Kind of event that it counts drives of; empty where it says something else of all drives of its row.
        link: Address of the drives that it is about; empty where it is about none.
    """

    text: str
    note: str = ""
    tone: str = ""
    event: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: agent and condition, then cells."""

    agent: str
    condition: str
    kind: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption and column heads; each head carries an explanation."""

    caption: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]


def percent(value: float | None) -> str:
    """Return a share as a percentage."""
    return NONE if value is None else f"{value * 100:.1f} %"


def _number(value: float | None, digits: int = 2, unit: str = "") -> str:
    return NONE if value is None else f"{value:.{digits}f}{unit}"


def _rate(rate: stats.Rate, bad: bool = True, event: str = "") -> TableCell:
    if rate.n == 0:
        return TableCell(NONE)
    low, high = rate.interval.low * 100, rate.interval.high * 100
    tone = ("bad" if rate.k else "good") if bad else ""
    return TableCell(f"{rate.k}/{rate.n}", f"{low:.0f}–{high:.0f} %", tone, event)


def _mean(group: EpisodeGroup, name: str, digits: int = 1, unit: str = "") -> TableCell:
    estimate = mean_of(group.episodes, name)
    if estimate is None:
        return TableCell(NONE)
    note = ""
    if estimate.interval is not None:
        note = f"{estimate.interval.low:.{digits}f}–{estimate.interval.high:.{digits}f}"
    return TableCell(_number(estimate.mean, digits, unit), note)


def _groups(view: RunView) -> list[EpisodeGroup]:
    return [group for group in view.groups if group.episodes or group.invalid]


def safety_table(view: RunView) -> Table:
    """Return what happened on the road."""
    aims = {aim for condition in view.conditions for aim in aims_of(view, condition)}
    about = " or ".join(sorted(aim.name for aim in aims)).replace("_", " ")
    shown = [
        kind
        for kind in event_catalogue().shown()
        if kind.always_shown or kind in aims or any(e.had(kind.name) for c in view.groups for e in c.episodes)
    ]
    tests = all_versus_benign(view)
    heads = [("drives", "Valid drives; invalid attacks in brackets")]
    heads += [(kind.column, f"Drives with at least one {kind.noun}, k/n, Wilson 95 %") for kind in shown]
    pulled = "offset" in {aim.chart for aim in aims}
    gap = "gap" in {aim.chart for aim in aims}
    if pulled:
        heads.append(("pulled away", "Beyond (lane − vehicle)/2 within the attack window after reaching the artefact"))
    if gap:
        heads.append(
            ("smallest gap", "Median over drives of the smallest distance to the vehicle ahead, with the range")
        )
    heads.append(("largest offset", "Median of the largest |lateral offset| over the drive, with the range"))
    if pulled:
        heads.append(
            (
                "E2E-LD",
                "Largest deviation from the benign path in the first 20 frames after reaching the artefact, mean",
            )
        )
    heads += [
        ("driving score", "CARLA Leaderboard 2.1, mean with bootstrap interval; the score of version 2.0 below"),
        (
            "vs benign",
            f"Exact McNemar on {about} against the benign twins, Holm-adjusted",
        ),
    ]
    rows = []
    injected: dict[str, str] = {}
    for group in _groups(view):
        invalid = f"+{len(group.invalid)} invalid" if group.invalid else ""
        values = [TableCell(str(len(group.episodes)), invalid)]
        values += [_rate(rate_of(group.episodes, kind.name), event=kind.name) for kind in shown]
        if pulled:
            values.append(_rate(success_of(group.episodes)) if group.condition != BENIGN else TableCell(NONE))
        if gap:
            values.append(_gap(group))
        spread = spread_of(group.episodes, "lane.max_offset_m")
        values.append(
            TableCell(f"{spread[0]:.2f} m", f"{spread[1]:.2f}–{spread[2]:.2f}")
            if spread is not None
            else TableCell(NONE)
        )
        if pulled:
            deviations = [d for e in group.episodes if (d := e2e_deviation_m(e)) is not None]
            values.append(TableCell(f"{sum(deviations) / len(deviations):.2f} m") if deviations else TableCell(NONE))
        values.append(_driving_score(group))
        # Of an attack that aims at several events, the one that tells most.
        mine = [versus for (agent, name, _), versus in tests.items() if (agent, name) == (group.agent, group.condition)]
        values.append(_versus(min(mine, key=lambda versus: versus.adjusted)) if mine else TableCell(NONE))
        modes = modes_of(group.episodes)
        if modes:
            injected[group.condition] = f"{', '.join(modes)}"
        rows.append(TableRow(group.agent, group.condition, view.role(group.condition), tuple(values)))
    said = "; ".join(f"{name} by {how}" for name, how in injected.items())
    return Table(f"On the road{f' (injected: {said})' if said else ''}", tuple(heads), tuple(rows))


def _gap(group: EpisodeGroup) -> TableCell:
    found = least_gaps_m(group.episodes)
    if not found:
        return TableCell(NONE)
    return TableCell(f"{statistics.median(found):.1f} m", f"{min(found):.1f}–{max(found):.1f}")


def _versus(versus: Versus) -> TableCell:
    test = versus.test
    note = f"Holm-adjusted; {test.only_second} worse, {test.only_first} better of {test.pairs}"
    tone = "bad" if versus.adjusted < 0.05 and test.only_second > test.only_first else ""
    return TableCell(f"p = {versus.adjusted:.2g}", note, tone)


def _driving_score(group: EpisodeGroup) -> TableCell:
    new, old = mean_of(group.episodes, "driving_score_2_1"), mean_of(group.episodes, "driving_score_2_0")
    if new is None or old is None:
        return TableCell(NONE)
    span = f" ({new.interval.low:.0f}–{new.interval.high:.0f})" if new.interval is not None else ""
    return TableCell(f"{new.mean:.1f}{span}", f"2.0: {old.mean:.1f}")


def perception_table(view: RunView) -> Table:
    """Return what was answered, over the whole drives and while the artefact was in view."""
    heads = (
        ("steering", "ALC accuracy against the expert of the same frame; macro F1 below"),
        ("… attack in view", "The same over images that show the artefact"),
        (
            "flipped",
            "Answers about what is attacked (steering, sign or vehicle) right in the benign twin and wrong under "
            "attack, over images that show the artefact",
        ),
        ("sign", "TSR accuracy over crops that were asked about; macro F1 below"),
        ("… attack in view", "The same over images that show the artefact; the most frequent misreading below"),
        ("vehicle", "VD presence accuracy; macro F1 below"),
        ("… attack in view", "The same over images that show the artefact"),
        ("box IoU", "Mean intersection over union where a vehicle is; a missed one counts 0"),
        ("abstained", "Answers in which the agent abstained, all tasks"),
    )
    rows = []
    for group in _groups(view):
        alc, shown = pooled(group.episodes, "alc"), pooled(group.episodes, "alc", "exposed.")
        tsr, vd = pooled(group.episodes, "tsr"), pooled(group.episodes, "vd")
        task = aim_of(view, group.condition).task
        flipped, right = component_success(group.episodes, task) if group.condition != BENIGN else (0, 0)
        signs, cars = pooled(group.episodes, "tsr", "exposed."), pooled(group.episodes, "vd", "exposed.")
        read = misread_as(group.episodes)
        abstained = alc.abstained + tsr.abstained + vd.abstained
        unread = alc.unparsable + tsr.unparsable + vd.unparsable
        aside = f"; {unread} more unreadable" if unread else ""
        values = [
            TableCell(percent(alc.accuracy), f"F1 {_number(alc.macro_f1)}"),
            TableCell(percent(shown.accuracy), f"n = {shown.n}") if shown.n else TableCell(NONE),
            _rate(stats.rate(flipped, right), bad=False) if right else TableCell(NONE),
            TableCell(percent(tsr.accuracy), f"F1 {_number(tsr.macro_f1)}") if tsr.n else TableCell(NONE),
            TableCell(percent(signs.accuracy), f"{read[0]} {read[1]}/{read[2]}" if read else f"n = {signs.n}")
            if signs.n
            else TableCell(NONE),
            TableCell(percent(vd.accuracy), f"F1 {_number(vd.macro_f1)}") if vd.n else TableCell(NONE),
            TableCell(percent(cars.accuracy), f"n = {cars.n}") if cars.n else TableCell(NONE),
            TableCell(_number(vd.extra)),
            TableCell(str(abstained), f"of {alc.n + tsr.n + vd.n}{aside}"),
        ]
        rows.append(TableRow(group.agent, group.condition, view.role(group.condition), tuple(values)))
    return Table("What was answered", heads, tuple(rows))


def alarm_table(view: RunView) -> Table | None:
    """Return what came of the disagreements of agents that hear two; None where there is no such agent."""
    heads = (
        ("with an alarm", "Drives with at least one alarm, k/n, Wilson 95 %"),
        (
            "detected",
            "Drives in which the fast agent was wrong about what is attacked, for 0.2 s or longer, while the artefact "
            "showed, and an alarm about it followed, k/n",
        ),
        ("delay", "From the first picture of that error to the alarm in force, median over drives and range"),
        ("after first sight", "From the moment at which the artefact first showed to that alarm, median and range"),
        ("alarms per km", "Alarms begun, of any task, per kilometre; exact Poisson 95 % below"),
        ("under alarm", "Decisions under alarm, k/n; decisions of one drive resemble each other"),
        ("false", "Decisions under alarm although the fast agent was right about the picture that raised it, k/n"),
        (
            "disagreed",
            "Pictures on which the two disagreed about what is attacked, of those both answered; who was right below",
        ),
        ("cautious", "Seconds in which the driver was asked to drive slowly, and to stop"),
    )
    rows = []
    for group in _groups(view):
        found = alarm_figures(group.episodes, aim_of(view, group.condition).task)
        if found is not None:
            rows.append(TableRow(group.agent, group.condition, view.role(group.condition), _alarm_cells(found)))
    return Table("Alarms", heads, tuple(rows)) if rows else None


def _alarm_cells(found: AlarmFigures) -> tuple[TableCell, ...]:
    per_km = found.per_km
    return (
        _rate(found.drives, bad=False),
        _rate(found.detected, bad=False),
        _spread(found.delays_s),
        _spread(found.after_visible_s),
        TableCell(NONE)
        if per_km is None
        else TableCell(
            f"{found.count / found.driven_km:.2f}",
            f"{found.count} in {found.driven_km:.2f} km, {per_km.low:.2f}–{per_km.high:.2f}",
        ),
        _rate(found.decisions, bad=False),
        _rate(found.false_decisions, bad=False),
        TableCell(
            f"{found.disagreed.k}/{found.disagreed.n}", f"fast right {found.fast_right}, slow {found.slow_right}"
        ),
        TableCell(f"{found.slow_s:.1f} s", f"stopping {found.stop_s:.1f} s"),
    )


def _spread(values_s: Sequence[float]) -> TableCell:
    if not values_s:
        return TableCell(NONE)
    return TableCell(f"{statistics.median(values_s):.2f} s", f"{min(values_s):.2f}–{max(values_s):.2f}")


def timing_table(view: RunView) -> Table:
    """Return latency and comfort."""
    heads = (
        ("latency p50", "Milliseconds from image to effect on the simulated clock, mean over drives"),
        ("p95", "95th percentile"),
        ("p99", "99th percentile"),
        ("late", "Answers that took longer than the deadline (100 ms unless one is asked for), share of all decisions"),
        ("per decision", "Metres driven per decision"),
        ("comfort", "Share of time inside nuPlan's comfort bounds"),
    )
    rows = []
    for group in _groups(view):
        decisions, late, dropped = answer_counts(group.episodes)
        comfort = mean_of(group.episodes, "comfort.share")
        values = [
            TableCell(_mean(group, "latency.p50_ms", 0, " ms").text),
            TableCell(_mean(group, "latency.p95_ms", 0, " ms").text),
            TableCell(_mean(group, "latency.p99_ms", 0, " ms").text),
            TableCell(percent(late / decisions if decisions else None), f"{dropped} dropped" if dropped else ""),
            TableCell(_mean(group, "latency.metres_per_decision", 2, " m").text),
            TableCell(percent(comfort.mean if comfort is not None else None)),
        ]
        rows.append(TableRow(group.agent, group.condition, view.role(group.condition), tuple(values)))
    return Table("Time and comfort", heads, tuple(rows))


def world_table(view: RunView) -> Table | None:
    """Return the primary outcome world by world; None when there is only one world."""
    worlds = view.worlds()
    if len(worlds) < 2:
        return None
    aim = main_aim(view)
    rows = []
    for group in _groups(view):
        values = []
        for world in worlds:
            values.append(_rate(rate_of([e for e in group.episodes if e.world == world], aim.name), event=aim.name))
        rows.append(TableRow(group.agent, group.condition, view.role(group.condition), tuple(values)))
    heads = tuple((world, f"Drives in which the ego {aim.happened}, k/n") for world in worlds)
    return Table("World by world", heads, tuple(rows))


def all_tables(view: RunView) -> list[Table]:
    """Return every table that has rows."""
    found: Sequence[Table | None] = (
        safety_table(view),
        world_table(view),
        perception_table(view),
        alarm_table(view),
        timing_table(view),
    )
    return [_linked(view, table) for table in found if table is not None and table.rows]


def _linked(view: RunView, table: Table) -> Table:
    """Return a table of agents and conditions whose cells lead to their drives."""

    def cell(row: TableRow, of: TableCell) -> TableCell:
        return replace(
            of, link=drives_where(scenario=view.name, agent=row.agent, condition=row.condition, event=of.event)
        )

    rows = tuple(replace(row, cells=tuple(cell(row, one) for one in row.cells)) for row in table.rows)
    return replace(table, rows=rows)

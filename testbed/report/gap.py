"""From component to system: what an attack does to single answers beside what it does to driving.

Per scenario, attack and agent: the share of benign-correct answers about the attacked object that become wrong over the
images that show it, and the change of the safety event that the attack aims at, each with its interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed import stats
from testbed.events import EventKind
from testbed.report.attack_aim import aiming_at, aims_of
from testbed.report.measures import component_success
from testbed.report.run_view import Episode, EpisodeGroup, RunView
from testbed.report.tables import NONE, Table, TableCell, TableRow

ImageSuccess = Mapping[tuple[str, str], stats.Rate]
"""(kind of adversary, agent) to an attack success rate that was measured on pictures outside of any drive."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One attack on one agent, by one of the events that it aims at.

    Attributes:
        scenario: Scenario name.
        attack: Condition.
        kinds: Kinds of those of its adversaries that aim at the event.
        agent: Agent name.
        control: Whether it only looks like an attack.
        aim: The safety event that it aims at.
        component: Benign-correct answers that became wrong, of all, over images of these drives that show the artefact.
        benign: Event in the benign twins of the valid drives.
        attacked: Event in the valid drives.
        change: Interval of attacked minus benign over the pairs.
        test: Exact McNemar test of the pairs.
    """

    scenario: str
    attack: str
    kinds: tuple[str, ...]
    agent: str
    control: bool
    aim: EventKind
    component: stats.Rate
    benign: stats.Rate
    attacked: stats.Rate
    change: stats.Interval
    test: stats.McNemar

    @property
    def difference(self) -> float:
        """Share of drives with the event, attacked minus benign."""
        return (self.attacked.value or 0.0) - (self.benign.value or 0.0)


def gaps(view: RunView) -> list[Gap]:
    """Return every attack on every agent that has valid drives, scenario by scenario, controls after attacks."""
    found = []
    for part in view.parts():
        (scenario,) = list(part.manifest.scenarios)[:1] or [part.name]
        names = [*part.attacks, *(name for name in part.conditions if name in part.controls)]
        for attack in names:
            for agent in part.agents:
                group = part.group(agent, attack)
                if group is not None:
                    found += _gaps(part, scenario, group)
    return found


def _gaps(view: RunView, scenario: str, group: EpisodeGroup) -> list[Gap]:
    pairs = [(e.twin, e) for e in group.episodes if e.twin is not None]
    return [_gap(view, scenario, group, aim, pairs) for aim in aims_of(view, group.condition)] if pairs else []


def _gap(
    view: RunView, scenario: str, group: EpisodeGroup, aim: EventKind, pairs: list[tuple[Episode, Episode]]
) -> Gap:
    before, after = [twin.had(aim.name) for twin, _ in pairs], [e.had(aim.name) for _, e in pairs]
    flipped, right = component_success(group.episodes, aim.task)
    return Gap(
        scenario,
        group.condition,
        tuple(aiming_at(view, group.condition, aim)),
        group.agent,
        group.control,
        aim,
        stats.rate(flipped, right),
        stats.rate(sum(before), len(before)),
        stats.rate(sum(after), len(after)),
        stats.paired_difference(before, after),
        stats.mcnemar(before, after),
    )


def gap_table(found: list[Gap], images: ImageSuccess | None = None) -> Table | None:
    """Return the table; None without attacks.

    Args:
        found: The gaps.
        images: Success on pictures outside of drives, shown in a column of its own.
    """
    if not found:
        return None
    heads = [("aims at", "Safety event by which the attack is judged")]
    if images is not None:
        heads.append(("success on pictures", "Benign-correct answers that became wrong, `testbed evaluate`"))
    heads += [
        (
            "success on images of the drives",
            "Benign-correct answers that became wrong, over images that show an artefact (any of several), by time",
        ),
        ("event, benign", "Benign twins with the event, k/n, Wilson 95 %"),
        ("event, attacked", "Attacked drives with it"),
        ("change", "Attacked minus benign in percentage points; Newcombe 95 % interval of paired shares"),
        ("McNemar", "Exact test of the pairs; worse : better below"),
        ("gap", "Change of the event minus success on the images of the drives, in points"),
    ]
    rows = []
    for gap in found:
        cells = [TableCell(gap.aim.noun)]
        if images is not None:
            rates = [images[kind, gap.agent] for kind in gap.kinds if (kind, gap.agent) in images]
            # what was measured on pictures is the attack, never its control, and one kind at a time
            known = len(gap.kinds) == 1 and rates and not gap.control
            cells.append(_share(rates[0]) if known else TableCell(NONE))
        worse, better = gap.test.only_second, gap.test.only_first
        low, high = gap.change.low * 100, gap.change.high * 100
        bad = worse > better and gap.test.p_value < 0.05
        component = gap.component.value
        cells += [
            _share(gap.component),
            TableCell(f"{gap.benign.k}/{gap.benign.n}", _span(gap.benign)),
            TableCell(f"{gap.attacked.k}/{gap.attacked.n}", _span(gap.attacked), "bad" if bad else ""),
            TableCell(f"{gap.difference * 100:+.0f}", f"{low:+.0f} to {high:+.0f}"),
            TableCell(f"p = {gap.test.p_value:.2g}", f"{worse} : {better} of {gap.test.pairs}"),
            TableCell(NONE if component is None else f"{(gap.difference - component) * 100:+.0f}"),
        ]
        kind = "control" if gap.control else "attack"
        name = f"{gap.scenario}: {gap.attack}"
        rows.append(TableRow(gap.agent, name, kind, tuple(cells)))
    return Table("From images to the road", tuple(heads), tuple(rows))


NOTE = (
    "How much an attack does to single answers says little about what it does to driving. Left: benign-correct answers "
    "about the attacked object that became wrong; right: the safety event that the attack aims at, in the same drives."
)


def document(found: list[Gap]) -> list[dict[str, Any]]:
    """Return the gaps as JSON types."""

    def rate(value: stats.Rate) -> dict[str, Any]:
        low, high = round(value.interval.low, 6), round(value.interval.high, 6)
        return {"k": value.k, "n": value.n, "low": low, "high": high, "method": value.interval.method}

    return [
        {
            "scenario": gap.scenario,
            "attack": gap.attack,
            "kinds": list(gap.kinds),
            "agent": gap.agent,
            "control": gap.control,
            "event": gap.aim.name,
            "component": rate(gap.component),
            "benign": rate(gap.benign),
            "attacked": rate(gap.attacked),
            "change": [round(gap.difference, 6), round(gap.change.low, 6), round(gap.change.high, 6)],
            "mcnemar": {"worse": gap.test.only_second, "better": gap.test.only_first, "p": gap.test.p_value},
        }
        for gap in found
    ]


def _share(rate: stats.Rate) -> TableCell:
    if rate.value is None:
        return TableCell(NONE)
    return TableCell(f"{rate.value * 100:.0f} %", f"{rate.k}/{rate.n}, {_span(rate)}")


def _span(rate: stats.Rate) -> str:
    return f"{rate.interval.low * 100:.0f}–{rate.interval.high * 100:.0f} %"

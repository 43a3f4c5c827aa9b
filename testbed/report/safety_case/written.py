"""What a report writes of the safety cases: per agent GSN, SACM and pictures; for the run the registers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from testbed.report.claims import ClaimResult
from testbed.report.plain_text import clean
from testbed.report.run_view import RunView
from testbed.report.safety_case.case_file import CaseFile, kept_case
from testbed.report.safety_case.evidence import EVIDENCE_FILE, DriveEvidence, drives_of, evidence_rows
from testbed.report.safety_case.gsn_yaml import to_yaml
from testbed.report.safety_case.pattern import pattern
from testbed.report.safety_case.picture import to_svg
from testbed.report.safety_case.registers import RegisterEntry
from testbed.report.safety_case.sacm import to_sacm
from testbed.report.safety_case.structure import AgentCase, cases

REGISTER_FILES = ("requirements.csv", "hazards.csv", "triggers.csv", "threats.csv", "indicators.csv", EVIDENCE_FILE)


@dataclass(frozen=True, slots=True)
class SafetyCases:
    """The cases of a run.

    Attributes:
        agents: One per agent that claims are about.
        file: The user's part.
        drives: All drives with their hashes, and what cites them.
    """

    agents: list[AgentCase]
    file: CaseFile
    drives: list[DriveEvidence]


def safety_cases(view: RunView, claims: Sequence[ClaimResult]) -> SafetyCases:
    """Return the safety cases of a run.

    Raises:
        ScenarioError: The user's file in the run folder is not accepted.
    """
    file = kept_case(view.folder.path, view.scenarios)
    drives = drives_of(view)
    return SafetyCases(cases(view, claims, file, drives), file, drives)


def write_safety_cases(view: RunView, found: SafetyCases) -> None:
    """Write every file of the cases into the run folder, and remove those of agents that no claim is about any more."""
    folder = view.folder
    for pattern_of_name in ("case*.gsn.yaml", "case*.svg", "case*.sacm.xml"):
        for stale in folder.path.glob(pattern_of_name):
            stale.unlink()
    for name in REGISTER_FILES:
        (folder.path / name).unlink(missing_ok=True)
    if not found.agents:
        return
    for case in found.agents:
        folder.write_text(f"{case.name}.gsn.yaml", to_yaml(case.nodes))
        folder.write_text(f"{case.name}.sacm.xml", to_sacm(case.nodes, f"{view.name}: {case.agent}"))
        for name, _, svg in pictures(case):
            folder.write_text(name, svg)
    tables = (_requirements, _hazards, _triggers, _threats, _indicators)
    for name, table in zip(REGISTER_FILES, tables, strict=False):
        folder.write_text(name, _csv(row for case in [None, *found.agents] for row in table(case)))
    folder.write_text(EVIDENCE_FILE, _csv(evidence_rows(found.drives)))


def pictures(case: AgentCase, *, inline: int | None = None) -> Iterator[tuple[str, str, str]]:
    """Yield file name, title and SVG of every picture of a case, the top first.

    Args:
        case: The case.
        inline: Number of the first on a page; None for files of their own.
    """
    titles = pattern().modules
    for number, (module, title) in enumerate(titles.items()):
        name = f"{case.name}.svg" if number == 0 else f"{case.name}-{module}.svg"
        yield name, title, to_svg(case.nodes, module, titles, inline=None if inline is None else inline + number)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return stream.getvalue()


def _cell(value: object) -> str:
    """Return a cell as text that no spreadsheet takes for a formula."""
    text = clean(str(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _claims(entry: RegisterEntry) -> str:
    return " ".join(f"{claim.scenario}.{claim.id}" for claim in entry.claims)


def _seen(entry: RegisterEntry) -> str:
    return "; ".join(f"{claim.id}: {claim.bound}, seen {claim.observed}, {claim.status}" for claim in entry.claims)


def _requirements(case: AgentCase | None) -> Iterator[list[object]]:
    if case is None:
        yield ["agent", "id", "text", "origin", "status", "claims", "seen", "hazards"]
        return
    for one in case.registers.requirements:
        told = [case.agent, one.id, one.text, one.origin, one.status]
        yield [*told, _claims(one), _seen(one), " ".join(one.hazards)]


def _hazards(case: AgentCase | None) -> Iterator[list[object]]:
    if case is None:
        yield ["agent", "id", "text", "origin", "event", "status", "rating", "impact", "claims", "seen"]
        return
    for one in case.registers.hazards:
        told = [case.agent, one.id, one.text, one.origin, one.event, one.status, one.rating, one.impact]
        yield [*told, _claims(one), one.seen_words]


def _triggers(case: AgentCase | None) -> Iterator[list[object]]:
    if case is None:
        yield ["agent", "id", "text", "origin", "driven", "exposure", "status", "claims", "seen"]
        return
    for one in case.registers.triggers:
        told = [case.agent, one.id, one.text, one.origin, "yes" if one.driven else "no", one.exposure, one.status]
        yield [*told, _claims(one), _seen(one)]


def _threats(case: AgentCase | None) -> Iterator[list[object]]:
    if case is None:
        yield [
            "agent", "attack", "threat", "asset", "damage", "impact", "feasibility", "risk", "treatment", "goal",
            "status", "claims", "seen",
        ]  # fmt: skip
        return
    for one in case.registers.threats:
        risk = "not rated" if one.risk is None else one.risk
        told = [case.agent, one.id, one.text, one.asset, one.damage, one.impact, one.feasibility, risk]
        yield [*told, one.treatment, one.goal, one.status, _claims(one), _seen(one)]


def _indicators(case: AgentCase | None) -> Iterator[list[object]]:
    if case is None:
        yield ["agent", "scenario", "condition", "event", "k", "n", "low", "high", "threshold"]
        return
    for one in case.registers.indicators:
        low, high = (f"{value:.4f}" for value in (one.rate.interval.low, one.rate.interval.high))
        bounds = "; ".join(one.bounds) or "none stated"
        yield [case.agent, one.scenario, one.condition, one.event, one.rate.k, one.rate.n, low, high, bounds]

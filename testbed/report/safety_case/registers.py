"""The registers of a safety case: hazard log, requirements, triggering conditions, threats and indicators of one agent.

What the run knows fills them, the user's file goes before it; what neither says is shown as not stated or not rated.
The status of an entry is that of the claims that speak of it, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testbed.events import EventKind
from testbed.judge import event_catalogue
from testbed.report.addresses import drives_where
from testbed.report.attack_aim import adversaries_in, aims_of
from testbed.report.claims import ClaimResult
from testbed.report.measures import rate_of
from testbed.report.run_view import BENIGN, RunView
from testbed.report.safety_case.case_file import IMPACT_OF, CaseFile, Hazard, Threat, hazard_id
from testbed.report.safety_case.nodes import CaseStatus, joint
from testbed.report.safety_case.pattern import pattern
from testbed.stats import Rate

TASKS = {
    "tsr": "answers about traffic signs (TSR)",
    "alc": "answers about the lane (ALC)",
    "vd": "answers about the vehicle ahead (VD)",
}
"""Assets: what an attack on perception tampers with."""
NOT_STATED, NOT_RATED = "not stated", "not rated"
MOST_SEEN = 6
"""Indicators that an entry tells; the table of indicators has all."""
UNRATED = "Severity, exposure and controllability not rated"


@dataclass(frozen=True, slots=True)
class Indicator:
    """A safety performance indicator: in how many valid drives an event happened, and what is claimed of that.

    Attributes:
        scenario: Where.
        condition: What was injected.
        event: Kind of event.
        happened: What the ego did then, in words.
        rate: In how many valid drives, with its Wilson interval.
        bounds: What the scenario's claims allow.
        place: Where in words, where a run has several scenarios.
        agent: Who drove.
    """

    scenario: str
    condition: str
    event: str
    happened: str
    rate: Rate
    bounds: tuple[str, ...]
    place: str = ""
    agent: str = ""

    @property
    def address(self) -> str:
        """Where these drives are listed, those with the event."""
        return drives_where(scenario=self.scenario, agent=self.agent, condition=self.condition, event=self.event)

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.happened} {self.rate} under {self.condition}{self.place}"


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """What all registers have in common.

    Attributes:
        id: Of the entry.
        text: What it says.
        claims: Claims that speak of it.
        origin: ``run`` or ``user``.
    """

    id: str
    text: str
    claims: tuple[ClaimResult, ...]
    origin: str

    @property
    def status(self) -> CaseStatus:
        """What the claims come to together."""
        return joint(claim.status for claim in self.claims)


@dataclass(frozen=True, slots=True)
class HazardEntry(RegisterEntry):
    """A line of the hazard log."""

    event: str = ""
    rating: str = UNRATED
    impact: str = NOT_RATED
    seen: tuple[Indicator, ...] = ()

    @property
    def seen_words(self) -> str:
        """What was seen, in words: the worst first, so that what is left out is no worse than what is told."""
        worst = sorted(self.seen, key=lambda one: -(one.rate.value or 0.0))
        more = [f"{len(worst) - MOST_SEEN} more in indicators.csv"] if len(worst) > MOST_SEEN else []
        return "; ".join([*(str(one) for one in worst[:MOST_SEEN]), *more]) or "nothing that shows it was measured"


@dataclass(frozen=True, slots=True)
class RequirementEntry(RegisterEntry):
    """A requirement: the user's, or a claim of the scenario that none of those takes in."""

    hazards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerEntry(RegisterEntry):
    """A known triggering condition."""

    exposure: str = NOT_STATED
    driven: bool = True


@dataclass(frozen=True, slots=True)
class ThreatEntry(RegisterEntry):
    """A line of the threat analysis and risk assessment."""

    asset: str = ""
    damage: str = ""
    impact: str = NOT_RATED
    feasibility: str = NOT_RATED
    risk: int | None = None
    treatment: str = NOT_STATED
    goal: str = ""

    @property
    def rating(self) -> str:
        """Impact, feasibility, risk and treatment in words."""
        risk = NOT_RATED if self.risk is None else f"{self.risk} of 5"
        return f"Impact {self.impact}, feasibility {self.feasibility}, risk {risk}, treatment {self.treatment}"


@dataclass(frozen=True, slots=True)
class Registers:
    """All registers of one agent."""

    hazards: tuple[HazardEntry, ...]
    requirements: tuple[RequirementEntry, ...]
    triggers: tuple[TriggerEntry, ...]
    threats: tuple[ThreatEntry, ...]
    indicators: tuple[Indicator, ...]


def registers(view: RunView, agent: str, claims: Sequence[ClaimResult], file: CaseFile) -> Registers:
    """Fill the registers of an agent.

    Args:
        view: The run.
        agent: Agent name.
        claims: Its claims as they were judged.
        file: The user's part.
    """
    events = _events(view, claims)
    indicators = _indicators(view, agent, claims, events)
    hazards = _hazards(events, claims, indicators, file)
    return Registers(
        tuple(hazards),
        tuple(_requirements(claims, file)),
        tuple(_triggers(view, claims, file)),
        tuple(_threats(view, agent, claims, hazards, file)),
        tuple(indicators),
    )


def _events(view: RunView, claims: Sequence[ClaimResult]) -> list[EventKind]:
    """Return what the hazards of a run are: what its attacks aim at, its claims bound, and its drives show."""
    found = [aim for attack in view.attacks for aim in aims_of(view, attack)]
    found += [kind for claim in claims if (kind := _event_of(claim)) is not None]
    known = event_catalogue()
    happened = {event.kind for episode in view.episodes if episode.valid for event in episode.record.events}
    seen = [known.whole(name) for name in sorted(happened)]
    wanted = {kind.name for kind in [*found, *(kind for kind in seen if kind is not None)]}
    return [kind for kind in known.kinds if kind.name in wanted]


def _event_of(claim: ClaimResult) -> EventKind | None:
    return event_catalogue().whole(claim.metric.removesuffix(".rate"))


def _indicators(
    view: RunView, agent: str, claims: Sequence[ClaimResult], events: Iterable[EventKind]
) -> list[Indicator]:
    found: list[Indicator] = []
    events = list(events)
    parts = view.parts()
    for part in parts:
        place = f" in {part.name}" if len(parts) > 1 else ""
        for condition in part.conditions:
            group = part.group(agent, condition)
            if group is None or not group.episodes:
                continue
            for kind in events:
                bounds = tuple(
                    claim.bound
                    for claim in claims
                    if claim.scenario == part.name
                    and claim.metric == f"{kind.name}.rate"
                    and condition in claim.conditions
                )
                rate = rate_of(group.episodes, kind.name)
                found.append(Indicator(part.name, condition, kind.name, kind.happened, rate, bounds, place, agent))
    return found


def _named(claims: Sequence[ClaimResult], names: Iterable[str]) -> list[ClaimResult]:
    names = set(names)
    return [claim for claim in claims if claim.id in names or f"{claim.scenario}.{claim.id}" in names]


def _hazards(
    events: Sequence[EventKind], claims: Sequence[ClaimResult], indicators: Sequence[Indicator], file: CaseFile
) -> list[HazardEntry]:
    own = {hazard.event for hazard in file.hazards}
    known = event_catalogue()
    found: list[HazardEntry] = []
    for hazard in file.hazards:
        whole = known.whole(hazard.event) if hazard.event else None
        about = [claim for claim in claims if whole is not None and _event_of(claim) == whole]
        named = _named(claims, hazard.claims)
        told = tuple(claim for claim in claims if claim in about or claim in named)
        seen = tuple(one for one in indicators if one.event == (whole.name if whole is not None else ""))
        impact: str = hazard.impact or IMPACT_OF.get(hazard.severity or "", NOT_RATED)
        event = hazard.event or ""
        found.append(HazardEntry(hazard.id, hazard.text, told, "user", event, _rating(hazard), impact, seen))
    for kind in events:
        if kind.name not in own:
            told = tuple(claim for claim in claims if _event_of(claim) == kind)
            seen = tuple(one for one in indicators if one.event == kind.name)
            text = f"the ego {kind.happened}: {kind.hazard}" if kind.hazard else f"the ego {kind.happened}"
            found.append(HazardEntry(hazard_id(kind.name), text, told, "run", kind.name, seen=seen))
    return found


def _rating(hazard: Hazard) -> str:
    told = [word for word in (hazard.severity, hazard.exposure, hazard.controllability) if word is not None]
    return f"Rated {', '.join(told)}" if told else UNRATED


def _requirements(claims: Sequence[ClaimResult], file: CaseFile) -> list[RequirementEntry]:
    found = [
        RequirementEntry(one.id, one.text, tuple(_named(claims, one.claims)), "user", tuple(one.hazards))
        for one in file.requirements
    ]
    taken = {id(claim) for entry in found for claim in entry.claims}
    several = len({claim.scenario for claim in claims}) > 1
    for claim in claims:
        if id(claim) not in taken:
            name = f"{claim.scenario}.{claim.id}" if several else claim.id
            text = f"{claim.text} ({claim.metric} {claim.bound}, {claim.given})"
            found.append(RequirementEntry(name, text, (claim,), "run"))
    return found


def _triggers(view: RunView, claims: Sequence[ClaimResult], file: CaseFile) -> list[TriggerEntry]:
    stated = {one.id: one for one in file.triggering_conditions}
    found: list[TriggerEntry] = []
    for condition in (name for name in view.conditions if name != BENIGN):
        told = stated.pop(condition, None)
        about = [claim for claim in claims if condition in claim.conditions]
        named = _named(claims, told.claims if told is not None else ())
        text = (told.text if told is not None else None) or _condition_words(view, condition)
        exposure = (told.exposure if told is not None else None) or NOT_STATED
        entry = tuple(claim for claim in claims if claim in about or claim in named)
        found.append(TriggerEntry(condition, text, entry, "user" if told else "run", exposure))
    for one in stated.values():
        claimed = tuple(_named(claims, one.claims))
        found.append(TriggerEntry(one.id, one.text or one.id, claimed, "user", one.exposure or NOT_STATED, False))
    return found


def _condition_words(view: RunView, condition: str) -> str:
    """Say what a condition injects: kind, what it is put on, artefacts."""
    parts = []
    for entry in adversaries_in(view, condition):
        place = f"on {entry.actor or entry.sign}" if entry.at is None else f"{entry.at.ahead_m:g} m ahead"
        what = "control that looks like a" if entry.control else "a"
        parts.append(f"{what} {entry.kind.replace('_', ' ')} {place} ({', '.join(entry.artefacts)})")
    return "; ".join(dict.fromkeys(parts)) or condition


def _threats(
    view: RunView, agent: str, claims: Sequence[ClaimResult], hazards: Sequence[HazardEntry], file: CaseFile
) -> list[ThreatEntry]:
    rated = {one.condition: one for one in file.threats}
    found: list[ThreatEntry] = []
    for attack in view.attacks:
        aims = aims_of(view, attack)
        about = [hazard for hazard in hazards if hazard.event in {aim.name for aim in aims}]
        impact = _worst(hazard.impact for hazard in about)
        threat = rated.get(attack)
        feasibility = _feasibility(threat)
        own_goal = threat.goal if threat is not None else None
        goal = own_goal or f"Under {attack} {agent} causes hazards no more often than claimed"
        found.append(
            ThreatEntry(
                attack,
                f"an attacker puts up {_condition_words(view, attack)}",
                tuple(claim for claim in claims if attack in claim.conditions),
                "user" if threat is not None else "run",
                "; ".join(dict.fromkeys(f"integrity of {TASKS[aim.task]}" for aim in aims)),
                "; ".join(hazard.text for hazard in about) or "; ".join(f"the ego {aim.happened}" for aim in aims),
                impact,
                feasibility,
                pattern().risk.get(impact, {}).get(feasibility),
                threat.treatment if threat is not None and threat.treatment else NOT_STATED,
                goal,
            )
        )
    return found


def _worst(impacts: Iterable[str]) -> str:
    found = set(impacts)
    return next((impact for impact in pattern().risk if impact in found), NOT_RATED)


def _feasibility(threat: Threat | None) -> str:
    if threat is None:
        return NOT_RATED
    if threat.attack_potential is not None:
        points = pattern().attack_potential
        effort = threat.attack_potential.model_dump()
        return pattern().feasibility(sum(points[factor][level] for factor, level in effort.items()))
    return threat.feasibility or NOT_RATED

"""The safety case of every agent: the pattern, filled with what the run holds and the user's file states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from testbed.report.claims import DECIDED, ClaimResult
from testbed.report.run_view import RunView
from testbed.report.safety_case.case_file import CaseFile, StatedEvidence
from testbed.report.safety_case.evidence import COUNTS, FAILED, INVALID, NOT_RUN, UNKNOWN_AGENT, DriveEvidence, cite
from testbed.report.safety_case.nodes import CaseStatus, Citation, GsnNode, settle
from testbed.report.safety_case.pattern import Pattern, PatternElement, pattern
from testbed.report.safety_case.registers import RegisterEntry, Registers, registers

INTERVALS = {
    DECIDED: "A claim about a rate is judged by a 95 % confidence sequence over valid episodes, which holds however "
    "often it was looked at",
    "": "A claim about a rate is judged by the 95 % Clopper–Pearson interval over valid episodes",
}
"""How claims are judged, by the run's way of stopping."""


@dataclass(frozen=True, slots=True)
class AgentCase:
    """The safety case of one agent.

    Attributes:
        agent: Agent name.
        name: Of its files, without ending: ``case-dnn``.
        nodes: Elements, top goal first.
        registers: Hazards, requirements, triggering conditions, threats and indicators.
    """

    agent: str
    name: str
    nodes: list[GsnNode]
    registers: Registers

    @property
    def status(self) -> CaseStatus:
        """Standing of the top goal."""
        return self.nodes[0].status or "undeveloped"


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group of the pattern: what its elements say, and which claims belong to it."""

    key: str
    words: Mapping[str, str]
    claims: tuple[str, ...] = ()
    claim: ClaimResult | None = None


@dataclass(frozen=True, slots=True)
class CaseMaterial:
    """What the pattern of one agent is filled with."""

    name: str
    words: Mapping[str, str]
    groups: Mapping[str, Sequence[GroupMember]]
    drives: Sequence[DriveEvidence]
    stated: Sequence[StatedEvidence] = field(default_factory=tuple)


def cases(
    view: RunView, claims: Sequence[ClaimResult], file: CaseFile, drives: Sequence[DriveEvidence]
) -> list[AgentCase]:
    """Return the case of every agent that claims are about, in the order of the claims.

    Args:
        view: The run.
        claims: All claims as they were judged.
        file: The user's part.
        drives: All drives; what cites them is noted there.
    """
    found: list[AgentCase] = []
    for agent in dict.fromkeys(claim.agent for claim in claims):
        word = re.sub(r"[^A-Za-z0-9_]+", "_", agent.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml"))
        name = f"case-{word}"
        if name in [one.name for one in found]:
            name = f"{name}-{len(found)}"
        mine = [claim for claim in claims if claim.agent == agent]
        told = registers(view, agent, mine, file)
        own = [drive for drive in drives if drive.agent in (agent, UNKNOWN_AGENT)]
        groups = _groups(mine, told, file)
        material = CaseMaterial(name, _words(view, agent, told), groups, own, file.evidence)
        found.append(AgentCase(agent, name, structure(pattern(), material), told))
    return found


def structure(of: Pattern, material: CaseMaterial) -> list[GsnNode]:
    """Return the elements of a case, top goal first, each goal with its status."""
    nodes: list[GsnNode] = []
    for name, element in of.elements.items():
        for member in material.groups[element.each] if element.each is not None else (None,):
            node = GsnNode(_id(name, member), _text(element, material, member), element.module)
            for links, kept in ((element.supported_by, node.supported_by), (element.contexts, node.in_context_of)):
                kept += [link for target in links for link in _links(of, target, element, material, member)]
            nodes.append(node)
            nodes += _solutions(node, element, material, member)
    settle(nodes)
    return nodes


def _id(name: str, member: GroupMember | None) -> str:
    return name if member is None else f"{name}-{member.key}"


def _text(element: PatternElement, material: CaseMaterial, member: GroupMember | None) -> str:
    return element.text.format_map({**material.words, **(member.words if member is not None else {})})


def _links(
    of: Pattern, target: str, source: PatternElement, material: CaseMaterial, member: GroupMember | None
) -> list[str]:
    """Return the elements that a link of the pattern leads to."""
    each = of.elements[target].each
    if each is None:
        return [target]
    if member is None:
        return [_id(target, one) for one in material.groups[each]]
    if each == source.each:
        return [_id(target, member)]
    return [f"{target}-{key}" for key in member.claims] if each == "claim" else []


def _solutions(
    goal: GsnNode, element: PatternElement, material: CaseMaterial, member: GroupMember | None
) -> list[GsnNode]:
    """Return what the testbed judged, and what the user states, for or against a goal; link it."""
    found: list[GsnNode] = []
    stem = goal.id.removeprefix("G-")

    def add(text: str, drives: Sequence[DriveEvidence], *, counter: str = "", defeats: bool = False) -> None:
        number = sum(one.challenges == "" for one in found) + 1
        name = f"CSn-{stem}{counter}" if counter or defeats else f"Sn-{stem}" + (f"-{number}" if number > 1 else "")
        node = GsnNode(name, text, goal.module, cites=cite(drives, material.name, name))
        if counter or defeats:
            node.challenges, node.defeats = goal.id, defeats
        else:
            node.status = "supported"
            goal.supported_by.append(name)
        found.append(node)

    if element.evidence == "claim" and member is not None and member.claim is not None:
        claim = member.claim
        if claim.status != "undeveloped":
            about = [d for d in material.drives if d.scenario == claim.scenario and d.condition in claim.conditions]
            add(claim.observed, [d for d in about if d.counts == COUNTS], defeats=claim.status == "refuted")
    if element.evidence == "drives":
        _judge_drives(material.drives, add)
    for one in material.stated:
        if element.stated is not None and one.goal == element.stated:
            name = f"Sn-{stem}" + (f"-{len(found) + 1}" if found else "")
            text = f"Stated, not judged by the testbed: {one.text} ({one.source})"
            cited = Citation(one.sha256, 0, one.source)
            found.append(GsnNode(name, text, goal.module, status="stated", cites=cited))
            goal.supported_by.append(name)
    return found


def _judge_drives(drives: Sequence[DriveEvidence], add: Callable[..., None]) -> None:
    """Say which drives count, and against the goal, but not to its defeat, which do not."""
    count = [drive for drive in drives if drive.counts == COUNTS]
    if count:
        add(f"{len(count)} of {_drives(len(drives))} ended and {'counts' if len(count) == 1 else 'count'}", count)
    for word, suffix in ((INVALID, "-invalid"), (FAILED, "-failed"), (NOT_RUN, "-not_run")):
        apart = [drive for drive in drives if drive.counts == word]
        if apart:
            reasons = "; ".join(dict.fromkeys(drive.reason for drive in apart[:_NAMED] if drive.reason))
            add(f"{_drives(len(apart))}: {word}" + (f" ({reasons})" if reasons else ""), apart, counter=suffix)


_NAMED = 3
"""Drives that do not count whose reasons a counter solution tells; the table of drives has all."""


def _drives(number: int) -> str:
    return f"{number} {'drive' if number == 1 else 'drives'}"


def _groups(claims: Sequence[ClaimResult], told: Registers, file: CaseFile) -> dict[str, list[GroupMember]]:
    several = len({claim.scenario for claim in claims}) > 1
    keys = _keys(f"{claim.scenario}_{claim.id}" if several else claim.id for claim in claims)
    known = {id(claim): key for claim, key in zip(claims, keys, strict=True)}

    def of(entries: Sequence[RegisterEntry], words: Callable[..., dict[str, str]]) -> list[GroupMember]:
        return [
            GroupMember(
                key, {"id": one.id, "text": one.text, **words(one)}, tuple(known[id(claim)] for claim in one.claims)
            )
            for key, one in zip(_keys(entry.id for entry in entries), entries, strict=True)
        ]

    return {
        "claim": [
            GroupMember(key, _claim_words(claim, several), claim=claim) for key, claim in zip(keys, claims, strict=True)
        ],
        "hazard": of(told.hazards, lambda one: {"seen": one.seen_words, "rating": one.rating}),
        "requirement": of(told.requirements, lambda one: {}),
        "trigger": of(told.triggers, lambda one: {"exposure": one.exposure}),
        "threat": of(
            told.threats,
            lambda one: {"goal": one.goal, "asset": one.asset, "damage": one.damage, "rating": one.rating},
        ),
        "assumption": [
            GroupMember(key, {"id": one.id, "text": one.text})
            for key, one in zip(_keys(one.id for one in file.assumptions), file.assumptions, strict=True)
        ],
    }


def _keys(names: Iterable[str]) -> list[str]:
    """Return words that may end an element's id, each once."""
    found: list[str] = []
    for name in names:
        word = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:64] or "_"
        found.append(word if word not in found else f"{word}.{len(found)}")
    return found


def _claim_words(claim: ClaimResult, several: bool) -> dict[str, str]:
    told = f". Seen: {claim.observed}. {claim.reason[:1].upper()}{claim.reason[1:]}".rstrip()
    return {
        "place": f"{claim.scenario}: " if several else "",
        "text": claim.text,
        "metric": claim.metric,
        "bound": claim.bound,
        "given": claim.given,
        "open": told if claim.status == "undeveloped" else "",
    }


def _words(view: RunView, agent: str, told: Registers) -> dict[str, str]:
    """Return what every element of an agent's case may say."""
    digests: dict[str, str] = {}
    for episode in view.episodes:
        if episode.plan.agent == agent:
            digests |= episode.plan.digests
    files = [f"{name} {value[:16]}" for name, value in sorted(digests.items()) if not name.startswith("artefact:")]
    return {
        "agent": agent,
        "run": view.name,
        "domain": _domain(view),
        "attacks": ", ".join(view.attacks) or "none",
        "controls": ", ".join(sorted(view.controls)) or "none",
        "files": ", ".join(files) or "none",
        "pattern": str(pattern()),
        "interval": INTERVALS[DECIDED if view.manifest.stopping == DECIDED else ""],
        "indicators": _indicators(told),
    }


_INDICATORS = 4


def _indicators(told: Registers) -> str:
    """Return the indicators that have a threshold, as many as fit, and where all of them stand."""
    bounded = [f"{one} ({'; '.join(one.bounds)})" for one in told.indicators if one.bounds]
    return "; ".join([*bounded[:_INDICATORS], "all in indicators.csv"])


def _domain(view: RunView) -> str:
    scenario = view.scenario
    parts = [f"map {scenario.map if scenario is not None else '?'}"]
    if len(view.worlds()) > 1:
        parts.append(f"{len(view.worlds())} worlds")
    elif scenario is not None and "weather" in scenario.model_fields_set:
        parts.append(f"weather {scenario.weather.preset}")
    if scenario is not None:
        parts.append(f"{scenario.ego.speed_mps:g} m/s")
    seeds = sorted({e.plan.seed for e in view.episodes})
    if seeds:
        parts.append(f"seeds {seeds[0]}–{seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}")
    return ", ".join(parts)

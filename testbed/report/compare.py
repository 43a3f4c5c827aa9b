"""Two runs side by side, drive by drive: what became better, worse, new or is missing.

Drives are paired by what was asked: scenario, agent, condition, seed and world. The same plan may have other digests
(weights, artefacts, packages) or other limits in the two runs; that is what a comparison is for, and it says which.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from testbed import stats
from testbed.core.records import EpisodePlan
from testbed.judge import event_catalogue
from testbed.report.claims import ClaimResult, judge_claims
from testbed.report.run_view import Episode, RunView, world_of

Change = Literal["worse", "better", "other"]
Gate = Literal["any", "evidence"]
GATES: tuple[Gate, ...] = ("any", "evidence")
SIGNIFICANT = 0.05
INVALID = "invalid"
_RANK = {"supported": 2, "undeveloped": 1, "refuted": 0}


@dataclass(frozen=True, slots=True)
class PairedRate:
    """How often something happened in the same drives of both runs.

    Attributes:
        scenario: Of the drives.
        agent: The same.
        condition: The same.
        what: Kind of event.
        pairs: Drives that are valid in both runs.
        first: Of these, in how many it happened in the first run.
        second: The same of the second run.
        only_first: In how many it happened in the first run alone.
        only_second: In how many in the second alone.
        interval: Of the difference of the shares, second minus first (Newcombe, 95 %).
        p: Exact McNemar.
        adjusted_p: The same after Holm over all rates of the comparison.
    """

    scenario: str
    agent: str
    condition: str
    what: str
    pairs: int
    first: int
    second: int
    only_first: int
    only_second: int
    interval: tuple[float, float]
    p: float
    adjusted_p: float

    @property
    def verdict(self) -> str:
        """In a word: ``worse`` or ``better`` with evidence, ``changed`` without, ``same`` drive by drive."""
        if not self.only_first and not self.only_second:
            return "same"
        if self.adjusted_p >= SIGNIFICANT:
            return "changed"
        return "worse" if self.only_second > self.only_first else "better"


@dataclass(frozen=True, slots=True)
class ChangedDrive:
    """A drive that went otherwise.

    Attributes:
        scenario: Of the drive.
        agent: The same.
        condition: The same.
        seed: The same.
        world: Weather, latency and deadline in words.
        change: ``worse`` where it has events that it had not, ``better`` where it only lacks some, ``other``: valid in
            one run alone.
        first: What happened in the first run, in words.
        second: The same of the second.
        keys: Of the episode in the first and in the second run.
    """

    scenario: str
    agent: str
    condition: str
    seed: int
    world: str
    change: Change
    first: str
    second: str
    keys: tuple[str, str]


@dataclass(frozen=True, slots=True)
class ChangedClaim:
    """A claim whose outcome changed, or that only one run has."""

    id: str
    agent: str
    bound: str
    first: str
    second: str
    worse: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a comparison says.

    Attributes:
        first: Name of the first run.
        second: Name of the second.
        paired: Drives in both.
        rates: All rates, in the order of the first run.
        drives: Drives that went otherwise, worse ones first.
        claims: Claims whose outcome changed.
        missing: Drives of the first run that the second lacks, failed ones included, in words.
        new: Drives of the second run alone.
        differences: What differs in what was asked and used: name, first, second.
    """

    first: str
    second: str
    paired: int
    rates: tuple[PairedRate, ...]
    drives: tuple[ChangedDrive, ...]
    claims: tuple[ChangedClaim, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]
    differences: tuple[tuple[str, str, str], ...]

    def regressions(self, gate: Gate) -> list[str]:
        """Return in words what a gate must not let through.

        Args:
            gate: ``any``: every drive with events that it had not, that is no longer valid, or that is missing.
                ``evidence``: what became more frequent beyond chance (Holm-adjusted exact McNemar below 0.05). Claims
                that became worse count in both.

        Raises:
            ValueError: There is no such gate.
        """
        if gate not in GATES:
            raise ValueError(f"there is no gate {gate!r}, only {' and '.join(GATES)}")
        found = [f"claim {one.id} of {one.agent}: {one.first}, now {one.second}" for one in self.claims if one.worse]
        if gate == "evidence":
            worse = [rate for rate in self.rates if rate.verdict == "worse"]
            return found + [
                f"{one.what} of {one.agent}, {one.condition}: {one.first}/{one.pairs}, now {one.second}/{one.pairs}"
                for one in worse
            ]
        for one in self.drives:
            if one.change == "worse" or one.second == INVALID:
                found.append(f"{one.agent}, {one.condition}, seed {one.seed}: {one.first}, now {one.second}")
        return found + [f"missing: {drive}" for drive in self.missing]

    def document(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        whole = dataclasses.asdict(self)
        for rate, told in zip(self.rates, whole["rates"], strict=True):
            told["verdict"] = rate.verdict
        return whole


def compare(first: RunView, second: RunView) -> Comparison:
    """Compare two runs."""
    ones, others = _by_question(first.episodes), _by_question(second.episodes)
    paired = [(one, others[asked]) for asked, one in ones.items() if asked in others]
    drives = [changed for one, other in paired if (changed := _changed(one, other)) is not None]
    order = {"worse": 0, "other": 1, "better": 2}
    return Comparison(
        first=first.manifest.run_id,
        second=second.manifest.run_id,
        paired=len(paired),
        rates=tuple(_rates(paired)),
        drives=tuple(sorted(drives, key=lambda drive: order[drive.change])),
        claims=tuple(_claims(judge_claims(first), judge_claims(second))),
        missing=tuple(_told(one.plan) for asked, one in ones.items() if asked not in others),
        new=tuple(_told(one.plan) for asked, one in others.items() if asked not in ones),
        differences=tuple(_differences(first, second)),
    )


def _by_question(episodes: Iterable[Episode]) -> dict[tuple[str, str, str, int, str], Episode]:
    # a run may hold drives of an agent as it was before: the last one counts, as in no order worth mentioning
    return {_asked(episode.plan): episode for episode in episodes}


def _asked(plan: EpisodePlan) -> tuple[str, str, str, int, str]:
    return plan.scenario, plan.agent, plan.condition, plan.seed, world_of(plan)


def _told(plan: EpisodePlan) -> str:
    return f"{plan.agent}, {plan.condition}, seed {plan.seed} ({world_of(plan)})"


def _said(episode: Episode) -> str:
    return INVALID if not episode.valid else ", ".join(episode.outcomes()) or "clean"


def _changed(one: Episode, other: Episode) -> ChangedDrive | None:
    before, after = _said(one), _said(other)
    if before == after:
        return None
    plan = one.plan
    change: Change = "other"
    if INVALID not in (before, after):
        change = "worse" if set(other.outcomes()) - set(one.outcomes()) else "better"
    asked = (plan.scenario, plan.agent, plan.condition, plan.seed, world_of(plan))
    return ChangedDrive(*asked, change, before, after, (plan.key, other.plan.key))


def _rates(paired: Sequence[tuple[Episode, Episode]]) -> list[PairedRate]:
    cells: dict[tuple[str, str, str], list[tuple[Episode, Episode]]] = {}
    for one, other in paired:
        if one.valid and other.valid:
            cells.setdefault((one.plan.scenario, one.plan.agent, one.plan.condition), []).append((one, other))
    found: dict[str, tuple[tuple[str, str, str], str, list[bool], list[bool]]] = {}
    for cell, pairs in cells.items():
        happened = [[episode.outcomes() for episode in side] for side in zip(*pairs, strict=True)]
        for what in event_catalogue().outcomes():
            sides = [what in kinds for kinds in happened[0]], [what in kinds for kinds in happened[1]]
            if any(sides[0]) or any(sides[1]):
                found[json.dumps([*cell, what])] = (cell, what, *sides)
    tests = {name: stats.mcnemar(before, after) for name, (_, _, before, after) in found.items()}
    adjusted = stats.holm({name: test.p_value for name, test in tests.items()})
    rates = []
    for name, (cell, what, before, after) in found.items():
        test, interval = tests[name], stats.paired_difference(before, after)
        counts = (len(before), sum(before), sum(after), test.only_first, test.only_second)
        rates.append(PairedRate(*cell, what, *counts, (interval.low, interval.high), test.p_value, adjusted[name]))
    return rates


def _claims(first: Sequence[ClaimResult], second: Sequence[ClaimResult]) -> list[ChangedClaim]:
    def named(claims: Sequence[ClaimResult]) -> dict[tuple[str, str, str], ClaimResult]:
        return {(claim.scenario, claim.id, claim.agent): claim for claim in claims}

    ones, others = named(first), named(second)
    changed = []
    for name in dict.fromkeys((*ones, *others)):
        one, other = ones.get(name), others.get(name)
        told = [f"{claim.status} ({claim.observed})" if claim is not None else "not there" for claim in (one, other)]
        bounds = " / ".join(dict.fromkeys(claim.bound for claim in (one, other) if claim is not None))
        if one is not None and other is not None and (one.status, one.bound) == (other.status, other.bound):
            continue
        rank = [_RANK[claim.status] if claim is not None else -1 for claim in (one, other)]
        changed.append(ChangedClaim(name[1], name[2], bounds, told[0], told[1], rank[1] < rank[0]))
    return changed


def _differences(first: RunView, second: RunView) -> list[tuple[str, str, str]]:
    """Return what differs in the manifests: versions, machine, digests, and scenarios key by key."""
    found: list[tuple[str, str, str]] = []
    for title in ("versions", "machine", "digests"):
        one, other = getattr(first.manifest, title), getattr(second.manifest, title)
        found += _unlike(f"{title}: ", one, other)
    scenarios = (first.manifest.scenarios, second.manifest.scenarios)
    for name in sorted({*scenarios[0], *scenarios[1]}):
        sides = [_flat(side.get(name, {})) for side in scenarios]
        found += _unlike(f"{name}: ", *sides)
    limits = [_limits(view.episodes) for view in (first, second)]
    return found + _unlike("limit: ", *limits)


def _unlike(title: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    unlike = (name for name in sorted({*one, *other}) if one.get(name) != other.get(name))
    return [(title + name, _short(one, name), _short(other, name)) for name in unlike]


def _short(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "not there"
    text = str(values[name])
    if len(text) == len(hashlib.sha256().hexdigest()) and text.isalnum():
        return text[:12]
    return text if len(text) <= 80 else f"{text[:77]}…"


def _flat(value: object, place: str = "") -> dict[str, Any]:
    """Return the leaves of a document by their places."""
    if isinstance(value, Mapping) and value:
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{place}.{key}".lstrip(".")).items()}
    if isinstance(value, list | tuple) and value:
        return {k: v for index, inner in enumerate(value) for k, v in _flat(inner, f"{place}[{index}]").items()}
    return {place: value}


def _limits(episodes: Iterable[Episode]) -> dict[str, Any]:
    """Return the judges' constants where all drives of a run have the same."""
    known = [episode.record.limits for episode in episodes if episode.record.limits]
    names = known[0] if known else ()
    return {name: known[0][name] for name in names if all(one.get(name) == known[0][name] for one in known)}

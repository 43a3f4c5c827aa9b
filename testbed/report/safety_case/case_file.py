"""The user's part of a safety case: hazards, requirements, ratings, assumptions and documents that the testbed lacks.

``--case FILE`` checks such a file and keeps it in the run folder as ``safety_case.yaml``; every later report of that
run reads it there. Ratings are the user's: what the file leaves out is shown as not stated or not rated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from testbed.core.errors import StoreError, suggest
from testbed.core.explain import require
from testbed.core.yaml_reader import Path_, read_yaml
from testbed.judge import event_catalogue
from testbed.report.run_view import read_run
from testbed.report.safety_case.pattern import pattern
from testbed.scenario.loader import LoadedFile
from testbed.scenario.schema import Scenario
from testbed.store.atomic import store_errors, write_bytes

CASE_FILE = "safety_case.yaml"
"""What a run folder calls the user's file."""

CaseId = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,47}$")]
Sentence = Annotated[str, Field(min_length=3, max_length=600)]
Impact = Literal["severe", "major", "moderate", "negligible"]
Feasibility = Literal["high", "medium", "low", "very low"]

IMPACT_OF: dict[str, str] = {"S3": "severe", "S2": "major", "S1": "moderate", "S0": "negligible"}
"""Severity of harm to the safety impact of a damage scenario; a stated impact goes before it."""


class CaseModel(BaseModel):
    """Base of all parts: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hazard(CaseModel):
    """A hazard of the vehicle, in the place of the testbed's entry for the same event or besides those."""

    id: CaseId
    text: Sentence
    event: str | None = Field(None, description="Kind of event by which the drives show it, for instance collision.")
    claims: list[str] = Field([], description="Claims that speak of it, besides those about its event.")
    severity: Literal["S0", "S1", "S2", "S3"] | None = None
    exposure: Literal["E0", "E1", "E2", "E3", "E4"] | None = None
    controllability: Literal["C0", "C1", "C2", "C3"] | None = None
    impact: Impact | None = Field(None, description="Of the damage scenario; default from the severity.")


class Requirement(CaseModel):
    """A requirement and the claims that satisfy it."""

    id: CaseId
    text: Sentence
    claims: list[str] = Field(min_length=1, description="Claims that, taken together, satisfy it.")
    hazards: list[str] = Field([], description="Hazards of this file that it is there for.")


class TriggeringCondition(CaseModel):
    """A known triggering condition: a condition of the run, or another one that the drives did not have."""

    id: CaseId = Field(description="Condition of the run, or a name of one's own beside a text.")
    text: Sentence | None = None
    exposure: Sentence | None = Field(None, description="How often it is met in operation, and who says so.")
    claims: list[str] = []


class AttackPotential(CaseModel):
    """Effort of an attack in five factors; `testbed/report/safety_case/pattern.yaml` says what each counts."""

    elapsed_time: Literal["day", "week", "month", "six months", "longer"]
    expertise: Literal["layman", "proficient", "expert", "several experts"]
    knowledge: Literal["public", "restricted", "confidential", "strictly confidential"]
    window: Literal["unlimited", "easy", "moderate", "difficult"]
    equipment: Literal["standard", "specialised", "bespoke", "several bespoke"]


class Threat(CaseModel):
    """How a threat is rated and treated: an attack of the run."""

    condition: str = Field(description="Attack of the run.")
    feasibility: Feasibility | None = None
    attack_potential: AttackPotential | None = Field(None, description="Instead of `feasibility`.")
    treatment: Literal["avoid", "reduce", "share", "retain"] | None = None
    goal: Sentence | None = Field(None, description="Cybersecurity goal; default that its claims hold.")

    @model_validator(mode="after")
    def _rated_once(self) -> Self:
        if self.feasibility is not None and self.attack_potential is not None:
            raise ValueError("a threat takes `feasibility` or `attack_potential`, not both")
        return self


class Assumption(CaseModel):
    """Something the whole case takes for granted."""

    id: CaseId
    text: Sentence


class StatedEvidence(CaseModel):
    """A document that somebody states as evidence for a goal that drives cannot show."""

    goal: str = Field(description="For instance represents_operation.")
    text: Sentence = Field(description="What the document shows.")
    source: Sentence = Field(description="Where the document is found.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the document.")


class CaseFile(CaseModel):
    """The user's part of a safety case."""

    version: Literal[1] = 1
    hazards: list[Hazard] = []
    requirements: list[Requirement] = []
    triggering_conditions: list[TriggeringCondition] = []
    threats: list[Threat] = []
    assumptions: list[Assumption] = []
    evidence: list[StatedEvidence] = []

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        for name, ids in (
            ("hazards", [one.id for one in self.hazards]),
            ("requirements", [one.id for one in self.requirements]),
            ("triggering_conditions", [one.id for one in self.triggering_conditions]),
            ("threats", [one.condition for one in self.threats]),
            ("assumptions", [one.id for one in self.assumptions]),
        ):
            doubled = sorted({one for one in ids if ids.count(one) > 1})
            if doubled:
                raise ValueError(f"{name}: given twice: {', '.join(doubled)}")
        return self


def read_case(path: Path) -> LoadedFile[CaseFile]:
    """Read a user's file.

    Raises:
        ScenarioError: It cannot be read or is not accepted; names file, line, value and what to do.
    """
    document = read_yaml(path)
    return LoadedFile(require(CaseFile, document, see_all=""), document, path)


def check_case(loaded: LoadedFile[CaseFile], scenarios: Mapping[str, Scenario]) -> CaseFile:
    """Check that everything a file names is there.

    Args:
        loaded: The file.
        scenarios: Scenarios of the run by name.

    Raises:
        ScenarioError: A claim, condition, hazard, event or goal is unknown, or an id is one of the run's own; names
            the place and what is known.
    """
    for word, kind, known, place in _references(loaded.content, scenarios):
        if word not in known:
            listed = ", ".join(known) or "none"
            raise loaded.error(f"unknown {kind} {word!r}", place, hint=f"{suggest(word, known)}known are {listed}")
    _check_own_ids(loaded, scenarios)
    for index, condition in enumerate(loaded.content.triggering_conditions):
        if condition.text is None and condition.id not in _conditions(scenarios):
            listed = ", ".join(_conditions(scenarios)) or "none"
            message = f"{condition.id!r} is no condition of the run, so it needs a text"
            hint = f"conditions are {listed}; add `text: …` for one that was not driven"
            raise loaded.error(message, ("triggering_conditions", index, "id"), hint=hint)
    return loaded.content


def _check_own_ids(loaded: LoadedFile[CaseFile], scenarios: Mapping[str, Scenario]) -> None:
    """Refuse ids under which the registers have entries of the run: two rows of one id say two things."""
    entries: dict[str, tuple[Sequence[Hazard | Requirement], list[str]]] = {
        "hazards": (loaded.content.hazards, [hazard_id(kind.name) for kind in event_catalogue().kinds]),
        "requirements": (loaded.content.requirements, claim_names(scenarios.values())),
    }
    for group, (members, own) in entries.items():
        for index, member in enumerate(members):
            if member.id in own:
                message = f"{group}: {member.id!r} is an id that the run itself uses"
                raise loaded.error(message, (group, index, "id"), hint=f"choose another; taken are {', '.join(own)}")


def hazard_id(event: str) -> str:
    """Return the id of the run's own hazard of an event."""
    return f"H-{event}"


def take_case(run_dir: Path, path: Path) -> None:
    """Check a user's file against a run, and put it there.

    Raises:
        ScenarioError: It is not accepted.
        StoreError: There is no such run, or it cannot be written.
    """
    check_case(read_case(path), read_run(run_dir, drives=False, keys=()).scenarios)
    keep_case(run_dir, path)


def keep_case(run_dir: Path, path: Path) -> None:
    """Put a user's file into a run folder, byte by byte.

    Raises:
        StoreError: It cannot be written.
    """
    with store_errors(path, "read"):
        content = path.read_bytes()
    if not (run_dir / CASE_FILE).is_file() or (run_dir / CASE_FILE).read_bytes() != content:
        write_bytes(run_dir / CASE_FILE, content)


def kept_case(run_dir: Path, scenarios: Mapping[str, Scenario]) -> CaseFile:
    """Return the file that a run folder keeps, an empty one where there is none.

    Raises:
        ScenarioError: It is not accepted, or speaks of another run.
        StoreError: It is a link: a report reads nothing outside its run.
    """
    path = run_dir / CASE_FILE
    if path.is_symlink():
        raise StoreError(f"{path} is a link", hint="testbed report RUN --case FILE puts a copy there")
    if not path.exists():
        return CaseFile()
    return check_case(read_case(path), scenarios)


def claim_names(scenarios: Iterable[Scenario]) -> list[str]:
    """Return what a file may call the claims: their ids, and with the scenario's name in front."""
    told = [(scenario.name, claim.id) for scenario in scenarios for claim in scenario.claims]
    return list(dict.fromkeys([*(claim for _, claim in told), *(f"{name}.{claim}" for name, claim in told)]))


def _conditions(scenarios: Mapping[str, Scenario]) -> list[str]:
    return list(dict.fromkeys(name for one in scenarios.values() for name in one.injections()))


def _references(content: CaseFile, scenarios: Mapping[str, Scenario]) -> Iterator[tuple[str, str, list[str], Path_]]:
    """Yield every word that must be known: word, kind, what is known, place."""
    claims = claim_names(scenarios.values())
    groups: dict[str, Sequence[Hazard | Requirement | TriggeringCondition]] = {
        "hazards": content.hazards,
        "requirements": content.requirements,
        "triggering_conditions": content.triggering_conditions,
    }
    for group, members in groups.items():
        for index, member in enumerate(members):
            for at, name in enumerate(member.claims):
                yield name, "claim", claims, (group, index, "claims", at)
    events = [kind.name for kind in event_catalogue().kinds]
    for index, hazard in enumerate(content.hazards):
        if hazard.event is not None:
            yield hazard.event, "event", events, ("hazards", index, "event")
    hazards = [hazard.id for hazard in content.hazards]
    for index, requirement in enumerate(content.requirements):
        for at, name in enumerate(requirement.hazards):
            yield name, "hazard", hazards, ("requirements", index, "hazards", at)
    for index, threat in enumerate(content.threats):
        yield threat.condition, "condition", _conditions(scenarios), ("threats", index, "condition")
    for index, evidence in enumerate(content.evidence):
        yield evidence.goal, "goal", pattern().open_goals, ("evidence", index, "goal")

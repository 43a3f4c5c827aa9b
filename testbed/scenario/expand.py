"""From a question to the list of episodes that answer it, in an order that never changes.

Episodes are ordered weather → deadline → latency → seed → agent → condition, benign first, so that every cell of the
result grows at the same pace and an attacked episode follows its benign twin. A plan carries only what can influence
its episode: which other agents, seeds or claims the file names does not change a plan's key, so finished episodes are
found again when a question is widened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from testbed.core.agent_names import agent_name, is_file
from testbed.core.deadline import Deadline
from testbed.core.errors import ArtefactError, MapError, ScenarioError, TestbedError, UsageError, suggest
from testbed.core.latency_spec import LatencySpec
from testbed.core.records import EpisodePlan
from testbed.core.yaml_reader import Path_
from testbed.scenario.loader import LoadedFile
from testbed.scenario.schema import Adversary, CarMesh, Scenario, Weather

BENIGN = "benign"

ABSENT = "absent"
"""Digest of an artefact that does not exist and is not injected by any of the chosen conditions."""

_ABOUT_THE_WHOLE = ("agents", "seeds", "latency", "claims", "route_id")
"""Scenario keys that say which episodes there are and what they are to show, not what happens in one."""


class Installation(Protocol):
    """What exists in this installation and the hashes of what influences an episode."""

    def agents(self) -> Sequence[str]:
        """Return the names of all agents, sorted."""

    def agent_digests(self, agent: str) -> Mapping[str, str]:
        """Return the hash of every weight file of an agent by its name.

        Raises:
            TestbedError: There is no such agent, or its weights are missing.
        """

    def adversaries(self) -> Sequence[str]:
        """Return the kinds of adversary, sorted."""

    def artefact_digest(self, artefact: str, base: Path | None, entry: Adversary) -> str:
        """Return the hash of an artefact, which can be put where its entry wants it.

        Args:
            artefact: Shipped name or path.
            base: Folder of the scenario file, from which relative paths are tried.
            entry: Adversary that is to inject it.

        Raises:
            ArtefactError: There is no such artefact, it was altered or is of another kind; says which there are.
        """

    def mesh_digest(self, mesh: CarMesh, base: Path | None) -> str:
        """Return the hash of a vehicle's body in a file of one's own; relative paths belong to the folder ``base``.

        Raises:
            UsageError: The file cannot be read, or is not a car as the entry describes it; says what to do.
        """

    def judges(self) -> Sequence[str]:
        """Return the names of the judges of other packages, sorted."""

    def judge_digest(self, judge: str) -> str:
        """Return the hash of a judge's name and version.

        Raises:
            TestbedError: There is no such judge, or its package is broken.
        """

    def check_metric(self, metric: str, judges: Sequence[str]) -> None:
        """Look a metric up; `judges` are those of other packages that the scenario asks for.

        Raises:
            UsageError: There is none of that name; says which is like it.
        """

    def check_bound(self, metric: str, bound: float | str, judges: Sequence[str], *, at_most: bool) -> None:
        """Check a number or percentage that a claim bounds a metric by.

        Raises:
            UsageError: The metric cannot have it, or cannot be worse; says what it can be.
        """

    def check_limits(self, values: Mapping[str, float | None]) -> None:
        """Look constants of the judges up, and their values.

        Raises:
            UsageError: There is no such constant, or it cannot have the value; `at` names it.
        """

    def maps(self) -> Sequence[str]:
        """Return the names of the embedded maps, sorted."""

    def check_places(self, scenario: Scenario, map_name: str, seeds: Sequence[int]) -> None:
        """Look up on an embedded map, or in an OpenDRIVE file, where a scenario puts things with each seed.

        Raises:
            MapError: The file cannot be parsed.
            UsageError: Something has no place there, or no blueprint; `at` leads to it in the file.
        """


def expand(
    scenario: LoadedFile[Scenario] | Scenario,
    *,
    catalogue: Installation,
    agents: Sequence[str] | None = None,
    seeds: Iterable[int] | None = None,
    conditions: Sequence[str] | None = None,
    latency: Sequence[str] | str | None = None,
    weather: Sequence[Weather] | None = None,
    deadline: Sequence[Deadline] | None = None,
    real_server: bool = False,
) -> list[EpisodePlan]:
    """Return the plans of a scenario.

    Args:
        scenario: The scenario; errors point into its file where it was loaded from one.
        catalogue: What exists here.
        agents: Instead of the scenario's.
        seeds: Instead of the scenario's.
        conditions: Only these; the benign twins of attacked episodes are always there. Default all.
        latency: One or several instead of the scenario's.
        weather: Several instead of the scenario's.
        deadline: Several instead of the scenario's.
        real_server: A CARLA server will be asked, so the map need not be embedded.

    Returns:
        Plans in a fixed order, none twice.

    Raises:
        ScenarioError: An agent, map or artefact that the file names does not exist.
        UsageError: An agent, condition or latency that the caller names does not exist.
    """
    content = scenario.content if isinstance(scenario, LoadedFile) else scenario
    chosen = _each_once(agents if agents is not None else content.agents)
    weights = {agent: dict(_agent_digests(scenario, agent, catalogue, asked=agents is not None)) for agent in chosen}
    chosen_seeds = tuple(dict.fromkeys(content.seeds.expand() if seeds is None else seeds))
    if not real_server:
        _check_map(scenario, chosen_seeds, catalogue)
    wanted = _conditions(content, conditions)
    base = scenario.path.parent if isinstance(scenario, LoadedFile) else None
    artefacts = _artefact_digests(scenario, wanted, catalogue, base)
    judges = _judge_digests(scenario, catalogue)
    _check_claims(scenario, chosen, catalogue)
    try:
        catalogue.check_limits(content.limits.model_dump())
    except UsageError as error:
        raise _error(scenario, error.args[0], ("limits", *error.at), hint=error.hint) from error
    asked = (latency,) if isinstance(latency, str) else tuple(latency or (content.latency,))
    latencies = [LatencySpec.parse(text).text for text in asked]
    worlds = [
        content.model_copy(update={"weather": sky, "deadline": limit})
        for sky in (weather or (content.weather,))
        for limit in (deadline or (content.deadline,))
    ]
    bases = [EpisodePlan(scenario=content.name, agent="", scene=_scene(world, base)) for world in worlds]
    plans = (
        # copied, so that the plans of a scene share it: there may be many thousands
        plan.model_copy(
            update={
                "agent": agent_name(agent),
                "agent_file": agent if is_file(agent) else "",
                "condition": condition,
                "seed": seed,
                "latency": charge,
                "digests": {**artefacts, **judges, **weights[agent]},
            }
        )
        for plan in bases
        for charge in latencies
        for seed in chosen_seeds
        for agent in chosen
        for condition in wanted
    )
    return list({plan.key: plan for plan in plans}.values())


def _each_once(agents: Sequence[str]) -> tuple[str, ...]:
    """Return agents without those that are named again, files by whatever path."""
    once: dict[str, str] = {}
    files: dict[str, Path] = {}
    for agent in agents:
        path = Path(agent).resolve()
        if is_file(agent) and files.setdefault(path.name, path) != path:
            other = files[path.name]
            raise UsageError(f"two agent files are called {path.name}: {other} and {path}", hint="rename one")
        once.setdefault(str(path) if is_file(agent) else agent, agent)
    return tuple(once.values())


def _conditions(content: Scenario, asked: Sequence[str] | None) -> tuple[str, ...]:
    known = (BENIGN, *content.injections())
    for name in asked or ():
        if name not in known:
            raise UsageError(
                f"scenario {content.name!r} has no condition {name!r}; {suggest(name, known)}it has {', '.join(known)}"
            )
    return tuple(name for name in known if asked is None or name == BENIGN or name in asked)


def _scene(content: Scenario, base: Path | None) -> dict[str, object]:
    """Return what an episode needs of a scenario, with the paths in it made absolute."""
    kept = content.dump()
    for name in _ABOUT_THE_WHOLE:
        kept.pop(name, None)
    for entry in kept["adversaries"]:
        names = entry["artefact"]
        found = [_absolute(name, base) for name in ([names] if isinstance(names, str) else names)]
        entry["artefact"] = found[0] if isinstance(names, str) else found
        if entry["mesh"] is None:
            del entry["mesh"]  # what is not asked for leaves a plan's key as it was
        elif isinstance(entry["mesh"], str):
            entry["mesh"] = _absolute(entry["mesh"], base)
        else:
            entry["mesh"]["file"] = _absolute(entry["mesh"]["file"], base)
    if kept["map"].endswith(".xodr"):
        kept["map"] = _absolute(kept["map"], base)
    return kept


def _absolute(name: str, base: Path | None) -> str:
    """Make the path of an existing file or folder absolute; names of shipped things stay as they are."""
    candidate = (base or Path()) / name
    is_path = "/" in name or Path(name).suffix != ""
    return str(candidate.resolve()) if is_path and candidate.exists() else name


def _agent_digests(
    scenario: LoadedFile[Scenario] | Scenario, agent: str, catalogue: Installation, *, asked: bool
) -> Mapping[str, str]:
    known = tuple(catalogue.agents())
    if agent not in known and not is_file(agent):
        message = f"unknown agent {agent!r}; {suggest(agent, known)}there are {', '.join(known) or 'none'}"
        if asked:
            raise UsageError(message)
        position = (scenario.content if isinstance(scenario, LoadedFile) else scenario).agents.index(agent)
        raise _error(scenario, message, ("agents", position))
    return catalogue.agent_digests(agent)


def _check_map(scenario: LoadedFile[Scenario] | Scenario, seeds: Sequence[int], catalogue: Installation) -> None:
    content = scenario.content if isinstance(scenario, LoadedFile) else scenario
    base = scenario.path.parent if isinstance(scenario, LoadedFile) else Path()
    name, known = content.map, tuple(catalogue.maps())
    if name.endswith(".xodr"):
        name = str(base / name)
        if not Path(name).is_file():
            raise _error(scenario, f"map file {content.map!r} does not exist", ("map",))
    elif name not in known:
        message = f"unknown map {name!r}; {suggest(name, known)}embedded are {', '.join(known)}"
        raise _error(scenario, message, ("map",), hint="CARLA towns need --carla HOST:PORT")
    try:
        catalogue.check_places(content, name, seeds)
    except MapError as error:
        raise _error(scenario, str(error), ("map",)) from error
    except UsageError as error:
        raise _error(scenario, error.args[0], error.at, hint=error.hint) from error


def _artefact_digests(
    scenario: LoadedFile[Scenario] | Scenario, conditions: Sequence[str], catalogue: Installation, base: Path | None
) -> dict[str, str]:
    """Return the hash of every artefact of the scenario under ``artefact:<name>``; only injected ones must exist.

    They stand in benign plans too, so that a benign twin differs from its attacked episode in the condition alone.
    """
    content = scenario.content if isinstance(scenario, LoadedFile) else scenario
    needed = {name for condition in conditions if condition != BENIGN for name in content.injections()[condition]}
    digests: dict[str, str] = {}
    kinds = tuple(catalogue.adversaries())
    for index, adversary in enumerate(content.adversaries):
        if adversary.kind not in kinds:
            message = f"unknown adversary kind {adversary.kind!r}; {suggest(adversary.kind, kinds)}there are "
            raise _error(scenario, message + ", ".join(kinds), ("adversaries", index, "kind"))
        for number, name in enumerate(adversary.artefacts):
            place: Path_ = ("adversaries", index, "artefact")
            try:
                digests[f"artefact:{name}"] = catalogue.artefact_digest(name, base, adversary)
            except ArtefactError as error:
                if adversary.id not in needed:
                    digests[f"artefact:{name}"] = ABSENT
                    continue
                inside = place if isinstance(adversary.artefact, str) else (*place, number)
                raise _error(scenario, error.args[0], inside, hint=error.hint) from error
        mesh = adversary.car_mesh
        if mesh is not None:
            try:
                digests[f"mesh:{mesh.file}"] = catalogue.mesh_digest(mesh, base)
            except UsageError as error:
                if adversary.id in needed:
                    raise _error(scenario, error.args[0], ("adversaries", index, "mesh"), hint=error.hint) from error
                digests[f"mesh:{mesh.file}"] = ABSENT
    return digests


def _judge_digests(scenario: LoadedFile[Scenario] | Scenario, catalogue: Installation) -> dict[str, str]:
    """Return the hash of every judge that the scenario asks for under ``judge:<name>``."""
    content = scenario.content if isinstance(scenario, LoadedFile) else scenario
    for index, name in enumerate(content.judges):
        known = tuple(catalogue.judges())
        if name not in known:
            message = f"unknown judge {name!r}; {suggest(name, known)}installed packages offer "
            raise _error(scenario, message + (", ".join(known) or "none"), ("judges", index))
    return {f"judge:{name}": catalogue.judge_digest(name) for name in content.judges}


def _check_claims(scenario: LoadedFile[Scenario] | Scenario, agents: Sequence[str], catalogue: Installation) -> None:
    """Refuse a claim that no drive could decide."""
    content = scenario.content if isinstance(scenario, LoadedFile) else scenario
    here = (*content.agents, *agents, *catalogue.agents())
    known = tuple(dict.fromkeys((*here, *(agent_name(agent) for agent in here))))
    for index, claim in enumerate(content.claims):
        if claim.id in [other.id for other in content.claims[:index]]:
            raise _error(scenario, f"two claims are called {claim.id!r}", ("claims", index, "id"))
        at_most = claim.at_most is not None
        place = "metric"
        try:
            catalogue.check_metric(claim.metric, content.judges)
            place = "at_most" if at_most else "at_least"
            catalogue.check_bound(claim.metric, claim.bound, content.judges, at_most=at_most)
        except UsageError as error:
            message = f"claim {claim.id!r}: {error.args[0]}"
            raise _error(scenario, message, ("claims", index, place), hint=error.hint) from error
        if claim.agent is not None and claim.agent not in known:
            message = f"claim {claim.id!r}: unknown agent {claim.agent!r}; {suggest(claim.agent, known)}there are "
            raise _error(scenario, message + ", ".join(known), ("claims", index, "agent"))


def _error(scenario: LoadedFile[Scenario] | Scenario, message: str, at: Path_, hint: str = "") -> TestbedError:
    if isinstance(scenario, LoadedFile):
        return scenario.error(message, at, hint=hint)
    return ScenarioError(f"scenario {scenario.name!r}: {message}", hint=hint)

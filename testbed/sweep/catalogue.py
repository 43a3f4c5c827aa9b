"""What this installation has to offer: agents, artefacts, maps and the hashes of what influences an episode.

Nothing heavy is imported to find out: registries know names and read cards, no network is built and no map parsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.core import plugins
from testbed.core.agent_names import is_file

if TYPE_CHECKING:
    from testbed.scenario.schema import Adversary, CarMesh, Scenario


def _sha256(*words: str) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def blueprints() -> list[str]:
    """Return the ids of everything that the embedded server can spawn."""
    from testbed.server.simulation.blueprints import library

    return [str(entry[1]) for entry in library()]


class Installed:
    """The catalogue that expansion asks: the registries of agents, adversaries and maps."""

    def agents(self) -> Sequence[str]:
        """Return the names of all agents and shipped agent files, sorted."""
        from testbed import agents

        return tuple(sorted({*agents.names(), *agents.configured()}))

    def agent_digests(self, agent: str) -> Mapping[str, str]:
        """Return the sha256 of every weight file of an agent by its name, and of what makes it what it is.

        A shipped file that only names a registered agent is that agent and adds nothing; a user's, which plans know by
        its file name, is always told apart by what it says. The package of an agent that is not
        ours is what it is, by name, version and content. Files that name the agents which an
        agent is made of are what it is, too.

        Raises:
            UsageError: There is no such agent.
            WeightsError: A card of its weights is missing.
        """
        from testbed import agents
        from testbed.agents import registry
        from testbed.agents.defences import registry as defences

        digests = dict(agents.card(agent).weights)
        choice = agents.resolve(agent)
        point = plugins.point_of(registry.ENTRY_POINTS, choice.agent)
        kinds = [str(defence.get("kind")) for defence in choice.defences]
        for other in (point, *(plugins.point_of(defences.ENTRY_POINTS, kind) for kind in kinds)):
            if other is not None:
                told, digest = plugins.content_of(other)
                digests[f"package:{told}"] = digest
        if choice.file is not None and (is_file(agent) or not choice.is_registered):
            digests[f"agent:{choice.file.name}"] = hashlib.sha256(choice.file.read_bytes()).hexdigest()
        for role, part in agents.parts(agent).items():
            for name, digest in self.agent_digests(part).items():
                if name.startswith("agent:"):
                    digests[f"{name} as {role}"] = digest
        return digests

    def adversaries(self) -> Sequence[str]:
        """Return the kinds of adversary, sorted."""
        from testbed import adversaries

        return adversaries.kinds()

    def artefact_digest(self, artefact: str, base: Path | None, entry: Adversary) -> str:
        """Return the digest of an artefact, which can be put where its entry wants it.

        Raises:
            ArtefactError: There is no such artefact, it was altered, is of another kind, or states its size itself.
        """
        from testbed import adversaries
        from testbed.adversaries import registry
        from testbed.scenario.concrete import Injection

        if entry.length_m is not None or entry.width_m is not None:
            sized = Injection(entry.id, entry.kind, artefact, length_m=entry.length_m, width_m=entry.width_m)
            adversaries.read(entry.kind, artefact, base, sized)
        found = adversaries.read(entry.kind, artefact, base).digest
        point = plugins.point_of(registry.ENTRY_POINTS, entry.kind)
        return found if point is None else _sha256(found, *plugins.content_of(point))

    def mesh_digest(self, mesh: CarMesh, base: Path | None) -> str:
        """Return the digest of a vehicle's body in a file of one's own.

        Raises:
            UsageError: The file cannot be read, or is not a car as the entry describes it.
        """
        from testbed.adversaries.camouflage.body import mesh_body
        from testbed.adversaries.registry import payload_digest

        return payload_digest(mesh_body(mesh, base))

    def judges(self) -> Sequence[str]:
        """Return the names of the judges of other packages, sorted."""
        from testbed.judge import registry

        return registry.third_party()

    def judge_digest(self, judge: str) -> str:
        """Return the sha256 of a judge's name and version, and of what is in its package.

        Raises:
            UsageError: There is no such judge, or its package is broken.
            JudgeError: It is no judge.
        """
        from testbed.judge import registry

        named = f"{judge} {registry.create(judge).version}"
        point = plugins.point_of(registry.ENTRY_POINTS, judge)
        return _sha256(named) if point is None else _sha256(named, *plugins.content_of(point))

    def check_metric(self, metric: str, judges: Sequence[str]) -> None:
        """Look a metric up; `judges` are those of other packages that the scenario asks for.

        Raises:
            UsageError: There is none of that name.
        """
        from testbed.judge import metrics

        metrics.known(metric, judges)

    def check_bound(self, metric: str, bound: float | str, judges: Sequence[str], *, at_most: bool) -> None:
        """Check a number or percentage that a claim bounds a metric by.

        Raises:
            UsageError: The metric cannot have it, or cannot be worse.
        """
        from testbed.judge import metrics

        metrics.known(metric, judges).value(bound, at_most=at_most)

    def check_limits(self, values: Mapping[str, float | None]) -> None:
        """Look constants of the judges up, and their values.

        Raises:
            UsageError: There is no such constant, or it cannot have the value; `at` names it.
        """
        from testbed.judge import JudgeLimits

        JudgeLimits().overridden(values)

    def maps(self) -> Sequence[str]:
        """Return the names of the embedded maps, sorted."""
        from testbed.world.maps import available_maps

        return tuple(available_maps())

    def check_places(self, scenario: Scenario, map_name: str, seeds: Sequence[int]) -> None:
        """Look up on an embedded map, or in an OpenDRIVE file, where a scenario puts things with each seed.

        Raises:
            MapError: The file cannot be parsed.
            UsageError: Something has no place there, or no blueprint; `at` leads to it in the file.
        """
        from testbed.sweep.places import check_places
        from testbed.world.maps import load_map

        check_places(scenario, load_map(map_name).network, seeds, blueprints())

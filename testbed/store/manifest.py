"""The manifest of a run: what was planned, with which versions, on which machine, by which command."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field, ValidationError

from testbed.core.errors import StoreError
from testbed.core.records import Document, EpisodePlan
from testbed.store.versions import Upgrade, parse_json, upgraded

MANIFEST_VERSION = 1
MANIFEST_UPGRADES: Mapping[int, Upgrade] = {}


class PlannedEpisode(Document):
    """One line of the plan of a run; the key finds the episode's folder."""

    key: str
    scenario: str
    agent: str
    condition: str
    seed: int


class RunManifest(Document):
    """What ``manifest.json`` says.

    Attributes:
        version: Layout of this document.
        run_id: Name of the run folder.
        created_utc: When the run was begun, ISO 8601 (a time field: never compared between runs).
        command: Command that repeats the run.
        scenarios: Scenario name to its expanded dump.
        planned: Every planned episode, so that what was not run can be told from what was never asked.
        versions: Package versions.
        machine: Platform facts.
        digests: Names of artefacts and weights to their sha256.
        notes: Anything a reader must know.
        stopping: ``decided`` where drives were added until the claims were decided; empty where their number was fixed.
    """

    version: int = MANIFEST_VERSION
    run_id: str
    created_utc: str = ""
    command: str = ""
    scenarios: dict[str, dict[str, Any]] = Field(default_factory=dict)
    planned: tuple[PlannedEpisode, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    notes: str = ""
    stopping: str = ""

    @classmethod
    def of(cls, run_id: str, plans: Iterable[EpisodePlan], **fields: Any) -> RunManifest:
        """Return the manifest of a run of ``plans``; further fields as given."""
        plans = tuple(plans)
        digests: dict[str, str] = {}
        for plan in plans:
            digests |= plan.digests
        planned = tuple(
            PlannedEpisode(key=p.key, scenario=p.scenario, agent=p.agent, condition=p.condition, seed=p.seed)
            for p in plans
        )
        scenes = {plan.scenario: plan.scene for plan in plans}
        known = {"scenarios": scenes, "planned": planned, "digests": digests, "machine": machine_facts()}
        return cls(run_id=run_id, **(known | fields))


def machine_facts() -> dict[str, str]:
    """Return what of this machine may matter for a result; no names, users or addresses."""
    return {
        "platform": platform.system(),
        "release": platform.release(),
        "processor": platform.machine(),
        "python": sys.version.split()[0],
    }


def dump_manifest(manifest: RunManifest) -> str:
    """Return a manifest as JSON text, a planned episode per line."""
    whole = manifest.model_dump(mode="json")
    lines = ["\n  " + json.dumps(planned, sort_keys=True) for planned in whole["planned"]]
    text = json.dumps(whole | {"planned": []}, indent=1, sort_keys=True, allow_nan=False) + "\n"
    # only a key of the document itself stands behind one space; a string has no line ends
    return text.replace('\n "planned": []', f'\n "planned": [{",".join(lines)}]', 1)


def load_manifest(text: str | bytes, source: str) -> RunManifest:
    """Return the manifest in ``text``.

    Raises:
        StoreError: It cannot be read as a manifest.
    """
    document = upgraded(parse_json(text, source), MANIFEST_VERSION, MANIFEST_UPGRADES, source)
    try:
        return RunManifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{source} is no run manifest: {place}: {first['msg']}") from error

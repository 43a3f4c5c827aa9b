"""Versioned documents that outlive a process: the plan of an episode and the record of what happened in it.

A plan is content-addressed: its key is the sha256 of its canonical JSON, so the same question is the same episode
wherever and whenever it is asked. Records are read by every later version (``RECORD_VERSION`` rises, old ones load).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_jsonable_python

RECORD_VERSION = 1


class Document(BaseModel):
    """Base of stored documents: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_SCENES = 64
_HEADS = 4096
_scene_hashes: dict[int, tuple[dict[str, Any], str, dict[str, hashlib._Hash]]] = {}
"""Scenes by their id with their text and, by what stands before it in a plan, the hash so far."""


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _hash_up_to(head: str, scene: dict[str, Any]) -> hashlib._Hash:
    """Return the hash of a plan's text up to its scene, which is nearly all of it and the same in most plans of a run.

    Args:
        head: What stands before the scene.
        scene: The scene.
    """
    known = _scene_hashes.get(id(scene))
    if known is None:
        if len(_scene_hashes) >= _SCENES:
            del _scene_hashes[next(iter(_scene_hashes))]
        # the scene is kept, so that no other can get its id
        known = _scene_hashes[id(scene)] = scene, _canonical(to_jsonable_python(scene)), {}
    _, text, hashes = known
    found = hashes.get(head)
    if found is None:
        if len(hashes) >= _HEADS:
            hashes.clear()
        found = hashes[head] = hashlib.sha256(f"{head}{text}".encode("ascii"))
    return found.copy()


class EpisodePlan(Document):
    """Everything that determines an episode.

    Attributes:
        version: Layout of this document.
        scenario: Name of the scenario.
        scene: The expanded scenario (``testbed.scenario.schema.Scenario`` dumped to JSON types) after overrides.
        agent: Name of an agent, or of a user's agent file without its folders; what it says is among the digests.
        condition: ``benign`` or the id of the adversary entry that is injected.
        seed: Seed of placement noise, traffic, weather noise and the agent.
        latency: ``card``, ``measured``, or a name and milliseconds, ``fixed:80`` or ``nvila_a100:80``.
        digests: Artefact and weight hashes that influence the outcome.
        agent_file: Where a user's agent file lies on this machine. It is neither stored nor part of the key: the same
            file is the same agent, however its path is written.
    """

    version: int = RECORD_VERSION
    scenario: str
    scene: dict[str, Any]
    agent: str
    condition: str = "benign"
    seed: int = 0
    latency: str = "card"
    digests: dict[str, str] = Field(default_factory=dict)
    agent_file: SkipJsonSchema[str] = Field(default="", exclude=True)

    @property
    def agent_here(self) -> str:
        """Return what an agent is loaded by on this machine: its name or the path of its file."""
        return self.agent_file or self.agent

    @functools.cached_property
    def key(self) -> str:
        """Return the sha256 (hex, 64 characters) of the canonical JSON of this plan."""
        head = _canonical({name: getattr(self, name) for name in _BEFORE_SCENE})
        found = _hash_up_to(f'{head[:-1]},"scene":', self.scene)
        found.update(f",{_canonical({name: getattr(self, name) for name in _AFTER_SCENE})[1:]}".encode("ascii"))
        return found.hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; one that says something else has another key."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("key", None)
        return copied

    @property
    def twin(self) -> EpisodePlan:
        """Return the benign plan that an attacked one is compared with: same everything but the adversary."""
        return self.model_copy(update={"condition": "benign"})


_IN_THE_KEY = sorted(name for name, field in EpisodePlan.model_fields.items() if not field.exclude)
_BEFORE_SCENE = _IN_THE_KEY[: _IN_THE_KEY.index("scene")]
_AFTER_SCENE = _IN_THE_KEY[_IN_THE_KEY.index("scene") + 1 :]


class Event(Document):
    """Something a judge saw. ``cause`` links it to the perception error that preceded it (scoring.md §1)."""

    kind: str
    t_s: float
    frame: int
    location_xyz_m: tuple[float, float, float]
    ego_speed_mps: float
    other: str = ""
    cause: str = "none"
    evidence_frame: int = 0
    severity: float = 0.0
    duration_s: float = 0.0
    detail: dict[str, float | int | str | bool | None] = Field(default_factory=dict)


Status = Literal["done", "failed", "not_run"]


class EpisodeRecord(Document):
    """What happened in one episode.

    Attributes:
        version: Layout of this document.
        plan: The plan that was carried out.
        status: ``done``, ``failed`` (with ``error_code`` and ``error``) or ``not_run``.
        events: All events of all judges in order of time.
        scores: Flat metric name to value; None where a metric does not apply.
        valid_attack: For attacked episodes whether the attack was really delivered; ``invalid_reason`` says why not.
        injection: Adversary id to how its artefact reached the camera: ``world``, ``composite`` or ``paste``.
        trace: File name of the MCAP trace beside the record.
        video: File name of the video beside the record.
        wall_s: Wall seconds spent (a time field: never compared between runs).
        versions: Package versions that produced it.
        limits: Constants that the judges used; empty in records of earlier versions.
        attempts: How often it was tried.
    """

    version: int = RECORD_VERSION
    plan: EpisodePlan
    status: Status = "done"
    error_code: str = ""
    error: str = ""
    events: tuple[Event, ...] = ()
    scores: dict[str, float | int | str | bool | None] = Field(default_factory=dict)
    valid_attack: bool | None = None
    invalid_reason: str = ""
    injection: dict[str, str] = Field(default_factory=dict)
    trace: str = ""
    video: str = ""
    trace_sha256: str = ""
    wall_s: float = 0.0
    versions: dict[str, str] = Field(default_factory=dict)
    limits: dict[str, float | int | None] = Field(default_factory=dict)
    attempts: int = 1

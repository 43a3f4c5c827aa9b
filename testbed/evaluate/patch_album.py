"""Approaches to a road patch: the driver's view of a scenario with the patch, with its control, and with neither.

Staged from the scenario as an episode is (start, traffic, sun of each seed), photographed at the places where a
decision would be made from when the patch lies 28 m ahead until its far end has come as near as 14 m. Every place is
taken with the offsets of ordinary driving, the same for all conditions and agents, so that all answers are paired. The
steering class asked for is the expert's for that very pose.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from testbed.core.errors import UsageError
from testbed.core.perception_tasks import PREVIEW_M
from testbed.evaluate.albums import BENIGN, AlbumPicture
from testbed.judge import expert_steering

if TYPE_CHECKING:
    from testbed.adversaries.road_patch.world import RoadWorld
    from testbed.core.types import Decal
    from testbed.scenario.loader import LoadedFile
    from testbed.scenario.schema import Adversary, PatchPlace, Scenario

KIND = "road_patch"
FRAMES_PER_APPROACH = 20
SIGHT_M = (28.0, 14.0)
LATERAL_SPREAD_M, HEADING_SPREAD_DEG = 0.15, 0.4


class PatchApproaches:
    """Driver's views on the way to a patch.

    Args:
        scenario: Scenario with a road patch; its patches and controls are the conditions.
        count: Number of pictures per condition, rounded up to whole approaches.
        seed: First seed that is staged; other than those of episodes, whose outcomes are reported elsewhere.
    """

    task = "alc"

    def __init__(self, scenario: LoadedFile[Scenario], count: int, *, seed: int = 0) -> None:
        """Check that the scenario has such adversaries and that their artefacts exist.

        Raises:
            UsageError: It has no road patch.
            ArtefactError: An artefact is missing or was altered.
        """
        from testbed import adversaries

        content = scenario.content
        self._scenario = content
        self._entries = {entry.id: entry for entry in content.adversaries if entry.kind == KIND}
        if not any(not entry.control for entry in self._entries.values()):
            raise UsageError(f"scenario {content.name!r} has no road patch to evaluate")
        self._seeds = range(5000 + seed, 5000 + seed + math.ceil(count / FRAMES_PER_APPROACH))
        self._base: Path = scenario.path.parent
        self._artefacts = {
            name: adversaries.load(name, base=self._base)
            for entry in self._entries.values()
            for name in entry.artefacts
        }

    @property
    def attacks(self) -> tuple[str, ...]:
        """Conditions that attack."""
        return tuple(name for name, entry in self._entries.items() if not entry.control)

    @property
    def controls(self) -> tuple[str, ...]:
        """Conditions that only look like an attack."""
        return tuple(name for name, entry in self._entries.items() if entry.control)

    @property
    def artefacts(self) -> dict[str, str]:
        """Artefact name to digest."""
        return {name: artefact.digest for name, artefact in self._artefacts.items()}

    def recipe(self, condition: str) -> dict[str, Any]:
        """Return scene, seeds and the renderer's sources, and the artefacts that the condition shows."""
        from testbed.training.data.generate import renderer_hash

        entry = self._entries.get(condition)
        shown = {} if entry is None else {name: self._artefacts[name].digest for name in entry.artefacts}
        return {
            "album": "approaches",
            "scene": self._scenario.model_dump(
                mode="json", exclude={"agents", "claims", "seeds", "latency", "adversaries", "conditions", "question"}
            ),
            "place": None if entry is None else _place(entry).model_dump(mode="json"),
            "window": self._place.model_dump(mode="json"),
            "artefacts": [] if entry is None else [[name, shown[name]] for name in entry.artefacts],
            "seeds": list(self._seeds),
            "frames": [FRAMES_PER_APPROACH, SIGHT_M, LATERAL_SPREAD_M, HEADING_SPREAD_DEG],
            "renderer_sha256": renderer_hash(),
        }

    def pictures(self, condition: str) -> list[AlbumPicture]:
        """Return the pictures of a condition.

        Raises:
            UsageError: The scenario has no such condition.
        """
        if condition != BENIGN and condition not in self._entries:
            raise UsageError(f"scenario {self._scenario.name!r} has no condition {condition!r}")
        return [picture for seed in self._seeds for picture in self._approach(seed, self._entries.get(condition))]

    @property
    def _place(self) -> PatchPlace:
        return next(_place(entry) for entry in self._entries.values() if not entry.control)

    @cached_property
    def _world(self) -> RoadWorld:
        from testbed.adversaries.road_patch.shape import PatchShape
        from testbed.adversaries.road_patch.world import RoadWorld

        # the optimiser's own patch stays blank; artefacts come as decals of their own, as in an episode
        return RoadWorld(self._scenario, self._place, PatchShape(), latency_s=0.0)

    @cached_property
    def _decals(self) -> dict[str, tuple[int, Decal]]:
        scene = self._world.scene
        found: dict[str, tuple[int, Decal]] = {}
        for name, artefact in self._artefacts.items():
            decal = artefact.decal()
            handle = scene.add_decal(f"evaluated:{name}", (0.0,) * 6, decal.length_m, decal.width_m, decal.rgba)
            scene.set_visible(handle, False)
            found[name] = (handle, decal)
        return found

    def _approach(self, seed: int, entry: Adversary | None) -> list[AlbumPicture]:
        world = self._world
        situation = world.situation(seed)
        shown = None
        if entry is not None:
            shown, decal = self._decals[entry.artefacts[seed % len(entry.artefacts)]]
            place = _place(entry)
            world.scene.set_pose(shown, world.path.pose(place.ahead_m + decal.length_m / 2.0, place.lateral_m))
            world.scene.set_visible(shown, True)
        try:
            first_m, last_m = situation.near_m - SIGHT_M[0], situation.far_m - SIGHT_M[1]
            rng = np.random.default_rng([seed, 17])
            found = []
            for index, s_m in enumerate(np.linspace(first_m, last_m, FRAMES_PER_APPROACH)):
                lateral_offset_m = float(np.clip(rng.normal(0.0, LATERAL_SPREAD_M), -0.4, 0.4))
                heading_rad = math.radians(float(rng.normal(0.0, HEADING_SPREAD_DEG)))
                found.append(self._picture(f"{seed}-{index:02d}", str(seed), float(s_m), lateral_offset_m, heading_rad))
            return found
        finally:
            if shown is not None:
                world.scene.set_visible(shown, False)

    def _picture(self, name: str, group: str, s_m: float, lateral_offset_m: float, heading_rad: float) -> AlbumPicture:
        world = self._world
        world.move_traffic(s_m / world.concrete.ego.speed_mps)
        ego = world.ego_pose(s_m, lateral_offset_m, heading_rad)
        frame = world.renderer.render(world.camera(s_m, lateral_offset_m, heading_rad))
        assert frame.rgb is not None
        ahead = world.path.pose(s_m + PREVIEW_M)
        yaw_rad = math.radians(ego[4])
        preview_m = (ahead[0] - ego[0]) * math.sin(yaw_rad) - (ahead[1] - ego[1]) * math.cos(yaw_rad)
        to_patch_m = self._place.ahead_m - s_m
        where = "before the patch" if to_patch_m > 0 else "over the patch"
        return AlbumPicture(name, group, frame.rgb, str(expert_steering(preview_m)), tags=(("place", where),))


def _place(entry: Adversary) -> PatchPlace:
    assert entry.at is not None, "the schema gives every road patch a place"
    return entry.at

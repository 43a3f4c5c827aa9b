"""The contract of adversaries: artefacts that fit their target, keep their promise, and reach the camera."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from testbed import adversaries
from testbed.adversaries.registry import SURFACES
from testbed.core.errors import ArtefactError
from testbed.core.types import Decal, Payload, Shade, SignFace, Skin
from testbed.judge.validity import why_over_budget
from testbed.scenario.expand import expand
from testbed.scenario.schema import Scenario

if TYPE_CHECKING:
    from testbed.env import ScenarioEnv

VEHICLE = "vehicle.tesla.model3"
LEAST_PX = 20


class AdversaryContract:
    """Tests of one kind of adversary with one of its artefacts; subclass it and let pytest collect the subclass.

    Attributes:
        kind: Kind as scenario files name it.
        artefact: Name or path of an artefact.
        base: Folder that a relative path belongs to.
        modes: Ways in which it must reach the camera.
    """

    kind: ClassVar[str] = ""
    artefact: ClassVar[str] = ""
    base: ClassVar[Path | None] = None
    modes: ClassVar[tuple[str, ...]] = ("world", "composite")

    def test_its_artefact_fits_its_target(self) -> None:
        """What it hands out can be put where its scenario entry says, and holds sane numbers."""
        loaded = adversaries.read(self.kind, self.artefact, self.base)
        assert isinstance(loaded.payload, SURFACES[adversaries.kind(self.kind).target])
        check_payload(loaded.payload)

    def test_its_digest_tells_artefacts_apart(self) -> None:
        """The same artefact has the same digest, which is what decides whether an episode was driven already."""
        first, second = (adversaries.read(self.kind, self.artefact, self.base).digest for _ in range(2))
        assert first == second and len(first) == 64 and set(first) <= set("0123456789abcdef")

    def test_its_manifest_keeps_its_promise(self) -> None:
        """The manifest can be stored, and what it measured is within its budget."""
        manifest = adversaries.read(self.kind, self.artefact, self.base).manifest
        json.dumps(manifest)
        assert isinstance(manifest.get("control", False), bool)
        assert why_over_budget(manifest) == ""

    def test_what_does_not_exist_is_an_artefact_error(self) -> None:
        """A misspelt artefact ends a run before it begins, with the name in the message."""
        try:
            adversaries.read(self.kind, "no_such_artefact_anywhere", self.base)
        except ArtefactError as error:
            assert "no_such_artefact_anywhere" in str(error)
        else:
            raise AssertionError("an artefact that does not exist was accepted")

    def test_a_scenario_can_ask_for_it(self) -> None:
        """One entry of a scenario file is enough; it becomes a benign and an attacked episode."""
        from testbed.sweep.catalogue import Installed

        scenario = self.scenario("auto")
        plans = expand(scenario, catalogue=Installed(), agents=["constant"])
        assert [plan.condition for plan in plans] == ["benign", "mine"]

    def test_it_reaches_the_camera(self) -> None:
        """In an episode on the embedded server the artefact shows, and the truth tells how much of it."""
        from testbed.env import ScenarioEnv
        from testbed.server.process import start_server

        server = start_server("highway")
        try:
            for mode in self.modes:
                self._shows(ScenarioEnv(self.scenario(mode), carla=f"{server.host}:{server.port}"), mode)
        finally:
            server.close()

    @staticmethod
    def _shows(env: ScenarioEnv, mode: str) -> None:
        try:
            attacked, _ = env.reset(seed=1, options={"condition": "mine"})
            assert env.injection == {"mine": mode}
            attack = env.truth.attack
            assert attack is not None and attack.visible_px >= LEAST_PX, f"{mode}: it does not show"
            benign, _ = env.reset(seed=1, options={"condition": "benign"})
            change = (attacked["camera"] != benign["camera"]).any(axis=2).sum()
            assert change >= LEAST_PX, f"{mode}: the picture stays the same"
        finally:
            env.close()

    def scenario(self, mode: str) -> Scenario:
        """Return a scenario in which the ego comes to the artefact."""
        target: dict[str, dict[str, Any]] = {
            "at": {"at": {"ahead_m": 10.0}},
            "actor": {"actor": "lead"},
            "sign": {"sign": "limit"},
        }
        payload = adversaries.read(self.kind, self.artefact, self.base).payload
        blueprint = payload.blueprint if isinstance(payload, Skin) and payload.blueprint else VEHICLE
        base = self.base or Path()
        path = base / self.artefact
        entry = {
            "id": "mine",
            "kind": self.kind,
            "artefact": str(path.resolve()) if path.exists() else self.artefact,
            "inject": mode,
            **target[adversaries.kind(self.kind).target],
        }
        return Scenario.model_validate(
            {
                "name": "contract",
                "question": "Does the artefact reach the camera?",
                "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 20, "vary": False},
                "weather": {"sun_azimuth_deg": 200, "sun_altitude_deg": 40, "vary": False},
                "duration_s": 1,
                "actors": [{"id": "lead", "blueprint": blueprint, "ahead_m": 15, "speed_mps": 20, "vary": False}],
                "signs": [{"id": "limit", "gtsrb_class": 7, "ahead_m": 16}],
                "adversaries": [entry],
                "agents": ["constant"],
                "seeds": {"count": 1},
            }
        )


def check_payload(payload: Payload) -> None:
    """Assert that a payload's arrays have the shapes, dtypes and ranges that its type says."""
    assert payload.name
    if isinstance(payload, Decal):
        _picture(payload.rgba, 4)
        assert 0.0 < payload.length_m <= 200.0 and 0.0 < payload.width_m <= 50.0
    elif isinstance(payload, Skin):
        _picture(payload.rgb, 3)
        if payload.mask is not None:
            assert payload.mask.shape == payload.rgb.shape[:2] and payload.mask.dtype == np.float32
            assert 0.0 <= float(payload.mask.min()) and float(payload.mask.max()) <= 1.0
        if payload.body is not None:
            _picture(payload.body.atlas, 3)
            triangles, normals, uv = payload.body.triangles_m, payload.body.normals, payload.body.uv
            assert triangles.shape == normals.shape == (len(triangles), 3, 3) and uv.shape == (len(triangles), 3, 2)
            assert np.isfinite(triangles).all() and np.isfinite(uv).any()
    elif isinstance(payload, SignFace):
        _picture(payload.rgba, 4)
    else:
        assert isinstance(payload, Shade)
        assert payload.polygon.ndim == 2 and payload.polygon.shape[1] == 2 and len(payload.polygon) >= 3
        assert np.isfinite(payload.polygon).all() and 0.0 <= payload.light_left <= 1.0 and payload.blur_px >= 0.0


def _picture(pixels: NDArray[np.float32], channels: int) -> None:
    assert pixels.ndim == 3 and pixels.shape[2] == channels and pixels.dtype == np.float32
    assert np.isfinite(pixels).all() and float(pixels.min()) >= 0.0 and float(pixels.max()) <= 1.0 + 1e-6

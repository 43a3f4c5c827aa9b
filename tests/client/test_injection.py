"""Artefacts in the world, drawn over the picture and pasted: the real server, the real client, the same episode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testbed import adversaries
from testbed.adversaries.delivery import load_payloads
from testbed.client import Connection, Session, connect
from testbed.client.sensing import EpisodeSensors
from testbed.client.texture_calls import _sendable
from testbed.core.errors import UnsupportedError
from testbed.core.records import EpisodePlan
from testbed.core.types import Command
from testbed.env import ScenarioEnv
from testbed.scenario.concrete import concretise
from testbed.scenario.schema import Scenario
from testbed.server.process import start_server

SKY = {
    "clear": {"preset": "ClearNoon", "sun_azimuth_deg": 200, "sun_altitude_deg": 40, "vary": False},
    "overcast": {
        "preset": "CloudyNoon",
        "cloudiness": 95,
        "sun_azimuth_deg": 200,
        "sun_altitude_deg": 40,
        "vary": False,
    },
}
PARTS = ("patch", "skin", "face", "shade")
SIZES = {"full": (640, 320), "driver": (320, 160)}
"""Pictures in which both modes are compared; agents see the smaller ones."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a patch, a paint atlas and a sign face as anybody would paint them, and a shadow's polygon."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)

    def blobs(cells: int, size: int) -> np.ndarray:
        small = Image.fromarray(rng.integers(20, 235, (cells, cells, 3)).astype(np.uint8))
        return np.asarray(small.resize((size, size), Image.Resampling.BICUBIC))

    Image.fromarray(blobs(10, 512)).save(folder / "uv.png")
    sticker = np.dstack([blobs(3, 256), np.full((256, 256), 255, np.uint8)])
    sticker[:, :128, 3] = 0
    Image.fromarray(sticker).save(folder / "face.png")
    Image.fromarray(np.dstack([blobs(6, 90), np.full((90, 90), 200, np.uint8)])).save(folder / "patch.png")
    shadow = adversaries.ShadowManifest(name="corner", polygon=((0.1, 0.1), (1.1, 0.3), (0.5, 1.1)))
    adversaries.save(folder / "corner", shadow)
    return folder


def scenario(
    mode: str, sky: str = "clear", only: str | None = None, on_map: bool = False, size: str = "full"
) -> Scenario:
    """Return a scenario with one adversary of each kind; each is one line, its artefact a picture beside the file."""
    width_px, height_px = SIZES[size]
    entries = [
        {"id": "patch", "kind": "road_patch", "artefact": "patch.png", "at": {"ahead_m": 8}, "width_m": 3.0},
        {"id": "skin", "kind": "camouflage", "artefact": "uv.png", "actor": "lead"},
        {"id": "face", "kind": "sign_face", "artefact": "face.png", "sign": "near"},
        {"id": "shade", "kind": "shadow", "artefact": "corner", "sign": "far"},
    ]
    signs = [
        {"id": "near", "gtsrb_class": 7, "ahead_m": 17},
        {"id": "far", "gtsrb_class": 14, "ahead_m": 17, "lateral_m": -6.8},
    ]
    if on_map:
        signs = [{"id": "near", "gtsrb_class": 7, "ahead_m": 30, "on_map": True}]
        entries = [entry | {"sign": "near"} if entry["id"] == "shade" else entry for entry in entries]
        # the map has one sign here: a sticker or a shadow
        entries = [entry for entry in entries if entry["id"] != "shade" or only == "shade"]
    chosen = [entry | {"inject": mode} for entry in entries if only in (None, entry["id"])]
    return Scenario.model_validate(
        {
            "name": "modes",
            "question": "Do all modes show the same?",
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 120 if on_map else 60}, "speed_mps": 20, "vary": False},
            "camera": {"width_px": width_px, "height_px": height_px},
            "weather": SKY[sky],
            "duration_s": 1,
            "actors": [{"id": "lead", "ahead_m": 15, "speed_mps": 20, "vary": False}],
            "signs": signs,
            "adversaries": chosen,
            "conditions": [{"id": "all", "inject": [entry["id"] for entry in chosen]}],
        }
    )


class Seen:
    """One frame of a scenario and where its artefacts are in it."""

    def __init__(self, session: Session, made: Scenario, base: Path, condition: str = "all") -> None:
        plan = EpisodePlan(scenario=made.name, scene=made.dump(), agent="", condition=condition, seed=1)
        concrete = concretise(plan)
        payloads, _ = load_payloads(concrete.injections, base)
        before: list[tuple] = []
        original = EpisodeSensors._composite

        def watched(self, image, camera, depth_m):
            before[:] = [camera, depth_m]
            return original(self, image, camera, depth_m)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EpisodeSensors, "_composite", watched)
            session.begin(concrete, payloads)
            tick = session.step(Command(0.0, 0.0))
        self.image = tick.observation.image.astype(float)
        self.truth = tick.truth
        self.modes = session.injection
        self.where = {one.adversary: one.target.seen(*before) for one in session._episode.artefacts}


@pytest.fixture(scope="module")
def embedded():
    with connect(map_name="highway") as connection:
        yield connection


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("sky", list(SKY))
def test_composite_agrees_with_the_world(embedded: Connection, pictures: Path, sky: str, size: str):
    session = Session(embedded)
    benign = Seen(session, scenario("world", sky, size=size), pictures, "benign")
    world, drawn = (Seen(session, scenario(mode, sky, size=size), pictures) for mode in ("world", "composite"))
    session.end()
    assert benign.truth.attack is None and not benign.modes
    assert set(world.modes.values()) == {"world"} and set(drawn.modes.values()) == {"composite"}
    others = world.where["skin"] | world.where["face"] | world.where["shade"]
    for part in PARTS:
        inside = world.where[part] & ~others if part == "patch" else world.where[part]
        changed = inside & ((world.image != benign.image) | (drawn.image != benign.image)).any(axis=2)
        if part == "shade" and sky == "overcast":
            assert changed.sum() < 10, "without sun there is no shadow"
            continue
        assert changed.sum() >= (300 if size == "full" else 80), part
        apart = np.abs(world.image - drawn.image)[changed].mean()
        effect = np.abs(world.image - benign.image)[changed].mean()
        print(f"{size} {sky} {part}: {apart:.2f} apart, {effect:.1f} effect, {changed.sum()} pixels")
        assert apart < 5.0 < 10.0 < effect, part
    assert abs(world.truth.attack.visible_px - drawn.truth.attack.visible_px) < 0.6 * world.truth.attack.visible_px


def test_the_map_gets_its_sign_back(embedded: Connection, pictures: Path):
    session = Session(embedded)
    first = Seen(session, scenario("world", on_map=True), pictures, "benign")
    painted = Seen(session, scenario("world", on_map=True, only="face"), pictures)
    again = Seen(session, scenario("world", on_map=True), pictures, "benign")
    session.end()
    assert np.abs(painted.image - first.image)[painted.where["face"]].mean() > 10.0
    assert np.array_equal(again.image, first.image)


def test_pasted_pixels_stay_where_they_are(embedded: Connection, pictures: Path):
    session = Session(embedded)
    benign = Seen(session, scenario("paste"), pictures, "benign")
    for part in ("patch", "skin"):
        shown = Seen(session, scenario("paste", only=part), pictures)
        later = session.step(Command(0.3, -3.0)).observation.image.astype(float)
        assert shown.modes == {part: "paste"} and shown.truth.attack.visible_px > 500
        # nothing stands before what is pasted, and the ego's motion does not move it
        changed = (shown.image != benign.image).any(axis=2)
        assert changed.sum() > 500 and np.abs(shown.image - later)[changed].mean() < 25.0
    session.end()


@pytest.fixture(scope="module")
def plain():
    server = start_server("highway", plain=True)
    try:
        with connect(f"{server.host}:{server.port}", map_name="highway") as connection:
            yield connection
    finally:
        server.close()


def test_a_server_without_our_blueprints_shows_everything_composite(plain: Connection, pictures: Path):
    assert not plain.embedded
    session = Session(plain)
    benign = Seen(session, scenario("auto", on_map=True), pictures, "benign")
    drawn = Seen(session, scenario("auto", on_map=True), pictures)
    assert drawn.modes == {"patch": "composite", "skin": "composite", "face": "composite"}
    for part, where in drawn.where.items():
        assert np.abs(drawn.image - benign.image)[where].mean() > 10.0, part
    assert drawn.truth.attack.visible_px > 500
    for part, reason in (
        ("patch", "does not offer the blueprint"),
        ("skin", "change nothing"),
        ("face", "change nothing"),
        ("shade", "does not offer the blueprint"),
    ):
        with pytest.raises(UnsupportedError, match=f"{part}.*inject: world.*{reason}"):
            Seen(session, scenario("world", on_map=True, only=part), pictures)
    session.end()


@pytest.mark.parametrize("part", PARTS)
def test_each_artefact_is_drawn_or_pasted_on_a_server_without_our_blueprints(
    plain: Connection, pictures: Path, part: str
):
    session = Session(plain)
    benign = Seen(session, scenario("auto", on_map=True), pictures, "benign")
    for mode in ("auto", "composite", "paste"):
        shown = Seen(session, scenario(mode, on_map=True, only=part), pictures)
        assert shown.modes == {part: "composite" if mode == "auto" else mode}
        changed = (shown.image != benign.image).any(axis=2)
        assert changed.sum() >= 20 and np.abs(shown.image - benign.image)[changed].mean() > 10.0, (part, mode)
        assert shown.truth.attack.visible_px >= 20, (part, mode)
    session.end()


def test_a_scenario_file_runs_on_a_server_without_our_blueprints(plain: Connection, pictures: Path, tmp_path: Path):
    from testbed.episode import EpisodeRunner
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import load_scenario
    from testbed.sweep.catalogue import Installed

    (pictures / "mine.yaml").write_text(
        """
name: mine
question: Do pictures of my own reach the camera?
ego: {spawn: {road: 1, lane: -2, s_m: 120}, speed_mps: 20}
duration_s: 0.5
weather: {vary: false}
actors: [{id: lead, ahead_m: 15, speed_mps: 20}]
signs: [{id: limit, gtsrb_class: 7, ahead_m: 30, on_map: true}]
adversaries:
  - {id: mine, kind: road_patch, artefact: patch.png, at: {ahead_m: 10}}
  - {id: paint, kind: camouflage, artefact: uv.png, actor: lead}
  - {id: sticker, kind: sign_face, artefact: face.png, sign: limit}
conditions: [{id: all, inject: [mine, paint, sticker]}]
agents: [constant]
seeds: {count: 1}
""",
        encoding="utf-8",
    )
    address = f"{plain.host}:{plain.port}"
    benign, attacked = expand(load_scenario(pictures / "mine.yaml"), catalogue=Installed())
    with EpisodeRunner(carla=address) as runner:
        record = runner.run(attacked, tmp_path)
    assert record.status == "done" and record.valid_attack
    assert record.injection == {"mine": "composite", "paint": "composite", "sticker": "composite"}
    assert record.scores["attack.visible_px_max"] > 500
    env = ScenarioEnv(pictures / "mine.yaml", condition="all", carla=address)
    try:
        seen, _ = env.reset(seed=101)
        assert env.injection == record.injection and env.truth.attack.visible_px > 500
        clean, _ = env.reset(seed=101, options={"condition": "benign"})
        assert env.injection == {} and (seen["camera"] != clean["camera"]).any(axis=2).sum() > 500
    finally:
        env.close()


@pytest.mark.parametrize(("shape", "sent"), [((2048, 2048, 3), (1024, 1024, 3)), ((300, 3000, 4), (102, 1024, 4))])
def test_a_large_texture_is_averaged_before_it_is_sent(shape: tuple[int, ...], sent: tuple[int, ...]) -> None:
    rgba = np.zeros(shape, np.float32)
    rgba[::2] = 1.0
    found = _sendable(rgba)
    assert found.shape == sent and found.dtype == np.float32
    assert float(found.mean()) == pytest.approx(0.5, abs=0.01)
    small = np.ones((512, 512, 3), np.float32)
    assert _sendable(small) is small

"""Paint on a user's own mesh in the picture: the real server, the real client, pixels of a car that others hide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testbed.adversaries.delivery import load_payloads
from testbed.adversaries.picture import linear_to_srgb
from testbed.client import Connection, Session, connect
from testbed.client.compositing.appearance import body
from testbed.client.sensing import EpisodeSensors
from testbed.contracts.adversary import check_payload
from testbed.core.errors import ScenarioError, UnsupportedError
from testbed.core.records import EpisodePlan
from testbed.core.types import Command
from testbed.scenario.concrete import concretise
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.scenario.schema import Scenario
from testbed.sweep.catalogue import Installed

MODEL = "vehicle.tesla.model3"
LIES = {"paint": ["paint"], "front": "+x", "up": "+z", "origin": "file"}
RED, BLUE = (200, 20, 20), (20, 20, 200)


def exported(path: Path, *, mirrored: bool = False) -> Path:
    """Write the simulator's own car as a modeller would: OBJ, x ahead, z up, materials ``paint`` and ``other``."""
    own = body(MODEL, (255, 255, 255))
    Image.fromarray(linear_to_srgb(own.atlas)).save(path.with_suffix(".png"))
    path.with_suffix(".mtl").write_text(f"newmtl paint\nmap_Kd {path.stem}.png\n", encoding="utf-8")
    lines: list[str] = [f"mtllib {path.stem}.mtl"]
    for triangle, uv in zip(own.triangles_m, own.uv, strict=True):
        painted = bool(np.isfinite(uv).all())
        lines.append(f"usemtl {'paint' if painted else 'other'}")
        lines += [f"v {x:.5f} {-y:.5f} {z:.5f}" for x, y, z in triangle]
        if painted:
            lines += [f"vt {1.0 - u if mirrored else u:.6f} {1.0 - v:.6f}" for u, v in uv]
        lines.append("f -3/-3 -2/-2 -1/-1" if painted else "f -3 -2 -1")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def box_car(path: Path) -> Path:
    """Write a box of a car's size, y up and z ahead; the texture's left half is its left half, seen from behind."""
    lines = [f"v {x} {y} {z}" for x in (0.95, -0.95) for y in (0.0, 1.45) for z in (-2.3, 2.3)]
    # x = 0.95 is the left side: file z is ahead, y up
    lines += [f"vt {u} {v}" for u in (0.02, 0.98) for v in (0.02, 0.98)]
    quads = (
        "1/1 3/2 7/4 5/3",
        "2/1 4/2 8/4 6/3",
        "1/1 2/1 4/2 3/2",
        "5/3 6/3 8/4 7/4",
        "3/2 4/2 8/4 7/4",
        "1/1 2/1 6/3 5/3",
    )
    path.write_text("\n".join([*lines, *(f"f {quad}" for quad in quads)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three meshes and two pictures for their UV maps."""
    made = tmp_path_factory.mktemp("mesh")
    exported(made / "car.obj")
    exported(made / "mirrored.obj", mirrored=True)
    box_car(made / "box.obj")
    rng = np.random.default_rng(5)
    blobs = Image.fromarray(rng.integers(20, 235, (10, 10, 3)).astype(np.uint8))
    blobs.resize((512, 512), Image.Resampling.BICUBIC).save(made / "uv.png")
    halves = np.empty((64, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = RED, BLUE
    Image.fromarray(halves).save(made / "halves.png")
    return made


def scenario(artefact: str, mesh: object, mode: str, *, near: bool = False, blueprint: str = MODEL) -> Scenario:
    actors = [{"id": "lead", "blueprint": blueprint, "ahead_m": 14, "speed_mps": 20, "vary": False}]
    if near:
        actors.append({"id": "near", "ahead_m": 8, "lateral_m": -1.6, "speed_mps": 20, "vary": False})
    entry = {"id": "paint", "kind": "camouflage", "artefact": artefact, "actor": "lead", "inject": mode}
    return Scenario.model_validate(
        {
            "name": "own_mesh",
            "question": "Does paint for a mesh of one's own reach the camera?",
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}, "speed_mps": 20, "vary": False},
            "camera": {"width_px": 320, "height_px": 160},
            "weather": {"sun_azimuth_deg": 200, "sun_altitude_deg": 40, "vary": False},
            "duration_s": 1,
            "actors": actors,
            "adversaries": [entry | ({} if mesh is None else {"mesh": mesh})],
        }
    )


class Seen:
    """One frame of a scenario: the picture, the depth before it, what the truth says, and how it was injected."""

    def __init__(self, connection: Connection, made: Scenario, base: Path, condition: str = "paint") -> None:
        concrete = concretise(EpisodePlan(scenario=made.name, scene=made.dump(), agent="", condition=condition, seed=1))
        payloads, _ = load_payloads(concrete.injections, base)
        for payload in payloads.values():
            check_payload(payload)
        original, depths = EpisodeSensors._composite, []

        def watched(self, image, camera, depth_m):
            depths.append(depth_m)
            return original(self, image, camera, depth_m)

        session = Session(connection)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EpisodeSensors, "_composite", watched)
            try:
                session.begin(concrete, payloads)
                frame = session.step(Command(0.0, 0.0))
                self.mode = session.injection.get("paint")
            finally:
                session.end()
        self.image, self.depth_m = frame.observation.image.astype(float), depths[-1]
        self.visible_px = frame.truth.attack.visible_px if frame.truth.attack else 0


@pytest.fixture(scope="module")
def embedded() -> Iterator[Connection]:
    with connect(map_name="highway") as connection:
        yield connection


def test_a_mesh_of_the_same_car_shows_what_the_world_does(embedded: Connection, folder: Path) -> None:
    benign = Seen(embedded, scenario("uv.png", None, "auto"), folder, "benign")
    world = Seen(embedded, scenario("uv.png", None, "world"), folder)
    drawn = Seen(embedded, scenario("uv.png", {"file": "car.obj", **LIES}, "auto"), folder)
    other = Seen(embedded, scenario("uv.png", {"file": "mirrored.obj", **LIES}, "composite"), folder)
    assert world.mode == "world" and drawn.mode == "composite"
    changed = ((world.image != benign.image) | (drawn.image != benign.image)).any(axis=2)
    apart, turned = (np.abs(world.image - one.image)[changed].mean() for one in (drawn, other))
    effect = np.abs(world.image - benign.image)[changed].mean()
    print(f"{apart:.2f} apart, {turned:.1f} with another UV map, {effect:.1f} effect, {changed.sum()} pixels")
    assert changed.sum() > 300 and apart < 5.0 < 10.0 < turned and effect > 10.0


def test_paint_is_where_the_mesh_is_visible_and_nowhere_else(embedded: Connection, folder: Path) -> None:
    """A box over the car ahead, red on its left and blue on its right; a third car hides most of the right."""
    plain = Seen(embedded, scenario("halves.png", "box.obj", "composite"), folder, "benign")
    free = Seen(embedded, scenario("halves.png", "box.obj", "composite"), folder)
    crowded = Seen(embedded, scenario("halves.png", "box.obj", "composite", near=True), folder, "benign")
    hidden = Seen(embedded, scenario("halves.png", "box.obj", "composite", near=True), folder)
    painted = (free.image != plain.image).any(axis=2)
    rows, columns = np.nonzero(painted)
    # the rear of the box, 1.9 m x 1.45 m, in one piece, also where the car below has no paint or ends
    assert 1.2 < np.ptp(columns) / np.ptp(rows) < 1.45
    assert painted.sum() > 0.9 * (np.ptp(columns) + 1) * (np.ptp(rows) + 1)
    assert abs(free.visible_px - int(painted.sum())) < 0.1 * painted.sum()
    red, blue = (painted & (free.image[..., k] - free.image[..., 2 - k] > 20.0) for k in (0, 2))
    assert red.sum() > 0.35 * painted.sum() < 3.0 * blue.sum()
    assert np.nonzero(red)[1].max() <= columns.mean() + 1.5 and np.nonzero(blue)[1].min() >= columns.mean() - 1.5
    # what stands before it stays as it was, and beside that everything is as without it
    before = hidden.depth_m < free.depth_m - 1.0
    changed = (hidden.image != crowded.image).any(axis=2)
    assert (before & painted).sum() > 50 and changed.sum() > 100 and not (changed & before).any()
    assert (changed == (painted & ~before)).mean() > 0.999


def test_a_mesh_of_another_size_and_a_world_that_cannot_show_it_are_refused(embedded: Connection, folder: Path) -> None:
    truck = scenario("halves.png", "box.obj", "composite", blueprint="vehicle.carlamotors.firetruck")
    with pytest.raises(ScenarioError, match=r"box.obj measures 4.6 x 1.9 x 1.4 m, actor 'lead'.*another vehicle"):
        Seen(embedded, truck, folder)
    with pytest.raises(UnsupportedError, match=r"draws its own vehicles, not box.obj"):
        Seen(embedded, scenario("halves.png", "box.obj", "world"), folder)


FILE = """
name: mine
question: Does paint for a mesh of one's own reach the camera?
ego: {{spawn: {{road: 1, lane: -2, s_m: 60}}, speed_mps: 20}}
actors: [{{id: lead, ahead_m: 15, speed_mps: 20}}]
adversaries:
  - {{id: paint, kind: camouflage, artefact: uv.png, actor: lead, {mesh}}}
agents: [constant]
seeds: {{count: 1}}
"""


@pytest.mark.parametrize(
    ("mesh", "said"),
    [
        ("mesh: none.obj", r"mine.yaml:7:\d+: mesh 'none.obj' cannot be read.*"),
        ("mesh: car.fbx", r"mine.yaml:7:\d+: .*mesh 'car.fbx' must be a file that ends in .obj"),
        ("mesh: {file: car.obj, paint: [body]}", r"mine.yaml:7:\d+: .*no material 'body'"),
        ("mesh: car.obj", r"mine.yaml:7:\d+: .*several materials"),
        ("mesh: {file: box.obj, front: x}", r"mine.yaml:7:\d+: .*front: expected '\+x'.*got 'x'"),
        ("mesh: {file: box.obj, front: +x}", r"mine.yaml:7:\d+: .*the car would be 1.90 long"),
    ],
)
def test_a_scenario_says_at_its_line_what_is_wrong_with_a_mesh(folder: Path, mesh: str, said: str) -> None:
    path = folder / "mine.yaml"
    path.write_text(FILE.format(mesh=mesh), encoding="utf-8")
    with pytest.raises(ScenarioError, match=said) as caught:
        expand(load_scenario(path), catalogue=Installed())
    print(caught.value, "|", caught.value.hint)


def test_a_changed_mesh_is_another_episode(folder: Path) -> None:
    path = folder / "mine.yaml"
    keys = set()
    for name in ("box.obj", "turned.obj"):
        box = box_car(folder / name)
        if name == "turned.obj":
            box.write_text(box.read_text(encoding="utf-8").replace("vt 0.02", "vt 0.3"), encoding="utf-8")
            box.replace(folder / "box.obj")
        path.write_text(FILE.format(mesh="mesh: box.obj"), encoding="utf-8")
        keys.add(expand(load_scenario(path), catalogue=Installed())[-1].key)
    box_car(folder / "box.obj")
    assert len(keys) == 2

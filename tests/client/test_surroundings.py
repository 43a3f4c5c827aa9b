"""What people are shown of a world is where the judges' truth has it: the real server, the real client."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.marking import TRUTH_RGB
from testbed.episode import EpisodeRunner
from testbed.scenario.expand import expand
from testbed.scenario.loader import load_scenario
from testbed.store import TraceReader
from testbed.store.foxglove_messages import colour
from testbed.sweep.catalogue import Installed

SECONDS = 2.0
NAMES = ("drp_highway", "rauca_lead_vehicle", "shadow_stop_sign")


@pytest.fixture(scope="module")
def traces(runner: EpisodeRunner, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TraceReader]:
    """Short attacked drives by scenario."""
    found = {}
    for name in NAMES:
        loaded = load_scenario(name)
        scenario = loaded.content.model_copy(update={"duration_s": SECONDS})
        condition = next(iter(scenario.injections()))
        short = dataclasses.replace(loaded, content=scenario)
        plans = expand(short, catalogue=Installed(), agents=["scripted"], seeds=[1], conditions=[condition])
        plan = next(plan for plan in plans if plan.condition == condition)
        folder = tmp_path_factory.mktemp(name)
        runner.run(plan, folder)
        found[name] = TraceReader(folder / "trace.mcap")
    return found


def told(reader: TraceReader, topic: str) -> list[dict]:
    return [message for _, message in reader.messages([topic])]


def entities(reader: TraceReader) -> dict[str, dict]:
    return {one["id"]: one for one in told(reader, "/scene/standing")[0]["entities"]}


def points(part: dict) -> np.ndarray:
    return np.array([[point[axis] for axis in "xyz"] for point in part["points"]])


def seen(reader: TraceReader, at: int, corners: np.ndarray) -> np.ndarray:
    """Return the pixels at which world points are in the picture of a step, by the trace's own transforms."""
    for transform in (told(reader, "/tf")[at], told(reader, "/tf_static")[0]):
        x, y, z, w = (transform["rotation"][axis] for axis in "xyzw")
        turn = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        corners = (corners - [transform["translation"][axis] for axis in "xyz"]) @ turn
    matrix = np.array(told(reader, "/camera/calibration")[0]["P"]).reshape(3, 4)[:, :3]
    pixels = corners @ matrix.T
    return pixels[:, :2] / pixels[:, 2:]


def corners_of(cube: dict) -> np.ndarray:
    """Return the corners of a box that is turned about the vertical alone."""
    half = np.array([cube["size"][axis] for axis in "xyz"]) / 2.0
    z, w = (cube["pose"]["orientation"][axis] for axis in "zw")
    turn = np.array([[1 - 2 * z * z, -2 * z * w, 0.0], [2 * z * w, 1 - 2 * z * z, 0.0], [0.0, 0.0, 1.0]])
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return (signs * half) @ turn.T + [cube["pose"]["position"][axis] for axis in "xyz"]


def test_boxes_of_the_scene_cover_the_true_boxes_of_the_picture(traces: dict[str, TraceReader]) -> None:
    reader = traces["drp_highway"]
    steps = reader.steps()
    for index, message in enumerate(told(reader, "/scene/moving")):
        step = steps[2 * index]
        assert step.truth.lead is not None
        cubes = {int(one["metadata"][0]["value"]): one["cubes"][0] for one in message["entities"]}
        pixels = seen(reader, 2 * index, corners_of(cubes[step.truth.lead.actor_id]))
        assert np.allclose((*pixels.min(axis=0), *pixels.max(axis=0)), step.truth.lead.box_px, atol=0.5)
    first = steps[0].truth.sign
    assert first is not None
    sign = entities(reader)[f"sign {first.sign_id}"]
    assert sign["texts"][0]["text"] == SIGN_NAMES[first.class_id]
    pixels = seen(reader, 0, corners_of(sign["cubes"][0]))
    assert np.allclose((*pixels.min(axis=0), *pixels.max(axis=0)), first.box_px, atol=0.5)
    green = colour(TRUTH_RGB)
    drawn = [box for box in told(reader, "/camera/annotations")[0]["points"] if box["outline_color"] == green]
    assert len(drawn) == 2


def test_the_ego_is_between_the_edges_of_a_lane_and_on_its_way(traces: dict[str, TraceReader]) -> None:
    for reader in traces.values():
        ego = np.array([told(reader, "/tf")[0]["translation"][axis] for axis in "xy"])
        scene = entities(reader)
        lines = scene["lanes"]["lines"]
        # edges come in pairs, the left one first
        offsets = [[_left_of(points(line)[:, :2], ego) for line in lines[k : k + 2]] for k in range(0, len(lines), 2)]
        assert any(left < 0.0 < right and right - left < 5.0 for left, right in offsets)
        assert abs(_left_of(points(scene["route"]["lines"][0])[:, :2], ego)) < 0.5
        assert len(json.dumps(scene)) < 60_000


def _left_of(line: np.ndarray, place: np.ndarray) -> float:
    """Return how far a place lies to the left of the nearest piece of a line."""
    along = np.diff(line, axis=0)
    share = np.clip(((place - line[:-1]) * along).sum(axis=1) / (along**2).sum(axis=1), 0.0, 1.0)
    away = place - (line[:-1] + share[:, None] * along)
    best = int(np.hypot(*away.T).argmin())
    side = along[best][0] * away[best][1] - along[best][1] * away[best][0]
    return float(np.copysign(np.hypot(*away[best]), side))


def test_artefacts_are_shown_where_they_are(traces: dict[str, TraceReader]) -> None:
    highway = traces["drp_highway"]
    (patch,) = [one for name, one in entities(highway).items() if name.startswith("artefact ")]
    corners = points(patch["triangles"][0])
    assert len(corners) % 3 == 0 and np.ptp(corners[:, 0]) > 5.0 and np.ptp(corners[:, 2]) < 0.1
    nearest_m = np.hypot(*(corners[:, :2] - [told(highway, "/tf")[0]["translation"][axis] for axis in "xy"]).T).min()
    first = highway.steps()[0].truth
    assert first.attack is not None
    assert nearest_m == pytest.approx(first.attack.distance_m + 2.45, abs=1.0)
    (sign,) = [one for name, one in entities(traces["shadow_stop_sign"]).items() if name.startswith("artefact ")]
    assert points(sign["triangles"][0]).shape == (6, 3)
    painted = traces["rauca_lead_vehicle"]
    assert not [name for name in entities(painted) if name.startswith("artefact ")]
    worn = [{one["key"]: one["value"] for one in entity["metadata"]}.get("artefact")
            for entity in told(painted, "/scene/moving")[0]["entities"]]  # fmt: skip
    assert [name for name in worn if name]


def test_left_of_east_is_north_on_the_globe_too(traces: dict[str, TraceReader]) -> None:
    for reader in traces.values():
        fixes, transforms = told(reader, "/location"), told(reader, "/tf")[::2]
        east, north = (transforms[-1]["translation"][axis] - transforms[0]["translation"][axis] for axis in "xy")
        degree_m = 6378137.0 * 0.9996 * np.pi / 180.0
        latitude, longitude = (fixes[-1][name] - fixes[0][name] for name in ("latitude", "longitude"))
        assert latitude * degree_m == pytest.approx(north, abs=0.5)
        assert longitude * degree_m * np.cos(np.radians(fixes[0]["latitude"])) == pytest.approx(east, abs=0.5)


def test_the_trace_says_which_drive_it_is(traces: dict[str, TraceReader]) -> None:
    found = traces["drp_highway"].metadata()
    about = found["episode"]
    assert (about["scenario"], about["agent"], about["map"]) == ("drp_highway", "scripted", "highway")
    assert len(about["key"]) == 64 and about["artefacts"].startswith(f"{about['condition']}=")
    assert {"testbed", "carla", "numpy"} <= set(found["versions"])


def test_the_same_drive_has_the_same_bytes(runner: EpisodeRunner, tmp_path: Path) -> None:
    loaded = load_scenario("tour_town")
    short = dataclasses.replace(loaded, content=loaded.content.model_copy(update={"duration_s": 1.0}))
    (plan,) = expand(short, catalogue=Installed(), agents=["scripted"], seeds=[1], conditions=["benign"])
    first, again = (runner.run(plan, _made(tmp_path / name)).trace_sha256 for name in "ab")
    assert first == again


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder

"""What other people's tools read in a trace: official names and types, one handedness, and the same pixels."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.core.errors import StoreError
from testbed.core.projection import PinholeProjection, box_corners, rotation
from testbed.core.surroundings import (
    ArtefactSurface,
    BodyBox,
    CameraMount,
    LaneEdges,
    RoadUser,
    SignBox,
    Surroundings,
    Whereabouts,
)
from testbed.judge import JudgePanel
from testbed.store import TraceReader, TraceWriter, with_events
from testbed.store.foxglove_messages import camera_calibration, camera_transform, ego_transform
from testbed.store.foxglove_scene import moving
from testbed.store.foxglove_schemas import FOXGLOVE
from testbed.store.right_handed import turned_ego, turned_event, turned_rotation
from testbed.store.trace_schemas import OPTIONAL_TOPICS, SCHEMAS, TOPICS

OLD = Path(__file__).parent / "data" / "trace-v1.mcap"

AROUND = Surroundings(
    camera=CameraMount(320, 160, 75.0, 0.6, 1.45, -2.0),
    ego=BodyBox((0.0, 0.0, 0.75), (4.9, 2.1, 1.5)),
    route_m=((0.0, 0.0, 0.0), (200.0, 0.0, 0.0)),
    lanes=(LaneEdges(((0.0, -1.8, 0.0), (200.0, -1.8, 0.0)), ((0.0, 1.8, 0.0), (200.0, 1.8, 0.0))),),
    road_users=(RoadUser(2, "lead", "vehicle.tesla.model3", BodyBox((0.0, 0.0, 0.7), (4.8, 2.2, 1.5)), "paint"),),
    signs=(SignBox("limit_1", 7, (95.0, 4.0, 2.2, 0.0, 10.0, 0.0), (0.1, 0.6, 0.6)),),
    artefacts=(ArtefactSurface("patch", ((60.0, -1.0, 0.0), (60.0, 1.0, 0.0), (96.0, 1.0, 0.0))),),
)


def drive(s: ModuleType, path: Path, seconds: float = 2.5) -> list:
    """Write a drive that shows everything a trace can hold for others."""
    writer, panel = TraceWriter(path), JudgePanel()
    writer.begin(AROUND, {"episode": {"scenario": "drp_highway", "seed": "1"}, "versions": {"testbed": "0.1.0"}})
    steps = s.drive(s.CHARACTERS["dnn"], "patch", duration_s=seconds)
    for step in steps:
        ego = step.truth.ego
        there = Whereabouts(
            (ego.x_m, ego.y_m, ego.z_m, 1.0, ego.yaw_deg, -0.5),
            ((ego.x_m + 30.0, 0.5, 0.1, 2.0, 10.0, 0.0),),
            48.8,
            9.2,
        )
        writer.step(step, s.picture(step.truth), panel.step(step), there)
    writer.close()
    return steps


@pytest.fixture
def told(synthetic: ModuleType, tmp_path: Path) -> dict[str, list[Any]]:
    """Topic to messages of a drive."""
    drive(synthetic, tmp_path / "a.mcap")
    found: dict[str, list[Any]] = {}
    for topic, message in TraceReader(tmp_path / "a.mcap").messages():
        found.setdefault(topic, []).append(message)
    return found


# ---------------------------------------------------------------- official names and types
def official(name: str) -> Any:
    """Return Foxglove's own definition of a message."""
    pytest.importorskip("foxglove_schemas_protobuf")
    title = name.removeprefix("foxglove.")
    return getattr(importlib.import_module(f"foxglove_schemas_protobuf.{title}_pb2"), title)


def as_protobuf(value: Any, name: str = "") -> Any:
    """Return JSON with times as protobuf's own JSON writes them."""
    if isinstance(value, list):
        return [as_protobuf(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"sec", "nsec"}:
        seconds = f"{value['sec']}.{value['nsec']:09d}"
        return f"{seconds}s" if name == "lifetime" else f"1970-01-01T00:00:{float(seconds):012.9f}Z"
    return {key: as_protobuf(one, key) for key, one in value.items()}


def test_every_message_is_understood_by_the_official_definitions(told: dict[str, list[Any]]) -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    seen = set()
    for topic, schema in (TOPICS | OPTIONAL_TOPICS).items():
        if not schema.startswith("foxglove."):
            continue
        for message in told[topic]:
            kind = official(schema)
            parsed = json_format.ParseDict(as_protobuf(message), kind())
            seen.add((topic, parsed.DESCRIPTOR.full_name))
    assert len(seen) == 9


_JSON_TYPES = {"double": "number", "string": "string", "bool": "boolean", "bytes": "string", "enum": "integer"}


def type_of(field: Any) -> str:
    """Return the JSON type that a protobuf field has."""
    names = {value: name for name, value in vars(type(field)).items() if name.startswith("TYPE_")}
    kind = names[field.type].removeprefix("TYPE_").lower()
    return _JSON_TYPES.get(kind, "object" if kind == "message" else "integer")


def differences(schema: dict[str, Any], descriptor: Any, place: str) -> list[str]:
    """Return in which fields a schema of ours differs from a message of Foxglove's."""
    fields, found = {field.name: field for field in descriptor.fields}, []
    for name, part in schema["properties"].items():
        if name not in fields:
            found.append(f"{place}.{name} is no field")
            continue
        field = fields[name]
        if (part["type"] == "array") != field.is_repeated:
            found.append(f"{place}.{name} is repeated: {field.is_repeated}")
            continue
        part = part.get("items", part)
        if part["type"] != type_of(field):
            found.append(f"{place}.{name} is {type_of(field)}, not {part['type']}")
        if type_of(field) == "object" and field.message_type.full_name.startswith("foxglove."):
            found += differences(part, field.message_type, f"{place}.{name}")
    return found


@pytest.mark.parametrize("name", sorted(FOXGLOVE))
def test_schemas_have_the_official_fields(name: str) -> None:
    assert differences(FOXGLOVE[name], official(name).DESCRIPTOR, name) == []


def test_messages_have_every_field_of_their_schemas_and_no_other(told: dict[str, list[Any]]) -> None:
    def strict(schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        inner = {name: {key: strict(one) for key, one in part.items()} if name == "properties" else strict(part)
                 for name, part in schema.items()}  # fmt: skip
        if "properties" in schema:
            inner |= {"required": list(schema["properties"]), "additionalProperties": False}
        return inner

    import jsonschema

    for topic, schema in (TOPICS | OPTIONAL_TOPICS).items():
        if schema.startswith("foxglove."):
            validator = jsonschema.Draft202012Validator(strict(SCHEMAS[schema]))
            for message in told[topic]:
                assert not list(validator.iter_errors(message)), topic


PLAIN = ("boolean", "string", "number", "integer")


def unread(schema: dict[str, Any], place: str) -> list[str]:
    """Return what of a schema Foxglove does not read: it knows types and fields, and no tuples, unions or references.

    Its open fork says so in packages/mcap-support/src/parseJsonSchema.ts; one such field, and the topic is not shown.
    """
    found = [] if schema.get("type") == "object" else [f"{place} is no object"]
    for name, field in schema.get("properties", {}).items():
        here = f"{place}.{name}"
        part = field.get("items", {}) if field.get("type") == "array" else field
        if part.get("type") == "object":
            found += unread(part, here)
        elif part.get("type") not in PLAIN or (part is not field and "contentEncoding" in part):
            found.append(f"{here} is {field}")
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_one_that_foxglove_reads(name: str) -> None:
    assert unread(SCHEMAS[name], name) == []


def test_the_layout_shows_topics_and_fields_that_there_are() -> None:
    layout = json.loads((Path(__file__).parents[2] / "docs" / "foxglove-layout.json").read_text(encoding="utf-8"))
    known = TOPICS | OPTIONAL_TOPICS
    for panel in layout["configById"].values():
        picture = panel.get("imageMode", {})
        topics = [*panel.get("topics", {}), *picture.get("annotations", {})]
        topics += [picture[name] for name in ("imageTopic", "calibrationTopic") if name in picture]
        topics += [panel["topicToRender"]] if "topicToRender" in panel else []
        assert set(topics) <= set(known)
        for path in panel.get("paths", ()):
            topic, *fields = path["value"].split(".")
            schema = SCHEMAS[known[topic]]
            for field in fields:
                schema = schema["properties"][field]
            assert schema["type"] == "number", path


# ---------------------------------------------------------------- one handedness
poses = st.tuples(
    st.floats(-500, 500), st.floats(-500, 500), st.floats(-20, 20),
    st.floats(-60, 60), st.floats(-180, 180), st.floats(-60, 60),
)  # fmt: skip


def matrix(turn: dict[str, float]) -> np.ndarray:
    """Return the rotation matrix of a quaternion."""
    x, y, z, w = (turn[axis] for axis in "xyzw")
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def place(transform: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return matrix(transform["rotation"]), np.array([transform["translation"][axis] for axis in "xyz"])


@given(poses)
def test_rotations_are_those_of_the_left_handed_world_mirrored(pose: tuple[float, ...]) -> None:
    mirror = np.diag([1.0, -1.0, 1.0])
    turn = dict(zip("xyzw", turned_rotation(pose), strict=True))
    assert math.isclose(sum(value**2 for value in turn.values()), 1.0, rel_tol=1e-9) and turn["w"] >= 0.0
    assert np.allclose(matrix(turn), mirror @ rotation(pose) @ mirror, atol=1e-9)


@given(poses, st.floats(-30, 30), st.tuples(st.floats(2, 50), st.floats(-1, 1), st.floats(-1, 1)))
def test_transforms_and_calibration_lead_a_point_to_its_pixel(
    pose: tuple[float, ...], pitch_deg: float, ahead: tuple[float, ...]
) -> None:
    mount = CameraMount(320, 160, 75.0, 0.6, 1.45, pitch_deg)
    # the camera in CARLA's world: mounted forward and up, turned up about the ego's own axis
    tilted = rotation((0.0, 0.0, 0.0, pitch_deg, 0.0, 0.0))
    axes = rotation(pose) @ tilted
    at = np.array(pose[:3]) + rotation(pose) @ [mount.x_m, 0.0, mount.z_m]
    point = at + axes @ [ahead[0], ahead[0] * ahead[1], ahead[0] * ahead[2]]
    focal = PinholeProjection((0.0,) * 6, 320, 160, 75.0).focal_px
    expected = (160.0 + focal * ahead[1], 80.0 - focal * ahead[2])
    seen = point * [1.0, -1.0, 1.0]
    for transform in (ego_transform(0.0, pose), camera_transform(mount)):
        turn, shift = place(transform)
        seen = turn.T @ (seen - shift)
    u, v, w = np.array(camera_calibration(mount)["P"]).reshape(3, 4) @ [*seen, 1.0]
    # transforms are rounded to a tenth of a millimetre and a millionth
    assert np.allclose((u / w, v / w), expected, atol=0.2)


@given(poses)
def test_boxes_are_where_they_are_in_carlas_world(pose: tuple[float, ...]) -> None:
    (user,) = AROUND.road_users
    (entity,) = moving(0.0, AROUND.road_users, [pose])["entities"]
    (cube,) = entity["cubes"]
    turn, middle = matrix(cube["pose"]["orientation"]), np.array([cube["pose"]["position"][axis] for axis in "xyz"])
    half = np.array([cube["size"][axis] for axis in "xyz"]) / 2.0
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    found = (signs * half) @ turn.T + middle
    wanted = box_corners(pose, np.array(user.box.centre_m), np.array(user.box.size_m) / 2.0) * [1.0, -1.0, 1.0]
    for corner in wanted:
        assert np.linalg.norm(found - corner, axis=1).min() < 5e-3
    assert {one["key"]: one["value"] for one in entity["metadata"]}["artefact"] == "paint"


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_turning_there_and_back_is_exact(y_m: float, yaw_deg: float) -> None:
    ego = {"x_m": 1.0, "y_m": y_m, "yaw_deg": yaw_deg}
    assert turned_ego(json.loads(json.dumps(turned_ego(ego)))) == ego
    event = {"location_xyz_m": [1.0, y_m, 2.0], "kind": "x"}
    assert turned_event(turned_event(event)) == event


def test_one_file_has_one_world(told: dict[str, list[Any]]) -> None:
    for ego, transform in zip(told["/ego"], told["/tf"], strict=True):
        assert transform["translation"]["y"] == pytest.approx(ego["y_m"], abs=1e-4)
    for event in told["/event"]:
        ego = next(one for one in told["/ego"] if one["frame"] == event["frame"])
        assert event["location_xyz_m"][1] == ego["y_m"]
    lead = told["/scene/moving"][0]["entities"][0]["cubes"][0]["pose"]["position"]
    assert lead["y"] < 0, "what is to the right in CARLA's world has a negative y"


def test_what_is_shown_of_a_drive(told: dict[str, list[Any]], synthetic: ModuleType, tmp_path: Path) -> None:
    once = {topic for topic, messages in told.items() if len(messages) == 1}
    assert once == {"/tf_static", "/camera/calibration", "/scene/standing"}
    pictures = len(told["/camera"])
    assert pictures == 25
    assert {len(told[name]) for name in ("/camera/annotations", "/scene/moving", "/location")} == {pictures}
    entities = {one["id"]: one for one in told["/scene/standing"][0]["entities"]}
    assert set(entities) == {"lanes", "route", "sign limit_1", "artefact patch", "ego"}
    assert entities["ego"]["frame_locked"] and entities["ego"]["frame_id"] == "ego"
    assert {message["frame_id"] for message in told["/camera"]} == {"camera"}
    assert [message["message"] for message in told["/log"]] == [
        f"{event['kind'].replace('_', ' ')}, cause: {event['cause']}" for event in told["/event"]
    ]
    texts = [text["text"] for message in told["/camera/annotations"] for text in message["texts"]]
    assert any("steer: " in text for text in texts) and "true vehicle" in texts
    steps = drive(synthetic, tmp_path / "b.mcap")
    reader = TraceReader(tmp_path / "b.mcap")
    assert reader.steps() == steps
    assert reader.metadata() == {
        "episode": {"scenario": "drp_highway", "seed": "1"}, "versions": {"testbed": "0.1.0"}
    }  # fmt: skip


# ---------------------------------------------------------------- other events, other versions
def test_other_events_change_nothing_else(synthetic: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "a.mcap"
    steps = drive(synthetic, source)
    panel = JudgePanel()
    same = {step.frame: panel.step(step) for step in steps}
    assert any(same.values())
    with_events(source, tmp_path / "same.mcap", same)
    assert (tmp_path / "same.mcap").read_bytes() == source.read_bytes()
    with_events(source, tmp_path / "none.mcap", {})
    left = list(TraceReader(tmp_path / "none.mcap").messages())
    assert left == [one for one in TraceReader(source).messages() if one[0] not in ("/event", "/log")]


def test_a_trace_of_the_first_version_is_read_and_judged_again_as_it_was(synthetic: ModuleType, tmp_path: Path) -> None:
    s, reader = synthetic, TraceReader(OLD)
    steps = s.drive(s.CHARACTERS["dnn"], "patch", duration_s=2.5)
    assert (reader.version, reader.metadata()) == (1, {})
    assert reader.steps() == steps and len(list(reader.frames())) == 1
    panel = JudgePanel()
    events = {step.frame: panel.step(step) for step in steps}
    assert reader.events() == [event for began in events.values() for event in began] != []
    with_events(OLD, tmp_path / "again.mcap", events)
    assert (tmp_path / "again.mcap").read_bytes() == OLD.read_bytes()


def test_both_versions_tell_judges_the_same(synthetic: ModuleType, tmp_path: Path) -> None:
    drive(synthetic, tmp_path / "new.mcap")
    new, old = TraceReader(tmp_path / "new.mcap"), TraceReader(OLD)
    assert new.version == 2
    assert new.steps() == old.steps() and new.events() == old.events()
    columns, before = new.columns(), old.columns()
    assert set(columns) == set(before)
    assert all(np.array_equal(columns[name], before[name], equal_nan=True) for name in columns)


@pytest.mark.parametrize(
    ("library", "sentence"),
    [("v2lm-testbed trace 99", "newer testbed"), ("someone else", "is no trace of the testbed")],
)
def test_traces_of_others_and_of_later_versions_are_refused(tmp_path: Path, library: str, sentence: str) -> None:
    from mcap.writer import Writer

    with open(tmp_path / "x.mcap", "wb") as stream:
        writer = Writer(stream)
        writer.start(library=library)
        writer.finish()
    for read in (TraceReader(tmp_path / "x.mcap").steps, lambda: with_events(tmp_path / "x.mcap", tmp_path / "y", {})):
        with pytest.raises(StoreError, match=sentence):
            read()
    assert not (tmp_path / "y").exists()


def test_a_drive_without_surroundings_says_nothing_of_them(synthetic: ModuleType, tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.mcap")
    writer.step(synthetic.step(0), synthetic.picture(synthetic.step(0).truth))
    writer.close()
    content = (tmp_path / "a.mcap").read_bytes()
    assert b"SceneUpdate" not in content and b"LocationFix" not in content

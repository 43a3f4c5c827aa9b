"""From the messages of a trace to Rerun (https://rerun.io), the extra ``[rerun]``: the only module that imports it.

====================================  =====================================================================
entity                                what it shows
====================================  =====================================================================
``world/standing``                    lanes, the ego's way, signs, artefacts
``world/moving``                      other road users
``world/ego``                         where the ego is; below it its body and the camera with its pictures
``world/ego/camera/image/boxes``      true boxes in green, answered ones in amber
``plots``                             offset, speed, steer, acceleration, per step
``events``                            what the judges saw
``location``                          the ego on the globe
``about``                             scenario, agent, condition, seed, versions
====================================  =====================================================================

Time is simulated time. Frames are those of the trace: right-handed, z up.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import rerun as rr
import rerun.blueprint as views

from testbed.core.errors import UsageError
from testbed.core.types import Step
from testbed.replay.stored_drive import StoredDrive
from testbed.store.atomic import store_errors, temporary_name

Json = dict[str, Any]

TIMELINE = "simulated time"

LEVELS = {2: "INFO", 3: "WARN", 4: "ERROR"}
"""foxglove.Log's levels in Rerun's words."""

BEHIND_M, ABOVE_M, AHEAD_M = 18.0, 8.0, 12.0
"""From where the 3D view looks at the ego, and how far ahead of it."""

CAMERA = "world/ego/camera"
PLANE_M = 3.0
"""How far before the camera its picture is shown in 3D."""


def write(drive: StoredDrive, target: Path) -> None:
    """Write a drive as a recording; the file appears under its name only when it is whole.

    Args:
        drive: What to show.
        target: File whose name ends in ``.rrd``.

    Raises:
        StoreError: The trace is damaged, or the file cannot be written.
    """
    temporary = target.with_name(temporary_name(target.name))
    with store_errors(target):
        # Rerun leaves it to its threads to tell that a file cannot be opened
        temporary.touch(exist_ok=False)
        try:
            recording = _recording(drive)
            recording.save(temporary, default_blueprint=_layout(drive.title))
            _log(recording, drive)
            recording.disconnect()
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def show(drive: StoredDrive) -> None:
    """Open Rerun's viewer with a drive; it stays when this process ends.

    Raises:
        StoreError: The trace is damaged.
        UsageError: The viewer's program is not there.
    """
    # beside this Python too, whose environment need not be activated
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    viewer = shutil.which("rerun", path=places)
    if viewer is None:
        raise UsageError(
            "the program rerun, which is Rerun's viewer, is not there",
            hint="pip install rerun-sdk brings it; --out FILE.rrd needs none",
        )
    recording = _recording(drive)
    rr.spawn(executable_path=viewer, default_blueprint=_layout(drive.title), recording=recording)
    _log(recording, drive)
    recording.flush()


def _recording(drive: StoredDrive) -> Any:
    recording = rr.RecordingStream("v2lm-testbed", recording_id=drive.record.plan.key)
    # simulated time is the only one that a drive has
    rr.set_log_time_enabled(False, recording=recording)
    rr.set_log_tick_enabled(False, recording=recording)
    return recording


def _layout(title: str) -> Any:
    """Return a blueprint: the scene in 3D, the driver's view with boxes, curves over time, and the events.

    The 3D view lies in the ego's frame: its eye goes with the ego, also when time jumps.
    """
    eye = views.EyeControls3D(
        position=(-BEHIND_M, 0.0, ABOVE_M), look_target=(AHEAD_M, 0.0, 0.0), eye_up=(0.0, 0.0, 1.0)
    )
    curves = views.Vertical(
        views.TimeSeriesView(origin="plots/offset_m", name="offset from the lane's centre, m, left positive"),
        views.TimeSeriesView(origin="plots/speed_mps", name="speed, m/s"),
        views.TimeSeriesView(origin="plots/command", name="command: steer (right positive), acceleration in m/s²"),
    )
    told = views.Tabs(
        views.TextLogView(origin="events", name="events"), views.TextDocumentView(origin="about", name="about")
    )
    return views.Blueprint(
        views.Horizontal(
            views.Spatial3DView(origin="world/ego", contents="world/**", name=title, eye_controls=eye),
            views.Vertical(
                views.Spatial2DView(origin="world/ego/camera/image", name="driver's view"),
                curves,
                told,
                row_shares=[3, 5, 2],
            ),
            column_shares=[3, 2],
        ),
        views.TimePanel(timeline=TIMELINE, expanded=False),
        views.SelectionPanel(expanded=False),
        views.BlueprintPanel(expanded=False),
        auto_views=False,
    )


def _log(recording: Any, drive: StoredDrive) -> None:
    reader = drive.reader
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    recording.log("about", rr.TextDocument(_about(reader.metadata()), media_type="text/markdown"), static=True)
    for name, colour in (("ego", 0x4696FFFF), ("limit", 0xC83C3CFF), ("lead", 0xF08C3CFF)):
        recording.log(f"plots/speed_mps/{name}", rr.SeriesLines(colors=colour, names=name), static=True)
    told: Mapping[str, Callable[[Any, Json], None]] = {
        "/tf": _transform,
        "/tf_static": _transform,
        "/camera": _image,
        "/camera/annotations": _annotations,
        "/camera/calibration": _calibration,
        "/scene/standing": _standing,
        "/scene/moving": _moving,
        "/location": _location,
        "/log": _event,
    }
    for topic, message in reader.messages(list(told)):
        if "timestamp" in message:
            _at(recording, _seconds(message["timestamp"]))
        told[topic](recording, message)
    for step in reader.steps():
        _at(recording, step.t_s)
        for name, value in _curves(step):
            recording.log(f"plots/{name}", rr.Scalars(value))


def _at(recording: Any, t_s: float) -> None:
    recording.set_time(TIMELINE, duration=t_s)


def _seconds(stamp: Json) -> float:
    return float(stamp["sec"] + stamp["nsec"] / 1e9)


def _about(metadata: Mapping[str, Mapping[str, str]]) -> str:
    """Return what a trace says of its episode, as tables."""
    tables = []
    for name, values in metadata.items():
        rows = "".join(f"| {key} | {value} |\n" for key, value in values.items())
        tables.append(f"| {name} | |\n|---|---|\n{rows}")
    return "\n".join(tables)


def _curves(step: Step) -> Iterable[tuple[str, float]]:
    truth = step.truth
    yield "offset_m", truth.lane.lateral_offset_m
    yield "speed_mps/ego", truth.ego.speed_mps
    if truth.speed_limit_mps is not None:
        yield "speed_mps/limit", truth.speed_limit_mps
    if truth.ahead is not None:
        yield "speed_mps/lead", truth.ahead.speed_mps
    yield "command/steer", step.command.steer
    yield "command/acceleration_mps2", step.command.acceleration_mps2


# ---------------------------------------------------------------- frames and camera
def _transform(recording: Any, message: Json) -> None:
    place, turn = message["translation"], message["rotation"]
    path = "world/ego" if message["child_frame_id"] == "ego" else CAMERA
    moved = rr.Transform3D(translation=_xyz(place), quaternion=_xyzw(turn))
    # what is mounted on the ego stays where it is
    recording.log(path, moved, static=path == CAMERA)


def _calibration(recording: Any, message: Json) -> None:
    rows = [message["K"][row : row + 3] for row in (0, 3, 6)]
    pinhole = rr.Pinhole(
        image_from_camera=rows,
        resolution=(message["width"], message["height"]),
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=PLANE_M,
    )
    recording.log(CAMERA, pinhole, static=True)


def _image(recording: Any, message: Json) -> None:
    content = base64.b64decode(message["data"], validate=True)
    recording.log(f"{CAMERA}/image", rr.EncodedImage(contents=content, media_type="image/jpeg"))


def _annotations(recording: Any, message: Json) -> None:
    boxes = message["points"]
    for stamped in (*boxes, *message["texts"]):
        _at(recording, _seconds(stamped["timestamp"]))
    # logged without boxes too: those of the picture before are gone
    recording.log(
        f"{CAMERA}/image/boxes",
        rr.Boxes2D(
            mins=[_xy(box["points"][0]) for box in boxes],
            sizes=[_size(box["points"]) for box in boxes],
            colors=[_rgba(box["outline_color"]) for box in boxes],
        ),
    )
    texts = message["texts"]
    recording.log(
        f"{CAMERA}/image/texts",
        rr.Points2D(
            [_middle(text) for text in texts],
            radii=0.0,
            colors=[_rgba(text["text_color"]) for text in texts],
            labels=[text["text"] for text in texts],
            show_labels=True,
        ),
    )


# ---------------------------------------------------------------- scene
def _standing(recording: Any, message: Json) -> None:
    for entity in message["entities"]:
        under = "world/ego/body" if entity["frame_id"] == "ego" else f"world/standing/{_part(entity['id'])}"
        _entity(recording, under, entity, static=True)


def _moving(recording: Any, message: Json) -> None:
    for entity in message["entities"]:
        _at(recording, _seconds(entity["timestamp"]))
        _entity(recording, f"world/moving/{_part(entity['id'])}", entity, static=False)


def _part(name: str) -> str:
    """Return a name as one part of an entity's path."""
    return str(rr.escape_entity_path_part(name))


def _entity(recording: Any, path: str, entity: Json, *, static: bool) -> None:
    if entity["lines"]:
        strips = [[_xyz(point) for point in line["points"]] for line in entity["lines"]]
        radii = [line["thickness"] / 2.0 for line in entity["lines"]]
        colours = [_rgba(line["color"]) for line in entity["lines"]]
        recording.log(f"{path}/lines", rr.LineStrips3D(strips, radii=radii, colors=colours), static=static)
    for number, triangles in enumerate(entity["triangles"]):
        corners = [_xyz(point) for point in triangles["points"]]
        mesh = rr.Mesh3D(vertex_positions=corners, vertex_colors=[_rgba(triangles["color"])] * len(corners))
        recording.log(f"{path}/surface_{number}", mesh, static=static)
    if entity["cubes"]:
        cubes = entity["cubes"]
        boxes = rr.Boxes3D(
            centers=[_xyz(cube["pose"]["position"]) for cube in cubes],
            sizes=[_xyz(cube["size"]) for cube in cubes],
            quaternions=[_xyzw(cube["pose"]["orientation"]) for cube in cubes],
            colors=[_rgba(cube["color"]) for cube in cubes],
            fill_mode="solid",
        )
        recording.log(f"{path}/box", boxes, static=static)
    if entity["texts"]:
        texts = entity["texts"]
        labels = rr.Points3D(
            [_xyz(text["pose"]["position"]) for text in texts],
            radii=0.0,
            colors=[_rgba(text["color"]) for text in texts],
            labels=[text["text"] for text in texts],
            show_labels=True,
        )
        recording.log(f"{path}/label", labels, static=static)


def _location(recording: Any, message: Json) -> None:
    recording.log("location", rr.GeoPoints(lat_lon=[(message["latitude"], message["longitude"])]))


def _event(recording: Any, message: Json) -> None:
    recording.log("events", rr.TextLog(message["message"], level=LEVELS.get(message["level"], "INFO")))


# ---------------------------------------------------------------- numbers
def _xy(point: Json) -> tuple[float, float]:
    return point["x"], point["y"]


def _middle(text: Json) -> tuple[float, float]:
    """Return about where the middle of a text is: Foxglove places its lower left corner, Rerun its middle."""
    x, y = _xy(text["position"])
    return x + 0.25 * text["font_size"] * len(text["text"]), y


def _size(corners: list[Json]) -> tuple[float, float]:
    """Return width and height of a box whose first and third corners are opposite."""
    return corners[2]["x"] - corners[0]["x"], corners[2]["y"] - corners[0]["y"]


def _xyz(point: Json) -> tuple[float, float, float]:
    return point["x"], point["y"], point["z"]


def _xyzw(turn: Json) -> Any:
    return rr.Quaternion(xyzw=[turn[axis] for axis in "xyzw"])


def _rgba(colour: Json) -> tuple[int, ...]:
    return tuple(round(255.0 * colour[name]) for name in "rgba")

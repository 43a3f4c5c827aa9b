"""The blueprint library: every type id a client may spawn, with CARLA's attributes, in a fixed order.

A blueprint on the wire is ``[uid, id, tags, [attribute]]``, an attribute
``[id, type, value, recommended_values, is_modifiable, restrict_to_recommended]`` (all values are strings).
The embedded server adds three props of its own: `static.prop.decal`, `static.prop.trafficsign`,
`static.prop.occluder`; scripts that must run on a real CARLA server look them up with ``library.filter`` first. Lidar,
radar, event camera and optical flow are not offered: a blueprint without data would let a script wait for ever.
"""

from __future__ import annotations

from testbed.world.assets.vehicle_models import VEHICLES, VehicleModel

BOOL, INT, FLOAT, STRING, COLOR = 1, 2, 3, 4, 5

Attribute = list[object]
Blueprint = list[object]

SENSOR_TYPE: dict[str, int] = {
    "sensor.other.collision": 0,
    "sensor.camera.depth": 1,
    "sensor.camera.normals": 2,
    "sensor.other.gnss": 4,
    "sensor.other.imu": 5,
    "sensor.other.obstacle": 7,
    "sensor.camera.rgb": 13,
    "sensor.camera.semantic_segmentation": 14,
    "sensor.camera.instance_segmentation": 15,
}
"""Stream payload type ids of CARLA 0.9.16; lane invasion has none because the client computes it."""

OWN_BLUEPRINTS = frozenset({"static.prop.decal", "static.prop.trafficsign", "static.prop.occluder"})
"""Blueprints that no other CARLA server offers."""

PROPS: tuple[str, ...] = (
    "static.prop.trafficcone01", "static.prop.trafficcone02", "static.prop.constructioncone",
    "static.prop.streetbarrier", "static.prop.chainbarrier", "static.prop.box01", "static.prop.bin",
    "static.prop.container", "static.prop.warningconstruction", "static.prop.warningaccident", "static.prop.bench01",
    "static.prop.busstop", "static.prop.streetlamp",
)  # fmt: skip

RGB_FLOATS: tuple[tuple[str, float], ...] = (
    ("gamma", 2.2), ("shutter_speed", 200.0), ("iso", 100.0), ("fstop", 1.4), ("min_fstop", 1.2),
    ("motion_blur_intensity", 0.0), ("motion_blur_max_distortion", 0.35), ("motion_blur_min_object_screen_size", 0.1),
    ("exposure_compensation", 0.0), ("chromatic_aberration_intensity", 0.0), ("chromatic_aberration_offset", 0.0),
    ("bloom_intensity", 0.0), ("lens_flare_intensity", 0.0), ("focal_distance", 1000.0), ("temp", 6500.0),
    ("tint", 0.0), ("slope", 0.88), ("toe", 0.55), ("shoulder", 0.26), ("black_clip", 0.0), ("white_clip", 0.04),
    ("exposure_min_bright", 10.0), ("exposure_max_bright", 12.0), ("exposure_speed_up", 3.0),
    ("exposure_speed_down", 1.0), ("calibration_constant", 16.0), ("blur_amount", 1.0), ("blur_radius", 0.0),
)  # fmt: skip

LENS_FLOATS: tuple[tuple[str, float], ...] = (
    ("lens_circle_falloff", 5.0), ("lens_circle_multiplier", 0.0), ("lens_k", 0.0), ("lens_kcube", 0.0),
    ("lens_x_size", 0.08), ("lens_y_size", 0.08),
)  # fmt: skip


def _attribute(
    name: str, kind: int, value: object, choices: tuple[str, ...] = (), *, fixed: bool = False, strict: bool = False
) -> Attribute:
    return [name, kind, str(value), list(choices), not fixed, strict]


def _floats(*pairs: tuple[str, float]) -> list[Attribute]:
    return [_attribute(name, FLOAT, value) for name, value in pairs]


def _vehicle(model: VehicleModel) -> list[Attribute]:
    colors = model.colors
    return [
        _attribute("number_of_wheels", INT, model.wheels, fixed=True),
        _attribute("sticky_control", BOOL, "True"),
        _attribute("object_type", STRING, "", fixed=True),
        _attribute("base_type", STRING, model.base_type, fixed=True),
        _attribute("special_type", STRING, model.special_type, fixed=True),
        _attribute("has_lights", BOOL, "true" if model.wheels > 2 else "false", fixed=True),
        _attribute("has_dynamic_doors", BOOL, "false", fixed=True),
        _attribute("generation", INT, model.generation, fixed=True),
        _attribute("terramechanics", BOOL, "false"),
        _attribute("color", COLOR, colors[0], colors),
        _attribute("role_name", STRING, "autopilot", ("autopilot", "scenario", "ego_vehicle")),
    ]


def _walker(number: int) -> list[Attribute]:
    return [
        _attribute("gender", STRING, "male" if number % 2 else "female", fixed=True),
        _attribute("age", STRING, "child" if number % 5 == 4 else "adult", fixed=True),
        _attribute("speed", FLOAT, "1.4", ("0.0", "1.4", "3.0")),
        _attribute("generation", INT, "2" if number > 2 else "1", fixed=True),
        _attribute("is_invincible", BOOL, "false"),
        _attribute("can_use_wheelchair", BOOL, "false", fixed=True),
        _attribute("use_wheelchair", BOOL, "false"),
        _attribute("role_name", STRING, "pedestrian"),
    ]


def _sensor(*extra: Attribute, tick: bool = True) -> list[Attribute]:
    head = [_attribute("role_name", STRING, "front"), _attribute("ros_name", STRING, "sensor")]
    return head + ([_attribute("sensor_tick", FLOAT, "0.0")] if tick else []) + list(extra)


def _camera(*extra: Attribute) -> list[Attribute]:
    size = [_attribute("image_size_x", INT, 800), _attribute("image_size_y", INT, 600)]
    return _sensor(*size, _attribute("fov", FLOAT, "90.0"), *_floats(*LENS_FLOATS), *extra)


def _rgb() -> list[Attribute]:
    switches = [
        _attribute("enable_postprocess_effects", BOOL, "True"),
        _attribute("exposure_mode", STRING, "histogram", ("manual", "histogram"), strict=True),
    ]
    return _camera(*switches, *_floats(*RGB_FLOATS))


def _seed() -> Attribute:
    return _attribute("noise_seed", INT, 0)


def _entries() -> list[tuple[str, list[Attribute]]]:
    entries = [(model.type_id, _vehicle(model)) for model in VEHICLES]
    entries += [(f"walker.pedestrian.{number:04d}", _walker(number)) for number in range(1, 7)]
    entries += [("controller.ai.walker", [_attribute("role_name", STRING, "default")])]
    for type_id in PROPS:
        entries.append((type_id, [_attribute("size", STRING, "medium", fixed=True), _role("prop")]))
    entries += [
        ("static.prop.decal", [*_floats(("length_m", 6.0), ("width_m", 3.0)), _role("prop")]),
        ("static.prop.trafficsign", [_attribute("gtsrb_class", INT, 1), *_floats(("size_m", 0.75)), _role("prop")]),
        (
            "static.prop.occluder",
            [
                *_floats(("length_m", 0.2), ("width_m", 1.0), ("height_m", 1.0)),
                _attribute("polygon", STRING, ""),
                _role("prop"),
            ],
        ),
        ("sensor.camera.rgb", _rgb()),
        ("sensor.camera.depth", _camera()),
        ("sensor.camera.semantic_segmentation", _camera()),
        ("sensor.camera.instance_segmentation", _camera()),
        ("sensor.camera.normals", _camera()),
        # Event sensors carry no sensor_tick: CARLA's own smoke test waits for a message of everything that has one.
        ("sensor.other.collision", _sensor(tick=False)),
        ("sensor.other.lane_invasion", _sensor(tick=False)),
        ("sensor.other.obstacle", _sensor(*_obstacle())),
        ("sensor.other.imu", _sensor(*_floats(*_imu_noise()), _seed())),
        ("sensor.other.gnss", _sensor(*_floats(*_gnss_noise()), _seed())),
        ("util.actor.empty", [_role("default")]),
    ]
    return entries


def _role(value: str) -> Attribute:
    return _attribute("role_name", STRING, value)


def _obstacle() -> list[Attribute]:
    flags = [_attribute("only_dynamics", BOOL, "false"), _attribute("debug_linetrace", BOOL, "false")]
    return _floats(("distance", 5.0), ("hit_radius", 0.5)) + flags


def _imu_noise() -> list[tuple[str, float]]:
    stddev = [(f"noise_{kind}_stddev_{axis}", 0.0) for kind in ("accel", "gyro") for axis in "xyz"]
    return stddev + [(f"noise_gyro_bias_{axis}", 0.0) for axis in "xyz"]


def _gnss_noise() -> list[tuple[str, float]]:
    return [(f"noise_{kind}_{what}", 0.0) for kind in ("alt", "lat", "lon") for what in ("bias", "stddev")]


def library() -> list[Blueprint]:
    """Return all blueprints in wire form; the uid is the position in the list, from 1."""
    return [
        [uid, type_id, ",".join(type_id.split(".")), attributes]
        for uid, (type_id, attributes) in enumerate(_entries(), start=1)
    ]

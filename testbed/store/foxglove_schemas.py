"""JSON schemas of the messages that Foxglove draws, with the names and fields that it asks for.

Source: https://docs.foxglove.dev/docs/sdk/schemas. Only what tells a reader the type of a field is stated; a test holds
names and types to the official definitions.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}


def record(**fields: Schema) -> Schema:
    """Return the schema of an object."""
    return {"type": "object", "properties": fields}


def many(items: Schema, count: int | None = None) -> Schema:
    """Return the schema of an array, of ``count`` items where that is fixed."""
    return {"type": "array", "items": items} | ({} if count is None else {"minItems": count, "maxItems": count})


TIME = record(sec=INTEGER, nsec=INTEGER)
VECTOR2 = record(x=NUMBER, y=NUMBER)
VECTOR3 = record(x=NUMBER, y=NUMBER, z=NUMBER)
QUATERNION = record(x=NUMBER, y=NUMBER, z=NUMBER, w=NUMBER)
POSE = record(position=VECTOR3, orientation=QUATERNION)
COLOR = record(r=NUMBER, g=NUMBER, b=NUMBER, a=NUMBER)
METADATA = many(record(key=STRING, value=STRING))

COMPRESSED_IMAGE = record(
    timestamp=TIME, frame_id=STRING, data={"type": "string", "contentEncoding": "base64"}, format=STRING
)
CAMERA_CALIBRATION = record(
    timestamp=TIME,
    frame_id=STRING,
    width=INTEGER,
    height=INTEGER,
    distortion_model=STRING,
    D=many(NUMBER),
    K=many(NUMBER, 9),
    R=many(NUMBER, 9),
    P=many(NUMBER, 12),
)
FRAME_TRANSFORM = record(
    timestamp=TIME, parent_frame_id=STRING, child_frame_id=STRING, translation=VECTOR3, rotation=QUATERNION
)
LOCATION_FIX = record(
    timestamp=TIME,
    frame_id=STRING,
    latitude=NUMBER,
    longitude=NUMBER,
    altitude=NUMBER,
    position_covariance=many(NUMBER, 9),
    position_covariance_type=INTEGER,
)
LOG = record(timestamp=TIME, level=INTEGER, message=STRING, name=STRING, file=STRING, line=INTEGER)

IMAGE_ANNOTATIONS = record(
    circles=many(
        record(
            timestamp=TIME,
            position=VECTOR2,
            diameter=NUMBER,
            thickness=NUMBER,
            fill_color=COLOR,
            outline_color=COLOR,
            metadata=METADATA,
        )
    ),
    points=many(
        record(
            timestamp=TIME,
            type=INTEGER,
            points=many(VECTOR2),
            outline_color=COLOR,
            outline_colors=many(COLOR),
            fill_color=COLOR,
            thickness=NUMBER,
            metadata=METADATA,
        )
    ),
    texts=many(
        record(
            timestamp=TIME,
            position=VECTOR2,
            text=STRING,
            font_size=NUMBER,
            text_color=COLOR,
            background_color=COLOR,
            metadata=METADATA,
        )
    ),
)

_COLOURED = {"color": COLOR, "colors": many(COLOR), "indices": many(INTEGER)}

SCENE_ENTITY = record(
    timestamp=TIME,
    frame_id=STRING,
    id=STRING,
    lifetime=TIME,
    frame_locked=BOOLEAN,
    metadata=METADATA,
    arrows=many(
        record(
            pose=POSE,
            shaft_length=NUMBER,
            shaft_diameter=NUMBER,
            head_length=NUMBER,
            head_diameter=NUMBER,
            color=COLOR,
        )
    ),
    cubes=many(record(pose=POSE, size=VECTOR3, color=COLOR)),
    spheres=many(record(pose=POSE, size=VECTOR3, color=COLOR)),
    cylinders=many(record(pose=POSE, size=VECTOR3, bottom_scale=NUMBER, top_scale=NUMBER, color=COLOR)),
    lines=many(
        record(type=INTEGER, pose=POSE, thickness=NUMBER, scale_invariant=BOOLEAN, points=many(VECTOR3), **_COLOURED)
    ),
    triangles=many(record(pose=POSE, points=many(VECTOR3), **_COLOURED)),
    texts=many(
        record(pose=POSE, billboard=BOOLEAN, font_size=NUMBER, scale_invariant=BOOLEAN, color=COLOR, text=STRING)
    ),
    models=many(
        record(
            pose=POSE,
            scale=VECTOR3,
            color=COLOR,
            override_color=BOOLEAN,
            url=STRING,
            media_type=STRING,
            data={"type": "string", "contentEncoding": "base64"},
        )
    ),
)
SCENE_UPDATE = record(
    deletions=many(record(timestamp=TIME, type=INTEGER, id=STRING)),
    entities=many(SCENE_ENTITY),
)

FOXGLOVE: dict[str, Schema] = {
    f"foxglove.{title}": {"title": f"foxglove.{title}"} | schema
    for title, schema in (
        ("CompressedImage", COMPRESSED_IMAGE),
        ("CameraCalibration", CAMERA_CALIBRATION),
        ("FrameTransform", FRAME_TRANSFORM),
        ("ImageAnnotations", IMAGE_ANNOTATIONS),
        ("LocationFix", LOCATION_FIX),
        ("Log", LOG),
        ("SceneUpdate", SCENE_UPDATE),
    )
}
"""Schema name to JSON schema."""

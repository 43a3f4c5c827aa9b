"""What stands and moves around the ego in an episode: for pictures of it, never for a judge or an agent.

All of it is in CARLA's world frame; what is written for other people's tools is turned where it is written
(`testbed.store.foxglove_messages`).
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.core.geometry import Pose, Vector


@dataclass(frozen=True, slots=True)
class CameraMount:
    """The driver's camera on the ego: a pinhole on its middle line.

    Attributes:
        width_px: Picture width.
        height_px: Picture height.
        fov_deg: Horizontal field of view.
        x_m: Forward of the ego's origin.
        z_m: Above the ego's origin.
        pitch_deg: Upwards positive.
    """

    width_px: int
    height_px: int
    fov_deg: float
    x_m: float
    z_m: float
    pitch_deg: float


@dataclass(frozen=True, slots=True)
class BodyBox:
    """The box around a body, in the frame of that body.

    Attributes:
        centre_m: Its middle.
        size_m: Its length, width and height.
    """

    centre_m: Vector
    size_m: Vector


@dataclass(frozen=True, slots=True)
class RoadUser:
    """Another vehicle or a pedestrian.

    Attributes:
        number: Its id in events and truth.
        name: Its id in the scenario.
        blueprint: What it is, for instance ``vehicle.tesla.model3``.
        box: Around it.
        artefact: Adversary id of what it wears, empty for most.
    """

    number: int
    name: str
    blueprint: str
    box: BodyBox
    artefact: str = ""


@dataclass(frozen=True, slots=True)
class LaneEdges:
    """The borders of a piece of lane, each a line of world points."""

    left_m: tuple[Vector, ...]
    right_m: tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class SignBox:
    """A sign that is meant for the ego.

    Attributes:
        sign_id: Its id in the truth.
        class_id: GTSRB class.
        pose: Of the middle of its box.
        size_m: Of its box along the axes of the pose.
    """

    sign_id: str
    class_id: int
    pose: Pose
    size_m: Vector


@dataclass(frozen=True, slots=True)
class ArtefactSurface:
    """What an adversary put on the road or on a sign.

    Attributes:
        adversary: Id of the scenario's entry.
        triangles_m: World corners, three for each triangle.
    """

    adversary: str
    triangles_m: tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What does not change during an episode.

    Attributes:
        camera: The driver's camera.
        ego: Box around the ego.
        route_m: Centre line of the lane that the ego is to keep.
        lanes: Lanes near that line.
        road_users: Others, in the order of `Whereabouts.road_users`.
        signs: Along the ego's lane, in the order they are passed.
        artefacts: On the road and on signs; road users say themselves what they wear.
    """

    camera: CameraMount
    ego: BodyBox
    route_m: tuple[Vector, ...] = ()
    lanes: tuple[LaneEdges, ...] = ()
    road_users: tuple[RoadUser, ...] = ()
    signs: tuple[SignBox, ...] = ()
    artefacts: tuple[ArtefactSurface, ...] = ()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where everything that moves is in one step.

    Attributes:
        ego: Pose of the ego.
        road_users: Poses of the others.
        latitude_deg: Of the ego.
        longitude_deg: Of the ego.
        altitude_m: Of the ego.
    """

    ego: Pose
    road_users: tuple[Pose, ...] = ()
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    altitude_m: float = 0.0

"""Actors: everything in the world that has an id, a pose and a place in the state stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from testbed.core.geometry import Vector
from testbed.core.types import Pose
from testbed.server.simulation.bounding_boxes import BoundingBox
from testbed.server.simulation.chassis import Chassis, PhysicsControl
from testbed.server.simulation.dynamics import ControlInput, PlanarMotion
from testbed.server.simulation.transforms import ORIGIN, ZERO
from testbed.world.assets.vehicle_models import VehicleModel


class ActorKind(StrEnum):
    """First part of the type id, which decides the union of the actor's state record."""

    VEHICLE = "vehicle"
    WALKER = "walker"
    TRAFFIC = "traffic"
    STATIC = "static"
    SENSOR = "sensor"
    CONTROLLER = "controller"
    OTHER = "other"


def kind_of(type_id: str) -> ActorKind:
    """Return the kind of a type id; unknown first parts are `ActorKind.OTHER`."""
    head = type_id.split(".", 1)[0]
    return ActorKind(head) if head in ActorKind._value2member_map_ else ActorKind.OTHER


@dataclass(slots=True)
class Ackermann:
    """Ackermann demand: wheel angle and speed to reach, with limits; 0 for a limit means "as fast as possible"."""

    steer_rad: float
    steer_speed_rad_s: float
    speed_mps: float
    acceleration_mps2: float
    jerk_mps3: float


@dataclass(slots=True)
class Vehicle:
    """What a vehicle has beyond an actor.

    Attributes:
        model: Facts of the blueprint.
        physics: Physics control as the client reads and writes it.
        chassis: Bicycle parameters derived from both.
        motion: Planar state.
        control: Last ``VehicleControl`` in wire order, sanitised, for the state stream.
        control_input: The same as the dynamics want it.
        ackermann: Ackermann demand; while set it replaces the control input.
        ackermann_settings: The six gains of the Ackermann controller.
        constant_velocity: Local velocity that overrides the dynamics, or None.
        lights: Light bitmask.
        speed_limit_kmh: Limit of the road or of the last sign passed.
        traffic_light_id: Traffic light that the vehicle comes to; 0 without.
        traffic_light_state: State of that light; green without.
        force_n: World force that acts during the next step.
        torque_nm: Torque about the vertical axis during the next step.
    """

    model: VehicleModel
    physics: PhysicsControl
    chassis: Chassis
    motion: PlanarMotion
    control: list[float | bool | int] = field(default_factory=lambda: [0.0, 0.0, 0.0, False, False, False, 0])
    control_input: ControlInput = field(default_factory=ControlInput)
    ackermann: Ackermann | None = None
    ackermann_settings: list[float] = field(default_factory=lambda: [0.15, 0.0, 0.25, 0.01, 0.0, 0.01])
    constant_velocity: Vector | None = None
    lights: int = 0
    speed_limit_kmh: float = 50.0
    traffic_light_id: int = 0
    traffic_light_state: int = 2
    force_n: Vector = ZERO
    torque_nm: float = 0.0


@dataclass(slots=True)
class Walker:
    """Walker demand: direction, speed in m/s, jump."""

    direction: Vector = (1.0, 0.0, 0.0)
    speed_mps: float = 0.0
    jump: bool = False


@dataclass(slots=True)
class TrafficLight:
    """State and programme of a traffic light; states as in CARLA (red 0, yellow 1, green 2, off 3).

    `group` is common to the lights of a junction, 0 for a light on its own; of the `phases` of its junction this light
    is green in number `phase`.
    """

    state: int = 2
    green_s: float = 10.0
    yellow_s: float = 3.0
    red_s: float = 2.0
    elapsed_s: float = 0.0
    frozen: bool = False
    group: int = 0
    pole: int = 0
    phase: int = 0
    phases: int = 1


@dataclass(slots=True)
class SensorClock:
    """When a sensor is due.

    Attributes:
        type_id: Payload type of the stream (4.3 of the protocol).
        period_s: ``sensor_tick``; 0 means every frame.
        due_s: Simulation time of the next measurement; None until somebody subscribes.
        born_frame: Frame in which the sensor was spawned.
    """

    type_id: int
    period_s: float = 0.0
    due_s: float | None = None
    born_frame: int = 0


@dataclass(slots=True)
class SimulatedActor:
    """One actor.

    Attributes:
        id: Unique in the life of the server.
        type_id: Blueprint id.
        kind: First part of it.
        uid: Blueprint uid; 0 for actors that come with the map.
        attributes: ``[id, type, value]`` as sent by the client, completed from the blueprint.
        values: The same as name to value.
        pose: World pose.
        relative: Pose in the parent's frame when attached, else equal to ``pose``.
        parent_id: 0 when not attached.
        attachment: 0 rigid, 1 spring arm, 2 spring arm ghost.
        velocity_mps: World velocity.
        angular_deg_s: World angular velocity.
        acceleration_mps2: World acceleration.
        box: Bounding box in the actor's frame.
        tags: CARLA semantic tags.
        stream_id: Stream of a sensor; 0 without.
        children: Ids of attached actors, in order of attachment.
        physics: Whether the simulation moves it.
        collides: Whether others collide with it.
        gravity: Whether it falls.
        fall_mps: Vertical speed while falling.
        signal_id: OpenDRIVE signal id of signs and lights.
    """

    id: int
    type_id: str
    kind: ActorKind
    uid: int = 0
    attributes: list[list[object]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    pose: Pose = ORIGIN
    relative: Pose = ORIGIN
    parent_id: int = 0
    attachment: int = 0
    velocity_mps: Vector = ZERO
    angular_deg_s: Vector = ZERO
    acceleration_mps2: Vector = ZERO
    box: BoundingBox = field(default_factory=BoundingBox)
    tags: bytes = b""
    stream_id: int = 0
    children: list[int] = field(default_factory=list)
    physics: bool = True
    collides: bool = True
    gravity: bool = True
    fall_mps: float = 0.0
    signal_id: str = ""
    vehicle: Vehicle | None = None
    walker: Walker | None = None
    light: TrafficLight | None = None
    sensor: SensorClock | None = None

    @property
    def object_name(self) -> str:
        """Name under which the texture calls know this actor."""
        return f"{self.type_id}_{self.id}"

    def number(self, name: str, default: float) -> float:
        """Return an attribute as a float; ``default`` when it is absent or not a number."""
        try:
            return float(self.values.get(name, default))
        except ValueError:
            return default

"""Ground truth of one step: where the ego is, what lies ahead of it, what it hit. For judges and records."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.core.geometry import Box


@dataclass(frozen=True, slots=True)
class EgoState:
    """Ego vehicle in the world frame; ``yaw_deg`` clockwise seen from above."""

    x_m: float
    y_m: float
    z_m: float
    yaw_deg: float
    speed_mps: float
    acceleration_mps2: float = 0.0
    lateral_acceleration_mps2: float = 0.0
    yaw_rate_rad_s: float = 0.0
    steer: float = 0.0


@dataclass(frozen=True, slots=True)
class LaneState:
    """Where the ego is in the lane it started in (its own lane, also after it has left it).

    Attributes:
        lateral_offset_m: Vehicle centre from the lane centre, positive left.
        heading_error_rad: Vehicle heading against the lane's, positive pointing left.
        lane_width_m: Width of that lane.
        curvature_1pm: Lane curvature, positive curving left.
        s_m: Distance driven along the lane since the start of the episode.
        preview_offset_m: Lane centre at the preview distance (25 m) in the ego frame, positive left.
        on_road: Whether the vehicle centre is on any driving or parking lane.
        nearest_lane_distance_m: Distance of the vehicle centre from the nearest driving lane's centre.
        nearest_lane_width_m: Width of that nearest lane.
        wrong_way_deg: Heading against the nearest lane's direction, 0-180.
        in_junction: Whether the ego is inside a junction.
    """

    lateral_offset_m: float
    heading_error_rad: float
    lane_width_m: float
    curvature_1pm: float
    s_m: float
    preview_offset_m: float
    on_road: bool = True
    nearest_lane_distance_m: float = 0.0
    nearest_lane_width_m: float = 3.6
    wrong_way_deg: float = 0.0
    in_junction: bool = False


@dataclass(frozen=True, slots=True)
class LeadTruth:
    """The vehicle ahead in the ego's own lane corridor, nearest first, within 60 m and at least 6 px tall."""

    actor_id: int
    distance_m: float
    speed_mps: float
    box_px: Box


@dataclass(frozen=True, slots=True)
class AheadTruth:
    """The nearest road user ahead in the ego's own lane within 150 m, however small its picture.

    Whether an agent could see it decides about its answers; whether it was there decides about its braking.

    Attributes:
        actor_id: The other.
        distance_m: Along the lane, from the front bumper to its near end.
        speed_mps: Along the lane, positive away from the ego.
    """

    actor_id: int
    distance_m: float
    speed_mps: float


@dataclass(frozen=True, slots=True)
class SignTruth:
    """The nearest readable sign ahead that is meant for the ego.

    Attributes:
        sign_id: Signal id in the map or actor id.
        class_id: GTSRB class.
        distance_m: Along the road, from the front bumper; negative when passed in this very step.
        box_px: Box of the plate in the driver's view.
    """

    sign_id: str
    class_id: int
    distance_m: float
    box_px: Box


@dataclass(frozen=True, slots=True)
class Collision:
    """One report of the collision sensor in this step.

    Attributes:
        other_id: Actor id, or 0 for static scenery.
        other_type: Type id, for instance ``vehicle.tesla.model3``.
        impulse_ns: Magnitude of the normal impulse.
        relative_speed_mps: Relative speed at impact.
    """

    other_id: int
    other_type: str
    impulse_ns: float
    relative_speed_mps: float


@dataclass(frozen=True, slots=True)
class AttackTruth:
    """How the injected artefact shows in this step.

    Attributes:
        visible_px: Pixels of the driver's view that show the artefact.
        distance_m: Along the road from the front bumper to the artefact's near end; negative once reached.
        passed: Whether the ego's rear has passed the artefact's far end.
        reach_m: Distance from which it acts: 0 for what must be driven over, more for what needs only to be seen.
    """

    visible_px: int
    distance_m: float
    passed: bool
    reach_m: float = 0.0


@dataclass(frozen=True, slots=True)
class LineTruth:
    """A line across the ego's lane that commands something.

    Attributes:
        sign_id: The sign or light that commands it.
        kind: ``stop``, ``yield``, ``no_entry`` or ``light``.
        distance_m: Along the lane from the front bumper; negative once the bumper is beyond.
        state: What a light shows (``red``, ``yellow``, ``green``, ``off``); empty for signs.
    """

    sign_id: str
    kind: str
    distance_m: float
    state: str = ""


@dataclass(frozen=True, slots=True)
class ConflictTruth:
    """Another vehicle whose way crosses the ego's: how far both still are from the area they would share.

    Attributes:
        actor_id: The other vehicle.
        enter_m: From the ego's front bumper to the area.
        clear_m: What the ego has to drive until its rear has left the area.
        other_enter_m: From the other's front to the area.
        other_clear_m: What the other has to drive until its rear has left the area.
        other_speed_mps: Its speed.
    """

    actor_id: int
    enter_m: float
    clear_m: float
    other_enter_m: float
    other_clear_m: float
    other_speed_mps: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of one step, for judges and records; agents never see it unless their card says so."""

    ego: EgoState
    lane: LaneState
    speed_limit_mps: float | None
    lead: LeadTruth | None = None
    sign: SignTruth | None = None
    passed_signs: tuple[SignTruth, ...] = ()
    collisions: tuple[Collision, ...] = ()
    attack: AttackTruth | None = None
    lines: tuple[LineTruth, ...] = ()
    conflicts: tuple[ConflictTruth, ...] = ()
    ahead: AheadTruth | None = None

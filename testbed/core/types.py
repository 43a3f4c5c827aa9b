"""What the rooms say to each other during an episode: observations, answers, commands, truth, events.

Frames and units (docs/frames-and-units.md): world = CARLA's left-handed frame in metres and degrees, y to the right;
lane-relative lateral quantities are positive to the LEFT of the driving direction; image boxes are
``(x_min, y_min, x_max, y_max)`` in pixels with the origin at the top left corner.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from testbed.core.body import Body

Box = tuple[float, float, float, float]
"""Image box ``(x_min_px, y_min_px, x_max_px, y_max_px)``."""

Pose = tuple[float, float, float, float, float, float]
"""``(x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg)`` in CARLA's world frame."""

Image = NDArray[np.uint8]
"""Colour image, shape (height, width, 3), RGB, dtype uint8."""


class Steering(enum.StrEnum):
    """The three answers to "at which direction should you turn the steering wheel?"."""

    LEFT = "Left"
    STRAIGHT = "Straight"
    RIGHT = "Right"

    @property
    def sign(self) -> int:
        """+1 for left, 0 for straight, -1 for right: the sign of the lateral acceleration it asks for."""
        return {"Left": 1, "Straight": 0, "Right": -1}[self.value]


@dataclass(frozen=True, slots=True)
class SignAnswer:
    """Traffic sign recognition of one crop.

    Attributes:
        class_id: GTSRB class 0-42, or None when the agent abstains.
        confidence: Probability of the answer, 0-1.
    """

    class_id: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class SteeringAnswer:
    """Automated lane centring answer.

    Attributes:
        steering: Left, Straight or Right, or None when the agent abstains.
        confidence: Probability of the answer, 0-1.
        probabilities: Probabilities of (Left, Straight, Right) where the agent has them.
        lateral_offset_m: Preview offset of the lane centre, positive left, where the agent measures it; reported,
            never driven on.
    """

    steering: Steering | None
    confidence: float
    probabilities: tuple[float, float, float] | None = None
    lateral_offset_m: float | None = None


@dataclass(frozen=True, slots=True)
class VehicleAnswer:
    """Vehicle detection answer: is there a vehicle ahead in the ego's way, and where.

    Attributes:
        present: True, False, or None when the agent abstains.
        box_px: Box of that vehicle in the observation's image; None when absent.
        confidence: Probability of the presence answer, 0-1.
    """

    present: bool | None
    box_px: Box | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Perception:
    """All answers of one decision.

    Attributes:
        steering: Always asked.
        vehicle: Always asked.
        sign: None when no sign was in view, so that nothing was asked.
        raw: What the model literally said per task ("tsr", "alc", "vd"), for the report.
    """

    steering: SteeringAnswer
    vehicle: VehicleAnswer
    sign: SignAnswer | None = None
    raw: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What an agent may see, and nothing else.

    Attributes:
        frame: Simulation frame of the image.
        t_s: Simulation time of the image.
        image: Driver's view, shape (160, 320, 3) by default, RGB uint8.
        sign_crop: Crop of the nearest readable sign, shape (h, w, 3) uint8, or None.
        sign_id: Identifier of that sign, so that answers over several frames can be put together; None without a crop.
        sign_distance_m: Distance along the road to that sign; None without a crop.
        speed_mps: Ego speed.
        route_command: High-level route command ("lane_follow", "left", "right", "straight").
        truth: Ground truth, only ever set for agents whose card declares ``needs_truth`` (the scripted oracle).
    """

    frame: int
    t_s: float
    image: Image
    speed_mps: float
    sign_crop: Image | None = None
    sign_id: str | None = None
    sign_distance_m: float | None = None
    route_command: str = "lane_follow"
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What the controller asks of the vehicle.

    Attributes:
        steer: -1 (full left) … 1 (full right), CARLA's sign.
        acceleration_mps2: Wanted longitudinal acceleration, negative brakes.
    """

    steer: float
    acceleration_mps2: float

    def finite(self) -> bool:
        """Tell whether both numbers are finite."""
        return math.isfinite(self.steer) and math.isfinite(self.acceleration_mps2)


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


@dataclass(frozen=True, slots=True)
class Decal:
    """A flat artefact on the road surface, ready to be injected into a world.

    Attributes:
        name: Artefact name.
        rgba: Linear premultiplied colour and coverage, shape (rows, columns, 4), float32, 0-1. Rows run along the
            road with row 0 at the far end, columns across it with column 0 at the left edge as the driver sees it.
            Surface albedo becomes ``base * (1 - a) + rgb``, so ``a = 0`` only ever brightens.
        length_m: Extent along the road.
        width_m: Extent across the road.
    """

    name: str
    rgba: NDArray[np.float32]
    length_m: float
    width_m: float


@dataclass(frozen=True, slots=True)
class Skin:
    """Paint for a vehicle's body.

    Attributes:
        name: Artefact name.
        rgb: Linear albedo over the vehicle's paint atlas, shape (rows, columns, 3), float32, 0-1, row 0 at v = 0.
        mask: 1 where the attacker paints, 0 where the vehicle keeps its own paint, shape (rows, columns), float32;
            None paints everything.
        blueprint: Vehicle whose atlas it was made for; None fits any.
        body: A body of one's own whose atlas it is; None takes that of the blueprint.
    """

    name: str
    rgb: NDArray[np.float32]
    mask: NDArray[np.float32] | None = None
    blueprint: str | None = None
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class SignFace:
    """A picture stuck onto a traffic sign.

    Attributes:
        name: Artefact name.
        rgba: Linear colour and straight alpha over the plate's bounding square, shape (rows, columns, 4), float32, 0-1.
            Row 0 is the top, column 0 the left as the driver sees it; where alpha is 0 the sign's own face shows.
    """

    name: str
    rgba: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shade:
    """A shadow that somebody casts on a traffic sign.

    Attributes:
        name: Artefact name.
        polygon: Corners, shape (n, 2), float64: x to the right and y down as the driver sees it, the plate's bounding
            square is [0, 1]²; corners may lie outside of it.
        light_left: Share of LAB lightness L that remains inside the polygon (Zhong et al., CVPR 2022: k = 0.43).
        blur_px: Width of its soft edge, in pixels of a plate 224 pixels wide.
    """

    name: str
    polygon: NDArray[np.float64]
    light_left: float = 0.43
    blur_px: float = 3.0


Payload = Decal | Skin | SignFace | Shade
"""What an adversary puts into the world of an episode."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An agent's answer together with when it was asked and when it takes effect."""

    frame: int
    t_s: float
    applied_t_s: float
    perception: Perception
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tick as judges see it: truth after the tick, the command that led to it, the answer in force."""

    frame: int
    t_s: float
    truth: Truth
    command: Command
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What an agent declares about itself.

    Attributes:
        name: Name under which it is asked for.
        kind: ``dnn``, ``solo``, ``tandem``, ``parallel`` or ``scripted``.
        latency_ms: (p50, p95) of one decision, measured on one thread; charged to the clock by default.
        parameters: Number of parameters over all models.
        weights: File name to sha256 of every weight file.
        figures: Held-out benign figures, for instance ``{"alc_accuracy": 0.97}``.
        trained: How, how long and on what.
        needs_truth: Whether observations must carry ground truth (oracle agents only).
        notes: Limits and anything a reader must know.
    """

    name: str
    kind: str
    latency_ms: tuple[float, float]
    parameters: int = 0
    weights: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    trained: str = ""
    needs_truth: bool = False
    notes: str = ""


@runtime_checkable
class Agent(Protocol):
    """Answers three perception questions per decision; planner and controller are not its business."""

    @property
    def card(self) -> AgentCard:
        """What it is."""

    def reset(self, seed: int) -> None:
        """Forget the last episode; ``seed`` fixes whatever chance it uses."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer the questions for one observation."""

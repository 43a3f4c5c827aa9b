"""What a scenario file may say: the one definition behind loader, JSON schema, documentation and episode plans.

Distances along the road are measured from the ego's spawn point in its driving direction (``ahead_m``); lateral
quantities are positive to the left of the driving direction.
"""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from testbed.core.deadline import Deadline
from testbed.core.errors import UsageError
from testbed.core.latency_spec import OWN_PATTERN, PLAIN_WORDS, LatencySpec
from testbed.core.weather import PRESETS

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Bound = Finite | Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s*%$", description="Percent, for instance 5 %.")]
"""What a claim states: a number in the metric's unit, or percent of a share."""


def _understood(text: str) -> str:
    try:
        LatencySpec.parse(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return text


Latency = Annotated[
    str,
    AfterValidator(_understood),
    WithJsonSchema({"type": "string", "anyOf": [{"enum": list(PLAIN_WORDS)}, {"pattern": OWN_PATTERN}]}),
]
"""A latency in the words of `testbed.core.latency_spec`."""


class Model(BaseModel):
    """Base of all schema parts: immutable, unknown keys refused, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Weather(Model):
    """A CARLA preset, any of its parameters overridden, and how much each seed varies it."""

    preset: str = Field("ClearNoon", description="Name of a CARLA weather preset.")
    sun_altitude_deg: Finite | None = Field(None, ge=-90, le=90, description="Sun above the horizon.")
    sun_azimuth_deg: Finite | None = Field(None, ge=-360, le=360, description="Sun azimuth, CARLA's convention.")
    cloudiness: Finite | None = Field(None, ge=0, le=100)
    precipitation: Finite | None = Field(None, ge=0, le=100)
    precipitation_deposits: Finite | None = Field(None, ge=0, le=100)
    wetness: Finite | None = Field(None, ge=0, le=100)
    fog_density: Finite | None = Field(None, ge=0, le=100)
    fog_distance_m: Finite | None = Field(None, ge=0, le=10000)
    sun_drift_min: Finite = Field(
        0.0, ge=-240, le=240, description="Minutes the sun has gone on since cards were hung before signs."
    )
    vary: bool = Field(True, description="Let each seed move sun and clouds a little.")

    @model_validator(mode="after")
    def _known_preset(self) -> Self:
        if self.preset not in PRESETS:
            raise ValueError(f"unknown weather preset {self.preset!r}; known: {', '.join(PRESETS)}")
        return self


class LanePlace(Model):
    """A place on the map: OpenDRIVE road, lane and distance along the road's reference line."""

    road: int = Field(ge=0, description="OpenDRIVE road id.")
    lane: int = Field(description="OpenDRIVE lane id, negative right of the reference line.")
    s_m: Finite = Field(ge=0, description="Distance along the reference line.")


class Camera(Model):
    """The driver's view: a pinhole camera fixed to the ego."""

    width_px: int = Field(320, ge=64, le=3840)
    height_px: int = Field(160, ge=32, le=2160)
    fov_deg: Finite = Field(75.0, gt=5, lt=170, description="Horizontal field of view.")
    x_m: Finite = Field(0.6, description="Forward of the ego's origin.")
    z_m: Finite = Field(1.45, gt=0, description="Above the ground.")
    pitch_deg: Finite = Field(-2.0, ge=-45, le=45, description="Upwards positive.")


class Ego(Model):
    """The vehicle under test."""

    blueprint: str = Field("vehicle.lincoln.mkz_2020", description="CARLA blueprint id.")
    spawn: LanePlace
    speed_mps: Finite = Field(25.0, ge=0, le=60, description="Speed at the start and cruising speed.")
    route_m: Finite | None = Field(
        None, gt=0, description="Way along the lane that completes the route; default speed times duration."
    )
    vary: bool = Field(True, description="Let each seed move start, lateral offset, heading and speed a little.")


class Actor(Model):
    """Another road user, moved along its lane by the testbed, so that twins meet the same traffic."""

    id: Identifier
    blueprint: str = Field("vehicle.tesla.model3", description="CARLA blueprint id, of a vehicle or a walker.")
    ahead_m: Finite | None = Field(None, description="Along the road from the ego's spawn point; negative is behind.")
    lane: int | None = Field(
        None, description="OpenDRIVE lane id beside `ahead_m`, default the ego's; of the other sign it is oncoming."
    )
    spawn: LanePlace | None = Field(None, description="A place on the map, instead of `ahead_m` and `lane`.")
    lateral_m: Finite = Field(0.0, ge=-30, le=30, description="From its lane's centre, left of its driving direction.")
    speed_mps: Finite = Field(0.0, ge=0, le=60)
    starts_at_s: Finite = Field(0.0, ge=0, description="Time before which it stands.")
    stops_at_s: Finite | None = Field(None, ge=0, description="Time at which it brakes to a stop.")
    crosses_to_m: Finite | None = Field(
        None, ge=-30, le=30, description="Goes across the lane to this lateral place, instead of along the lane."
    )
    turned_deg: Finite = Field(0.0, ge=-180, le=180, description="Turned against its lane, to the left.")
    vary: bool = Field(True, description="Let each seed move it along its lane a little.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.ahead_m is None) == (self.spawn is None):
            raise ValueError(f"actor {self.id!r} takes exactly one of `ahead_m` and `spawn`")
        if self.spawn is not None and self.lane is not None:
            raise ValueError(f"actor {self.id!r} has its lane in `spawn`; `lane` belongs to `ahead_m`")
        if self.stops_at_s is not None and self.stops_at_s < self.starts_at_s:
            raise ValueError(f"actor {self.id!r} stops before it starts")
        return self


class Sign(Model):
    """A traffic sign beside the ego's road."""

    id: Identifier
    gtsrb_class: int = Field(ge=0, le=42, description="Class of the German Traffic Sign Recognition Benchmark.")
    ahead_m: Finite = Field(gt=0, description="Along the road from the ego's spawn point.")
    lateral_m: Finite = Field(-5.2, description="From the ego's lane centre; negative is right of the road.")
    size_m: Finite = Field(1.0, gt=0.1, le=3.0)
    on_map: bool = Field(
        False, description="Mean the map's own sign of this class that stands nearest to this place; put up none."
    )


class PatchPlace(Model):
    """Where an artefact is put."""

    ahead_m: Finite = Field(gt=0, description="Near end of the artefact along the road from the ego's spawn point.")
    lateral_m: Finite = Field(0.0, description="From the ego's lane centre, positive left.")


TARGETS: dict[str, str] = {"road_patch": "at", "camouflage": "actor", "shadow": "sign", "sign_face": "sign"}
"""Adversary kinds that come with the testbed and the key that says what each is put on."""

_SURFACES = {"at": "a place on the road", "actor": "a vehicle of this scenario", "sign": "a sign of this scenario"}

Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]

MESHES = (".obj", ".gltf", ".glb")
"""Endings of files that are taken for meshes."""


class CarMesh(Model):
    """A vehicle's body in a file of one's own, and how it lies there; the keys are the options of `testbed attack`."""

    file: str = Field(pattern=r"(?i)\.(obj|gltf|glb)$", description="OBJ or glTF; relative to the scenario file.")
    paint: list[str] = Field([], description="Materials that are painted; needed where the file has several.")
    front: Axis = Field("+z", description="Axis of the file along which the car drives.")
    up: Axis = Field("+y", description="Axis of the file that points to the sky.")
    length_m: Finite | None = Field(None, gt=0, le=30, description="Scales the car to this length; default metres.")
    origin: Literal["middle", "file"] = Field(
        "middle",
        description="What stands where the vehicle does: the mesh's middle on its bounding box, or, for meshes taken "
        "from the server's own vehicle, the file's origin on the vehicle's.",
    )


InjectionMode = Literal["auto", "world", "composite", "paste"]


class Adversary(Model):
    """A physical attack, or a control that looks like one."""

    id: Identifier
    kind: Identifier = Field(description="road_patch, camouflage, shadow, sign_face, or the kind of a plug-in.")
    artefact: str | list[str] = Field(
        description="Shipped artefact, its folder, or a picture (PNG); several alternate over the seeds."
    )
    at: PatchPlace | None = Field(None, description="Where on the road (road_patch).")
    actor: Identifier | None = Field(None, description="Which vehicle of this scenario (camouflage).")
    mesh: str | CarMesh | None = Field(
        None,
        description="OBJ or glTF file of that vehicle's body, whose UV map the artefact is for; default what the "
        "artefact was made for.",
    )
    sign: Identifier | None = Field(None, description="Which sign of this scenario (shadow, sign_face).")
    length_m: Finite | None = Field(None, gt=0, le=200, description="Extent along the road of a picture on the road.")
    width_m: Finite | None = Field(None, gt=0, le=50, description="Extent across the road; default 5.4 m.")
    inject: InjectionMode = Field(
        "auto",
        description="How it reaches the camera: in the world, drawn over the picture with depth and light (composite), "
        "or pasted at fixed pixels; auto takes the world where the server can show it, else composite.",
    )
    control: bool = Field(False, description="A control (random dirt), reported beside the attack.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        given = [name for name in _SURFACES if getattr(self, name) is not None]
        wanted = TARGETS.get(self.kind)
        if wanted is not None and given != [wanted]:
            found = f"not {' and '.join(given)}" if given else "which is missing"
            raise ValueError(f"a {self.kind} is put on {_SURFACES[wanted]}: it takes `{wanted}`, {found}")
        if len(given) != 1:
            raise ValueError(f"an adversary takes exactly one of `at`, `actor` and `sign`, not {len(given)}")
        if given != ["at"] and (self.length_m is not None or self.width_m is not None):
            raise ValueError("length_m and width_m are for pictures on the road; this one takes the size of its target")
        if self.mesh is not None and given != ["actor"]:
            raise ValueError("mesh is for what is painted on a vehicle; this one is put on something else")
        if isinstance(self.mesh, str) and not self.mesh.lower().endswith(MESHES):
            raise ValueError(f"mesh {self.mesh!r} must be a file that ends in {', '.join(MESHES)}")
        return self

    @property
    def artefacts(self) -> tuple[str, ...]:
        """All artefact names, one or several."""
        return (self.artefact,) if isinstance(self.artefact, str) else tuple(self.artefact)

    @property
    def car_mesh(self) -> CarMesh | None:
        """The mesh with how it lies in its file; None where the entry names none."""
        return CarMesh(file=self.mesh) if isinstance(self.mesh, str) else self.mesh


class Condition(Model):
    """A named set of adversaries that are injected together."""

    id: Identifier
    inject: list[Identifier] = Field(min_length=1)


class Seeds(Model):
    """Which seeds: a count from a first one, or an explicit list."""

    count: int = Field(3, ge=1, le=100000)
    first: int = Field(101, ge=0)
    values: list[int] | None = Field(None, description="Explicit seeds; overrides count and first.")

    def expand(self) -> tuple[int, ...]:
        """Return the seeds in order."""
        return tuple(self.values) if self.values is not None else tuple(range(self.first, self.first + self.count))


class Limits(Model):
    """Constants of the judges that a scenario may change; `testbed list limits` tells the others."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Finite | None]

    speed_tolerance_mps: Finite = Field(2.0, ge=0)
    speed_tolerance_share: Finite = Field(0.10, ge=0, le=1)
    blocked_after_s: Finite = Field(180.0, gt=0)
    attack_window_s: Finite = Field(2.5, gt=0, description="Driver-reaction window of the DRP paper.")
    lateral_threshold_m: Finite | None = Field(None, gt=0, description="Default (lane width - vehicle width) / 2.")


class Claim(Model):
    """A statement the run is to support or refute, about one metric."""

    id: Identifier
    text: str = Field(min_length=3, max_length=400)
    metric: str = Field(
        pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
        description="For instance lane_departure.rate; testbed list metrics tells all.",
    )
    at_most: Bound | None = None
    at_least: Bound | None = None
    agent: str | None = Field(None, description="Default: judged for every agent.")
    condition: str | None = Field(None, description="benign, an adversary or condition id; default all attacks.")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a claim needs exactly one of at_most and at_least")
        return self

    @property
    def bound(self) -> float | str:
        """The bound as it is written."""
        found = self.at_least if self.at_most is None else self.at_most
        assert found is not None, "a claim has one bound"
        return found


class Scenario(Model):
    """One question and everything needed to answer it."""

    name: Identifier
    question: str = Field(min_length=5, max_length=400)
    map: str = Field("highway", description="Embedded map name, CARLA town or path of an .xodr file.")
    step_s: Finite = Field(0.05, ge=0.005, le=0.2)
    duration_s: Finite = Field(8.0, gt=0, le=3600)
    decision_every_steps: int = Field(2, ge=1, le=100, description="Ticks between perception decisions.")
    weather: Weather = Weather()
    ego: Ego
    camera: Camera = Camera()
    actors: list[Actor] = []
    signs: list[Sign] = []
    route_id: int | None = Field(
        None, ge=0, description="Its number in route and results files of the CARLA Leaderboard; default from its name."
    )
    lights: Literal["green", "red", "cycle"] = Field(
        "green", description="Traffic lights on the ego's way: held green, held red, or their programme from its start."
    )
    adversaries: list[Adversary] = []
    conditions: list[Condition] | None = Field(None, description="Default: each adversary alone.")
    agents: list[str] = Field(["dnn", "solo", "tandem"], min_length=1)
    latency: Latency = Field("card", description="What inference costs on the simulation clock.")
    deadline: Deadline | None = Field(
        None, description="Counts late answers and says what becomes of them; default: all are kept."
    )
    seeds: Seeds = Seeds()
    limits: Limits = Limits()
    judges: list[Identifier] = Field([], description="Judges of other packages that judge beside the testbed's own.")
    claims: list[Claim] = []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [part.id for group in (self.actors, self.signs, self.adversaries) for part in group]
        doubled = sorted({name for name in ids if ids.count(name) > 1})
        if doubled:
            raise ValueError(f"id used twice: {', '.join(doubled)}")
        for adversary in self.adversaries:
            for what, name, there in (
                ("actor", adversary.actor, [actor.id for actor in self.actors]),
                ("sign", adversary.sign, [sign.id for sign in self.signs]),
            ):
                if name is not None and name not in there:
                    known = f"there are {', '.join(there)}" if there else f"it has no {what}s"
                    raise ValueError(f"adversary {adversary.id!r} names an unknown {what} {name!r}; {known}")
        entries = {adversary.id for adversary in self.adversaries}
        for condition in self.conditions or []:
            missing = [name for name in condition.inject if name not in entries]
            if missing or condition.id == "benign":
                raise ValueError(f"condition {condition.id!r} names no adversary: {', '.join(missing) or 'benign'}")
        if "benign" in entries:
            raise ValueError("an adversary cannot be called benign")
        for claim in self.claims:
            if claim.condition is not None and claim.condition not in {"benign", *self.injections()}:
                raise ValueError(f"claim {claim.id!r} names an unknown condition {claim.condition!r}")
        return self

    def injections(self) -> dict[str, tuple[str, ...]]:
        """Return condition id to the adversary ids injected in it, without the benign condition."""
        if self.conditions is not None:
            return {condition.id: tuple(condition.inject) for condition in self.conditions}
        return {adversary.id: (adversary.id,) for adversary in self.adversaries}

    @property
    def route_number(self) -> int:
        """Its number in files of the CARLA Leaderboard, the same wherever it is asked for."""
        return zlib.crc32(self.name.encode("ascii")) if self.route_id is None else self.route_id

    @property
    def planned_route_m(self) -> float:
        """Way along the ego's lane that completes its route."""
        return self.ego.route_m or self.ego.speed_mps * round(self.duration_s / self.step_s) * self.step_s

    def adversary(self, name: str) -> Adversary:
        """Return the adversary entry called ``name``."""
        return next(adversary for adversary in self.adversaries if adversary.id == name)

    def dump(self) -> dict[str, Any]:
        """Return JSON types only: what travels inside an episode plan."""
        kept = self.model_dump(mode="json")
        # what is not asked for leaves a plan's key as it was
        if not self.judges:
            del kept["judges"]
        if self.deadline is None:
            del kept["deadline"]
        if self.route_id is None:
            del kept["route_id"]
        return kept

"""From a plan to its concrete scenario (ISO 34501): what exactly is put into the world for one seed.

Every random choice has a stream of its own, seeded by (seed, purpose), so that adding a sign never changes where the
ego starts, and agent and condition never influence the world: an attacked episode and its benign twin differ in
nothing but the artefact.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from testbed.core.deadline import Deadline
from testbed.core.records import EpisodePlan
from testbed.scenario.schema import Actor, Camera, CarMesh, Limits, PatchPlace, Scenario, Sign, Weather

EGO_S_SPREAD_M = 4.0
EGO_LATERAL_SPREAD_M = 0.10
EGO_HEADING_SPREAD_DEG = 0.2
EGO_SPEED_SPREAD_MPS = 0.4
ACTOR_SPREAD_M = 2.0
SUN_ALTITUDE_SPREAD_DEG = 4.0
SUN_AZIMUTH_SPREAD_DEG = 20.0
CLOUDINESS_SPREAD = 10.0

WEATHER_KEYS: dict[str, str] = {
    "sun_altitude_angle": "sun_altitude_deg",
    "sun_azimuth_angle": "sun_azimuth_deg",
    "cloudiness": "cloudiness",
    "precipitation": "precipitation",
    "precipitation_deposits": "precipitation_deposits",
    "wetness": "wetness",
    "fog_density": "fog_density",
    "fog_distance": "fog_distance_m",
}
"""CARLA's weather parameters that a scenario may change, and their keys in it."""


@dataclass(frozen=True, slots=True)
class EgoStart:
    """Where and how fast the ego starts; lateral and heading positive to the left of the lane."""

    blueprint: str
    road: int
    lane: int
    s_m: float
    lateral_offset_m: float
    heading_error_deg: float
    speed_mps: float
    cruise_mps: float
    route_m: float | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """One artefact to be put into the world.

    Attributes:
        adversary: Id of the scenario's entry.
        kind: Kind of adversary.
        artefact: Shipped name or path.
        mode: ``auto``, ``world``, ``composite`` or ``paste``, as asked for.
        control: Whether it is a control.
        at: Place on the road, for what lies there.
        actor: Id of the vehicle that wears it.
        sign: Id of the sign that bears it.
        length_m: Extent along the road that the scenario asks for; None leaves it to the artefact.
        width_m: Extent across the road, likewise.
        mesh: Body of that vehicle in a file of one's own; None leaves it to the artefact.
    """

    adversary: str
    kind: str
    artefact: str
    mode: str = "auto"
    control: bool = False
    at: PatchPlace | None = None
    actor: str | None = None
    sign: str | None = None
    length_m: float | None = None
    width_m: float | None = None
    mesh: CarMesh | None = None


@dataclass(frozen=True, slots=True)
class ConcreteScenario:
    """A concrete scenario in the sense of ISO 34501: everything that is put into the world for one episode.

    Attributes:
        map: Map name or path.
        step_s: Fixed simulation step.
        steps: Number of ticks.
        decision_every_steps: Ticks between decisions.
        weather_preset: CARLA preset the weather starts from.
        weather: Overrides by CARLA parameter name.
        sun_drift_min: Minutes the sun goes on after everything was put into the world.
        ego: Start of the ego.
        camera: Driver's view.
        actors: Other road users with their seeded places.
        signs: Signs beside the road.
        lights: What traffic lights on the ego's way do: ``green``, ``red`` or ``cycle``.
        injections: Artefacts; empty for benign episodes.
        places: Where adversaries' artefacts are, on the road or on a sign, even in benign episodes, so that twins
            measure the same window.
        limits: Constants of the judges.
        judges: Names of judges of other packages that are asked for.
        deadline: What becomes of answers that come late; None counts none and keeps all.
    """

    map: str
    step_s: float
    steps: int
    decision_every_steps: int
    weather_preset: str
    weather: dict[str, float]
    sun_drift_min: float
    ego: EgoStart
    camera: Camera
    actors: tuple[Actor, ...]
    signs: tuple[Sign, ...]
    lights: str
    injections: tuple[Injection, ...]
    places: tuple[PatchPlace, ...]
    limits: Limits
    judges: tuple[str, ...] = ()
    deadline: Deadline | None = None


def _stream(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(purpose.encode("ascii"))])


def _within(rng: np.random.Generator, spread: float) -> float:
    """Draw from a normal distribution with sigma ``spread``, cut at two sigma."""
    return float(np.clip(rng.normal(0.0, spread), -2.0 * spread, 2.0 * spread))


def _weather(weather: Weather, seed: int) -> dict[str, float]:
    said = {name: getattr(weather, key) for name, key in WEATHER_KEYS.items()}
    chosen: dict[str, float] = {name: value for name, value in said.items() if value is not None}
    if weather.vary:
        rng = _stream(seed, "weather")
        chosen["d_sun_altitude_angle"] = _within(rng, SUN_ALTITUDE_SPREAD_DEG)
        chosen["d_sun_azimuth_angle"] = _within(rng, SUN_AZIMUTH_SPREAD_DEG)
        chosen["d_cloudiness"] = abs(_within(rng, CLOUDINESS_SPREAD))
    return chosen


def _ego(scenario: Scenario, seed: int) -> EgoStart:
    ego, rng = scenario.ego, _stream(seed, "ego")
    spread = 1.0 if ego.vary else 0.0
    return EgoStart(
        blueprint=ego.blueprint,
        road=ego.spawn.road,
        lane=ego.spawn.lane,
        s_m=max(0.0, ego.spawn.s_m + spread * _within(rng, EGO_S_SPREAD_M)),
        lateral_offset_m=spread * _within(rng, EGO_LATERAL_SPREAD_M),
        heading_error_deg=spread * _within(rng, EGO_HEADING_SPREAD_DEG),
        speed_mps=max(0.0, ego.speed_mps + spread * _within(rng, EGO_SPEED_SPREAD_MPS)),
        cruise_mps=ego.speed_mps,
        route_m=ego.route_m,
    )


def _actor(actor: Actor, seed: int) -> Actor:
    if not actor.vary:
        return actor
    moved_m = _within(_stream(seed, f"actor:{actor.id}"), ACTOR_SPREAD_M)
    if actor.spawn is not None:
        place = actor.spawn.model_copy(update={"s_m": max(0.0, actor.spawn.s_m + moved_m)})
        return actor.model_copy(update={"spawn": place})
    assert actor.ahead_m is not None, "the schema asks for one of both places"
    return actor.model_copy(update={"ahead_m": actor.ahead_m + moved_m})


def injected(scenario: Scenario, condition: str, seed: int) -> tuple[Injection, ...]:
    """Return what a condition injects for one seed; several artefacts of an adversary alternate over the seeds."""
    if condition == "benign":
        return ()
    entries = [scenario.adversary(name) for name in scenario.injections()[condition]]
    return tuple(
        Injection(
            adversary=entry.id,
            kind=entry.kind,
            artefact=entry.artefacts[seed % len(entry.artefacts)],
            mode=entry.inject,
            control=entry.control,
            at=entry.at,
            actor=entry.actor,
            sign=entry.sign,
            length_m=entry.length_m,
            width_m=entry.width_m,
            mesh=entry.car_mesh,
        )
        for entry in entries
    )


def _places(scenario: Scenario) -> Iterator[PatchPlace]:
    """Yield where the ego comes to what adversaries do; a vehicle that wears something has no place of its own."""
    signs = {sign.id: sign for sign in scenario.signs}
    for entry in scenario.adversaries:
        if entry.at is not None:
            yield entry.at
        elif entry.sign is not None:
            yield PatchPlace(ahead_m=signs[entry.sign].ahead_m, lateral_m=signs[entry.sign].lateral_m)


def concretise(plan: EpisodePlan) -> ConcreteScenario:
    """Return the concrete scenario of a plan.

    Args:
        plan: Its ``scene`` is a dumped Scenario; ``seed`` and ``condition`` choose the rest.

    Raises:
        pydantic.ValidationError: If the plan's scene is not a scenario.
        KeyError: If the condition is none of the scenario's.
    """
    return concrete_of(Scenario.model_validate(plan.scene), plan.seed, plan.condition)


def concrete_of(scenario: Scenario, seed: int, condition: str = "benign") -> ConcreteScenario:
    """Return the concrete scenario of a seed; raises KeyError if the condition is none of the scenario's."""
    return ConcreteScenario(
        map=scenario.map,
        step_s=scenario.step_s,
        steps=round(scenario.duration_s / scenario.step_s),
        decision_every_steps=scenario.decision_every_steps,
        weather_preset=scenario.weather.preset,
        weather=_weather(scenario.weather, seed),
        sun_drift_min=scenario.weather.sun_drift_min,
        ego=_ego(scenario, seed),
        camera=scenario.camera,
        actors=tuple(_actor(actor, seed) for actor in scenario.actors),
        signs=tuple(scenario.signs),
        lights=scenario.lights,
        injections=injected(scenario, condition, seed),
        places=tuple(_places(scenario)),
        limits=scenario.limits,
        judges=tuple(scenario.judges),
        deadline=scenario.deadline,
    )

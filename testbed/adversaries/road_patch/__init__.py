"""Dirty road patch: stains on the road that pull a lane keeper out of its lane.

After Sato et al., "Dirty Road Can Attack: Security of Deep Learning based Automated Lane Centering under
Physical-World Attack", USENIX Security 2021. ``shape`` says what a patch may be, ``cells`` makes patches that keep to
it, ``world`` and ``texel_matrix`` show them to the camera with gradients, ``drive`` lets the model steer, ``search``
searches. ``baselines`` makes what they are compared with. This file makes the artefacts of a scenario: one attack per
side, and random dirt of the same budget for each.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from testbed.adversaries.artefact import save
from testbed.adversaries.manifest import CurvePoint, RoadPatchManifest
from testbed.adversaries.picture import encode_albedo
from testbed.adversaries.road_patch.shape import PatchShape, dirt
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.adversaries.road_patch.drive import Drive, DriveWorld
    from testbed.adversaries.road_patch.search import PatchSearchSettings
    from testbed.adversaries.road_patch.surrogate import LaneVictim
    from testbed.scenario.schema import PatchPlace, Scenario

Side = Literal["left", "right"]
Method = Literal["closed_loop", "single_frame", "drawn_line"]
BASELINES: dict[str, str] = {"single_frame": "frame_", "drawn_line": "line_"}
"""Methods that an attack is compared with, and how the names of their artefacts begin instead of ``drp_``."""

_Found = tuple[np.ndarray, dict[str, Any]]
"""Texels of added albedo, and what their manifest says beyond what all have."""

SIDES: dict[Side, int] = {"left": 1, "right": -1}
CONTROLS: dict[Side, str] = {"left": "a", "right": "b"}
CHECK_DRIVES = 10
VERSIONED = ("v2lm-testbed", "torch", "numpy", "warp-lang")
METHOD = (
    "Closed-loop dirty road patch after Sato et al., USENIX Security 2021: additive grey stains, Adam on renderer "
    "gradients of drives that the attacked model steers itself"
)
SINGLE_FRAME_METHOD = (
    "Dirty road patch for a single frame under expectation over transformations, a baseline of Sato et al., USENIX "
    "Security 2021: the stains and gradients of the closed-loop patch without its drives"
)
DRAWN_LINE_METHOD = (
    "Drawn lane line, a baseline of Sato et al., USENIX Security 2021: the line of a small grid that pulls farthest"
)
CONTROL_METHOD = "Random dirt with the texel values of an attack, in other places"


@dataclass(frozen=True, slots=True)
class PatchCheck:
    """How a patch did in fresh drives of the optimiser's own bicycle.

    Attributes:
        success: Drives that left the lane toward the side in time.
        drives: Drives driven.
        deviation_m: Mean largest deviation toward the side.
    """

    success: int
    drives: int
    deviation_m: float


def optimise(
    scenario: Scenario,
    *,
    out: Path | None = None,
    seed: int = 0,
    side: Literal["left", "right", "both"] = "both",
    method: Literal["closed_loop", "single_frame", "drawn_line"] = "closed_loop",
    length_m: float = 36.0,
    width_m: float = 5.4,
    speed_mps: float | None = None,
    settings: PatchSearchSettings | None = None,
    shape: PatchShape | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Make the attack patches and their dirt controls for a scenario, against the ``dnn`` agent's lane model.

    Args:
        scenario: Map, weather, camera, traffic and the place of the patch (its first road patch that is no control).
        out: Folder that receives one folder per artefact; default ``artefacts`` in the working directory.
        seed: Seed of all chance.
        side: Which sides to make.
        method: ``closed_loop`` makes the attack and its dirt; ``single_frame`` and ``drawn_line`` make what the attack
            is compared with, see ``baselines``.
        length_m: Length of the patch along the lane.
        width_m: Width of the patch.
        speed_mps: Speed of the attacked car; None is the scenario's.
        settings: How long and how hard to search.
        shape: Size and budget in every detail; None follows from the size and the width of the lane.
        say: Told one line per round.

    Returns:
        Folders of the artefacts, attacks first.

    Raises:
        UsageError: If the scenario has no road patch, the side or method is none, or the patch is too small.
        WeightsError: If the lane model's weights are missing or altered.
        ArtefactError: If an artefact cannot be written.
    """
    import torch

    from testbed.adversaries.road_patch.search import PatchSearchSettings
    from testbed.adversaries.road_patch.surrogate import load_victim
    from testbed.adversaries.road_patch.world import RoadWorld, lane_width_m

    sides = sides_of(side)
    if method not in ("closed_loop", *BASELINES):
        raise UsageError(f"method {method!r} is not known", hint=f"closed_loop, {', '.join(BASELINES)}")
    place = place_of(scenario)
    torch.set_num_threads(1)
    scenario = _at_speed(scenario, speed_mps)
    area = shape or PatchShape.for_lane(lane_width_m(scenario), length_m=length_m, width_m=width_m)
    order = _PatchOrder(
        scenario=scenario,
        place=place,
        method=method,
        shape=area,
        settings=settings or PatchSearchSettings(),
        seed=seed,
        folder=Path("artefacts") if out is None else out,
        say=say,
        extra=_unusual(length_m, width_m, speed_mps),
    )
    victim = load_victim()
    world = RoadWorld(scenario, place, area, latency_s=victim.latency_s)
    made = [_make(order, world, victim, name) for name in sides]
    return [path for rank in range(len(made[0])) for path in (paths[rank] for paths in made)]


def _at_speed(scenario: Scenario, speed_mps: float | None) -> Scenario:
    """Return a scenario with another speed of the ego; None leaves it as it is."""
    if speed_mps is None:
        return scenario
    return scenario.model_copy(update={"ego": scenario.ego.model_copy(update={"speed_mps": speed_mps})})


def _unusual(length_m: float, width_m: float, speed_mps: float | None) -> str:
    """Return the options of a command line for what is not as usual."""
    changed = {"--length-m": (length_m, 36.0), "--width-m": (width_m, 5.4), "--speed-mps": (speed_mps, None)}
    return "".join(f" {option} {value:g}" for option, (value, usual) in changed.items() if value != usual)


@dataclass(frozen=True)
class _PatchOrder:
    """What is to be made, whichever side.

    Attributes:
        scenario: As staged, with the speed that was asked for.
        place: Where the patch lies.
        method: How it is found.
        shape: Size and budget.
        settings: Of the search.
        seed: Seed of all chance.
        folder: Receives the artefacts' folders.
        say: Told how it goes.
        extra: Options of the command line that are not the usual ones.
    """

    scenario: Scenario
    place: PatchPlace
    method: Method
    shape: PatchShape
    settings: PatchSearchSettings
    seed: int
    folder: Path
    say: Callable[[str], None]
    extra: str

    def command(self, side: Side) -> str:
        """Return the command that makes a side of it again."""
        method = "" if self.method == "closed_loop" else f" --method {self.method}"
        usual = f"python -m testbed attack road_patch {self.scenario.name} --side {side} --seed {self.seed}"
        return usual + method + self.extra


def sides_of(side: str) -> Sequence[Side]:
    """Return the sides that an option means; UsageError if it is none."""
    chosen: dict[str, Sequence[Side]] = {"left": ("left",), "right": ("right",), "both": ("left", "right")}
    if side not in chosen:
        raise UsageError(f"side {side!r} is not known", hint="left, right or both")
    return chosen[side]


def place_of(scenario: Scenario) -> PatchPlace:
    """Return where the scenario's first attacking road patch lies.

    Raises:
        UsageError: If it has none.
    """
    for entry in scenario.adversaries:
        if entry.kind == "road_patch" and not entry.control and entry.at is not None:
            return entry.at
    raise UsageError(
        f"scenario {scenario.name!r} has no adversary of kind road_patch that is not a control",
        hint="add one under `adversaries`; its `at` says where the patch lies",
    )


def names_of(scenario_name: str, side: Side) -> tuple[str, str]:
    """Return the names of a scenario's attack toward a side and of its control."""
    stem = scenario_name.removeprefix("drp_").removesuffix("_road")
    return f"drp_{stem}_{side}", f"dirt_{stem}_{CONTROLS[side]}"


def check(
    world: DriveWorld, victim: LaneVictim, texels: np.ndarray, side: int, seed: int, drives: int = CHECK_DRIVES
) -> PatchCheck:
    """Return how a patch does in fresh drives that no search has seen."""
    import torch

    from testbed.adversaries.road_patch.drive import drive
    from testbed.adversaries.road_patch.search import watch_with

    painted = torch.from_numpy(np.ascontiguousarray(texels, dtype=np.float32))
    first = 500_000_000 + 1000 * seed
    done: list[Drive] = [
        drive(world, first + number, watch_with(victim.preview_offset, painted)) for number in range(drives)
    ]
    return PatchCheck(
        sum(item.left_lane(side) for item in done), drives, float(np.mean([item.deviation_m(side) for item in done]))
    )


def _make(order: _PatchOrder, world: DriveWorld, victim: LaneVictim, side: Side) -> list[Path]:
    """Make what one side of an order asks for, write it and return the folders."""
    name, control_name = names_of(order.scenario.name, side)
    if order.method == "closed_loop":
        attack, more = _closed_loop(order, world, victim, side, name)
        control = dirt(order.shape, 2 * order.seed + (side == "right"), attack)
        return [
            _write(order, world, victim, side, name, attack, more),
            _write(order, world, victim, side, control_name, control, {"method": CONTROL_METHOD, "control": True}),
        ]
    name = BASELINES[order.method] + name.removeprefix("drp_")
    find = _single_frame if order.method == "single_frame" else _drawn_line
    texels, more = find(order, world, victim, side, name)
    return [_write(order, world, victim, side, name, texels, more)]


def _closed_loop(order: _PatchOrder, world: DriveWorld, victim: LaneVictim, side: Side, name: str) -> _Found:
    from testbed.adversaries.road_patch.search import search_patch

    started = time.process_time()

    def tell(point: CurvePoint) -> None:
        order.say(
            f"{name}: epoch {point.epoch}, loss {point.loss:.3f}, deviation {point.deviation_m:.2f} m, "
            f"left the lane in {point.success:.0%} of the drives ({time.process_time() - started:.0f} s)"
        )

    found = search_patch(
        world,
        victim.preview_offset,
        SIDES[side],
        order.shape,
        seed=order.seed,
        settings=order.settings,
        on_round=tell,
    )
    facts = {"epochs": found.epochs, "seconds": round(time.process_time() - started)} | _fields(order.settings)
    return found.texels.numpy(), {
        "method": METHOD,
        "side": side,
        "surrogate": victim.surrogate,
        "curve": found.curve,
        "settings": facts,
    }


def _single_frame(order: _PatchOrder, world: DriveWorld, victim: LaneVictim, side: Side, name: str) -> _Found:
    from testbed.adversaries.road_patch.baselines import single_frame

    started = time.process_time()
    found = single_frame(
        world,
        victim.preview_offset,
        SIDES[side],
        order.shape,
        seed=order.seed,
        settings=order.settings,
        say=lambda text: order.say(f"{name}: {text} ({time.process_time() - started:.0f} s)"),
    )
    facts = {"epochs": found.epochs, "seconds": round(time.process_time() - started)} | _fields(order.settings)
    more = {"method": SINGLE_FRAME_METHOD, "side": side, "surrogate": victim.surrogate, "settings": facts}
    return found.texels.numpy(), more


def _drawn_line(order: _PatchOrder, world: DriveWorld, victim: LaneVictim, side: Side, name: str) -> _Found:
    from testbed.adversaries.road_patch.baselines import LINE_WIDTH_M, best_line

    started = time.process_time()
    line = best_line(world, victim.preview_offset, SIDES[side], order.shape, seed=order.seed)
    order.say(f"{name}: from {line.near_m:+.1f} m to {line.far_m:+.1f} m (left is positive)")
    facts: dict[str, float | int | str] = {
        "near_left_m": line.near_m,
        "far_left_m": line.far_m,
        "line_width_m": LINE_WIDTH_M,
        "seconds": round(time.process_time() - started),
    }
    more = {"method": DRAWN_LINE_METHOD, "side": side, "surrogate": victim.surrogate, "settings": facts}
    return line.texels, more


def _fields(settings: PatchSearchSettings) -> dict[str, float | int | str]:
    return {field: getattr(settings, field) for field in settings.__slots__}


def _write(
    order: _PatchOrder,
    world: DriveWorld,
    victim: LaneVictim,
    side: Side,
    name: str,
    texels: np.ndarray,
    more: dict[str, Any],
) -> Path:
    """Check a picture in fresh drives and write it with its manifest."""
    result = check(world, victim, texels, SIDES[side], order.seed)
    order.say(f"{name}: {result.success} of {result.drives} fresh drives left the lane to the {side}")
    facts = {
        "check_success": result.success,
        "check_drives": result.drives,
        "check_deviation_m": round(result.deviation_m, 3),
        "check_side": side,
        "mean_added_albedo": round(float(texels.mean()), 4),
    }
    shape = order.shape
    manifest = RoadPatchManifest.model_validate(
        {
            "name": name,
            "length_m": shape.length_m,
            "width_m": shape.width_m,
            "encoding": "added_albedo_gray8",
            "seed": order.seed,
            "budget": shape.budget,
            "scene": ranges_of(order.scenario, order.place),
            "command": order.command(side),
            "versions": {package: importlib.metadata.version(package) for package in VERSIONED},
            **more,
            "settings": facts | more.get("settings", {}),
        }
    )
    return save(order.folder / name, manifest, encode_albedo(texels, shape.max_added_albedo)).path


def ranges_of(scenario: Scenario, place: PatchPlace) -> dict[str, tuple[float, float]]:
    """Return the ranges of a scenario's situations, for the manifest."""
    from testbed.scenario import concrete

    ego, free, sky = scenario.ego, 2.0 * scenario.ego.vary, 2.0 * scenario.weather.vary

    def around(middle: float, spread: float) -> tuple[float, float]:
        return (round(middle - spread, 6), round(middle + spread, 6))

    return {
        "ahead_m": (place.ahead_m, place.ahead_m),
        "s_m": around(ego.spawn.s_m, free * concrete.EGO_S_SPREAD_M),
        "speed_mps": around(ego.speed_mps, free * concrete.EGO_SPEED_SPREAD_MPS),
        "lateral_offset_m": around(0.0, free * concrete.EGO_LATERAL_SPREAD_M),
        "heading_error_deg": around(0.0, free * concrete.EGO_HEADING_SPREAD_DEG),
        "sun_altitude_change_deg": around(0.0, sky * concrete.SUN_ALTITUDE_SPREAD_DEG),
        "sun_azimuth_change_deg": around(0.0, sky * concrete.SUN_AZIMUTH_SPREAD_DEG),
        "cloudiness_added": (0.0, sky * concrete.CLOUDINESS_SPREAD),
    }

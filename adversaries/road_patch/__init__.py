"""Dirty road patch: stains on the road that pull a lane keeper out of its lane.

After Sato et al., "Dirty Road Can Attack: Security of Deep Learning based Automated Lane Centering under
Physical-World Attack", USENIX Security 2021. ``shape`` says what a patch may be, ``cells`` makes patches that keep to
it, ``world`` and ``lookup`` show them to the camera with gradients, ``drive`` lets the model steer, ``pull`` searches.
This file makes the artefacts of a scenario: one attack per side, and random dirt of the same budget for each.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from adversaries.artefact import save
from adversaries.manifest import CurvePoint, RoadPatchManifest
from adversaries.picture import encode_albedo
from adversaries.road_patch.shape import PatchShape, dirt
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from adversaries.road_patch.drive import Drive, World
    from adversaries.road_patch.pull import PullSettings
    from adversaries.road_patch.surrogate import Victim
    from testbed.scenario.schema import PatchPlace, Scenario

Side = Literal["left", "right"]
SIDES: dict[Side, int] = {"left": 1, "right": -1}
CONTROLS: dict[Side, str] = {"left": "a", "right": "b"}
CHECK_DRIVES = 10
VERSIONED = ("v2lm-testbed", "torch", "numpy", "warp-lang")
METHOD = (
    "Closed-loop dirty road patch after Sato et al., USENIX Security 2021: additive grey stains, Adam on renderer "
    "gradients of drives that the attacked model steers itself"
)
CONTROL_METHOD = "Random dirt with the texel values of an attack, in other places"


@dataclass(frozen=True, slots=True)
class Check:
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
    settings: PullSettings | None = None,
    shape: PatchShape | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Make the attack patches and their dirt controls for a scenario, against the ``dnn`` agent's lane model.

    Args:
        scenario: Map, weather, camera, traffic and the place of the patch (its first road patch that is no control).
        out: Folder that receives one folder per artefact; default ``artefacts`` in the working directory.
        seed: Seed of all chance.
        side: Which sides to make; each brings its own control.
        settings: How long and how hard to search.
        shape: Size and budget.
        say: Told one line per round.

    Returns:
        Folders of the artefacts, attacks first.

    Raises:
        UsageError: If the scenario has no road patch or the side is none.
        WeightsError: If the lane model's weights are missing or altered.
        ArtefactError: If an artefact cannot be written.
    """
    import torch

    from adversaries.road_patch.pull import PullSettings
    from adversaries.road_patch.surrogate import load_victim
    from adversaries.road_patch.world import RoadWorld

    sides = sides_of(side)
    place = place_of(scenario)
    torch.set_num_threads(1)
    chosen, area = settings or PullSettings(), shape or PatchShape()
    victim = load_victim()
    world = RoadWorld(scenario, place, area, latency_s=victim.latency_s)
    folder = Path("artefacts") if out is None else out
    attacks: list[Path] = []
    controls: list[Path] = []
    for name in sides:
        attack, control = _make(world, victim, scenario, place, name, folder, seed, chosen, area, say)
        attacks.append(attack)
        controls.append(control)
    return attacks + controls


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
    stem = scenario_name.removeprefix("drp_")
    return f"drp_{stem}_{side}", f"dirt_{stem}_{CONTROLS[side]}"


def check(world: World, victim: Victim, texels: np.ndarray, side: int, seed: int, drives: int = CHECK_DRIVES) -> Check:
    """Return how a patch does in fresh drives that no search has seen."""
    import torch

    from adversaries.road_patch.drive import drive
    from adversaries.road_patch.pull import watch_with

    painted = torch.from_numpy(np.ascontiguousarray(texels, dtype=np.float32))
    first = 500_000_000 + 1000 * seed
    done: list[Drive] = [
        drive(world, first + number, watch_with(victim.preview_offset, painted)) for number in range(drives)
    ]
    return Check(
        sum(item.left_lane(side) for item in done), drives, float(np.mean([item.deviation_m(side) for item in done]))
    )


def _make(
    world: World,
    victim: Victim,
    scenario: Scenario,
    place: PatchPlace,
    side: Side,
    folder: Path,
    seed: int,
    settings: PullSettings,
    shape: PatchShape,
    say: Callable[[str], None],
) -> tuple[Path, Path]:
    """Search one side, write attack and control, return their folders."""
    from adversaries.road_patch.pull import pull

    attack_name, control_name = names_of(scenario.name, side)
    started = time.monotonic()

    def tell(point: CurvePoint) -> None:
        say(
            f"{attack_name}: epoch {point.epoch}, loss {point.loss:.3f}, deviation {point.deviation_m:.2f} m, "
            f"left the lane in {point.success:.0%} of the drives ({time.monotonic() - started:.0f} s)"
        )

    found = pull(world, victim.preview_offset, SIDES[side], shape, seed=seed, settings=settings, on_round=tell)
    attack = found.texels.numpy()
    control = dirt(shape, 2 * seed + (side == "right"), attack)
    common = {
        "length_m": shape.length_m,
        "width_m": shape.width_m,
        "encoding": "added_albedo_gray8",
        "seed": seed,
        "budget": shape.budget,
        "scene": ranges_of(scenario, place),
        "command": f"python -m testbed attack road_patch {scenario.name} --side {side} --seed {seed}",
        "versions": {
            name: importlib.metadata.version(name) for name in ("v2lm-testbed", "torch", "numpy", "warp-lang")
        },
    }
    written = []
    for name, texels, more in (
        (attack_name, attack, {"method": METHOD, "side": side, "surrogate": victim.surrogate, "curve": found.curve}),
        (control_name, control, {"method": CONTROL_METHOD, "control": True}),
    ):
        pixels = encode_albedo(texels, shape.max_added_albedo)
        result = check(world, victim, texels, SIDES[side], seed)
        say(f"{name}: {result.success} of {result.drives} fresh drives left the lane to the {side}")
        facts: dict[str, float | int | str] = {
            "check_success": result.success,
            "check_drives": result.drives,
            "check_deviation_m": round(result.deviation_m, 3),
            "check_side": side,
            "mean_added_albedo": round(float(texels.mean()), 4),
        }
        if name == attack_name:
            facts |= {"epochs": found.epochs, "seconds": round(time.monotonic() - started)}
            facts |= {field: getattr(settings, field) for field in settings.__slots__}
        manifest = RoadPatchManifest.model_validate({"name": name, "settings": facts, **common, **more})
        written.append(save(folder / name, manifest, pixels).path)
    return written[0], written[1]


def ranges_of(scenario: Scenario, place: PatchPlace) -> dict[str, tuple[float, float]]:
    """Return the ranges of a scenario's situations, for the manifest."""
    from testbed.scenario import realise

    ego, free, sky = scenario.ego, 2.0 * scenario.ego.vary, 2.0 * scenario.weather.vary

    def around(middle: float, spread: float) -> tuple[float, float]:
        return (round(middle - spread, 6), round(middle + spread, 6))

    return {
        "ahead_m": (place.ahead_m, place.ahead_m),
        "s_m": around(ego.spawn.s_m, free * realise.EGO_S_SPREAD_M),
        "speed_mps": around(ego.speed_mps, free * realise.EGO_SPEED_SPREAD_MPS),
        "lateral_offset_m": around(0.0, free * realise.EGO_LATERAL_SPREAD_M),
        "heading_error_deg": around(0.0, free * realise.EGO_HEADING_SPREAD_DEG),
        "sun_altitude_change_deg": around(0.0, sky * realise.SUN_ALTITUDE_SPREAD_DEG),
        "sun_azimuth_change_deg": around(0.0, sky * realise.SUN_AZIMUTH_SPREAD_DEG),
        "cloudiness_added": (0.0, sky * realise.CLOUDINESS_SPREAD),
    }

"""Makes the artefacts of a scenario: the shadow for its sign, and random shadows of the same size as controls."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from adversaries.shadow import polygon as shapes
from adversaries.shadow.swarm import SwarmSettings
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from adversaries.shadow.approach import SignView
    from adversaries.shadow.physical import PhysicalSettings, Reading
    from testbed.scenario.schema import Adversary, Scenario

FACE_BLUR_PX = 5.0
"""Soft edge on a plate of 224 px, as in the paper's physical attack."""

METHOD = (
    "Shadow attack after Zhong et al., CVPR 2022: particle swarm over a polygon, black box, expectation over rendered "
    "approaches to the scenario's own sign and the paper's transformations"
)
CONTROL_METHOD = "Random polygon that shades as much of the plate as an attack; no model was asked"
VERSIONED = ("v2lm-testbed", "torch", "numpy", "warp-lang")


def optimise(
    scenario: Scenario,
    *,
    out: Path | None = None,
    seed: int = 0,
    victim: str = "dnn",
    vertices: int = 3,
    rng: Literal["textbook", "reference"] = "textbook",
    controls: int = 3,
    face: bool = False,
    settings: PhysicalSettings | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Make the shadow for a scenario's sign and its random controls.

    Args:
        scenario: Map, weather, camera and sign (that of its first shadow that is no control).
        out: Folder that receives one folder per artefact; default ``artefacts`` in the working directory.
        seed: Seed of all chance.
        victim: Who is asked, see ``adversaries.shadow.victim``.
        vertices: Corners of the polygon.
        rng: Random factors of the swarm, as in textbooks or as in the published code.
        controls: How many random shadows to make beside it.
        face: Also write the shadow as a printed sign face (kind ``sign_face``), darkened as the sun's absence would.
        settings: How long and how hard to search; overrides ``vertices`` and ``rng``.
        say: Told what happens.

    Returns:
        Folders of the artefacts, the attack first.

    Raises:
        UsageError: If the scenario has no shadow, or the sun does not light its sign.
        WeightsError: If the victim's weights are missing or altered.
        ArtefactError: If an artefact cannot be written.
    """
    from dataclasses import replace

    import torch

    from adversaries import artefact
    from adversaries.manifest import ShadowManifest, SignFaceManifest
    from adversaries.shadow.approach import SignApproach
    from adversaries.shadow.face import painted
    from adversaries.shadow.physical import (
        CHECK_SEEDS,
        PHYSICAL,
        SEARCH_SEEDS,
        PhysicalSettings,
        collect,
        random_twin,
        read,
        search,
    )
    from adversaries.shadow.victim import load_victim, surrogate_of

    torch.set_num_threads(1)
    entry = entry_of(scenario)
    chosen = settings or PhysicalSettings(swarm=replace(PHYSICAL, vertices=vertices, rng=rng))
    asked = load_victim(victim)
    assert entry.sign is not None
    approach = SignApproach(scenario, entry.sign)
    class_id = approach.sign.gtsrb_class
    started = time.monotonic()
    views = collect(approach, SEARCH_SEEDS + 1000 * seed, chosen, shake=True)
    say(f"{entry.id}: {len(views)} views of sign {approach.sign.id!r}, {time.monotonic() - started:.0f} s")
    found = search(views, class_id, asked, chosen, seed=seed, say=lambda line: say(f"{entry.id}: {line}"))
    fresh = collect(approach, CHECK_SEEDS + 1000 * seed, chosen, shake=False)
    seconds = time.monotonic() - started

    folder = Path("artefacts") if out is None else out
    name = entry.artefacts[0]
    command = f"python -m testbed attack shadow {scenario.name} --victim {victim} --seed {seed}"
    common: dict[str, Any] = {
        "kind": "shadow",
        "light_left": round(float(np.median([view.light_left for view in fresh])), 4),
        "blur_px": FACE_BLUR_PX,
        "gtsrb_class": class_id,
        "seed": seed,
        "scene": ranges_of(fresh),
        "command": command,
        "versions": {package: importlib.metadata.version(package) for package in VERSIONED},
    }
    polygons: list[tuple[str, Any, dict[str, Any]]] = [
        (
            name,
            found.polygon,
            {
                "method": METHOD,
                "surrogate": surrogate_of(victim),
                "curve": found.curve,
                "settings": facts_of(chosen) | {"queries": found.queries, "seconds": round(seconds)},
            },
        )
    ]
    for number in range(controls):
        twin = random_twin(found.polygon, class_id, np.random.default_rng([seed, 3, number]), chosen.swarm)
        twin_name = f"random_{name}_{'abcdefghijklmnopqrstuvwxyz'[number]}"
        polygons.append((twin_name, twin, {"method": CONTROL_METHOD, "control": True}))
    benign = read(fresh, None, class_id, asked)
    say(f"{entry.id}: in full sun misread in {benign.misread} of {benign.views} fresh views")
    written = []
    for title, polygon, more in polygons:
        reading = read(fresh, polygon, class_id, asked)
        say(f"{title}: misread in {reading.misread} of {reading.views} fresh views, as {reading.commonest}")
        area = round(shapes.area_on_plate(polygon, class_id), 4)
        manifest = ShadowManifest.model_validate(
            {
                "name": title,
                "polygon": [[round(float(x), 5), round(float(y), 5)] for x, y in polygon],
                "measured": {"vertices": len(polygon), "shaded_share": area},
                "budget": {"vertices": len(polygon), "shaded_share": 1.0},
                "figures": figures_of(reading, benign),
                **common,
                **more,
            }
        )
        written.append(artefact.save(folder / title, manifest).path)
    if face:
        print_of = SignFaceManifest.model_validate(
            {
                "name": f"{name}_face",
                "method": f"{METHOD}; printed on the sign's face instead of cast",
                "surrogate": surrogate_of(victim),
                "gtsrb_class": class_id,
                **{key: common[key] for key in ("seed", "scene", "command", "versions")},
            }
        )
        pixels = painted(found.polygon, common["light_left"], FACE_BLUR_PX)
        written.append(artefact.save(folder / print_of.name, print_of, pixels).path)
    return written


def entry_of(scenario: Scenario) -> Adversary:
    """Return the scenario's first attacking shadow.

    Raises:
        UsageError: If it has none.
    """
    for entry in scenario.adversaries:
        if entry.kind == "shadow" and not entry.control:
            return entry
    raise UsageError(
        f"scenario {scenario.name!r} has no adversary of kind shadow that is not a control",
        hint="add one under `adversaries`; its `sign` says which sign the shadow falls on",
    )


def ranges_of(views: list[SignView]) -> dict[str, tuple[float, float]]:
    """Return the ranges of some views, for the manifest."""

    def span(values: list[float], digits: int) -> tuple[float, float]:
        return round(min(values), digits), round(max(values), digits)

    return {
        "distance_m": span([view.distance_m for view in views], 2),
        "crop_px": span([float(view.width_px) for view in views], 0),
        "light_left": span([view.light_left for view in views], 3),
    }


def figures_of(reading: Reading, benign: Reading) -> dict[str, float]:
    """Return what is told about an artefact: how its victim reads the sign in fresh situations."""
    return {
        "views": reading.views,
        "misread": reading.misread,
        "misread_benign": benign.misread,
        "true_probability": round(reading.true, 4),
        "commonest_class": -1 if reading.commonest is None else reading.commonest,
        "commonest_share": round(reading.share, 4),
    }


def facts_of(settings: PhysicalSettings) -> dict[str, float | int | str]:
    """Return an optimiser's settings, flat."""
    swarm: SwarmSettings = settings.swarm
    facts: dict[str, float | int | str] = {name: getattr(swarm, name) for name in swarm.__slots__}
    facts["top_speed"] = round(swarm.top_speed, 6)
    return facts | {name: getattr(settings, name) for name in settings.__slots__ if name != "swarm"}

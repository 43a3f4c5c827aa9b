"""Make the artefacts of a scenario: the shadow for its sign, and random shadows of the same size as controls."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.shadow import polygon as shapes
from testbed.adversaries.shadow.particle_swarm import SwarmSettings
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.adversaries.shadow.approach import SignApproach, SignView
    from testbed.adversaries.shadow.physical import FoundShadow, PhysicalSettings, SignReadout
    from testbed.adversaries.shadow.victim import BlackBoxClassifier
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
        victim: Who is asked, see ``testbed.adversaries.shadow.victim``.
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
    import torch

    from testbed.adversaries.shadow.approach import SignApproach
    from testbed.adversaries.shadow.physical import PHYSICAL, PhysicalSettings
    from testbed.adversaries.shadow.victim import load_victim, surrogate_of

    torch.set_num_threads(1)
    entry = entry_of(scenario)
    chosen = settings or PhysicalSettings(swarm=replace(PHYSICAL, vertices=vertices, rng=rng))
    asked = load_victim(victim)
    assert entry.sign is not None
    approach = SignApproach(scenario, entry.sign)
    class_id = approach.sign.gtsrb_class
    started = time.monotonic()
    found, fresh = _hunt(approach, asked, chosen, seed, lambda line: say(f"{entry.id}: {line}"))
    facts = facts_of(chosen) | {"queries": found.queries, "seconds": round(time.monotonic() - started)}
    more = {"method": METHOD, "surrogate": surrogate_of(victim), "curve": found.curve, "settings": facts}
    attack = _DrawnShadow(entry.artefacts[0], found.polygon, more)
    drawn = [attack, *_twins(attack, controls, class_id, seed, chosen.swarm)]
    command = f"python -m testbed attack shadow {scenario.name} --victim {victim} --seed {seed}"
    shown = _ShadowTrial(fresh, class_id, asked, Path("artefacts") if out is None else out, command, seed)
    benign = shown.read(None)
    say(f"{entry.id}: in full sun misread in {benign.misread} of {benign.views} fresh views")
    written = [shown.write(one, benign, say) for one in drawn]
    return [*written, shown.write_face(attack)] if face else written


def _hunt(
    approach: SignApproach,
    victim: BlackBoxClassifier,
    settings: PhysicalSettings,
    seed: int,
    say: Callable[[str], None],
) -> tuple[FoundShadow, list[SignView]]:
    """Search a sign's shadow; return it and views of situations that the search has not seen."""
    from testbed.adversaries.shadow.physical import CHECK_SEEDS, SEARCH_SEEDS, collect, search

    started = time.monotonic()
    views = collect(approach, SEARCH_SEEDS + 1000 * seed, settings, shake=True)
    say(f"{len(views)} views of sign {approach.sign.id!r}, {time.monotonic() - started:.0f} s")
    found = search(views, approach.sign.gtsrb_class, victim, settings, seed=seed, say=say)
    return found, collect(approach, CHECK_SEEDS + 1000 * seed, settings, shake=False)


@dataclass(frozen=True, eq=False)
class _DrawnShadow:
    """A shadow that becomes an artefact.

    Attributes:
        name: Of the artefact.
        polygon: (n, 2) in plate units.
        more: What its manifest says beyond what all have.
    """

    name: str
    polygon: NDArray[np.float32]
    more: dict[str, Any]


def _twins(attack: _DrawnShadow, count: int, class_id: int, seed: int, settings: SwarmSettings) -> list[_DrawnShadow]:
    """Return random shadows of an attack's size."""
    from testbed.adversaries.shadow.physical import random_twin

    twins = []
    for number in range(count):
        polygon = random_twin(attack.polygon, class_id, np.random.default_rng([seed, 3, number]), settings)
        name = f"random_{attack.name}_{'abcdefghijklmnopqrstuvwxyz'[number]}"
        twins.append(_DrawnShadow(name, polygon, {"method": CONTROL_METHOD, "control": True}))
    return twins


@dataclass(frozen=True, eq=False)
class _ShadowTrial:
    """Shadows shown to the victim in fresh views, and written with what came of it.

    Attributes:
        views: Fresh views.
        class_id: True class.
        victim: Asked.
        folder: Receives the artefacts' folders.
        command: Makes them again.
        seed: Seed of all chance.
    """

    views: list[SignView]
    class_id: int
    victim: BlackBoxClassifier
    folder: Path
    command: str
    seed: int

    def read(self, polygon: NDArray[np.float32] | None) -> SignReadout:
        """Return how the victim reads the sign with a shadow, or in full sun."""
        from testbed.adversaries.shadow.physical import read

        return read(self.views, polygon, self.class_id, self.victim)

    def write(self, drawn: _DrawnShadow, benign: SignReadout, say: Callable[[str], None]) -> Path:
        """Write a shadow's artefact and return its folder."""
        from testbed.adversaries import artefact
        from testbed.adversaries.manifest import ShadowManifest

        polygon = drawn.polygon
        reading = self.read(polygon)
        say(f"{drawn.name}: misread in {reading.misread} of {reading.views} fresh views, as {reading.commonest}")
        area = round(shapes.area_on_plate(polygon, self.class_id), 4)
        manifest = ShadowManifest.model_validate(
            {
                "kind": "shadow",
                "name": drawn.name,
                "polygon": [[round(float(x), 5), round(float(y), 5)] for x, y in polygon],
                "light_left": self._light_left(),
                "blur_px": FACE_BLUR_PX,
                "measured": {"vertices": len(polygon), "shaded_share": area},
                "budget": {"vertices": len(polygon), "shaded_share": 1.0},
                "figures": figures_of(reading, benign),
                **self._facts(),
                **drawn.more,
            }
        )
        return artefact.save(self.folder / drawn.name, manifest).path

    def write_face(self, attack: _DrawnShadow) -> Path:
        """Write an attack as a printed sign face and return its folder."""
        from testbed.adversaries import artefact
        from testbed.adversaries.manifest import SignFaceManifest
        from testbed.adversaries.shadow.face import painted

        manifest = SignFaceManifest.model_validate(
            {
                "name": f"{attack.name}_face",
                "method": f"{METHOD}; printed on the sign's face instead of cast",
                "surrogate": attack.more["surrogate"],
                **self._facts(),
            }
        )
        pixels = painted(attack.polygon, self._light_left(), FACE_BLUR_PX)
        return artefact.save(self.folder / manifest.name, manifest, pixels).path

    def _light_left(self) -> float:
        return round(float(np.median([view.light_left for view in self.views])), 4)

    def _facts(self) -> dict[str, Any]:
        return {
            "gtsrb_class": self.class_id,
            "seed": self.seed,
            "scene": ranges_of(self.views),
            "command": self.command,
            "versions": {package: importlib.metadata.version(package) for package in VERSIONED},
        }


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


def figures_of(reading: SignReadout, benign: SignReadout) -> dict[str, float]:
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

"""Vehicle camouflage: paint that hides a vehicle from a detector, from all sides, near and far, in any weather.

After Zhou et al., "RAUCA: A Novel Physical Adversarial Attack on Vehicle Detectors via Robust and Accurate Camouflage
Generation", ICML 2024. ``subject`` says what is painted (``own_car`` and ``mesh_file`` read a user's car), ``views``
photographs it and repaints the pictures with gradients, ``search`` descends, ``baselines`` makes the paints it is
compared with, ``measure`` tells how well vehicles are found. This file makes the artefacts of a scenario: the attack,
random camouflage of the same colours, and one plain colour.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.camouflage.own_car import OwnCar
from testbed.core.errors import UsageError

if TYPE_CHECKING:
    from testbed.adversaries.camouflage.car import Subject
    from testbed.adversaries.camouflage.measure import TextureResult
    from testbed.adversaries.camouflage.search import Paint, PaintSearchSettings, SearchProgress
    from testbed.adversaries.camouflage.surrogate import VehicleVictim
    from testbed.adversaries.camouflage.views import VehicleView
    from testbed.scenario.schema import Scenario

METHOD = (
    "Camouflage after Zhou et al. (RAUCA), ICML 2024: Adam on -log(1 - max(conf * CIoU)) of the attacked detector "
    "through the renderer's own light and residual, over views from all sides in all weathers"
)
RANDOM_METHOD = "Random camouflage: the texels of an attack in other places"
PLAIN_METHOD = "One plain colour that reflects as much light as an attack does on average"
RANDOM_NAME, PLAIN_NAME = "random_camouflage", "plain_camouflage"
VERSIONED = ("v2lm-testbed", "torch", "numpy", "warp-lang")
MEASURED_MAPS = ("highway", "rural")
"""Maps of the evaluation grid; without parked cars, which a detector rightly finds, too."""


def optimise(
    scenario: Scenario,
    *,
    out: Path | None = None,
    seed: int = 0,
    steps: int = 2600,
    views: int = 2400,
    rate: float = 0.2,
    cells: int = 128,
    batch: int = 20,
    road_share: float = 0.06,
    maps: str = "",
    start: str = "",
    device: str = "auto",
    mesh: Path | None = None,
    paint: str = "",
    front: str = "+z",
    up: str = "+y",
    length_m: float | None = None,
    texture_px: int = 512,
    check: bool = True,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Make a camouflage against the ``dnn`` agent's vehicle detector, and what it is compared with.

    Args:
        scenario: Its first camouflage that is no control says which vehicle is painted.
        out: Folder that receives one folder per artefact; default ``artefacts`` in the working directory.
        seed: Seed of all chance.
        steps: Gradient steps.
        views: Pictures to choose from.
        rate: Adam's at the start, falling to zero along half a cosine; the paper has 0.01.
        cells: Side of the grid of free texels, enlarged to the vehicle's atlas.
        batch: Pictures a step.
        road_share: Share of pictures as a following car sees them; the others show the vehicle turned by any angle.
        maps: Maps to take them on, comma between them; default all embedded ones.
        start: Camouflage to go on from, by name or path, for instance after the detector was trained anew.
        device: Where to draw and search, a word of `testbed.core.device`; ``auto`` is the CPU.
        mesh: A car of one's own instead, OBJ or glTF.
        paint: Its materials that are painted, comma between them.
        front: Axis of that file along which the car drives.
        up: Axis of that file that points to the sky.
        length_m: Scales that car to this length.
        texture_px: Side of its texture.
        check: Measure all textures at the end, for the manifest; about a minute.
        say: Told one line at a time how it goes.

    Returns:
        Folders of the artefacts: attack, random camouflage, plain colour.

    Raises:
        UsageError: If the scenario has no camouflage, the mesh cannot be used, or the GPU is not there.
        WeightsError: If the detector's weights are missing or altered.
        ArtefactError: If an artefact cannot be written.
    """
    from testbed.adversaries.camouflage.search import PaintSearchSettings
    from testbed.world.maps import available_maps

    order = _PaintOrder(
        scenario=scenario,
        own=None if mesh is None else OwnCar(mesh, tuple(_names(paint)), front, up, length_m, texture_px),
        settings=PaintSearchSettings(steps=steps, batch=batch, rate=rate, cells=cells),
        views=views,
        road_share=road_share,
        places=tuple(_names(maps) or available_maps()),
        start=start,
        device=_place(device),
        seed=seed,
        say=say,
    )
    return _make(order, Path("artefacts") if out is None else out, check=check)


def _place(device: str) -> str:
    """Return the device that both the engine and torch see under one name; raises `UsageError` when one does not."""
    from testbed.agents.placement import placed
    from testbed.world.render.placement import renderer_device

    placed(device, auto="cpu")
    return renderer_device(device)


@dataclass(frozen=True)
class _PaintOrder:
    """What is to be painted, and how.

    Attributes:
        scenario: Says which vehicle, unless there is a car of one's own.
        own: A car of one's own.
        settings: Of the search.
        views: Pictures to choose from.
        road_share: Share of them as a following car sees them.
        places: Maps that they are taken on.
        start: Camouflage to go on from; empty for none.
        device: ``cpu`` or a CUDA device.
        seed: Seed of all chance.
        say: Told how it goes.
    """

    scenario: Scenario
    own: OwnCar | None
    settings: PaintSearchSettings
    views: int
    road_share: float
    places: tuple[str, ...]
    start: str
    device: str
    seed: int
    say: Callable[[str], None]

    def subject(self) -> tuple[Subject, str | None, str]:
        """Return what is painted, its blueprint (None for a car of one's own), and what its artefact is named after."""
        if self.own is not None:
            return self.own.subject(), None, self.own.stem
        from testbed.adversaries.camouflage.car import vehicle_subject

        blueprint = blueprint_of(self.scenario)
        return vehicle_subject(blueprint), blueprint, blueprint.rpartition(".")[2].replace("-", "_")

    def command(self) -> str:
        """Return the command line that makes the same artefacts."""
        settings = self.settings
        return (
            f"python -m testbed attack camouflage {self.scenario.name} --seed {self.seed} "
            f"--maps {','.join(self.places)} --steps {settings.steps} --views {self.views} --rate {settings.rate:g} "
            f"--cells {settings.cells} --batch {settings.batch} --road-share {self.road_share:g}"
            + (f" --start {self.start}" if self.start else "")
            + (self.own.options() if self.own is not None else "")
        )

    def facts(self, subject: Subject, seconds: float) -> dict[str, float | int | str]:
        """Return what a manifest tells about the search."""
        facts: dict[str, float | int | str] = {
            field: getattr(self.settings, field) for field in self.settings.__slots__
        }
        return facts | {
            "views": self.views,
            "road_share": self.road_share,
            "seconds": round(seconds),
            "painted_share_of_atlas": round(float(subject.mask.mean()), 4),
            "subject": subject.name,
        }


def _make(order: _PaintOrder, folder: Path, *, check: bool) -> list[Path]:
    """Make what an order asks for, write it and return the folders."""
    import torch

    from testbed.adversaries.camouflage.baselines import plain_colour, random_camouflage
    from testbed.adversaries.camouflage.surrogate import load_victim

    torch.set_num_threads(1)
    victim = load_victim(order.device)
    subject, blueprint, stem = order.subject()
    started = time.monotonic()
    attack, curve = _attack(order, victim, subject, started)
    seconds = time.monotonic() - started
    atlases = {
        f"rauca_{stem}": attack,
        RANDOM_NAME: random_camouflage(attack, subject.mask, order.seed),
        PLAIN_NAME: plain_colour(attack, subject.mask),
    }
    figures = _figures(subject, atlases, order.seed, order.say) if check else {}
    told = {
        "blueprint": blueprint,
        "seed": order.seed,
        "scene": {"distance_m": (5.0, 60.0), "yaw_deg": (0.0, 360.0), "camera_height_m": (1.2, 4.0)},
        "settings": order.facts(subject, seconds),
        "command": order.command(),
        "versions": {package: importlib.metadata.version(package) for package in VERSIONED},
    }
    written = []
    for name, atlas in atlases.items():
        facts = told | _method(name, victim, curve) | {"figures": figures.get(name, {})}
        if order.own is not None:
            facts["mesh"] = order.own.seen_from(folder / name)
        written.append(_write(folder / name, atlas, facts))
    return written


def _attack(
    order: _PaintOrder, victim: VehicleVictim, subject: Subject, started: float
) -> tuple[NDArray[np.uint8], tuple[dict[str, float], ...]]:
    """Photograph the vehicle, search its paint and return the atlas (h, w, 3) with the curve of the search."""
    from testbed.adversaries.artefact import load
    from testbed.adversaries.camouflage.search import Paint
    from testbed.adversaries.camouflage.views import VehicleScene, photographs, training_viewpoints

    rng = np.random.default_rng([order.seed, 11])
    scenes = [VehicleScene(subject, name, order.device) for name in order.places]
    looks = list(training_viewpoints(order.views, rng, road_share=order.road_share))
    pictures = photographs(scenes, looks, order.seed)
    where = f"{subject.name} on {', '.join(order.places)}"
    order.say(f"{len(pictures)} pictures of {where} ({time.monotonic() - started:.0f} s)")
    given = load(order.start, kind="camouflage").pixels if order.start else None
    colours = Paint(subject.mask, order.settings.cells, rng, order.device, None if given is None else given[..., :3])
    seen = [view.to(order.device) for view in pictures]
    curve = _descend(seen, victim, colours, order.settings, rng, order.say, started)
    return colours.pixels(), curve


def _names(listed: str) -> list[str]:
    return [name for name in listed.split(",") if name]


def _descend(
    views: Sequence[VehicleView],
    victim: VehicleVictim,
    colours: Paint,
    settings: PaintSearchSettings,
    rng: np.random.Generator,
    say: Callable[[str], None],
    started: float,
) -> tuple[dict[str, float], ...]:
    """Search the colours, saying how it goes, and return the curve."""
    from testbed.adversaries.camouflage.search import search

    curve: list[dict[str, float]] = []

    def tell(progress: SearchProgress) -> None:
        curve.append(
            {"step": progress.step, "loss": round(progress.loss, 4), "box_score": round(progress.box_score, 4)}
            | {"lead_score": round(progress.lead_score, 4)}
        )
        say(
            f"step {progress.step}: loss {progress.loss:.3f}, box score {progress.box_score:.3f}, score of the vehicle "
            f"ahead {progress.lead_score:.3f} ({time.monotonic() - started:.0f} s)"
        )

    search(views, victim.decode_fast, colours, settings, rng, tell)
    return tuple(curve)


def _method(name: str, victim: VehicleVictim, curve: tuple[dict[str, float], ...]) -> dict[str, Any]:
    """Return what a manifest says of how an artefact was made: only an attack has asked a model."""
    if name in (RANDOM_NAME, PLAIN_NAME):
        return {"method": {RANDOM_NAME: RANDOM_METHOD, PLAIN_NAME: PLAIN_METHOD}[name], "control": True}
    return {"method": METHOD, "surrogate": victim.surrogate, "curve": curve}


def _write(folder: Path, atlas: NDArray[np.uint8], told: Mapping[str, Any]) -> Path:
    """Write an atlas (side, side, 3) as the artefact that its folder is named after."""
    from testbed.adversaries.artefact import save
    from testbed.adversaries.manifest import CamouflageManifest

    opaque = np.full((*atlas.shape[:2], 1), 255, np.uint8)
    return save(folder, CamouflageManifest(name=folder.name, **told), np.concatenate([atlas, opaque], axis=2)).path


def blueprint_of(scenario: Scenario) -> str:
    """Return the vehicle that the scenario's first attacking camouflage is put on.

    Raises:
        UsageError: If it has none.
    """
    for entry in scenario.adversaries:
        if entry.kind == "camouflage" and not entry.control:
            return next(actor.blueprint for actor in scenario.actors if actor.id == entry.actor)
    raise UsageError(
        f"scenario {scenario.name!r} has no adversary of kind camouflage that is not a control",
        hint="add one under `adversaries`; its `actor` says which vehicle is painted",
    )


def _figures(
    subject: Subject, atlases: Mapping[str, NDArray[np.uint8]], seed: int, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Return AP50 and attack success of every atlas from all sides, from behind and broadside; print the tables."""
    from testbed.adversaries.camouflage.measure import ORIGINAL, detector_answers, measure, table
    from testbed.adversaries.camouflage.surrogate import load_victim
    from testbed.adversaries.camouflage.views import VehicleScene, following_grid, free_grid, photographs
    from testbed.adversaries.picture import srgb_to_linear

    victim = load_victim()
    scenes = [VehicleScene(subject, name) for name in MEASURED_MAPS]
    textures = {ORIGINAL: subject.original} | {name: srgb_to_linear(atlas) for name, atlas in atlases.items()}
    figures: dict[str, dict[str, float]] = {name: {} for name in atlases}
    grids = {
        "grid": (free_grid(), False),
        "following": (following_grid(repeats=1), True),
        "broadside": (following_grid(yaws_deg=(90.0, 270.0), repeats=1), True),
    }
    for grid, (looks, lead) in grids.items():
        views = photographs(scenes, looks, 1000 + seed)
        cells: Sequence[TextureResult] = measure(
            views, textures, detector_answers(victim, lead=lead), threshold=victim.threshold
        )
        say(f"{grid}\n{table(cells)}")
        whole = {cell.texture: cell for cell in cells if cell.factor == "all"}
        for name in atlases:
            figures[name] |= {
                f"{grid}_views": len(views),
                f"{grid}_ap50_original": round(whole[ORIGINAL].ap50, 4),
                f"{grid}_ap50": round(whole[name].ap50, 4),
                f"{grid}_lost": whole[name].lost,
                f"{grid}_held": whole[name].held,
            }
    return figures

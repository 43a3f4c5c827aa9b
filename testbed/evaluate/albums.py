"""What is shown: pictures with their truth, in albums whose recipe decides every byte.

Held-out pictures come from the test split of the user's data sets, or are made on the spot with the same code and from
the same stretches of road that no training picture shows, so that the command needs nothing but a clone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from testbed.core.perception_tasks import STEERING_CLASSES
from testbed.core.types import Box, Image
from testbed.evaluate.answers import NONE, VEHICLE
from testbed.training.data.format import Split, load_split

BENIGN = "benign"
BACKDROPS = 16
"""Driver's views that accompany sign crops: an agent that is asked about a sign sees a road as well."""
PER_PLACE = 2
"""Held-out views at one place in one light: as varied as they come, where training may prefer speed."""
MAP = "highway"


@dataclass(frozen=True, slots=True, eq=False)
class AlbumPicture:
    """One picture and the right answer to the task it is shown for.

    Attributes:
        id: Name within its album; the same scene under another condition has the same one.
        group: Pictures of one group resemble each other.
        image: Driver's view, shape (160, 320, 3), RGB uint8.
        truth: GTSRB class, steering class, ``vehicle`` or ``none``.
        crop: Sign crop, shape (h, w, 3) uint8; None where no sign is asked about.
        box_px: Box of the vehicle ahead; None without one.
        tags: What the picture shows, for breakdowns, for instance ``{"distance": "16 m"}``.
    """

    id: str
    group: str
    image: Image
    truth: str
    crop: Image | None = None
    box_px: Box | None = None
    tags: tuple[tuple[str, str], ...] = ()


class Album(Protocol):
    """Pictures of one task, without and with attacks."""

    @property
    def task(self) -> str:
        """``tsr``, ``alc`` or ``vd``."""

    @property
    def attacks(self) -> tuple[str, ...]:
        """Conditions that attack."""

    @property
    def controls(self) -> tuple[str, ...]:
        """Conditions that only look like an attack."""

    @property
    def artefacts(self) -> dict[str, str]:
        """Shipped artefact to digest."""

    def recipe(self, condition: str) -> dict[str, Any]:
        """Return JSON types that decide the pictures of a condition."""

    def pictures(self, condition: str) -> Sequence[AlbumPicture]:
        """Return the pictures under ``benign`` or another condition of the album."""


def digest_of(recipe: dict[str, Any]) -> str:
    """Return the sha256 (hex) of a recipe."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class HeldOut:
    """Benign pictures of one task that no training picture comes near.

    Args:
        task: ``tsr``, ``alc`` or ``vd``.
        count: Number of pictures; fewer where a data set holds fewer.
        data: Folder with the data sets ``tsr``, ``alc`` and ``vd``; None makes the pictures.
        seed: Seed of what is made, or of which pictures of a data set are taken.
    """

    attacks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()

    def __init__(self, task: str, count: int, *, data: Path | None = None, seed: int = 0) -> None:
        """Make nothing yet."""
        self.task = task
        self._count, self._data, self._seed = count, data, seed
        self._made: list[AlbumPicture] | None = None

    @property
    def artefacts(self) -> dict[str, str]:
        """None."""
        return {}

    def recipe(self, condition: str = BENIGN) -> dict[str, Any]:
        """Return the data set's hashes where there is one, else those of the renderer's sources."""
        from testbed.training.data.generate import SHARES, renderer_hash

        recipe: dict[str, Any] = {"album": "held-out", "task": self.task, "count": self._count, "seed": self._seed}
        if self._data is None:
            return {**recipe, "maps": SHARES[self.task], "renderer_sha256": renderer_hash()}
        folders = {task: self._data / task for task in {self.task, "alc"}}
        hashes = {task: _split(folder, task).card["sha256"] for task, folder in sorted(folders.items())}
        return {**recipe, "data": {task: [h["test.images.npy"], h["test.labels.npz"]] for task, h in hashes.items()}}

    def pictures(self, condition: str = BENIGN) -> list[AlbumPicture]:
        """Return the pictures; there is no condition but ``benign``.

        Raises:
            DatasetError: A data set is missing or damaged.
        """
        if condition != BENIGN:
            raise ValueError(f"held-out pictures know no condition {condition!r}")
        if self._made is None:
            rows = self._stored() if self._data is not None else self._fresh()
            self._made = rows
        return self._made

    def _stored(self) -> list[AlbumPicture]:
        assert self._data is not None
        split = _split(self._data / self.task, self.task)
        rng = np.random.default_rng([self._seed, 11])
        order = np.sort(_balanced(split, self._count, rng))
        behind = _split(self._data / "alc", "alc") if self.task == "tsr" else None
        views = [] if behind is None else [behind.image(i) for i in range(min(BACKDROPS, len(behind)))]
        found = []
        for index in order:
            row = {name: column[index] for name, column in split.labels.items()}
            found.append(_picture(self.task, f"{index:05d}", np.array(split.image(int(index))), row, views))
        return found

    def _fresh(self) -> list[AlbumPicture]:
        from testbed.training.data import generate

        # training sets begin with another seed; their test stream is another one in any case
        seed = 1000 + self._seed
        views: list[Image] = []
        if self.task == "tsr":
            views = [
                image
                for image, _ in generate.views(
                    "alc", map_camera(MAP), "test", BACKDROPS, (seed, 0, 0), per_place=PER_PLACE
                )
            ]
        shares, found = generate.SHARES[self.task], []
        for number, (name, size) in enumerate(zip(shares, generate.divide(self._count, shares), strict=True)):
            made = generate.views(self.task, map_camera(name), "test", size, (seed, number, 0), per_place=PER_PLACE)
            found += [(image, {**row, "group": 100_000 * number + row["group"]}) for image, row in made if size]
        return [_picture(self.task, f"{index:05d}", image, row, views) for index, (image, row) in enumerate(found)]


@cache
def map_camera(map_name: str) -> Any:
    """Return the `testbed.training.data.map_camera.MapCamera` of a map, one per process: building it takes seconds."""
    from testbed.training.data.map_camera import MapCamera

    return MapCamera(map_name)


@cache
def _split(folder: Path, task: str) -> Split:
    return load_split(folder, "test", task=task)


def _balanced(split: Split, count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return indices of a part of a split in which every class is as frequent as it can be."""
    name = {"tsr": "class_id", "alc": "steering", "vd": "present"}[split.task]
    labels = np.asarray(split.labels[name]).astype(np.int64)
    shuffled = rng.permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = np.arange(len(members))
    # one of each class, then the next of each class, and so on
    return shuffled[np.argsort(turn[shuffled], kind="stable")][:count]


def _picture(task: str, name: str, image: Image, row: dict[str, Any], views: Sequence[Image]) -> AlbumPicture:
    if task == "tsr":
        label = str(int(row["class_id"]))
        tags = (("class", label), ("width", "under 24 px" if image.shape[1] < 24 else "24 px and more"))
        return AlbumPicture(name, name, views[int(name) % len(views)], label, image, None, tags)
    group = str(int(row["group"]))
    if task == "alc":
        return AlbumPicture(name, group, image, str(STEERING_CLASSES[int(row["steering"])]))
    present = bool(row["present"])
    box = tuple(float(value) for value in row["lead_box_px"]) if present else None
    return AlbumPicture(name, group, image, VEHICLE if present else NONE, None, box)  # type: ignore[arg-type]

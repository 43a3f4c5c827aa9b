"""What all exchange formats share: pictures as files, clear errors, and our 2:1 view of a foreign photo.

A layout that is not as expected is answered by one sentence: which file, what was expected there, what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PIL import ImageOps, UnidentifiedImageError

from testbed.core.errors import DatasetError
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.training.data.format import SPLITS, WEATHER_FIELDS, Split, load_card, load_split
from testbed.training.data.unseen import EXPORT_CARD, artefacts_of, export_card

Picture = NDArray[np.uint8]
LoadedSplits = tuple[str, dict[str, tuple[list[Picture], dict[str, Any]]]]
"""Task, and per split pictures and label columns."""

ItemT = TypeVar("ItemT")

ORIENTATION = 0x0112
"""EXIF tag that says how a picture is turned."""


def splits(folder: Path, task: str, count: int | None) -> Iterator[tuple[Split, range]]:
    """Yield the splits of one of our data sets with the rows to export.

    Args:
        folder: Data set folder.
        task: Which it must be.
        count: Number of images over both splits, shared out like the whole; None for all.
    """
    found = [load_split(folder, name, task=task) for name in SPLITS]
    whole = sum(len(split) for split in found)
    for split in found:
        rows = len(split) if count is None else min(len(split), max(1, round(count * len(split) / whole)))
        yield split, range(rows)


def evenly(found: Mapping[str, list[ItemT]], count: int | None) -> dict[str, list[ItemT]]:
    """Pick entries of a foreign data set evenly.

    Args:
        found: Split to its entries.
        count: Number of entries over all splits, shared out like the whole; None, or more than there are, for all.
    """
    whole = sum(len(entries) for entries in found.values())
    if count is None or count >= whole:
        return dict(found)
    picked: dict[str, list[ItemT]] = {}
    for name, entries in found.items():
        wanted = max(1, round(count * len(entries) / whole))
        picked[name] = [entries[int(i)] for i in np.linspace(0, len(entries) - 1, wanted)]
    return picked


def save_picture(path: Path, picture: Picture, quality: int = 95) -> None:
    """Write a picture (h, w, 3) RGB uint8; the name's ending chooses the format, JPEG with the given quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"quality": quality} if path.suffix == ".jpg" else {}
    PilImage.fromarray(np.ascontiguousarray(picture)).save(path, **options)


def read_picture(path: Path, named_in: Path, size_px: tuple[int, int] | None = None) -> Picture:
    """Read a picture as (h, w, 3) RGB uint8, as it is meant to be seen; 16 bits become 8.

    Args:
        path: The picture; its ending may be written in other letters than in the file that names it.
        named_in: File that names it.
        size_px: Width and height that the labels say it has; None where they do not.

    Raises:
        DatasetError: When it is missing, no picture, of another size than its labels, or turned by its EXIF data while
            nothing says which way its labels are meant.
    """
    try:
        with PilImage.open(_as_written(path)) as opened:
            return np.array(_eight_bits(_upright(opened, path, named_in, size_px)).convert("RGB"))
    except FileNotFoundError as error:
        raise DatasetError(f"{named_in} names the picture {path}, which does not exist") from error
    except (UnidentifiedImageError, OSError) as error:
        raise DatasetError(f"{path}, named in {named_in}, is no picture that can be read: {error}") from error


def _as_written(path: Path) -> Path:
    """Return a file whose ending is written in capitals, or in small letters, where only that one is there."""
    others = (path.with_suffix(path.suffix.upper()), path.with_suffix(path.suffix.lower()))
    return path if path.exists() else next((other for other in others if other.exists()), path)


def _eight_bits(opened: PilImage.Image) -> PilImage.Image:
    """Return a picture with 8 bits per channel; Pillow alone would cut 16 bits to white."""
    if not opened.mode.startswith("I"):
        return opened
    grey = np.asarray(opened, dtype=np.int64)
    return PilImage.fromarray(np.clip(grey // 257, 0, 255).astype(np.uint8))


def _upright(picture: PilImage.Image, path: Path, named_in: Path, size_px: tuple[int, int] | None) -> PilImage.Image:
    shown = ImageOps.exif_transpose(picture)
    turned = picture.getexif().get(ORIENTATION, 1) != 1
    if turned and (size_px is None or picture.size == shown.size):
        raise DatasetError(
            f"{path} is turned by its EXIF data, and {named_in} does not say which way its labels are meant",
            hint="save it upright and without EXIF data",
        )
    for one in (shown, picture):
        if size_px in (None, one.size):
            return one
    raise DatasetError(f"{named_in} says {path} has {size_px} px, but it has {shown.size}")


def need_folder(path: Path, what: str, hint: str) -> Path:
    """Return a folder that must exist.

    Raises:
        DatasetError: When it does not.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is missing: {what} expected", hint=hint)
    return path


def is_number(value: Any) -> bool:
    """Tell whether what a JSON file holds is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_text(path: Path) -> str:
    """Read a file of text, without the mark that some programs put before it.

    Raises:
        DatasetError: When it cannot be read or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is no UTF-8: {error.reason} at byte {error.start}", hint="save it as UTF-8"
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: When it cannot be read or is no JSON.
    """
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error


def write_text(path: Path, lines: Sequence[str]) -> None:
    """Write lines of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_origin(out: Path, folder: Path, layout: str, pictures: int) -> None:
    """Write the card of an export: ``testbed.json`` for programs, ``README.md`` for people."""
    card = load_card(folder)
    named = artefacts_of(card)
    origin = {"task": card["task"], "layout": layout, "pictures": pictures, "maps": _maps(card), "origin": card}
    origin["artefacts"] = None if named is None else list(named)
    (out / EXPORT_CARD).write_text(json.dumps(origin, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    told = [
        f"# {card['task']} in the {layout} layout",
        "",
        f"{pictures} pictures rendered by the V2LM testbed's simulator (maps: {', '.join(_maps(card))}), exported by",
        f"`python -m testbed dataset export DATA --format {layout}`. Labels are the simulator's ground truth.",
        f"{attacks_told(named)} How they were made, with counts per class and hashes: `{EXPORT_CARD}`.",
    ]
    write_text(out / "README.md", told)


def attacks_told(artefacts: tuple[str, ...] | None) -> str:
    """Return a sentence for people on which attacks pictures show."""
    if artefacts is None:
        return "Whether a picture shows an attack is not known."
    return f"Pictures show {', '.join(artefacts)}." if artefacts else "No picture shows an attack."


def origin_maps(source: Path, layout: str) -> list[str]:
    """Return the maps of a folder that we exported, or the layout's name as the only one of a foreign folder."""
    card = export_card(source)
    return [layout] if card is None else [str(name) for name in card["maps"]]


def _maps(card: dict[str, Any]) -> list[str]:
    return list(card.get("maps") or [card.get("map", "highway")])


def unknown_columns(count: int) -> dict[str, NDArray[Any]]:
    """Return the pose and weather columns of pictures of which neither is known: NaN."""
    return {
        "pose": np.full((count, 6), np.nan, np.float32),
        "weather": np.full((count, len(WEATHER_FIELDS)), np.nan, np.float32),
    }


class PhotoFit:
    """Our 320 x 160 px view of a photo of any size: the largest 2:1 part, cut at the top or at both sides, resized.

    A photo higher than 2:1 loses its upper rows, which show sky; a wider one loses both sides equally.

    Args:
        width_px: Of the photo.
        height_px: Of the photo.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        """Choose the part."""
        ratio = IMAGE_WIDTH_PX / IMAGE_HEIGHT_PX
        self.kept_width = min(float(width_px), height_px * ratio)
        self.kept_height = self.kept_width / ratio
        self.left = (width_px - self.kept_width) / 2.0
        self.top = height_px - self.kept_height
        self.scale = IMAGE_WIDTH_PX / self.kept_width

    def picture(self, photo: Picture) -> Picture:
        """Cut and resize, bilinear with antialiasing."""
        if photo.shape[:2] == (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX):
            return photo
        box = (self.left, self.top, self.left + self.kept_width, self.top + self.kept_height)
        size = (IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX)
        return np.array(PilImage.fromarray(photo).resize(size, PilImage.Resampling.BILINEAR, box=box))

    def x(self, x_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map columns of the photo to columns of the view."""
        return (x_px - self.left) * self.scale

    def y(self, y_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map rows of the photo to rows of the view."""
        return (y_px - self.top) * self.scale

"""Artefacts on disk: a folder with a manifest and a texture that nobody has altered since.

::

    adversaries/artefacts/drp_highway_left/
        manifest.json   what it is, how it was made, how well it did, sha256 of the texture
        texture.png     the picture; top row = far end, left column = left edge, as the driver sees it

A folder of one's own needs no more than ``{"name": ..., "texture": ..., "length_m": ..., "width_m": ...}`` (JSON or
YAML) and an ordinary picture: see docs/adversaries.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.core.errors import ArtefactError
from testbed.core.types import Decal

SHIPPED = Path(__file__).parent / "artefacts"
"""Folder of the artefacts that come with the testbed."""

_MANIFEST_NAMES = ("manifest.json", "manifest.yaml", "manifest.yml")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    """Base of manifest parts: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Surrogate(_Part):
    """The model an attack was optimised against; no other model is ever touched.

    Attributes:
        agent: Agent that drives with this model.
        model: Name of its weight file.
        weights_sha256: Hash of the weights as they were.
    """

    agent: str
    model: str
    weights_sha256: Sha256


class Budget(_Part):
    """How far a road patch may go.

    Attributes:
        max_added_albedo: Largest linear albedo that is added to the road surface.
        perturbable_share: Largest share of the texels that may differ from the bare road.
        greyscale: Whether all three channels are equal.
        brighter_only: Whether the surface can only become brighter.
    """

    max_added_albedo: float = Field(gt=0, le=1)
    perturbable_share: float = Field(gt=0, le=1)
    greyscale: bool = True
    brighter_only: bool = True


class CurvePoint(_Part):
    """One check during optimisation.

    Attributes:
        epoch: Gradient steps taken so far.
        loss: Mean loss since the last check.
        deviation_m: Mean over the checked drives of the largest deviation toward the attack side.
        success: Share of those drives that left the lane within the window.
    """

    epoch: int
    loss: float
    deviation_m: float
    success: float


class Manifest(_Part):
    """What ``manifest.json`` says.

    Attributes:
        version: Layout of this document.
        name: Artefact name.
        kind: Adversary kind that can inject it.
        method: How it was made, one sentence with its source.
        control: Whether it is a control that only looks like an attack.
        side: Side toward which it pulls; None for controls.
        length_m: Extent along the road.
        width_m: Extent across the road.
        texture: File name of the picture, in the manifest's folder.
        texture_sha256: Hash of that file; a manifest without one is not sealed and any picture is accepted.
        encoding: ``added_albedo_gray8``: 8-bit grey, 255 = ``budget.max_added_albedo`` added to the surface;
            ``srgb_rgba8``: an ordinary picture with optional alpha that covers the road.
        surrogate: Attacked model; None where no model was asked.
        seed: Seed of all chance.
        budget: How far it may go; required by ``added_albedo_gray8``.
        scene: Ranges over which it was made, for instance ``{"lateral_offset_m": (-0.15, 0.15)}``.
        settings: Numbers and words that the optimiser was run with.
        curve: Checks during optimisation.
        command: Command that made it.
        versions: Package versions that made it.
    """

    version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    kind: Literal["road_patch"] = "road_patch"
    method: str = "given"
    control: bool = False
    side: Literal["left", "right"] | None = None
    length_m: Positive
    width_m: Positive
    texture: str = Field("texture.png", pattern=r"^[^/\\]+$")
    texture_sha256: Sha256 | None = None
    encoding: Literal["added_albedo_gray8", "srgb_rgba8"] = "srgb_rgba8"
    surrogate: Surrogate | None = None
    seed: int = 0
    budget: Budget | None = None
    scene: dict[str, tuple[float, float]] = {}
    settings: dict[str, float | int | str] = {}
    curve: tuple[CurvePoint, ...] = ()
    command: str = ""
    versions: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked artefact.

    Attributes:
        manifest: What it says about itself.
        path: Its folder.
        pixels: Picture as stored, uint8, shape (rows, columns) for grey, (rows, columns, 4) for colour.
        digest: sha256 (hex) of what decides its effect: encoding, budget, size and texture.
    """

    manifest: Manifest
    path: Path
    pixels: NDArray[np.uint8]
    digest: str

    def decal(self) -> Decal:
        """Return it as a flat thing on the road, ready for injection."""
        manifest = self.manifest
        rgba = np.zeros((*self.pixels.shape[:2], 4), dtype=np.float32)
        if manifest.encoding == "added_albedo_gray8":
            assert manifest.budget is not None
            rgba[..., :3] = decode_albedo(self.pixels, manifest.budget.max_added_albedo)[..., None]
        else:
            alpha = self.pixels[..., 3:].astype(np.float32) / np.float32(255.0)
            rgba[..., :3] = srgb_to_linear(self.pixels[..., :3]) * alpha
            rgba[..., 3:] = alpha
        return Decal(manifest.name, rgba, manifest.length_m, manifest.width_m)


def encode_albedo(added_albedo: NDArray[np.float32], max_added_albedo: float) -> NDArray[np.uint8]:
    """Return added linear albedo as 8-bit grey, 255 = ``max_added_albedo``; values beyond the budget are an error.

    Raises:
        ValueError: If a value is negative or exceeds the budget by more than rounding.
    """
    scaled = np.asarray(added_albedo, dtype=np.float64) / max_added_albedo * 255.0
    if scaled.size and (scaled.min() < -1e-3 or scaled.max() > 255.0 + 1e-3):
        raise ValueError(f"added albedo spans {np.min(added_albedo):.4f} to {np.max(added_albedo):.4f}")
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def decode_albedo(pixels: NDArray[np.uint8], max_added_albedo: float) -> NDArray[np.float32]:
    """Return the added linear albedo of 8-bit grey."""
    return pixels.astype(np.float32) * np.float32(max_added_albedo / 255.0)


def srgb_to_linear(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 8-bit sRGB as linear light in [0, 1] (IEC 61966-2-1)."""
    value = pixels.astype(np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def names() -> tuple[str, ...]:
    """Return the names of the shipped artefacts, sorted."""
    if not SHIPPED.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in SHIPPED.iterdir() if (folder / _MANIFEST_NAMES[0]).is_file()))


def load(name_or_path: str | Path, *, base: Path | None = None) -> Artefact:
    """Read an artefact and check that it is whole.

    Args:
        name_or_path: Name of a shipped artefact, or an artefact's folder or manifest file.
        base: Folder against which a relative path is read; default the working directory.

    Returns:
        The artefact.

    Raises:
        ArtefactError: If it does not exist, was altered since it was made, exceeds its budget or cannot be read; the
            message names the file.
    """
    manifest_path = _find(name_or_path, base)
    manifest = _read_manifest(manifest_path)
    texture_path = manifest_path.parent / manifest.texture
    try:
        content = texture_path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"{texture_path}: cannot read the texture of artefact {manifest.name!r}: {error.strerror or error}",
            hint=f"{manifest_path} names it",
        ) from error
    texture_sha256 = hashlib.sha256(content).hexdigest()
    if manifest.texture_sha256 is not None and manifest.texture_sha256 != texture_sha256:
        raise ArtefactError(
            f"{texture_path}: the texture was altered since artefact {manifest.name!r} was made: sha256 is "
            f"{texture_sha256[:12]}…, the manifest says {manifest.texture_sha256[:12]}…",
            hint="restore the file, or make the artefact again with the command in its manifest",
        )
    pixels = _read_pixels(texture_path, content, manifest.encoding)
    _check_budget(manifest, pixels, texture_path)
    decisive = {
        "encoding": manifest.encoding,
        "length_m": manifest.length_m,
        "max_added_albedo": manifest.budget.max_added_albedo if manifest.budget else None,
        "texture_sha256": texture_sha256,
        "width_m": manifest.width_m,
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode("ascii")).hexdigest()
    return Artefact(manifest, manifest_path.parent, pixels, digest)


def save(folder: Path, manifest: Manifest, pixels: NDArray[np.uint8]) -> Artefact:
    """Write an artefact, sealing its texture, and read it back.

    The manifest is written last, so an interrupted call never leaves a folder that passes for an artefact.

    Args:
        folder: Folder of this artefact; made if needed, an artefact in it is replaced.
        manifest: Manifest; its texture name and hash are filled in.
        pixels: uint8, shape (rows, columns) for ``added_albedo_gray8``, (rows, columns, 4) for ``srgb_rgba8``.

    Raises:
        ArtefactError: If it exceeds its budget or cannot be written.
    """
    import io

    from PIL import Image

    if pixels.dtype != np.uint8:
        raise ArtefactError(f"{folder}: texture has dtype {pixels.dtype}, expected uint8")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    content = buffer.getvalue()
    sealed = manifest.model_copy(
        update={"texture": "texture.png", "texture_sha256": hashlib.sha256(content).hexdigest()}
    )
    _check_budget(sealed, pixels, folder / sealed.texture)
    document = json.dumps(sealed.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MANIFEST_NAMES[0]).unlink(missing_ok=True)
        for name, data in ((sealed.texture, content), (_MANIFEST_NAMES[0], document.encode("utf-8"))):
            temporary = folder / f".{name}.partial"
            temporary.write_bytes(data)
            os.replace(temporary, folder / name)
    except OSError as error:
        raise ArtefactError(f"{folder}: cannot write the artefact: {error.strerror or error}") from error
    return load(folder)


def _find(name_or_path: str | Path, base: Path | None) -> Path:
    """Return the manifest file that a name or path means."""
    text = str(name_or_path)
    shipped = SHIPPED / text / _MANIFEST_NAMES[0]
    if os.sep not in text and shipped.is_file():
        return shipped
    path = (base or Path()) / name_or_path
    if path.is_file() and path.suffix in (".json", ".yaml", ".yml"):
        return path
    if path.is_dir():
        for name in _MANIFEST_NAMES:
            if (path / name).is_file():
                return path / name
        raise ArtefactError(f"{path}: folder has no {_MANIFEST_NAMES[0]}")
    if path.is_file():
        raise ArtefactError(
            f"{path}: not a manifest",
            hint='put {"name": …, "texture": …, "length_m": …, "width_m": …} in a manifest.json beside the picture',
        )
    raise ArtefactError(
        f"artefact {text!r} does not exist, neither shipped nor as a path",
        hint=f"shipped: {', '.join(names()) or 'none'}",
    )


def _read_manifest(path: Path) -> Manifest:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path}: cannot read the manifest: {error}") from error
    document: Any
    if path.suffix == ".json":
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise ArtefactError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    else:
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ArtefactError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'document'}: {item['msg']}" for item in error.errors()
        )
        raise ArtefactError(f"{path}: malformed manifest: {problems}") from error


def _read_pixels(path: Path, content: bytes, encoding: str) -> NDArray[np.uint8]:
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if encoding == "added_albedo_gray8":
                if image.mode != "L":
                    raise ArtefactError(f"{path}: {encoding} needs an 8-bit grey picture, this is {image.mode}")
                return np.array(image, dtype=np.uint8)
            return np.array(image.convert("RGBA"), dtype=np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ArtefactError(f"{path}: not a picture that can be read: {error}") from error


def _check_budget(manifest: Manifest, pixels: NDArray[np.uint8], path: Path) -> None:
    """Raise ArtefactError where a texture exceeds the budget that its manifest declares."""
    budget = manifest.budget
    if manifest.encoding == "added_albedo_gray8":
        if budget is None:
            raise ArtefactError(f"{path}: encoding added_albedo_gray8 needs a budget in the manifest")
        share = float(np.count_nonzero(pixels)) / max(1, pixels.size)
    elif budget is not None:
        raise ArtefactError(f"{path}: a budget is only defined for encoding added_albedo_gray8")
    else:
        return
    if share > budget.perturbable_share + 1e-9:
        raise ArtefactError(
            f"{path}: {share:.1%} of the texels are changed, the budget allows {budget.perturbable_share:.1%}"
        )

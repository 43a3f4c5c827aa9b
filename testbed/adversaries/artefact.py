"""Artefacts on disk: a folder with a manifest, and a picture that nobody has altered since.

::

    adversaries/drp_highway_left/
        manifest.json   what it is, how it was made, how well it did, sha256 of the picture
        texture.png     the picture, for the kinds that have one

An ordinary picture is an artefact, too, without a manifest: ``artefact: my.png``. See docs/adversaries.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from testbed.adversaries.manifest import (
    MANIFESTS,
    CamouflageManifest,
    Manifest,
    PicturedManifest,
    RoadPatchManifest,
    ShadowManifest,
    SignFaceManifest,
    manifest_type,
    parse,
)
from testbed.adversaries.picture import decode_albedo, png_bytes, read_pixels, srgb_to_linear
from testbed.core import shipped
from testbed.core.errors import ArtefactError, ScenarioError
from testbed.core.explain import require
from testbed.core.types import Decal, Payload, Shade, SignFace, Skin
from testbed.core.yaml_reader import read_yaml

SHIPPED = shipped.folder("adversaries")
"""Folder of the artefacts that come with the testbed."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of files that are taken for pictures."""

PATCH_WIDTH_M = 5.4
"""Width of a picture on the road that states no size: that of the dirty-road-patch paper."""

_MANIFEST_NAMES = ("manifest.json", "manifest.yaml", "manifest.yml")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked artefact.

    Attributes:
        manifest: What it says about itself.
        path: Its folder.
        pixels: Picture as stored, uint8, shape (rows, columns) for grey, (rows, columns, 4) for colour; None without.
        digest: sha256 (hex) of what decides its effect.
    """

    manifest: Manifest
    path: Path
    pixels: NDArray[np.uint8] | None
    digest: str

    def payload(self) -> Payload:
        """Return what it puts into the world."""
        manifest = self.manifest
        if isinstance(manifest, ShadowManifest):
            corners = np.array(manifest.polygon, dtype=np.float64)
            return Shade(manifest.name, corners, manifest.light_left, manifest.blur_px)
        if isinstance(manifest, RoadPatchManifest):
            return self._decal(manifest)
        rgba = self._linear()
        if isinstance(manifest, CamouflageManifest):
            mask = None if (rgba[..., 3] == 1.0).all() else np.ascontiguousarray(rgba[..., 3])
            return Skin(manifest.name, np.ascontiguousarray(rgba[..., :3]), mask, manifest.blueprint)
        assert isinstance(manifest, SignFaceManifest)
        return SignFace(manifest.name, rgba)

    def decal(self) -> Decal:
        """Return a road patch as the thing that is laid on the road.

        Raises:
            ArtefactError: If it is of another kind.
        """
        if not isinstance(self.manifest, RoadPatchManifest):
            raise ArtefactError(f"{self.path}: {self.manifest.name!r} is a {self.manifest.kind}, not a road_patch")
        return self._decal(self.manifest)

    def _decal(self, manifest: RoadPatchManifest) -> Decal:
        assert self.pixels is not None
        if manifest.encoding == "added_albedo_gray8":
            assert manifest.budget is not None
            rgba = np.zeros((*self.pixels.shape[:2], 4), dtype=np.float32)
            rgba[..., :3] = decode_albedo(self.pixels, manifest.budget.max_added_albedo)[..., None]
        else:
            rgba = self._linear()
            rgba[..., :3] *= rgba[..., 3:]
        return Decal(manifest.name, rgba, manifest.length_m, manifest.width_m)

    def _linear(self) -> NDArray[np.float32]:
        assert self.pixels is not None
        rgba = np.empty(self.pixels.shape, dtype=np.float32)
        rgba[..., :3] = srgb_to_linear(self.pixels[..., :3])
        rgba[..., 3] = self.pixels[..., 3].astype(np.float32) / np.float32(255.0)
        return rgba


def names() -> tuple[str, ...]:
    """Return the names of the shipped artefacts, sorted."""
    if not SHIPPED.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in SHIPPED.iterdir() if (folder / _MANIFEST_NAMES[0]).is_file()))


def load(
    name_or_path: str | Path,
    *,
    base: Path | None = None,
    kind: str = "road_patch",
    length_m: float | None = None,
    width_m: float | None = None,
) -> Artefact:
    """Read an artefact and check that it is whole.

    Args:
        name_or_path: Name of a shipped artefact, an artefact's folder or manifest file, or a picture.
        base: Folder against which a relative path is read; default the working directory.
        kind: What a picture without a manifest is taken for.
        length_m: Extent along the road of such a picture; default by its shape from the width.
        width_m: Extent across the road; default by its shape from the length, 5.4 m where that is not given either.

    Returns:
        The artefact.

    Raises:
        ArtefactError: If it does not exist, was altered since it was made, exceeds its budget or cannot be read; the
            message names the file.
    """
    path = _find(name_or_path, base)
    if path.suffix.lower() in PICTURES:
        return _from_picture(path, kind, length_m, width_m)
    manifest = _read_manifest(path)
    if length_m is not None or width_m is not None:
        raise ArtefactError(
            f"{path}: artefact {manifest.name!r} states its own size, the scenario cannot set length_m or width_m"
        )
    if not isinstance(manifest, PicturedManifest):
        assert isinstance(manifest, ShadowManifest)
        if manifest.polygon_sha256 not in (None, polygon_sha256(manifest)):
            raise ArtefactError(
                f"{path}: the polygon was altered since artefact {manifest.name!r} was made",
                hint="restore the file, or make the artefact again with the command in its manifest",
            )
        return Artefact(manifest, path.parent, None, _digest(manifest, None))
    return _sealed(manifest, path)


def save(folder: Path, manifest: Manifest, pixels: NDArray[np.uint8] | None = None) -> Artefact:
    """Write an artefact, sealing it, and read it back.

    The manifest is written last, so an interrupted call never leaves a folder that passes for an artefact.

    Args:
        folder: Folder of this artefact; made if needed, an artefact in it is replaced.
        manifest: Manifest; the name of its picture and the seals are filled in.
        pixels: uint8, shape (rows, columns) for ``added_albedo_gray8``, (rows, columns, 4) for colour; None for
            artefacts without a picture.

    Raises:
        ArtefactError: If it exceeds its budget or cannot be written.
    """
    files: list[tuple[str, bytes]] = []
    if isinstance(manifest, PicturedManifest):
        if pixels is None or pixels.dtype != np.uint8:
            raise ArtefactError(f"{folder}: texture has dtype {getattr(pixels, 'dtype', None)}, expected uint8")
        content = png_bytes(pixels)
        seal = {"texture": "texture.png", "texture_sha256": hashlib.sha256(content).hexdigest()}
        sealed: Manifest = manifest.model_copy(update=seal)
        _check_budget(sealed, pixels, folder / "texture.png")
        files.append(("texture.png", content))
    else:
        assert isinstance(manifest, ShadowManifest)
        sealed = manifest.model_copy(update={"polygon_sha256": polygon_sha256(manifest)})
    document = json.dumps(sealed.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    files.append((_MANIFEST_NAMES[0], document.encode("utf-8")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MANIFEST_NAMES[0]).unlink(missing_ok=True)
        for name, data in files:
            temporary = folder / f".{name}.partial"
            temporary.write_bytes(data)
            os.replace(temporary, folder / name)
    except OSError as error:
        raise ArtefactError(f"{folder}: cannot write the artefact: {error.strerror or error}") from error
    return load(folder)


def polygon_sha256(manifest: ShadowManifest) -> str:
    """Return the seal of a shadow: the hash of its polygon, light and blur."""
    return _digest(manifest, None)


def _sealed(manifest: PicturedManifest, path: Path) -> Artefact:
    texture_path = path.parent / manifest.texture
    content = _read(texture_path, f"the texture of artefact {manifest.name!r}", hint=f"{path} names it")
    texture_sha256 = hashlib.sha256(content).hexdigest()
    if manifest.texture_sha256 is not None and manifest.texture_sha256 != texture_sha256:
        raise ArtefactError(
            f"{texture_path}: the texture was altered since artefact {manifest.name!r} was made: sha256 is "
            f"{texture_sha256[:12]}…, the manifest says {manifest.texture_sha256[:12]}…",
            hint="restore the file, or make the artefact again with the command in its manifest",
        )
    grey = isinstance(manifest, RoadPatchManifest) and manifest.encoding == "added_albedo_gray8"
    pixels = read_pixels(texture_path, content, grey=grey)
    _check_budget(manifest, pixels, texture_path)
    return Artefact(manifest, path.parent, pixels, _digest(manifest, texture_sha256))


def _from_picture(path: Path, kind: str, length_m: float | None, width_m: float | None) -> Artefact:
    """Return an ordinary picture as an artefact without seal or budget."""
    if kind not in MANIFESTS or not issubclass(MANIFESTS[kind], PicturedManifest):
        raise ArtefactError(f"{path}: a picture cannot be a {kind}", hint="name an artefact's folder or manifest")
    content = _read(path, "the picture")
    pixels = read_pixels(path, content, grey=False)
    stem = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in path.stem.lower())
    facts: dict[str, Any] = {"name": f"picture_{stem}"[:64], "texture": path.name, "method": "a picture as given"}
    if kind == "road_patch":
        rows, columns = pixels.shape[:2]
        if width_m is None:
            width_m = PATCH_WIDTH_M if length_m is None else length_m * columns / rows
        facts |= {"width_m": width_m, "length_m": width_m * rows / columns if length_m is None else length_m}
    manifest = MANIFESTS[kind].model_validate(facts)
    return Artefact(manifest, path.parent, pixels, _digest(manifest, hashlib.sha256(content).hexdigest()))


def _digest(manifest: Manifest, texture_sha256: str | None) -> str:
    decisive: dict[str, Any] = {name: getattr(manifest, name) for name in manifest.DECISIVE}
    if texture_sha256 is not None:
        decisive["texture_sha256"] = texture_sha256
    if isinstance(manifest, RoadPatchManifest):
        decisive["max_added_albedo"] = manifest.budget.max_added_albedo if manifest.budget else None
    else:
        decisive["kind"] = manifest.kind
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode("ascii")).hexdigest()


def _find(name_or_path: str | Path, base: Path | None) -> Path:
    """Return the manifest or picture that a name or path means."""
    text = str(name_or_path)
    sealed = SHIPPED / text / _MANIFEST_NAMES[0]
    if os.sep not in text and sealed.is_file():
        return sealed
    path = (base or Path()) / name_or_path
    if path.is_file() and path.suffix.lower() in (".json", ".yaml", ".yml", *PICTURES):
        return path
    if path.is_dir():
        for name in _MANIFEST_NAMES:
            if (path / name).is_file():
                return path / name
        raise ArtefactError(f"{path}: folder has no {_MANIFEST_NAMES[0]}")
    if path.is_file():
        raise ArtefactError(
            f"{path}: neither a manifest nor a picture", hint=f"known endings: .json, .yaml, {', '.join(PICTURES)}"
        )
    raise ArtefactError(
        f"artefact {text!r} does not exist, neither shipped nor as a path",
        hint=f"shipped: {', '.join(names()) or 'none'}",
    )


def _read(path: Path, what: str, hint: str = "") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot read {what}: {error.strerror or error}", hint=hint) from error


def _read_manifest(path: Path) -> Manifest:
    if path.suffix != ".json":
        return _read_yaml_manifest(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path}: cannot read the manifest: {error}") from error
    except json.JSONDecodeError as error:
        raise ArtefactError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    try:
        return parse(document)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'document'}: {item['msg']}" for item in error.errors()
        )
        raise ArtefactError(f"{path}: malformed manifest: {problems}") from error
    except ValueError as error:
        raise ArtefactError(f"{path}: malformed manifest: {error}") from error


def _read_yaml_manifest(path: Path) -> Manifest:
    """Read a manifest that a person wrote; a mistake in it is shown with its line."""
    try:
        document = read_yaml(path)
        try:
            expected = manifest_type(document.data)
        except ValueError as error:
            raise document.error(str(error), ("kind",)) from error
        return require(expected, document, strict=False, see_all="")
    except ScenarioError as error:
        raise ArtefactError(f"malformed manifest: {error.args[0]}", hint=error.hint) from error


def _check_budget(manifest: Manifest, pixels: NDArray[np.uint8], path: Path) -> None:
    """Raise ArtefactError where a texture exceeds the budget that its manifest declares."""
    if not isinstance(manifest, RoadPatchManifest):
        return
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

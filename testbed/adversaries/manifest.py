"""What an artefact says about itself: one manifest per kind of artefact, told apart by ``kind``.

Everything that lets a reader judge an attack stands here: method and source, attacked model and its hash, seed, budget
and what was measured against it, the ranges it was made over, how well it did on the way, the command that made it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from testbed.scenario.schema import CarMesh

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Fact = bool | float | int | str


class ManifestPart(BaseModel):
    """Base of manifest parts: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Surrogate(ManifestPart):
    """The model an attack was optimised against; no other model is ever touched.

    Attributes:
        agent: Agent that drives with this model.
        model: Name of its weight file.
        weights_sha256: Hash of the weights as they were.
    """

    agent: str
    model: str
    weights_sha256: Sha256


class Budget(ManifestPart):
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


class CurvePoint(ManifestPart):
    """One check during the optimisation of a road patch.

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


class Manifest(ManifestPart):
    """What ``manifest.json`` says about an artefact of any kind.

    Attributes:
        version: Layout of this document.
        name: Artefact name.
        kind: Adversary kind that can inject it.
        method: How it was made, one sentence with its source.
        control: Whether it is a control that only looks like an attack.
        surrogate: Attacked model; None where no model was asked.
        seed: Seed of all chance.
        measured: What the artefact measures on the scales of its budget; judges hold one against the other. None
            where loading checks the budget itself (road patches).
        scene: Ranges over which it was made, for instance ``{"yaw_deg": (-180, 180)}``.
        settings: Numbers and words that the optimiser was run with.
        figures: How well it did on what it was made for, for instance ``{"ap50_clean": 0.98, "ap50": 0.31}``.
        command: Command that made it.
        versions: Package versions that made it.
    """

    DECISIVE: ClassVar[tuple[str, ...]] = ()
    """Entries that, besides the texture, decide what the artefact does; they go into its digest."""

    version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    kind: str
    method: str = "given"
    control: bool = False
    surrogate: Surrogate | None = None
    seed: int = 0
    measured: dict[str, Fact] | None = None
    scene: dict[str, tuple[float, float]] = {}
    settings: dict[str, float | int | str] = {}
    figures: dict[str, float] = {}
    command: str = ""
    versions: dict[str, str] = {}


class PicturedManifest(Manifest):
    """A manifest with a picture.

    Attributes:
        texture: File name of the picture, in the manifest's folder.
        texture_sha256: Hash of that file; a manifest without one is not sealed and any picture is accepted.
    """

    texture: str = Field("texture.png", pattern=r"^[^/\\]+$")
    texture_sha256: Sha256 | None = None


class RoadPatchManifest(PicturedManifest):
    """A picture on the road; top row = far end, left column = left edge, as the driver sees it.

    Attributes:
        kind: ``road_patch``.
        side: Side toward which it pulls; None for controls.
        length_m: Extent along the road.
        width_m: Extent across the road.
        encoding: ``added_albedo_gray8``: 8-bit grey, 255 = ``budget.max_added_albedo`` added to the surface;
            ``srgb_rgba8``: an ordinary picture with optional alpha that covers the road.
        budget: How far it may go; required by ``added_albedo_gray8``.
        curve: Checks during optimisation.
    """

    DECISIVE = ("encoding", "length_m", "width_m")

    kind: Literal["road_patch"] = "road_patch"
    side: Literal["left", "right"] | None = None
    length_m: Positive
    width_m: Positive
    encoding: Literal["added_albedo_gray8", "srgb_rgba8"] = "srgb_rgba8"
    budget: Budget | None = None
    curve: tuple[CurvePoint, ...] = ()


class CamouflageManifest(PicturedManifest):
    """Paint for a vehicle: an ordinary picture over its paint atlas, alpha 0 where the vehicle keeps its own paint.

    Attributes:
        kind: ``camouflage``.
        blueprint: Vehicle whose atlas it was made for; None fits any.
        mesh: Body of one's own whose atlas it was made for; its path belongs to the manifest's folder.
        budget: What it may be at most, by the names of ``measured``, for instance ``{"painted_share": 1.0}``.
        curve: Checks during optimisation.
    """

    DECISIVE = ("blueprint",)

    kind: Literal["camouflage"] = "camouflage"
    blueprint: str | None = None
    mesh: CarMesh | None = None
    budget: dict[str, Fact] | None = None
    curve: tuple[dict[str, float], ...] = ()


class SignFaceManifest(PicturedManifest):
    """A picture over a sign's plate: its bounding square as the driver sees it, alpha 0 keeps the sign's own face.

    Attributes:
        kind: ``sign_face``.
        gtsrb_class: Sign class it was made for; None fits any.
        budget: What it may be at most, by the names of ``measured``.
        curve: Checks during optimisation.
    """

    kind: Literal["sign_face"] = "sign_face"
    gtsrb_class: int | None = Field(None, ge=0, le=42)
    budget: dict[str, Fact] | None = None
    curve: tuple[dict[str, float], ...] = ()


class ShadowManifest(Manifest):
    """A shadow on a sign; it has no picture, its polygon is sealed instead.

    Attributes:
        kind: ``shadow``.
        polygon: Corners: x to the right, y down as the driver sees it; the plate's bounding square is [0, 1]².
        polygon_sha256: Seal over polygon, light and blur; without one any polygon is accepted.
        light_left: Share of LAB lightness that remains inside.
        blur_px: Width of its soft edge on a plate 224 pixels wide.
        gtsrb_class: Sign class it was made for; None fits any.
        sun: Where the sun stood that it was made for: ``altitude_deg``, ``azimuth_deg``; None for digital attacks.
        budget: What it may be at most, by the names of ``measured``.
        curve: Checks during optimisation.
    """

    DECISIVE = ("polygon", "light_left", "blur_px")

    kind: Literal["shadow"] = "shadow"
    polygon: tuple[tuple[float, float], ...] = Field(min_length=3)
    polygon_sha256: Sha256 | None = None
    light_left: Share = 0.43
    blur_px: float = Field(3.0, ge=0)
    gtsrb_class: int | None = Field(None, ge=0, le=42)
    sun: dict[str, float] | None = None
    budget: dict[str, Fact] | None = None
    curve: tuple[dict[str, float], ...] = ()


MANIFESTS: dict[str, type[Manifest]] = {
    "road_patch": RoadPatchManifest,
    "camouflage": CamouflageManifest,
    "sign_face": SignFaceManifest,
    "shadow": ShadowManifest,
}
"""Kind to the manifest that describes it; a manifest that names no kind is a road patch."""


def manifest_type(document: Any) -> type[Manifest]:
    """Return what a manifest of JSON types must be, by its kind.

    Raises:
        ValueError: If its kind is unknown.
    """
    kind = document.get("kind", "road_patch") if isinstance(document, dict) else "road_patch"
    if not isinstance(kind, str) or kind not in MANIFESTS:
        raise ValueError(f"kind: {kind!r} is unknown, known are {', '.join(MANIFESTS)}")
    return MANIFESTS[kind]


def parse(document: Any) -> Manifest:
    """Return a manifest from JSON types.

    Raises:
        pydantic.ValidationError: If it is malformed.
        ValueError: If its kind is unknown.
    """
    return manifest_type(document).model_validate(document)

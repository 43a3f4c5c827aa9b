import json

import numpy as np
import pytest
from PIL import Image

from testbed import adversaries
from testbed.adversaries.manifest import MANIFESTS, Budget, RoadPatchManifest
from testbed.adversaries.picture import encode_albedo, encode_srgb
from testbed.core.errors import ArtefactError, UsageError
from testbed.core.types import Decal, Shade, SignFace, Skin

PICTURED = ("road_patch", "camouflage", "sign_face")
BUDGET = Budget(max_added_albedo=0.3, perturbable_share=0.5)


def grey(share: float = 0.4) -> np.ndarray:
    values = np.zeros(20 * 10, np.float32)
    values[: int(share * values.size)] = np.linspace(0.01, 0.3, int(share * values.size))
    return values.reshape(20, 10)


def manifest(**more: object) -> RoadPatchManifest:
    facts = {"name": "patch", "length_m": 4.0, "width_m": 2.0, "encoding": "added_albedo_gray8", "budget": BUDGET}
    return RoadPatchManifest.model_validate({**facts, **more})


@pytest.fixture
def folder(tmp_path):
    return adversaries.save(tmp_path / "patch", manifest(), encode_albedo(grey(), 0.3)).path


def test_what_was_saved_is_what_is_loaded(folder):
    artefact = adversaries.load(folder)
    decal = artefact.decal()
    assert (decal.length_m, decal.width_m, decal.name) == (4.0, 2.0, "patch")
    assert decal.rgba.dtype == np.float32 and decal.rgba.shape == (20, 10, 4)
    assert np.abs(decal.rgba[..., 0] - grey()).max() < 0.3 / 255
    assert (decal.rgba[..., 3] == 0.0).all() and (decal.rgba[..., :1] == decal.rgba[..., :3]).all()


def test_same_content_gives_the_same_bytes_and_digest(folder, tmp_path):
    again = adversaries.save(tmp_path / "again", manifest(), encode_albedo(grey(), 0.3))
    assert (again.path / "texture.png").read_bytes() == (folder / "texture.png").read_bytes()
    assert again.digest == adversaries.load(folder).digest
    brighter = manifest(budget=Budget(max_added_albedo=0.4, perturbable_share=0.5))
    assert adversaries.save(tmp_path / "other", brighter, encode_albedo(grey(), 0.3)).digest != again.digest


def test_an_altered_texture_is_refused_by_name(folder):
    pixels = np.array(Image.open(folder / "texture.png"))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(folder / "texture.png")
    with pytest.raises(ArtefactError, match="texture.png.*altered"):
        adversaries.load(folder)


def test_a_missing_texture_is_refused_by_name(folder):
    (folder / "texture.png").unlink()
    with pytest.raises(ArtefactError, match="texture.png"):
        adversaries.load(folder)


def test_a_malformed_manifest_is_refused_with_its_line(folder):
    (folder / "manifest.json").write_text('{"name": "x",\n oops}', encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"manifest.json:2"):
        adversaries.load(folder)


@pytest.mark.parametrize("change", [{"colour": "grey"}, {"length_m": -1.0}, {"version": 7}, {"texture": "../t.png"}])
def test_unknown_or_impossible_entries_are_refused(folder, change):
    document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(document | change), encoding="utf-8")
    with pytest.raises(ArtefactError, match=next(iter(change))):
        adversaries.load(folder)


def test_an_unknown_name_tells_what_there_is():
    with pytest.raises(ArtefactError, match=r"nothing_like_it.*shipped"):
        adversaries.load("nothing_like_it")


def test_more_texels_than_the_budget_allows_are_refused(tmp_path):
    with pytest.raises(ArtefactError, match="60.0%.*50.0%"):
        adversaries.save(tmp_path / "patch", manifest(), encode_albedo(grey(0.6), 0.3))
    assert not (tmp_path / "patch" / "manifest.json").exists()


def test_more_albedo_than_the_budget_allows_cannot_be_encoded():
    with pytest.raises(ValueError, match="0.31"):
        encode_albedo(np.full((2, 2), 0.31, np.float32), 0.3)


def test_a_picture_of_ones_own_needs_four_entries(tmp_path):
    picture = np.zeros((6, 4, 4), np.uint8)
    picture[0, 0] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "mine.png")
    (tmp_path / "manifest.yaml").write_text(
        "name: mine\ntexture: mine.png\nlength_m: 3\nwidth_m: 2\n", encoding="utf-8"
    )
    decal = adversaries.load("manifest.yaml", base=tmp_path).decal()
    assert decal.rgba[0, 0].tolist() == [1.0, 0.0, 0.0, 1.0] and not decal.rgba[1:].any()
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ArtefactError, match="neither a manifest nor a picture"):
        adversaries.load(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    "text, said",
    [
        (b"name: mine\nname: other\n", "2:1: key 'name' is given twice"),
        (b"name: mine\nlength_m: 3\nwidth_m: wide\n", "3:10: width_m: expected a number in metres, got 'wide'"),
        (b"name: mine\nlength_m: 3\nwidht_m: 2\n", "3:1: unknown key 'widht_m'; did you mean 'width_m'?"),
        (b"name: mine\nkind: poster\n", "2:7: kind: 'poster' is unknown, known are road_patch"),
        (b"kind: shadow\nname: mine\npolygon: [[0, 0], [1, 0]]\n", "3:10: polygon: needs at least 3"),
        (b"name:\tmine\n\tkind: shadow\n", "2:1: not valid YAML: found a tab"),
        (b"name: m\xff\n", "1:8: not UTF-8 text"),
        (b"- name: mine\n", "1:1: the file: expected a group of keys"),
    ],
)
def test_a_mistake_in_a_manifest_in_yaml_is_shown_with_its_line(tmp_path, text, said):
    (tmp_path / "manifest.yaml").write_bytes(text)
    with pytest.raises(ArtefactError) as refused:
        adversaries.load(tmp_path)
    assert f"malformed manifest: {tmp_path / 'manifest.yaml'}:{said}" in str(refused.value)


def test_a_shadow_in_yaml(tmp_path):
    (tmp_path / "manifest.yaml").write_text("kind: shadow\nname: mine\npolygon: [[0, 0], [1, 0.5], [0, 1]]\n")
    shade = adversaries.load(tmp_path).payload()
    assert isinstance(shade, Shade) and shade.polygon.tolist() == [[0, 0], [1, 0.5], [0, 1]]


def test_every_shipped_artefact_is_whole_sealed_and_named_after_its_folder():
    for name in adversaries.names():
        artefact = adversaries.load(name)
        seal = "polygon_sha256" if artefact.manifest.kind == "shadow" else "texture_sha256"
        assert artefact.manifest.name == name and getattr(artefact.manifest, seal)
        assert artefact.manifest.command.startswith("python -m testbed attack")
        assert artefact.manifest.control or artefact.manifest.surrogate


def test_shipped_attacks_were_made_against_the_shipped_weights():
    from testbed.agents import weights

    for name in adversaries.names():
        surrogate = adversaries.load(name).manifest.surrogate
        if surrogate is not None:
            card = weights.card(surrogate.model)
            # The same weights count in the form that they had before they were stored in fewer bits.
            known = {card["sha256"], card.get("stored", {}).get("of_sha256")}
            assert surrogate.weights_sha256 in known, f"{name}: make it again"


def test_shipped_dirt_has_exactly_the_texels_of_its_attack():
    for attack, control in (("drp_highway_left", "dirt_highway_a"), ("drp_highway_right", "dirt_highway_b")):
        first, second = (adversaries.load(name) for name in (attack, control))
        assert first.manifest.budget == second.manifest.budget
        assert np.array_equal(np.sort(first.pixels, None), np.sort(second.pixels, None))


def test_a_picture_is_an_artefact_of_the_kind_that_is_asked_for(tmp_path):
    pixels = np.full((30, 10, 4), 255, np.uint8)
    pixels[:15, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "My Picture.png")
    decal = adversaries.load("My Picture.png", base=tmp_path).payload()
    assert isinstance(decal, Decal) and (decal.width_m, decal.length_m) == (5.4, pytest.approx(16.2))
    assert not decal.rgba[:15].any() and (decal.rgba[15:] == 1.0).all()
    sized = adversaries.load("My Picture.png", base=tmp_path, length_m=6.0).payload()
    assert (sized.width_m, sized.length_m) == (pytest.approx(2.0), 6.0)
    skin = adversaries.load("My Picture.png", base=tmp_path, kind="camouflage").payload()
    assert (
        isinstance(skin, Skin) and skin.mask is not None and skin.mask[:15].max() == 0.0 and skin.mask[15:].min() == 1.0
    )
    face = adversaries.load("My Picture.png", base=tmp_path, kind="sign_face").payload()
    assert isinstance(face, SignFace) and face.rgba.shape == (30, 10, 4)
    with pytest.raises(ArtefactError, match="a picture cannot be a shadow"):
        adversaries.load("My Picture.png", base=tmp_path, kind="shadow")
    digests = {adversaries.load("My Picture.png", base=tmp_path, kind=kind).digest for kind in PICTURED}
    assert len(digests) == 3


@pytest.mark.parametrize("kind", PICTURED[1:])
def test_paint_and_faces_come_back_as_they_were_saved(tmp_path, kind):
    rng = np.random.default_rng(1)
    linear = rng.random((16, 16, 3), dtype=np.float32)
    mask = (rng.random((16, 16)) > 0.5).astype(np.float32)
    made = MANIFESTS[kind].model_validate(
        {"name": "mine", "budget": {"painted_share": 0.9}, "measured": {"painted_share": float(mask.mean())}}
    )
    payload = adversaries.save(tmp_path / "mine", made, encode_srgb(linear, mask)).payload()
    if kind == "camouflage":
        assert np.abs(payload.rgb - linear).max() < 0.01 and np.array_equal(payload.mask, mask)
    else:
        assert np.abs(payload.rgba[..., :3] - linear).max() < 0.01 and np.array_equal(payload.rgba[..., 3], mask)
    assert adversaries.load(tmp_path / "mine").manifest.texture_sha256


def test_a_shadow_is_sealed_without_a_picture(tmp_path):
    shadow = adversaries.ShadowManifest(name="corner", polygon=((0, 0), (1, 0), (0, 1)), light_left=0.5)
    saved = adversaries.save(tmp_path / "corner", shadow)
    payload = adversaries.load(tmp_path / "corner").payload()
    assert isinstance(payload, Shade) and payload.polygon.shape == (3, 2) and payload.light_left == 0.5
    assert saved.pixels is None and not (tmp_path / "corner" / "texture.png").exists()
    path = tmp_path / "corner" / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | {"light_left": 0.2}), encoding="utf-8")
    with pytest.raises(ArtefactError, match="polygon was altered"):
        adversaries.load(tmp_path / "corner")
    path.write_text(json.dumps(document | {"kind": "curse"}), encoding="utf-8")
    with pytest.raises(ArtefactError, match="kind: 'curse' is unknown, known are road_patch"):
        adversaries.load(tmp_path / "corner")


def test_the_scenario_cannot_resize_what_states_its_size(folder):
    with pytest.raises(ArtefactError, match="states its own size"):
        adversaries.load(folder, width_m=3.0)


def test_kinds_are_known_by_name():
    assert {"road_patch", "camouflage", "shadow", "sign_face"} <= set(adversaries.kinds())
    with pytest.raises(UsageError, match="did you mean 'shadow'"):
        adversaries.kind("shadwo")
    with pytest.raises(UsageError, match="makes no artefacts"):
        adversaries.optimise("sign_face", None)

"""Every kind of defence: what it does to pictures, what it refuses, and that its chance follows from the seed alone."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from testbed.agents.defences import Cropping, Defence, alter, build, build_all, check_effect, describe, kinds
from testbed.agents.defences.registry import probe_picture, shown
from testbed.core.errors import AgentError, UsageError

SETTINGS: dict[str, dict[str, Any]] = {
    "autoencoder": {},
    "bit_depth": {"bits": 3},
    "equalise": {},
    "jpeg": {"quality": 40},
    "median": {"size_px": 5},
    "noise": {"sigma": 12.0},
    "random_crop": {"share": 0.7},
    "selective": {"below": 0.9},
}
SHAPES = ((160, 320), (11, 10), (64, 64), (37, 51))


def _picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = np.linspace(20, 220, width)[None, :, None] + rng.normal(0, 12, (height, width, 3))
    return np.clip(base, 0, 255).astype(np.uint8)


def test_every_kind_has_a_test() -> None:
    assert set(SETTINGS) == set(kinds())


@pytest.mark.parametrize("kind", sorted(SETTINGS))
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_keep_their_size_and_are_not_written_into(kind: str, shape: tuple[int, int]) -> None:
    defence = build({"kind": kind, **SETTINGS[kind]})
    picture = _picture(*shape)
    before = picture.copy()
    picture.flags.writeable = False
    seen = defence.alter(picture, np.random.default_rng(0))
    assert seen.shape == picture.shape and seen.dtype == np.uint8
    assert np.array_equal(picture, before)
    assert np.array_equal(seen, picture) == (kind == "selective")
    check_effect(defence)


@pytest.mark.parametrize("kind", sorted(SETTINGS))
def test_batches_repeat_and_do_not_depend_on_their_cut(kind: str) -> None:
    chain = build_all([{"kind": kind, **SETTINGS[kind]}])
    batch = np.stack([_picture(24, 24, seed) for seed in range(5)])
    whole = alter(chain, batch, seed=3)
    parts = np.concatenate([alter(chain, batch[:2], seed=3), alter(chain, batch[2:], seed=3, first=2)])
    assert np.array_equal(whole, parts)
    assert np.array_equal(whole, alter(chain, batch, seed=4)) == (kind not in ("noise", "random_crop"))
    assert alter(chain, batch[:0]).shape == batch[:0].shape


def test_order_counts_and_questions_choose() -> None:
    batch = _picture(32, 32)[None]
    coarse, soft = {"kind": "bit_depth", "bits": 2}, {"kind": "jpeg", "quality": 20}
    assert not np.array_equal(alter(build_all([coarse, soft]), batch), alter(build_all([soft, coarse]), batch))
    chain = build_all([{**coarse, "questions": ["tsr"]}])
    assert np.array_equal(alter(chain, batch, question="alc"), batch)
    assert len(np.unique(alter(chain, batch, question="tsr"))) <= 4


def test_bit_depth_rounds_to_the_nearest_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    seen = build({"kind": "bit_depth", "bits": 1}).alter(levels, np.random.default_rng(0))
    assert np.unique(seen).tolist() == [0, 255] and seen[0, 127, 0] == 0 and seen[0, 128, 0] == 255
    for bits in range(1, 8):
        seen = build({"kind": "bit_depth", "bits": bits}).alter(levels, np.random.default_rng(0))
        assert len(np.unique(seen)) == 2**bits
        assert np.abs(seen.astype(int) - levels).max() <= 255 / (2**bits - 1) / 2 + 1


def test_median_removes_a_dot_and_keeps_an_edge() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    picture[:, 10:] = 200
    clean = picture.copy()
    picture[5, 5] = 255
    assert np.array_equal(build({"kind": "median", "size_px": 3}).alter(picture, np.random.default_rng(0)), clean)


def test_noise_has_the_deviation_it_says() -> None:
    grey = np.full((100, 100, 3), 128, np.uint8)
    seen = build({"kind": "noise", "sigma": 10}).alter(grey, np.random.default_rng(0))
    assert float((seen.astype(float) - 128).std()) == pytest.approx(10.0, rel=0.03)


def test_equalise_spreads_a_dull_picture() -> None:
    dull = (100 + _picture(40, 40) // 8).astype(np.uint8)
    seen = build({"kind": "equalise"}).alter(dull, np.random.default_rng(0))
    assert np.ptp(seen.astype(int)) > 5 * np.ptp(dull.astype(int))


def test_harder_compression_changes_more() -> None:
    picture = _picture(64, 64)

    def change(quality: int) -> float:
        seen = build({"kind": "jpeg", "quality": quality}).alter(picture, np.random.default_rng(0))
        return float(np.abs(seen.astype(float) - picture).mean())

    assert change(10) > change(50) > change(90) > 0.0


def test_random_crop_shows_the_window_it_says() -> None:
    defence = build({"kind": "random_crop", "share": 0.5})
    assert isinstance(defence, Cropping)
    ramp = np.tile(np.linspace(0, 255, 320)[None, :, None], (160, 1, 3)).astype(np.uint8)
    for number in range(20):
        seen, part = shown([defence], ramp, "vd", 5, number)
        assert 0.0 <= part[0] < part[2] <= 320.0 and 0.0 <= part[1] < part[3] <= 160.0
        assert 0.5 <= (part[2] - part[0]) / 320.0 <= 1.0
        assert (part[2] - part[0]) / 320.0 == pytest.approx((part[3] - part[1]) / 160.0)
        edges = np.array([part[0], part[2]]) / 320.0 * 255.0
        np.testing.assert_allclose(seen[80, [0, -1], 0], edges, atol=2.5)


def test_windows_of_two_crops_multiply() -> None:
    chain = build_all([{"kind": "random_crop", "share": 0.5}, {"kind": "random_crop", "share": 0.5}])
    ramp = np.tile(np.linspace(0, 255, 320)[None, :, None], (160, 1, 3)).astype(np.uint8)
    seen, part = shown(chain, ramp, "vd", 1, 0)
    np.testing.assert_allclose(seen[80, [0, -1], 0], np.array([part[0], part[2]]) / 320.0 * 255.0, atol=3.0)


def test_the_autoencoder_takes_noise_away() -> None:
    smooth = np.clip(_picture(96, 160).astype(float) * 0 + np.linspace(60, 180, 160)[None, :, None], 0, 255)
    noisy = np.clip(smooth + np.random.default_rng(2).normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
    seen = build({"kind": "autoencoder"}).alter(noisy, np.random.default_rng(0))
    assert np.abs(seen - smooth).mean() < 0.6 * np.abs(noisy - smooth).mean()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "bit_depth", "bits": 8}, "bits 8 changes nothing: pictures have 8 bits"),
    ({"kind": "bit_depth", "bits": 0}, "bits 0 must be a whole number from 1 to 7"),
    ({"kind": "noise", "sigma": 0}, "sigma 0 changes nothing"),
    ({"kind": "noise", "sigma": -3}, "sigma -3 must be a number above"),
    ({"kind": "median", "size_px": 1}, "size_px 1 changes nothing"),
    ({"kind": "median", "size_px": 4}, "size_px 4 must be odd"),
    ({"kind": "random_crop", "share": 1.0}, "share 1.0 changes nothing"),
    ({"kind": "random_crop", "share": 0.1}, "share 0.1 must be a number above 0.3"),
    ({"kind": "jpeg", "quality": 100}, "quality 100 must be a whole number from 1 to 95"),
    ({"kind": "jpeg", "quality": "good"}, "quality 'good' must be a whole number"),
    ({"kind": "jpeg", "quality": True}, "quality True must be a whole number"),
    ({"kind": "selective", "below": 0.0}, "below 0.0 must be a number above 0"),
    ({"kind": "selective", "below": 0.4}, "below 0.4 changes nothing for vd 0.500"),
    ({"kind": "jpg"}, "unknown defence 'jpg' .*did you mean 'jpeg'"),
    ({"kind": "jpeg", "bits": 3}, "defence 'jpeg' has no setting 'bits' .it has quality, questions"),
    ({"kind": "jpeg", "questions": ["signs"]}, r"questions \['signs'\] must be some of \[tsr, alc, vd\]"),
    ({"kind": "jpeg", "questions": []}, r"questions \[\] must be some of"),
    ({"quality": 3}, "a defence is a mapping with a kind"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_changes_nothing_or_is_mistaken_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(settings)


def test_a_list_is_a_list() -> None:
    for wrong in ({"kind": "jpeg"}, "jpeg", 3, [["jpeg"]]):
        with pytest.raises(UsageError, match="defence"):
            build_all(wrong)


@dataclass(frozen=True, kw_only=True)
class Sepia(Defence):
    """A third party's defence."""

    kind = "sepia"
    strength: float = 0.5

    def alter(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (image * np.array([1.0, 1.0 - 0.2 * self.strength, 1.0 - 0.4 * self.strength])).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Spoiler(Defence):
    kind = "spoiler"
    how: str = "writes"

    def alter(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.how == "writes":
            image[0] = 0
            return image
        return image[:-1]


def test_third_parties_are_found_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(*, group: str) -> list[importlib.metadata.EntryPoint]:
        names = {"sepia": f"{__name__}:Sepia", "odd": "json:dumps", "jpeg": "json:dumps"}
        return [importlib.metadata.EntryPoint(name, value, group) for name, value in names.items()]

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules[__name__])
    assert "sepia" in kinds()
    check_effect(build({"kind": "sepia", "strength": 0.8}))
    with pytest.raises(AgentError, match="derives from testbed.agents.defences.Defence"):
        build({"kind": "odd"})
    assert build({"kind": "jpeg"}).kind == "jpeg"  # ours cannot be replaced unseen


def test_third_parties_are_tried_before_they_are_used() -> None:
    with pytest.raises(UsageError, match="sepia with these settings changes nothing"):
        check_effect(Sepia(strength=0.0))
    with pytest.raises(AgentError, match="writes into the picture"):
        check_effect(Spoiler())
    with pytest.raises(AgentError, match="of equal size"):
        check_effect(Spoiler(how="cuts"))


def test_words() -> None:
    assert describe(build({"kind": "jpeg", "quality": 50, "questions": ["tsr"]})) == "jpeg(quality=50) on tsr"
    assert probe_picture().shape == (24, 32, 3)

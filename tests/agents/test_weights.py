"""Stored weights: what a card must say, how small all of them are, and that rounding stays within its bounds."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from testbed.agents import weight_forms, weights
from testbed.core.errors import WeightsError
from testbed.training.nets import names
from testbed.training.nets.stored import FORMS

SHIPPED = sorted(path.stem for path in weights.FOLDER.glob("*.safetensors"))


def test_all_weights_together_stay_within_the_budget() -> None:
    sizes = {path.name: path.stat().st_size for path in weights.FOLDER.glob("*.safetensors")}
    assert sum(sizes.values()) <= weights.BUDGET_BYTES, sizes
    assert max(sizes.values()) <= weights.FILE_BYTES, sizes
    assert {path.stem for path in weights.FOLDER.glob("*.json")} == set(SHIPPED), "a card without weights"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_how_its_weights_are_made_and_stored(name: str) -> None:
    told = weights.card(name)
    path = weights.FOLDER / f"{name}.safetensors"
    assert told["name"] == name and told["bytes"] == path.stat().st_size and len(told["sha256"]) == 64
    assert told.get("figures") or told["quick_figures"]
    assert told["command"] == told["commands"][-1]
    assert told["reproduces"].endswith("."), "a sentence: what the commands make, if not these very bytes"
    first, *_, last = (shlex.split(line) for line in told["commands"])
    assert first[:4] == ["python", "-m", "testbed", "dataset"] and last[:4] == ["python", "-m", "testbed", "train"]
    assert last[4] in names()
    stored = told["stored"]
    assert stored["as"] == FORMS.get(name, "float16") == weights.stored_form(name)
    if "of_sha256" in stored:
        before, after = (_hits(stored[key]) for key in ("figures_before", "figures_after"))
        assert before[1] == after[1] >= 2000 and after[0] >= before[0] - 0.002 * before[1]
        assert stored["same_answers"]["value"] >= 0.999
        assert any(key.startswith("max_abs_") for key in stored) and stored["pictures"] and stored["made_by"]


def _hits(figures: dict[str, dict[str, int]]) -> tuple[int, int]:
    figure = next(figures[key] for key in ("tsr_accuracy", "alc_accuracy", "vd_presence") if key in figures)
    return figure["k"], figure["n"]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 9),
    columns=st.integers(512, 700),
    seed=st.integers(0, 2**31),
    exponent=st.floats(-30.0, 4.0),
    dead=st.booleans(),
)
def test_eight_bits_are_off_by_half_a_step_at_most(
    rows: int, columns: int, seed: int, exponent: float, dead: bool
) -> None:
    value = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent
    if dead:
        value[0] = 0.0
    back = weight_forms.rounded({"w": value}, "int8")["w"]
    largest = value.abs().amax(1, keepdim=True)
    assert back.dtype is torch.float32 and back.shape == value.shape
    # half a step, and what float32 itself loses, by subnormals too
    assert ((back - value).abs() <= largest * (0.5 / weight_forms.STEPS + 1e-6) + 1e-37).all()
    again = weight_forms.rounded({"w": back}, "int8")["w"]
    torch.testing.assert_close(again, back, rtol=1e-6, atol=1e-37)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.floats(-4.0, 4.0))
def test_half_precision_is_off_by_one_part_in_2048(seed: int, exponent: float) -> None:
    value = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent
    back = weight_forms.rounded({"w": value}, "float16")["w"]
    assert ((back - value).abs() <= value.abs() / 2048.0 + 2.0**-25).all()
    assert torch.equal(weight_forms.rounded({"w": back}, "float16")["w"], back)


def test_norms_counters_and_small_tables_stay_as_they_are() -> None:
    tensors = {
        "norm": torch.randn(4096),
        "table": torch.randn(3, 3, 2),
        "token": torch.randn(1, 17, 384),
        "count": torch.tensor(2**40),
        "a.scale": torch.randn(7),
    }
    for form in weight_forms.FORMS:
        back = weight_forms.rounded(tensors, form)
        assert all(torch.equal(back[name], value) for name, value in tensors.items()) and len(back) == len(tensors)


def test_a_file_says_by_its_names_what_it_holds(tmp_path: Path) -> None:
    net = {"layer.weight": torch.randn(32, 64), "layer.bias": torch.randn(32)}
    sizes = {}
    for form in weight_forms.FORMS:
        path = weights.save("net", net, {"figures": {}}, tmp_path, stored_as=form)
        assert weights.card("net", tmp_path)["stored"] == {"as": form} and weights.stored_form("net", tmp_path) == form
        back, _ = weights.load("net", tmp_path)
        assert set(back) == set(net) and all(value.dtype is torch.float32 for value in back.values())
        sizes[form] = path.stat().st_size
    assert set(load_file(path)) == {"layer.weight.int8", "layer.weight.scale", "layer.bias"}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    large = torch.full((32, 64), 1e6)
    with pytest.raises(WeightsError, match="do not fit half precision"):
        weight_forms.pack({"w": large}, "float16")
    with pytest.raises(WeightsError, match="are not finite"):
        weight_forms.pack({"w": large / 0.0}, "int8")
    with pytest.raises(WeightsError, match="cannot be stored as 'int4'"):
        weight_forms.pack({"w": large}, "int4")
    with pytest.raises(WeightsError, match="a name ends on"):
        weight_forms.pack({"w": large, "w.scale": torch.ones(2)}, "int8")
    weights.save("net", {"w.int8": torch.ones(32, 64, dtype=torch.int8)}, {}, tmp_path)
    with pytest.raises(WeightsError, match="lack the scales"):
        weights.load("net", tmp_path)


@pytest.mark.parametrize("name", ["dnn-tsr", "gtsrb-cnn"])
def test_altered_bytes_are_refused_in_every_form(name: str, tmp_path: Path) -> None:
    for suffix in (".safetensors", ".json"):
        shutil.copy(weights.FOLDER / f"{name}{suffix}", tmp_path)
    weights.load(name, tmp_path)
    path = tmp_path / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="the card says"):
        weights.load(name, tmp_path)


def test_a_card_can_be_amended_alone(tmp_path: Path) -> None:
    path = weights.save("net", {"w": torch.randn(4, 4)}, {"note": "old", "kept": 1}, tmp_path)
    before = path.read_bytes()
    weights.amend("net", tmp_path, note="new")
    told = weights.card("net", tmp_path)
    assert path.read_bytes() == before and (told["note"], told["kept"]) == ("new", 1)
    assert json.loads(path.with_suffix(".json").read_text())["sha256"] == told["sha256"]
    weights.load("net", tmp_path)

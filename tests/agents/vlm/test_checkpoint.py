"""A checkpoint that cannot be used says why in one sentence, before anything heavy is loaded where that can be."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPImageProcessor,
    GitProcessor,
    LlamaConfig,
)

from testbed import agents
from testbed.agents.vlm import cards, checkpoint, checkpoint_folder, model_settings
from testbed.agents.vlm.choose import ClosedSetReader
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.errors import TestbedError, UsageError, WeightsError

from . import tiny_checkpoints
from .conftest import picture


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoints.write("llava", tmp_path_factory.mktemp("llava"))


@pytest.fixture
def copied(llava: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llava, tmp_path / "copy"))


def edit(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        checkpoint.load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_a_processor(copied: Path) -> None:
    for name in ("processor_config.json", "preprocessor_config.json"):
        (copied / name).unlink(missing_ok=True)
    assert "has no processor" in refusal(copied)


def test_one_that_wants_to_run_its_own_code(copied: Path) -> None:
    edit(copied, "config.json", auto_map={"AutoModel": "modeling_mine.Mine"})
    assert "code of its own" in refusal(copied) and "endpoint" in refusal(copied)


def test_a_family_that_transformers_does_not_know(copied: Path) -> None:
    edit(copied, "config.json", model_type="vila")
    assert "'vila'" in refusal(copied)


def test_a_text_model(llava: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_config(
        LlamaConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, vocab_size=64)
    ).save_pretrained(tmp_path / "text")
    shutil.copy(llava / "processor_config.json", tmp_path / "text")
    assert "takes no pictures" in refusal(tmp_path / "text")


def test_one_without_an_image_token(tmp_path: Path) -> None:
    """GIT puts its picture before the text by itself, so no conversation can say where a picture stands."""
    words = tiny_checkpoints.tokenizer()
    vision = {key: value for key, value in tiny_checkpoints.CLIP.items() if key != "model_type"}
    config = AutoConfig.for_model(
        "git", vision_config=vision, vocab_size=len(words), hidden_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    GitProcessor(CLIPImageProcessor(size={"height": 56, "width": 56}), words).save_pretrained(tmp_path)
    assert "no image token" in refusal(tmp_path)


def test_pickled_weights_are_not_touched(copied: Path) -> None:
    for file in copied.glob("*.safetensors"):
        file.unlink()
    (copied / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    assert "pickled" in refusal(copied)


def test_one_that_does_not_fit_into_memory(copied: Path) -> None:
    """The sentence comes from the file's header: nothing of its 16 TB is read."""
    header = json.dumps({"huge": {"dtype": "F32", "shape": [4_000_000, 1_000_000], "data_offsets": [0, 0]}}).encode()
    (copied / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "GB are free" in refusal(copied)


def test_a_broken_file(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    assert "no safetensors file" in refusal(copied)


def test_a_gpu_that_is_not_there(llava: Path) -> None:
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UsageError, match=f"{absent} was asked for"):
        checkpoint.load(str(llava), device=absent)


def test_a_name_of_the_hub_is_taken_from_its_cache(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="hf download some/model"):
        checkpoint_folder.inspect("some/model", tmp_path)
    repository = tmp_path / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc", encoding="utf-8")
    shutil.copytree(llava, repository / "snapshots" / "abc")
    assert checkpoint_folder.inspect("some/model", tmp_path).model_type == "llava"


def test_an_adapter_is_merged_and_one_that_does_not_fit_is_refused(llava: Path, tmp_path: Path) -> None:
    plain = checkpoint.load(str(llava), dtype="fp32", device="cpu")
    torch.manual_seed(3)
    adapted = get_peft_model(plain.network, LoraConfig(r=2, target_modules=r".*language_model.*q_proj"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0.0, 1.0)
    adapted.save_pretrained(tmp_path / "adapter")
    question = [ImagePrompt("alc", picture(1))]
    before = ClosedSetReader(checkpoint.load(str(llava), dtype="fp32", device="cpu")).read(question)
    merged = checkpoint.load(str(llava), adapter=str(tmp_path / "adapter"), dtype="fp32", device="cpu")
    after = ClosedSetReader(merged).read(question)
    assert before[0].probabilities is not None and after[0].probabilities is not None
    assert abs(before[0].probabilities - after[0].probabilities).max() > 1e-3
    assert merged.parameters == checkpoint.load(str(llava), device="cpu").parameters
    with pytest.raises(WeightsError, match=r"adapter_config\.json"):
        checkpoint.load(str(llava), adapter=str(llava), device="cpu")


def test_the_plan_knows_the_weights_and_the_words(copied: Path) -> None:
    def digests() -> dict[str, str]:
        settings = model_settings.parse({"kind": "local", "path": str(copied), "latency_ms": [1, 2]})
        return dict(cards.agent_card("tandem", settings).weights)

    before = digests()
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(before)
    edit(copied, "config.json", image_seq_length=17)
    after = digests()
    assert {name for name in before if before[name] != after[name]} == {"config.json"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"kind": "lokal", "path": "x"}, "shipped, local, endpoint"),
        ({"kind": "local"}, "path: is missing"),
        ({"kind": "local", "path": "x", "device": "gpu"}, "device"),
        ({"kind": "local", "path": "x", "latency_ms": [90, 80]}, "latency_ms is"),
        ({"kind": "local", "path": "x", "colour": 1}, "colour: unknown key"),
        ({"kind": "endpoint", "url": "http://localhost/v1", "name": "x"}, "latency_ms: is missing"),
    ],
)
def test_what_a_file_says_wrongly_is_named(tmp_path: Path, model: dict[str, object], expected: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"agent": "tandem", "model": model}), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"mine.yaml:\d+:\d+: model\..*{expected}"):
        agents.card(str(file))


def test_paths_begin_at_the_agent_file(copied: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    model = {"kind": "local", "path": copied.name, "latency_ms": [80, 90]}
    file.write_text(yaml.safe_dump({"agent": "solo", "model": model, "answer": "choose"}), encoding="utf-8")
    card = agents.card(str(file))
    assert card.latency_ms == (80, 90) and "llava" in card.notes
    assert card.parameters == 3 * checkpoint_folder.inspect(str(copied)).parameters()


def test_tandem_is_one_model_and_solo_needs_all_tasks(llava: Path) -> None:
    each = {"tsr": str(llava), "alc": str(llava)}
    settings = model_settings.parse({"kind": "local", "path": each})
    with pytest.raises(UsageError, match="not one per task"):
        cards.agent_card("tandem", settings)
    with pytest.raises(UsageError, match="'vd'"):
        cards.agent_card("solo", settings)


def test_the_shipped_model_answers_in_a_form_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("agent: tandem\nanswer: generate\n", encoding="utf-8")
    with pytest.raises(TestbedError, match="answers in a form"):
        agents.load(str(file))


def test_one_that_lacks_weights_is_refused(copied: Path) -> None:
    """It would drive with random ones in their place, and differently each time."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    gone = next(name for name in sorted(tensors) if name.endswith("q_proj.weight"))
    del tensors[gone]
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 of its weights" in refusal(copied)

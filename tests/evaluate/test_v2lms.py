"""Which V²LMs are asked: agent files decide, their names say deployment, pair and family."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import agents
from testbed.core.errors import UsageError
from testbed.evaluate import v2lms


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tandem under a family's name."""
    path = tmp_path / "tandem_qwen2.5_vl_tiny.yaml"
    path.write_text("agent: tandem\noptions: {abstain_below: 0.3}\n")
    return path


def test_every_shipped_v2lm_without_a_defence_is_asked() -> None:
    asked = v2lms.shipped()
    labels = [one.victim.label for one in asked]
    assert labels[:2] == ["solo", "tandem"]
    for name in agents.configured():
        choice = agents.resolve(name)
        assert (name in labels) == (choice.agent in v2lms.DEPLOYMENTS and not choice.defences), name
    assert all(one.victim.source is not None and one.victim.road_name == one.victim.label for one in asked)


def test_a_file_s_name_says_deployment_pair_and_family(file: Path) -> None:
    (one,) = v2lms.named([str(file)], zero_shot=True)
    assert (one.deployment, one.pair, one.family) == ("tandem", "qwen2_5_vl_tiny", "qwen_vl_7b")
    assert one.words == "tandem, before fine-tuning, beside Qwen-VL-7B"
    assert one.victim.content == {"agent": "tandem", "options": {"abstain_below": 0.3}}
    assert one.victim.file(file.parent / "elsewhere") == file, "asked as the file says, not as a copy"
    assert not (file.parent / "elsewhere").exists()


@pytest.mark.parametrize(
    ("stem", "pair", "family"),
    [
        ("solo", "", ""),
        ("solo_smollm", "smollm", ""),
        ("llava-tiny-solo", "llava_tiny", "llava_7b"),
        ("solo_llava_lora_tiny", "llava_lora_tiny", "llava_13b_lora"),
        ("solo_MoE-LLaVA", "moe_llava", "moe_llava"),
        ("solo_nvila8b", "nvila8b", "nvila_8b"),
        ("solo_mobilevlm_1.7b", "mobilevlm_1_7b", "mobilevlm"),
    ],
)
def test_names(tmp_path: Path, stem: str, pair: str, family: str) -> None:
    path = tmp_path / f"{stem}.yaml"
    path.write_text("agent: solo\n")
    (one,) = v2lms.named([str(path)])
    assert (one.pair, one.family) == (pair, family)


def test_what_is_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(UsageError, match="'dnn_vit' is no V²LM but of kind 'dnn'"):
        v2lms.named(["dnn_vit"])
    with pytest.raises(UsageError, match="unknown agent 'solos'"):
        v2lms.named(["solos"])
    with pytest.raises(UsageError, match="no such file"):
        v2lms.named([str(tmp_path / "gone.yaml")])
    other = tmp_path / "other" / file.name
    other.parent.mkdir()
    other.write_text("agent: tandem\n")
    asked = v2lms.named([str(file), str(other)])
    with pytest.raises(UsageError, match="two agents are called 'tandem_qwen2.5_vl_tiny'"):
        v2lms.check_labels(asked)
    v2lms.check_labels([*v2lms.named([str(file)]), *v2lms.named([str(file)], zero_shot=True)])

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import agents
from testbed.agents import registry
from testbed.agents.scripted import ConstantAgent
from testbed.core.errors import UsageError
from testbed.core.types import Agent, Steering
from testbed.sweep.catalogue import Installed


def test_every_shipped_agent_has_a_card() -> None:
    for name in agents.names():
        card = agents.card(name)
        assert card.name == name and card.latency_ms[0] <= card.latency_ms[1]


def test_unknown_agent_suggests_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'solo'.*known: constant, dnn"):
        agents.load("sol")


def test_yaml_names_agent_and_options(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("agent: constant\noptions: {steering: Left}\n")
    agent = agents.load(str(path))
    assert isinstance(agent, ConstantAgent) and isinstance(agent, Agent)
    assert agent._steering is Steering.LEFT


def test_every_registered_agent_has_a_file_that_is_the_agent_itself() -> None:
    """Files in ``agents/`` show what there is; a bare one leaves the keys of all episodes as they are."""
    assert set(registry.PACKAGES) <= set(agents.configured())
    for name in registry.PACKAGES:
        choice = agents.resolve(name)
        assert choice.agent == name and choice.is_registered
        assert choice.file is not None and choice.file.read_text().startswith("# ")
        assert Installed().agent_digests(name) == agents.card(name).weights


def test_a_file_that_only_names_an_agent_is_told_apart_by_what_it_says(tmp_path: Path) -> None:
    """Plans know it by its file name, so that the same name with another agent must be another plan."""
    path = tmp_path / "mine.yaml"
    path.write_text("agent: dnn  # nothing else\noptions:\ndefences: []\n")
    said = {"agent:mine.yaml": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert Installed().agent_digests(str(path)) == agents.card("dnn").weights | said
    path.write_text("agent: dnn\ndefences: [{kind: jpeg, quality: 50}]\n")
    assert Installed().agent_digests(str(path))["agent:mine.yaml"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_name_means_the_file_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes options into the file of a registered agent changes what the name means, and its episodes' keys."""
    monkeypatch.setattr(registry, "CONFIGURED", tmp_path)
    (tmp_path / "constant.yaml").write_text("agent: constant\noptions: {steering: Left}\n")
    agent = agents.load("constant")
    assert isinstance(agent, ConstantAgent) and agent._steering is Steering.LEFT
    assert set(Installed().agent_digests("constant")) == {"agent:constant.yaml"}


def test_a_file_names_a_registered_agent_not_another_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for asked in ("dnn_jpeg", "mine"):
        path.write_text(f"agent: {asked}\n")
        with pytest.raises(
            UsageError, match=rf"agent file .*mine.yaml asks for '{asked}', which is no registered agent"
        ):
            agents.card(str(path))


def test_every_name_is_listed_once() -> None:
    from testbed.cli.listing import collect

    listed = [row["name"] for row in collect("agents")]
    assert listed == sorted(set(listed)) and {"dnn", "dnn_jpeg", "solo", "tandem"} <= set(listed)


BAD: dict[str, tuple[bytes, str]] = {
    "a list": (b"- a list", "1:1: the file: expected a group of keys, got ['a list']"),
    "no mapping": (b"dnn", "1:1: the file: expected a group of keys, got 'dnn'"),
    "empty": (b"# agent: dnn\n", "1:1: the file is empty"),
    "no agent": (b"options: {tsr: vit_small}\n", "1:1: missing key 'agent'"),
    "unknown key": (b"agent: dnn\ndefence: []\n", "2:1: unknown key 'defence'; did you mean 'defences'?"),
    "duplicate key": (b"agent: dnn\nagent: solo\n", "2:1: key 'agent' is given twice, first in line 1"),
    "agent is a number": (b"agent: 3\n", "1:8: agent: expected a word or sentence, got 3"),
    "options are a number": (b"agent: dnn\noptions: 3\n", "2:10: options: expected a group of keys, got 3"),
    "defences are no list": (b"agent: dnn\ndefences: {kind: jpeg}\n", "2:11: defences: expected a list"),
    "defence is a word": (b"agent: dnn\ndefences: [jpeg]\n", "2:12: defences[0]: expected a group of keys"),
    "defence has no kind": (b"agent: dnn\ndefences: [{quality: 2}]\n", "2:12: missing key 'kind' in defences[0]"),
    "tab": (b"agent: dnn\n\toptions: {}\n", "2:1: not valid YAML: found a tab character"),
    "open bracket": (b"agent: [", "not valid YAML"),
    "not UTF-8": (b"agent: d\xff\n", "1:9: not UTF-8 text: byte 0xff"),
    "alias": (b"agent: dnn\noptions: &a {x: *a}\n", "2:10: anchors are not accepted"),
    "infinite": (b"agent: dnn\noptions: {x: .inf}\n", "2:14: numbers must be finite"),
}


@pytest.mark.parametrize("content, said", BAD.values(), ids=BAD)
@pytest.mark.parametrize("ask", [agents.load, agents.card])
def test_bad_agent_files_are_one_sentence(
    tmp_path: Path, ask: Callable[[str], object], content: bytes, said: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        ask(str(path))
    message = str(refused.value)
    assert message.startswith(f"agent file {path}:") and said in message and "\n" not in message


def test_a_missing_agent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"agent file .*nowhere\.yaml: no such file"):
        agents.card(str(tmp_path / "nowhere.yaml"))


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("agent: dnn\nextra: 1\nmore: 2\n")
    with pytest.raises(UsageError, match=r"bad.yaml:2:1: unknown key 'extra'.*\(and 1 more\)"):
        agents.load(str(path))


def test_options_an_agent_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("agent: constant\noptions: {colour: red}\n")
    with pytest.raises(UsageError, match="colour"):
        agents.load(str(path))

"""The agent parallel: when the slow one is asked and heard, what its options and card say, what makes its key."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from testbed import agents
from testbed.agents.parallel.agent import ParallelAgent
from testbed.agents.parallel.arbiter import ArbiterRules, Policy
from testbed.agents.parallel.pacing import PacedAgent, ask
from testbed.agents.parallel.settings import ParallelSettings
from testbed.core.errors import AgentError, UsageError
from testbed.core.latency_spec import LatencySpec
from testbed.core.types import (
    AgentCard,
    EgoState,
    LaneState,
    Observation,
    Perception,
    Relation,
    SignAnswer,
    SignTruth,
    Steering,
    SteeringAnswer,
    Truth,
    VehicleAnswer,
)
from testbed.latency import LatencyModel
from testbed.sweep.catalogue import Installed

VIEW = np.zeros((160, 320, 3), np.uint8)


def truth(preview_m: float = 1.0, class_id: int | None = None) -> Truth:
    sign = None if class_id is None else SignTruth("s", class_id, 30.0, (200.0, 40.0, 212.0, 52.0))
    return Truth(EgoState(0, 0, 0, 0, 20), LaneState(0.0, 0.0, 3.6, 0.0, 10.0, preview_m), None, sign=sign)


def observation(t_s: float, *, sign_id: str | None = None, seen: Truth | None = None) -> Observation:
    crop = None if sign_id is None else VIEW[:12, :12]
    return Observation(round(t_s / 0.05), t_s, VIEW, 20.0, crop, sign_id, None if sign_id is None else 30.0, truth=seen)


@dataclass
class Witness:
    """An agent that keeps the times at which it was asked, and answers alternately."""

    latency_ms: tuple[float, float] = (250.0, 250.0)
    confidence: float = 0.9
    asked_s: list[float] = field(default_factory=list)
    shown: list[Truth | None] = field(default_factory=list)

    @property
    def card(self) -> AgentCard:
        return AgentCard("witness", "scripted", self.latency_ms)

    def reset(self, seed: int) -> None:
        self.asked_s.clear()

    def perceive(self, observation: Observation) -> Perception:
        self.asked_s.append(round(observation.t_s, 3))
        self.shown.append(observation.truth)
        steering = Steering.LEFT if len(self.asked_s) % 2 else Steering.RIGHT
        return Perception(SteeringAnswer(steering, self.confidence), VehicleAnswer(False, None, 0.9))


def heard(paced: PacedAgent, times_s: list[float]) -> list[float | None]:
    """Return the time of the picture of the newest answers at each time."""
    fast = agents.load("constant")
    found = []
    for t_s in times_s:
        seen = observation(t_s)
        second = paced.newest(seen, ask(fast, seen))
        assert second is None or second.slow.t_s == second.checked.t_s, "both are about one picture"
        found.append(None if second is None else round(second.slow.t_s, 3))
    return found


TIMES_S = [round(0.1 * index, 3) for index in range(10)]


def test_an_answer_is_heard_when_its_latency_is_over_and_the_next_picture_is_asked_about_then() -> None:
    witness = Witness()
    found = heard(PacedAgent(witness, LatencySpec("card")), TIMES_S)
    assert witness.asked_s == [0.0, 0.3, 0.6, 0.9]
    assert found == [None, None, None, 0.0, 0.0, 0.0, 0.3, 0.3, 0.3, 0.6]


def test_a_fixed_latency_overrules_the_card() -> None:
    witness = Witness()
    found = heard(PacedAgent(witness, LatencySpec.parse("fixed:851")), TIMES_S)
    assert witness.asked_s == [0.0, 0.9] and found == [None] * 9 + [0.0]


def test_an_answer_that_costs_nothing_is_heard_at_once() -> None:
    assert heard(PacedAgent(Witness((0.0, 0.0)), LatencySpec("card")), TIMES_S) == TIMES_S


def test_latencies_are_drawn_from_a_stream_of_the_seed_that_is_not_the_episodes() -> None:
    paced = PacedAgent(Witness((100.0, 300.0)), LatencySpec("card"))
    times_s = [0.05 * index for index in range(200)]
    runs = []
    for seed in (5, 5, 6):
        paced.reset(seed)
        runs.append(heard(paced, times_s))
    assert runs[0] == runs[1] and runs[0] != runs[2]
    paced.reset(5)
    own = [paced._draw.draw_ms() for _ in range(3)]
    charged = LatencyModel(LatencySpec("card"), AgentCard("x", "dnn", (100.0, 300.0)), 5)
    assert own != [charged.charge_ms(1.0) for _ in range(3)]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> dict[str, Witness]:
    """Two witnesses in the places of dnn and tandem."""
    made = {"dnn": Witness((20.0, 30.0)), "tandem": Witness((250.0, 250.0))}
    monkeypatch.setattr("testbed.agents.registry.load", lambda name: made[name])
    return made


def test_the_fast_one_is_asked_at_every_decision_and_the_slow_one_at_its_own_rate(pair: dict[str, Witness]) -> None:
    agent = ParallelAgent(ParallelSettings())
    for t_s in TIMES_S:
        agent.perceive(observation(t_s))
    assert pair["dnn"].asked_s == TIMES_S and len(pair["tandem"].asked_s) < len(TIMES_S) / 2


def test_neither_sees_the_truth_that_only_the_other_may_see(tmp_path: Path) -> None:
    path = tmp_path / "oracle.yaml"
    path.write_text("agent: parallel\noptions: {fast: constant, slow: scripted}\n")
    agent = agents.load(str(path))
    assert agent.card.needs_truth and agents.card(str(path)) == agent.card
    witness = Witness()
    ask(witness, observation(0.0, seen=truth()))
    assert witness.shown == [None]
    answer = agent.perceive(observation(0.0, sign_id="s", seen=truth(class_id=7)))
    assert answer.arbitration is not None
    assert answer.arbitration.relations == {
        "tsr": Relation.SLOW_ALONE,
        "alc": Relation.DISAGREE,
        "vd": Relation.AGREE,
    }
    assert answer.steering.steering is Steering.LEFT and answer.sign == SignAnswer(7, 1.0)


def test_an_answer_about_another_sign_is_not_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    path.write_text("agent: parallel\noptions: {fast: constant, slow: scripted, slow_latency: 'fixed:100'}\n")
    agent = agents.load(str(path))
    agent.reset(0)
    said = [
        agent.perceive(observation(0.1 * index, sign_id=sign_id, seen=truth(class_id=class_id))).sign
        for index, (sign_id, class_id) in enumerate([("a", 7), ("a", 7), ("b", 14), ("b", 14), (None, None)])
    ]
    classes = [None if sign is None else sign.class_id for sign in said]
    assert classes == [None, 7, None, 14, None] and said[4] is None


def test_a_reset_forgets_answers_and_disagreements(tmp_path: Path) -> None:
    path = tmp_path / "stop.yaml"
    path.write_text("agent: parallel\noptions: {fast: constant, slow: scripted, policy: minimal_risk_stop}\n")
    agent = agents.load(str(path))

    def drive() -> list[Perception]:
        agent.reset(3)
        return [agent.perceive(observation(t_s, seen=truth())) for t_s in [0.1 * index for index in range(13)]]

    first, second = drive(), drive()
    assert first == second
    cautions = [one.arbitration.caution.value for one in first if one.arbitration is not None]
    assert cautions == ["none"] * 5 + ["stop"] * 8


def test_nonsense_of_either_is_told_with_its_name(pair: dict[str, Witness]) -> None:
    pair["tandem"].confidence = float("nan")
    with pytest.raises(AgentError, match="agent 'witness' answered the confidence nan"):
        ParallelAgent(ParallelSettings()).perceive(observation(0.0))


def test_its_card_is_that_of_both_with_the_latency_of_the_fast_one() -> None:
    card, dnn, tandem = agents.card("parallel"), agents.card("dnn"), agents.card("tandem")
    assert (card.name, card.kind, card.latency_ms) == ("parallel", "parallel", dnn.latency_ms)
    assert card.weights == dnn.weights | tandem.weights
    assert card.parameters == dnn.parameters + tandem.parameters
    assert "prefer_vlm" in card.notes and f"{tandem.latency_ms[0]:.0f} ms at p50" in card.notes


def test_the_files_of_its_agents_are_part_of_the_key(tmp_path: Path) -> None:
    path, part = tmp_path / "mine.yaml", tmp_path / "part.yaml"
    path.write_text(f"agent: parallel\noptions: {{fast: dnn, slow: {part}}}\n")
    part.write_text("agent: tandem\noptions: {abstain_below: 0.5}\n")
    before = dict(Installed().agent_digests(str(path)))
    assert before["agent:mine.yaml"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert before["agent:part.yaml as slow"] == hashlib.sha256(part.read_bytes()).hexdigest()
    part.write_text("agent: tandem\noptions: {abstain_below: 0.6}\n")
    assert Installed().agent_digests(str(path)) != before
    assert agents.parts(str(path)) == {"fast": "dnn", "slow": str(part)} and agents.parts("dnn") == {}
    assert Installed().agent_digests("parallel") == agents.card("parallel").weights


def test_what_its_agents_need_is_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from testbed.core import extras
    from testbed.core.errors import MissingExtraError

    path = tmp_path / "light.yaml"
    path.write_text("agent: parallel\noptions: {fast: constant, slow: scripted}\n")
    monkeypatch.setattr(extras, "installed", lambda module: module != "transformers")
    agents.check_extras(str(path))
    with pytest.raises(MissingExtraError, match="transformers"):
        agents.check_extras("parallel")


BAD = {
    "{policy: prefer_vml}": "unknown policy 'prefer_vml' .did you mean 'prefer_vlm'",
    "{fast: 3}": "fast is 3",
    "{stale_s: {lane: 1}}": "stale_s knows tsr, alc, vd, not 'lane'",
    "{stale_s: -1}": "stale_s is -1",
    "{stale_s: {alc: soon}}": "stale_s.alc is 'soon'",
    "{stale_s: {alc: null}}": "stale_s.alc is None",
    "{alarm_after_s: true}": "alarm_after_s is True",
    "{stop_after_s: x}": "stop_after_s is 'x'",
    "{slow_latency: measured}": "slow_latency cannot be measured",
    "{slow_latency: 80ms}": "'80ms' is no latency",
    "{slow: parallel_stop}": "its slow agent 'parallel_stop' is a parallel one",
    "{fast: nobody}": "unknown agent 'nobody'",
    "{polcy: prefer_vlm}": "does not take these options: .*polcy",
}


@pytest.mark.parametrize(("options", "told"), BAD.items(), ids=BAD)
def test_bad_options_are_one_sentence_before_anything_is_loaded(tmp_path: Path, options: str, told: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"agent: parallel\noptions: {options}\n")
    for look in (agents.card, agents.load):
        with pytest.raises(UsageError, match=told):
            look(str(path))


def test_options_are_read() -> None:
    settings = ParallelSettings.parse(
        policy="minimal_risk_stop",
        stale_s={"alc": 0.4},
        alarm_after_s=0,
        stop_after_s=2,
        slow_for_s=1,
        slow_latency="fixed:851",
    )
    assert settings.rules == ArbiterRules(Policy.MINIMAL_RISK_STOP, {"tsr": 3.0, "alc": 0.4, "vd": 1.0}, 0.0, 2.0, 1.0)
    assert settings.slow_latency == LatencySpec.parse("fixed:851")
    assert ParallelSettings.parse(stale_s=1).rules.stale_s == {"tsr": 1.0, "alc": 1.0, "vd": 1.0}
    assert ParallelSettings.parse() == ParallelSettings()


@pytest.mark.parametrize("defence", ["{kind: random_crop, share: 0.8}", "{kind: jpeg, quality: 50, questions: [alc]}"])
def test_defences_that_tell_its_pictures_apart_belong_to_its_agents(tmp_path: Path, defence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"agent: parallel\ndefences: [{defence}]\n")
    with pytest.raises(UsageError, match="give them to its fast or slow agent"):
        agents.card(str(path))


def test_other_defences_leave_its_arbitration_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "selective.yaml"
    path.write_text(
        "agent: parallel\noptions: {fast: constant, slow: scripted}\n"
        "defences: [{kind: jpeg, quality: 50}, {kind: selective, below: 0.6}]\n"
    )
    agent = agents.load(str(path))
    agent.reset(0)
    answer = agent.perceive(dataclasses.replace(observation(0.0, seen=truth())))
    assert answer.arbitration is not None and answer.arbitration.relations["alc"] is Relation.DISAGREE


def test_its_agents_are_loaded_where_it_is_told_and_by_whom(tmp_path: Path) -> None:
    file = tmp_path / "both.yaml"
    file.write_text("agent: parallel\noptions: {fast: dnn, slow: constant}\n", encoding="utf-8")
    absent = f"cuda:{torch.cuda.device_count()}"
    for check in (agents.check_device, lambda name, word: agents.load(name, device=word)):
        with pytest.raises(UsageError, match=f"device {absent} was asked for"):
            check(str(file), absent)

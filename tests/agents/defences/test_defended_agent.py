"""An agent behind defences: what it is shown, what comes back, and how an agent file asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from testbed import agents
from testbed.agents.defences import DefendedAgent, build_all
from testbed.core.errors import UsageError
from testbed.core.types import (
    AgentCard,
    Observation,
    Perception,
    SignAnswer,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)
from testbed.sweep.catalogue import Installed


@dataclass
class Witness:
    """An agent that keeps what it was shown and boxes the red square it sees."""

    seen: list[Observation] = field(default_factory=list)
    seed: int = -1
    confidence: float = 0.9

    @property
    def card(self) -> AgentCard:
        return AgentCard("witness", "scripted", (10.0, 20.0), weights={"a.safetensors": "1"}, notes="Sees.")

    def reset(self, seed: int) -> None:
        self.seed = seed

    def perceive(self, observation: Observation) -> Perception:
        self.seen.append(observation)
        ys, xs = np.nonzero(observation.image[..., 0] > 128)
        box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)) if len(xs) else None
        mean = float(observation.image.mean()) / 255.0
        return Perception(
            SteeringAnswer(Steering.LEFT, self.confidence, (0.9, 0.05, 0.05), mean),
            VehicleAnswer(box is not None, box, self.confidence),
            None if observation.sign_crop is None else SignAnswer(14, self.confidence),
            {"alc": f"{mean:.6f}", "vd": "x"},
            frozenset() if observation.sign_crop is None else frozenset({"alc", "vd"}),
        )


def _observation(frame: int = 0) -> Observation:
    view = np.random.default_rng(5).integers(0, 60, (160, 320, 3), dtype=np.uint8)
    view[60:100, 150:200, 0] = 255
    crop = np.random.default_rng(6).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    return Observation(frame, 0.1 * frame, view, 20.0, crop, "s", 15.0)


def _defended(entries: list[dict[str, object]], witness: Witness | None = None) -> tuple[Witness, DefendedAgent]:
    inner = witness or Witness()
    return inner, DefendedAgent(inner, build_all(entries))


def test_each_question_sees_its_own_defences() -> None:
    inner, agent = _defended([{"kind": "bit_depth", "bits": 1, "questions": ["tsr"]}])
    agent.perceive(_observation())
    (seen,) = inner.seen
    assert np.array_equal(seen.image, _observation().image)
    assert seen.sign_crop is not None and set(np.unique(seen.sign_crop)) == {0, 255}


def test_views_that_differ_are_asked_about_apart() -> None:
    inner, agent = _defended([{"kind": "bit_depth", "bits": 1, "questions": ["alc"]}])
    said = agent.perceive(_observation())
    assert len(inner.seen) == 2
    assert np.array_equal(inner.seen[0].image, _observation().image)
    assert set(np.unique(inner.seen[1].image)) == {0, 255} and inner.seen[1].sign_crop is None
    assert said.steering.lateral_offset_m == pytest.approx(float(inner.seen[1].image.mean()) / 255.0)
    # each answer is as unreadable as the one that was taken
    assert said.unparsable == {"vd"}
    assert _defended([{"kind": "jpeg"}])[1].perceive(_observation()).unparsable == {"alc", "vd"}
    assert said.raw["alc"] == f"{said.steering.lateral_offset_m:.6f}"
    assert said.sign is not None and said.vehicle.box_px == (150.0, 60.0, 200.0, 100.0)
    assert agent.card.latency_ms[0] > 20.0  # asked twice
    together, agent = _defended([{"kind": "bit_depth", "bits": 1}])
    agent.perceive(_observation())
    assert len(together.seen) == 1 and agent.card.latency_ms[0] < 12.0


def test_boxes_of_a_crop_are_mapped_back() -> None:
    _, agent = _defended([{"kind": "random_crop", "share": 0.75, "questions": ["vd"]}])
    for frame in range(12):
        box = agent.perceive(_observation(frame)).vehicle.box_px
        assert box is not None
        np.testing.assert_allclose(box, (150.0, 60.0, 200.0, 100.0), atol=1.6)


def test_chance_follows_from_seed_and_frame() -> None:
    def views(seed: int, frames: tuple[int, ...]) -> list[np.ndarray]:
        inner, agent = _defended([{"kind": "noise", "sigma": 5.0}])
        agent.reset(seed)
        assert inner.seed == seed
        for frame in frames:
            agent.perceive(_observation(frame))
        return [seen.image for seen in inner.seen]

    first, again = views(1, (0, 1, 2)), views(1, (2, 1, 0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again[::-1], strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], views(2, (0,))[0])


def test_selective_prediction_withholds_unsure_answers() -> None:
    entries: list[dict[str, object]] = [{"kind": "selective", "below": 0.8}]
    _, agent = _defended(entries, Witness(confidence=0.79))
    said = agent.perceive(_observation())
    assert said.steering.steering is None and said.steering.confidence == 0.79
    assert said.vehicle == VehicleAnswer(None, None, 0.79)
    assert said.sign is not None and said.sign.class_id is None
    _, agent = _defended([{"kind": "selective", "below": 0.8, "questions": ["tsr"]}], Witness(confidence=0.79))
    said = agent.perceive(_observation())
    assert said.steering.steering is Steering.LEFT and said.sign is not None and said.sign.class_id is None
    _, agent = _defended(entries, Witness(confidence=0.8))
    assert agent.perceive(_observation()).steering.steering is Steering.LEFT


def test_the_card_tells_of_the_defences() -> None:
    _, agent = _defended([{"kind": "jpeg", "quality": 50}, {"kind": "autoencoder", "questions": ["tsr"]}])
    assert agent.card.name == "witness" and set(agent.card.weights) == {"a.safetensors", "denoiser.safetensors"}
    assert "jpeg(quality=50) on tsr+alc+vd; autoencoder() on tsr" in agent.card.notes


def test_shipped_agent_files() -> None:
    names = agents.configured()
    assert {"dnn_jpeg", "dnn_selective", "dnn_dropout", "dnn_vit", "tandem_jpeg"} <= set(names)
    for name in set(names) - set(agents.names()):
        card = agents.card(name)
        digests = Installed().agent_digests(name)
        assert digests[f"agent:{name}.yaml"] and card.weights.items() <= digests.items()
        assert name in Installed().agents()


@pytest.mark.parametrize("name", ["dnn_jpeg", "dnn_random_crop", "dnn_selective", "dnn_gtsrb_cnn", "dnn_vit"])
def test_shipped_agent_files_load(name: str) -> None:
    agent = agents.load(name)
    assert agent.card == agents.card(name)
    agent.reset(0)
    assert agent.perceive(_observation()).sign is not None


def test_own_agent_files(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("agent: constant\ndefences: [{kind: jpeg, quality: 30}]\n")
    assert isinstance(agents.load(str(path)), DefendedAgent) and "jpeg(quality=30)" in agents.card(str(path)).notes
    path.write_text("agent: constant\ndefences: [{kind: bit_depth, bits: 8}]\n")
    for ask in (agents.load, agents.card):
        with pytest.raises(UsageError, match="bits 8 changes nothing"):
            ask(str(path))
    path.write_text("agent: constant\ndefences: {kind: jpeg}\n")
    with pytest.raises(UsageError, match="own.yaml:2:11: defences: expected a list"):
        agents.load(str(path))
    path.write_text("agent: dnn\noptions: {tsr: vit_smal}\n")
    for ask in (agents.load, agents.card):
        with pytest.raises(UsageError, match="no network 'vit_smal' for tsr .did you mean 'vit_small'"):
            ask(str(path))
    with pytest.raises(UsageError, match="did you mean 'dnn_jpeg'"):
        agents.load("dnn_jpg")

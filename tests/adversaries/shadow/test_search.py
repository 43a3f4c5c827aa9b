"""The swarm, and the attack on a real victim with held-out crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from testbed.adversaries.shadow import SwarmSettings, attack_crops, load_victim
from testbed.adversaries.shadow.particle_swarm import Swarm
from testbed.adversaries.shadow.physical import random_twin
from testbed.adversaries.shadow.polygon import area_on_plate
from testbed.core.errors import UsageError

HELD_OUT = Path(__file__).parents[2] / "agents" / "vlm" / "held_out.npz"


@pytest.fixture(scope="module")
def crops() -> tuple[list[np.ndarray], list[int]]:
    torch.set_num_threads(1)
    with np.load(HELD_OUT) as stored:
        labels = [int(label) for label in stored["tsr_label"]]
        return [stored[f"tsr_{number}"] for number in range(len(labels))], labels


def _distance(polygons: np.ndarray) -> np.ndarray:
    wanted = np.array([[0.2, 0.3], [0.8, 0.4], [0.5, 0.9]])
    return ((polygons - wanted) ** 2).sum(axis=(1, 2))


@pytest.mark.parametrize("rng", ["textbook", "reference"])
def test_a_swarm_comes_closer_to_what_is_wanted(rng: str) -> None:
    swarm = Swarm(SwarmSettings(starts=1, rng=rng), np.random.default_rng(1))  # type: ignore[arg-type]
    first = float(_distance(swarm.ask()).min())
    swarm.tell(_distance(swarm.ask()))
    asked = 1
    while not swarm.done:
        swarm.tell(_distance(swarm.ask()))
        asked += 1
    assert asked == 101 and swarm.queries == 1010
    assert swarm.value < 0.3 * first
    assert swarm.value == pytest.approx(float(_distance(swarm.best[None])[0]), rel=1e-4)


def test_moves_and_places_keep_to_their_bounds() -> None:
    settings = SwarmSettings(starts=2, iterations=20, top_speed=0.03)
    swarm = Swarm(settings, np.random.default_rng(2))
    before: np.ndarray | None = None
    last_start = 0
    while not swarm.done:
        places = swarm.ask().copy()
        assert places.min() >= settings.low and places.max() <= settings.high
        if before is not None and swarm.starts == last_start:
            assert np.abs(places - before).max() <= settings.top_speed + 1e-6
        before, last_start = places, swarm.starts
        swarm.tell(np.ones(settings.particles))
    assert swarm.starts == 2


def test_random_factors_are_the_published_codes_or_the_textbooks() -> None:
    for rng, low, high, shape in (("textbook", 0.0, 1.0, (10, 3, 2)), ("reference", 1.0, 6.0, (10, 1, 1))):
        swarm = Swarm(SwarmSettings(rng=rng), np.random.default_rng(0))  # type: ignore[arg-type]
        drawn = np.stack([swarm._factors() for _ in range(200)])
        assert drawn.shape[1:] == shape
        assert drawn.min() >= low and drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.15)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a search"):
        SwarmSettings(vertices=2)
    with pytest.raises(ValueError, match="neither"):
        SwarmSettings(rng="dice")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no victim"):
        load_victim("nobody")


def test_shadows_make_the_sign_net_misread_held_out_crops(crops: tuple[list[np.ndarray], list[int]]) -> None:
    pictures, labels = crops
    victim = load_victim("dnn")
    outcomes = attack_crops(pictures, labels, victim, settings=SwarmSettings(starts=1, iterations=10), seed=4)
    attacked = [outcome for outcome in outcomes if outcome.attacked]
    hits = [outcome for outcome in attacked if outcome.verdict == "success"]
    assert len(attacked) >= 4 and len(hits) >= 0.5 * len(attacked)
    benign = victim.probabilities(pictures)
    for index, outcome in enumerate(outcomes):
        again = victim.probabilities([outcome.image])[0]
        assert int(again.argmax()) == outcome.answer
        assert outcome.image.shape == pictures[index].shape and outcome.image.dtype == np.uint8
        if outcome.verdict == "success":
            assert outcome.answer != labels[index] == int(benign[index].argmax())
            assert outcome.queries > 1 and outcome.lightness >= 120.0
        if outcome.verdict == "failure":
            assert outcome.answer == labels[index] and outcome.queries >= 11 * 10
        if outcome.verdict == "dark":
            assert outcome.lightness < 120.0 and outcome.polygon is None
            assert (outcome.image == pictures[index]).all()


def test_an_outcome_does_not_depend_on_the_other_crops(crops: tuple[list[np.ndarray], list[int]]) -> None:
    pictures, labels = crops
    victim = load_victim("dnn")
    settings = SwarmSettings(starts=1, iterations=3)
    together = attack_crops(pictures[:5], labels[:5], victim, settings=settings, seed=7)
    alone = attack_crops(pictures[:1], labels[:1], victim, settings=settings, seed=7)
    assert together[0].queries == alone[0].queries and (together[0].image == alone[0].image).all()


def test_a_random_twin_shades_as_much() -> None:
    polygon = np.array([[0.2, 0.1], [0.9, 0.35], [0.35, 0.8]])
    twin = random_twin(polygon, 1, np.random.default_rng(5), SwarmSettings())
    assert area_on_plate(twin, 1) == pytest.approx(area_on_plate(polygon, 1), abs=0.02)
    assert np.abs(twin - polygon).max() > 0.05

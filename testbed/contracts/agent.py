"""The contract of agents: a card that tells the truth, answers that mean something, the same ones every time."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import ClassVar

import numpy as np

from testbed import agents
from testbed.core.answer_check import check_answers
from testbed.core.errors import AgentError
from testbed.core.types import Agent, EgoState, Image, LaneState, Observation, Perception, SignTruth, Truth

HEIGHT_PX, WIDTH_PX = 160, 320


class AgentContract:
    """Tests of one agent; subclass it, name the agent, and let pytest collect the subclass.

    Attributes:
        name: Registered name, or path of a YAML file with options.
    """

    name: ClassVar[str] = ""
    _loaded: ClassVar[dict[str, Agent]] = {}

    @property
    def agent(self) -> Agent:
        """The agent, loaded once."""
        if self.name not in self._loaded:
            self._loaded[self.name] = agents.load(self.name)
        return self._loaded[self.name]

    def test_its_card_is_known_without_loading_it(self) -> None:
        """What the registry shows of an agent is what the agent says of itself."""
        card = agents.card(self.name)
        assert card == self.agent.card
        assert card.name and card.kind
        p50_ms, p95_ms = card.latency_ms
        assert math.isfinite(p95_ms) and 0.0 <= p50_ms <= p95_ms, "latency is (p50, p95) in milliseconds"
        assert card.parameters >= 0 and all(math.isfinite(value) for value in card.figures.values())
        assert all(len(digest) == 64 for digest in card.weights.values()), "weights map file names to sha256"
        json.dumps(dataclasses.asdict(card))

    def test_it_answers_whatever_it_sees(self) -> None:
        """Pictures of any content, with and without a sign of any size, get answers that the loop accepts."""
        self.agent.reset(1)
        for number, (picture, crop) in enumerate(pictures()):
            observation = self.observation(number, picture, crop)
            check(self.agent.perceive(observation), observation, self.name)

    def test_another_picture_size_is_answered_or_refused_in_words(self) -> None:
        """A scenario may choose another camera; an agent that cannot use it says so."""
        self.agent.reset(1)
        large = np.full((2 * HEIGHT_PX, 2 * WIDTH_PX, 3), 90, np.uint8)
        observation = self.observation(0, large, None)
        try:
            answers = self.agent.perceive(observation)
        except AgentError as error:
            assert str(error)
        else:
            check(answers, observation, self.name)

    def test_the_same_seed_gives_the_same_answers(self) -> None:
        """After a reset nothing of the last episode is left."""
        runs = []
        for _ in range(2):
            self.agent.reset(7)
            runs.append([self.agent.perceive(self.observation(n, *shown)) for n, shown in enumerate(pictures())])
        assert runs[0] == runs[1]

    def test_it_leaves_what_it_sees_as_it_is(self) -> None:
        """Judges, videos and other agents look at the same picture."""
        self.agent.reset(1)
        picture, crop = list(pictures())[-1]
        assert crop is not None
        before = picture.copy(), crop.copy()
        self.agent.perceive(self.observation(0, picture, crop))
        assert np.array_equal(picture, before[0]) and np.array_equal(crop, before[1])

    def observation(self, number: int, picture: Image, crop: Image | None) -> Observation:
        """Return an observation; truth is there for agents whose card asks for it and for no others."""
        return Observation(
            frame=2 * number,
            t_s=0.1 * number,
            image=picture,
            speed_mps=20.0,
            sign_crop=crop,
            sign_id=None if crop is None else "sign",
            sign_distance_m=None if crop is None else 25.0 - number,
            truth=truth(crop is not None) if self.agent.card.needs_truth else None,
        )


def check(perception: Perception, observation: Observation, name: str) -> None:
    """Assert that answers are whole, in range and about what was shown."""
    check_answers(perception, name)
    if observation.sign_crop is None:
        assert perception.sign is None, "no sign was shown, so none may be answered"
    chances = perception.steering.probabilities
    if chances is not None:
        assert min(chances) >= 0.0 and abs(sum(chances) - 1.0) < 1e-3, "probabilities of the steering classes"
    box = perception.vehicle.box_px
    if box is not None:
        height, width = observation.image.shape[:2]
        assert -1.0 <= box[0] and -1.0 <= box[1] and box[2] <= width + 1.0 and box[3] <= height + 1.0, (
            "box in the image"
        )
    assert perception.vehicle.present is not False or box is None, "no vehicle, no box"
    sign = perception.sign
    given = {"tsr": sign and sign.class_id, "alc": perception.steering.steering, "vd": perception.vehicle.present}
    for task in perception.unparsable:
        assert given[task] is None, f"what was said for {task} could not be read, so it must be withheld"
    json.dumps(perception.raw)


def pictures() -> list[tuple[Image, Image | None]]:
    """Return views and sign crops: black, white, noise, a ramp, a dark view; crops from tiny to large."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 255, WIDTH_PX).astype(np.uint8)
    views = [
        np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8),
        np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8),
        rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8),
        np.broadcast_to(ramp[None, :, None], (HEIGHT_PX, WIDTH_PX, 3)).copy(),
        rng.integers(0, 60, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8),
    ]
    crops = [None, *(rng.integers(0, 256, (size, size + 1, 3), dtype=np.uint8) for size in (8, 24, 61, 120))]
    return list(zip(views, crops, strict=True))


def truth(with_sign: bool) -> Truth:
    """Return the truth of an empty straight road, with a sign beside it or without."""
    sign = SignTruth("sign", 7, 25.0, (200.0, 60.0, 216.0, 76.0)) if with_sign else None
    return Truth(
        ego=EgoState(0.0, 0.0, 0.0, 0.0, 20.0),
        lane=LaneState(0.1, 0.0, 3.6, 0.0, 10.0, -0.1),
        speed_limit_mps=None,
        sign=sign,
    )

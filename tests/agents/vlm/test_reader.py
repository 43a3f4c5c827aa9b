from __future__ import annotations

import numpy as np
import pytest
import torch

from testbed.agents.vlm import answers
from testbed.agents.vlm.images import WINDOWS, fit
from testbed.agents.vlm.number_bins import expectation
from testbed.agents.vlm.readings import ImagePrompt, Reading
from testbed.core.errors import AgentError
from testbed.core.types import Observation, Steering

from .conftest import picture


def observation(crop: bool) -> Observation:
    return Observation(0, 0.0, picture(3), 20.0, sign_crop=picture(4, 24, 24) if crop else None)


def reading(task: str, *probabilities: float, box=None) -> Reading:
    return Reading.of(task, np.array(probabilities), box)


def test_closed_set_probabilities_sum_to_what_cannot_tell_leaves(reader, conversation) -> None:
    for answer in reader.read(conversation):
        assert 0.0 < answer.probabilities.sum() <= 1.0 + 1e-12
        assert (answer.probabilities >= 0).all()


def test_a_batch_answers_like_single_conversations(reader, conversation) -> None:
    other = [ImagePrompt(q.task, picture(10 + i, *q.image.shape[:2])) for i, q in enumerate(conversation)]
    batch = reader.read_batch([conversation, other])
    for alone, together in zip((reader.read(conversation), reader.read(other)), batch, strict=True):
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)
            if a.box is not None:
                np.testing.assert_allclose(a.box, b.box, atol=1e-3)


def test_every_picture_of_a_conversation_matters(reader, conversation) -> None:
    first = reader.read(conversation)[-1]
    for place in range(3):
        changed = list(conversation)
        changed[place] = ImagePrompt(changed[place].task, picture(50 + place, *changed[place].image.shape[:2]))
        assert not np.array_equal(first.probabilities, reader.read(changed)[-1].probabilities)


def test_three_questions_take_one_forward_pass(reader, conversation) -> None:
    calls = {"text": 0, "tower": 0}
    network = reader.checkpoint.network.model

    def count(name):
        def hook(*_args) -> None:
            calls[name] += 1

        return hook

    hooks = [
        network.language_model.register_forward_hook(count("text")),
        network.vision_tower.register_forward_hook(count("tower")),
    ]
    try:
        answered = reader.read(conversation)
    finally:
        for hook in hooks:
            hook.remove()
    assert [answer.task for answer in answered] == ["tsr", "alc", "vd"]
    assert calls == {"text": 1, "tower": 1}


def test_a_number_is_finer_than_a_bin() -> None:
    bins = torch.arange(128)
    for place in (0.2, 0.203, 0.5, 0.77):
        logits = -0.5 * (bins + 0.5 - place * 128) ** 2
        assert float(expectation(logits.double())) == pytest.approx(place, abs=1e-3)


def test_boxes_are_pixels_of_the_picture_and_stay_inside() -> None:
    answer = reading("vd", 0.1, 0.9, box=(0.5, 0.5, 0.25, 0.5))
    assert answer.box_px(320, 160) == (80.0, 60.0, 240.0, 100.0)
    assert reading("vd", 0.1, 0.9, box=(0.0, 0.0, 0.5, 0.5)).box_px(100, 100) == (0.0, 0.0, 25.0, 25.0)


def test_abstention_withholds_unsure_answers() -> None:
    seen = observation(crop=True)
    tsr = reading("tsr", *([0.4] + [0.6 / 42] * 42))
    readings = [tsr, reading("alc", 0.7, 0.2, 0.1), reading("vd", 0.2, 0.8, box=(0.5, 0.5, 0.1, 0.1))]
    told = answers.perception(seen, readings, answers.Abstention())
    assert told.sign is not None and told.sign.class_id == 0
    assert told.steering.steering is Steering.LEFT and told.vehicle.present and told.vehicle.box_px is not None
    unsure = answers.perception(seen, readings, answers.Abstention.parse(0.75))
    assert unsure.sign is not None and unsure.sign.class_id is None and unsure.sign.confidence == pytest.approx(0.4)
    assert unsure.steering.steering is None and unsure.vehicle.present is True
    strict = answers.perception(seen, readings, answers.Abstention.parse({"vd": 0.9}))
    assert strict.vehicle.present is None and strict.vehicle.box_px is None
    assert strict.steering.steering is Steering.LEFT


def test_abstention_refuses_nonsense() -> None:
    with pytest.raises(AgentError, match="probability"):
        answers.Abstention.parse(1.5)
    with pytest.raises(AgentError, match="'speed'"):
        answers.Abstention.parse({"speed": 0.5})


def test_nothing_is_asked_about_a_sign_that_is_not_in_view() -> None:
    assert [q.task for q in answers.questions(observation(crop=False))] == ["alc", "vd"]
    assert [q.task for q in answers.questions(observation(crop=True))] == ["tsr", "alc", "vd"]


def test_the_steering_window_is_cut_not_resampled() -> None:
    view = picture(5)
    np.testing.assert_array_equal(fit(view, WINDOWS["alc"]), view[64:, 32:288])
    assert fit(view, WINDOWS["vd"]).shape == (96, 256, 3)
    assert fit(picture(6, 16, 16)).shape == (96, 256, 3)

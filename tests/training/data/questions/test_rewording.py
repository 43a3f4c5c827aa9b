"""A question in other words means the same, is seldom the same twice, and never one that is held out."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.training.data.questions import KINDS
from testbed.training.data.questions.registry import PUBLISHED
from testbed.training.data.questions.rewording import SAME, reworded


@pytest.mark.parametrize("kind", PUBLISHED.values(), ids=lambda kind: kind.name)
def test_a_few_wordings_become_thousands(kind) -> None:
    rng = np.random.default_rng(0)
    texts = [kind.training[int(rng.integers(len(kind.training)))] for _ in range(4000)]
    found = [reworded(text, rng, frozenset(kind.held_out)) for text in texts]
    assert len(set(found)) > 1000
    assert not set(found) & set(kind.held_out)
    assert 0.3 < np.mean([text == new for text, new in zip(texts, found, strict=True)]) < 0.7


def test_equal_chance_gives_equal_words() -> None:
    text = "Give the bounding box of the car in front, if there is one."
    one, again = (reworded(text, np.random.default_rng(7)) for _ in range(2))
    assert one == again


def test_a_question_that_is_held_out_is_not_made() -> None:
    text = "Which road sign is shown here?"
    never = frozenset(reworded(text, np.random.default_rng(seed)) for seed in range(40)) - {text}
    assert all(reworded(text, np.random.default_rng(seed), never) == text for seed in range(40))


def test_sides_are_no_synonyms() -> None:
    said = {word for row in SAME for phrase in row for word in phrase.split()}
    assert not said & {"left", "right", "straight"}
    assert all(len(set(row)) == len(row) > 1 for row in SAME) and len(KINDS) > 30

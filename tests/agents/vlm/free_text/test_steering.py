from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.vlm.free_text import parse
from testbed.agents.vlm.free_text.steering import STEERING_PHRASES
from testbed.core.errors import AgentError

LEFT, STRAIGHT, RIGHT = 0, 1, 2


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("Left", LEFT),
        ("Turn slightly to the left.", LEFT),
        ("Steer left to follow the curve, which bends left.", LEFT),
        ("counter-clockwise", LEFT),
        ("right", RIGHT),
        ("You should turn the steering wheel to the right", RIGHT),
        ("Straight", STRAIGHT),
        ("Keep going straight ahead", STRAIGHT),
        ("No steering needed.", STRAIGHT),
        ("Do not turn the wheel", STRAIGHT),
        ("Don't turn left or right", STRAIGHT),
        ("neither left nor right", STRAIGHT),
        ("maintain your current direction", STRAIGHT),
        ("keep the wheel centred", STRAIGHT),
    ],
)
def test_wordings_of_people_and_models(text, choice) -> None:
    answer = parse("alc", text, (320, 160))
    assert (answer.status, answer.choice) == ("answered", choice), answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "left or right",
        "Left. Straight.",
        "straight, then right",
        "not left",
        "do not turn left",
        "left?",
        "either left",
        "stay in the left lane",
        "right now",
        "that's right",
        "the road is straight",
        "The road curves to the left.",
        "toward the trees",
        "42",
        "north",
        "right-hand side",
        "Should I turn left?",
    ],
)
def test_never_a_guess(text) -> None:
    assert parse("alc", text, (320, 160)).status == "unparsable"


@pytest.mark.parametrize("text", ["I cannot tell", "It is unclear.", "I can't see the road", "not visible"])
def test_refusals(text) -> None:
    assert parse("alc", text, (320, 160)).status == "cannot_tell"


def test_every_phrase_is_its_direction_or_none() -> None:
    for phrase, meaning in STEERING_PHRASES.meanings.items():
        answer = parse("alc", phrase, (320, 160))
        assert answer.choice == (meaning if meaning in (LEFT, STRAIGHT, RIGHT) else None), (phrase, answer)


@given(st.text(alphabet="bcdfjkmopqsuvwxyz0123456789[](),.<>{}:\"' \n", max_size=200))
def test_random_text_names_no_direction(text) -> None:
    assert parse("alc", text, (320, 160)).status == "unparsable"


def test_a_task_or_notation_that_does_not_exist_is_the_callers_mistake() -> None:
    with pytest.raises(AgentError, match="task 'tst'"):
        parse("tst", "left", (320, 160))
    with pytest.raises(AgentError, match="qwen_vl"):
        parse("vd", "left", (320, 160), notation="qwen")  # type: ignore[arg-type]

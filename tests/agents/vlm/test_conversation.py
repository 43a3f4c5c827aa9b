from __future__ import annotations

import pytest

from testbed.agents.vlm import conversation
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.perception_tasks import PROMPTS

from .conftest import picture

PAIRS = [ImagePrompt("tsr", picture(1, 24, 24)), ImagePrompt("alc", picture(2)), ImagePrompt("vd", picture(2))]


def test_one_question_is_asked_in_the_published_words_alone() -> None:
    (turn,) = conversation.messages(PAIRS[1:2])
    assert turn == {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPTS["alc"]}]}


def test_several_questions_are_one_turn_of_numbered_pairs() -> None:
    (turn,) = conversation.messages(PAIRS)
    kinds = [part["type"] for part in turn["content"]]
    assert kinds == ["image", "text"] * 3 + ["text"]
    assert turn["content"][3]["text"] == f"2. {PROMPTS['alc']}"


def test_a_question_of_ones_own_takes_the_place_of_the_published_one() -> None:
    assert conversation.asked_words([ImagePrompt("alc", picture(2), "Which way?")]) == ["Which way?"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("1. stop\n2. Left\n3. No car", ["stop", "Left", "No car"]),
        ("3. No car\n 1.  stop \n2. Left", ["stop", "Left", "No car"]),
        ("1. stop\n2. Left", ["stop", "Left", None]),
        ("1. stop\n1. yield\n2. Left\n3. No car", [None, "Left", "No car"]),
        ("stop\nLeft\nNo car", [None, None, None]),
        ("1. stop\n2. Left\n3. A car at (0.500, 0.500), H 0.100, W 0.100\n4. more", None),
    ],
)
def test_a_reply_is_split_by_its_numbers_and_never_guessed(reply: str, expected: list[str | None] | None) -> None:
    found = conversation.split_reply(reply, 3)
    assert found == (expected or ["stop", "Left", "A car at (0.500, 0.500), H 0.100, W 0.100"])


def test_the_reply_to_one_question_is_the_answer() -> None:
    assert conversation.split_reply("1. Left", 1) == ["1. Left"]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.vlm.free_text import numbered_lines


def split(text: str, count: int) -> list[str | None]:
    return [None if place is None else text[slice(*place)].strip() for place in numbered_lines(text, count)]


@pytest.mark.parametrize(
    "text",
    [
        "1. Stop\n2. Left\n3. No car",
        "1) Stop\n2) Left\n3) No car\n",
        "Here are the answers:\n\n(1) Stop\n\n(2) Left\n(3) No car",
        "1: Stop\n2: Left\n3: No car",
        "**1.** Stop\n**2.** Left\n**3.** No car",
    ],
)
def test_lines_in_the_usual_dress(text) -> None:
    assert split(text, 3) == ["Stop", "Left", "No car"]


def test_an_answer_may_take_several_lines() -> None:
    text = '1. Left\n2. ```json\n[\n {"bbox_2d": [1, 2, 3, 4]}\n]\n```'
    assert split(text, 2) == ["Left", '```json\n[\n {"bbox_2d": [1, 2, 3, 4]}\n]\n```']


def test_a_missing_or_doubled_line_is_missing_alone() -> None:
    assert split("1. Stop\n3. No car", 3) == ["Stop", None, "No car"]
    assert split("1. Stop\n2. Left\n2. Right\n3. No car", 3) == ["Stop", None, "No car"]
    assert split("Stop, left, no car", 3) == [None, None, None]
    assert split("1. Stop 2. Left", 2) == ["Stop 2. Left", None]


def test_numbers_inside_an_answer_are_no_labels() -> None:
    assert split("1. Speed limit\n2. A car at\n0.5, 0.4", 2) == ["Speed limit", "A car at\n0.5, 0.4"]


@given(st.text(max_size=200), st.integers(1, 3))
def test_any_text_is_split(text, count) -> None:
    places = numbered_lines(text, count)
    assert len(places) == count and all(p is None or 0 <= p[0] <= p[1] <= len(text) for p in places)

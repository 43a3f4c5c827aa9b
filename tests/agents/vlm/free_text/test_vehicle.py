from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.vlm.free_text import NOTATIONS, numbered_lines, parse
from testbed.agents.vlm.free_text.boxes import ONE_SCALE

SIZE = (320, 160)
PER = {"fractions": (1.0, 1.0), "1000": (1000.0, 1000.0), "1024": (1024.0, 1024.0), "pixels": (320.0, 160.0)}


def write(notation: str, corners: tuple[float, float, float, float]) -> str:
    """Return a box, given by its corners in fractions, as a model writes it: a language written down a second time."""
    form, scale = NOTATIONS[notation]
    across, down = PER[scale]
    x1, y1, x2, y2 = corners[0] * across, corners[1] * down, corners[2] * across, corners[3] * down
    if form == "centre":
        return f"A car at ({(x1 + x2) / 2:.4f}, {(y1 + y2) / 2:.4f}), H {y2 - y1:.4f}, W {x2 - x1:.4f}"
    if form == "corners":
        return f"[{x1:.4f}, {y1:.4f}, {x2:.4f}, {y2:.4f}]"
    a, b, c, d = (round(value) for value in (x1, y1, x2, y2))
    return {
        "round": f"<ref>the car</ref><box>({a},{b}),({c},{d})</box>",
        "double": f"<ref>car</ref><box>[[{a}, {b}, {c}, {d}]]</box>",
        "loc": f"<loc{b:04d}><loc{a:04d}><loc{d:04d}><loc{c:04d}> car",
        "box_2d": "```json\n" + json.dumps([{"box_2d": [b, a, d, c], "label": "car"}]) + "\n```",
        "bbox_2d": "```json\n" + json.dumps([{"bbox_2d": [a, b, c, d], "label": "car"}], indent=1) + "\n```",
    }[form]


SIDE = st.tuples(st.floats(0.0, 0.9), st.floats(0.05, 0.98)).filter(lambda pair: pair[1] - pair[0] > 0.04)


@pytest.mark.parametrize("notation", NOTATIONS)
@given(across=SIDE, down=SIDE)
def test_every_notation_goes_there_and_back(notation, across, down) -> None:
    corners = across[0], down[0], across[1], down[1]
    text = write(notation, corners)
    answer = parse("vd", text, SIZE, notation=notation)
    assert (answer.status, answer.choice) == ("answered", 1), (text, answer)
    x, y, h, w = answer.box
    step = 1.0 / min(PER[NOTATIONS[notation][1]]) if NOTATIONS[notation][0] not in ("centre", "corners") else 1e-3
    found = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    assert found == pytest.approx(corners, abs=step), text
    # without being told, what can be read in one way only is read the same, and nothing else
    untold = parse("vd", text, SIZE)
    form, scale = NOTATIONS[notation]
    assert untold == answer if form in ONE_SCALE or scale == "fractions" else untold.status == "unparsable"


@pytest.mark.parametrize("told", NOTATIONS)
@pytest.mark.parametrize("written", NOTATIONS)
def test_a_box_in_another_form_than_told_is_unparsable(told, written) -> None:
    answer = parse("vd", write(written, (0.25, 0.25, 0.5, 0.75)), SIZE, notation=told)
    assert (answer.status == "answered") <= (NOTATIONS[told][0] == NOTATIONS[written][0]), answer


def test_scales_differ_by_what_they_count() -> None:
    text = json.dumps([{"bbox_2d": [32, 16, 64, 48], "label": "car"}])
    assert parse("vd", text, SIZE, notation="qwen2_5_vl").box == pytest.approx((0.15, 0.2, 0.2, 0.1))
    assert parse("vd", text, SIZE, notation="qwen3_vl").box == pytest.approx((0.048, 0.032, 0.032, 0.032))
    assert "notation" in parse("vd", text, SIZE).why
    assert parse("vd", "[10, 20, 30, 40]", SIZE).status == "unparsable"


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("A car at (0.512, 0.433), H 0.120, W 0.090", (0.512, 0.433, 0.12, 0.09)),
        ("The center is at (0.5, 0.4) with a width of 0.2 and a height of 0.1.", (0.5, 0.4, 0.1, 0.2)),
        ("Center coordinates: (x: 0.5, y: 0.4), dimensions: width = 0.2, height = 0.1", (0.5, 0.4, 0.1, 0.2)),
        ("Yes, there is a car: [0.4, 0.3, 0.6, 0.5]", (0.5, 0.4, 0.2, 0.2)),
        ("a car at (0.95, 0.5), H 0.2, W 0.102", (0.9495, 0.5, 0.2, 0.101)),
        ("<|box_start|>(400,300),(600,500)<|box_end|>", (0.5, 0.4, 0.2, 0.2)),
        ('{"box_2d": [300, 400, 500, 600], "label": "white truck"}', (0.5, 0.4, 0.2, 0.2)),
        (
            '[{"box_2d": [1, 2, 3, 4], "label": "person"}, {"box_2d": [300, 400, 500, 600], "label": "car"}]',
            (0.5, 0.4, 0.2, 0.2),
        ),
    ],
)
def test_boxes_in_words_and_lists(text, box) -> None:
    answer = parse("vd", text, SIZE)
    assert answer.choice == 1 and answer.box == pytest.approx(box), answer


@pytest.mark.parametrize(
    "text",
    [
        "No car",
        "no.",
        "No, there is no car.",
        "There are no vehicles ahead.",
        "I don't see any cars.",
        "None",
        "[]",
        "No car is detected in the image.",
        "```json\n[]\n```",
        "I cannot detect a car",
    ],
)
def test_absence(text) -> None:
    answer = parse("vd", text, SIZE)
    assert (answer.status, answer.choice, answer.box) == ("answered", 0, None), answer


@pytest.mark.parametrize("text", ["Yes", "Yes, a car is ahead.", "There is a white car."])
def test_presence_without_a_box(text) -> None:
    answer = parse("vd", text, SIZE)
    assert (answer.status, answer.choice, answer.box) == ("answered", 1, None), answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[0.1, 0.2, 0.1, 0.4]",
        "[0.5, 0.2, 0.1, 0.4]",
        "[0.1, 0.2, 0.3, 1.4]",
        "[-0.1, 0.2, 0.3, 0.4]",
        "<box>(100,200),(1300,400)</box>",
        "<box>(100,200),(300,400)",
        "<loc0123><loc0200><loc0100><loc0500>",
        "<loc0123><loc0200><loc0400>",
        "A car at (0.5, 0.4), H 0.0, W 0.2",
        "A car at (0.5, 0.4), H 0.2, W 1.2",
        "A car at (0.5, 0.4)",
        "A car at (160, 80), H 20, W 40",
        "[0.1,0.2,0.3,0.4] [0.5,0.5,0.6,0.6]",
        '{"box_2d": [NaN, 1, 2, 3]}',
        '{"box_2d": [1e999, 1, 2, 3]}',
        '{"box_2d": [1, 2, 3]}',
        '{"box_2d": "car"}',
        '{"box_2d": [true, 2, 300, 400]}',
        '[{"box_2d": [1, 2, 3, 4], "label": "person"}]',
        "[" * 3000,
        '{"box_2d": [1, 2, ' + "9" * 3000 + ", 4]}",
        "There is no car, but a car",
        "[] [0.1, 0.2, 0.3, 0.4]",
        "no car [0.1, 0.2, 0.3, 0.4]",
        "Is there a car?",
        "a tree",
        "0.5",
        "A car, not a truck",
        "2 cars",
        "[0, 0, 1, 1]",
    ],
)
def test_never_a_guess(text) -> None:
    answer = parse("vd", text, SIZE)
    assert (answer.status, answer.choice, answer.box) == ("unparsable", None, None), answer


@pytest.mark.parametrize(
    "text", ["I cannot tell whether there is a car.", "Unclear", "I'm sorry, I can't help with that"]
)
def test_refusals(text) -> None:
    assert parse("vd", text, SIZE).status == "cannot_tell"


@given(
    st.text(alphabet='[](){},.<>0123456789eE+-: "\nlocbox/_2dNaIfinty|HW', max_size=120),
    st.sampled_from(list(NOTATIONS)),
)
def test_what_is_nearly_a_box_is_a_box_inside_the_picture_or_none(text, notation) -> None:
    answer = parse("vd", text, SIZE, notation=notation)
    if answer.box is not None:
        x, y, h, w = answer.box
        assert (
            h > 0
            and w > 0
            and x - w / 2 >= -1e-9
            and x + w / 2 <= 1 + 1e-9
            and y - h / 2 >= -1e-9
            and y + h / 2 <= 1 + 1e-9
        )


@pytest.mark.parametrize("filler", [" ", " a", ",;", " the", "1", "(1,1) ", "[", '{"a":', " h 1 w", "\n", "<loc0001>"])
@pytest.mark.parametrize("head", ["", "(0.5,0.4)", "[", "("])
def test_a_long_text_costs_no_more_than_its_length(head, filler) -> None:
    text = (head + filler * 4000)[:3990]
    began_s = time.process_time()
    parse("vd", text, SIZE)
    numbered_lines(text * 20, 3)
    assert time.process_time() - began_s < 1.0

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.vlm.free_text import parse
from testbed.agents.vlm.free_text.sign_words import WHOLE
from testbed.agents.vlm.free_text.signs import SIGN_PHRASES, class_of
from testbed.agents.vlm.free_text.words import NUMBER, tokens_of
from testbed.core.gtsrb import SIGN_NAMES

SIZE = (48, 48)
FIELD = (
    "Speed limit (20km/h)|Speed limit (30km/h)|Speed limit (50km/h)|Speed limit (60km/h)|Speed limit (70km/h)|"
    "Speed limit (80km/h)|End of speed limit (80km/h)|Speed limit (100km/h)|Speed limit (120km/h)|No passing|"
    "No passing for vehicles over 3.5 metric tons|Right-of-way at the next intersection|Priority road|Yield|Stop|"
    "No vehicles|Vehicles over 3.5 metric tons prohibited|No entry|General caution|Dangerous curve to the left|"
    "Dangerous curve to the right|Double curve|Bumpy road|Slippery road|Road narrows on the right|Road work|"
    "Traffic signals|Pedestrians|Children crossing|Bicycles crossing|Beware of ice/snow|Wild animals crossing|"
    "End of all speed and passing limits|Turn right ahead|Turn left ahead|Ahead only|Go straight or right|"
    "Go straight or left|Keep right|Keep left|Roundabout mandatory|End of no passing|"
    "End of no passing by vehicles over 3.5 metric tons"
).split("|")
"""The class list that most code of the field carries."""


def choice(text: str) -> int | None:
    return parse("tsr", text, SIZE).choice


@pytest.mark.parametrize("names", [SIGN_NAMES, FIELD], ids=["ours", "field"])
@pytest.mark.parametrize(
    "frame", ["{}", "{}.", "This is a {} sign.", 'The sign shows: "{}".', "**{}**", "Answer: {}\n", "  {}  "]
)
def test_every_name_is_its_class(names, frame) -> None:
    assert len(names) == 43
    for class_id, name in enumerate(names):
        for text in (name, name.upper(), name.title()):
            assert choice(frame.format(text)) == class_id, text


def test_every_synonym_is_its_class_and_nothing_else() -> None:
    classes = set()
    for phrase, meaning in SIGN_PHRASES.meanings.items():
        for number in ("20", "80", "3.5", "45") if NUMBER in phrase else ("",):
            text = phrase.replace(NUMBER, number)
            found = SIGN_PHRASES.find(tokens_of(text))
            answer = parse("tsr", text, SIZE)
            wanted = {class_of(one) for one in found}
            assert answer.choice == (next(iter(wanted)) if len(wanted) == 1 else None), (text, answer)
            if isinstance(meaning, int):
                assert answer.choice == meaning, (text, answer)
            classes.add(answer.choice)
    assert classes >= set(range(43)) - {1, 2, 3, 4, 7, 8}


@pytest.mark.parametrize(
    ("text", "class_id"),
    [
        ("50 km/h limit", 2),
        ("50 kph speed limit", 2),
        ("Maximum speed 70 kilometres per hour", 4),
        ("a stop sign", 14),
        ("STOP", 14),
        ("Yield / give way", 13),
        ("Do not enter", 17),
        ("no entry for trucks", 16),
        ("No overtaking by lorries", 10),
        ("No passing for vehicles over 3,5t", 10),
        ("end of the overtaking ban", 41),
        ("go straight or turn right", 36),
        ("Warning sign: slippery road", 23),
        ("caution", 18),
        ("Stop sign: red octagon on the right side of the road", 14),
        ("It could be a roundabout", 40),
        ("Speed limit 30. Drivers must not exceed 30 km/h.", 1),
    ],
)
def test_wordings_of_people_and_models(text, class_id) -> None:
    assert choice(text) == class_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "50",
        "50 km/h",
        "80",
        "a sign",
        "round sign with a red border",
        "not a stop sign",
        "This isn't a stop sign",
        "a stop sign it is not",
        "neither stop nor yield",
        "stop or yield",
        "a stop sign or something like it",
        "speed limit 50 or 60",
        "Stop sign. Yield sign.",
        "bus stop",
        "no stopping",
        "stop line",
        "no left turn",
        "no pedestrians",
        "bicycle lane",
        "one way",
        "speed limit 40",
        "speed limit 130",
        "speed limit 50 mph",
        "minimum speed 30",
        "zone 30",
        "weight limit 50",
        "end of speed limit",
        "end of speed limit 50",
        "end of priority road",
        "speed limit 80, end",
        "road narrows",
        "road narrows on both sides",
        "no passing for vehicles over 7.5 t",
        "turn left or right",
        "keep right and left",
        "turn right ahead then left",
        "Is this a stop sign?",
        "Stop?",
        "stop " * 2000,
    ],
)
def test_never_a_guess(text) -> None:
    answer = parse("tsr", text, SIZE)
    assert (answer.status, answer.choice) == ("unparsable", None) and answer.why, answer


@pytest.mark.parametrize(
    "text",
    [
        "I cannot tell.",
        "I'm not sure",
        "Sorry, I can't identify the sign.",
        "unknown",
        "The sign is too blurry to read.",
        "No traffic sign is visible.",
        "As an AI language model, I cannot see it",
        "It’s impossible to say",
        "I do not know. Could you provide a sharper picture?",
    ],
)
def test_a_refusal_is_an_answer_of_its_own(text) -> None:
    answer = parse("tsr", text, SIZE)
    assert (answer.status, answer.choice) == ("cannot_tell", None), answer


def test_a_refusal_with_a_guess_is_neither() -> None:
    assert parse("tsr", "I am not sure, maybe a stop sign", SIZE).status == "unparsable"


@given(st.text(max_size=300), st.sampled_from(["tsr", "alc", "vd"]))
def test_no_text_raises(text, task) -> None:
    answer = parse(task, text, (320, 160))
    assert (answer.choice is not None) == (answer.status == "answered")


@given(st.text(alphabet="bcdfghjklmpqrstvwxz0123456789[](),.<>{}:\"' \n", max_size=200))
def test_random_text_names_no_sign(text) -> None:
    assert parse("tsr", text, SIZE).status == "unparsable"


@given(
    st.lists(st.sampled_from([w for n in SIGN_NAMES for w in n.split()] + ["not", "or", "sign", ".", ","]), max_size=8)
)
def test_words_of_names_in_any_order_give_at_most_the_one_class_they_name(words) -> None:
    text = " ".join(words)
    answer = parse("tsr", text, SIZE)
    named = {class_of(one) for one in SIGN_PHRASES.find(tokens_of(text))}
    if answer.choice is not None:
        assert named == {answer.choice} or text.strip(" .,").removesuffix("sign").strip(" .,") in WHOLE
        assert "not" not in words


@given(st.integers(0, 42), st.integers(0, 42), st.sampled_from([" ", ", ", ". ", " and ", " or ", " but rather "]))
def test_two_classes_are_never_one(first, second, joint) -> None:
    text = f"{SIGN_NAMES[first]}{joint}{SIGN_NAMES[second]}"
    answer = parse("tsr", text, SIZE)
    assert answer.choice is None or first == second, (text, answer)

from __future__ import annotations

import pytest

from testbed.agents.vlm import language, readings
from testbed.agents.vlm.number_bins import BINS, LOCATIONS
from testbed.agents.vlm.reader import single_tokens
from testbed.core.errors import AgentError
from testbed.core.gtsrb import SIGN_NAMES

LAYOUTS = [("tsr",), ("alc",), ("vd",), ("tsr", "alc", "vd"), ("alc", "vd")]


@pytest.fixture(scope="module")
def tokenizer():
    return language.wrap(language.train_tokenizer())


def test_prompts_are_the_published_ones() -> None:
    assert language.PROMPTS["tsr"] == "Identify this traffic sign."
    assert language.PROMPTS["alc"] == "As a car driver, at which direction should you turn the steering wheel?"
    assert language.PROMPTS["vd"].startswith("If a car is detected, provide the center coordinates")


@pytest.mark.parametrize("tasks", LAYOUTS)
def test_the_prompt_is_a_token_prefix_of_prompt_and_form(tokenizer, tasks) -> None:
    prompt = language.prompt_text(tokenizer, tuple(language.PROMPTS[task] for task in tasks), 24)
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    whole = tokenizer(prompt + language.form_text(tasks), add_special_tokens=False)["input_ids"]
    assert whole[: len(before)] == before
    assert tokenizer.convert_ids_to_tokens(whole[len(before) :]) == [s for t in tasks for s in language.SLOTS[t]]
    assert whole.count(tokenizer.image_token_id) == 24 * len(tasks)


@pytest.mark.parametrize("tasks", LAYOUTS)
def test_questions_survive_the_tokenizer(tokenizer, tasks) -> None:
    prompt = language.prompt_text(tokenizer, tuple(language.PROMPTS[task] for task in tasks), 2)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False) == prompt
    for task in tasks:
        assert language.PROMPTS[task] in prompt


def test_every_closed_set_answer_and_number_is_one_token(tokenizer) -> None:
    ids = [single_tokens(tokenizer, words) for words in (*readings.CHOICES.values(), LOCATIONS)]
    flat = [token for group in ids for token in group]
    assert len(set(flat)) == len(flat) == len(SIGN_NAMES) + 3 + 2 + BINS


def test_no_prompt_contains_an_answer_token(tokenizer) -> None:
    answers = {token for words in readings.CHOICES.values() for token in single_tokens(tokenizer, words)}
    for prompt in language.PROMPTS.values():
        assert not answers & set(tokenizer(prompt, add_special_tokens=False)["input_ids"])


def test_a_long_answer_is_refused(tokenizer) -> None:
    with pytest.raises(AgentError, match="single tokens"):
        single_tokens(tokenizer, ["an answer nobody planned"])


def test_training_the_tokenizer_twice_gives_the_same_one() -> None:
    assert language.train_tokenizer().to_str() == language.train_tokenizer().to_str()

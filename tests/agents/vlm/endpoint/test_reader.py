from __future__ import annotations

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image as PilImage

from testbed.agents.vlm.endpoint.reader import EndpointReader
from testbed.core.errors import UsageError
from testbed.core.perception_tasks import PROMPTS

from .conftest import questions, settings
from .fake_server import said


def pictures(body) -> list[np.ndarray]:
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    return [np.asarray(PilImage.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))) for url in urls]


def texts(body) -> list[str]:
    return [part["text"] for part in body["messages"][0]["content"] if part["type"] == "text"]


def test_solo_asks_one_question_as_published(serve) -> None:
    server = serve(lambda asked, number: said("Turn left."))
    asked = questions("alc")
    (reading,) = EndpointReader(settings(server.url)).read(asked)
    assert (reading.task, reading.status, reading.choice, reading.text) == ("alc", "answered", 0, "Turn left.")
    body = server.asked[0].body
    assert np.array_equal(pictures(body)[0], asked[0].image) and texts(body)[0].startswith(PROMPTS["alc"])
    assert (body["temperature"], body["max_tokens"]) == (0.0, 128) and "logprobs" not in body and "seed" not in body


def test_tandem_asks_pairs_and_splits_the_reply(serve) -> None:
    server = serve(lambda asked, number: said("1. Stop sign\n2. straight\n3. A car at (0.5, 0.5), H 0.2, W 0.1"))
    readings = EndpointReader(settings(server.url)).read(questions("tsr", "alc", "vd"))
    assert [(r.task, r.status, r.choice) for r in readings] == [
        ("tsr", "answered", 14), ("alc", "answered", 1), ("vd", "answered", 1),
    ]  # fmt: skip
    assert readings[2].box == (0.5, 0.5, 0.2, 0.1) and readings[2].box_px(320, 160) == pytest.approx((144, 64, 176, 96))
    content = server.asked[0].body["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"] * 3 + ["text"]
    assert content[1]["text"].startswith("Question 1: Identify") and '"3. …"' in content[6]["text"]
    assert len(server.asked) == 1


def test_a_line_that_is_missing_is_unparsable_alone(serve) -> None:
    server = serve(lambda asked, number: said("1. Stop\n3. I cannot tell"))
    tsr, alc, vd = EndpointReader(settings(server.url)).read(questions("tsr", "alc", "vd"))
    assert (tsr.status, alc.status, vd.status) == ("answered", "unparsable", "cannot_tell")
    assert (alc.choice, alc.confidence, alc.text) == (None, 0.0, "1. Stop\n3. I cannot tell") and vd.confidence == 0.0


def test_a_reply_that_was_cut_off_is_no_answer_at_its_end(serve) -> None:
    server = serve(lambda asked, number: said("1. Left\n2. A car at (0.5, 0.5), H 0.2, W 0.1", finish_reason="length"))
    alc, vd = EndpointReader(settings(server.url)).read(questions("alc", "vd"))
    assert (alc.status, vd.status) == ("answered", "unparsable")


def test_confidence_is_the_probability_of_the_answers_tokens(serve) -> None:
    tokens = [("1. ", 0.0), ("Le", math.log(0.5)), ("ft", math.log(0.8)), ("\n2. ", 0.0), ("No car", math.log(0.25))]
    server = serve(lambda asked, number: said("1. Left\n2. No car", tokens))
    alc, vd = EndpointReader(settings(server.url, logprobs=True)).read(questions("alc", "vd"))
    assert (alc.confidence, vd.confidence) == pytest.approx((0.4, 0.25))
    assert server.asked[0].body["logprobs"] is True
    # tokens that do not spell the text: the whole reply's, which is no more
    odd = serve(lambda asked, number: said("left", [("\ufffd", math.log(0.5)), ("\ufffd", math.log(0.5))]))
    assert EndpointReader(settings(odd.url, logprobs=True)).read(questions("alc"))[0].confidence == pytest.approx(0.25)


def test_a_server_without_probabilities_must_be_said_to_be_one(serve) -> None:
    server = serve(lambda asked, number: said("left"))
    with pytest.raises(UsageError, match="gives no log-probabilities .*logprobs: false"):
        EndpointReader(settings(server.url, logprobs=True)).read(questions("alc"))
    assert EndpointReader(settings(server.url)).read(questions("alc"))[0].confidence == 1.0


def test_pictures_take_the_size_and_encoding_that_is_wanted(serve) -> None:
    server = serve(lambda asked, number: said('1. stop\n2. [{"bbox_2d": [84, 42, 168, 126], "label": "car"}]'))
    chosen = settings(
        server.url, image_size_px=[336, 168], picture="jpeg", jpeg_quality=80, boxes="qwen2_5_vl", seed=5,
        max_tokens=None,        parameters={"top_k": 1}, prompts={"tsr": "Which sign?"},
    )  # fmt: skip
    tsr, vd = EndpointReader(chosen).read(questions("tsr", "vd"))
    assert vd.box == pytest.approx((0.375, 0.5, 0.5, 0.25)) and tsr.choice == 14
    body = server.asked[0].body
    crop, view = pictures(body)
    assert view.shape == (168, 336, 3) and crop.shape == (77, 64, 3)
    assert (body["seed"], body["top_k"]) == (5, 1) and "max_tokens" not in body
    assert texts(body)[0] == "Question 1: Which sign?" and "bbox_2d" in texts(body)[1]

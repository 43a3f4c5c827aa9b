from __future__ import annotations

import json
import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from testbed.agents.vlm.endpoint import ReplyRecord
from testbed.agents.vlm.endpoint.reply import ChatReply, ScoredToken
from testbed.agents.vlm.endpoint.request import ChatRequest, Picture, request_hash
from testbed.core.errors import StoreError

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def hash_of(*content: Picture | str, model: str = "m", **parameters: object) -> str:
    return request_hash(ChatRequest(model, content, parameters).canonical())


def test_the_hash_is_that_of_what_is_asked() -> None:
    one = hash_of(Picture(PIXELS), "What?", temperature=0.0)
    assert one == hash_of(Picture(PIXELS.copy()), "What?", temperature=0.0)
    other = PIXELS.copy()
    other[0, 0, 0] ^= 1
    assert len({
        one,
        hash_of(Picture(other), "What?", temperature=0.0),
        hash_of(Picture(PIXELS.reshape(24, 16, 3)), "What?", temperature=0.0),
        hash_of(Picture(PIXELS, "jpeg"), "What?", temperature=0.0),
        hash_of(Picture(PIXELS, "jpeg", 50), "What?", temperature=0.0),
        hash_of(Picture(PIXELS), "Which?", temperature=0.0),
        hash_of("What?", Picture(PIXELS), temperature=0.0),
        hash_of(Picture(PIXELS), "What?", temperature=0.5),
        hash_of(Picture(PIXELS), "What?", model="n", temperature=0.0),
    }) == 9  # fmt: skip


def test_the_hash_stays_what_it_was() -> None:
    # a record made today must be found by every later version
    grey = Picture(np.full((2, 2, 3), 127, np.uint8))
    assert hash_of(grey, "What?", max_tokens=8) == ("f88c8fe7ec61f49f7e44ea2c85d401d9dce1784d4a905e14a8dd730c0b0cf425")


def test_what_is_recorded_holds_no_picture(tmp_path: Path) -> None:
    canonical = ChatRequest("m", [Picture(PIXELS), "What?"]).canonical()
    said = json.loads(canonical)["messages"][0]["content"]
    assert said[0].keys() == {"type", "sha256", "encoding"} and said[1]["text"] == "What?" and len(canonical) < 300


def test_a_reply_comes_back_as_it_was(tmp_path: Path) -> None:
    reply = ChatReply("Stop\n„é“", True, (ScoredToken("Stop", -0.25), ScoredToken("\n„é“", -1e4)))
    record = ReplyRecord(tmp_path / "deep" / "record")
    assert record.find("a") is None and record.latency_ms() is None
    assert record.keep("a", "{}", reply, 0.25) == reply == record.find("a")
    assert ReplyRecord(tmp_path / "deep" / "record", read_only=True).find("a") == reply
    # the first one stands, for whoever asked at the same time
    assert record.keep("a", "{}", ChatReply("Yield"), 0.75) == reply
    assert record.keep("a", "{}", ChatReply("Yield"), 0.75, anew=True) == ChatReply("Yield") == record.find("a")


def test_a_record_that_is_damaged_or_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    record = ReplyRecord(tmp_path)
    record.path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="replies.sqlite"):
        record.find("a")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make"):
        ReplyRecord(tmp_path / "file" / "record").keep("a", "{}", ChatReply("x"), 0.1)


def _write(folder: str, name: int) -> None:
    record = ReplyRecord(Path(folder))
    for number in range(20):
        record.keep(f"{number}", "{}", ChatReply(f"{name}"), 0.1)


def test_several_processes_write_into_one_record(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), name)) for name in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = [ReplyRecord(tmp_path).find(f"{number}") for number in range(20)]
    assert all(reply is not None and reply.text in "012" for reply in found)


def test_the_probability_is_that_of_the_tokens_it_touches() -> None:
    tokens = tuple(
        ScoredToken(t, math.log(p)) for t, p in (("1", 0.9), (". ", 0.9), ("Le", 0.5), ("ft", 0.8), ("\n2", 0.7))
    )
    reply = ChatReply("1. Left\n2", tokens=tokens)
    assert reply.probability(3, 7) == pytest.approx(0.4)
    assert reply.probability(4, 5) == pytest.approx(0.5)
    assert reply.probability(0, 9) == pytest.approx(reply.whole_probability())
    assert ChatReply("Left").probability(0, 4) is None
    # servers strip blanks in front and list what ends a turn behind
    stripped = ChatReply("Left", tokens=(ScoredToken(" Left", math.log(0.5)), ScoredToken("<|im_end|>", math.log(0.9))))
    assert stripped.probability(0, 4) == pytest.approx(0.5)
    assert ChatReply("é", tokens=(ScoredToken("\ufffd", -1.0), ScoredToken("\ufffd", -1.0))).probability(0, 1) is None

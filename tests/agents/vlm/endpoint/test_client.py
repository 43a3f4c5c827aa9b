from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.agents.vlm.endpoint.client import ChatClient
from testbed.agents.vlm.endpoint.limits import RequestLimit
from testbed.agents.vlm.endpoint.record import ReplyRecord
from testbed.agents.vlm.endpoint.request import ChatRequest
from testbed.core.errors import AgentError, EndpointError, UsageError

from .conftest import settings
from .fake_server import Answer, said

REQUEST = ChatRequest("tiny", ["Say something."], {"temperature": 0.0})
KEY = "sk-very-secret-0123456789"


def test_a_reply_is_asked_for_as_the_protocol_says(serve) -> None:
    server = serve(lambda asked, number: said("hello", finish_reason="length"))
    reply = ChatClient(settings(server.url)).complete(REQUEST)
    assert (reply.text, reply.cut, reply.tokens) == ("hello", True, None)
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions" and "Authorization" not in asked.headers
    assert asked.body == {
        "model": "tiny",
        "temperature": 0.0,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Say something."}]}],
    }


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(serve, status) -> None:
    server = serve(lambda asked, number: said("at last") if number == 3 else Answer(status, b"busy"))
    assert ChatClient(settings(server.url)).complete(REQUEST).text == "at last"
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503, b'{"error": "overloaded"}'), 'HTTP 503: {"error": "overloaded"}'),
        (Answer(200, b"<html>"), "it is no JSON"),
        (Answer(200, b"[" * 100_000), "it is no JSON"),
        (Answer(200, b'{"choices": []}'), "it is no chat completion"),
        (Answer(200, b'{"choices": [{"message": {"content": [1]}}]}'), "its content is no text"),
        (Answer(200, b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{}]}}]}'), "no chat"),
        (Answer(200, b"{}", {"Content-Encoding": "gzip"}), "DecodingError"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_what_does_not_pass_ends_in_one_sentence(serve, answer, words) -> None:
    server = serve(lambda asked, number: answer)
    with pytest.raises(EndpointError, match="gave no usable reply in 3 tries") as caught:
        ChatClient(settings(server.url, tries=3)).complete(REQUEST)
    assert words in str(caught.value) and "\n" not in str(caught.value) and len(server.asked) == 3
    assert isinstance(caught.value, AgentError) and caught.value.code == "TB410"


def test_a_server_that_is_not_there(serve) -> None:
    with pytest.raises(EndpointError, match="in 2 tries .*ConnectError"):
        ChatClient(settings("http://127.0.0.1:9/v1", tries=2)).complete(REQUEST)


@pytest.mark.parametrize("answer", [said("late"), said("late")], ids=["silent", "dripping"])
def test_a_reply_that_takes_too_long(serve, answer, request) -> None:
    if "silent" in request.node.name:
        answer.pause_s = 1.5
    else:
        answer.drip_s = 0.05
    server = serve(lambda asked, number: answer)
    began_s = time.monotonic()
    with pytest.raises(EndpointError, match="no reply within 0.3 s"):
        ChatClient(settings(server.url, timeout_s=0.3, tries=2)).complete(REQUEST)
    assert time.monotonic() - began_s < 1.4


def test_the_budget_of_seconds_ends_it_too(serve) -> None:
    server = serve(lambda asked, number: Answer(503, pause_s=0.1))
    began_s = time.monotonic()
    with pytest.raises(EndpointError, match="HTTP 503"):
        ChatClient(settings(server.url, tries=100, retry_budget_s=0.5)).complete(REQUEST)
    assert 2 <= len(server.asked) <= 5 and time.monotonic() - began_s < 2.0


def test_the_servers_own_wait_is_honoured(serve) -> None:
    server = serve(lambda asked, number: said("ok") if number == 2 else Answer(429, headers={"Retry-After": "1"}))
    assert ChatClient(settings(server.url)).complete(REQUEST).text == "ok"
    assert server.asked[1].at_s - server.asked[0].at_s >= 1.0
    patient = serve(lambda asked, number: Answer(429, b"quota", {"Retry-After": "3600"}))
    with pytest.raises(EndpointError, match="in 1 try and .* HTTP 429: quota"):
        ChatClient(settings(patient.url)).complete(REQUEST)


@pytest.mark.parametrize(
    ("status", "hint"),
    [(400, "parameters"), (401, "TINY_API_KEY"), (403, "TINY_API_KEY"), (404, "/v1"), (422, "parameters"), (302, "")],
)
def test_what_would_come_again_ends_the_run_at_once(serve, monkeypatch, status, hint) -> None:
    monkeypatch.setenv("TINY_API_KEY", KEY)
    server = serve(lambda asked, number: Answer(status, b"no", {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(UsageError, match=f"refuses the request: HTTP {status}: no") as caught:
        ChatClient(settings(server.url, api_key_env="TINY_API_KEY")).complete(REQUEST)
    assert hint in str(caught.value) and len(server.asked) == 1


def test_the_key_goes_to_the_server_and_nowhere_else(serve, monkeypatch, tmp_path, caplog) -> None:
    monkeypatch.setenv("TINY_API_KEY", KEY)
    told: dict[str, str] = {}

    def answer(asked, number):
        told.update(asked.headers)
        if number == 1:
            return Answer(500, f"who is {KEY}?".encode())
        return said("hello") if number == 2 else Answer(401, f"Incorrect API key provided: {KEY}".encode())

    server = serve(answer)
    chosen = settings(server.url, api_key_env="TINY_API_KEY", record=str(tmp_path / "record"))
    client = ChatClient(chosen)
    with caplog.at_level(logging.DEBUG):
        assert client.complete(REQUEST).text == "hello"
        with pytest.raises(UsageError, match="Incorrect API key provided: …") as caught:
            client.complete(ChatRequest("tiny", ["Again."]))
        monkeypatch.setattr(client, "_budget", client._budget.__class__(0.0, 1))
        server_down = settings(api_key_env="TINY_API_KEY")
        with pytest.raises(EndpointError) as away:
            ChatClient(server_down).complete(REQUEST)
    assert told["Authorization"] == f"Bearer {KEY}"
    chain, links = [caught.value, away.value], []
    while chain:
        error = chain.pop()
        links.append(f"{error!r} {error}")
        chain += [link for link in (error.__cause__, error.__context__) if link is not None]
    written = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    for text in (caplog.text, *links, written, repr(chosen), chosen.model_dump_json()):
        assert KEY not in text
    assert "hello" in written


@pytest.mark.parametrize("value", ["", "two words", "ümlaut", "line\n"])
def test_a_key_that_is_none_is_refused_without_showing_it(monkeypatch, value) -> None:
    monkeypatch.setenv("TINY_API_KEY", value)
    with pytest.raises(UsageError, match="TINY_API_KEY holds no API key") as caught:
        ChatClient(settings(api_key_env="TINY_API_KEY"))
    assert not value or value not in str(caught.value)


def test_a_recorded_reply_needs_no_server_and_no_key(serve, tmp_path) -> None:
    record = str(tmp_path / "record")
    server = serve(lambda asked, number: said(f"reply {number}", [("reply", -0.5), (f" {number}", -0.25)]))
    first = ChatClient(settings(server.url, record=record)).complete(REQUEST)
    again = ChatClient(settings(record=record, replay="only", api_key_env="NOT_SET_API_KEY")).complete(REQUEST)
    assert again == first and again.text == "reply 1" and again.tokens is not None and len(server.asked) == 1
    with pytest.raises(UsageError, match="holds no reply to request"):
        ChatClient(settings(record=record, replay="only")).complete(ChatRequest("tiny", ["Another."]))
    # asked anew, the newest reply is the one that stands
    assert ChatClient(settings(server.url, record=record, replay="off")).complete(REQUEST).text == "reply 2"
    assert ChatClient(settings(record=record)).complete(REQUEST).text == "reply 2"
    p50_ms, p95_ms = ReplyRecord(tmp_path / "record").latency_ms()
    assert 0.0 < p50_ms <= p95_ms


def test_requests_at_a_time_and_per_second_are_kept_apart(serve, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    server = serve(lambda asked, number: Answer(200, said("ok").body, pause_s=0.05))
    chosen = settings(server.url, concurrency=2, requests_per_s=20.0)
    # clients of their own, as those of several workers
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: ChatClient(chosen).complete(ChatRequest("tiny", [str(n)])), range(9)))
    assert server.most_busy == 2
    starts = sorted(asked.at_s for asked in server.asked)
    assert starts[-1] - starts[0] >= 8 / 20.0 - 0.06


def test_limits_survive_a_damaged_file_and_a_clock_that_was_set_back(tmp_path) -> None:
    limit = RequestLimit("http://one/v1", per_s=1000.0, folder=tmp_path)
    for content in ("junk", repr(time.time() - 1e6), ""):
        (next(tmp_path.iterdir()) / "next").write_text(content)
        began_s = time.monotonic()
        with limit.turn():
            assert time.monotonic() - began_s < 1.0

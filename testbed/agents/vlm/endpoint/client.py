"""Asking a server for a chat completion, patiently and within a budget; or the record, which needs no server."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import httpx2

from testbed.agents.vlm.endpoint.limits import RequestLimit
from testbed.agents.vlm.endpoint.record import ReplyRecord
from testbed.agents.vlm.endpoint.reply import ChatReply, MalformedReplyError
from testbed.agents.vlm.endpoint.request import ChatRequest, request_hash
from testbed.agents.vlm.endpoint.retry import RETRIED, RetryBudget, retry_after_s
from testbed.agents.vlm.endpoint.settings import EndpointSettings
from testbed.core.errors import EndpointError, UsageError

LARGEST_REPLY_BYTES = 8_000_000
_QUOTED = 300
"""Characters of a server's own words that an error quotes."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A try that failed in a way that another may not."""

    reason: str
    asked_s: float | None = None


class ChatClient:
    """One process's connection to an endpoint and its record.

    Args:
        settings: Of the agent file.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        """Read the key; raises `UsageError` where it is missing and the server may be asked."""
        self._settings = settings
        self._url = f"{settings.url}/chat/completions"
        self._record = None
        if settings.record is not None:
            self._record = ReplyRecord(settings.record, read_only=settings.replay == "only")
        self._key = None if settings.replay == "only" else settings.key()
        self._limit = RequestLimit(settings.url, settings.requests_per_s, settings.concurrency)
        self._budget = RetryBudget(settings.retry_budget_s, settings.tries)
        headers = {} if self._key is None else {"Authorization": f"Bearer {self._key}"}
        self._http = httpx2.Client(headers=headers, timeout=settings.timeout_s, follow_redirects=False)

    def complete(self, request: ChatRequest) -> ChatReply:
        """Return the reply to a request, from the record where it may and can be.

        Raises:
            UsageError: The server refuses such requests, or only the record may be asked and does not hold it.
            EndpointError: The server gave no usable reply within the budget.
            StoreError: The record cannot be read or written.
        """
        settings, canonical = self._settings, request.canonical()
        hash_ = request_hash(canonical)
        if self._record is not None and settings.replay != "off":
            found = self._record.find(hash_)
            if found is not None:
                return found
        if settings.replay == "only":
            raise UsageError(
                f"the record {settings.record} holds no reply to request {hash_[:12]}…",
                hint="replay: prefer asks the server for what is missing; a drive repeats only with the same pictures",
            )
        reply, seconds = self._ask(request)
        if self._record is None:
            return reply
        return self._record.keep(hash_, canonical, reply, seconds, anew=settings.replay == "off")

    def _ask(self, request: ChatRequest) -> tuple[ChatReply, float]:
        """Return a reply of the server and the seconds it took; waiting for a turn counts for nothing."""
        body, spent_s, tried = request.body(), 0.0, 0
        while True:
            tried += 1
            with self._limit.turn():
                began_s = time.monotonic()
                outcome = self._try(body)
                took_s = time.monotonic() - began_s
            if isinstance(outcome, ChatReply):
                return outcome, took_s
            spent_s += took_s
            wait_s = self._budget.wait_s(tried, spent_s, outcome.asked_s)
            if wait_s is None:
                raise EndpointError(
                    f"endpoint {self._url} gave no usable reply in {tried} {'try' if tried == 1 else 'tries'} "
                    f"and {spent_s:.1f} s: {outcome.reason}",
                    hint="see retry_budget_s, tries and timeout_s of the agent file",
                )
            time.sleep(wait_s)
            spent_s += wait_s

    def _try(self, body: dict[str, object]) -> ChatReply | _Failure:
        try:
            status, headers, content = self._post(body)
        except httpx2.TimeoutException:
            return _Failure(f"no reply within {self._settings.timeout_s:g} s")
        except httpx2.RequestError as error:
            return _Failure(self._without_key(f"{type(error).__name__}: {error}"))
        if status == 200:
            try:
                return ChatReply.of(json.loads(content))
            except (ValueError, RecursionError) as error:
                told = str(error) if isinstance(error, MalformedReplyError) else "it is no JSON"
                return _Failure(f"a malformed reply: {told}")
        said = self._without_key(content.decode("utf-8", "replace"))
        reason = f"HTTP {status}" + (f": {' '.join(said.split())[:_QUOTED]}" if said.strip() else "")
        if status in RETRIED:
            return _Failure(reason, retry_after_s(headers.get("retry-after")))
        raise UsageError(f"endpoint {self._url} refuses the request: {reason}", hint=self._advice(status))

    def _post(self, body: dict[str, object]) -> tuple[int, httpx2.Headers, bytes]:
        """Send one request; the time limit holds for the whole of it, however slowly the server drips."""
        due_s = time.monotonic() + self._settings.timeout_s
        content = bytearray()
        with self._http.stream("POST", self._url, json=body) as response:
            for piece in response.iter_bytes():
                content += piece
                if time.monotonic() > due_s:
                    raise httpx2.ReadTimeout("the reply takes too long")
                if len(content) > LARGEST_REPLY_BYTES:
                    raise httpx2.ReadError(f"the reply is larger than {LARGEST_REPLY_BYTES} bytes")
        return response.status_code, response.headers, bytes(content)

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            name = self._settings.api_key_env
            return f"is the key in {name} right?" if name else "the server wants a key: api_key_env: NAME"
        if status == 404:
            return "is url right, up to and with /v1, and does the server know this model?"
        return "see the parameters and picture settings of the agent file"

    def _without_key(self, text: str) -> str:
        return text if self._key is None else text.replace(self._key, "…")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

"""How answers are wrapped: CARLA puts every result into its own optional or error type before msgpack-rpc sees it."""

from __future__ import annotations

from enum import Enum

Wire = object
"""Anything that msgpack can pack."""


class ResultWrapping(Enum):
    """How the client unwraps the answer of a method.

    ``VALUE``: ``[[1, value]]`` or ``[[0, [text]]]``. ``VOID``: ``[[false]]`` or ``[[true, [text]]]``. ``RAW``: the
    value itself (``apply_batch`` only).
    """

    VALUE = "value"
    VOID = "void"
    RAW = "raw"


def success(kind: ResultWrapping, value: Wire) -> Wire:
    """Return a wrapped result."""
    if kind is ResultWrapping.VOID:
        return [[False]]
    return value if kind is ResultWrapping.RAW else [[1, value]]


def failure(kind: ResultWrapping, message: str) -> Wire:
    """Return a wrapped error; the text becomes the client's RuntimeError."""
    if kind is ResultWrapping.VOID:
        return [[True, [message]]]
    return [] if kind is ResultWrapping.RAW else [[0, [message]]]

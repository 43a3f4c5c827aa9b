"""The one exception by which the simulation refuses a client's request."""

from __future__ import annotations


class CallError(Exception):
    """Raised when a client asks for something that cannot be done; the text travels to the client's RuntimeError."""

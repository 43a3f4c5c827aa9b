"""Text that came from outside, made fit for documents: no control characters, nothing that XML forbids."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Return text without characters that XML 1.0 forbids or a terminal would obey."""
    return _FORBIDDEN.sub("", text)


def unbroken(text: str) -> str:
    """Return text in which a number and its percent sign stay on one line."""
    return text.replace(" %", "\u00a0%")

"""One text that answers several questions, one numbered line each, split strictly."""

from __future__ import annotations

import re

_LABEL = re.compile(r"^[ \t*_>#]*+\(?(\d{1,3})[.):](?:[*_]*)(?=\s|$)[ \t]*", re.MULTILINE)


def numbered_lines(text: str, count: int) -> list[tuple[int, int] | None]:
    """Return where the answers to questions 1 … ``count`` stand in a text.

    An answer begins behind its number (``1.``, ``1)``, ``(1)``, ``1:``) at the beginning of a line and ends where the
    next number begins; what stands before the first number is no answer.

    Args:
        text: What the model said.
        count: Number of questions.

    Returns:
        (start, stop) of each answer in ``text``; None where its number is missing or stands there twice.
    """
    labels = list(_LABEL.finditer(text))
    places: dict[int, list[tuple[int, int]]] = {}
    for label, following in zip(labels, [*labels, None][1:], strict=True):
        stop = len(text) if following is None else following.start()
        places.setdefault(int(label[1]), []).append((label.end(), stop))
    found = []
    for number in range(1, count + 1):
        here = places.get(number, [])
        found.append(here[0] if len(here) == 1 else None)
    return found

"""The documentation's table of kinds, made from the registry: ``python -m testbed.training.data.questions.table``."""

from __future__ import annotations

from testbed.training.data.questions.kind import QuestionKind
from testbed.training.data.questions.registry import KINDS

_MOST_ANSWERS = 10
_PICTURES = {"sign": "sign crop", "view": "driver's view"}


def markdown() -> str:
    """Return the table: kind, picture, question, number of wordings in training and held out, answers."""
    lines = ["| kind | picture | question | wordings | answers |", "|---|---|---|---|---|"]
    for kind in KINDS.values():
        cells = (
            f"`{kind.name}`",
            _PICTURES[kind.sort],
            kind.wording,
            f"{len(kind.training)} + {len(kind.held_out)}",
            _answers(kind),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _answers(kind: QuestionKind) -> str:
    if len(kind.answers) > _MOST_ANSWERS:
        return f"{len(kind.answers)} names, from *{kind.answers[0]}* to *{kind.answers[-1]}*"
    return ", ".join(kind.answers)


if __name__ == "__main__":
    print(markdown())

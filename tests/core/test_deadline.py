"""Deadlines as they are written, on the command line and in files."""

from __future__ import annotations

import argparse

import pytest
from pydantic import ValidationError

from testbed.cli.options import deadline
from testbed.core.deadline import Deadline
from testbed.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "budget_ms", "policy"),
    [("keep", 100.0, "keep"), ("drop", 100.0, "drop"), ("drop:150", 150.0, "drop"), ("keep:0.5", 0.5, "keep")],
)
def test_what_is_understood(text: str, budget_ms: float, policy: str) -> None:
    found = deadline(text)
    assert (found.budget_ms, found.policy) == (budget_ms, policy)
    assert Deadline.parse(str(found)) == found


@pytest.mark.parametrize("text", ["", "late", "Drop", "drop:", "drop:0", "drop:-1", "drop:60000", "150", "drop\n"])
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises(UsageError, match="is no deadline .use keep, drop, or either with milliseconds"):
        Deadline.parse(text)
    with pytest.raises(argparse.ArgumentTypeError, match="is no deadline"):
        deadline(text)


@pytest.mark.parametrize(
    "values", [{"budget_ms": 0}, {"budget_ms": 6e4}, {"policy": "late"}, {"budget": 1}, {"budget_ms": float("nan")}]
)
def test_what_files_may_not_say(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Deadline.model_validate(values)

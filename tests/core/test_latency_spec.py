"""The grammar of latency, wherever it is read."""

from __future__ import annotations

import argparse

import pytest

from testbed.cli.options import latency
from testbed.core.errors import UsageError
from testbed.core.latency_spec import LatencySpec


@pytest.mark.parametrize(
    "text, spec",
    [
        ("card", LatencySpec("card")),
        ("measured", LatencySpec("measured")),
        ("fixed:0", LatencySpec("fixed", 0.0)),
        ("fixed:80", LatencySpec("fixed", 80.0)),
        ("fixed:12.5", LatencySpec("fixed", 12.5)),
    ],
)
def test_what_is_understood(text: str, spec: LatencySpec) -> None:
    assert LatencySpec.parse(text) == spec
    assert latency(text) == text


@pytest.mark.parametrize(
    "text", ["", "80", "80ms", "fixed", "fixed:", "fixed:-1", "fixed:1e3", "fixed:60000", "card\n"]
)
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        LatencySpec.parse(text)
    with pytest.raises(argparse.ArgumentTypeError, match="expected card, measured or fixed:80"):
        latency(text)

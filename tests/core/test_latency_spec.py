"""The grammar of latency, wherever it is read."""

from __future__ import annotations

import argparse
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.cli.options import latency
from testbed.core.errors import UsageError
from testbed.core.latency_spec import MOST_MS, OWN_PATTERN, PLAIN_WORDS, PROFILES, LatencySpec
from testbed.core.shipped import folder


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("card", LatencySpec("card", text="card")),
        ("measured", LatencySpec("measured", text="measured")),
        ("fixed:0", LatencySpec("fixed", 0.0, 0.0, "fixed:0")),
        ("fixed:80", LatencySpec("fixed", 80.0, 80.0, "fixed:80")),
        ("fixed:12.5", LatencySpec("fixed", 12.5, 12.5, "fixed:12.5")),
        ("fixed:59999.9", LatencySpec("fixed", 59999.9, 59999.9, "fixed:59999.9")),
        ("my_board:80", LatencySpec("my_board", 80.0, 80.0, "my_board:80")),
        ("my_board:80/140.5", LatencySpec("my_board", 80.0, 140.5, "my_board:80/140.5")),
        ("nvila_a100", LatencySpec("nvila_a100", 80.0, 80.0, "nvila_a100:80")),
        ("nvila_a100:80", LatencySpec("nvila_a100", 80.0, 80.0, "nvila_a100:80")),
        ("llava7b_a100", LatencySpec("llava7b_a100", 851.0, 851.0, "llava7b_a100:851")),
        ("llava7b_int8", LatencySpec("llava7b_int8", 2158.0, 2158.0, "llava7b_int8:2158")),
        ("llava7b_int4", LatencySpec("llava7b_int4", 11657.0, 11657.0, "llava7b_int4:11657")),
    ],
)
def test_what_is_understood(text: str, spec: LatencySpec) -> None:
    assert LatencySpec.parse(text) == spec
    assert LatencySpec.parse(spec.text) == spec, "what a plan holds is understood again"
    assert spec.stated is (text not in ("card", "measured"))
    assert latency(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "is no latency") for text in ("", "80", "80ms", "fixed:", "fixed:-1", "fixed:1e3", "card\n")),
        *((text, "is no latency") for text in ("Fixed:80", "fixed: 80", "fixed:80/", "fixed:８０", "fixed:nan")),
        ("fixed", "unknown latency 'fixed'"),
        ("nvila_a10", r"unknown latency 'nvila_a10' \(did you mean 'nvila_a100'\? use card, measured, nvila_a100, "),
        ("cards", "unknown latency 'cards' .did you mean 'card'"),
        ("card:80", "card takes no number"),
        ("measured:80", "measured takes no number"),
        ("nvila_a100:90", "contradicts the profile 'nvila_a100', which is 80 ms"),
        ("nvila_a100:80/90", "contradicts the profile"),
        ("fixed:80/90", "what is fixed does not vary"),
        ("my_board:80/70", "p95 is at least p50"),
        ("my_board:0/70", "p50 more than 0"),
        ("fixed:60000", "stays below 60000 ms"),
        ("my_board:80/60000", "stays below 60000 ms"),
    ],
)
def test_what_is_not_understood(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        LatencySpec.parse(text)
    assert "\n" not in str(caught.value), "one sentence"
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        latency(text)


def test_profiles_state_what_was_published() -> None:
    assert {name: profile.ms for name, profile in PROFILES.items()} == {
        "nvila_a100": 80.0,
        "llava7b_a100": 851.0,
        "llava7b_int8": 2158.0,
        "llava7b_int4": 11657.0,
    }
    assert all("section V" in profile.source and profile.model for profile in PROFILES.values())


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,47}", fullmatch=True).filter(lambda name: name not in (*PLAIN_WORDS, "fixed"))
MS = st.floats(0.001, MOST_MS - 1, allow_nan=False).map(lambda ms: f"{ms:.3f}")


@given(NAMES, MS, MS)
def test_every_name_with_figures_is_read_back(name: str, first: str, second: str) -> None:
    p50, p95 = sorted((first, second), key=float)
    assert LatencySpec.parse(f"{name}:{p50}/{p95}") == LatencySpec(name, float(p50), float(p95), f"{name}:{p50}/{p95}")
    assert LatencySpec.parse(f"fixed:{p50}").p95_ms == float(p50)


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-z_0-9]{1,6}:?[0-9./:]{0,8}", fullmatch=True)))
def test_anything_else_is_one_sentence(text: str) -> None:
    """And what is accepted is what the schema of scenario files says."""
    try:
        spec = LatencySpec.parse(text)
    except UsageError as error:
        assert str(error).isprintable()
        return
    assert text in PLAIN_WORDS or re.match(OWN_PATTERN, text)
    assert LatencySpec.parse(spec.text) == spec


def test_the_schema_offers_the_words() -> None:
    schema = json.loads((folder("schemas") / "scenario.schema.json").read_text("utf-8"))
    assert schema["properties"]["latency"]["anyOf"] == [{"enum": list(PLAIN_WORDS)}, {"pattern": OWN_PATTERN}]

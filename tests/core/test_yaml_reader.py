"""The reader either returns plain values with places or one ScenarioError, whatever it is given, in little time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.core.errors import ScenarioError
from testbed.core.yaml_reader import Bounds, parse_yaml, read_yaml


def read(text: str | bytes) -> Any:
    return parse_yaml(text.encode() if isinstance(text, str) else text, "f.yaml").data


def refused(text: str | bytes) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return str(caught.value)


def test_plain_scalars_follow_yaml_1_2() -> None:
    text = "[1, -2, 2.5, -.5, 1e3, +4, yes, on, 010, 1:30, 0x1F, 1_000, 2026-01-01, '5', ~, null, true, word]"
    assert read(text) == [
        1, -2, 2.5, -0.5, 1000.0, 4, "yes", "on", "010", "1:30", "0x1F", "1_000", "2026-01-01", "5", None, None, True,
        "word",
    ]  # fmt: skip


def test_places_of_keys_and_values() -> None:
    document = parse_yaml(b"a: 1\nb:\n  - {c: 2}\n  - three\n", "f.yaml")
    assert document.values[("b", 0, "c")] == (3, 9)
    assert document.keys[("b", 0, "c")] == (3, 6)
    assert document.values[("b", 1)] == (4, 5)
    assert str(document.error("wrong", ("b", 1))) == "f.yaml:4:5: wrong"
    assert str(document.error("wrong", ("b", 1, "deeper"))) == "f.yaml:4:5: wrong"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1", "f.yaml:1:4: anchors are not accepted: &x"),
        ("a: *x", "f.yaml:1:4: aliases are not accepted: *x"),
        ("a: !!python/object/apply:os.system [true]", "f.yaml:1:4: tags are not accepted"),
        ("!own {a: 1}", "f.yaml:1:1: tags are not accepted: '!own'"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: key 'a' is given twice, first in line 1"),
        ("<<: {a: 1}", "f.yaml:1:1: a key must be a word, got '<<'"),
        ("1: 2", "f.yaml:1:1: a key must be a word, got '1'"),
        ("? [1]\n: 3", "f.yaml:1:3: a key must be a word"),
        ("a: .inf", "f.yaml:1:4: numbers must be finite, got .inf"),
        ("a: [1, .NaN]", "f.yaml:1:8: numbers must be finite, got .NaN"),
        ("a: 1e999", "f.yaml:1:4: numbers must be finite"),
        ("a: " + "9" * 5000, "f.yaml:1:4: number with more than 40 digits"),
        ("a: [1\nb: }", "f.yaml:2:2: not valid YAML: did not find expected ',' or ']'"),
        ("a:\n\t- b", "f.yaml:2:1: not valid YAML"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document begins here"),
        ("", "f.yaml:1:1: the file is empty"),
        ("# nothing\n", "f.yaml:1:1: the file is empty"),
        ("[" * 17, "f.yaml:1:17: nested deeper than 16 levels"),
        ("a: \x1b[31m", "f.yaml:1:4: character '\\x1b' is not allowed"),
        ("a:\n  b: \0", "f.yaml:2:6: character '\\x00' is not allowed"),
        (b"a: ok\nb: \xff", "f.yaml:2:4: not UTF-8 text: byte 0xff"),
    ],
)
def test_refusals_name_the_place(text: str | bytes, message: str) -> None:
    assert refused(text).startswith(message)


def test_bounds_are_settable() -> None:
    with pytest.raises(ScenarioError, match="larger than 1 KiB"):
        parse_yaml(b"#" * 2000, "f.yaml", Bounds(size_bytes=1024))
    with pytest.raises(ScenarioError, match="more than 3 values"):
        parse_yaml(b"[1, 2, 3]", "f.yaml", Bounds(values=3))


def test_unreadable_files(tmp_path: Any) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="is a folder"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 250_000,
        b"{a: " * 60_000,
        b"- " * 120_000,
        b"? " * 120_000,
        b"'" * 250_000,
        b"- a\n" * 65_000,
        b"a: |\n" + b" x\n" * 80_000,
        b'a: "' + b"\\x41" * 60_000 + b'"',
        b"a: " + b"[a," * 15 + b"1," * 60_000,
        b"&a [" * 60_000,
    ],
)
def test_worst_cases_are_quick(text: bytes) -> None:
    begin = time.process_time()
    try:
        read(text)
    except ScenarioError:
        pass
    assert time.process_time() - begin < 0.1


HOSTILE = st.lists(
    st.sampled_from(
        [*"[]{}&*!|>'\"%@`,:?-#~<\n\t \\", "a", "1", ".inf", "- ", ": ", "a: ", "\n  ", "---", "...", "é", "\r"]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=300, deadline=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), HOSTILE.map(str.encode), st.text(max_size=100).map(str.encode)))
def test_anything_gives_values_or_a_scenario_error(content: bytes) -> None:
    try:
        document = parse_yaml(content, "f.yaml")
    except ScenarioError as error:
        assert error.line >= 1 and error.column >= 1
        assert "\x1b" not in str(error)
    else:
        assert () in document.values

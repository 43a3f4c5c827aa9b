"""A hundred thousand damaged scenario files: each a Scenario or a ScenarioError with a place, quickly."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path

import pytest

from testbed.core.errors import ScenarioError
from testbed.core.explain import check
from testbed.core.yaml_reader import parse_yaml
from testbed.scenario.schema import Scenario

TEXT = (Path(__file__).parent / "files" / "drp_highway.yaml").read_bytes()
PIECES = [
    b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!!python/name:os.system ", b"!x ", b"<<: ", b"? ", b": ", b"- ", b"\n",
    b"\t", b"'", b'"', b"|\n", b">\n", b"%YAML 1.1\n", b"---\n", b"...\n", b".inf", b".nan", b"1e999", b"0x7f",
    b"9" * 50, b"\x00", b"\xff", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"# ", b"@", b"`", b"null", b"true", b"-1", b"1.5",
    b"name: x\n", b"{a: {b: [",
]  # fmt: skip


def damaged(chance: random.Random) -> bytes:
    content = bytearray(TEXT)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(content) + 1)
        match chance.randrange(5):
            case 0:
                content[place:place] = chance.choice(PIECES)
            case 1:
                del content[place : place + chance.randint(1, 40)]
            case 2:
                content[place : place + 1] = bytes([chance.randrange(256)])
            case 3:
                other = chance.randrange(len(content) + 1)
                content[place:place] = content[other : other + chance.randint(1, 80)]
            case _:
                content[place:place] = chance.choice(PIECES) * chance.randint(1, 400)
    return bytes(content)


def survive(count: int, seed: int) -> int:
    chance = random.Random(seed)
    accepted = 0
    for number in range(count):
        content = damaged(chance)
        begin = time.process_time()
        try:
            scenario, problems = check(Scenario, parse_yaml(content, "f.yaml"))
        except ScenarioError as error:
            problems, scenario = [error], None
        spent_s = time.process_time() - begin
        assert spent_s < 0.1, f"seed {seed} number {number}: {spent_s:.3f} s"
        assert (scenario is None) == bool(problems)
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
        accepted += scenario is not None
    return accepted


def test_some_damaged_files() -> None:
    assert 0 < survive(300, 1) < 300


def test_memory_stays_small() -> None:
    tracemalloc.start()
    try:
        for content in (b"a: [" + b"1," * 7000 + b"1]", b"a: " + b"x" * 200_000, damaged(random.Random(3))):
            try:
                check(Scenario, parse_yaml(content, "f.yaml"))
            except ScenarioError:
                pass
        assert tracemalloc.get_traced_memory()[1] < 64e6
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_damaged_files(seed: int) -> None:
    survive(10_000, seed)

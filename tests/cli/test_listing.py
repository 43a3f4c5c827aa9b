"""What ``testbed list`` shows: tables for people, numbers for programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from testbed.cli import main
from testbed.core import extras


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_metrics_are_listed_when_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "list", "metrics")
    assert status == 0
    assert re.search(r"lane_departure.rate +share +0 % to 100 % +drives in which the ego left its lane", out)
    assert re.search(r"lane.min_dtlm_m +m +any +least distance", out)
    _, out, _ = said(capsys, "list", "metrics", "--json")
    listed = json.loads(out)["metrics"]
    assert len({one["name"] for one in listed}) == len(listed) > 100 and all(one["definition"] for one in listed)
    assert "lane_departure.rate" not in said(capsys, "list")[1]


def test_json_holds_numbers_not_words(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "list", "--json")
    found = json.loads(out)
    dnn = next(agent for agent in found["agents"] if agent["name"] == "dnn")
    assert 3e6 < dnn["parameters"] < 4e6 and dnn["latency_ms"][0] < dnn["latency_ms"][1]
    assert 0.9 < dnn["figures"]["alc_accuracy"] < 1.0 and dnn["obstacle"] is None
    assert {one["name"]: one["latency_ms"] for one in found["latencies"]}["nvila_a100"] == 80
    assert next(one for one in found["judges"] if one["name"] == "collision")["every_episode"] is True
    assert {one["control"] for one in found["artefacts"]} == {True, False}


def test_latency_profiles_are_listed_with_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "list", "latencies")
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.split()[0] == "llava7b_a100"]
    assert line.split()[1:3] == ["851", "LLaVA-7B"] and "section V" in line


def test_agents_without_their_extra_are_listed_with_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "installed", lambda module: module != "torch")
    status, out, _ = said(capsys, "list", "agents")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert status == 0 and "needs [agents]" in lines["dnn"] and "needs" not in lines["scripted"]


def test_a_terminal_of_ascii_shows_escapes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "testbed", "list", "latencies"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr and r"V\xb2LM" in done.stdout

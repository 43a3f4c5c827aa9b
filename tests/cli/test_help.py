"""Help that helps: examples that the parser accepts, completion, JSON for programs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cli import EXAMPLES, VERBS, build_parser, main


def test_every_verb_has_examples() -> None:
    assert list(EXAMPLES) == list(VERBS) or set(EXAMPLES) == set(VERBS)
    assert all(EXAMPLES[name] for name in VERBS if name != "serve")


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_are_understood_and_shown(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line.partition(" > ")[0])
    assert build_parser(words[0]).parse_args(words).verb == words[0]
    with pytest.raises(SystemExit):
        main([words[0], "--help"])
    assert f"  testbed {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [("testbed comp", "compare"), ("testbed run drp_h", "drp_highway"), ("testbed sweep lat", "latency"),
     ("testbed run drp_highway --until ", "decided"), ("testbed list met", "metrics")],
)  # fmt: skip
def test_a_shell_completes_verbs_options_and_shipped_names(line: str, expected: str, tmp_path: Path) -> None:
    """As argcomplete's shell code asks: the line in the environment, the answer in a file."""
    answer = tmp_path / "answer"
    environment = os.environ | {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "testbed"], env=environment, check=True, capture_output=True)
    assert expected in [word.strip() for word in answer.read_text(encoding="utf-8").split("\n")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_code_of_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "testbed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [(["run", "smoke"], "smoke is a sweep (testbed sweep smoke)"),
     (["sweep", "drp_highway"], "drp_highway is a scenario (testbed run drp_highway)")],
)  # fmt: skip
def test_a_sweep_is_no_scenario_and_says_so(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_a_report_tells_programs_what_the_run_came_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from testbed.core.records import EpisodePlan, EpisodeRecord
    from testbed.scenario.loader import load_scenario
    from testbed.store import RunFolder, RunManifest

    scene = load_scenario("drp_highway").content.dump()
    plans = [EpisodePlan(scenario="drp_highway", scene=scene, agent="dnn", seed=seed) for seed in (1, 2)]
    run = RunFolder.create(tmp_path / "run", RunManifest.of("run", plans, scenarios={"drp_highway": scene}))
    for plan in plans:
        run.write_episode(EpisodeRecord(plan=plan))
    assert main(["report", str(tmp_path / "run"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"].endswith("index.html")
    (group,) = told["groups"]
    assert (group["agent"], group["condition"], group["valid"]) == ("dnn", "benign", 2)
    assert group["outcomes"]["left lane"] == 0
    assert {claim["status"] for claim in told["claims"]} == {"undeveloped"}

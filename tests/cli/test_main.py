"""The command line: quick, one sentence per error, the right exit status, the same from any folder."""

from __future__ import annotations

import functools
import json
import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from testbed.cli import VERBS, build_parser, main, report, run, work
from testbed.core import errors, extras
from testbed.core.errors import ArtefactError
from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.report import read_run
from testbed.report.made_from import MARK, made_from
from testbed.scenario.loader import load_scenario, shipped_folder
from testbed.scenario.schema import Adversary
from testbed.store import RunFolder, RunManifest
from testbed.sweep import catalogue, worker
from testbed.sweep.run import RunRequest

FAKES = Path(__file__).parents[1] / "sweep"
DRP = (Path(__file__).parents[1] / "scenario" / "files" / "drp_highway.yaml").read_text()


class Shelf:
    check_metric, check_bound = catalogue.Installed.check_metric, catalogue.Installed.check_bound
    check_places, check_limits = catalogue.Installed.check_places, catalogue.Installed.check_limits

    def agents(self) -> Sequence[str]:
        return ("dnn", "scripted", "solo", "tandem")

    def agent_digests(self, agent: str) -> Mapping[str, str]:
        return {}

    def adversaries(self) -> Sequence[str]:
        return ("camouflage", "road_patch", "shadow", "sign_face")

    def artefact_digest(self, artefact: str, base: Path | None, entry: Adversary) -> str:
        if artefact.startswith("no_"):
            raise ArtefactError(f"artefact {artefact!r} does not exist", hint="shipped: drp_highway_left")
        return "aa"

    def maps(self) -> Sequence[str]:
        return ("highway",)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, a catalogue with known things, a fake simulator and no report."""
    counts = tmp_path / "counts"
    counts.mkdir()
    monkeypatch.setenv("FAKE_COUNTS", str(counts))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setattr(catalogue, "Installed", Shelf)
    monkeypatch.setattr(worker, "RunnerSpec", functools.partial(worker.RunnerSpec, factory="fake_runner:FakeRunner"))
    monkeypatch.setattr(work, "build_report", lambda folder: Path(folder) / "index.html")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status, _, err = said(capsys, *arguments)
    assert status == 2
    assert err.startswith("error[TB") and err.count("\n") == 1, err
    return err


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "torch ray carla transformers warp pyarrow gymnasium yaml pydantic numpy".split()
    code = f"import sys, testbed.cli; testbed.cli.build_parser(None); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
    command = [sys.executable, "-m", "testbed", "--help"]
    seconds = []
    for _ in range(3):
        # processor time, so that a busy machine does not fail the test
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert all(verb in done.stdout for verb in VERBS)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "serve"])
def test_every_verb_has_help_without_heavy_imports(verb: str) -> None:
    heavy = "torch ray carla transformers warp pyarrow gymnasium".split()
    code = (
        "import sys, contextlib, io, testbed.cli as cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:\n"
        f"    cli.main(['{verb}', '--help'])\n"
        f"print('--debug' in out.getvalue(), [m for m in {heavy} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


def test_the_console_script_is_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("testbed")
    if not script.exists():
        pytest.skip("not installed")
    outputs = [
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        for command in ([str(script), "--help"], [sys.executable, "-m", "testbed", "--help"])
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "argument VERB: invalid choice: 'rnu'"),
        (["run"], "the following arguments are required: SCENARIO (see testbed run --help)"),
        (["run", "drp_highway", "--seed", "x"], "expected 10, 101-110 or 3,7, got 'x'"),
        (["run", "drp_highway", "--seeds", "0"], "a count of seeds lies between 1 and"),
        (["run", "drp_highway", "--seeds", "9-1"], "expected 10, 101-110 or 3,7, got '9-1'"),
        (["run", "drp_highway", "--jobs", "0"], "expected a number of workers, at least 1, got '0'"),
        (["run", "drp_highway", "--carla", "there"], "expected HOST:PORT, for instance localhost:2000, got 'there'"),
        (["run", "drp_highway", "--carla", "there:99999"], "expected HOST:PORT"),
        (
            ["run", "drp_highway", "--latency", "80"],
            "argument --latency: '80' is no latency (use card, measured, nvila_a100",
        ),
        (["run", "drp_highway", "--latency", "nvila_a10"], "unknown latency 'nvila_a10' (did you mean 'nvila_a100'?"),
        (["run", "drp_highway", "--deadline", "late"], "argument --deadline: 'late' is no deadline (use keep, drop"),
        (["run", "drp_highway", "--device", "gpu"], "expected auto, cpu, cuda or cuda:N, got 'gpu'"),
        (["run", "drp_highway", "--device", "cuda:99"], "device cuda:99 was asked for, but Warp sees"),
        (["sweep", "smoke", "--device", "cuda:99", "--ray", "auto"], "device cuda:99 was asked for, but Warp sees"),
        (["evaluate", "--device", "cuda:99"], "device cuda:99 was asked for, but torch sees"),
        (["attack", "camouflage", "drp_highway", "--device", "cuda:99"], "device cuda:99 was asked for, but torch"),
        (["serve", "--port", "0", "--device", "cuda:99"], "device cuda:99 was asked for, but Warp sees"),
        (["serve", "--port", "0", "--device", "gpu"], "device 'gpu' is not understood"),
        (["run", "drp_highway", "--agents", "dnn,,solo"], "expected names like a,b, got 'dnn,,solo'"),
        (["run", "drp_highway", "--agents", "dn"], "unknown agent 'dn'; did you mean 'dnn'?"),
        (["run", "drp_higway"], "no such scenario: did you mean 'drp_highway'?"),
        (["sweep", "smok"], "no such sweep: did you mean 'smoke'?"),
        (
            ["run", "drp_highway", "--carla", "localhost:2000", "--jobs", "2"],
            "one CARLA server runs one episode at a time",
        ),
        (["validate"], "no file to check"),
    ],
)
def test_mistakes_are_one_sentence(
    bench: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refused(capsys, *arguments)


def test_run_shows_progress_a_table_and_the_report(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("run", "drp_highway", "--agents", "dnn,solo", "--seeds", "2", "--jobs", "2", "--out", "mine")
    (bench / "own.yaml").write_text(DRP.replace("seeds: {count: 3}", "seeds: {count: 3, first: 1}"))
    command = (command[0], "own.yaml", *command[2:])
    status, out, err = said(capsys, *command)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [
        "Does a dirty road patch pull a lane keeper out of its lane on a highway?",
        "12 episodes into mine",
    ]
    assert any("12/12  " in line for line in lines)
    assert any(line.split() == ["dnn", "drp", "-", "2/2", "0/2", "0/2", "0/2", "0/2", "-", "-"] for line in lines)
    assert any(line.split() == ["solo", "benign", "-", "0/2", "0/2", "0/2", "0/2", "0/2", "-", "-"] for line in lines)
    assert lines[-1] == "report: mine/index.html"
    status, out, _ = said(capsys, *command)
    assert status == 0 and "nothing to do: 12 of 12 episodes done" in out


def test_the_default_folder_depends_on_the_question_only(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        status, out, _ = said(capsys, "run", "drp_highway", "--agents", "dnn", "--seeds", "3,7", "--jobs", "1")
        assert status == 0
    assert "nothing to do" in out
    assert [path.name.split("-")[0] for path in (bench / "reports").iterdir()] == ["drp_highway"]


def test_sweeps_have_a_row_per_world(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "sweep", "smoke", "--agents", "dnn", "--seeds", "1-1", "--jobs", "1")
    assert status == 0
    assert "4 episodes into reports/smoke-" in out
    assert any(line.split()[:5] == ["dnn", "drp", "drp_highway", "WetNoon", "card"] for line in out.splitlines())


def test_failed_episodes_are_counted_and_control_characters_stay_out(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = said(capsys, "run", "drp_highway", "--agents", "dnn", "--seeds", "600-600", "--jobs", "1")
    assert status == 1
    assert "\x1b" not in out and "FAILED TB400: the agent answered nonsense" in out
    assert err == "warning: 3 of 3 episodes failed; the report lists them with their reasons\n"


def test_too_many_lost_episodes_are_inconclusive(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = said(capsys, "run", "drp_highway", "--agents", "dnn", "--seeds", "300-300,1", "--jobs", "1")
    assert status == 4
    assert err.startswith("error[TB600]: the first 3 episodes were all lost; the last one: the simulator died")


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_of_the_tree_becomes_a_sentence_and_its_status(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    if not issubclass(kind, errors.TestbedError):
        pytest.skip("no error of ours")

    def fail(*args: object, **kwargs: object) -> int:
        raise kind("what happened", hint="what helps")  # type: ignore[call-arg]

    monkeypatch.setattr(work, "build_report", fail)
    monkeypatch.setattr("testbed.cli.report.rebuild_report", fail)
    status, _, err = said(capsys, "report", "somewhere")
    assert (status, err) == (kind.exit_code, f"error[{kind.code}]: what happened (what helps)\n")


def test_a_python_without_the_packages_is_told_where_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    for name in ("testbed.core.yaml_reader", "testbed.scenario.loader"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    err = refused(capsys, "run", "drp_highway")
    assert "has no module 'yaml'" in err and ".venv/bin/python -m testbed" in err


def test_a_name_that_is_no_text_is_refused_before_anything_is_driven(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not UTF-8" in refused(capsys, "run", "drp_highway", "--out", "mine\udcff")
    assert os.listdir(bench) == ["counts"]


def test_defects_show_a_traceback_only_on_demand(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.cli.report.rebuild_report", lambda folder: 1 / 0)
    status, _, err = said(capsys, "report", "x")
    assert status == 1 and "Traceback" not in err and "ZeroDivisionError" in err
    _, _, err = said(capsys, "report", "x", "--debug")
    assert "Traceback" in err


def test_a_verb_without_its_extra_says_what_to_type(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("testbed.cli.report.rebuild_report", lack)
    wanted = "error[TB160]: this command needs torch, which is not installed: pip install 'v2lm-testbed[agents]'\n"
    assert said(capsys, "report", "x")[::2] == (2, wanted)
    monkeypatch.setattr(extras, "installed", lambda module: module not in ("torch", "ray"))
    assert said(capsys, "evaluate", "--quick")[::2] == (2, wanted)
    assert said(capsys, "run", "drp_highway")[::2] == (2, wanted.replace("this command", "agent 'dnn'"))
    assert not (bench / "reports").exists()
    asked = ("run", "drp_highway", "--agents", "scripted", "--seeds", "1", "--ray", "auto")
    assert "--ray needs ray, which is not installed: pip install 'v2lm-testbed[ray]'" in refused(capsys, *asked)


def test_validate_prints_every_problem(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bench / "bad.yaml").write_text(DRP.replace("speed_mps: 25", "speed_mps: fast").replace("dnn,", "dn,"))
    (bench / "missing.yaml").write_text(DRP.replace("dirt_highway_a", "no_dirt"))
    status, out, err = said(capsys, "validate", "bad.yaml", "missing.yaml", "drp_highway", "smoke")
    assert status == 2
    assert [line[:40] for line in err.splitlines()] == [
        "error[TB110]: bad.yaml:9:14: ego.speed_m",
        "error[TB110]: bad.yaml:11:73: actors[0].",
        "error[TB110]: missing.yaml:21:16: artefa",
    ]
    assert re.fullmatch(
        r"drp_highway: scenario of [0-9]+ episodes\nsmoke: sweep of [0-9]+ scenarios, [0-9]+ episodes\n", out
    )


def test_a_full_disk_is_one_sentence(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "reports/x")

    monkeypatch.setattr("testbed.cli.report.rebuild_report", full)
    assert said(capsys, "report", "x")[::2] == (3, "error[TB200]: reports/x: No space left on device\n")


def test_a_folder_of_something_else_is_left_alone(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bench / "photos").mkdir()
    (bench / "photos" / "cat.jpg").write_text("meow")
    status, _, err = said(capsys, "run", "drp_highway", "--agents", "dnn", "--out", "photos")
    assert status == 3 and "photos exists and is no run folder" in err
    assert os.listdir("photos") == ["cat.jpg"]


def test_schemas_in_docs_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("scenario", "sweep", "case"):
        _, out, _ = said(capsys, "validate", "--schema", kind)
        written = (shipped_folder().parent / "docs" / f"{kind}.schema.json").read_text()
        assert out == written, f"run: make schema (docs/{kind}.schema.json is not current)"


def test_shipped_files_fit_the_schema_that_editors_use() -> None:

    import jsonschema
    import yaml

    docs = shipped_folder().parent / "docs"
    for folder, kind in (("", "scenario"), ("sweeps", "sweep")):
        schema = json.loads((docs / f"{kind}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        for path in (shipped_folder() / folder).glob("*.yaml"):
            jsonschema.validate(yaml.safe_load(path.read_text()), schema)
            depth = "../" * (1 + bool(folder))
            assert path.read_text().startswith(f"# yaml-language-server: $schema={depth}docs/{kind}.schema.json\n")


def test_the_parser_knows_every_verb() -> None:
    for verb in VERBS:
        assert verb in build_parser(verb).format_help()


def test_no_verb_hides_a_builtin() -> None:
    import builtins

    import testbed.cli

    for verb in VERBS:
        build_parser(verb)
    assert not set(vars(testbed.cli)) & set(vars(builtins)) - {name for name in vars(builtins) if name.startswith("__")}


def test_verify_names_the_damaged_file(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "run", "drp_highway", "--agents", "dnn", "--seeds", "1-1", "--jobs", "1", "--out", "mine")
    status, out, err = said(capsys, "report", "mine", "--verify")
    assert (status, out, err) == (0, "mine: 3 episodes, every file as it was stored\n", "")
    trace = next((bench / "mine" / "episodes").rglob("trace.mcap"))
    trace.write_bytes(trace.read_bytes()[:-1])
    status, _, err = said(capsys, "report", "mine", "--verify")
    assert status == 3 and "trace.mcap" in err
    status, _, err = said(capsys, "report", "nowhere", "--verify")
    assert status == 3 and err.startswith("error[TB200]: nowhere is no run folder")


def test_the_table_counts_undelivered_attacks_and_failures_apart() -> None:
    plan = EpisodePlan(scenario="s", scene={}, agent="dnn", condition="drp")
    hit = Event(kind="collision_vehicle", t_s=1, frame=20, location_xyz_m=(0, 0, 0), ego_speed_mps=20)
    episodes = [
        (EpisodeRecord(plan=plan, events=(hit,), scores={"window.success": True}, valid_attack=True), True),
        (EpisodeRecord(plan=plan, scores={"window.success": False}, valid_attack=True), True),
        (EpisodeRecord(plan=plan, events=(hit,), scores={"window.success": True}, valid_attack=False), False),
        (EpisodeRecord(plan=plan, status="failed", error_code="SIM_HANG"), False),
    ]
    table = work.result_table(episodes, lambda record: (record.plan.agent, record.plan.condition))
    assert table.splitlines()[1].split() == ["dnn", "drp", "1/2", "0/2", "1/2", "0/2", "0/2", "0/2", "1", "1"]


def test_the_table_counts_what_the_report_counts(tmp_path: Path) -> None:
    hit = Event(kind="collision_vehicle", t_s=1, frame=20, location_xyz_m=(0, 0, 0), ego_speed_mps=20)
    scene = load_scenario("drp_highway").content.dump()
    plans = [
        EpisodePlan(scenario="drp_highway", scene=scene, agent="dnn", condition=condition, seed=seed)
        for seed in (1, 2)
        for condition in ("benign", "drp")
    ]
    folder = RunFolder.create(tmp_path / "mine", RunManifest.of("mine", plans, scenarios={"drp_highway": scene}))
    for plan in plans:
        attacked = plan.condition == "drp"
        events = (hit,) if attacked or plan.seed == 1 else ()  # the first seed's twin is not clean
        folder.write_episode(EpisodeRecord(plan=plan, events=events, valid_attack=True if attacked else None))
    question = RunRequest("drp_highway", "?", (), tuple(plans))
    table = work.result_table(work.counted_episodes(folder.path, question), run.cell)
    assert [line.split()[:5] for line in table.splitlines()[1:]] == [
        ["dnn", "benign", "-", "0/2", "1/2"],
        ["dnn", "drp", "-", "0/1", "1/1"],
    ]
    assert table.splitlines()[2].split()[-2:] == ["1", "-"]


def test_an_unreachable_server_is_told_before_anything_is_started(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    status, _, err = said(capsys, "run", "drp_highway", "--agents", "dnn", "--carla", address)
    assert status == 3 and err.startswith(f"error[TB302]: no CARLA server answers at {address}: Connection refused")
    assert not (bench / "reports").exists()


@pytest.mark.slow
def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        command = [sys.executable, "-m", "testbed", "serve", "--port", str(busy.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 3
    assert "is in use" in done.stderr and done.stderr.startswith("error[TB301]: ")


def test_a_second_call_keeps_a_report_that_is_current(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []

    def build(folder: Path) -> Path:
        built.append(folder)
        page = folder / "index.html"
        page.write_text(f'<meta name="{MARK}" content="{made_from(RunFolder.open(folder))}">')
        return page

    monkeypatch.setattr(work, "build_report", build)
    command = ("run", "drp_highway", "--agents", "dnn", "--jobs", "1", "--out", "mine")
    for seeds, expected in (("1-1", 1), ("1-1", 1), ("1-2", 2), ("1-2", 2)):
        status, out, _ = said(capsys, *command, "--seeds", seeds)
        assert (status, len(built)) == (0, expected)
        assert out.endswith("report: mine/index.html\n")
    written = (shipped_folder() / "drp_highway.yaml").read_text(encoding="utf-8")
    (bench / "drp_highway.yaml").write_text(written.replace("at_most: 0.05", "at_most: 6 %", 1), encoding="utf-8")
    command = ("run", "drp_highway.yaml", *command[2:], "--seeds", "1-2")
    for expected in (3, 3):
        assert said(capsys, *command)[0] == 0
        assert len(built) == expected, "a report with other claims is another report"


def test_a_gate_fails_a_run_that_is_done(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("run", "drp_highway", "--agents", "dnn", "--seeds", "1-1", "--jobs", "1", "--out", "mine")
    assert said(capsys, *command)[0] == 0
    status, out, err = said(capsys, *command, "--fail-on", "undeveloped")
    assert status == 5 and "report: mine" in out
    assert err.startswith("error[TB610]: --fail-on undeveloped: claim ") and err.count("\n") == 1
    page = bench / "mine" / "index.html"
    monkeypatch.setattr(report, "rebuild_report", lambda folder: (page, read_run(folder, drives=False)))
    assert said(capsys, "report", "mine", "--fail-on", "undeveloped")[0] == 5
    assert said(capsys, "report", "mine")[0] == 0
    assert "expected some of refuted,undeveloped,event" in refused(capsys, *command, "--fail-on", "refutd")


def test_a_run_goes_on_until_its_claims_are_decided(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every attacked drive of the fake simulator leaves its lane, no benign one does."""
    text = DRP.split("claims:")[0] + "claims:\n"
    claim = "  - {{id: {0}, text: it holds its lane, metric: lane_departure.rate, at_most: {1}, condition: {2}}}\n"
    (bench / "refuted.yaml").write_text(text + claim.format("hit", "5 %", "drp"))
    decided = ["--agents", "dnn", "--until", "decided"]
    status, out, _ = said(capsys, "run", "refuted.yaml", *decided, "--out", "r", "--fail-on", "refuted")
    assert status == 5
    assert "all claims about rates are decided after 10 seeds of dnn" in out
    (bench / "open.yaml").write_text(text + claim.format("clean", "1 %", "benign"))
    status, out, _ = said(capsys, "run", "open.yaml", *decided, "--out", "o", "--budget", "50")
    assert status == 0
    assert "undecided for dnn within 50 drives after 16 seeds of dnn" in out, "48 drives; a seed has three"
    again, out, _ = said(capsys, "run", "open.yaml", *decided, "--out", "o", "--budget", "60")
    assert again == 0 and "within 60 drives after 20 seeds of dnn" in out
    assert RunFolder.open(bench / "o").manifest().stopping == "decided"
    (bench / "wide.yaml").write_text(text + claim.format("wide", "40 %", "benign"))
    assert "all claims about rates are decided after 20 seeds" in said(capsys, "run", "wide.yaml", *decided)[1]
    assert "leave --seeds out" in refused(capsys, "run", "open.yaml", *decided, "--seeds", "3")
    assert "does not suffice for one seed of dnn" in refused(
        capsys, "run", "open.yaml", *decided, "--budget", "2", "--out", "n"
    )
    assert "--budget goes with --until" in refused(capsys, "run", "open.yaml", "--budget", "2")
    (bench / "none.yaml").write_text(DRP.split("claims:")[0])
    assert "states no claim about a rate of dnn" in refused(capsys, "run", "none.yaml", *decided)


def test_a_plan_says_how_many_drives_claims_need(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "plan", "drp_highway", "--agents", "dnn")
    assert status == 0
    assert "lane_attacked  at most 5 %  drp                         72               465          105" in out
    assert "least for all of them: --seeds 72, 216 drives of dnn" in out


def test_a_run_tells_programs_a_line_per_change(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bench / "mine.yaml").write_text(DRP)
    status, out, _ = said(capsys, "run", "mine.yaml", "--agents", "dnn", "--seeds", "1,600", "--out", "r", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    changes = sorted(line["event"] for line in lines[1:-1])
    assert [lines[0]["event"], *changes, lines[-1]["event"]] == ["begin", *["done"] * 3, *["failed"] * 3, "result"]
    assert lines[0]["episodes"] == 6 and lines[0]["run"] == "r"
    hit = [line for line in lines if line.get("events") == ["lane_departure"]]
    assert {line["condition"] for line in hit} == {"drp", "dirt"}
    assert all(line["of"] == 6 for line in lines[1:-1])
    failed = [line for line in lines if line["event"] == "failed"]
    assert {line["code"] for line in failed} == {"TB400"}
    assert lines[-1]["failed"][0]["agent"] == "dnn" and lines[-1]["run"] == "r"

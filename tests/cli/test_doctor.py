"""Doctor names what is wrong and what helps; a check that breaks is a finding, not the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cli import doctor, main
from testbed.core.errors import WeightsError


def findings(check: object) -> list[doctor.Finding]:
    return list(doctor._guarded(check))  # type: ignore[arg-type]


def test_a_cpu_torch_beside_a_cuda_torchvision_is_explained() -> None:
    advice = doctor.torchvision_advice("operator torchvision::nms does not exist", "2.15.0+cpu")
    assert "built for another torch than 2.15.0+cpu" in advice and "make install" in advice
    assert doctor.torchvision_advice("no such file", "2.15.0") == (
        "torchvision cannot be imported beside torch 2.15.0: no such file"
    )


def test_another_carla_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "0.9.15")
    (finding,) = findings(doctor._carla)
    assert finding.verdict == "fail" and "0.9.15, but the testbed speaks 0.9.16" in finding.detail


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "msgpack":
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    assert [finding.subject for finding in findings(doctor._packages) if finding.verdict == "fail"] == ["simulator"]


def test_an_extra_that_is_absent_is_fine_and_one_that_is_half_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.extras, "versions", lambda names: {name: "1" for name in names if name == "torch"})
    found = {finding.subject: finding for finding in findings(doctor._extras)}
    assert {name: finding.verdict for name, finding in found.items()} == {
        "[agents]": "fail", "[ray]": "ok", "[rl]": "ok", "[smollm]": "ok", "[sign]": "ok", "[contracts]": "ok",
        "[notebook]": "ok", "[rerun]": "ok",
    }  # fmt: skip
    assert found["[agents]"].detail.startswith("not installed: torchvision, transformers,")
    assert found["[rl]"].detail.endswith("would need it: pip install 'v2lm-testbed[rl]'")


def test_altered_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from testbed.agents import weights
    from testbed.sweep import catalogue

    (tmp_path / "one.safetensors").write_bytes(b"altered")
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogue.Installed, "agent_digests", lambda self, agent: {"one.safetensors": "00" * 32})
    assert [path.name for path in doctor.altered_weights("dnn")] == ["one.safetensors"]


def test_a_check_that_breaks_is_a_finding() -> None:
    def _some_check() -> Iterator[doctor.Finding]:
        yield doctor.Finding("ok", "first", "fine")
        raise WeightsError("no weights", hint="train them")

    def _other_check() -> Iterator[doctor.Finding]:
        raise ZeroDivisionError("oh")
        yield

    assert [(item.verdict, item.subject) for item in findings(_some_check)] == [("ok", "first"), ("fail", "some check")]
    assert findings(_other_check)[0].detail == "ZeroDivisionError: oh"


def test_the_exit_status_says_whether_something_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def _fine() -> Iterator[doctor.Finding]:
        yield doctor.Finding("warn", "disk", "little")

    def _bad() -> Iterator[doctor.Finding]:
        yield doctor.Finding("fail", "warp", "absent")

    monkeypatch.setattr(doctor, "CHECKS", (_fine,))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "warn  disk              little\n"
    monkeypatch.setattr(doctor, "CHECKS", (_fine, _bad))
    assert main(["doctor", "--json"]) == 1
    assert [item["verdict"] for item in json.loads(capsys.readouterr().out)] == ["warn", "fail"]

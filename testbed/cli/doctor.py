"""``testbed doctor``: check an installation and say in one line per finding what to do about it."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.core import extras
from testbed.core.errors import TestbedError

LEAST_DISK_GB = 2.0
CARLA_VERSION = "0.9.16"
FAMILIES = {
    "simulator": ("carla", "msgpack", "warp-lang"),
    "testbed": ("numpy", "pydantic", "gymnasium", "mcap", "pyarrow", "scipy"),
}
"""Distributions that must be installed."""

DISTRIBUTIONS = {"stable_baselines3": "stable-baselines3", "rerun": "rerun-sdk"}
"""Modules of extras whose distribution has another name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        verdict: ``ok``, ``warn`` (works, with a limit) or ``fail``.
        subject: What was looked at.
        detail: What was found, and what to do.
    """

    verdict: str
    subject: str
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(options: argparse.Namespace) -> int:
    """Check everything; exit status 1 when something fails."""
    findings = []
    for check in CHECKS:
        for finding in _guarded(check):
            findings.append(finding)
            if not options.json:
                print(f"{finding.verdict:4}  {finding.subject:16}  {finding.detail}", flush=True)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    return 1 if any(finding.verdict == "fail" for finding in findings) else 0


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that breaks is a finding, not the end of the examination."""
    try:
        yield from check()
    except Exception as error:
        detail = str(error) if isinstance(error, TestbedError) else f"{type(error).__name__}: {error}"
        yield Finding("fail", check.__name__.strip("_").replace("_", " "), " ".join(detail.split())[:300])


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    yield Finding(
        "ok" if good else "fail", "python", f"{version} at {sys.executable}" + ("" if good else "; 3.11 needed")
    )


def _packages() -> Iterator[Finding]:
    for family, names in FAMILIES.items():
        found, absent = [], []
        for name in names:
            try:
                found.append(f"{name} {importlib.metadata.version(name)}")
            except importlib.metadata.PackageNotFoundError:
                absent.append(name)
        if absent:
            yield Finding("fail", family, f"not installed: {', '.join(absent)}; pip install {extras.DISTRIBUTION}")
        else:
            yield Finding("ok", family, ", ".join(found))


def _extras() -> Iterator[Finding]:
    for extra, modules in extras.MODULES.items():
        names = [DISTRIBUTIONS.get(module, module) for module in modules]
        found = extras.versions(names)
        absent = [name for name in names if name not in found]
        command = extras.install_command(extra)
        if not found:
            yield Finding("ok", f"[{extra}]", f"not installed; {extras.PURPOSES[extra]} would need it: {command}")
        elif absent:
            yield Finding("fail", f"[{extra}]", f"not installed: {', '.join(absent)}; {command}")
        else:
            yield Finding("ok", f"[{extra}]", ", ".join(f"{name} {version}" for name, version in found.items()))


def _torch() -> Iterator[Finding]:
    if not extras.installed("torch"):
        return
    try:
        import torch
    except Exception as error:
        yield Finding("fail", "torch", f"cannot be imported: {error}")
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        yield Finding("fail", "torch", torchvision_advice(str(error), str(torch.__version__)))
        return
    yield Finding("ok", "torch", f"{torch.__version__} imports, torchvision's operators fit it")


def torchvision_advice(message: str, torch_version: str) -> str:
    """Say why torchvision does not import and what helps."""
    if "torchvision::nms" in message or "operator torchvision" in message:
        return (
            f"torchvision was built for another torch than {torch_version} (CPU-only beside CUDA?), "
            "which breaks every image processor of transformers; install both in one command: make install, or "
            f"{extras.install_command('agents')}"
        )
    return f"torchvision cannot be imported beside torch {torch_version}: {message}"


def _carla() -> Iterator[Finding]:
    version = importlib.metadata.version("carla")
    if version != CARLA_VERSION:
        yield Finding(
            "fail",
            "carla client",
            f"{version}, but the testbed speaks {CARLA_VERSION}: pip install carla=={CARLA_VERSION}",
        )
        return
    importlib.import_module("testbed.client")
    yield Finding("ok", "carla client", f"{version} imports")


def _warp() -> Iterator[Finding]:
    warp = importlib.import_module("warp")
    warp.config.log_level = warp.LOG_ERROR
    warp.init()
    devices = ", ".join(str(device) for device in warp.get_devices())
    yield Finding(
        "ok", "warp", f"{warp.__version__} renders on {devices}; kernels cached in {warp.config.kernel_cache_dir}"
    )


def _gpu() -> Iterator[Finding]:
    warp = importlib.import_module("warp")
    devices = warp.get_cuda_devices()
    if devices:
        yield Finding("ok", "gpu", f"{devices[0].name}; checkpoints use it, all else with --device cuda")
    else:
        yield Finding("ok", "gpu", "none; everything runs on the CPU")


def _weights() -> Iterator[Finding]:
    from testbed import agents
    from testbed.sweep.catalogue import Installed

    for name in sorted(agents.names()):
        try:
            count = len(Installed().agent_digests(name))
            altered = [path.name for path in altered_weights(name)]
        except TestbedError as error:
            yield Finding("fail", f"agent {name}", str(error))
            continue
        if altered:
            yield Finding(
                "fail", f"agent {name}", f"altered since training: {', '.join(altered)}; restore or train again"
            )
        else:
            yield Finding(
                "ok", f"agent {name}", f"{count} weight files, hashes as on their cards" if count else "no weights"
            )


def altered_weights(agent: str) -> list[Path]:
    """Return weight files of an agent whose bytes are not what their card says."""
    from testbed.agents import weights
    from testbed.core.hashing import sha256_of
    from testbed.sweep.catalogue import Installed

    altered = []
    for name, digest in Installed().agent_digests(agent).items():
        if name.startswith("agent:"):
            continue  # an agent file with options: whoever edits it means to
        path = weights.FOLDER / (name if name.endswith(".safetensors") else f"{name}.safetensors")
        if not path.is_file() or sha256_of(path) != digest:
            altered.append(path)
    return altered


def _artefacts() -> Iterator[Finding]:
    from testbed import adversaries

    names = adversaries.names()
    for name in names:
        adversaries.load(name)
    yield Finding("ok", "artefacts", f"{len(names)} shipped, hashes as in their manifests")


def _scenarios() -> Iterator[Finding]:
    from testbed.cli.validate import check_file
    from testbed.scenario.loader import shipped_names

    for name in (*shipped_names(), *shipped_names("sweeps")):
        problems, summary = check_file(name)
        if problems:
            yield Finding("fail", "scenario", str(problems[0]))
        else:
            yield Finding("ok", "scenario", f"{name}: {summary}")


def _network() -> Iterator[Finding]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with socket.socket() as probe:
        probe.settimeout(0.3)
        busy = probe.connect_ex(("127.0.0.1", 2000)) == 0
    note = "something listens on CARLA's port 2000" if busy else "CARLA's port 2000 is free"
    yield Finding("ok", "ports", f"loopback gives ports (for instance {port}); {note}")


def _resources() -> Iterator[Finding]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    enough = free_gb >= LEAST_DISK_GB
    yield Finding(
        "ok" if enough else "warn",
        "disk",
        f"{free_gb:.1f} GB free here" + ("" if enough else f"; runs want {LEAST_DISK_GB:g} GB"),
    )
    writable = os.access(Path.cwd(), os.W_OK)
    yield Finding(
        "ok" if writable else "warn",
        "working folder",
        f"{Path.cwd()} " + ("is writable" if writable else "is not writable; use --out"),
    )
    from testbed.cli.options import default_jobs

    yield Finding("ok", "cores", f"{default_jobs()} for this process: that many workers by default")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _extras,
    _torch,
    _carla,
    _warp,
    _gpu,
    _weights,
    _artefacts,
    _scenarios,
    _network,
    _resources,
)
"""All checks in the order of the report."""

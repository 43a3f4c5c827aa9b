"""A run with its safety case as one file for an assessor: every byte listed by its sha256, the list signed on demand.

::

    SHA256SUMS                     checksums of all that follows; `sha256sum -c` understands it
    SHA256SUMS.sig                 Ed25519 signature of that list (only with a key)
    manifest.json  safety_case.yaml
    index.html  case-….gsn.yaml …  the report
    drives/<key>.html              a page per drive; with its trace it replays the drive
    episodes/<key>/…               records and their checksums; traces and videos on demand

The same run gives the same list and signature, and with the same zlib the same zip.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from testbed.core.errors import StoreError, UsageError
from testbed.report import signature
from testbed.report.bundle_members import SIGNATURE, strange_names
from testbed.report.remade import link_stored, remake, unreadable_traces
from testbed.store import RunFolder
from testbed.store.atomic import store_errors, temporary_name
from testbed.store.run_folder import MANIFEST, SUMS

_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20


def pack(run_dir: Path, out: Path, *, traces: bool = False, key: Path | None = None) -> int:
    """Write a run as a bundle; return the number of its files.

    The report in it is made anew from what the bundle holds; the one in the run folder is not read.

    Args:
        run_dir: Run folder.
        out: Zip file to write.
        traces: Whether traces and videos go with it, and the report shows them.
        key: PEM file of an Ed25519 private key that signs the list of checksums.

    Raises:
        ScenarioError: The user's part of the safety case is not accepted.
        StoreError: A file of the run is damaged, or the bundle cannot be written.
        UsageError: The key is none, or something else than a bundle stands where it is to be written.
    """
    run = RunFolder.open(run_dir)
    _check_target(out, run)
    damage = [f"{one.path}: {one.reason}" for one in run.verify()] or ([] if traces else unreadable_traces(run_dir))
    if damage:
        raise StoreError(damage[0], hint=f"testbed report {run_dir} --verify tells all; or drive it again")
    temporary = out.with_name(temporary_name(out.name))
    stage = temporary.with_suffix(".run") / run_dir.resolve().name
    try:
        link_stored(run, stage, traces=traces)
        names = remake(stage)
        if strange := strange_names(names):
            raise StoreError(f"{run_dir} cannot be bundled: {strange[0]}", hint="give agents plain names that differ")
        sums = "".join(f"{_sha256(stage / name)}  {name}\n" for name in names).encode("utf-8")
        signed = signature.sign(sums, key) if key is not None else None
        with store_errors(out):
            _write(temporary, stage, names, {SUMS: sums} | ({SIGNATURE: signed} if signed is not None else {}))
            temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
        shutil.rmtree(stage.parent, ignore_errors=True)
    return len(names)


def _check_target(out: Path, run: RunFolder) -> None:
    """Check that writing a bundle harms nothing."""
    if out.suffix != ".zip":
        raise UsageError(f"{out} is no name of a bundle: it must end with .zip", hint=f"--out {out}.zip")
    if out.is_dir():
        raise UsageError(f"{out} is a folder", hint="give the name of a file that ends with .zip")
    if out.resolve().is_relative_to(run.episodes_path.resolve()):
        raise UsageError(f"{out} lies among the stored episodes", hint="write the bundle beside the run")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder", hint=f"mkdir -p {out.parent}")
    if out.exists() and not _is_bundle(out):
        raise UsageError(f"{out} exists and is no bundle", hint="give another name with --out")


def _is_bundle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {SUMS, MANIFEST} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _write(path: Path, stage: Path, names: Iterable[str], first: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in first.items():
            archive.writestr(_entry(name), content)
        for name in names:
            with (stage / name).open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as target:
                while block := source.read(_BLOCK):
                    target.write(block)


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an entry without a time or an owner, so that the same run gives the same bytes."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _sha256(path: Path) -> str:
    with store_errors(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Checking a bundle: every byte, its signature, what its case cites, and that its report follows from its records.

The report is made again in a temporary folder from the stored files of the bundle and compared byte by byte. Two things
cannot be: the clips in the page, which another encoder writes otherwise, and how a table of the same rows is packed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.core.errors import ScenarioError, StoreError
from testbed.core.yaml_reader import Bounds, parse_yaml
from testbed.report import signature
from testbed.report.bundle_members import SIGNATURE, strange_members, strange_names
from testbed.report.leaderboard_file import FOLDER as LEADERBOARD
from testbed.report.made_from import PAGE
from testbed.report.remade import is_stored, remake, stored_names
from testbed.report.safety_case.case_file import CASE_FILE
from testbed.report.safety_case.evidence import EVIDENCE_FILE, MOST_CITED, digest_of_hashes
from testbed.store import RunFolder, load_record
from testbed.store.atomic import sha256_of, store_errors
from testbed.store.episode_table import tables_are_equal
from testbed.store.manifest import load_manifest
from testbed.store.run_folder import MANIFEST, RECORD, SUMS

TABLE = "episodes.parquet"
_CLIP = re.compile(rb"data:video/webm;base64,[A-Za-z0-9+/=]+")
_NO_SENSE = (
    LookupError, TypeError, AttributeError, ValueError, ArithmeticError, AssertionError, csv.Error, ScenarioError,
)  # fmt: skip
"""What code that reads files of ours raises on those that are none."""
_BLOCK = 1 << 20
_MOST_TEXT = 64 << 20
"""Bytes up to which a text in a bundle is read whole; a longer one is not ours."""
_CASE_BOUNDS = Bounds(size_bytes=_MOST_TEXT, values=2_000_000)


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """What checking a bundle found.

    Attributes:
        damage: Every fault in a sentence; empty when all is well.
        files: Number of files.
        episodes: Number of episodes with a record.
        traces_left_out: Number of traces that the records name and the bundle does not hold.
        cited: Number of solutions whose hashes were found among the records.
        signed: ``no``, ``not checked`` (no key was given) or ``yes``.
    """

    damage: list[str]
    files: int
    episodes: int
    traces_left_out: int
    cited: int
    signed: str


def check(bundle: Path, key: Path | None = None) -> BundleCheck:
    """Check every byte of a bundle, its signature, and that what its case cites is there.

    Args:
        bundle: Zip file.
        key: PEM file of an Ed25519 public key; None to leave a signature unchecked.

    Raises:
        StoreError: It is no bundle, or cannot be read.
        UsageError: The key is none.
    """
    with store_errors(bundle, "read"):
        try:
            with zipfile.ZipFile(bundle) as archive:
                return _BundleChecker(archive, bundle).check(key)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
            raise StoreError(f"{bundle} is damaged or no bundle: {error}") from None
        except _NO_SENSE as error:
            # every checksum holds, and yet a file is none of ours
            raise StoreError(f"{bundle} makes no sense: {type(error).__name__}: {error}") from None


def _without_clips(page: bytes) -> bytes:
    return _CLIP.sub(b"", page)


class _BundleChecker:
    """Checks one open bundle."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive = archive
        self.path = path
        self.damage: list[str] = []
        self.names = [entry.filename for entry in archive.infolist()]

    def check(self, key: Path | None) -> BundleCheck:
        """Check everything."""
        if SUMS not in self.names:
            raise StoreError(f"{self.path} is no bundle: it has no {SUMS}", hint="testbed bundle RUN --out FILE.zip")
        if strange := strange_members(self.archive, self.path):
            return BundleCheck(strange, len(self.names), 0, 0, 0, "no")
        listed = self.text(SUMS)
        signed = self.signature(listed, key)
        sums = self.checksums(listed, SUMS)
        self.damage += strange_names(name for name in sums if name not in self.names)
        for name in sorted(set(self.names) - set(sums) - {SUMS, SIGNATURE}):
            self.damage.append(f"{name} is not in {SUMS}")
        for name, digest in sums.items():
            if name not in self.names:
                self.damage.append(f"{name} is missing")
            elif self.sha256(name) != digest:
                self.damage.append(f"{name} differs from its checksum")
        if self.damage:  # what follows would only say the same in other words
            return BundleCheck(self.damage, len(sums), 0, 0, 0, signed)
        load_manifest(self.text(MANIFEST), f"{self.path}: {MANIFEST}")
        hashes, left_out = self.episodes(sums)
        cited = self.cited(hashes)
        if not self.damage:
            self.report(sums)
        return BundleCheck(self.damage, len(sums), len(hashes), left_out, cited, signed)

    def text(self, name: str) -> bytes:
        """Return a text whole."""
        entry = self.archive.getinfo(name) if name in self.names else None
        if entry is None:
            raise StoreError(f"{self.path} has no {name}")
        if entry.file_size > _MOST_TEXT:
            raise StoreError(f"{self.path}: {name} is larger than {_MOST_TEXT >> 20} MiB")
        return self.archive.read(entry)

    def sha256(self, name: str) -> str:
        """Return the sha256 of a file, read piece by piece."""
        digest = hashlib.sha256()
        with self.archive.open(name) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def signature(self, listed: bytes, key: Path | None) -> str:
        """Check the signature; return ``no``, ``not checked`` or ``yes``."""
        there = SIGNATURE in self.names
        if key is None:
            return "not checked" if there else "no"
        if not there:
            self.damage.append(f"{self.path} is not signed")
            return "no"
        if not signature.is_signed_by(listed, self.text(SIGNATURE), key):
            self.damage.append(f"{SIGNATURE} is not the signature of {SUMS} by the owner of {key}")
            return "no"
        return "yes"

    def checksums(self, content: bytes, name: str) -> dict[str, str]:
        """Return what a list of checksums says."""
        found: dict[str, str] = {}
        for line in content.decode("utf-8", errors="replace").splitlines():
            digest, separator, file = line.partition("  ")
            if not separator or len(digest) != 64 or file in found:
                self.damage.append(f"{name} has a line that makes no sense: {line[:80]!r}")
                continue
            found[file] = digest
        return found

    def episodes(self, sums: dict[str, str]) -> tuple[dict[str, tuple[str, str]], int]:
        """Check the records; return key to the hashes of record and trace, and how many traces are not there."""
        hashes: dict[str, tuple[str, str]] = {}
        left_out = 0
        for name in [name for name in sums if name.startswith("episodes/") and name.endswith(f"/{SUMS}")]:
            key = name.split("/")[1]
            own = self.checksums(self.text(name), name)
            for file, digest in own.items():
                listed = sums.get(f"episodes/{key}/{file}")
                if listed is not None and listed != digest:
                    self.damage.append(f"episodes/{key}/{file} is not the file that was stored")
            if f"episodes/{key}/{RECORD}" not in sums:
                self.damage.append(f"episodes/{key}/{RECORD} is missing")
                continue
            record = load_record(self.text(f"episodes/{key}/{RECORD}"), f"{self.path}: episodes/{key}/{RECORD}")
            trace = own.get(record.trace, "") if record.trace else ""
            if trace != record.trace_sha256:
                self.damage.append(f"episodes/{key}/{RECORD} names another trace than was stored")
            left_out += bool(trace) and f"episodes/{key}/{record.trace}" not in sums
            hashes[key] = own.get(RECORD, ""), trace
        return hashes, left_out

    def report(self, sums: dict[str, str]) -> None:
        """Make the report again from what is stored, and name every file that is another one."""
        stored = [name for name in sums if is_stored(name)]
        for path in map(Path, sums):
            if path.parts[0] == LEADERBOARD:  # these files are called after the run's folder
                name = min((one.stem for one in map(Path, sums) if one.parts[0] == LEADERBOARD), key=len)
                break
        else:
            name = "run"
        with tempfile.TemporaryDirectory(prefix="testbed-verify-") as scratch:
            folder = Path(scratch) / name
            (folder / "episodes").mkdir(parents=True)
            for name in stored:
                self.unpack(name, folder / name)
            known = {*stored_names(RunFolder.open(folder), traces=True)}
            self.damage += [f"{name} is no stored file of an episode" for name in sorted({*stored} - known)]
            missing = sorted(known - {*stored})
            if any(Path(name).name not in (MANIFEST, CASE_FILE, RECORD, SUMS) for name in stored):  # all or none
                self.damage += [f"{name} is missing" for name in missing]
            if self.damage:
                return
            made = remake(folder)
            for name in sorted({*made, *sums} - {*stored}):
                if name not in sums:
                    self.damage.append(f"{name} is missing: the records give it")
                elif name not in made:
                    self.damage.append(f"{name} does not follow from the records: they give no such file")
                elif not self.is_same(name, folder / name, sums[name]):
                    self.damage.append(f"{name} does not follow from the records: they give another one")

    def unpack(self, name: str, target: Path) -> None:
        """Write a file of the bundle, whose name was checked, into a temporary folder."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with store_errors(target), self.archive.open(name) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, _BLOCK)

    def is_same(self, name: str, made: Path, digest: str) -> bool:
        """Tell whether a file of the bundle says what was made of its records."""
        if sha256_of(made) == digest:
            return True
        if name == PAGE:
            return _without_clips(self.text(name)) == _without_clips(made.read_bytes())
        return name == TABLE and tables_are_equal(self.text(name), made.read_bytes())

    def cited(self, hashes: dict[str, tuple[str, str]]) -> int:
        """Check that all that the cases cite is there; return the number of solutions that were checked."""
        cases = sorted(name for name in self.names if name.endswith(".gsn.yaml"))
        if not cases:
            return 0
        drives: dict[str, list[tuple[str, str, str]]] = {}
        for row in csv.DictReader(io.StringIO(self.text(EVIDENCE_FILE).decode("utf-8"))):
            told = row["drive"], row["record_sha256"], row["trace_sha256"]
            if told[1] and hashes.get(told[0]) != told[1:]:
                self.damage.append(f"{EVIDENCE_FILE}: drive {told[0][:12]} is not the one that is stored")
            for solution in row["cited_by"].split():
                drives.setdefault(solution, []).append(told)
        count = 0
        for name in cases:
            document = parse_yaml(self.text(name), f"{self.path}: {name}", _CASE_BOUNDS).data
            for solution, node in document.items():
                if "drives" in node:
                    count += 1
                    self.solution(name, solution, node, drives.get(f"{name.removesuffix('.gsn.yaml')}:{solution}", []))
        return count

    def solution(self, name: str, solution: str, node: dict[str, Any], drives: list[tuple[str, str, str]]) -> None:
        """Check one solution against the drives that are listed for it."""
        drives = sorted(drives)
        said = f"sha256 {digest_of_hashes(one[1:] for one in drives)}"
        few = len(drives) <= MOST_CITED
        hashes = {"records": " ".join(one[1] or "none" for one in drives)}
        hashes["traces"] = " ".join(one[2] or "none" for one in drives)
        if node["evidence"] != said or node["drives"] != str(len(drives)):
            self.damage.append(f"{name}: {solution} cites other drives than {EVIDENCE_FILE} lists for it")
        elif few and any(node.get(field) != value for field, value in hashes.items()):
            self.damage.append(f"{name}: {solution} cites hashes that are not those of its drives")

"""A run folder on disk: episodes appear in it whole or not at all, and every byte in them is accounted for.

::

    reports/<run-id>/
        manifest.json                        what was planned, versions, command
        episodes/<key>/record.json           what happened (docs/formats.md)
        episodes/<key>/trace.mcap            every step, Foxglove opens it
        episodes/<key>/video.webm            driver's view, optional
        episodes/<key>/SHA256SUMS            checksums of the above; `sha256sum -c` understands it
        episodes.parquet index.html …        derived: `python -m testbed report` makes them again

After a crash, whatever dies when:

======================================  ==============================================================================
died                                    on disk
======================================  ==============================================================================
while an episode was driven             ``episodes/.tmp-…``: ignored by every reader, removed by `RunFolder.clean`
before the rename of its folder         the same
after the rename                        the whole episode
while a failed episode was replaced     the failed one, or none (it runs again), or the new one
======================================  ==============================================================================
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.store.atomic import TEMPORARY_PREFIX, sha256_of, store_errors, sync_file, sync_folder, temporary_name
from testbed.store.atomic import write_bytes as _write_bytes
from testbed.store.atomic import write_text as _write_text
from testbed.store.manifest import RunManifest, dump_manifest, load_manifest
from testbed.store.safe_paths import checked_file_name, checked_key, inside, is_key
from testbed.store.versions import dump_record, load_record

RECORD = "record.json"
TRACE = "trace.mcap"
VIDEO = "video.webm"
SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"

_AGAIN = "the command that began the run drives this episode alone again"


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file that is not what it was when it was stored."""

    path: Path
    reason: str


class RunFolder:
    """One run on disk. Instances hold no state: any number of processes may use the same folder."""

    def __init__(self, path: Path) -> None:
        """Point at a folder; use `create` or `open`."""
        self.path = path

    @classmethod
    def create(cls, path: Path, manifest: RunManifest) -> RunFolder:
        """Make a run folder, or take up an existing one with a new manifest (its episodes stay).

        Raises:
            StoreError: It cannot be written, or the path is a file or a folder of something else.
        """
        folder = cls(path)
        with store_errors(path, "create"):
            if path.is_dir() and not (path / MANIFEST).exists() and any(path.iterdir()):
                raise StoreError(f"{path} exists and is no run folder", hint="choose another folder with --out")
            (path / "episodes").mkdir(parents=True, exist_ok=True)
        folder.write_manifest(manifest)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return an existing run folder.

        Raises:
            StoreError: There is none at ``path``.
        """
        if not (path / MANIFEST).is_file() or not (path / "episodes").is_dir():
            raise StoreError(f"{path} is no run folder", hint="it must hold manifest.json and episodes/")
        return cls(path)

    @property
    def episodes_path(self) -> Path:
        """Folder of the episodes."""
        return inside(self.path, "episodes")

    def manifest(self) -> RunManifest:
        """Return the manifest.

        Raises:
            StoreError: It is missing or damaged.
        """
        path = inside(self.path, MANIFEST)
        with store_errors(path, "read"):
            return load_manifest(path.read_bytes(), str(path))

    def write_manifest(self, manifest: RunManifest) -> None:
        """Replace the manifest atomically."""
        _write_text(inside(self.path, MANIFEST), dump_manifest(manifest))

    def write_text(self, name: str, text: str, *, below: Sequence[str] = ()) -> Path:
        """Replace a derived file atomically and return its path.

        Args:
            name: File name.
            text: Content.
            below: Folders of the run folder that lead to it, which are made; at its top by default.
        """
        path = inside(self.path, *(checked_file_name(part) for part in (*below, name)))
        with store_errors(path.parent, "create"):
            path.parent.mkdir(parents=True, exist_ok=True)
        # there are many of those below, and all of them can be made again
        _write_text(path, text, durable=not below)
        return path

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Replace a derived file at the top of the folder atomically and return its path."""
        path = inside(self.path, checked_file_name(name))
        _write_bytes(path, content)
        return path

    @contextlib.contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """Yield an empty folder on the same file system to drive an episode in; it is gone afterwards.

        Args:
            key: Episode key.
        """
        path = self.episodes_path / temporary_name(checked_key(key)[:12])
        with store_errors(path, "create"):
            path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def write_episode(self, record: EpisodeRecord, trace: Path | None = None, video: Path | None = None) -> Path:
        """Store an episode: its folder appears whole or not at all.

        A finished episode that is stored already is kept as it is (the same plan is the same episode); one that failed
        or is damaged is replaced. The files given are copied.

        Args:
            record: What happened; its ``trace``, ``video`` and ``trace_sha256`` are filled in here.
            trace: MCAP file, or None.
            video: Video file, or None.

        Returns:
            The episode's folder.

        Raises:
            StoreError: Disk full, no permission, or the trace is not the one the record names.
        """
        key = record.plan.key
        target = inside(self.episodes_path, checked_key(key))
        if self.is_done(key):
            return target
        temporary = self.episodes_path / temporary_name(key[:12])
        try:
            with store_errors(target):
                temporary.mkdir(parents=True)
                self._fill(temporary, record, trace, video)
                self._publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def is_done(self, key: str) -> bool:
        """Tell whether an episode is done and its files, which are all read, are intact."""
        if not self._path_of(key).exists():
            return False
        try:
            return self.read_episode(key).status == "done" and not self.damage_of(key)
        except StoreError:
            return False

    def _fill(self, folder: Path, record: EpisodeRecord, trace: Path | None, video: Path | None) -> None:
        sums: dict[str, str] = {}
        update: dict[str, str] = {"trace": "", "video": "", "trace_sha256": ""}
        for name, source in ((TRACE, trace), (VIDEO, video)):
            if source is None:
                continue
            shutil.copyfile(source, folder / name)
            sync_file(folder / name)
            sums[name] = sha256_of(folder / name)
            update["trace" if name == TRACE else "video"] = name
        if trace is not None:
            if record.trace_sha256 and record.trace_sha256 != sums[TRACE]:
                raise StoreError(f"{trace} is not the trace that the record of {record.plan.key[:12]} names")
            update["trace_sha256"] = sums[TRACE]
        sums[RECORD] = _write_bytes(folder / RECORD, dump_record(record.model_copy(update=update)))
        _write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
        sync_folder(folder)

    def _publish(self, temporary: Path, target: Path) -> None:
        for _ in range(3):
            try:
                os.rename(temporary, target)
                sync_folder(target.parent)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if self.is_done(target.name):
                # another process finished the same plan in the meantime: its episode stands
                return
            aside = target.with_name(temporary_name(target.name[:12]))
            with contextlib.suppress(FileNotFoundError):
                os.rename(target, aside)
            shutil.rmtree(aside, ignore_errors=True)
        raise StoreError(f"cannot write {target}: other processes keep replacing it")

    def _path_of(self, key: str) -> Path:
        return inside(self.path, "episodes", checked_key(key))

    def keys(self) -> list[str]:
        """Return the keys of all stored episodes, sorted, whatever their status."""
        with store_errors(self.episodes_path, "read"):
            return sorted(entry.name for entry in os.scandir(self.episodes_path) if is_key(entry.name))

    def done_keys(self) -> list[str]:
        """Return the keys of episodes that are done and whose files are intact, sorted."""
        return [key for key in self.keys() if self.is_done(key)]

    def stamp(self, key: str) -> str:
        """Return a digest of the names, sizes and times of an episode's files; empty where there is none.

        As long as it is the same the files need not be read to know that they are what they were.
        """
        try:
            with os.scandir(f"{self.path}/episodes/{checked_key(key)}") as entries:
                found = [(entry.name, entry.stat()) for entry in entries]
        except OSError:
            return ""
        told = sorted((name, status.st_size, status.st_mtime_ns) for name, status in found)
        return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def read_episode(self, key: str) -> EpisodeRecord:
        """Return the record of an episode, its checksum verified.

        Raises:
            StoreError: It is missing, damaged, or the record of another plan.
        """
        path = inside(self._path_of(key), RECORD)
        with store_errors(path, "read"):
            content = path.read_bytes()
        sums = self.sums(key)
        if sums.get(RECORD) != sha256_of(path):
            raise StoreError(f"{path} is damaged: its checksum differs", hint=_AGAIN)
        record = load_record(content, str(path))
        if record.version == record.plan.version and record.plan.key != key:
            raise StoreError(f"{path} holds the record of another plan ({record.plan.key[:12]})")
        return record

    def records(self) -> Iterator[EpisodeRecord]:
        """Yield the records of all stored episodes in order of their keys.

        Raises:
            StoreError: One of them is damaged.
        """
        for key in self.keys():
            yield self.read_episode(key)

    def file_of(self, key: str, name: str) -> Path | None:
        """Return the path of an episode's trace or video, its checksum verified; None when it has none.

        Raises:
            StoreError: The file is damaged.
        """
        path = inside(self._path_of(key), checked_file_name(name))
        digest = self.sums(key).get(name)
        if digest is None:
            return None
        if not path.is_file() or sha256_of(path) != digest:
            raise StoreError(f"{path} is damaged or missing", hint=_AGAIN)
        return path

    def sums(self, key: str) -> dict[str, str]:
        """Return the names of an episode's files and their sha256 as they were stored.

        Raises:
            StoreError: The list is missing or damaged.
        """
        path = inside(self._path_of(key), SUMS)
        with store_errors(path, "read"):
            lines = path.read_text("utf-8", errors="replace").splitlines()
        sums: dict[str, str] = {}
        for line in lines:
            digest, separator, name = line.partition("  ")
            if not separator or not is_key(digest):
                raise StoreError(f"{path} is damaged")
            sums[checked_file_name(name)] = digest
        return sums

    def damage_of(self, key: str) -> list[DamagedFile]:
        """Return what is wrong with the files of one episode."""
        found: list[DamagedFile] = []
        folder = self.path / "episodes" / checked_key(key)
        try:
            sums = self.sums(key)
        except StoreError as error:
            return [DamagedFile(folder / SUMS, str(error))]
        if RECORD not in sums:
            found.append(DamagedFile(folder / SUMS, "names no record"))
        for name, digest in sums.items():
            path = folder / name
            if path.is_symlink() or not path.is_file():
                found.append(DamagedFile(path, "is missing or no plain file"))
            elif sha256_of(path) != digest:
                found.append(DamagedFile(path, "differs from its checksum"))
        if not found:
            try:
                record = self.read_episode(key)
            except StoreError as error:
                return [DamagedFile(folder / RECORD, str(error))]
            named = {RECORD: sums[RECORD]} | {name: sums.get(name, "") for name in (record.trace, record.video) if name}
            if record.trace:
                named[record.trace] = record.trace_sha256
            if named != sums:
                found.append(DamagedFile(folder / SUMS, "does not list the files that the record names"))
        return found

    def verify(self) -> list[DamagedFile]:
        """Return every damaged file of the run, an empty list when all is well."""
        found: list[DamagedFile] = []
        try:
            self.manifest()
        except StoreError as error:
            found.append(DamagedFile(self.path / MANIFEST, str(error)))
        for key in self.keys():
            found += self.damage_of(key)
        return found

    def clean(self) -> None:
        """Remove what dead processes left unfinished. Only call while no other process writes to this run."""
        for folder in (self.path, self.episodes_path):
            for entry in list(os.scandir(folder)):
                if entry.name.startswith(TEMPORARY_PREFIX):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        with contextlib.suppress(OSError):
                            os.unlink(entry.path)


def writable(path: Path) -> None:
    """Check that a run folder could be written at ``path`` before hours are spent on its episodes.

    Raises:
        StoreError: It could not.
    """
    with store_errors(path, "create"):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as stream:
            stream.write(b"\0" * 4096)
            stream.flush()
            os.fsync(stream.fileno())

"""Writing files so that a reader never sees half of one, whatever dies when.

Pattern: write a temporary file beside the target, ``fsync`` it, ``rename`` it over the target, ``fsync`` the folder.
Trade-off: two disk barriers per file (a quarter of a millisecond on a local disk). Scope: POSIX file systems; on
network file systems the rename stays atomic, durability is the server's business.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from testbed.core import hashing
from testbed.core.errors import StoreError

TEMPORARY_PREFIX = ".tmp-"
"""Names of unfinished files and folders begin with this."""

_ADVICE = {
    errno.ENOSPC: "the disk is full; what is stored already is intact, free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; what is stored already is intact",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied; choose another folder with --out",
    errno.EPERM: "operation not permitted; choose another folder with --out",
    errno.EMFILE: "too many open files; raise the limit with ulimit -n",
    errno.ENFILE: "too many open files on this machine",
}


@contextlib.contextmanager
def store_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an operating system error inside the block into one sentence.

    Args:
        path: What is being worked on.
        doing: Verb of the sentence.

    Raises:
        StoreError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        hint = _ADVICE.get(error.errno or 0, "")
        raise StoreError(f"cannot {doing} {path}: {error.strerror or error}", hint=hint) from error


def temporary_name(name: str) -> str:
    """Return a name beside ``name`` that no one else uses."""
    return f"{TEMPORARY_PREFIX}{name[:80]}-{os.getpid()}-{secrets.token_hex(4)}"


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> str:
    """Replace a file atomically and return the sha256 of its content.

    Args:
        path: Which.
        content: What it holds then.
        durable: Whether it survives a power cut; what can be made again need not.

    Raises:
        StoreError: The disk is full, read-only or not writable; the old file, if any, is untouched.
    """
    temporary = path.with_name(temporary_name(path.name))
    with store_errors(path):
        try:
            with open(temporary, "xb") as stream:
                stream.write(content)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            os.replace(temporary, path)
            if durable:
                sync_folder(path.parent)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    return hashlib.sha256(content).hexdigest()


def write_text(path: Path, text: str, *, durable: bool = True) -> str:
    """Replace a UTF-8 text file atomically and return the sha256 of its content; see `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"), durable=durable)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file.

    Raises:
        StoreError: It cannot be read.
    """
    with store_errors(path, "read"):
        return hashing.sha256_of(path)

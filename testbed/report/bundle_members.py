"""What the zip of a bundle may look like: plain names, sane sizes, members side by side and nothing around them."""

from __future__ import annotations

import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from testbed.store.run_folder import SUMS

SIGNATURE = f"{SUMS}.sig"

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,198}[A-Za-z0-9_-])?"
_NAME = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}")
_MOST_TO_ONE = 200
"""Bytes that one packed byte may become; records, tables and pages stay well under it."""
_SMALL = 64 << 20
"""Bytes up to which nobody asks how well they were packed."""
_LOCAL_HEADER, _END = 30, 22
"""Fixed bytes of the header before a member, and of the end of an archive (APPNOTE 4.3.7, 4.3.16)."""


def strange_names(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the names of files, a sentence each."""
    names = list(names)
    found = [f"{name[:120]!r} is no name of a file in a bundle" for name in names if _NAME.fullmatch(name) is None]
    folded: dict[str, set[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), set()).add(name)
    alike = (sorted(same) for same in folded.values() if len(same) > 1)
    found += [f"{' and '.join(map(repr, same))} are one name where case does not count" for same in alike]
    return found


def strange_members(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """Return what is wrong with an archive before anything in it is read, a sentence each.

    Args:
        archive: Open archive.
        path: Where it lies.
    """
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    found = strange_names(dict.fromkeys(names))
    found += [f"{name[:120]} is in it {n} times" for name, n in Counter(names).items() if n > 1]
    found += [f"{one.filename[:120]} is no plain file" for one in entries if not _is_plain(one)]
    found += [
        f"{one.filename[:120]} would unpack to {one.file_size:,} bytes, more than {_MOST_TO_ONE} times what is packed"
        for one in entries
        if one.file_size > max(_SMALL, _MOST_TO_ONE * one.compress_size)
    ]
    total = sum(one.file_size for one in entries)
    if not found and total > max(_SMALL, _MOST_TO_ONE * path.stat().st_size):
        found.append(f"{path} would unpack to {total:,} bytes, more than {_MOST_TO_ONE} times its size")
    return found + _around(archive, path)


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG) and not entry.is_dir()


def _around(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """Return where bytes lie that belong to no member: before, between or after them."""
    at = 0
    with path.open("rb") as file:
        for entry in sorted(archive.infolist(), key=lambda one: one.header_offset):
            if entry.header_offset != at:
                return [f"{path} holds data {'before' if at == 0 else 'between'} its files"]
            file.seek(at)
            header = file.read(_LOCAL_HEADER)
            lengths = (int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little"))
            at += _LOCAL_HEADER + sum(lengths) + entry.compress_size
        if at != archive.start_dir:
            return [f"{path} holds data between its files"]
        file.seek(-_END, 2)
        end = file.read()
    if end[:4] != b"PK\5\6" or archive.comment:
        return [f"{path} holds data after its files"]
    return []

"""Names inside a run folder: nothing a record, manifest or file name says may lead out of it.

Run folders are copied, unpacked and sent around, so their content is not trusted: keys and file names are checked
before they become paths, and symbolic links are refused.
"""

from __future__ import annotations

import re
from pathlib import Path

from testbed.core.errors import StoreError

_KEY = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def is_key(name: str) -> bool:
    """Tell whether a name is an episode key (64 hex digits)."""
    return _KEY.fullmatch(name) is not None


def checked_key(key: str) -> str:
    """Return ``key`` if it is an episode key.

    Raises:
        StoreError: It is anything else, for instance a path.
    """
    if not is_key(key):
        raise StoreError(f"{key[:80]!r} is no episode key", hint="a key is the sha256 of a plan, 64 hex digits")
    return key


def checked_file_name(name: str) -> str:
    """Return ``name`` if it is a plain file name without a folder part.

    Raises:
        StoreError: It holds a separator, begins with a dot, or is too long.
    """
    if _FILE.fullmatch(name) is None:
        raise StoreError(f"{name[:80]!r} is no plain file name")
    return name


def inside(root: Path, *parts: str) -> Path:
    """Return ``root`` joined with ``parts``, refusing symbolic links and ways out.

    Args:
        root: Folder that must contain the result.
        parts: File or folder names, each without separators.

    Raises:
        StoreError: A part is no plain name, or something on the way is a symbolic link.
    """
    path = root
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part or "\0" in part:
            raise StoreError(f"{part[:80]!r} is no plain file name")
        path = path / part
        if path.is_symlink():
            raise StoreError(f"{path} is a symbolic link, which a run folder must not hold", hint="remove it")
    return path

"""Where the pages of a run lie, relative to its report."""

from __future__ import annotations

from urllib.parse import urlencode

DRIVES = "drives.html"
"""The list of all drives."""
DRIVE_PAGES = "drives"
"""Folder of a page per drive."""


def drive_address(key: str, t_s: float | None = None) -> str:
    """Return the address of the page of the episode `key`, at a time of the drive."""
    return f"{DRIVE_PAGES}/{key}.html" + ("" if t_s is None else f"#t={t_s:.3f}")


def drives_where(**wanted: str) -> str:
    """Return the address of the list of drives with only the drives wanted.

    Args:
        wanted: ``scenario``, ``agent``, ``condition``, ``seed``, ``event``, ``world`` or ``state``; several values
            separated by commas, empty ones are left out.
    """
    return f"{DRIVES}#{urlencode({name: value for name, value in wanted.items() if value})}"

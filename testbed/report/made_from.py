"""What a report was made from: whether the page that stands in a run folder still says what is stored there."""

from __future__ import annotations

import hashlib
from pathlib import Path

from testbed import __version__
from testbed.core.errors import StoreError
from testbed.judge import registry
from testbed.report.safety_case.case_file import CASE_FILE
from testbed.store import RunFolder
from testbed.store.run_folder import MANIFEST, SUMS

PAGE = "index.html"
MARK = "testbed-made-from"
"""Name of the page's meta element that holds the digest."""
_HEAD_BYTES = 2048


def made_from(run: RunFolder) -> str:
    """Return a digest of what a report depends on: manifest, safety case, episodes, this version, the judges.

    Of an episode its checksums are read, not its files.
    """
    digest = hashlib.sha256(f"{__version__} {registry.names()}\n".encode())
    digest.update((run.path / MANIFEST).read_bytes())
    if (run.path / CASE_FILE).is_file():
        digest.update(b"\0" + (run.path / CASE_FILE).read_bytes() + b"\0")
    for key in run.keys():
        try:
            sums = (run.episodes_path / key / SUMS).read_bytes()
        except OSError:
            sums = b"damaged"
        digest.update(key.encode() + sums)
    return digest.hexdigest()


def current_page(run_dir: Path) -> Path | None:
    """Return the page of a run whose report is current, None where it has to be built."""
    page = run_dir / PAGE
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", errors="replace")
        return page if f'name="{MARK}" content="{made_from(RunFolder.open(run_dir))}"' in head else None
    except (OSError, StoreError):
        return None

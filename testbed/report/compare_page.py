"""The page of a comparison, in the look of a report, and the same as JSON beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from testbed.core.errors import UsageError
from testbed.report.addresses import drive_address
from testbed.report.compare import Comparison
from testbed.report.page import asset, environment, style_and_script
from testbed.store.atomic import write_text

MARK = "testbed-comparison"
"""Name of the page's meta element: only a page with it is written over."""
MOST_ROWS = 500
"""Of drives; all of them stand in the JSON file."""


def headline(found: Comparison) -> str:
    """Return what a comparison comes to in a sentence."""
    worse = [rate for rate in found.rates if rate.verdict == "worse"]
    better = [rate for rate in found.rates if rate.verdict == "better"]
    if worse:
        told = ", ".join(f"{rate.agent} under {rate.condition} ({rate.what})" for rate in worse[:3])
        return f"Worse than chance explains: {told}{' and more' if len(worse) > 3 else ''}"
    changed = len(found.drives)
    if better:
        return f"Better in {len(better)} of {len(found.rates)} rates, worse in none with evidence"
    if not changed and not found.missing and not found.new:
        return f"{'The only drive' if found.paired == 1 else f'All {found.paired} drives'} went the same"
    if not changed:
        return f"All {found.paired} drives that are in both runs went the same"
    return f"{changed} of {found.paired} drives went otherwise, too few to tell a trend"


def check_target(page: Path) -> None:
    """Refuse, by `UsageError`, to write over what is no comparison; its JSON stands beside it under the same name."""
    if page.suffix != ".html":
        raise UsageError(f"{str(page)!r} is no name of a page", hint="it must end with .html")
    if page.is_file() and f'name="{MARK}"' not in page.read_text("utf-8", errors="replace")[:2048]:
        raise UsageError(f"{page} exists and is no comparison", hint="choose another file with --out")


def write(found: Comparison, page: Path, runs: tuple[Path, Path]) -> Path:
    """Write the page and, beside it, everything as JSON; return the page's path.

    Args:
        found: The comparison.
        page: Where to.
        runs: Folders of the two runs.

    Raises:
        UsageError: The path is no page's, or something else stands there.
        StoreError: It cannot be written.
    """
    check_target(page)
    roots = [os.path.relpath(run, page.parent) for run in runs]
    context = {
        "found": found,
        "mark": MARK,
        "headline": headline(found),
        "roots": [Path(root).as_posix() for root in roots],
        "drive_address": drive_address,
        "several": len({rate.scenario for rate in found.rates}) > 1,
        "most": MOST_ROWS,
        **style_and_script(asset("page.css")),
    }
    write_text(page, environment().from_string(asset("compare.html")).render(context))
    text = json.dumps(found.document(), indent=1, sort_keys=True, allow_nan=False)
    write_text(page.with_suffix(".json"), text + "\n")
    return page

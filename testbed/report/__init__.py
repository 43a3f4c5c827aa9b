"""Reports from stored episodes: the page, the claims and their picture, tables and files for other tools."""

from __future__ import annotations

from testbed.report.build import build
from testbed.report.claims import ClaimResult, judge_claims
from testbed.report.run_view import RunView, read_run

__all__ = ["ClaimResult", "RunView", "build", "judge_claims", "read_run"]

"""Reports from stored episodes: the page, the claims and their picture, tables and files for other tools."""

from __future__ import annotations

from testbed.report.build import build
from testbed.report.claims import ClaimResult, judge_claims
from testbed.report.run_view import RunView, gather

__all__ = ["ClaimResult", "RunView", "build", "gather", "judge_claims"]

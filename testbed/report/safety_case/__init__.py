"""Safety cases that assessors know, one per agent: from a versioned pattern, a run's records and the user's file."""

from __future__ import annotations

from testbed.report.safety_case.case_file import (
    CASE_FILE,
    CaseFile,
    check_case,
    keep_case,
    kept_case,
    read_case,
    take_case,
)
from testbed.report.safety_case.picture import STYLE
from testbed.report.safety_case.structure import AgentCase, cases
from testbed.report.safety_case.written import SafetyCases, safety_cases, write_safety_cases

__all__ = [
    "AgentCase",
    "CASE_FILE",
    "CaseFile",
    "STYLE",
    "SafetyCases",
    "cases",
    "check_case",
    "keep_case",
    "kept_case",
    "read_case",
    "safety_cases",
    "take_case",
    "write_safety_cases",
]

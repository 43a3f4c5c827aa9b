"""Judges: from ground truth and answers to events, scores and per-step series, each with its formula and source."""

from __future__ import annotations

from testbed.core.geometry import box_iou
from testbed.judge.base import Findings, Judge, Score, Series
from testbed.judge.composite import (
    Infractions,
    driving_score_20,
    driving_score_21,
    penalty_20,
    penalty_21,
    route_percent,
    status_word,
)
from testbed.judge.history import Answer, History, expert_steering
from testbed.judge.limits import JudgeLimits
from testbed.judge.panel import JudgePanel, Verdict, default_judges
from testbed.judge.perception import average_precision, macro_f1, merged
from testbed.judge.validity import Validity, gate, why_not_delivered, why_over_budget, why_unclean

__all__ = [
    "Answer",
    "Findings",
    "History",
    "Infractions",
    "Judge",
    "JudgeLimits",
    "JudgePanel",
    "Score",
    "Series",
    "Validity",
    "Verdict",
    "average_precision",
    "box_iou",
    "default_judges",
    "driving_score_20",
    "driving_score_21",
    "expert_steering",
    "gate",
    "macro_f1",
    "merged",
    "penalty_20",
    "penalty_21",
    "route_percent",
    "status_word",
    "why_not_delivered",
    "why_over_budget",
    "why_unclean",
]

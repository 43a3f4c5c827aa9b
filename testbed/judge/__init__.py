"""Judges: from ground truth and answers to events, scores and per-step series, each with its formula and source."""

from __future__ import annotations

from testbed.core.geometry import box_iou
from testbed.judge.base import Findings, Judge, Score, Series, make_event, series
from testbed.judge.history import History, JudgedAnswer, expert_steering
from testbed.judge.leaderboard import (
    Infractions,
    driving_score_20,
    driving_score_21,
    penalty_20,
    penalty_21,
    route_percent,
    status_word,
)
from testbed.judge.limits import JudgeLimits
from testbed.judge.panel import JudgePanel, Verdict
from testbed.judge.perception import average_precision, macro_f1, merged
from testbed.judge.registry import default_judges, event_catalogue, judges_for
from testbed.judge.validity import (
    Validity,
    attack_gate,
    delivery_gate,
    twin_gate,
    why_not_delivered,
    why_over_budget,
    why_unclean,
)

__all__ = [
    "Answer",
    "Findings",
    "History",
    "JudgedAnswer",
    "Infractions",
    "Judge",
    "JudgeLimits",
    "JudgePanel",
    "Score",
    "Series",
    "Validity",
    "Verdict",
    "attack_gate",
    "average_precision",
    "box_iou",
    "default_judges",
    "delivery_gate",
    "driving_score_20",
    "driving_score_21",
    "event_catalogue",
    "expert_steering",
    "judges_for",
    "macro_f1",
    "make_event",
    "merged",
    "penalty_20",
    "penalty_21",
    "route_percent",
    "series",
    "status_word",
    "twin_gate",
    "why_not_delivered",
    "why_over_budget",
    "why_unclean",
]

"""Agents without a model: the oracle (upper bound of perception) and the constant answer (lower bound)."""

from __future__ import annotations

from testbed.agents.scripted.constant import ConstantAgent
from testbed.agents.scripted.oracle import OracleAgent

__all__ = ["ConstantAgent", "OracleAgent"]

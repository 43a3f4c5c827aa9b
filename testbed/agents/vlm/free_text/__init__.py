"""Strict reading of what a model said in words: a class, a direction, a car and its box, and never a guess.

Three outcomes are told apart: the text answers the question, it says that it cannot tell, or it is neither. Text that
names two answers, denies one, asks back, or gives numbers whose scale it does not say is neither: ``unparsable``.
"""

from __future__ import annotations

from testbed.agents.vlm.free_text.answer import ParsedAnswer, Status
from testbed.agents.vlm.free_text.boxes import NOTATIONS, Notation
from testbed.agents.vlm.free_text.lines import numbered_lines
from testbed.agents.vlm.free_text.parser import parse

__all__ = ["NOTATIONS", "Notation", "ParsedAnswer", "Status", "numbered_lines", "parse"]

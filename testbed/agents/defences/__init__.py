"""Defences: plug-ins named in an agent's file that alter what it is shown, or withhold what it is not sure of.

An agent file lists them in the order in which they act::

    agent: dnn
    defences:
      - {kind: jpeg, quality: 50}
      - {kind: median, size_px: 3, questions: [tsr]}

Training as a defence (label smoothing, dropout, adversarial training, distillation) is another set of weights, which
the same file names: ``options: {tsr: yolov5_cls_adversarial}``.
"""

from __future__ import annotations

from testbed.agents.defences.agent import DefendedAgent, defended_card, describe
from testbed.agents.defences.base import QUESTIONS, Cropping, Defence
from testbed.agents.defences.registry import alter, build, build_all, check_effect, kinds

__all__ = [
    "QUESTIONS",
    "Cropping",
    "Defence",
    "DefendedAgent",
    "alter",
    "build",
    "build_all",
    "check_effect",
    "defended_card",
    "describe",
    "kinds",
]

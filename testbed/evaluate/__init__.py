"""Evaluation on images: the published tables with our models and attacks, and the way from images to the road.

``pictures`` says what is shown; ``road``, ``vehicles`` and ``signs`` show it with and without an attack; ``victims``
says who is asked, ``score`` how answers are counted, ``cells`` where they are kept, ``tables`` which rows there are,
``paper`` what publications state; ``run`` asks, ``assemble`` turns answers into figures, ``grid``, ``summary`` and
``page`` show them.
"""

from __future__ import annotations

from testbed.evaluate.request import Request, Sizes
from testbed.evaluate.run import evaluate

__all__ = ["Request", "Sizes", "evaluate"]

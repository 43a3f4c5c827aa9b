"""Evaluation on images: the published tables with our models and attacks, and the way from images to the road.

``request`` says what is asked for, ``tables`` which rows there are and ``published`` what publications state.
``albums`` says what is shown; ``patch_album``, ``vehicle_album`` and ``shadow_album`` show it with and without an
attack. ``victims`` says who is asked, ``score`` how answers are counted and ``cells`` where they are kept. ``run``
carries a request out: ``evaluation`` plans and asks, in several processes with ``parallel``; ``figures`` turns answers
into figures; ``documents`` writes them, with ``layout`` and ``notes`` for what a table looks like and says, ``summary``
and ``page`` for where it stands.
"""

from __future__ import annotations

from testbed.evaluate.request import Request, Sizes
from testbed.evaluate.run import evaluate

__all__ = ["Request", "Sizes", "evaluate"]

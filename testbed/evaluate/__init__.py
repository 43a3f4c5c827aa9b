"""Evaluation on images: the published tables with our models and attacks, and the way from images to the road.

``request`` says what is asked for, ``tables`` which rows there are, ``v2lms`` which V²LMs, ``published`` what is
printed. ``albums`` says what is shown; ``patch_album``, ``vehicle_album`` and ``shadow_album`` show it with and
without an attack. ``victims`` says who is asked, ``answers`` what an answer is, ``score`` and ``macro`` how answers
are counted, ``cells`` where they are kept. ``run`` carries a request out: ``evaluation`` plans and asks, in several
processes with ``parallel``; ``figures``, with ``families`` for Table IV and ``boxes`` for Figure 5, turns answers
into figures. ``documents`` writes them: ``layout`` and the layouts below it make grids of ``columns`` and
``cell_text``, which ``summary``, ``page`` and CSV show alike; ``tables_json`` holds the numbers, ``notes`` what a
reader must know.
"""

from __future__ import annotations

from testbed.evaluate.request import Request, Sizes
from testbed.evaluate.run import evaluate

__all__ = ["Request", "Sizes", "evaluate"]

"""How well each V²LM family's tiny size learns: ``python -m benchmarks.families [--families llava,nvila]``.

Every family is trained by the command of the repository (`train vlm --model FAMILY-tiny --task all`) with the same
pictures, questions and steps, and asked about held-out pictures, one question at a time and three in tandem. A training
that was stopped goes on; one that has come to its end is only asked. Each takes an hour of one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DISTIL, STEPS = 4000, 6000
FIGURES = ("tsr_accuracy", "alc_accuracy", "vd_presence", "vd_mean_iou")


def trained(family: str, options: argparse.Namespace) -> tuple[Path, Mapping[str, Any]]:
    """Train a family's tiny size; return the folder of its weights and its card."""
    from testbed.agents.vlm import how_asked
    from testbed.training.vlm import Plan, tune

    plan = Plan(f"{family}-tiny", distil=options.distil, steps=options.steps, device=options.device)
    folder = tune(plan, options.data, options.out / f"{family}-tiny")
    return folder, how_asked.read(folder).card


def held_out(folder: Path, options: argparse.Namespace) -> list[Mapping[str, Any]]:
    """Return the figures of a trained model, solo and in tandem."""
    from testbed.agents.vlm import checkpoint
    from testbed.agents.vlm.form import FormReader
    from testbed.training.data.format import TASKS
    from testbed.training.vlm.task_figures import task_figures

    reader = FormReader(checkpoint.load(str(folder), dtype="fp32", device=options.device))
    return [
        task_figures(reader, options.data, TASKS, together=together, limit=options.count)["figures"]
        for together in (False, True)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, ask, and print a row per family and deployment."""
    from testbed.agents.vlm import families

    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__)
    parser.add_argument("--families", default=",".join(sorted(families.names())), metavar="a,b")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with tsr, alc and vd (default data)")
    parser.add_argument("--out", type=Path, default=Path("work/families"), help="folder (default work/families)")
    parser.add_argument("--distil", type=int, default=DISTIL, help=f"steps of the tower (default {DISTIL})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of all of it (default {STEPS})")
    parser.add_argument("--count", type=int, default=1000, help="held-out pictures per task (default 1000)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    for family in options.families.split(","):
        folder, card = trained(family, options)
        for deployment, figures in zip(("solo", "tandem"), held_out(folder, options), strict=True):
            cells = " ".join(f"{name} {json.dumps(figures[name])}" for name in FIGURES)
            tower = card.get("distilled")
            spent = f"words {card['seconds'] / 60:.0f} min"
            if tower:
                spent = f"tower {tower['seconds'] / 60:.0f} min, {tower['unexplained']:.2f} unexplained, {spent}"
            print(f"{family:12} {deployment:7} {cells}; {spent}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

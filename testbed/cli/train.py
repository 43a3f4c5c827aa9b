"""``testbed train NAME --data DATA``: train weights; ``testbed train vlm --model M`` fine-tunes any V²LM."""

from __future__ import annotations

import argparse
from pathlib import Path

SMALL_DATA = 300
"""Pictures per task that fine-tuning makes for itself where there is no data, a minute's work."""
PLAN_OPTIONS = ("task", "method", "teaches", "steps", "minutes", "batch", "rank", "alpha", "device", "distil")
TRAINER_OPTIONS = ("seed", "epochs", "rate", "start_from")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("name", metavar="NAME", help="weights to train, for instance dnn-lane or vlm-tandem; vlm")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="folder with tsr, alc and vd, or one data set where one is enough (default data); for vlm --model also a "
        "JSON file of conversations",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder (default work/NAME; for vlm --model work/vlm-…); never that of the shipped weights",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all chance (default: the trainer's own)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the data (default: the trainer's own)")
    parser.add_argument("--rate", type=float, metavar="R", help="peak learning rate (default: the trainer's own)")
    parser.add_argument(
        "--from",
        dest="start_from",
        type=Path,
        metavar="DIR",
        help="folder with weights to start from instead of random ones, where the trainer can; vlm --model: an adapter",
    )
    tuning = parser.add_argument_group("fine-tuning (train vlm --model)")
    tuning.add_argument("--model", metavar="M", help="checkpoint, name on the Hub, or family and size: llava-tiny")
    tuning.add_argument("--preset", metavar="P", help="a published recipe: llava_7b, llava_13b_lora, qwen_vl, nvila_8b")
    tuning.add_argument("--task", metavar="T", help="tsr, alc, vd, or all for one model of all (default all)")
    tuning.add_argument("--method", metavar="M", help="lora (default), prompt, prefix, adapter or full")
    tuning.add_argument("--teaches", metavar="W", help="form or text (default: a form where the method can learn one)")
    tuning.add_argument("--steps", type=int, metavar="N", help="optimiser steps")
    tuning.add_argument("--minutes", type=float, metavar="M", help="at most so long; the same command goes on")
    tuning.add_argument("--batch", type=int, metavar="N", help="conversations per step (default 16)")
    tuning.add_argument("--rank", type=int, metavar="N", help="of lora; tokens of prompt, prefix (default 16)")
    tuning.add_argument("--alpha", type=int, metavar="N", help="scale of lora (default 32)")
    tuning.add_argument(
        "--distil",
        type=int,
        metavar="N",
        help="steps in which a family's fresh tower first learns from the testbed's own",
    )
    tuning.add_argument("--device", metavar="D", help="auto (default), cpu, cuda or cuda:N")
    tuning.add_argument(
        "--unattacked", action="store_true", help="state that no picture of conversations of one's own shows an attack"
    )


def execute(options: argparse.Namespace) -> int:
    """Train."""
    import logging

    from testbed.core.errors import UsageError

    # An hour of silence would look like a hang.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("testbed.training").setLevel(logging.INFO)
    if options.name == "vlm" and options.model is not None:
        return _tune(options)
    for name in ("model", "preset", *PLAN_OPTIONS):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is for fine-tuning", hint="train vlm --model M")
    from testbed.training.nets import train

    given = {key: getattr(options, key) for key in TRAINER_OPTIONS}
    chosen = {key: value for key, value in given.items() if value is not None}
    print(f"weights: {train(options.name, options.data or Path('data'), out=options.out, **chosen)}")
    return 0


def _tune(options: argparse.Namespace) -> int:
    from testbed.agents import weights
    from testbed.core.errors import UsageError, suggest
    from testbed.training.data.generate import generate_missing
    from testbed.training.vlm import Plan, tune
    from testbed.training.vlm.held_out import report
    from testbed.training.vlm.presets import PRESETS

    if options.preset is not None and options.preset not in PRESETS:
        raise UsageError(
            f"no preset {options.preset!r}", hint=f"{suggest(options.preset, PRESETS)}known: {', '.join(PRESETS)}"
        )
    given = {name: getattr(options, name) for name in (*PLAN_OPTIONS, "seed", "epochs", "rate")}
    chosen = dict(PRESETS.get(options.preset or "", {}))
    chosen |= {name: value for name, value in given.items() if value is not None}
    plan = Plan(options.model, start_from=options.start_from, **chosen)
    plan.check_model()
    out = weights.writable(options.out or Path("work") / f"vlm-{Path(options.model).name}-{plan.task}")
    data = options.data or Path("data")
    if options.data is None and not data.exists():
        data = generate_missing(plan.tasks, out / "data", count=SMALL_DATA)
    folder = tune(plan, data, out, stated=options.unattacked)
    print(report(folder, plan, data))
    print(f"model: {folder}")
    return 0

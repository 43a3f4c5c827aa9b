"""``testbed train NAME --data DATA``: train weights on generated data."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("name", metavar="NAME", help="weights to train, for instance dnn-lane or vlm-tandem")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DATA",
        help="folder with tsr, alc and vd, or one data set where one is enough (default data)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the weights (default: the shipped ones)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all chance (default: the trainer's own)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the data (default: the trainer's own)")
    parser.add_argument("--rate", type=float, metavar="R", help="peak learning rate (default: the trainer's own)")
    parser.add_argument(
        "--from",
        dest="start_from",
        type=Path,
        metavar="DIR",
        help="folder with weights to start from instead of random ones, where the trainer can",
    )


def execute(options: argparse.Namespace) -> int:
    """Train."""
    import logging

    from testbed.training.nets import train

    # An hour of silence would look like a hang.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("testbed.training.nets").setLevel(logging.INFO)
    given = {key: getattr(options, key) for key in ("seed", "epochs", "rate", "start_from")}
    chosen = {key: value for key, value in given.items() if value is not None}
    print(f"weights: {train(options.name, options.data, out=options.out, **chosen)}")
    return 0

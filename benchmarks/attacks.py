"""How often attacks succeed, and at what cost: ``python -m benchmarks.attacks [ATTACK ...]``, all of them by default.

``road_patch`` drives: two roads, both sides, ten seeds, with and without the patch, its dirt and its weaker relatives;
a line says in how many episodes the ego left its lane in time, see ``benchmarks.road_patches``. The published attack
(Sato et al., USENIX Security 2021) succeeds in more than 97.5 % of 80 cases, after 0.903 s on average.

``shadow`` attacks fresh crops from held-out blocks of road; a line says how many of the bright, rightly read ones it
makes a victim misread within its budget (k = 0.43, a triangle, at most 5 x 10 x 101 queries), with a 95 % interval, the
processor time per attacked sign, and the queries. The published attack (Zhong et al., CVPR 2022) succeeds on 90.47 % of
GTSRB. Then it looks at the shipped shadows on the way to their signs, see ``benchmarks.sign_approach``.

``camouflage`` shows the painted car to the attacked detector from all sides in every light (AP50 beside original,
plain and random paint), then drives towards it: a line says in how many episodes the ego hit it. The published attack
(Zhou et al., ICML 2024) succeeds in 97.48 % of views of YOLOv3.

``digital`` perturbs crops at the input of every sign classifier, robustly trained ones too, see ``benchmarks.digital``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from testbed.stats import wilson


def road_patch(options: argparse.Namespace) -> None:
    """Drive with patches, their weaker relatives, random dirt and nothing on the road."""
    from benchmarks.road_patches import drive_all

    drive_all(
        options.agents.split(","),
        options.seeds,
        roads=options.roads.split(","),
        baselines=options.baselines,
        paces=[float(pace) for pace in options.paces.split(",")],
        patches=[name for name in options.patches.split(",") if name],
    )


def shadow(options: argparse.Namespace) -> None:
    """Attack sign crops with shadows."""
    import torch

    from benchmarks.sign_approach import look
    from testbed.adversaries.shadow import SwarmSettings, attack_crops, load_victim
    from testbed.training.data.map_camera import MapCamera
    from testbed.training.data.tsr import crops

    torch.set_num_threads(1)
    made = list(crops(MapCamera("highway"), "test", options.crops, (2022,)))
    pictures, classes = [crop for crop, _ in made], [int(row["class_id"]) for _, row in made]
    print("victim        rng         misread under a shadow      s per sign   median queries   dark  misread before")
    for name in options.victims.split(","):
        victim = load_victim(name)
        victim.probabilities(pictures[:2])
        for rng in options.rng.split(","):
            started = time.process_time()
            outcomes = attack_crops(pictures, classes, victim, settings=SwarmSettings(rng=rng))
            seconds = time.process_time() - started
            attacked = [outcome for outcome in outcomes if outcome.attacked]
            hits = sum(outcome.verdict == "success" for outcome in attacked)
            interval = wilson(hits, len(attacked))
            verdicts = [outcome.verdict for outcome in outcomes]
            print(
                f"{name:13} {rng:10} {hits:4}/{len(attacked):4}  [{interval.low:.2f}, {interval.high:.2f}]"
                f"   {seconds / max(1, len(attacked)):10.2f}"
                f"   {np.median([outcome.queries for outcome in attacked]):14.0f}"
                f"   {verdicts.count('dark'):4}  {verdicts.count('misread'):14}",
                flush=True,
            )
    look(options.victims.split(","))


def camouflage(options: argparse.Namespace) -> None:
    """Look at painted cars, then drive towards them."""
    from benchmarks.camouflage import drive, look

    look()
    drive(options.agents.split(","), options.seeds)


def digital(options: argparse.Namespace) -> None:
    """Perturb the input of every sign classifier."""
    from benchmarks.digital import look

    look(options.crops)


ATTACKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "road_patch": road_patch,
    "shadow": shadow,
    "camouflage": camouflage,
    "digital": digital,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}; default all")
    parser.add_argument("--agents", default="dnn", help="who drives, separated by commas")
    parser.add_argument("--seeds", type=int, default=10, help="episodes per condition")
    parser.add_argument("--roads", default="drp_highway,drp_local_road", help="scenarios that road_patch drives")
    parser.add_argument(
        "--baselines",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether road_patch drives over single-frame patches and drawn lines too",
    )
    parser.add_argument("--paces", default="1", help="speeds that road_patch drives at, as multiples of the scenario's")
    parser.add_argument("--patches", default="", help="names or folders of patches that road_patch drives over instead")
    parser.add_argument("--crops", type=int, default=430, help="crops that shadow and digital attack")
    parser.add_argument("--victims", default="dnn", help="whose crops, separated by commas")
    parser.add_argument("--rng", default="textbook", help="textbook, reference or both, separated by a comma")
    options = parser.parse_args()
    unknown = sorted(set(options.attacks) - set(ATTACKS))
    if unknown:
        parser.error(f"no attack {', '.join(unknown)}; known: {', '.join(ATTACKS)}")
    if options.patches and "," in options.roads:
        parser.error("--patches lie on one road: name it with --roads")
    for name in options.attacks or ATTACKS:
        print(f"== {name}")
        ATTACKS[name](options)


if __name__ == "__main__":
    main()

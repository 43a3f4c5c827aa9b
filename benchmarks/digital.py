"""Sign classifiers under digital perturbation of their input: how many crops each still reads rightly.

Fresh crops from held-out blocks of road, projected gradient descent in three L∞ balls (ten steps from one start), and
uniform noise in the widest: robustness that no physical attack can undercut, and the control for it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from testbed.adversaries.digital import EPSILONS, pgd, uniform_noise
from testbed.agents.dnn.nets import SIGN_NETS
from testbed.agents.dnn.sign_classifiers import load_sign_victim
from testbed.training.data.map_camera import MapCamera
from testbed.training.data.tsr import crops

STEPS, CHUNK = 10, 40
SEED = 2022
"""Of the crops, and of the start of every search."""


def look(count: int) -> None:
    """Measure and print.

    Args:
        count: Crops.
    """
    torch.set_num_threads(1)
    made = list(crops(MapCamera("highway"), "test", count, (SEED,)))
    pictures = [crop for crop, _ in made]
    labels = torch.tensor([int(row["class_id"]) for _, row in made])
    columns = ["unaltered", "noise 8", *(f"PGD {round(255 * epsilon)}" for epsilon in EPSILONS)]
    print(f"{'network':28}" + "".join(f"  {name:>9}" for name in columns) + f"   of {count}; radius in levels of 255")
    for name in SIGN_NETS:
        victim = load_sign_victim(name)
        counts = survivors(victim.net, victim.batch(pictures), labels)
        print(f"{name:28}" + "".join(f"  {k:9}" for k in counts), flush=True)


def survivors(net: nn.Module, images: Tensor, labels: Tensor) -> list[int]:
    """Return how many images are read rightly: unaltered, under noise, and under each search."""
    net.requires_grad_(False)
    counts = [0] * (2 + len(EPSILONS))
    for start in range(0, len(images), CHUNK):
        part, truth = images[start : start + CHUNK], labels[start : start + CHUNK]
        for k, altered in enumerate(_altered(net, part, truth)):
            with torch.no_grad():
                counts[k] += int((net(altered).argmax(-1) == truth).sum())
    return counts


def _altered(net: nn.Module, images: Tensor, labels: Tensor) -> Iterator[Tensor]:
    yield images
    yield uniform_noise(images, epsilon=EPSILONS[-1], seed=SEED)
    for epsilon in EPSILONS:
        yield pgd(net, images, labels, epsilon=epsilon, steps=STEPS, seed=SEED)

"""Training of the sign classifiers beside YOLOv5-cls: other architectures, and training as a defence.

Architectures learn from random weights. Most defences start from the plain weights of their architecture and go on with
another batch_loss: softened labels, strong dropout, adversarial examples (Madry et al., ICLR 2018: projected gradient
descent inside the training loop). Defensive distillation (Papernot et al., S&P 2016) trains a student from random
weights, at temperature 20, on the answers of the plain network, and uses it at temperature 1. The published teacher is
trained at the same temperature; its answers there are those of a network trained and asked at temperature 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from testbed.agents import weights
from testbed.agents.dnn.gtsrb_cnn import GtsrbCnn
from testbed.agents.dnn.vit_small import VitSmall
from testbed.agents.dnn.yolov5_cls import SignNet
from testbed.agents.precision import mixed, name_of
from testbed.training.nets.commands import training_commands
from testbed.training.nets.crop_augmentation import augment, bank
from testbed.training.nets.loop import (
    AveragedModel,
    ProgressReport,
    batches,
    descend,
    folder_of,
    open_splits,
    schedule,
    seed_everything,
    training_card,
)
from testbed.training.nets.stored import keep
from testbed.training.nets.yolov5_cls import figures, predict

Lesson = Callable[[nn.Module, Tensor, Tensor, int], Tensor]
"""From network, images (N, 3, H, W) in 0…1, labels (N,) and step number to a scalar loss."""


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is trained.

    Attributes:
        build: Makes the network with random weights.
        epochs: Passes over the training split.
        rate: Peak learning rate of AdamW.
        decay: Weight decay.
        batch: Images per step.
        start: Weights to start from; None starts from random ones.
        smoothing: Label smoothing of the cross-entropy.
        epsilon: Radius of the L∞ ball of adversarial training, pixels in 0…1; 0 trains on clean images alone.
        attack_steps: Gradient steps of the attack inside the training loop.
        teacher: Weights of the network whose answers are the labels of defensive distillation; None takes true labels.
        temperature: By which logits are divided in training, and not in use.
        note: One sentence for the card.
    """

    build: Callable[[], nn.Module]
    epochs: int
    rate: float
    decay: float = 0.05
    batch: int = 64
    start: str | None = None
    smoothing: float = 0.05
    epsilon: float = 0.0
    attack_steps: int = 4
    teacher: str | None = None
    temperature: float = 1.0
    note: str = ""

    @property
    def parent(self) -> str | None:
        """Weights that must be trained first: those it starts from, or its teacher's."""
        return self.start or self.teacher

    def network(self, folder: Path | None = None) -> nn.Module:
        """Return the network with the weights it starts from."""
        network = self.build()
        if self.start is not None:
            tensors, _ = weights.load(self.start, folder)
            network.load_state_dict(tensors)
        return network


def hot(temperature: float) -> SignNet:
    """Return a sign net whose logits begin as large as a training at this temperature will make them."""
    network = SignNet()
    with torch.no_grad():
        network.head.weight *= temperature
    return network


RECIPES: dict[str, Recipe] = {
    "gtsrb-cnn": Recipe(GtsrbCnn, 9, 1e-3, decay=1e-3, note="Fully connected layers are 512 wide instead of 1024."),
    "vit-small": Recipe(VitSmall, 9, 7e-4, note="6 instead of 12 blocks; 64 px crops, so 16 patches of 16 px."),
    "dnn-tsr-label-smoothing": Recipe(SignNet, 3, 5e-4, start="dnn-tsr", smoothing=0.3),
    "dnn-tsr-dropout": Recipe(partial(SignNet, dropout=0.5), 3, 5e-4, start="dnn-tsr", note="Dropout 0.5, not 0.1."),
    "dnn-tsr-adversarial": Recipe(SignNet, 1, 1e-3, start="dnn-tsr", epsilon=8.0 / 255.0, attack_steps=2),
    "dnn-tsr-distilled": Recipe(partial(hot, 20.0), 6, 2e-3, teacher="dnn-tsr", temperature=20.0),
    "vit-small-adversarial": Recipe(VitSmall, 1, 2e-4, start="vit-small", epsilon=8.0 / 255.0, attack_steps=2),
}
"""Name of the weights to its recipe."""


def batch_loss(recipe: Recipe, folder: Path | None, seed: int) -> Lesson:
    """Return the loss that a recipe asks for."""

    def forward(network: nn.Module, images: Tensor) -> Tensor:
        with mixed():
            return network(images).float()  # type: ignore[no-any-return]

    def plain(network: nn.Module, images: Tensor, labels: Tensor, step: int) -> Tensor:
        return F.cross_entropy(forward(network, images), labels, label_smoothing=recipe.smoothing)

    def adversarial(network: nn.Module, images: Tensor, labels: Tensor, step: int) -> Tensor:
        # Attacked in evaluation mode, where dropout and batch statistics do not blur the gradient.
        network.eval()
        altered = pgd(
            lambda x: forward(network, x),
            images,
            labels,
            epsilon=recipe.epsilon,
            steps=recipe.attack_steps,
            seed=seed * 1_000_003 + step,
        )
        network.train()
        both = forward(network, torch.cat((images, altered)))
        return F.cross_entropy(both, torch.cat((labels, labels)), label_smoothing=recipe.smoothing)

    if recipe.epsilon:
        from testbed.adversaries.digital.pgd import pgd

        return adversarial
    if recipe.teacher is None:
        return plain
    teacher = replace(recipe, start=recipe.teacher).network(folder).eval().requires_grad_(False)

    def distilled(network: nn.Module, images: Tensor, labels: Tensor, step: int) -> Tensor:
        with torch.no_grad():
            soft = forward(teacher, images).softmax(-1)
        return F.cross_entropy(forward(network, images) / recipe.temperature, soft)

    return distilled


def train(
    name: str,
    data: Path,
    out: Path | None = None,
    *,
    seed: int = 0,
    epochs: int | None = None,
    start_from: Path | None = None,
) -> Path:
    """Train one set of weights and write it with its card.

    Args:
        name: Key of `RECIPES`.
        data: Folder of a ``tsr`` data set, or its parent.
        out: Folder of the weights; the shipped one when None.
        seed: Seed of initial weights, order, augmentation and attack.
        epochs: Instead of the recipe's.
        start_from: Folder of the weights that a defence starts from; the shipped one when None.

    Returns:
        Path of the weights.
    """
    recipe = RECIPES[name] if epochs is None else replace(RECIPES[name], epochs=epochs)
    torch.set_num_threads(1)
    rng = seed_everything(seed)
    split, held_out = open_splits(data, "tsr")
    label = torch.from_numpy(split.labels["class_id"].astype(np.int64))
    crops = bank(split)
    network = recipe.network(start_from).to(memory_format=torch.channels_last).train()
    teach = batch_loss(recipe, start_from, seed)
    averaged = AveragedModel(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    count = len(split) // recipe.batch
    report, step = ProgressReport(recipe.epochs), 0
    for epoch in range(recipe.epochs):
        total = 0.0
        for index in batches(len(split), recipe.batch, rng):
            rows = torch.from_numpy(index)
            images = augment(crops[rows], _input_px(network), rng)
            value = teach(network, images, label[rows], step)
            descend(network, optimiser, value, recipe.rate * schedule(step, recipe.epochs * count), max_norm=1.0)
            averaged.update(network)
            step += 1
            total += float(value.detach())
        seen = {}
        if epoch % 3 == 2 or epoch == recipe.epochs - 1:
            hits = predict(averaged.model, held_out).argmax(-1).numpy() == held_out.labels["class_id"]
            seen = {"accuracy": float(hits.mean())}
        report.epoch(epoch, count * recipe.batch, {"loss": total / count}, seen)
    before = None if recipe.parent is None else weights.card(recipe.parent, start_from)
    options = {"epochs": recipe.epochs, "seed": seed}
    commands = training_commands(name, options, [folder_of(data, "tsr")], start=before)
    card = training_card(commands, data, "tsr", report, settings(recipe, seed), network) | {"note": recipe.note}
    if before is not None:
        card["teacher" if recipe.start is None else "start"] = {before["name"]: before["sha256"]}
    return keep(name, averaged.model, card, out, lambda net: figures(net, held_out))


def _input_px(network: nn.Module) -> int:
    side = network.input_px
    assert isinstance(side, int)
    return side


def settings(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return a recipe as its card tells it."""
    told: dict[str, Any] = {
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "weight_decay": recipe.decay,
        "label_smoothing": recipe.smoothing,
        "seed": seed,
        "optimiser": f"AdamW, EMA 0.998, {name_of()}",
    }
    if recipe.start is not None:
        told["start"] = recipe.start
    if recipe.epsilon:
        told |= {"epsilon": round(recipe.epsilon, 5), "attack": f"PGD, {recipe.attack_steps} steps, L-infinity"}
    if recipe.teacher is not None:
        told |= {"teacher": recipe.teacher, "temperature": recipe.temperature}
    return told

"""Stores weights again in a smaller form and measures what that costs, on pictures that no training has seen.

::

    python -m testbed dataset tsr --count 9500 --seed 7711 --out held/tsr
    python -m testbed dataset alc --count 8000 --seed 7711 --out held/alc
    python -m testbed dataset vd --count 6667 --seed 7711 --out held/vd
    python -m testbed.training.nets.store_smaller --data held --from DIR --out agents/weights

DIR holds weights in float32 or half precision. Each is written in the form of `testbed.training.nets.stored.FORMS`;
its card keeps the figures of its training and gets, under ``stored``, those of both forms on the same test pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from testbed.agents import weight_forms, weights
from testbed.agents.dnn.card import WEIGHTS
from testbed.agents.dnn.nets import LANE_NETS, SIGN_NETS, LanePredictor
from testbed.agents.dnn.yolov5 import VehicleNet
from testbed.training.data.format import Split, load_split
from testbed.training.nets import clrernet, yolov5, yolov5_cls
from testbed.training.nets.commands import dataset_command
from testbed.training.nets.loop import folder_of, fraction
from testbed.training.nets.stored import FORMS


@dataclass(frozen=True)
class Answers:
    """What a network says of N pictures.

    Attributes:
        figures: Held-out figures as its card tells them.
        numbers: (N, K) what it computes.
        choices: (N,) what it decides.
    """

    figures: dict[str, Any]
    numbers: Tensor
    choices: Tensor


@dataclass(frozen=True)
class Exam:
    """How a kind of network is measured.

    Attributes:
        task: ``tsr``, ``alc`` or ``vd``.
        build: Makes the network with random weights.
        change: Name of the figure that tells how far its numbers moved, with their unit.
        ask: From network, pictures and card to answers.
    """

    task: str
    build: Callable[[], nn.Module]
    change: str
    ask: Callable[[Any, Split, Mapping[str, Any]], Answers]


def _signs(net: nn.Module, split: Split, card: Mapping[str, Any]) -> Answers:
    logits = yolov5_cls.predict(net, split)
    return Answers(yolov5_cls.figures_of(logits, split), logits, logits.argmax(-1))


def _lanes(net: LanePredictor, split: Split, card: Mapping[str, Any]) -> Answers:
    offset_m = clrernet.predict(net, split)
    return Answers(clrernet.figures_of(offset_m, split), offset_m[:, None], clrernet.steering_of(offset_m))


def _vehicles(net: VehicleNet, split: Split, card: Mapping[str, Any]) -> Answers:
    score, box = yolov5.predict(net, split)
    threshold = float(card["threshold"])
    return Answers(yolov5.figures_of(score, box, split, threshold), score[:, None], score > threshold)


def exam_of(name: str) -> Exam:
    """Return how weights are measured."""
    if name == WEIGHTS["vd"]:
        return Exam("vd", VehicleNet, "max_abs_score_change", _vehicles)
    for net in SIGN_NETS.values():
        if net.weights == name:
            return Exam("tsr", net.build, "max_abs_logit_change", _signs)
    net = next(net for net in LANE_NETS.values() if net.weights == name)
    return Exam("alc", net.build, "max_abs_offset_change_m", _lanes)


def store_smaller(name: str, data: Path, source: Path, out: Path) -> dict[str, Any]:
    """Store one set of weights in its smaller form and return what its card says of that.

    Args:
        name: Of the weights, a key of `FORMS`.
        data: Folder of data sets that no training has seen; their test splits are asked about.
        source: Folder of the weights.
        out: Folder to write to.
    """
    torch.set_num_threads(1)
    exam, form = exam_of(name), FORMS[name]
    folder = folder_of(data, exam.task)
    split = load_split(folder, "test", task=exam.task)
    tensors, card = weights.load(name, source)
    # In float32, whatever the file calls its form: what `before` measures are the numbers that were shipped.
    network = exam.build().eval().to(memory_format=torch.channels_last)
    network.load_state_dict(tensors)
    before = exam.ask(network, split, card)
    network.load_state_dict(weight_forms.rounded(tensors, form))
    after = exam.ask(network, split, card)
    stored = {
        "of_sha256": card["sha256"],
        "of_bytes": card["bytes"],
        "made_by": "python -m testbed.training.nets.store_smaller",
        "pictures": f"test split of `{dataset_command(split.card)}`",
        "pictures_sha256": split.card["sha256"]["test.images.npy"],
        "figures_before": before.figures,
        "figures_after": after.figures,
        "same_answers": fraction(int((before.choices == after.choices).sum()), len(split)),
        exam.change: round(float((before.numbers - after.numbers).abs().max()), 5),
    }
    weights.save(name, tensors, {**card, "stored": stored}, out, stored_as=form)
    return stored


def main(arguments: Sequence[str] | None = None) -> int:
    """Store the named weights, or all whose form is not that of `FORMS`."""
    parser = argparse.ArgumentParser(description="Store weights in a smaller form and measure what that costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights (default: all not yet in their form)")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="folder with tsr, alc and vd")
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="DIR", help="folder of the weights")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    options = parser.parse_args(arguments)
    for name in options.names or FORMS:
        if not options.names and weights.stored_form(name, options.source) == FORMS[name]:
            continue
        stored = store_smaller(name, options.data, options.source, options.out)
        size = weights.card(name, options.out)["bytes"]
        same = stored["same_answers"]
        print(f"{name}: {stored['of_bytes']:,} -> {size:,} bytes, {same['k']}/{same['n']} answers the same", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

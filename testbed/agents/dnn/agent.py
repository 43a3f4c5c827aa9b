"""The agent `dnn`: three networks, asked one after the other, and what their numbers mean as answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import nn

from testbed.agents import weights
from testbed.agents.dnn.card import WEIGHTS, card
from testbed.agents.dnn.clrernet import LaneNet
from testbed.agents.dnn.nets import LANE_NETS, SIGN_NETS, LanePredictor, choose
from testbed.agents.dnn.yolov5 import VehicleNet, pick_lead, suppress
from testbed.agents.dnn.yolov5_blocks import fuse
from testbed.agents.dnn.yolov5_cls import sign_batch
from testbed.agents.imaging import to_batch
from testbed.agents.placement import placed
from testbed.core.errors import AgentError, WeightsError
from testbed.core.geometry import Box
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, STRAIGHT_BELOW_M
from testbed.core.types import (
    AgentCard,
    Image,
    Observation,
    Perception,
    SignAnswer,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)

NetT = TypeVar("NetT", bound=nn.Module)
OFFSET_SPREAD_M = 0.03
"""Scale of the logistic that turns a preview offset into class probabilities, where the card states no error."""


def load_net(net: NetT, name: str, folder: Path | None = None) -> NetT:
    """Fill a network with verified weights, frozen and in evaluation mode.

    Raises:
        WeightsError: When the weights are missing, altered, or those of another network.
    """
    tensors, _ = weights.load(name, folder)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"weights {name!r} do not fit {type(net).__name__}: {str(error).splitlines()[0]}") from error
    return net.eval().requires_grad_(False)


def load_lane_net(folder: Path | None = None) -> LaneNet:
    """Return the shipped lane net; gradients with respect to its input work (`LaneNet.preview_offset`)."""
    return load_net(LaneNet(), WEIGHTS["alc"], folder)


class DnnAgent:
    """YOLOv5-cls, CLRerNet-style lane net and YOLOv5n-style detector behind the agent protocol.

    Args:
        folder: Folder of the weights; the shipped ones when None.
        abstain_below: Answers less probable than this are withheld; 0 never abstains.
        device: Where the networks run, a word of `testbed.core.device`; ``auto`` is the CPU.
        tsr: Sign net, a key of `testbed.agents.dnn.nets.SIGN_NETS`.
        alc: Lane net, a key of `testbed.agents.dnn.nets.LANE_NETS`.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        abstain_below: float = 0.0,
        device: str = "auto",
        tsr: str = "yolov5_cls",
        alc: str = "clrernet",
    ) -> None:
        """Load the three networks."""
        where = None if folder is None else Path(folder)
        self._device = placed(device, auto="cpu")
        lanes, signs = choose(LANE_NETS, alc, "alc"), choose(SIGN_NETS, tsr, "tsr")
        self._lanes = cast(LanePredictor, load_net(lanes.build(), lanes.weights, where).to(self._device))
        self._signs = fuse(load_net(signs.build(), signs.weights, where)).to(self._device)
        self._sign_px = int(cast(int, self._signs.input_px))
        self._vehicles = load_net(VehicleNet(), WEIGHTS["vd"], where)
        fuse(self._vehicles).to(self._device)
        for net in (self._lanes, self._signs, self._vehicles):
            cast(nn.Module, net).to(memory_format=torch.channels_last)
        self._threshold = float(weights.card(WEIGHTS["vd"], where)["threshold"])
        # A logistic of scale s has the standard deviation s * pi / sqrt(3): fit it to the held-out error.
        spread_m = weights.card(lanes.weights, where)["figures"].get("error_std_m")
        self._spread_m = OFFSET_SPREAD_M if spread_m is None else max(0.01, float(spread_m) * math.sqrt(3) / math.pi)
        self._abstain_below = abstain_below
        self._card = card(where, tsr, alc)

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Nothing to forget: each answer depends on one observation only."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer the questions for one observation.

        Raises:
            AgentError: When the image has not the size the networks were trained for.
        """
        if observation.image.shape != (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3):
            raise AgentError(
                f"agent dnn needs images of {IMAGE_WIDTH_PX} x {IMAGE_HEIGHT_PX} px, got {observation.image.shape}",
                hint="leave the scenario's camera at its default size",
            )
        with torch.inference_mode():
            batch = to_batch(observation.image[None]).to(self._device)
            steering = self._steering(float(self._lanes.preview_offset(batch)[0]))
            vehicle = self._vehicle(batch)
            sign = None if observation.sign_crop is None else self._sign(observation.sign_crop)
        return Perception(
            steering=steering,
            vehicle=vehicle,
            sign=sign,
            raw={
                "alc": f"lane centre {steering.lateral_offset_m:+.2f} m at 25 m",
                "vd": "no vehicle ahead" if vehicle.box_px is None else _spoken(vehicle.box_px),
                **({} if sign is None else {"tsr": f"class {sign.class_id}"}),
            },
        )

    def _steering(self, offset_m: float) -> SteeringAnswer:
        left = _logistic((offset_m - STRAIGHT_BELOW_M) / self._spread_m)
        right = _logistic((-offset_m - STRAIGHT_BELOW_M) / self._spread_m)
        probabilities = (left, max(0.0, 1.0 - left - right), right)
        # The class follows the same threshold as the labels; the probabilities agree with it but for rounding.
        if abs(offset_m) < STRAIGHT_BELOW_M:
            choice, confidence = Steering.STRAIGHT, probabilities[1]
        elif offset_m > 0:
            choice, confidence = Steering.LEFT, left
        else:
            choice, confidence = Steering.RIGHT, right
        answer = None if confidence < self._abstain_below else choice
        return SteeringAnswer(answer, confidence, probabilities, offset_m)

    def _vehicle(self, batch: torch.Tensor) -> VehicleAnswer:
        decoded = self._vehicles.decode(self._vehicles(batch))[0]
        score, box = pick_lead(suppress(decoded))
        # Stretch the score so that the operating point becomes probability one half.
        t = self._threshold
        probability = 0.5 * score / t if score < t else 0.5 + 0.5 * (score - t) / (1.0 - t)
        present = score > t
        confidence = probability if present else 1.0 - probability
        if confidence < self._abstain_below:
            return VehicleAnswer(None, None, confidence)
        if not present or box is None:
            return VehicleAnswer(False, None, confidence)
        x_min, y_min, x_max, y_max = (float(value) for value in box)
        clipped = (
            max(0.0, x_min),
            max(0.0, y_min),
            min(float(IMAGE_WIDTH_PX), x_max),
            min(float(IMAGE_HEIGHT_PX), y_max),
        )
        return VehicleAnswer(True, clipped, confidence)

    def _sign(self, crop: Image) -> SignAnswer:
        probabilities = self._signs(sign_batch([crop], self._sign_px).to(self._device)).softmax(-1)[0]
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return SignAnswer(None if confidence < self._abstain_below else best, confidence)


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, value))))


def _spoken(box: Box) -> str:
    x, y = (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0
    return f"vehicle ahead at ({x:.0f}, {y:.0f}), {box[3] - box[1]:.0f} x {box[2] - box[0]:.0f} px"

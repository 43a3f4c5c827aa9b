"""Who is asked: agents, exactly as they drive, one question per picture.

A victim is an agent with options, written as an agent file, so that the row of a table can be driven on the road with
``python -m testbed run SCENARIO --agents FILE``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from testbed.core.types import Agent, Observation, Perception
from testbed.evaluate.albums import AlbumPicture
from testbed.evaluate.answers import NONE, VEHICLE, PictureAnswer
from testbed.judge import box_iou
from testbed.judge.perception import withheld
from testbed.store.atomic import store_errors, write_text

SPEED_MPS = 25.0
SIGN_DISTANCE_M = 20.0


@dataclass(frozen=True, slots=True)
class VictimAgent:
    """An agent with options and input defences.

    Attributes:
        label: How tables call it.
        agent: Registered name.
        options: What its ``build`` is given, JSON types.
        defences: Chain of input defences as in an agent file.
        source: Agent file that it was named by; None where one is written from the above. It is asked where it lies,
            because paths in it are relative to its folder.
        said: All that this file says, in place of options and defences.
    """

    label: str
    agent: str
    options: dict[str, Any] = field(default_factory=dict)
    defences: tuple[dict[str, Any], ...] = ()
    source: Path | None = None
    said: dict[str, Any] | None = None

    @classmethod
    def named(cls, name_or_path: str) -> VictimAgent:
        """Return the agent that a name or an agent file stands for, labelled as `run --agents` calls it.

        Raises:
            UsageError: There is no such file, or it cannot be read.
        """
        from testbed import agents
        from testbed.core.yaml_reader import read_yaml

        choice = agents.resolve(name_or_path)
        if choice.file is None:
            return cls(name_or_path, choice.agent)
        said: dict[str, Any] = read_yaml(choice.file).data
        return cls(choice.file.stem, choice.agent, source=choice.file, said=said)

    @property
    def road_name(self) -> str:
        """How drives call it; empty for an agent that only a table has."""
        if self.source is not None:
            return self.source.stem
        return self.agent if set(self.content) == {"agent"} else ""

    @property
    def content(self) -> dict[str, Any]:
        """What its agent file says."""
        if self.said is not None:
            return dict(self.said)
        content: dict[str, Any] = {"agent": self.agent}
        if self.options:
            content["options"] = dict(self.options)
        if self.defences:
            content["defences"] = [dict(one) for one in self.defences]
        return content

    def file(self, folder: Path) -> Path:
        """Return the path of its agent file; one that has none is written, if it is not there yet."""
        if self.source is not None:
            return self.source
        digest = hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()[:8]
        words = "_".join("".join(c if c.isascii() and c.isalnum() else " " for c in self.label.lower()).split())
        path = folder / f"{words}_{digest}.yaml"
        if not path.exists():
            with store_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_text(path, _as_yaml(self.content))
        return path

    def identity(self, folder: Path) -> dict[str, Any]:
        """Return what decides its answers: its file's content and the hashes of its weights.

        Raises:
            UsageError: There is no such agent, or it does not take such options.
            MissingExtraError: It needs an extra that is not installed.
            WeightsError: A card of its weights is missing.
        """
        from testbed import agents

        path = str(self.file(folder))
        agents.check_extras(path)
        weights = agents.card(path).weights
        return {**self.content, "weights": dict(sorted(weights.items()))}

    def load(self, folder: Path, device: str = "auto") -> Agent:
        """Return the agent, loaded once per process and device.

        Raises:
            UsageError: It does not take such options, or the GPU is not there.
            WeightsError: Its weights are missing or altered.
        """
        return _loaded(str(self.file(folder)), device)


def _as_yaml(content: dict[str, Any]) -> str:
    """Return the text of an agent file; its reader takes no aliases, so a list that stands twice is written twice."""
    import yaml

    # through JSON, so that no two places share an object
    return yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)


@cache
def _loaded(path: str, device: str) -> Agent:
    import torch

    from testbed import agents

    # several threads make small networks slower, and let figures depend on the machine
    torch.set_num_threads(1)
    agent = agents.load(path, device=device)
    agent.reset(0)
    return agent


def ask(
    agent: Agent, task: str, pictures: Sequence[AlbumPicture], progress: Callable[[int, int], None] | None = None
) -> list[PictureAnswer]:
    """Show pictures to an agent and return its answers to one task.

    Args:
        agent: Who.
        task: ``tsr``, ``alc`` or ``vd``.
        pictures: What.
        progress: Told (done, all) after each.
    """
    answers = []
    for index, picture in enumerate(pictures):
        signed = picture.crop is not None
        observation = Observation(
            frame=index,
            t_s=0.1 * index,
            image=picture.image,
            speed_mps=SPEED_MPS,
            sign_crop=picture.crop,
            sign_id="sign" if signed else None,
            sign_distance_m=SIGN_DISTANCE_M if signed else None,
        )
        # answers are compared picture by picture, so no memory of the one before may take part
        agent.reset(0)
        answers.append(_answer(task, picture, agent.perceive(observation)))
        if progress is not None:
            progress(index + 1, len(pictures))
    return answers


def _answer(task: str, picture: AlbumPicture, said: Perception) -> PictureAnswer:
    if task == "tsr":
        sign = said.sign
        named = withheld(said, task) if sign is None or sign.class_id is None else str(sign.class_id)
        sure = sign.confidence if sign is not None else 0.0
        return PictureAnswer(picture.id, picture.group, picture.truth, named, sure, None, picture.tags)
    if task == "alc":
        steering = said.steering
        named = withheld(said, task) if steering.steering is None else str(steering.steering)
        return PictureAnswer(picture.id, picture.group, picture.truth, named, steering.confidence, None, picture.tags)
    vehicle = said.vehicle
    named = withheld(said, task) if vehicle.present is None else (VEHICLE if vehicle.present else NONE)
    iou = None
    if picture.box_px is not None:
        iou = box_iou(vehicle.box_px, picture.box_px) if vehicle.present and vehicle.box_px is not None else 0.0
    return PictureAnswer(picture.id, picture.group, picture.truth, named, vehicle.confidence, iou, picture.tags)

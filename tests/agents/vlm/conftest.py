"""A small V²LM with random weights, shared by the tests of the room."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from testbed.agents.vlm import model as models
from testbed.agents.vlm.reader import Reader
from testbed.agents.vlm.readings import ImagePrompt


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small() -> models.VisionLanguageModel:
    torch.manual_seed(0)
    return models.build(models.small_blueprint((64, 96), width=64, layers=2))


@pytest.fixture(scope="session")
def reader(small: models.VisionLanguageModel) -> Reader:
    return Reader(small)


def picture(seed: int, height_px: int = 160, width_px: int = 320) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height_px // 8, width_px // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def conversation() -> list[ImagePrompt]:
    view = picture(2)
    return [ImagePrompt("tsr", picture(1, 24, 32)), ImagePrompt("alc", view), ImagePrompt("vd", view)]

"""A small V²LM with random weights, shared by the tests of the room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from testbed.agents.vlm import checkpoint, families
from testbed.agents.vlm.checkpoint import Checkpoint
from testbed.agents.vlm.form import FormReader, FormTokens
from testbed.agents.vlm.how_asked import HowAsked
from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES, ImagePrompt
from testbed.core.perception_tasks import PROMPTS

ANSWERS = [CANNOT_TELL, *(answer for choices in CHOICES.values() for answer in choices)]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the small model's architecture with random weights, its form in its tokenizer."""
    folder = tmp_path_factory.mktemp("small")
    families.build("fastvlm", "tiny", folder, [*ANSWERS, *PROMPTS.values(), "user assistant 0 1 2 3 4 5 6 7 8 9"])
    ready = checkpoint.load(str(folder), dtype="fp32", device="cpu")
    FormTokens.add(ready.tokenizer, ANSWERS)
    ready.network.resize_token_embeddings(len(ready.tokenizer), mean_resizing=False)
    ready.network.save_pretrained(folder)
    ready.processor.save_pretrained(folder)
    HowAsked(windows={"alc": (0.1, 0.4, 0.9, 1.0)}).write(folder)
    return folder


@pytest.fixture(scope="session")
def ready(small: Path) -> Checkpoint:
    return checkpoint.load(str(small), dtype="fp32", device="cpu")


@pytest.fixture(scope="session")
def reader(ready: Checkpoint) -> FormReader:
    return FormReader(ready)


def picture(seed: int, height_px: int = 160, width_px: int = 320) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height_px // 8, width_px // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def conversation() -> list[ImagePrompt]:
    view = picture(2)
    return [ImagePrompt("tsr", picture(1, 24, 32)), ImagePrompt("alc", view), ImagePrompt("vd", view)]

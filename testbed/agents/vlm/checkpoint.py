"""A checkpoint, loaded: any vision-language model of transformers with its own processor and chat template.

Picture sizes, tiles and special tokens are the processor's business; nothing here knows a family by name. The loaded
model is asked through `Checkpoint.encode` and transformers' public ``generate`` alone, so that positions, masks and
caches are the family's own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging as transformers_logging

from testbed.agents.placement import placed
from testbed.agents.precision import has_bfloat16
from testbed.agents.vlm import checkpoint_folder, conversation, how_asked
from testbed.agents.vlm import projectors as projectors  # registers MobileVLM and Qwen-VL with transformers
from testbed.agents.vlm import tower as tower  # registers the testbed's tower with timm
from testbed.agents.vlm.checkpoint_folder import CheckpointFolder
from testbed.agents.vlm.how_asked import WHOLE, HowAsked
from testbed.agents.vlm.model_settings import Dtype
from testbed.agents.vlm.readings import ImagePrompt
from testbed.core.errors import AgentError, WeightsError

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_PX = 56
"""Sign crops are enlarged to this short side: some processors refuse pictures smaller than a patch."""
REMEMBERED = 4096
"""Texts whose tokens are remembered."""
HEADROOM = 1.15
"""Memory that must be free, in sizes of the weights, for activations and cache."""


@dataclass
class Checkpoint:
    """A loaded model with its processor.

    Attributes:
        name: As the agent file names it.
        network: transformers model in evaluation mode.
        processor: Its processor.
        prompt: Words of one pair where there is no chat template, see `testbed.agents.vlm.model_settings.LocalModel`.
        asked: How it was taught to be asked.
    """

    name: str
    network: Any
    processor: Any
    prompt: str = "{image}{question}\n"
    asked: HowAsked = field(default_factory=HowAsked)

    def __post_init__(self) -> None:
        """Remember the tokens of words: the same closed sets are spelled out in every decision."""
        self.ids = lru_cache(REMEMBERED)(partial(token_ids, self.tokenizer))

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def parameters(self) -> int:
        """Number of parameters, tied ones counted once."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def text(self, questions: Sequence[ImagePrompt]) -> str:
        """Return the conversation up to the reply, one placeholder per picture."""
        if getattr(self.processor, "chat_template", None):
            said: str = self.processor.apply_chat_template(
                conversation.messages(questions), add_generation_prompt=True, tokenize=False
            )
            return said
        return conversation.plain_text(questions, self.prompt, self.processor.image_token)

    def reply_frame(self, questions: Sequence[ImagePrompt]) -> tuple[str, str]:
        """Return what the chat template writes before and behind a reply, both empty where there is none."""
        if not getattr(self.processor, "chat_template", None):
            return "", ""
        word = "Straight"
        reply = {"role": "assistant", "content": [{"type": "text", "text": word}]}
        asked = self.text(questions)
        said = str(self.processor.apply_chat_template([*conversation.messages(questions), reply], tokenize=False))
        before, _, behind = said.rpartition(word)
        return (before[len(asked) :] if before.startswith(asked) else ""), behind

    def encode(
        self, conversations: Sequence[Sequence[ImagePrompt]], replies: str | Sequence[str] = ""
    ) -> dict[str, Tensor]:
        """Return the model's inputs for several conversations, padded on the left, on the model's device.

        Args:
            conversations: Image-prompt pairs of each.
            replies: What the model has begun to say, the same in all or one per conversation.

        Raises:
            AgentError: If the processor refuses a picture.
        """
        said = [replies] * len(conversations) if isinstance(replies, str) else replies
        lead = self.reply_frame(conversations[0])[0] if any(said) else ""
        texts = [self.text(questions) + lead + reply for questions, reply in zip(conversations, said, strict=True)]
        pictures = [[self._picture(question) for question in questions] for questions in conversations]
        start = self.tokenizer.bos_token
        begun = bool(start) and texts[0].startswith(start)
        try:
            found = self.processor(
                text=texts,
                images=pictures,
                padding=True,
                padding_side="left",
                return_tensors="pt",
                # a template that writes the first token itself would have it twice
                **({"add_special_tokens": False} if begun else {}),
            )
        except (ValueError, TypeError, RuntimeError) as error:
            raise AgentError(f"the processor of {self.name} refused the conversation: {error}") from error
        dtype, device = self.network.dtype, self.network.device
        # a processor that also makes labels makes them for training
        return {
            key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for key, value in found.items()
            if isinstance(value, Tensor) and key != "labels"
        }

    def _picture(self, question: ImagePrompt) -> PilImage.Image:
        """Return what a processor is shown: the window of the question's picture, small ones enlarged in proportion."""
        height_px, width_px = question.image.shape[:2]
        window = self.asked.windows.get(question.shown_as or question.task, WHOLE)
        x_min, x_max = (round(window[side] * width_px) for side in (0, 2))
        y_min, y_max = (round(window[side] * height_px) for side in (1, 3))
        picture = PilImage.fromarray(np.ascontiguousarray(question.image[y_min:y_max, x_min:x_max]))
        short = min(picture.size)
        if short >= LEAST_PX:
            return picture
        scale = LEAST_PX / short
        size = (max(LEAST_PX, round(scale * picture.width)), max(LEAST_PX, round(scale * picture.height)))
        return picture.resize(size, PilImage.Resampling.BICUBIC)


def token_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the tokens of a text, none put before it or after it."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def make_room(network: Any, words: int) -> None:
    """Enlarge a model's embeddings to the words that its tokenizer has by now; there may be more of them already."""
    if words > network.get_input_embeddings().weight.shape[0]:
        network.resize_token_embeddings(words, mean_resizing=False)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Wrap a network in peft without its warning: it asks transformers by a name that transformers has deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        yield


def load(
    name: str,
    *,
    base: Path | None = None,
    adapter: str | None = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    prompt: str = "{image}{question}\n",
) -> Checkpoint:
    """Load a checkpoint, with a peft adapter merged into it where one is named.

    Args:
        name: Folder or name on the Hub.
        base: Folder that relative paths start from.
        adapter: Folder of a peft adapter.
        dtype: Of the weights.
        device: Word of `testbed.core.device`; ``auto`` is the first GPU where there is one.
        prompt: Words of one pair where the checkpoint has no chat template.

    Raises:
        UsageError: If the GPU that is asked for is not there.
        WeightsError: If it cannot be used; the sentence says why.
    """
    transformers_logging.disable_progress_bar()
    place = placed(device, auto="cuda")
    kind = chosen_dtype(dtype, place)
    folder = checkpoint_folder.inspect(name, base)
    _check_family(name, folder)
    _check_memory(name, folder, place, kind)
    added = None if adapter is None else checkpoint_folder.inspect_adapter(adapter, base)
    try:
        words = folder.path if added is None or not added.has_processor else added.path
        processor = AutoProcessor.from_pretrained(words, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise WeightsError(f"checkpoint {name}: its processor cannot be loaded: {_first_line(error)}") from error
    _check_processor(name, processor)
    try:
        network, told = AutoModelForImageTextToText.from_pretrained(
            folder.path,
            dtype=kind,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise WeightsError(f"checkpoint {name}: its weights cannot be loaded: {_first_line(error)}") from error
    _check_whole(name, told)
    if added is not None:
        network = _with_adapter(network, len(processor.tokenizer), added)
    try:
        network = network.to(place).eval()
    except torch.OutOfMemoryError as error:
        raise WeightsError(f"checkpoint {name} does not fit into the memory of {place}") from error
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    asked = how_asked.read(None if added is None else added.path, folder.path)
    return Checkpoint(name, network, processor, prompt, asked)


def chosen_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the type of the weights; ``auto`` is bf16 where the device computes in it, else fp32."""
    if dtype != "auto":
        return DTYPES[dtype]
    return torch.bfloat16 if has_bfloat16(device.type) else torch.float32


def _check_whole(name: str, told: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose weights would be random in part."""
    missing = sorted(told.get("missing_keys", ()))
    if missing:
        raise WeightsError(
            f"checkpoint {name} lacks {len(missing)} of its weights, for instance {missing[0]}",
            hint="it was copied in part, or belongs to another configuration",
        )


def _check_family(name: str, folder: CheckpointFolder) -> None:
    try:
        config = AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError) as error:
        raise WeightsError(
            f"checkpoint {name} is of the family {folder.model_type!r}, which this transformers does not know",
            hint="a newer transformers may; or serve it and use kind: endpoint",
        ) from error
    if type(config) not in AutoModelForImageTextToText._model_mapping:
        raise WeightsError(
            f"checkpoint {name} is of the family {folder.model_type!r}, which takes no pictures and words together",
            hint="a V²LM is what transformers builds as AutoModelForImageTextToText",
        )


def _check_processor(name: str, processor: Any) -> None:
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise WeightsError(f"checkpoint {name}: its processor lacks a tokenizer or an image processor")
    token = getattr(processor, "image_token", None)
    if token is None or token not in processor.tokenizer.get_vocab():
        raise WeightsError(f"checkpoint {name} has no image token, so no picture can stand in its prompt")


def _check_memory(name: str, folder: CheckpointFolder, device: torch.device, dtype: torch.dtype) -> None:
    wanted = int(HEADROOM * folder.parameters() * torch.empty((), dtype=dtype).element_size())
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else _free_bytes()
    if free is not None and wanted > free:
        raise WeightsError(
            f"checkpoint {name} needs about {wanted / 1e9:.1f} GB on {device}, where {free / 1e9:.1f} GB are free",
            hint="use a smaller checkpoint, dtype: bf16, or another device",
        )


def _free_bytes() -> int | None:
    """Return the memory that can be had without swapping; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        names = getattr(os, "sysconf_names", {})
        known = "SC_AVPHYS_PAGES" in names
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else None
    sizes = dict(line.split(":", 1) for line in lines)
    return int(sizes["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in sizes else None


def _with_adapter(network: Any, words: int, folder: CheckpointFolder) -> Any:
    """Return the network with an adapter merged, its words enlarged to those that the adapter's tokenizer has."""
    from peft import PeftModel

    try:
        make_room(network, words)
        adapted = PeftModel.from_pretrained(network, folder.path, is_trainable=False)
        # prompts and prefixes have nothing to merge
        return adapted if adapted.peft_config["default"].is_prompt_learning else adapted.merge_and_unload()
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        raise WeightsError(f"adapter {folder.path} does not fit the checkpoint: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

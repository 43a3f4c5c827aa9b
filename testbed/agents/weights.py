"""Shipped weights: ``NAME.safetensors`` beside its card ``NAME.json``, which carries the sha256 of the tensors.

A card says where the weights come from: data hash, seed, steps, seconds and hardware class of the training, library
versions, held-out figures as k/n. Weights whose bytes do not match their card are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.core import shipped
from testbed.core.errors import WeightsError
from testbed.core.hashing import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = shipped.folder("agents") / "weights"


def save(name: str, tensors: Mapping[str, Tensor], card: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write tensors and card; the card gets ``name``, ``sha256`` and ``bytes``. Return the path of the tensors."""
    from safetensors.torch import save_file

    folder = FOLDER if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, path)
    path.chmod(0o644)  # the library writes it for its owner alone
    content = {**card, "name": name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
    path.with_suffix(".json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def card(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Read the card of a weight file.

    Raises:
        WeightsError: When it is missing or no JSON object with a ``sha256``.
    """
    path = (FOLDER if folder is None else folder) / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            f"weights {name!r}: the card {path} is missing",
            hint=f"train them: `python -m testbed train {name} --data DIR`",
        ) from error
    except ValueError as error:
        raise WeightsError(f"weights {name!r}: the card {path} is not JSON: {error}") from error
    if not isinstance(content, dict) or "sha256" not in content:
        raise WeightsError(f"weights {name!r}: the card {path} carries no sha256")
    return content


def load(name: str, folder: Path | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the card of a weight file, after comparing the file's sha256 with the card's.

    Raises:
        WeightsError: When a file is missing, altered or malformed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    content = card(name, folder)
    path = (FOLDER if folder is None else folder) / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(f"weights {name!r}: {path} is missing")
    found = sha256_of(path)
    if found != content["sha256"]:
        raise WeightsError(
            f"weights {name!r}: sha256 of {path.name} is {found[:12]}…, the card says {str(content['sha256'])[:12]}…",
            hint="the file was altered or cut short; restore it or train again",
        )
    try:
        return load_file(path), content
    except SafetensorError as error:
        raise WeightsError(f"weights {name!r}: {path} is malformed: {error}") from error

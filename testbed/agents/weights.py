"""Shipped weights: ``NAME.safetensors`` beside its card ``NAME.json``, which carries the sha256 of the tensors.

A card says where the weights come from: the commands that made them, data hash, seed, steps, seconds and hardware class
of the training, library versions, held-out figures as k/n, and in which form the numbers are stored
(`testbed.agents.weight_forms`). Weights whose bytes do not match their card are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.agents import weight_forms
from testbed.core import shipped
from testbed.core.errors import UsageError, WeightsError
from testbed.core.hashing import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = shipped.folder("agents") / "weights"


BUDGET_BYTES = 100_000_000
"""What all shipped weights together may take: every clone carries them, and every retraining adds to that."""
FILE_BYTES = 25_000_000
"""What one file may take."""


def writable(folder: Path) -> Path:
    """Return a folder that a training may write to.

    Raises:
        UsageError: It is that of the shipped weights.
    """
    if folder.resolve().is_relative_to(FOLDER.resolve()):
        raise UsageError(
            f"{folder} holds the shipped weights, which every agent uses and no training replaces",
            hint="name another folder with --out, and copy from it what is better",
        )
    return folder


def save(
    name: str,
    tensors: Mapping[str, Tensor],
    card: Mapping[str, Any],
    folder: Path | None = None,
    *,
    stored_as: str | None = None,
) -> Path:
    """Write tensors and card; the card gets ``name``, ``sha256``, ``bytes`` and, under ``stored``, the form.

    Args:
        name: Of the weights.
        tensors: A network's weights by name.
        card: What else the card says.
        folder: Where to write; the shipped weights' when None.
        stored_as: One of `testbed.agents.weight_forms.FORMS`; None writes each tensor in the type it has.

    Returns:
        The path of the tensors.

    Raises:
        WeightsError: When the form is unknown or does not fit the numbers.
    """
    from safetensors.torch import save_file

    folder = FOLDER if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    packed = tensors if stored_as is None else weight_forms.pack(tensors, stored_as)
    form = weight_forms.form_of(packed) if stored_as is None else stored_as
    save_file({key: value.detach().cpu().contiguous() for key, value in packed.items()}, path)
    path.chmod(0o644)  # the library writes it for its owner alone
    stored = {**card.get("stored", {}), "as": form}
    content = {**card, "name": name, "sha256": sha256_of(path), "bytes": path.stat().st_size, "stored": stored}
    _write(path.with_suffix(".json"), content)
    return path


def amend(name: str, folder: Path | None = None, **changes: Any) -> None:
    """Replace entries of a card and leave the tensors alone; raises as `card` does."""
    path = (FOLDER if folder is None else folder) / f"{name}.json"
    _write(path, card(name, folder) | changes)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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


def stored_form(name: str, folder: Path | None = None) -> str:
    """Return the form that most numbers of a weight file are stored in; raises as `load` does."""
    return weight_forms.form_of(_read(name, folder)[0])


def load(name: str, folder: Path | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the card of a weight file, after comparing the file's sha256 with the card's.

    Floating-point tensors come back in float32, in whatever form they are stored.

    Raises:
        WeightsError: When a file is missing, altered or malformed.
    """
    packed, content = _read(name, folder)
    try:
        return weight_forms.unpack(packed), content
    except WeightsError as error:
        raise WeightsError(f"weights {name!r}: {error}", hint="the file was altered; restore it") from error


def _read(name: str, folder: Path | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors as they are stored, and the card."""
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

"""What is trained on has never seen an attack: what the card of a data set says of artefacts, and who refuses it.

A card lists under ``artefacts`` which attack artefacts its pictures show: an empty list for what the testbed draws,
since its generators know none; null for pictures of the user's own of which nobody said so. Training takes empty lists
alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.core.errors import DatasetError
from testbed.training.data.format import load_card

EXPORT_CARD = "testbed.json"
"""Card of a data set in another layout."""

_HINT = "make pictures without an attack: python -m testbed dataset tsr|alc|vd"
_STATE = "if no picture shows one, say so: python -m testbed dataset load … --unattacked"


def artefacts_of(card: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the artefacts that the pictures of a data set show; None where its card does not tell."""
    if "artefacts" not in card:
        # The generators never knew an artefact, also before their cards said so; a data set of theirs is told by this.
        return () if "renderer_sha256" in card else None
    named = card["artefacts"]
    return None if named is None else tuple(str(name) for name in named)


def export_card(folder: Path) -> dict[str, Any] | None:
    """Return the card of a data set in another layout, None for a folder that we did not export.

    Raises:
        DatasetError: The card cannot be read.
    """
    path = folder / EXPORT_CARD
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def exported_artefacts(card: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what `artefacts_of` says of the pictures of an export, by its own card or that of its origin."""
    return artefacts_of(card if "artefacts" in card else card.get("origin", {}))


def refuse_attacked(
    folder: Path, *, stated: bool = False, named_as: Path | None = None, how_to_state: str = _STATE
) -> None:
    """Refuse to train on pictures that show an attack artefact, or of which nobody says that they show none.

    Args:
        folder: A data set of ours, an export, or conversations of the user's own.
        stated: Whether the user states that no picture shows one; a card that names one is believed nevertheless.
        named_as: What the user named; None for the folder.
        how_to_state: What to do to state it.

    Raises:
        DatasetError: They show one, or it is not known.
    """
    if (folder / "dataset.json").is_file():
        named = artefacts_of(load_card(folder))
    else:
        card = export_card(folder)
        named = None if card is None else exported_artefacts(card)
    if named:
        raise DatasetError(
            f"{folder} shows the attack artefact {', '.join(named)}, and nothing is trained on what it is tested with",
            hint=_HINT,
        )
    if named is None and not stated:
        raise DatasetError(
            f"{named_as or folder} does not say whether its pictures show an attack artefact", hint=how_to_state
        )

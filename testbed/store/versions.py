"""Stored documents of every released version, read by this one.

Each upgrade step turns the JSON of one version into the JSON of the next; nothing is ever guessed. A document from a
later version is refused with the advice to upgrade, because reading half of it would change results silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from testbed.core.errors import StoreError
from testbed.core.records import RECORD_VERSION, EpisodeRecord

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

RECORD_UPGRADES: Mapping[int, Upgrade] = {}
"""Version n to the function that turns a record of version n into version n + 1."""


def parse_json(text: str | bytes, source: str) -> dict[str, Any]:
    """Return the JSON object in ``text``.

    Raises:
        StoreError: It is no JSON object, or holds NaN or infinity.
    """

    def refuse(name: str) -> float:
        raise ValueError(f"{name} is no JSON number")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{source} is no valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{source} is no JSON object")
    return value


def upgraded(document: dict[str, Any], current: int, upgrades: Mapping[int, Upgrade], source: str) -> dict[str, Any]:
    """Return ``document`` in the layout of version ``current``.

    Raises:
        StoreError: Its version is unknown or newer than ``current``.
    """
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError(f"{source} states no version")
    if version > current:
        raise StoreError(
            f"{source} was written by a newer testbed (layout {version}, this one reads up to {current})",
            hint="upgrade the testbed",
        )
    while version < current:
        document = upgrades[version](document)
        version += 1
        document["version"] = version
    return document


def load_record(text: str | bytes, source: str) -> EpisodeRecord:
    """Return the episode record in ``text``, whatever released version wrote it.

    Args:
        text: JSON.
        source: File name for messages.

    Raises:
        StoreError: It cannot be read as a record.
    """
    document = upgraded(parse_json(text, source), RECORD_VERSION, RECORD_UPGRADES, source)
    try:
        return EpisodeRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{source} is no episode record: {place}: {first['msg']}") from error


def dump_record(record: EpisodeRecord) -> bytes:
    """Return a record as JSON, keys sorted, so that equal records are equal bytes.

    Raises:
        StoreError: A number in it is not finite.
    """
    try:
        text = json.dumps(record.model_dump(mode="python"), sort_keys=True, indent=1, allow_nan=False)
    except ValueError as error:
        raise StoreError(f"the record of episode {record.plan.key[:12]} holds a number that is not finite") from error
    return text.encode("utf-8") + b"\n"

"""What of a user's files the plans of a run need, by content: other nodes have neither his paths nor his disk.

A plan keeps the paths that were asked for, because its hash is its name; only the node that carries it out reads other
ones (`testbed.sweep.node_files`). Plans carry absolute paths in their scenes; an agent file is read here, and every
path in it travels too: what ``model`` names, relative to the file, and every value elsewhere that is written as a path,
relative to the working directory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed import agents
from testbed.agents.vlm import checkpoint_folder
from testbed.core.agent_names import is_file
from testbed.core.errors import UsageError, WeightsError
from testbed.core.records import EpisodePlan
from testbed.core.yaml_reader import read_yaml
from testbed.sweep.companions import companions

TRAVELS_BYTES = 256_000_000
"""What is larger must be on the node already."""
_SCENE_PATHS = {"map", "artefact", "mesh"}
_MODEL_PATHS = ("path", "adapter", "folder")

Place = tuple[str | int, ...]
"""Keys that lead to a value inside a document."""


@dataclass(frozen=True, slots=True)
class TravelFile:
    """One file.

    Attributes:
        name: Path inside its item, with slashes.
        source: Where it lies on the machine of the driver.
        sha256: Of its content.
        size: Its bytes.
        changed_ns: Time of its last change there.
    """

    name: str
    source: str
    sha256: str
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class TravelItem:
    """A file or folder that is named, with all that belongs to it.

    Attributes:
        named: As plans and agent files name it, absolute, or the name of a checkpoint on the Hub.
        entry: Path inside the item of what is named.
        files: All of them.
        travels: Whether it is sent; else it must be on the node already.
    """

    named: str
    entry: str
    files: tuple[TravelFile, ...]
    travels: bool

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """The sha256 of names and contents."""
        text = json.dumps([self.entry, *([file.name, file.sha256] for file in self.files)])
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class TravelAgent:
    """An agent file.

    Attributes:
        file_name: Its name without folders.
        content: What it says.
        model: Place of a value below ``model`` to the name of the item that it stands for.
        others: The same for all other values; agent files among them stand in the bundle by that name.
    """

    file_name: str
    content: Mapping[str, Any]
    model: Mapping[Place, str]
    others: Mapping[Place, str]


@dataclass(frozen=True)
class FileBundle:
    """All that the plans of a run need.

    Attributes:
        items: By the name that plans and agent files give them.
        agents: Agent files by the name that plans and agent files give them.
    """

    items: dict[str, TravelItem] = field(default_factory=dict)
    agents: dict[str, TravelAgent] = field(default_factory=dict)

    def files(self) -> dict[str, TravelFile]:
        """Return the files that are sent, by the sha256 of their content."""
        return {file.sha256: file for item in self.items.values() if item.travels for file in item.files}


def collect(plans: Iterable[EpisodePlan]) -> FileBundle:
    """Return what plans need.

    Raises:
        UsageError: A file cannot be read.
        WeightsError: A checkpoint does not exist.
    """
    bundle = FileBundle()
    scenes: set[str] = set()
    for plan in plans:
        _add_agent(bundle, plan.agent_here)
        text = json.dumps(plan.scene, sort_keys=True)
        if text not in scenes:
            scenes.add(text)
            for place, value in strings(plan.scene):
                if _SCENE_PATHS & set(place) and Path(value).is_absolute() and Path(value).exists():
                    _add_item(bundle, value, Path(value))
    return bundle


def strings(value: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield every string in a document of JSON types with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(inner, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from strings(inner, (*place, index))


def _add_agent(bundle: FileBundle, name: str) -> None:
    if name in bundle.agents or not is_file(name):
        return
    path = Path(name)
    agents.resolve(name)  # what is no agent file is refused with its own words
    content = read_yaml(path).data
    model: dict[Place, str] = {}
    others: dict[Place, str] = {}
    bundle.agents[name] = TravelAgent(path.name, content, model, others)
    for place, value in strings(content):
        if place[0] == "model" and len(place) > 1 and place[1] in _MODEL_PATHS:
            model[place] = _add_model(bundle, value, path.parent)
        elif place[0] != "agent" and _is_path(place, value):
            others[place] = os.path.abspath(value)
            if is_file(value):
                _add_agent(bundle, others[place])
            else:
                _add_item(bundle, others[place], Path(value))


def _is_path(place: Place, value: str) -> bool:
    """Tell whether a value names a file or folder here, rather than something that happens to be called like one."""
    written = "/" in value or Path(value).suffix != "" or place[-1] in ("folder", "path", "record")
    return written and Path(value).exists()


def _add_model(bundle: FileBundle, name: str, base: Path) -> str:
    """Add a checkpoint, an adapter or a folder of weights; return the item's name."""
    folder = checkpoint_folder.locate(name, base)
    beside = (base / name).is_dir() or Path(name).expanduser().is_dir()
    item = os.path.abspath(folder) if beside else name
    _add_item(bundle, item, folder)
    return item


def _add_item(bundle: FileBundle, name: str, path: Path) -> None:
    if name in bundle.items:
        return
    path = Path(os.path.abspath(path))
    try:
        files = companions(path)
        top = path if path.is_dir() else path.parent
        # a folder keeps its name: artefacts and pictures are called after it
        root = Path(os.path.commonpath([top.parent if path.is_dir() else top, *(file.parent for file in files)]))
        found = tuple(_described(file, root) for file in files)
    except OSError as error:
        kind = WeightsError if path.is_dir() else UsageError
        raise kind(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    travels = sum(file.size for file in found) <= TRAVELS_BYTES
    bundle.items[name] = TravelItem(name, path.relative_to(root).as_posix(), found, travels)


def _described(file: Path, root: Path) -> TravelFile:
    status = file.stat()
    name = file.relative_to(root).as_posix()
    return TravelFile(name, str(file), checkpoint_folder.digest_of(file), status.st_size, status.st_mtime_ns)

"""A node's end of a bundle of files: what travelled lies in a folder under its hash, and plans are told where.

Everything is unpacked below ``TESTBED_CACHE`` (default ``~/.cache/v2lm-testbed``), once per node and content, whole or
not at all. What does not travel for its size is used where it lies, if that is the same content: under the same path,
in the cache, or among the Hub's downloads.
"""

from __future__ import annotations

import copy
import hashlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed.agents.vlm import checkpoint_folder
from testbed.core.errors import StoreError, WeightsError
from testbed.core.hashing import sha256_of
from testbed.core.records import EpisodePlan
from testbed.core.user_cache import VARIABLE, user_cache
from testbed.sweep.travelling import FileBundle, Place, TravelItem, strings


@dataclass
class NodeFiles:
    """What a run sent, as a node sees it.

    Attributes:
        bundle: What there is.
        contents: sha256 of every file that was sent to whatever `fetch` turns into its bytes.
        fetch: Gets the bytes.
    """

    bundle: FileBundle
    contents: Mapping[str, Any]
    fetch: Callable[[Any], bytes]
    _places: dict[str, Path] = field(default_factory=dict)

    def plan(self, plan: EpisodePlan, served: Collection[str] = ()) -> EpisodePlan:
        """Return a plan with the paths of this node; its key is another one, so records keep the plan that was asked.

        Args:
            plan: As it was asked.
            served: Agents whose models run elsewhere, and are not needed here.

        Raises:
            WeightsError: Something large is not here.
            StoreError: The cache cannot be written, or something arrived damaged.
        """
        scene = copy.deepcopy(plan.scene)
        for place, value in list(strings(scene)):
            if value in self.bundle.items:
                _put(scene, place, str(self.path(value)))
        agent = self.agent(plan.agent_here, served)
        return plan.model_copy(update={"scene": scene, "agent_file": agent if agent != plan.agent else ""})

    def agent(self, name: str, served: Collection[str] = ()) -> str:
        """Return the agent file of this node for one of the user's; names of shipped agents stay what they are."""
        given = self.bundle.agents.get(name)
        if given is None:
            return name
        content = copy.deepcopy(dict(given.content))
        for place, item in () if name in served else given.model.items():
            _put(content, place, str(self.path(item)))
        for place, item in given.others.items():
            inner = self.agent(item, served) if item in self.bundle.agents else str(self.path(item))
            _put(content, place, inner)
        text = yaml.safe_dump(content, sort_keys=False)
        folder = user_cache() / "agents" / hashlib.sha256(text.encode("utf-8")).hexdigest()
        file = folder / given.file_name
        if not file.exists():
            with _explained(folder.parent):
                _unpack(folder, {given.file_name: text.encode("utf-8")})
        return str(file)

    def path(self, name: str) -> Path:
        """Return where an item lies on this node; raises as `plan` does."""
        if name not in self._places:
            item = self.bundle.items[name]
            self._places[name] = self._sent(item) if item.travels else _found(item)
        return self._places[name]

    def _sent(self, item: TravelItem) -> Path:
        root = user_cache() / "files" / item.digest
        with _explained(root.parent):
            if root.is_dir() and not all(_is_whole(root / file.name, file.sha256) for file in item.files):
                shutil.rmtree(root)
            if not root.is_dir():
                contents = {file.name: self.fetch(self.contents[file.sha256]) for file in item.files}
                for file in item.files:
                    if hashlib.sha256(contents[file.name]).hexdigest() != file.sha256:
                        raise StoreError(f"{file.source} changed after the run began", hint="start it again")
                _unpack(root, contents)
        return root / item.entry


def _is_whole(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def _unpack(root: Path, contents: Mapping[str, bytes]) -> None:
    """Write files below a folder that appears whole; another process may do the same at the same time."""
    root.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".", dir=root.parent))
    try:
        for name, content in contents.items():
            target = fresh / name
            if not target.resolve().is_relative_to(fresh.resolve()):
                raise StoreError(f"{name!r} leads out of its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            fresh.rename(root)
        except OSError:
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn an operating system's refusal into one sentence."""
    try:
        yield
    except OSError as error:
        reason = f"node {socket.gethostname()}: {folder}: {error.strerror or error}"
        raise StoreError(reason, hint=f"{VARIABLE} names another folder") from error


def _found(item: TravelItem) -> Path:
    """Return where something that does not travel lies here, if its content is the same."""
    for candidate in _candidates(item):
        root = _root(candidate, item.entry)
        if all(_is_same(root / file.name, file.sha256, file.size, file.changed_ns) for file in item.files):
            return candidate
    raise WeightsError(
        f"node {socket.gethostname()} has no {item.named} with the content that the run asks for, and its "
        f"{item.size / 1e9:.1f} GB are too much to send",
        hint="copy it there under the same path, or download the same version to the Hub's cache of that node",
    )


def _candidates(item: TravelItem) -> Iterator[Path]:
    yield user_cache() / "files" / item.digest / item.entry
    if Path(item.named).is_absolute():
        yield Path(item.named)
    else:
        with suppress(WeightsError):
            yield checkpoint_folder.locate(item.named)


def _root(path: Path, entry: str) -> Path:
    for _ in Path(entry).parts:
        path = path.parent
    return path


def _is_same(file: Path, sha256: str, size: int, changed_ns: int) -> bool:
    """Tell whether a file is the one that was meant; equal size and time of change spare reading many GB again."""
    try:
        status = file.stat()
    except OSError:
        return False
    if status.st_size != size:
        return False
    return status.st_mtime_ns == changed_ns or checkpoint_folder.digest_of(file) == sha256


def _put(document: Any, place: Place, value: str) -> None:
    """Replace the value at a place of a document."""
    for key in place[:-1]:
        document = document[key]
    document[place[-1]] = value

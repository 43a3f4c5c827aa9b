"""A checkpoint on disk, looked at without loading it: where it lies, what it is, why it cannot be used.

Nothing here imports torch or transformers, so that a plan knows the hash of every weight file, and a mistake is one
sentence, before anything heavy is loaded.
"""

from __future__ import annotations

import json
import os
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from testbed.core.errors import WeightsError
from testbed.core.hashing import sha256_of

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class CheckpointFolder:
    """A checkpoint that has what is needed.

    Attributes:
        path: Folder in the Hub's layout.
        config: Content of ``config.json``.
        files: Its weight files.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def model_type(self) -> str:
        """The family, as transformers names it."""
        return str(self.config.get("model_type", ""))

    @property
    def has_processor(self) -> bool:
        """Whether it says how pictures and words enter."""
        return any((self.path / file).is_file() for file in _PROCESSOR_FILES)

    def digests(self, prefix: str = "") -> dict[str, str]:
        """Return name to sha256 of every weight file and of the files that say how pictures and words enter."""
        beside = sorted(file for file in self.path.iterdir() if file.suffix in (".json", ".jinja", ".model"))
        return {f"{prefix}{file.name}": digest_of(file) for file in (*self.files, *beside)}

    def parameters(self) -> int:
        """Return the number of stored parameters, read from the files' headers."""
        return sum(_numbers(file) for file in self.files)


def inspect(name: str, base: Path | None = None) -> CheckpointFolder:
    """Find a checkpoint and check what can be checked without loading it.

    Args:
        name: Folder (absolute, or relative to `base`), or name on the Hub of one that was downloaded before.
        base: Folder that relative paths start from; None for the working directory.

    Raises:
        WeightsError: If there is none, or it cannot be used; the sentence says why.
    """
    folder = locate(name, base)
    config = _json(folder, "config.json")
    if config is None:
        raise WeightsError(
            f"checkpoint {name}: there is no config.json in {folder}",
            hint="name a folder that save_pretrained wrote, or the Hub's snapshot",
        )
    if "auto_map" in config:
        raise WeightsError(
            f"checkpoint {name} wants to run code of its own (auto_map in config.json), which is never done here",
            hint="serve it in an environment of its own and use kind: endpoint",
        )
    found = CheckpointFolder(folder, config, _weight_files(name, folder))
    if not found.has_processor:
        raise WeightsError(
            f"checkpoint {name} has no processor ({' or '.join(_PROCESSOR_FILES)} is missing)",
            hint="save it beside the model: processor.save_pretrained(FOLDER)",
        )
    return found


def inspect_adapter(name: str, base: Path | None = None) -> CheckpointFolder:
    """Find a peft adapter; raises `WeightsError` as `inspect` does."""
    folder = locate(name, base)
    config = _json(folder, "adapter_config.json")
    if config is None:
        raise WeightsError(f"adapter {name}: there is no adapter_config.json in {folder}", hint="name a peft adapter")
    return CheckpointFolder(folder, config, _weight_files(name, folder))


def locate(name: str, base: Path | None = None) -> Path:
    """Return the folder that a path or a Hub name stands for; raises `WeightsError` when there is none."""
    path = Path(name).expanduser()
    folder = path if path.is_absolute() or base is None else base / path
    if folder.is_dir():
        return folder
    if _HUB_NAME.fullmatch(name):
        snapshot = _downloaded(name)
        if snapshot is not None:
            return snapshot
        raise WeightsError(
            f"checkpoint {name}: no folder {folder}, and it was not downloaded to the Hub's cache {_cache()}",
            hint=f"the testbed downloads nothing; once, online: hf download {name}",
        )
    raise WeightsError(f"checkpoint {name}: there is no folder {folder}")


def _cache() -> Path:
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def _downloaded(name: str) -> Path | None:
    repository = _cache() / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def _json(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WeightsError(f"{folder / name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{folder / name} holds no JSON object")
    return content


def _weight_files(name: str, folder: Path) -> tuple[Path, ...]:
    files = tuple(sorted(folder.glob("*.safetensors")))
    if files:
        return files
    pickled = [file.name for pattern in _PICKLED for file in folder.glob(pattern)]
    if pickled:
        raise WeightsError(
            f"checkpoint {name} holds only pickled weights ({pickled[0]}), which can run code and are never loaded",
            hint="convert them: load once in a sandbox, then model.save_pretrained(FOLDER)",
        )
    raise WeightsError(f"checkpoint {name} holds no weights (*.safetensors) in {folder}")


def digest_of(file: Path) -> str:
    """Return a file's sha256; a downloaded weight file is a link to a blob that the Hub named by its sha256."""
    blob = file.resolve().name
    if file.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", blob):
        return blob
    status = file.stat()
    return _hashed(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=512)
def _hashed(path: str, size: int, mtime_ns: int) -> str:
    """Return the sha256 of a file, once per size and time of change: a large checkpoint takes a minute."""
    return sha256_of(Path(path))


def _numbers(file: Path) -> int:
    """Return how many numbers a safetensors file holds, from its header alone."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        shapes = [entry["shape"] for key, entry in header.items() if key != "__metadata__"]
    except (ValueError, struct.error, MemoryError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} is no safetensors file: {error}") from error
    total = 0
    for shape in shapes:
        count = 1
        for size in shape:
            count *= int(size)
        total += count
    return total

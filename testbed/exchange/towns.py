"""Which map is meant by the name of a town, or by the file of a road network, in somebody else's file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.core.errors import UsageError
from testbed.world.maps import RoadNetwork, available_maps, load_map


@dataclass(frozen=True, slots=True)
class Town:
    """A map that can be driven on.

    Attributes:
        said: What a scenario file says: an embedded map's name, or a path from its folder.
        network: Its roads.
    """

    said: str
    network: RoadNetwork


class Towns:
    """Finds maps.

    Args:
        files: OpenDRIVE files; each stands for the town of its name.
        out: Folder that scenario files are written to.

    Raises:
        UsageError: A file is not there.
    """

    def __init__(self, files: Sequence[Path] = (), out: Path = Path()) -> None:
        """Look for the files."""
        for path in files:
            if path.suffix != ".xodr" or not path.is_file():
                raise UsageError(f"--map {path}: there is no such .xodr file", hint="name an OpenDRIVE file")
        self._files = {path.stem: path for path in files}
        self._out = out
        self._known: dict[str, RoadNetwork] = {}

    def find(self, name: str, beside: Path) -> Town | None:
        """Return the map of a town's name or of a road network's file; None where there is none.

        Args:
            name: As the file has it.
            beside: Folder of that file.

        Raises:
            MapError: The map's file cannot be understood.
        """
        stem = name.replace("\\", "/").rpartition("/")[2].removesuffix(".xodr")
        given = self._files.get(stem)
        if given is None and name.endswith(".xodr") and "\0" not in name and (beside / name).is_file():
            given = beside / name
        if given is not None:
            said = os.path.relpath(given.resolve(), self._out.resolve())
            return Town(said, self._network(str(given)))
        return Town(stem, self._network(stem)) if stem in available_maps() else None

    def _network(self, name: str) -> RoadNetwork:
        """Return the roads of a map; each file is read once, as a file of routes may name it hundreds of times."""
        if name not in self._known:
            self._known[name] = load_map(name).network
        return self._known[name]

    @staticmethod
    def why_not(name: str) -> str:
        """Return what to tell where there is no map of a name."""
        stem = name.replace("\\", "/").rpartition("/")[2].removesuffix(".xodr")
        known = ", ".join(available_maps())
        return f"there is no map {name!r}: embedded are {known}; give its OpenDRIVE file with --map {stem}.xodr"

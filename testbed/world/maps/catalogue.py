"""The maps that come with the embedded server, by name, and OpenDRIVE files by path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from testbed.core.errors import MapError
from testbed.world.maps.network import RoadNetwork

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class MapBundle:
    """A map: its name, its OpenDRIVE text (what the client parses) and the network read from it."""

    name: str
    xodr: str
    network: RoadNetwork


def available_maps() -> list[str]:
    """Return the names of the maps that come with the server, sorted."""
    return sorted(path.stem for path in _DATA.glob("*.xodr"))


@cache
def _shipped(name: str) -> MapBundle:
    text = (_DATA / f"{name}.xodr").read_text(encoding="utf-8")
    return MapBundle(name, text, RoadNetwork.parse(text))


def load_map(name: str) -> MapBundle:
    """Return a map by name, in the forms CARLA clients use ("highway", "/Game/Carla/Maps/highway"), or by file path.

    Args:
        name: Name of a shipped map, or path of an `.xodr` file.

    Raises:
        MapError: There is no such map, or the file cannot be read as OpenDRIVE.
    """
    if name.endswith(".xodr"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MapError(f"cannot read the map file {path}: {error}") from None
        try:
            return MapBundle(path.stem, text, RoadNetwork.parse(text))
        except MapError as error:
            raise MapError(f"{path}: {error}") from None
    short = name.rsplit("/", 1)[-1]
    if short not in available_maps():
        raise MapError(
            f"there is no map '{name}'", hint=f"maps: {', '.join(available_maps())}, or a path to a .xodr file"
        )
    return _shipped(short)

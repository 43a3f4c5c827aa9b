"""Maps of the embedded server: OpenDRIVE reader, map catalogue, scenery."""

from __future__ import annotations

from testbed.world.maps.catalogue import MapBundle, available_maps, load_map
from testbed.world.maps.network import LanePoint, RoadNetwork
from testbed.world.maps.opendrive import Lane, LaneSection, MapObject, Road, Signal

__all__ = [
    "Lane",
    "LanePoint",
    "LaneSection",
    "MapBundle",
    "MapObject",
    "Road",
    "RoadNetwork",
    "Signal",
    "available_maps",
    "load_map",
]

"""Maps of the embedded server: OpenDRIVE reader, map catalogue, scenery."""

from __future__ import annotations

from testbed.server.maps.catalogue import MapBundle, available_maps, load_map
from testbed.server.maps.network import LanePoint, RoadNetwork
from testbed.server.maps.opendrive import Lane, LaneSection, MapObject, Road, Signal

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

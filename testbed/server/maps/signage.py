"""The traffic signs of a map: every static OpenDRIVE signal that has a plate is drawn where the file puts it."""

from __future__ import annotations

from testbed.server.maps.network import RoadNetwork
from testbed.server.maps.stage import Stage


def build_signs(network: RoadNetwork, stage: Stage) -> None:
    """Puts the signs on the stage."""

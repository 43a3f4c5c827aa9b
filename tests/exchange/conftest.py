"""How files are read here: with the maps and the blueprints that are here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.exchange import Imported, LeftOut, Towns, read_file
from testbed.scenario.schema import Scenario
from testbed.sweep.catalogue import blueprints
from testbed.sweep.places import check_places
from testbed.world.maps import RoadNetwork

Read = Callable[..., tuple[list[Imported], list[LeftOut]]]


@pytest.fixture
def read() -> Read:
    """Return a function that reads a file, with maps of one's own behind it."""

    known = blueprints()

    def check(scenario: Scenario, network: RoadNetwork) -> None:
        check_places(scenario, network, scenario.seeds.expand(), known)

    def carry_out(path: Path, *maps: Path) -> tuple[list[Imported], list[LeftOut]]:
        return read_file(path, Towns(maps, path.parent), check, known)

    return carry_out

"""The actions by which an OpenSCENARIO storyboard begins: places, speeds, environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.exchange.openscenario.story import speed_of
from testbed.exchange.reading import Reading
from testbed.world.maps.xml_reader import XmlElement


@dataclass(slots=True)
class Beginning:
    """What holds at time 0.

    Attributes:
        environment: ``<Environment>``; None where there is none.
        positions: ``<Position>`` by the road user's name.
        speeds: Speed and where it is stated by the road user's name.
    """

    environment: XmlElement | None = None
    positions: dict[str, XmlElement] = field(default_factory=dict)
    speeds: dict[str, tuple[float, XmlElement]] = field(default_factory=dict)


def read_beginning(reading: Reading, storyboard: XmlElement) -> Beginning:
    """Read the initial actions; what has no place in a scenario is noted."""
    found = Beginning()
    actions = reading.child(storyboard, "Init", "Actions")
    if actions is None:
        raise reading.error("<Storyboard> lacks <Init><Actions>", storyboard, "say there where the ego starts")
    for action in actions.all("GlobalAction"):
        environment = reading.child(action, "EnvironmentAction", "Environment")
        if environment is not None and found.environment is None:
            found.environment = environment
        else:
            reading.leave(action, "of global actions only the first environment is read")
    for private in actions.all("Private"):
        _private(reading, private, found)
    return found


def _private(reading: Reading, private: XmlElement, found: Beginning) -> None:
    name = private.string("entityRef")
    reading.use(private)
    for action in private.all("PrivateAction"):
        position = reading.child(action, "TeleportAction", "Position")
        if position is not None:
            found.positions[name] = position
            continue
        speed_mps = speed_of(reading, action)
        if speed_mps is not None:
            found.speeds[name] = speed_mps, action

"""One file of routes or one OpenSCENARIO file in, scenarios out; what cannot be driven is told, never passed over."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from testbed.core.errors import ScenarioError, UsageError
from testbed.exchange import routes_in
from testbed.exchange.imported import Check, Imported, LeftOut, first_mistake, one_line
from testbed.exchange.openscenario import read_openscenario
from testbed.exchange.reading import Reading
from testbed.exchange.towns import Towns

ROUTES = "routes"
"""Root element of routes of the CARLA Leaderboard."""


def is_routes(path: Path) -> bool:
    """Tell whether a file holds routes of the CARLA Leaderboard.

    Raises:
        ScenarioError: It cannot be read as XML.
    """
    return Reading(path).root.tag == ROUTES


def read_file(
    path: Path, towns: Towns, check: Check, blueprints: Collection[str]
) -> tuple[list[Imported], list[LeftOut]]:
    """Read a file.

    Args:
        path: Routes of the CARLA Leaderboard, or an OpenSCENARIO 1.x file: its root element says which.
        towns: Where maps are looked for.
        check: Says whether a scenario can be driven.
        blueprints: What can be spawned.

    Returns:
        The scenarios, and all that was left out, in the order of the file.

    Raises:
        ScenarioError: The file cannot be read, is of neither kind, or nothing of it can be driven.
    """
    reading = Reading(path)
    if reading.root.tag == "OpenSCENARIO":
        one = read_openscenario(reading, towns, check, blueprints)
        return [one], list(one.left_out)
    if reading.root.tag == ROUTES:
        return _routes(reading, towns, check)
    raise reading.error(
        f"<{reading.root.tag}> is neither <routes> of the CARLA Leaderboard nor <OpenSCENARIO>", reading.root
    )


def _routes(reading: Reading, towns: Towns, check: Check) -> tuple[list[Imported], list[LeftOut]]:
    imported: list[Imported] = []
    lines: dict[str, int] = {}
    for route, one in routes_in.read_routes(reading, towns):
        names = [f"route {key!r}" for key in [route.string("id").strip()] if key] + [f"scenario {one.name!r}"]
        twice = next((name for name in names if name in lines), None)
        if twice is not None:
            reading.leave(route, f"{one_line(twice)} stands in line {lines[twice]} already: give one another")
            continue
        try:
            check(one.scenario(), one.network)
        except ValidationError as error:
            reading.leave(route, first_mistake(error))
        except UsageError as error:
            reading.leave(route, str(error))
        else:
            imported.append(one)
            lines |= dict.fromkeys(names, route.line)
    left_out = reading.left_out(reasons=routes_in.REASONS)
    if not imported:
        why = next((f": line {one.line}, {one.element}: {one.reason}" for one in left_out), "")
        count = len(list(reading.root.all("route")))
        raise ScenarioError(f"none of its {count} routes can be driven{why}", path=reading.path)
    return imported, left_out

"""Routes and scenarios in other people's formats: CARLA Leaderboard routes in and out, OpenSCENARIO 1.x in.

Whatever of a file has no place in a scenario is listed with its element, line and reason: `Reading` finds it by what
was not read, so that nothing is passed over in silence.
"""

from __future__ import annotations

from testbed.exchange.imported import Imported, LeftOut
from testbed.exchange.reader import is_routes, read_file
from testbed.exchange.routes_out import export_routes
from testbed.exchange.towns import Towns

__all__ = ["Imported", "LeftOut", "Towns", "export_routes", "is_routes", "read_file"]

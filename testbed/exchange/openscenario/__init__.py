"""OpenSCENARIO 1.x: of a file, what a scenario can say; see ``docs/peers.md`` for what that is."""

from __future__ import annotations

from testbed.exchange.openscenario.scenario import REASONS, read_openscenario

__all__ = ["REASONS", "read_openscenario"]

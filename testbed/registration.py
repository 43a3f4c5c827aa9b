"""Gymnasium ids of the shipped environments."""

from __future__ import annotations

import gymnasium

ENVIRONMENTS: dict[str, str] = {"testbed/DrpHighway-v1": "drp_highway"}
"""Environment id to the scenario it drives. The version rises whenever results would change."""


def register() -> None:
    """Register every shipped environment id; harmless when called again."""
    for name, scenario in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point="testbed.env:ScenarioEnv", kwargs={"scenario": scenario})

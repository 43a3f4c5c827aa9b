"""Gymnasium ids of the shipped environments."""

from __future__ import annotations

ENVIRONMENTS: dict[str, str] = {
    "testbed/DrpHighway-v1": "drp_highway",
    "testbed/DrpLocalRoad-v1": "drp_local_road",
    "testbed/ShadowSpeedLimit-v1": "shadow_speed_limit",
    "testbed/ShadowStopSign-v1": "shadow_stop_sign",
    "testbed/ShadowNoEntry-v1": "shadow_no_entry",
    "testbed/RaucaLeadVehicle-v1": "rauca_lead_vehicle",
    "testbed/RaucaParked-v1": "rauca_parked",
    "testbed/RaucaBroadside-v1": "rauca_broadside",
    "testbed/CombinedTown-v1": "combined_town",
    "testbed/TourHighway-v1": "tour_highway",
    "testbed/TourTown-v1": "tour_town",
    "testbed/TourRural-v1": "tour_rural",
}
"""Environment id to the scenario it drives. The version rises whenever results would change."""


def register() -> None:
    """Register every shipped environment id; harmless when called again."""
    # not at the top: `testbed` registers as soon as gymnasium is imported, which may be by importing this module
    import gymnasium

    for name, scenario in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point="testbed.env:ScenarioEnv", kwargs={"scenario": scenario})

"""Procedural assets of the embedded server: vehicles, walkers, signs, props."""

from __future__ import annotations

from testbed.world.assets.asset import Asset
from testbed.world.assets.props import occluder_asset, prop_asset, traffic_light_asset
from testbed.world.assets.sign_assets import gtsrb_class_of, sign_asset, sign_asset_for
from testbed.world.assets.vehicle_assets import vehicle_asset
from testbed.world.assets.walkers import walker_asset

__all__ = [
    "Asset",
    "gtsrb_class_of",
    "occluder_asset",
    "prop_asset",
    "sign_asset",
    "sign_asset_for",
    "traffic_light_asset",
    "vehicle_asset",
    "walker_asset",
]

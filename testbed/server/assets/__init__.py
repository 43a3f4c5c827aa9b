"""Procedural assets of the embedded server: vehicles, walkers, signs, props."""

from __future__ import annotations

from testbed.server.assets.asset import Asset
from testbed.server.assets.props import occluder_asset, prop_asset, traffic_light_asset
from testbed.server.assets.signs import gtsrb_class_of, sign_asset, sign_asset_for
from testbed.server.assets.vehicles import vehicle_asset
from testbed.server.assets.walkers import walker_asset

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

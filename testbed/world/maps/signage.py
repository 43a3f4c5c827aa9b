"""The traffic signs of a map: every static OpenDRIVE signal that has a face is drawn where the file puts it."""

from __future__ import annotations

from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.sign_assets import PLATE_BOTTOM_M, sign_asset_for
from testbed.world.maps.network import RoadNetwork
from testbed.world.maps.scenery_builder import SceneryBuilder, upright


def build_signs(network: RoadNetwork, builder: SceneryBuilder) -> None:
    """Put the signs into the scenery, named "sign_" and the signal's id."""
    for signal in network.signals():
        if signal.dynamic:
            continue
        size = signal.height_m if 0.2 <= signal.height_m <= 3.0 else 0.75
        ground = network.road(signal.road_id).elevation.at(signal.s_m)
        x, y, z, _, yaw, _ = signal.pose
        bottom = z - ground if 0.5 < z - ground < 8.0 else PLATE_BOTTOM_M
        asset = sign_asset_for(signal.type, signal.value, signal.subtype, size_m=size, bottom_m=bottom)
        if asset is None:
            continue
        pose = (x, y, ground, 0.0, yaw, 0.0)
        item = builder.add_asset(f"sign_{signal.id}", asset, pose, tag=SemanticTag.TRAFFIC_SIGNS, signal_id=signal.id)
        builder.make_solid(item, upright(pose, 0.12, 0.12, bottom + size))

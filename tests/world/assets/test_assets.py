"""Assets: sizes, charts, mapping of sign numbers; pictures are told apart by simple measures of their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.core.gtsrb import SIGN_NAMES
from testbed.world.assets import (
    Asset,
    gtsrb_class_of,
    occluder_asset,
    prop_asset,
    sign_asset,
    sign_asset_for,
    traffic_light_asset,
    vehicle_asset,
    walker_asset,
)
from testbed.world.assets.car_body import ATLAS_PX, CHARTS
from testbed.world.assets.sign_faces import face
from testbed.world.assets.vehicle_assets import DEFAULT_EXTENTS_M
from testbed.world.render.scene import Scene


def sound(asset: Asset) -> None:
    for part in asset.parts:
        assert np.isfinite(part.vertices_m).all() and np.isfinite(part.uv).all()
        assert np.abs(np.linalg.norm(part.normals, axis=1) - 1.0).max() < 1e-3
        assert part.material in asset.materials
    for material in asset.materials.values():
        assert material.texture is None or material.texture in asset.textures
    scene = Scene()
    asset.place(scene, "a", (0, 0, 0, 0, 0, 0), tag=14)
    asset.place(scene, "b", (5, 0, 0, 0, 0, 0), tag=14)
    assert len(scene.objects) == 2


@pytest.mark.parametrize("type_id", sorted(DEFAULT_EXTENTS_M))
def test_vehicles_fill_their_boxes_and_stand_on_the_ground(type_id: str) -> None:
    extent = DEFAULT_EXTENTS_M[type_id]
    asset = vehicle_asset(type_id, (200, 20, 20))
    sound(asset)
    low, high = asset.bounds_m()
    assert high[0] == pytest.approx(extent[0], abs=0.05) and low[0] == pytest.approx(-extent[0], abs=0.05)
    assert -0.01 < low[2] < 0.02
    if "bh." not in type_id and "kawasaki" not in type_id:
        assert high[1] == pytest.approx(extent[1], abs=0.05)
        assert high[2] == pytest.approx(2 * extent[2], abs=0.12)
        assert asset.triangles < 4500
    assert vehicle_asset(type_id, (200, 20, 20)) is asset


def test_paint_stays_within_its_charts_and_no_triangle_bridges_two() -> None:
    asset = vehicle_asset("vehicle.lincoln.mkz_2020", (30, 60, 120))
    skin = asset.parts[0]
    pixels = skin.uv[skin.triangles] * ATLAS_PX
    inside = [
        ((pixels >= (left - 0.01, top - 0.01)) & (pixels <= (right + 0.01, bottom + 0.01))).all(axis=(1, 2))
        for left, top, right, bottom in CHARTS.values()
    ]
    assert (np.sum(inside, axis=0) == 1).all()
    texture = asset.textures[skin.material]
    assert texture.shape == (ATLAS_PX, ATLAS_PX, 3) and texture.dtype == np.float32


def test_the_rear_chart_is_the_view_from_behind() -> None:
    skin = vehicle_asset("vehicle.lincoln.mkz_2020").parts[0]
    left, top, right, bottom = CHARTS["rear"]
    u, v = (skin.uv * ATLAS_PX).T
    rear = (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
    assert np.corrcoef(u[rear], skin.vertices_m[rear, 1])[0, 1] > 0.999
    assert np.corrcoef(v[rear], skin.vertices_m[rear, 2])[0, 1] < -0.999


def test_every_class_has_a_face_of_its_own() -> None:
    assert len(SIGN_NAMES) == 43
    small = [np.asarray(face(number).resize((32, 32)), np.float64) for number in range(43)]
    for a in range(43):
        for b in range(a):
            assert np.abs(small[a] - small[b]).mean() > 1.5, (SIGN_NAMES[a], SIGN_NAMES[b])
    with pytest.raises(KeyError):
        face(43)


def test_signs_face_backwards_at_their_height() -> None:
    for number in (1, 12, 13, 14, 18):
        asset = sign_asset(number, size_m=0.9)
        sound(asset)
        plate = asset.parts[0]
        assert np.allclose(plate.normals, (-1, 0, 0))
        assert plate.vertices_m[:, 1].max() == pytest.approx(0.45, abs=0.03)
        assert plate.vertices_m[:, 2].min() >= 2.2 - 1e-6
        right_edge = plate.uv[plate.vertices_m[:, 1].argmax()]
        top_edge = plate.uv[plate.vertices_m[:, 2].argmax()]
        assert right_edge[0] > 0.9 and top_edge[1] < 0.15
    for size in (0.0, float("nan"), 100.0):
        with pytest.raises(ValueError):
            sign_asset(1, size_m=size)


@pytest.mark.parametrize(
    ("type_", "value", "subtype", "expected"),
    [
        ("274", 100.0, "100", 7),
        ("274", None, "60", 3),
        ("274-30", None, "", 1),
        ("274", 90.0, "90", None),
        ("206", None, "-1", 14),
        ("205", None, "-1", 13),
        ("267", None, "", 17),
        ("276", None, "", 9),
        ("103", None, "10", 19),
        ("103-20", None, "", 20),
        ("282", None, "", 32),
        ("278", 80.0, "", 6),
        ("209", None, "30", 35),
        ("1000001", None, "", None),
    ],
)
def test_map_signals_find_their_class(type_: str, value: float | None, subtype: str, expected: int | None) -> None:
    assert gtsrb_class_of(type_, value, subtype) == expected


def test_limits_outside_the_benchmark_are_drawn_too() -> None:
    ninety = sign_asset_for("274", 90.0, "90")
    assert ninety is not None and "sign_limit_90" in ninety.textures
    assert sign_asset_for("999", None) is None


def test_walkers_props_lights_and_panels() -> None:
    for asset in (
        walker_asset("walker.pedestrian.0001"),
        walker_asset("walker.pedestrian.0009", stride=-0.5),
        *(prop_asset(f"static.prop.{name}") for name in ("trafficcone01", "streetbarrier", "warningconstruction", "x")),
        occluder_asset(0.2, 1.0, 1.5),
        *(traffic_light_asset(state) for state in ("red", "yellow", "green", "off")),
    ):
        sound(asset)
        assert asset.bounds_m()[0][2] > -0.02
    assert 1.6 < walker_asset("walker.pedestrian.0001").bounds_m()[1][2] < 1.95
    low, high = occluder_asset(0.2, 1.0, 1.5).bounds_m()
    assert np.allclose(high - low, (0.2, 1.0, 1.5))
    with pytest.raises(ValueError):
        occluder_asset(0.0, 1.0, 1.0)

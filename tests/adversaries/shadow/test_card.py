"""The card in the sunlight: its shadow falls as the polygon says, it is seen edge-on, and the sun's drift moves it."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.adversaries.shadow.polygon import cover
from testbed.core.projection import rotation
from testbed.core.types import Pose, Shade
from testbed.core.weather import WeatherParameters
from testbed.world.assets.occluder import occluder_for, plate_points, sun_after, sun_vector
from testbed.world.assets.shadow_card import card_asset, card_corners, triangles_of
from testbed.world.assets.sign_assets import PLATE_BOTTOM_M, sign_asset
from testbed.world.render.camera import PinholeCamera
from testbed.world.render.renderer import Renderer
from testbed.world.render.scene import Scene

SIZE_M = 0.75
SIDE_PX = 120
AWAY_M = 3.0
PLATE: Pose = (30.0, 2.6, PLATE_BOTTOM_M + SIZE_M / 2.0, 0.0, 0.0, 0.0)
POLYGON = np.array([[0.3, 0.25], [0.8, 0.4], [0.4, 0.75]])
EYE_M = np.array([5.0, 0.0, 1.45])
SKIES = [(15.0, 180.0, 0.0), (35.0, 150.0, 5.0), (45.0, 215.0, 15.0), (60.0, 175.0, 5.0)]


class Yard:
    """A white sign on its own."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.renderer = Renderer(self.scene)
        ground: Pose = (PLATE[0], PLATE[1], 0.0, 0.0, 0.0, 0.0)
        sign_asset(1, size_m=SIZE_M).place(self.scene, "sign", ground, tag=8)
        self.scene.set_object_texture("sign", np.full((4, 4, 3), 0.8, np.float32))
        self.close = PinholeCamera(
            SIDE_PX,
            SIDE_PX,
            float(np.degrees(2.0 * np.arctan(0.5 * SIZE_M / AWAY_M))),
            (PLATE[0] - AWAY_M - 0.015, PLATE[1], PLATE[2], 0.0, 0.0, 0.0),
        )

    def linear(self, polygon: np.ndarray | None, sky: tuple[float, float, float], hung: tuple[float, float]):
        """Return the plate's picture (120, 120) under a sky, with the card hung for the sun's (altitude, azimuth)."""
        self.scene.set_weather(
            WeatherParameters(cloudiness=sky[2], sun_altitude_angle=sky[0], sun_azimuth_angle=sky[1])
        )
        handle = None
        if polygon is not None:
            card = occluder_for(Shade("s", polygon), PLATE, SIZE_M, sun_vector(*hung), eye_m=EYE_M)
            assert card is not None
            asset = card_asset(card_corners(card.blueprint_attributes["polygon"]))
            handle = asset.place(self.scene, "card", card.pose, tag=20, instance_id=7)
        frame = self.renderer.render(self.close, want=frozenset({"linear"}))
        assert frame.linear is not None
        if handle is not None:
            self.scene.remove(handle)
        return frame.linear.mean(axis=2)

    def shade(self, polygon: np.ndarray, sky: tuple[float, float, float], hung: tuple[float, float] | None = None):
        """Return which share of the sun a card takes from each pixel of the plate, and what the shadow leaves."""
        at = hung or sky[:2]
        everything = np.array([[-1.0, -1.0], [2.0, -1.0], [2.0, 2.0], [-1.0, 2.0]])
        lit, dark = self.linear(None, sky, at), self.linear(everything, sky, sky[:2])
        part = (lit - self.linear(polygon, sky, at)) / np.maximum(lit - dark, 1e-6)
        inside = np.hypot(*(_grid() - 0.5).T).reshape(SIDE_PX, SIDE_PX) < 0.47
        return np.where(inside, part, 0.0), float(dark[inside].mean() / lit[inside].mean())


def _grid() -> np.ndarray:
    x, y = np.meshgrid((np.arange(SIDE_PX) + 0.5) / SIDE_PX, (np.arange(SIDE_PX) + 0.5) / SIDE_PX)
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)


def _wanted(polygon: np.ndarray) -> np.ndarray:
    return cover(np.asarray(polygon, np.float32)[None], _grid(), 1e-5)[0].reshape(SIDE_PX, SIDE_PX)


def _middle(shares: np.ndarray) -> np.ndarray:
    return (shares.reshape(-1, 1) * _grid()).sum(axis=0) / shares.sum()


@pytest.fixture(scope="module")
def yard() -> Yard:
    return Yard()


@pytest.mark.parametrize("sky", SKIES)
def test_the_shadow_falls_where_the_polygon_says(yard: Yard, sky: tuple[float, float, float]) -> None:
    shares, left = yard.shade(POLYGON, sky)
    wanted = _wanted(POLYGON)
    assert shares.sum() == pytest.approx(wanted.sum(), rel=0.05)
    # 0.02 of the plate is two thirds of a pixel where the agent reads the sign from nearest (35 px).
    assert np.abs(_middle(shares) - _middle(wanted)).max() < 0.02
    if sky[2] <= 5.0:
        both, either = (shares > 0.5) & (wanted > 0.5), (shares > 0.5) | (wanted > 0.5)
        assert both.sum() / either.sum() > 0.8
    assert 0.1 < left < 0.6, "the sky's light remains"


@pytest.mark.parametrize("sky", SKIES)
def test_the_driver_sees_the_card_edge_on(yard: Yard, sky: tuple[float, float, float]) -> None:
    card = occluder_for(Shade("s", POLYGON), PLATE, SIZE_M, sun_vector(*sky[:2]), eye_m=EYE_M)
    assert card is not None
    corners = card.world_m()
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal /= np.linalg.norm(normal)
    for before_m in (20.0, 12.0, 6.0):
        ray = corners.mean(axis=0) - np.array([PLATE[0] - before_m, EYE_M[1], EYE_M[2]])
        # A tenth: six degrees, where the sun stands so that a card seen quite edge-on would be far too long.
        assert abs(float(normal @ ray)) / np.linalg.norm(ray) < 0.10
    off_plate = (corners - np.array(PLATE[:3])) @ rotation(PLATE)[:, 0]
    assert off_plate.max() < -0.02, "it hangs before the plate"


def test_the_suns_drift_moves_the_shadow_as_geometry_says(yard: Yard) -> None:
    hung = (35.0, 160.0)
    card = occluder_for(Shade("s", POLYGON), PLATE, SIZE_M, sun_vector(*hung), eye_m=EYE_M)
    assert card is not None
    for minutes in (0.0, 4.0, -4.0):
        altitude, azimuth = sun_after(*hung, minutes)
        sun = sun_vector(altitude, azimuth)
        corners = card.world_m()
        face = plate_points(PLATE, SIZE_M, np.array([[0.5, 0.5]]))[0]
        along = (corners - face)[:, 0] / sun[0]
        landed = (corners - along[:, None] * sun - face)[:, 1:]
        moved = np.column_stack((landed[:, 0], -landed[:, 1])) / SIZE_M + 0.5
        shares, _ = yard.shade(POLYGON, (altitude, azimuth, 0.0), hung)
        assert np.abs(_middle(shares) - _middle(_wanted(moved))).max() < 0.02
        shift = float(np.abs(moved - POLYGON).max())
        assert shift < 1e-6 if minutes == 0.0 else 0.02 < shift < 0.3


def test_the_sun_moves_a_quarter_of_a_degree_a_minute_and_clockwise() -> None:
    before = sun_vector(40.0, 90.0)
    after = sun_after(40.0, 90.0, 4.0)
    turned = np.degrees(np.arccos(before @ sun_vector(*after)))
    assert 0.6 < turned <= 1.0 + 1e-9
    assert after[1] > 90.0 and after[0] == pytest.approx(40.0, abs=0.02), "south is where it is highest"
    back = sun_after(*after, -4.0)
    assert back == pytest.approx((40.0, 90.0), abs=1e-9)
    assert sun_after(30.0, 20.0, 240.0)[0] > 30.0 > sun_after(30.0, 170.0, 60.0)[0], "up in the east, down in the west"


def test_no_card_where_the_sun_does_not_light_the_plate() -> None:
    for altitude, azimuth in ((30.0, 0.0), (30.0, 92.0), (-3.0, 180.0), (88.0, 180.0)):
        assert occluder_for(Shade("s", POLYGON), PLATE, SIZE_M, sun_vector(altitude, azimuth)) is None


def test_cards_of_any_simple_shape_and_no_others() -> None:
    arrow = np.array([[0.0, 0.0], [1.0, 0.4], [2.0, 0.0], [1.0, 2.0]])
    triangles = arrow[triangles_of(arrow)]
    sides = triangles[:, 1:] - triangles[:, :1]
    areas = 0.5 * np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    assert areas.sum() == pytest.approx(1.6)
    for text in ("0,0;1,1", "0,0;1,1;nan,2", "0,0;1;2,2", "", "0,0;1,0;0,1000"):
        with pytest.raises(ValueError, match="polygon"):
            card_corners(text)

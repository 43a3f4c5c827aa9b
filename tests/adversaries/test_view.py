"""The optimiser's pictures against the engine's, and their gradients against differences."""

import math

import numpy as np
import pytest
import torch

from testbed.adversaries.road_patch.shape import PatchShape, dirt
from testbed.adversaries.road_patch.texel_matrix import product, pyramid_matrix
from testbed.world.render.rerender import pyramid


def test_the_pyramid_matrix_is_the_renderers_pyramid():
    texture = torch.rand(1, 13, 6)
    expected = torch.cat([level.flatten() for level in pyramid(texture)])
    assert torch.allclose(product(pyramid_matrix(13, 6), texture.flatten()), expected, atol=1e-6)


def test_the_product_has_the_gradient_of_a_product():
    matrix = pyramid_matrix(5, 4)
    vector = torch.rand(20, requires_grad=True)
    (product(matrix, vector) ** 2).sum().backward()
    dense = torch.from_numpy(matrix.toarray())
    assert torch.allclose(vector.grad, 2 * dense.T @ (dense @ vector.detach()), atol=1e-5)


@pytest.fixture(scope="module")
def world():
    from testbed.adversaries.road_patch.world import RoadWorld
    from testbed.scenario.schema import PatchPlace, Scenario

    scenario = Scenario.model_validate(
        {
            "name": "drp_highway",
            "question": "Is it the same picture?",
            "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}},
            "actors": [{"id": "lead", "ahead_m": 45, "speed_mps": 25}],
            "signs": [{"id": "limit", "gtsrb_class": 7, "ahead_m": 30}],
        }
    )
    return RoadWorld(scenario, PatchPlace(ahead_m=55.0), PatchShape(), latency_s=0.05)


@pytest.mark.parametrize("place", [(25.0, 0.1, 0.01), (50.0, -0.3, -0.02), (70.0, 0.0, 0.0)])
def test_a_patch_looks_as_the_engine_draws_it(world, place):
    shape = PatchShape()
    world.situation(11)
    texels = dirt(shape, 1)
    view = world.view(*place, place[0] / 25.0)
    rgba = np.zeros((*shape.texels, 4), np.float32)
    rgba[..., :3] = texels[..., None]
    world.scene.set_object_texture(world.NAME, rgba)
    drawn = world.renderer.render(world.camera(*place)).rgb
    world.scene.set_object_texture(world.NAME, np.zeros_like(rgba))
    mine = view.image(torch.from_numpy(texels)).permute(1, 2, 0).numpy() * 255.0
    assert len(view.rows) > 50
    assert np.abs(mine - drawn).max() < 1.5  # of 255: the engine rounds through a table


def test_the_car_leans_with_the_slope_as_the_servers_does():
    from testbed.adversaries.road_patch import place_of
    from testbed.adversaries.road_patch.world import RoadWorld
    from testbed.scenario.loader import load_scenario
    from testbed.world.maps import load_map

    scenario = load_scenario("drp_local_road").content
    hills = RoadWorld(scenario, place_of(scenario), PatchShape(), latency_s=0.05)
    hills.situation(11)
    start = hills.concrete.ego
    for s_m in (5.0, 45.0, 90.0):
        road = load_map(scenario.map).network.lane_centre(start.road, start.lane, start.s_m + s_m)
        assert road[3] < -0.5
        assert hills.ego_pose(s_m, 0.0, 0.0)[3] == pytest.approx(road[3], abs=0.1)


def test_gradients_through_the_picture_agree_with_differences(world):
    shape = PatchShape()
    world.situation(12)
    view = world.view(48.0, 0.0, 0.0, 1.9)
    weight = torch.rand(3, 160, 320, generator=torch.Generator().manual_seed(0))
    texels = torch.from_numpy(dirt(shape, 2)).requires_grad_(True)
    (view.image(texels) * weight).sum().backward()
    direction = torch.rand(shape.texels, generator=torch.Generator().manual_seed(1)) * (texels.detach() > 0)
    step = 1e-3
    with torch.no_grad():
        ahead, behind = ((view.image(texels + sign * step * direction).double() * weight).sum() for sign in (1, -1))
    expected = float(ahead - behind) / (2 * step)
    assert float((texels.grad * direction).sum()) == pytest.approx(expected, rel=2e-3)


def test_the_patch_lies_where_the_scenario_puts_it(world):
    situation = world.situation(13)
    assert (situation.near_m, situation.far_m) == (55.0, 91.0)
    assert situation.threshold_m == pytest.approx(0.736)
    # a flat patch 10 m ahead of the bonnet is seen from its near row on: level ground at 10 m from the camera
    view = world.view(situation.near_m - 10.6, 0.0, 0.0, 1.7)
    below = math.atan2(1.45, 10.0) - math.radians(2.0)
    assert abs(int(view.rows.max()) - (80 + 208.5 * math.tan(below))) < 2.0

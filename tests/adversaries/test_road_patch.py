"""The optimiser on a toy lane keeper: a picture of nine columns, a model that likes brightness on one side."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from testbed.adversaries.road_patch import names_of, optimise, place_of, sides_of
from testbed.adversaries.road_patch.baselines import best_line, drawn_line, single_frame
from testbed.adversaries.road_patch.cells import StainCells
from testbed.adversaries.road_patch.drive import LAG_S, DriveSituation, VehicleMotion, drive, steering_sign
from testbed.adversaries.road_patch.search import PatchSearchSettings, first_seed, search_patch
from testbed.adversaries.road_patch.shape import PatchShape, dirt, grain
from testbed.core.errors import UsageError
from testbed.scenario.schema import Scenario

SHAPE = PatchShape(rows=24, columns=9, texels_per_cell=1, blur_cells=(1.0, 0.6))


@dataclass(frozen=True)
class ToyView:
    """One row of pixels that shows the patch, and a last pixel that carries the true preview offset."""

    true_offset_m: float
    gain: float

    def image(self, texels):
        bright = 0.3 + self.gain * texels.mean(0)
        return torch.cat([bright, bright.new_tensor([self.true_offset_m / 10 + 0.5])])[None, None].expand(3, 1, -1)


class ToyWorld:
    def situation(self, seed):
        rng = np.random.default_rng(seed)
        return DriveSituation(seed, 25.0, float(rng.normal(0, 0.05)), 0.0, near_m=55.0, far_m=91.0)

    def view(self, s_m, lateral_offset_m, heading_rad, t_s):
        return ToyView(-lateral_offset_m - 25.0 * heading_rad, 1.0 if 25.0 < s_m < 91.0 else 0.0)

    def curvature_1pm(self, s_m):
        return 0.0


def toy_model(pictures):
    row = pictures[:, 0, 0]
    return (row[:, -1] - 0.5) * 10 + 12.0 * (row[:, :4].mean(1) - row[:, 5:9].mean(1))


def test_the_toy_keeps_its_lane_on_a_clean_road():
    clean = torch.zeros(SHAPE.texels)

    def watch(view):
        return float(toy_model(view.image(clean)[None])[0])

    done = drive(ToyWorld(), 3, watch)
    assert max(map(abs, done.lateral_offsets_m)) < 0.3 and not done.left_lane(1) and not done.left_lane(-1)


@pytest.mark.parametrize("side", [1, -1])
def test_the_search_lowers_its_loss_and_moves_the_toy_out_of_its_lane(side):
    settings = PatchSearchSettings(rounds=5, epochs_per_round=25, drives_per_round=2, forced_per_round=1)
    found = search_patch(ToyWorld(), toy_model, side, SHAPE, seed=1, settings=settings)
    view = ToyView(0.0, 1.0)
    clean, dirty = (
        float(toy_model(view.image(texels)[None])[0]) for texels in (torch.zeros(SHAPE.texels), found.texels)
    )
    assert side * clean < 0.1 and side * dirty > 0.4
    assert found.curve[0].success == 0.0 and max(point.success for point in found.curve) == 1.0
    halves = found.texels[:, :4].sum(), found.texels[:, 5:].sum()
    assert side * (halves[0] - halves[1]) > 0


def test_the_same_seed_finds_the_same_patch():
    settings = PatchSearchSettings(rounds=2, epochs_per_round=5, drives_per_round=1, forced_per_round=1)
    first, second = (search_patch(ToyWorld(), toy_model, 1, SHAPE, seed=4, settings=settings).texels for _ in range(2))
    assert torch.equal(first, second)
    assert first_seed(0) >= 1_000_000


def test_a_drawn_line_runs_where_it_should_within_the_budget():
    shape = PatchShape.for_lane(3.25)
    line = drawn_line(shape, near_m=0.0, far_m=1.2)
    assert line.shape == shape.texels and line.max() == pytest.approx(shape.max_added_albedo)
    assert (line > 0).mean() < 0.1
    columns = (np.arange(shape.texels[1]) + 0.5) * shape.width_m / shape.texels[1]
    lateral_offset_m = shape.width_m / 2 - (line * columns).sum(1) / line.sum(1)
    assert lateral_offset_m[-1] == pytest.approx(0.0, abs=0.01) and lateral_offset_m[0] == pytest.approx(1.2, abs=0.01)
    assert line.sum(1) / shape.max_added_albedo * shape.width_m / shape.texels[1] == pytest.approx(0.3, abs=1e-3)


def test_the_best_line_lies_on_the_side_that_the_model_likes():
    line = best_line(ToyWorld(), toy_model, 1, SHAPE, seed=0, drives=1)
    assert line.far_m > line.near_m and line.near_m + line.far_m > 0 and line.deviation_m > 0.05


def test_a_single_frame_is_enough_to_please_the_toy_and_repeats():
    settings = PatchSearchSettings(rounds=3, epochs_per_round=20)
    first, second = (single_frame(ToyWorld(), toy_model, -1, SHAPE, seed=2, settings=settings) for _ in range(2))
    assert torch.equal(first.texels, second.texels) and first.epochs == 60
    assert first.texels[:, 5:].sum() > 2 * first.texels[:, :4].sum()
    assert (first.texels > 0).float().mean() <= SHAPE.perturbable_share


def test_a_patch_leaves_the_lines_of_its_own_lane_alone():
    shape = PatchShape.for_lane(3.0, length_m=12.0, width_m=4.2)
    assert (shape.rows, shape.columns) == (100, 35) and shape.lines_m == (-1.5, 1.5)
    bare = grain(shape).sum(0) == 0
    at_m = (np.arange(shape.texels[1]) + 0.5) * shape.width_m / shape.texels[1] - shape.width_m / 2
    assert bare[np.abs(np.abs(at_m) - 1.5) < 0.15].all() and not bare[np.abs(at_m) < 1.2].any()
    with pytest.raises(UsageError, match="too small"):
        PatchShape.for_lane(3.0, length_m=0.5)


def test_random_dirt_has_the_values_of_the_attack_in_other_places():
    attack = dirt(PatchShape(), 9)
    control = dirt(PatchShape(), 5, attack)
    assert np.array_equal(np.sort(control, None), np.sort(attack, None))
    assert abs(np.corrcoef(control.ravel(), attack.ravel())[0, 1]) < 0.4
    with pytest.raises(ValueError, match="4 values"):
        dirt(SHAPE, 5, np.zeros(4, np.float32))


def test_the_budget_holds_whatever_the_parameters():
    shape = PatchShape(rows=60, columns=20)
    for seed, scale in ((0, 0.1), (1, 1.0), (2, 30.0)):
        cells = StainCells(shape, torch.randn(60, 20, generator=torch.Generator().manual_seed(seed)) * scale)
        painted = cells.painted()
        assert painted.min() >= 0.0 and painted.max() <= shape.max_added_albedo + 1e-6
        assert (painted > 0).float().mean() <= shape.perturbable_share
        cells.texels().sum().backward()
        assert torch.isfinite(cells.z.grad).all() and cells.z.grad.abs().sum() > 0
    free = dirt(shape, 3)
    assert (free > 0).mean() <= shape.perturbable_share and free.max() <= shape.max_added_albedo + 1e-6


def test_grain_fades_out_at_the_edges():
    pattern = grain(PatchShape())
    assert pattern.max() <= 1.0 and pattern[0].max() < 0.2 and pattern[:, 0].max() < 0.4 < pattern[300, 45]


def test_the_bicycle_turns_a_class_into_the_lateral_acceleration_it_asks_for():
    motion = VehicleMotion(0.0, 0.0, 0.0)
    for _ in range(40):
        motion = motion.advance(1.8, 25.0, 0.0)
    # constant acceleration after the lag: l = a / 2 (t - lag)^2, heading = a (t - lag) / v
    assert motion.lateral_offset_m == pytest.approx(0.9 * (2.0 - LAG_S) ** 2, rel=0.03)
    assert motion.heading_rad == pytest.approx(1.8 * (2.0 - LAG_S) / 25.0, rel=0.03)
    assert [steering_sign(offset) for offset in (0.2, 0.1, -0.1, -0.2)] == [1, 0, 0, -1]


def test_a_curve_needs_its_own_acceleration():
    motion = VehicleMotion(0.0, 0.0, 0.0, 25.0**2 / 600.0)
    for _ in range(40):
        motion = motion.advance(25.0**2 / 600.0, 25.0, 1.0 / 600.0)
    assert abs(motion.lateral_offset_m) < 1e-3


def test_names_sides_and_places():
    assert names_of("drp_highway", "left") == ("drp_highway_left", "dirt_highway_a")
    assert names_of("drp_local_road", "right") == ("drp_local_right", "dirt_local_b")
    assert sides_of("both") == ("left", "right")
    with pytest.raises(UsageError, match="up"):
        sides_of("up")
    empty = Scenario.model_validate(
        {"name": "x", "question": "nothing?", "ego": {"spawn": {"road": 1, "lane": -2, "s_m": 60}}}
    )
    with pytest.raises(UsageError, match="no adversary"):
        place_of(empty)
    with pytest.raises(UsageError, match="method 'magic'"):
        optimise(empty, method="magic")

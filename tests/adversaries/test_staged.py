"""A staged scene against an episode on the real server: the same camera, on a slope too, and the map's signs once."""

from __future__ import annotations

import math

import pytest

from testbed.adversaries.scenario_scene import ScenarioScene
from testbed.adversaries.shadow.approach import SignApproach
from testbed.client import Session, connect
from testbed.client.transforms import to_pose
from testbed.core.records import EpisodePlan
from testbed.core.types import Command
from testbed.scenario.concrete import concretise
from testbed.scenario.schema import Scenario


def _scenario(**changes: object) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "shadow_hills",
            "question": "Is it the same camera?",
            "map": "rural",
            "ego": {"spawn": {"road": 2, "lane": -1, "s_m": 1376}, "speed_mps": 15},
            "signs": [{"id": "limit", "gtsrb_class": 5, "ahead_m": 60}],
            "duration_s": 2,
            **changes,
        }
    )


def test_on_a_slope_the_camera_is_an_episodes_camera() -> None:
    scenario, seed = _scenario(), 4
    staged = SignApproach(scenario, "limit")
    staged.stage(seed)
    with connect(map_name="rural") as connection:
        session = Session(connection)
        session.begin(concretise(EpisodePlan(scenario=scenario.name, scene=scenario.dump(), agent="", seed=seed)))
        for _ in range(10):
            session.step(Command(0.0, 0.0))
        episode = session._episode
        assert episode is not None
        ego, seen = to_pose(episode.ego.get_transform()), to_pose(episode.camera.get_transform())
        session.end()
    assert ego[3] < -0.5, "the road slopes here"
    s_m, lateral_offset_m = staged.path.locate(ego[0], ego[1])
    heading_rad = staged.path.yaw_rad(s_m) - math.radians(ego[4])
    mine = staged.camera(s_m, lateral_offset_m, heading_rad).pose
    assert mine[:3] == pytest.approx(seen[:3], abs=0.03)
    assert mine[3:] == pytest.approx(seen[3:], abs=0.1)


def test_the_maps_own_sign_is_not_put_up_again() -> None:
    on_map = {"id": "stop", "gtsrb_class": 14, "ahead_m": 46, "lateral_m": -2.6, "on_map": True}
    put_up = {"id": "limit", "gtsrb_class": 5, "ahead_m": 20}
    spawn = {"spawn": {"road": 14, "lane": -1, "s_m": 38}}
    staged = ScenarioScene(_scenario(map="town", ego=spawn, signs=[on_map, put_up]), 100.0)
    for seed in (1, 2):
        staged.stage(seed)
        assert {name for name in staged.scene.object_names() if name.startswith("sign:")} == {"sign:limit"}

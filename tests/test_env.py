"""The Gymnasium environment over the real embedded server and the real carla client."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from numpy.typing import NDArray

from testbed.core.errors import UsageError
from testbed.wrappers import PEDALS, PRIVILEGED, STEERS, DiscreteActions, PrivilegedObservation

ENV_ID = "testbed:testbed/DrpHighway-v1"
CRUISE = np.array([0.0, 0.06], dtype=np.float32)


@pytest.fixture(scope="module")
def env() -> Iterator[gymnasium.Env[dict[str, NDArray[np.float32]], NDArray[np.float32]]]:
    made = gymnasium.make(ENV_ID, render_mode="rgb_array")
    yield made
    made.close()


def test_observation_is_a_road_seen_at_speed(env: gymnasium.Env) -> None:
    observation, info = env.reset(seed=101)
    image = observation["camera"]
    assert image.shape == (160, 320, 3) and image.dtype == np.uint8
    assert 20.0 < observation["speed"][0] < 28.0
    sky, road = image[:40].mean(axis=(0, 1)), image[130:].mean(axis=(0, 1))
    assert sky[2] > sky[0] + 10, "the sky is not blue"
    assert np.ptp(road) < 30, "asphalt is not grey"
    assert abs(info["lateral_offset_m"]) < 0.5


def test_same_seed_same_episode(env: gymnasium.Env) -> None:
    def drive() -> tuple[list[float], NDArray[np.uint8]]:
        env.reset(seed=7)
        offsets = []
        for _ in range(12):
            observation, *_, info = env.step(np.array([0.002, 0.1], dtype=np.float32))
            offsets.append(info["lateral_offset_m"])
        return offsets, observation["camera"]

    (first, picture), (second, again) = drive(), drive()
    assert first == second
    assert np.array_equal(picture, again)


def test_steering_right_moves_right_and_other_seeds_start_elsewhere(env: gymnasium.Env) -> None:
    _, start = env.reset(seed=1)
    for _ in range(20):
        *_, info = env.step(np.array([0.01, 0.06], dtype=np.float32))
    assert info["lateral_offset_m"] < start["lateral_offset_m"] - 0.3
    _, other = env.reset(seed=2)
    assert other["lateral_offset_m"] != start["lateral_offset_m"]


def test_braking_brakes_and_render_shows_it(env: gymnasium.Env) -> None:
    before, _ = env.reset(seed=3)
    for _ in range(10):
        after, *_ = env.step(np.array([0.0, -0.5], dtype=np.float32))
    assert before["speed"][0] - after["speed"][0] == pytest.approx(0.5 * 4.0, rel=0.35)
    picture = env.render()
    assert picture.shape == (320, 640, 3) and picture.std() > 10


def test_passes_both_checkers_without_a_warning() -> None:
    from stable_baselines3.common.env_checker import check_env as sb3_check

    made = gymnasium.make(ENV_ID, render_mode="rgb_array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gymnasium_check(made.unwrapped, skip_render_check=True)
            sb3_check(made.unwrapped)
    finally:
        made.close()


def test_close_leaves_no_process_and_no_port() -> None:
    made = gymnasium.make(ENV_ID)
    made.reset(seed=1)
    server = made.unwrapped._connection.server
    pid, port = server.pid, server.port
    assert psutil.pid_exists(pid)
    made.close()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_vector_environments_have_servers_of_their_own() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=2, vectorization_mode="sync")
    try:
        observations, _ = envs.reset(seed=[1, 2])
        assert observations["camera"].shape == (2, 160, 320, 3)
        observations, rewards, *_ = envs.step(np.stack([CRUISE, CRUISE]))
        assert np.isfinite(rewards).all()
        ports = {sub.unwrapped._connection.port for sub in envs.envs}
        assert len(ports) == 2
    finally:
        envs.close()


@pytest.mark.parametrize("action", [[float("nan"), 0.0], [0.0, float("inf")], [0.0], [0.0, 0.0, 0.0]])
def test_an_action_that_is_none_is_refused(env: gymnasium.Env, action: list[float]) -> None:
    env.reset(seed=1)
    with pytest.raises(gymnasium.error.InvalidAction, match="two finite numbers"):
        env.unwrapped.step(np.array(action))
    env.step(np.zeros(2, np.float32))  # nothing was lost


def test_an_unknown_condition_of_one_episode_is_refused(env: gymnasium.Env) -> None:
    with pytest.raises(UsageError, match="no condition 'drpp'.*did you mean 'drp'"):
        env.reset(seed=1, options={"condition": "drpp"})


def test_unknown_condition_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="no condition 'fog'.*known: benign, drp, dirt"):
        gymnasium.make(ENV_ID, condition="fog")


def test_every_environment_drives_a_shipped_scenario() -> None:
    from testbed.registration import ENVIRONMENTS
    from testbed.scenario.loader import load_scenario

    for name, scenario in ENVIRONMENTS.items():
        assert load_scenario(scenario).content.name == scenario
        camel = "".join(part.capitalize() for part in scenario.split("_"))
        assert name.removeprefix("testbed/").split("-v")[0] == camel


def test_events_of_the_judges_and_their_cost_stand_in_every_info(env: gymnasium.Env) -> None:
    _, info = env.reset(seed=101)
    assert info["events"] == () and info["cost"] == 0.0
    assert info["sign_crop"].dtype == np.uint8 and info["sign_crop"].shape == (48, 48, 3), "a limit stands ahead"
    seen, cost = [], 0.0
    for _ in range(40):
        *_, terminated, _, info = env.step(np.array([0.012, 0.06], dtype=np.float32))
        seen += info["events"]
        cost += info["cost"]
        if terminated:
            break
    assert seen[0] == "lane_departure"
    assert cost == len(seen) >= 1.0
    _, info = env.reset(seed=101)
    assert info["events"] == (), "judges begin anew"


def test_discrete_actions_and_the_truth_for_those_who_may_see_it(env: gymnasium.Env) -> None:
    wrapped = DiscreteActions(PrivilegedObservation(env))
    assert wrapped.action_space.n == len(STEERS) * len(PEDALS)
    observation, info = wrapped.reset(seed=101)
    assert wrapped.observation_space.contains(observation)
    told = dict(zip(PRIVILEGED, observation["privileged"].tolist(), strict=True))
    assert told["lateral_offset_m"] == pytest.approx(info["lateral_offset_m"], abs=1e-4)
    assert 20.0 < told["speed_limit_mps"] <= 60.0
    right = len(STEERS) * len(PEDALS) - len(PEDALS) + PEDALS.index(0.06)
    assert tuple(wrapped.actions[right]) == pytest.approx((STEERS[-1], 0.06))
    for _ in range(8):
        observation, *_ = wrapped.step(right)
    assert observation["privileged"][0] < told["lateral_offset_m"] - 0.1
    stacked = gymnasium.wrappers.FrameStackObservation(PrivilegedObservation(env), 3)
    observation, _ = stacked.reset(seed=101)
    assert observation["camera"].shape == (3, 160, 320, 3) and observation["privileged"].shape == (3, len(PRIVILEGED))

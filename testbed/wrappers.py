"""Wrappers of the Gymnasium environment for those who train policies, and the agent that a trained policy is.

Pictures of the last steps come from Gymnasium itself (``FrameStackObservation(env, 4)``); what it lacks is here. The
cost of safe reinforcement learning needs no wrapper: every ``info`` has ``cost``, see `testbed.env`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from testbed.core.types import AgentCard, Observation, Perception, Truth
from testbed.env import Observations, commanded, observed

STEERS = (-0.04, -0.012, -0.003, 0.0, 0.003, 0.012, 0.04)
"""Steering of `DiscreteActions`: at 25 m/s, 0.012 held from the lane's centre leaves the lane within a second."""
PEDALS = (-0.6, -0.15, 0.0, 0.06, 0.4)
"""Pedal of `DiscreteActions`; 0.06 holds about 25 m/s."""

PRIVILEGED = (
    "lateral_offset_m",
    "heading_error_rad",
    "curvature_1pm",
    "preview_offset_m",
    "lane_width_m",
    "speed_limit_mps",
    "lead_distance_m",
    "lead_speed_mps",
    "sign_distance_m",
)
"""What `PrivilegedObservation` adds, in this order."""
FAR_M = 150.0
"""Distance of what is not there."""
NO_LIMIT_MPS = 60.0
"""Speed limit where there is none."""


class DiscreteActions(gymnasium.ActionWrapper[Any, Any, Any]):
    """Offer a grid of steering and pedal as one discrete action, for DQN and the like.

    Args:
        env: A `testbed.env.ScenarioEnv`, wrapped or not.
        steers: Values of the steering, in [-1, 1].
        pedals: Values of the pedal, in [-1, 1].
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], steers: Sequence[float] = STEERS, pedals: Sequence[float] = PEDALS
    ) -> None:
        """Declare as many actions as there are pairs."""
        super().__init__(env)
        self.actions = np.array([(steer, pedal) for steer in steers for pedal in pedals], np.float32)
        self.action_space = spaces.Discrete(len(self.actions))

    def action(self, action: Any) -> NDArray[np.float32]:
        """Return steering and pedal, shape (2,), of a number."""
        chosen: NDArray[np.float32] = self.actions[int(action)]
        return chosen


class PrivilegedObservation(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Add the truth to the observation (``privileged``, float32, shape (9,)): for teachers, critics and upper bounds.

    A policy that sees it does not show what its perception can do.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Declare what is added; the order is that of `PRIVILEGED`."""
        super().__init__(env)
        known = env.observation_space
        assert isinstance(known, spaces.Dict), "the environment's observation is a Dict"
        added = spaces.Box(-np.inf, np.inf, (len(PRIVILEGED),), np.float32)
        self.observation_space = spaces.Dict({**known.spaces, "privileged": added})

    def observation(self, observation: Any) -> dict[str, Any]:
        """Return the observation with the truth of the same step."""
        truth: Truth = self.unwrapped.truth  # type: ignore[attr-defined]
        return {**observation, "privileged": privileged(truth)}


def privileged(truth: Truth) -> NDArray[np.float32]:
    """Return the numbers of `PRIVILEGED`; what is not there is far, as fast as the ego, and without a limit."""
    lane, lead, sign = truth.lane, truth.lead, truth.sign
    values = (
        lane.lateral_offset_m,
        lane.heading_error_rad,
        lane.curvature_1pm,
        lane.preview_offset_m,
        lane.lane_width_m,
        NO_LIMIT_MPS if truth.speed_limit_mps is None else truth.speed_limit_mps,
        FAR_M if lead is None else lead.distance_m,
        truth.ego.speed_mps if lead is None else lead.speed_mps,
        FAR_M if sign is None else sign.distance_m,
    )
    return np.array(values, np.float32)


class PolicyAgent:
    """A trained policy as an agent: it drives by itself; judges, records and reports see it like any other.

    It answers no questions about pictures, so that nothing is said of its perception, and its wish holds until its next
    decision. A package offers one by `card` and `build`, as any agent.

    Args:
        card: What it is; with ``needs_truth`` the policy sees ``privileged`` besides.
        predict: Policy: from an observation of the environment to an action, shape (2,), each in [-1, 1]; the
            caller maps discrete ones.
        reset: Called with the seed of every episode, for policies that remember; None for those that do not.
    """

    def __init__(
        self,
        card: AgentCard,
        predict: Callable[[Observations], NDArray[np.float32]],
        reset: Callable[[int], None] | None = None,
    ) -> None:
        """Remember the policy."""
        self.card = card
        self._predict = predict
        self._reset = reset

    def reset(self, seed: int) -> None:
        """Forget the last episode."""
        if self._reset is not None:
            self._reset(seed)

    def perceive(self, observation: Observation) -> Perception:
        """Return what the policy wants of the vehicle."""
        seen = observed(observation)
        if observation.truth is not None:
            seen["privileged"] = privileged(observation.truth)
        return Perception.driven(commanded(self._predict(seen)))

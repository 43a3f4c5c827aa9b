from __future__ import annotations

import numpy as np
import pytest

from testbed import agents
from testbed.agents.scripted.constant import ConstantAgent
from testbed.agents.scripted.oracle import OracleAgent
from testbed.core.errors import AgentError, UsageError
from testbed.core.types import Agent, EgoState, LaneState, LeadTruth, Observation, SignTruth, Steering, Truth

VIEW = np.zeros((160, 320, 3), np.uint8)


def truth(preview_m: float, *, lead: bool = False, sign: bool = False) -> Truth:
    return Truth(
        ego=EgoState(0, 0, 0, 0, 20),
        lane=LaneState(0.0, 0.0, 3.6, 0.0, 10.0, preview_m),
        speed_limit_mps=None,
        lead=LeadTruth(7, 20.0, 15.0, (140.0, 60.0, 180.0, 90.0)) if lead else None,
        sign=SignTruth("s", 7, 30.0, (200.0, 40.0, 212.0, 52.0)) if sign else None,
    )


@pytest.mark.parametrize(
    ("preview_m", "wanted"), [(0.2, Steering.LEFT), (0.1, Steering.STRAIGHT), (-0.2, Steering.RIGHT)]
)
def test_the_oracle_steers_towards_the_preview_point(preview_m, wanted) -> None:
    answer = OracleAgent().perceive(Observation(0, 0.0, VIEW, 20.0, truth=truth(preview_m)))
    assert answer.steering.steering is wanted and answer.steering.lateral_offset_m == preview_m
    assert answer.vehicle.present is False and answer.vehicle.box_px is None and answer.sign is None


def test_the_oracle_reports_lead_and_sign() -> None:
    seen = Observation(0, 0.0, VIEW, 20.0, sign_crop=VIEW[:12, :12], truth=truth(0.0, lead=True, sign=True))
    answer = OracleAgent().perceive(seen)
    assert answer.vehicle.present is True and answer.vehicle.box_px == (140.0, 60.0, 180.0, 90.0)
    assert answer.sign is not None and answer.sign.class_id == 7


def test_the_oracle_needs_truth_and_says_so() -> None:
    assert OracleAgent().card.needs_truth
    with pytest.raises(AgentError, match="ground truth"):
        OracleAgent().perceive(Observation(0, 0.0, VIEW, 20.0))


def test_the_constant_agent_looks_at_nothing() -> None:
    agent = ConstantAgent("Right")
    answer = agent.perceive(Observation(0, 0.0, VIEW, 20.0, sign_crop=VIEW))
    assert answer.steering.steering is Steering.RIGHT and answer.vehicle.present is False
    assert answer.sign is not None and answer.sign.class_id is None
    assert not agent.card.needs_truth


@pytest.mark.parametrize("agent", [OracleAgent(), ConstantAgent()])
def test_both_are_agents(agent) -> None:
    assert isinstance(agent, Agent)
    agent.reset(3)
    assert agent.card.kind == "scripted"


def test_both_are_found_by_name() -> None:
    assert isinstance(agents.load("scripted"), OracleAgent)
    assert agents.card("scripted").needs_truth and not agents.card("constant").needs_truth


def test_options_come_from_yaml(tmp_path) -> None:
    path = tmp_path / "right.yaml"
    path.write_text("agent: constant\noptions: {steering: Right}\n")
    assert agents.load(str(path)).perceive(Observation(0, 0.0, VIEW, 20.0)).steering.steering is Steering.RIGHT
    path.write_text("agent: constant\noptions: {steering: Up}\n")
    with pytest.raises(UsageError, match="'Up'"):
        agents.load(str(path))

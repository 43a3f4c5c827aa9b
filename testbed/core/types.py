"""What the rooms say to each other during an episode: observations, answers, commands, truth, events.

Frames and units (docs/frames-and-units.md): world = CARLA's left-handed frame in metres and degrees, y to the right;
lane-relative lateral quantities are positive to the LEFT of the driving direction; image boxes are
``(x_min, y_min, x_max, y_max)`` in pixels with the origin at the top left corner.

The one public place for these names; they are written down by topic in the modules beside this one.
"""

from __future__ import annotations

from testbed.core.agent import Agent, AgentCard
from testbed.core.answers import (
    Arbitration,
    Caution,
    Image,
    Observation,
    Opinion,
    Perception,
    Relation,
    SignAnswer,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)
from testbed.core.body import Body
from testbed.core.command import Command
from testbed.core.geometry import Box, Pose
from testbed.core.payloads import Decal, Payload, Shade, SignFace, Skin
from testbed.core.steps import Decision, Step
from testbed.core.truth import (
    AheadTruth,
    AttackTruth,
    Collision,
    ConflictTruth,
    EgoState,
    LaneState,
    LeadTruth,
    LineTruth,
    SignTruth,
    Truth,
)

__all__ = [
    "Agent",
    "AgentCard",
    "AheadTruth",
    "Arbitration",
    "AttackTruth",
    "Body",
    "Box",
    "Caution",
    "Collision",
    "Command",
    "ConflictTruth",
    "Decal",
    "Decision",
    "EgoState",
    "Image",
    "LaneState",
    "LeadTruth",
    "LineTruth",
    "Observation",
    "Opinion",
    "Payload",
    "Perception",
    "Pose",
    "Relation",
    "Shade",
    "SignAnswer",
    "SignFace",
    "SignTruth",
    "Skin",
    "Steering",
    "SteeringAnswer",
    "Step",
    "Truth",
    "VehicleAnswer",
]

"""All kinds of questions by name."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.training.data.questions.kind import QuestionKind
from testbed.training.data.questions.lane_kinds import LANE_KINDS, STEERING
from testbed.training.data.questions.sign_kinds import SIGN, SIGN_KINDS
from testbed.training.data.questions.vehicle_kinds import VEHICLE, VEHICLE_KINDS
from testbed.training.data.questions.weather_kinds import WEATHER_KINDS

KINDS: Mapping[str, QuestionKind] = {
    kind.name: kind for kind in (*SIGN_KINDS, *LANE_KINDS, *VEHICLE_KINDS, *WEATHER_KINDS)
}
"""Name to kind, in the order of the documentation."""

PUBLISHED: Mapping[str, QuestionKind] = {"tsr": SIGN, "alc": STEERING, "vd": VEHICLE}
"""Task to the kind whose wording is the published question."""

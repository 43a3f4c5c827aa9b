"""Everything that is registered in this environment, held to its contract: ``pytest --pyargs testbed.contracts``.

Every agent and every judge, ours and those of installed packages, and every built-in kind of adversary with an artefact
of its own. A kind of another package says by no name which artefacts there are: its package subclasses
`AdversaryContract`. Needs the extra ``contracts``; an agent whose own extra is absent is skipped, with what to type.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testbed import adversaries, agents
from testbed.contracts.adversary import AdversaryContract
from testbed.contracts.agent import AgentContract
from testbed.contracts.judge import JudgeContract
from testbed.core.errors import MissingExtraError
from testbed.judge import registry


def agent_suite(name: str) -> type[AgentContract]:
    """Return the contract suite of a registered agent, skipped where its extra is not installed."""
    title = "Test" + "".join(word.capitalize() for word in name.replace("-", "_").split("_"))
    suite = type(title, (AgentContract,), {"name": name, "__module__": __name__, "__doc__": f"The agent {name}."})
    try:
        agents.check_extras(name)
    except MissingExtraError as error:
        pytest.mark.skip(reason=str(error))(suite)
    return suite


def judge_suite(name: str) -> type[JudgeContract]:
    """Return the contract suite of a registered judge."""
    title = "TestJudge" + "".join(word.capitalize() for word in name.replace("-", "_").split("_"))
    return type(title, (JudgeContract,), {"name": name, "__module__": __name__, "__doc__": f"The judge {name}."})


for _suite in (*map(agent_suite, agents.names()), *map(judge_suite, registry.names())):
    globals()[_suite.__name__] = _suite
del _suite


class TestRoadPatch(AdversaryContract):
    """A shipped patch."""

    kind, artefact = "road_patch", "drp_highway_left"


class TestCamouflage(AdversaryContract):
    """A shipped camouflage."""

    kind, artefact = "camouflage", "rauca_model3"


class TestSignFace(AdversaryContract):
    """A picture of one's own on a sign."""

    kind, artefact = "sign_face", "face.png"

    @pytest.fixture(autouse=True)
    def picture(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Paint it."""
        monkeypatch.setattr(type(self), "base", tmp_path)
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "face.png")


class TestShadow(AdversaryContract):
    """A shadow over the corner of any sign."""

    kind, artefact = "shadow", "corner"

    @pytest.fixture(autouse=True)
    def polygon(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Store it."""
        monkeypatch.setattr(type(self), "base", tmp_path)
        corners = ((0.1, 0.1), (1.1, 0.3), (0.5, 1.1))
        adversaries.save(tmp_path / "corner", adversaries.ShadowManifest(name="corner", polygon=corners))

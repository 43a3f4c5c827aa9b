"""An agent of one's own: three rules instead of a network, driven over a dirty road patch and without it.

    python examples/02_own_agent.py

An agent answers questions about pictures; planner and controller are the testbed's, the same for everybody. A package
offers one with `card()` and `build()`, and names its module in the entry point group `testbed.agents`. This file is
such a module; docs/extending.md shows the package around it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed.core.types import (
    Agent,
    AgentCard,
    Observation,
    Perception,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)

SCENARIO = """\
name: own_agent
question: Does an agent that steers away from bright paint leave its lane for a patch?
ego: {spawn: {road: 1, lane: -2, s_m: 60}, speed_mps: 22}
duration_s: 4
adversaries:
  - {id: drp, kind: road_patch, artefact: drp_highway_left, at: {ahead_m: 25}}
agents: [bright_paint]
seeds: {count: 1}
"""


def card() -> AgentCard:
    """Tell about the agent without loading it; its latency is charged to the simulation clock."""
    return AgentCard("bright_paint", kind="dnn", latency_ms=(1.0, 2.0), notes="A toy: rules, no network.")


def build(*, margin: float = 0.03) -> Agent:
    """Load the agent; an agent file may give `options: {margin: 0.1}`."""
    return BrightPaint(margin)


class BrightPaint:
    """Drive straight on, but away from what is bright in the middle of the lane."""

    def __init__(self, margin: float) -> None:
        """Remember by how much one side must be brighter."""
        self.card = card()
        self._margin = margin

    def reset(self, seed: int) -> None:
        """Forget the last episode; here is nothing to forget."""

    def perceive(self, observation: Observation) -> Perception:
        """Answer for one picture: nothing about signs, and never a vehicle ahead."""
        grey = observation.image.mean(axis=2) / 255.0
        rows, middle = len(grey) * 5 // 8, grey.shape[1] // 2
        left, right = grey[rows:, middle - 50 : middle], grey[rows:, middle : middle + 50]
        lean = float(left.mean() - right.mean())
        steering = Steering.STRAIGHT
        if abs(lean) > self._margin:
            steering = Steering.RIGHT if lean > 0.0 else Steering.LEFT
        return Perception(
            steering=SteeringAnswer(steering, confidence=0.5),
            vehicle=VehicleAnswer(present=False, box_px=None, confidence=0.5),
            raw={"alc": f"lean {lean:+.3f}"},
        )


def install(folder: Path) -> None:
    """Leave in a folder what `pip install` of a package with this module would: the module and its entry point."""
    shutil.copy(__file__, folder / "bright_paint.py")
    metadata = folder / "bright_paint-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bright_paint\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[testbed.agents]\nbright_paint = bright_paint\n")


def main() -> None:
    """Install the agent into a folder that is thrown away, and drive it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        (folder / "own_agent.yaml").write_text(SCENARIO, encoding="utf-8")
        command = [sys.executable, "-m", "testbed", "run", str(folder / "own_agent.yaml"), "--jobs", "1"]
        environment = os.environ | {"PYTHONPATH": name}
        subprocess.run([*command, "--out", "reports/examples/own_agent"], env=environment, check=True)


if __name__ == "__main__":
    main()

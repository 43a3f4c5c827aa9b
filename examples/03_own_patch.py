"""A picture of one's own on the road: draw it, name it in a scenario, look at it, drive over it.

    python examples/03_own_patch.py [PICTURE.png]

The same line puts a picture on a vehicle (`kind: camouflage`, `actor:`) or on a sign (`kind: sign_face`, `sign:`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from testbed.cli import main as testbed
from testbed.env import ScenarioEnv

OUT = Path("reports/examples/own_patch")
SCENARIO = """\
name: own_patch
question: Does my picture on the road turn the lane keeper?
ego: {spawn: {road: 1, lane: -2, s_m: 60}, speed_mps: 20}
duration_s: 3
adversaries:
  - {id: mine, kind: road_patch, artefact: patch.png, at: {ahead_m: 14}, length_m: 20, width_m: 3.4}
agents: [scripted]
seeds: {count: 1}
"""


def draw(path: Path) -> None:
    """Draw a white arrow to the left; its top is the far end, and where nothing is drawn the road shows."""
    picture = Image.new("RGBA", (170, 1000), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.polygon([(70, 1000), (110, 1000), (110, 300), (70, 300)], fill=(235, 235, 235, 255))
    pen.polygon([(0, 340), (130, 120), (130, 560)], fill=(235, 235, 235, 255))
    picture.save(path)


def look(scenario: Path) -> Path:
    """Save the driver's view of the first moment of the attacked episode."""
    env = ScenarioEnv(scenario, condition="mine")
    try:
        observation, _ = env.reset(seed=101)
        print(f"how the picture reaches the camera: {env.injection['mine']}")
    finally:
        env.close()
    path = OUT / "driver_view.png"
    Image.fromarray(observation["camera"]).resize((960, 480), Image.Resampling.NEAREST).save(path)
    return path


def main() -> int:
    """Write picture and scenario, look, and drive with the picture and without it."""
    OUT.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:]:
        shutil.copy(sys.argv[1], OUT / "patch.png")
    else:
        draw(OUT / "patch.png")
    scenario = OUT / "own_patch.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    print(f"as the driver sees it: {look(scenario)}")
    return testbed(["run", str(scenario), "--jobs", "1", "--out", str(OUT / "run")])


if __name__ == "__main__":
    sys.exit(main())

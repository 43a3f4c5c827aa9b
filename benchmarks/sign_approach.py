"""Shadows on the way to their signs: in how many views of an approach each victim misreads the sign.

Forty fresh views per shipped scenario, in suns and clouds that no search has seen, with the shadow as the renderer
casts it: in full sun, under the attack's triangle and under the random ones that shade as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from testbed import adversaries
from testbed.adversaries.manifest import ShadowManifest
from testbed.adversaries.shadow.approach import SignApproach
from testbed.adversaries.shadow.optimiser import entry_of
from testbed.adversaries.shadow.physical import PhysicalSettings, collect, read
from testbed.adversaries.shadow.victim import load_victim
from testbed.scenario.loader import load_scenario

SCENARIOS = ("shadow_speed_limit", "shadow_no_entry", "shadow_stop_sign")
FIRST_SEED = 800_000_000
"""Of the situations; searches, their checks and evaluations use other ones."""


def look(victims: Sequence[str]) -> None:
    """Measure and print."""
    asked = [load_victim(name) for name in victims]
    print(f"{'sign':20} {'shadow':28} {'light left':>10}  " + "  ".join(f"{name:>12}" for name in victims))
    for name in SCENARIOS:
        scenario = load_scenario(name).content
        entry = entry_of(scenario)
        assert entry.sign is not None
        controls = [one for one in scenario.adversaries if one.kind == "shadow" and one.control]
        approach = SignApproach(scenario, entry.sign)
        views = collect(approach, FIRST_SEED, PhysicalSettings(), shake=False)
        light_left = float(np.median([view.light_left for view in views]))
        for shown in ("", *entry.artefacts, *(one for control in controls for one in control.artefacts)):
            polygon = None
            if shown:
                manifest = adversaries.load(shown, kind="shadow").manifest
                assert isinstance(manifest, ShadowManifest)
                polygon = np.array(manifest.polygon, np.float32)
            readings = [read(views, polygon, approach.sign.gtsrb_class, victim) for victim in asked]
            cells = "  ".join(f"{reading.misread:>9}/{reading.views}" for reading in readings)
            print(f"{name:20} {shown or 'none':28} {light_left:10.2f}  {cells}", flush=True)

"""Shadow: a polygon of shade on a traffic sign that makes it read as another one.

After Zhong et al., "Shadows can be Dangerous: Stealthy and Effective Physical-world Adversarial Attack by Natural
Phenomenon", CVPR 2022. Black box: the victim is asked for probabilities only. ``swarm`` searches, ``polygon`` and
``lab`` draw, ``digital`` attacks crops one by one. ``approach`` photographs a scenario's own sign, ``physical``
searches one polygon for the whole way to it, ``make`` writes the artefacts.
"""

from __future__ import annotations

from testbed.adversaries.shadow.digital import LIGHT_LEFT, MIN_LIGHTNESS, CropOutcome, ShadowedCrop, attack_crops
from testbed.adversaries.shadow.optimiser import optimise
from testbed.adversaries.shadow.particle_swarm import SwarmSettings
from testbed.adversaries.shadow.victim import VICTIMS, BlackBoxClassifier, load_victim

__all__ = [
    "BlackBoxClassifier",
    "CropOutcome",
    "LIGHT_LEFT",
    "MIN_LIGHTNESS",
    "ShadowedCrop",
    "SwarmSettings",
    "VICTIMS",
    "attack_crops",
    "load_victim",
    "optimise",
]

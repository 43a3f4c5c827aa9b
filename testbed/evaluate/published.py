"""What the publications state, as far as it is known here: never copied into our column, never filled up by guessing.

Sources: [V2LM] the paper that the testbed reproduces; [DRP] Sato et al., USENIX Security 2021; [RAUCA] Zhou et al.,
ICML 2024; [Shadow] Zhong et al., CVPR 2022. A cell of the paper whose figure is not known here stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure.

    Attributes:
        text: As it is shown, for instance ``> 97.5 %``.
        mark: Footnote mark.
        source: Which publication, and what exactly it is about.
    """

    text: str
    source: str
    mark: str


ATTACK_SUCCESS: dict[str, Published] = {
    "shadow": Published("90.47 %", "[Shadow] attack success on GTSRB against its own victim; 98.23 % on LISA", "a"),
    "road_patch": Published(
        "> 97.5 %", "[DRP] attack success over 80 driven cases, openpilot's lane model, not single pictures", "b"
    ),
    "camouflage": Published("97.48 %", "[RAUCA] attack success on YOLOv3, as quoted by [V2LM]", "c"),
}
"""Kind of attack to the attack success rate that its publication states for its own victim."""

ACCURACY_DROP: dict[str, Published] = {
    "dnn": Published("33–74 points", "[V2LM] Table III, accuracy drop over all DNNs and tasks", "d"),
    "dnn vd": Published("32.91 or 34.74 points", "[V2LM] vehicle detection; the paper gives both figures", "e"),
    "solo": Published("8.65 points", "[V2LM] mean over Table IV, recomputed; F1 7.97", "f"),
    "tandem": Published("8.28 points", "[V2LM] mean over Table IV, recomputed; F1 7.13", "g"),
}
"""Kind of victim to the accuracy lost under attack."""

DEFENDED: dict[str, Published] = {
    "adversarial_training": Published(
        "25.6 % still right", "[Shadow] adversarial training recovers to about this share under attack", "h"
    ),
}
"""Training or input defence to what is stated about it under the shadow attack."""

ROAD_DEFENCES = Published("at most about 3 % better", "[DRP] every input defence against the road patch", "i")
"""What the road patch's own paper states about the input defences of Table V."""

INCONSISTENCIES: tuple[str, ...] = (
    "The number of sign classes is 42 in one place and 43 in another; ours are the 43 of GTSRB.",
    "The accuracy drop of vehicle detection is 32.91 points in one place and 34.74 in another; both are shown.",
    "Table V states 100 % minus the attack success rate, which is no accuracy; ours states accuracies and the attack "
    "success rate apart.",
    "Table V's 1.77 % is 100 % minus the 98.23 % of the shadow attack on LISA, another attack on another data set.",
    "Figure 1 shows 98 % for NVILA under attack where Table IV has 86 to 91 %.",
    "“Under 8 %” is true of the mean F1 drop (7.97 solo, 7.13 tandem), not of the accuracy drop (8.65 and 8.28).",
)
"""Known inconsistencies of [V2LM], so that nobody looks for an agreement that cannot be."""

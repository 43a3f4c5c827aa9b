"""What is asked for: the rows of Tables I, III and V, each a victim, an album and the attack it is tried with.

Rows that the publication has come first; the block of solo and tandem V²LMs stands below with the same columns. A
shadow is searched by asking the very model that a row is about, its defence included. Solo and tandem V²LMs get the
shadows that were made against YOLOv5-cls, as no attack of the publication asks them; on demand a second pair of rows
lets the search ask them, which takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.core.errors import UsageError
from testbed.evaluate.published import ACCURACY_DROP, ATTACK_SUCCESS, DEFENDED, ROAD_DEFENCES, Published
from testbed.evaluate.victims import VictimAgent

TABLES: dict[str, str] = {
    "I": "Defences of sign recognition, without and under the shadow attack",
    "III": "DNNs and V²LMs, without and under attack",
    "V": "Input defences against the dirty road patch",
}
TASKS: dict[str, str] = {"tsr": "Traffic sign recognition", "alc": "Lane centring", "vd": "Vehicle detection"}
ATTACKS: dict[str, str] = {"tsr": "shadow", "alc": "road_patch", "vd": "camouflage"}
"""Task to the kind of adversary that it is tried with."""
DNN, V2LM = "DNN", "V²LM"


@dataclass(frozen=True, slots=True)
class VictimRow:
    """One row.

    Attributes:
        table: ``I``, ``III`` or ``V``.
        task: ``tsr``, ``alc`` or ``vd``.
        block: ``DNN`` or ``V²LM``.
        victim: Who is asked.
        base: Name of its sign or lane net without a defence; empty for V²LMs and the detector.
        defence: Its defence in words, ``none`` without.
        against: Whom the search for shadows asked: a name of `testbed.agents.dnn.nets.SIGN_NETS`, ``solo`` or
            ``tandem``; empty where a shipped artefact is shown.
        against_defences: Input defences of the asked model.
        published: Figures of the publications for this row, possibly none.
    """

    table: str
    task: str
    block: str
    victim: VictimAgent
    base: str = ""
    defence: str = "none"
    against: str = ""
    against_defences: tuple[dict[str, Any], ...] = ()
    published: tuple[Published, ...] = ()


SIGN_NETS: dict[str, str] = {"yolov5_cls": "YOLOv5-cls", "vit_small": "ViT-small", "gtsrb_cnn": "GTSRB-CNN"}
"""Sign models of Table III; the last is the victim that the attack's own paper used."""
DEFENDED_NETS = ("yolov5_cls", "vit_small")
LANE_NETS: dict[str, str] = {"clrernet": "CLRerNet-type", "row_anchor": "row-anchor type"}

INPUT_DEFENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG, quality 50", {"kind": "jpeg", "quality": 50}),
    "bit_depth": ("bit depth 3", {"kind": "bit_depth", "bits": 3}),
    "median": ("median blur 3 px", {"kind": "median", "size_px": 3}),
    "noise": ("Gaussian noise, sigma 8", {"kind": "noise", "sigma": 8}),
    "random_crop": ("random resized crop", {"kind": "random_crop", "share": 0.85}),
    "equalise": ("histogram equalisation", {"kind": "equalise"}),
    "autoencoder": ("denoising autoencoder", {"kind": "autoencoder"}),
}
"""Defence to its words and its entry in an agent file."""
ON_SIGNS = ("jpeg", "bit_depth", "random_crop", "equalise", "median", "noise", "autoencoder")
ON_ROAD = ("jpeg", "bit_depth", "median", "noise", "autoencoder")
TRAININGS: dict[str, str] = {
    "label_smoothing": "label smoothing",
    "dropout": "dropout",
    "adversarial": "adversarial training (PGD)",
    "distilled": "defensive distillation",
}
"""Training variant (the ending of a net's name) to its words."""

SOLO, TANDEM = VictimAgent("solo V²LMs", "solo"), VictimAgent("tandem V²LM", "tandem")
DETECTOR = VictimAgent("YOLOv5", "dnn")


def sign_victim(net: str, label: str, defences: tuple[dict[str, Any], ...] = ()) -> VictimAgent:
    """Return the ``dnn`` agent with a sign net; the net it has anyway needs no option."""
    return VictimAgent(label, "dnn", {} if net == "yolov5_cls" else {"tsr": net}, defences)


def lane_victim(net: str, label: str, defences: tuple[dict[str, Any], ...] = ()) -> VictimAgent:
    """Return the ``dnn`` agent with a lane net."""
    return VictimAgent(label, "dnn", {} if net == "clrernet" else {"alc": net}, defences)


def rows(tables: Sequence[str], *, adaptive: bool = False) -> list[VictimRow]:
    """Return the rows of some tables in the order of the publication.

    Args:
        tables: Names of tables.
        adaptive: Whether Table III also shows V²LMs under shadows that were found by asking them.

    Raises:
        UsageError: There is no such table.
    """
    makers: dict[str, Callable[[], list[VictimRow]]] = {"I": table_i, "III": lambda: table_iii(adaptive), "V": table_v}
    for table in tables:
        if table not in makers:
            raise UsageError(f"unknown table {table!r}", hint=f"there are {', '.join(makers)}")
    return [row for table, make in makers.items() if table in tables for row in make()]


def table_i() -> list[VictimRow]:
    """Return YOLOv5-cls and ViT-small without a defence and with each that there is."""
    from testbed.agents.dnn.nets import SIGN_NETS as KNOWN

    found = []
    for net in DEFENDED_NETS:
        label = SIGN_NETS[net]
        found.append(VictimRow("I", "tsr", DNN, sign_victim(net, label), net, against=net))
        for ending, words in TRAININGS.items():
            trained = f"{net}_{ending}"
            if trained in KNOWN:
                published = (DEFENDED["adversarial_training"],) if ending == "adversarial" else ()
                victim = sign_victim(trained, f"{label} {ending.replace('_', ' ')}")
                found.append(VictimRow("I", "tsr", DNN, victim, net, words, trained, (), published))
        for name in ON_SIGNS:
            words, entry = INPUT_DEFENCES[name]
            chain = (entry,)
            victim = sign_victim(net, f"{label} {name.replace('_', ' ')}", chain)
            found.append(VictimRow("I", "tsr", DNN, victim, net, words, net, chain))
    return found


def table_iii(adaptive: bool = False) -> list[VictimRow]:
    """Return the DNNs of the three tasks, each followed by solo and tandem with the same columns."""
    drop = ACCURACY_DROP["dnn"]
    found = [
        VictimRow(
            "III", "tsr", DNN, sign_victim(net, label), net, against=net, published=(ATTACK_SUCCESS["shadow"], drop)
        )
        for net, label in SIGN_NETS.items()
    ]
    v2lm = ((SOLO, ACCURACY_DROP["solo"]), (TANDEM, ACCURACY_DROP["tandem"]))
    found += [VictimRow("III", "tsr", V2LM, v, against="yolov5_cls", published=(d,)) for v, d in v2lm]
    if adaptive:
        found += [VictimRow("III", "tsr", V2LM, v, against=v.agent) for v, _ in v2lm]
    lanes = (ATTACK_SUCCESS["road_patch"], drop)
    found += [
        VictimRow("III", "alc", DNN, lane_victim(net, label), net, published=lanes) for net, label in LANE_NETS.items()
    ]
    found += [VictimRow("III", "alc", V2LM, v, published=(d,)) for v, d in v2lm]
    boxes = (ATTACK_SUCCESS["camouflage"], ACCURACY_DROP["dnn vd"])
    found.append(VictimRow("III", "vd", DNN, DETECTOR, published=boxes))
    found += [VictimRow("III", "vd", V2LM, v, published=(d,)) for v, d in v2lm]
    return found


def table_v() -> list[VictimRow]:
    """Return the lane models without a defence and with each input defence."""
    found = []
    for net, label in LANE_NETS.items():
        found.append(VictimRow("V", "alc", DNN, lane_victim(net, label), net))
        for name in ON_ROAD:
            words, entry = INPUT_DEFENCES[name]
            victim = lane_victim(net, f"{label} {name.replace('_', ' ')}", (entry,))
            found.append(VictimRow("V", "alc", DNN, victim, net, words, published=(ROAD_DEFENCES,)))
    return found

"""What is asked for: the rows of every table, each a victim, an album and the attack it is tried with.

Rows that the publication has come first; V²LMs stand below with the same columns. A shadow is searched by asking the
very model that a row is about, its defence included. V²LMs get the shadows that were made against YOLOv5-cls, as no
attack of the publication asks them; on demand a second pair of rows lets the search ask solo and tandem, which takes
long. A row that the publication has and nobody here can answer is an `AbsentRow`: it shows its cells alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.core.errors import UsageError
from testbed.evaluate import published
from testbed.evaluate.published import PaperRow, Published, TaskName, facts, statement
from testbed.evaluate.v2lms import DEPLOYMENTS, AskedV2lm
from testbed.evaluate.victims import VictimAgent

TABLES: dict[str, str] = {
    "I": "Defences of sign recognition, without and under the shadow attack",
    "II": "V²LMs before fine-tuning",
    "III": "DNNs and V²LMs, without and under attack",
    "IV": "V²LMs, solo and in tandem, without and under attack",
    "V": "Defences against published attacks",
    "fig5": "Boxes before and under the camouflage",
}
"""Name of a table to what it shows, in the order of the publication."""
ATTACK_TABLES = ("I", "III", "V")
"""Tables whose rows are an attack's victims one by one."""
TASKS: dict[TaskName, str] = {"tsr": "Traffic sign recognition", "alc": "Lane centring", "vd": "Vehicle detection"}
ATTACKS: dict[str, str] = {"tsr": "shadow", "alc": "road_patch", "vd": "camouflage"}
"""Task to the kind of adversary that it is tried with."""
DNN, V2LM = "DNN", "V²LM"
NO_CHECKPOINT, NO_NET = "no such checkpoint here", "no such net here"


@dataclass(frozen=True, slots=True)
class VictimRow:
    """One row.

    Attributes:
        table: A key of ``TABLES``.
        task: ``tsr``, ``alc`` or ``vd``.
        block: ``DNN`` or ``V²LM``.
        victim: Who is asked.
        base: Name of its sign or lane net without a defence; empty for V²LMs and the detector.
        defence: Its defence in words, ``none`` without.
        against: Whom the search for shadows asked: a name of `testbed.agents.dnn.nets.SIGN_NETS`, ``solo`` or
            ``tandem``; empty where a shipped artefact is shown.
        against_defences: Input defences of the asked model.
        published: What publications say about many rows at once, this one among them.
        paper: What [V2LM] prints in the corresponding row; None where it has none.
        v2lm: Which V²LM it is; None for a DNN.
        attacked: Whether it is shown attacks; else it is shown held-out pictures alone.
        controls: Whether it is shown what only looks like an attack.
    """

    table: str
    task: TaskName
    block: str
    victim: VictimAgent
    base: str = ""
    defence: str = "none"
    against: str = ""
    against_defences: tuple[dict[str, Any], ...] = ()
    published: tuple[Published, ...] = ()
    paper: PaperRow | None = None
    v2lm: AskedV2lm | None = None
    attacked: bool = True
    controls: bool = True

    @property
    def adaptive(self) -> bool:
        """Whether the search for shadows asked this very V²LM."""
        return self.block == V2LM and self.against != "" and self.against == self.victim.road_name


@dataclass(frozen=True, slots=True)
class AbsentRow:
    """A row of the publication that nobody here can answer.

    Attributes:
        table: A key of ``TABLES``.
        task: ``tsr``, ``alc`` or ``vd``.
        name: Its victim.
        variant: Its defence or deployment.
        reason: Why nothing of ours stands beside it.
        paper: What is printed.
        family: Its key in ``families`` of ``published.yaml``; empty for a DNN.
    """

    table: str
    task: TaskName
    name: str
    variant: str
    reason: str
    paper: PaperRow | None
    family: str = ""


@dataclass(frozen=True, slots=True)
class AskedModels:
    """V²LMs that the tables ask: fine-tuned ones, and others as they were before."""

    tuned: tuple[AskedV2lm, ...] = ()
    zero_shot: tuple[AskedV2lm, ...] = ()


SIGN_NETS: dict[str, str] = {"yolov5_cls": "YOLOv5-cls", "vit_small": "ViT-small", "gtsrb_cnn": "GTSRB-CNN"}
"""Sign models of Table III; the last is the victim that the attack's own paper used."""
TRANSFERRED = "yolov5_cls"
"""Sign model whose shadows the V²LMs are shown."""
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

DETECTOR = VictimAgent("YOLOv5", "dnn")


def sign_victim(net: str, label: str, defences: tuple[dict[str, Any], ...] = ()) -> VictimAgent:
    """Return the ``dnn`` agent with a sign net; the net it has anyway needs no option."""
    return VictimAgent(label, "dnn", {} if net == "yolov5_cls" else {"tsr": net}, defences)


def lane_victim(net: str, label: str, defences: tuple[dict[str, Any], ...] = ()) -> VictimAgent:
    """Return the ``dnn`` agent with a lane net."""
    return VictimAgent(label, "dnn", {} if net == "clrernet" else {"alc": net}, defences)


def rows(tables: Sequence[str], models: AskedModels, *, adaptive: bool = False) -> list[VictimRow]:
    """Return the rows of some tables in the order of the publication.

    Args:
        tables: Names of tables.
        models: V²LMs that are asked.
        adaptive: Whether Table III also shows solo and tandem under shadows that were found by asking them.

    Raises:
        UsageError: There is no such table.
    """
    makers: dict[str, Callable[[], list[VictimRow]]] = {
        "I": table_i,
        "II": lambda: table_ii(models),
        "III": lambda: table_iii(models, adaptive),
        "IV": lambda: table_iv(models),
        "V": table_v,
        "fig5": lambda: figure_5(models),
    }
    for table in tables:
        if table not in makers:
            raise UsageError(f"unknown table {table!r}", hint=f"there are {', '.join(makers)}")
    return [row for table, make in makers.items() if table in tables for row in make()]


def absent(tables: Sequence[str], models: AskedModels) -> list[AbsentRow]:
    """Return what the publication has and nobody here can answer, in its order."""
    makers: dict[str, Callable[[], list[AbsentRow]]] = {
        "I": _absent_i,
        "IV": lambda: _absent_iv(models),
        "V": _absent_v,
        "fig5": lambda: _absent_5(models),
    }
    return [row for table, make in makers.items() if table in tables for row in make()]


def table_i() -> list[VictimRow]:
    """Return YOLOv5-cls and ViT-small without a defence and with each that there is."""
    from testbed.agents.dnn.nets import SIGN_NETS as KNOWN

    found = []
    for net in DEFENDED_NETS:
        label, paper = SIGN_NETS[net], published.table_i_row
        found.append(VictimRow("I", "tsr", DNN, sign_victim(net, label), net, against=net, paper=paper(net)))
        for ending, words in TRAININGS.items():
            trained = f"{net}_{ending}"
            if trained in KNOWN:
                said = (statement("adversarial_training"),) if ending == "adversarial" else ()
                victim = sign_victim(trained, f"{label} {ending.replace('_', ' ')}")
                found.append(
                    VictimRow("I", "tsr", DNN, victim, net, words, trained, (), said, paper=paper(net, ending))
                )
        for name in ON_SIGNS:
            words, entry = INPUT_DEFENCES[name]
            chain = (entry,)
            victim = sign_victim(net, f"{label} {name.replace('_', ' ')}", chain)
            found.append(VictimRow("I", "tsr", DNN, victim, net, words, net, chain, paper=paper(net, name)))
    return found


def _absent_i() -> list[AbsentRow]:
    from testbed.agents.dnn.nets import SIGN_NETS as KNOWN

    return [
        AbsentRow("I", "tsr", SIGN_NETS[net], words, NO_NET, paper)
        for net in DEFENDED_NETS
        for ending, words in TRAININGS.items()
        if f"{net}_{ending}" not in KNOWN and (paper := published.table_i_row(net, ending)) is not None
    ]


def table_ii(models: AskedModels) -> list[VictimRow]:
    """Return the V²LMs that were not fine-tuned, asked about held-out pictures of every task."""
    return [
        VictimRow("II", task, V2LM, one.victim, v2lm=one, attacked=False) for task in TASKS for one in models.zero_shot
    ]


def table_iii(models: AskedModels, adaptive: bool = False) -> list[VictimRow]:
    """Return the DNNs of the three tasks, each followed by the V²LMs with the same columns."""
    drop, paper = statement("dnn_drop"), published.table_iii_row
    v2lms = [(one, _drop_of(one)) for one in models.tuned]
    stated = (statement("shadow"), drop)
    found = [
        VictimRow("III", "tsr", DNN, sign_victim(n, label), n, against=n, published=stated, paper=paper("tsr", n))
        for n, label in SIGN_NETS.items()
    ]
    found += [VictimRow("III", "tsr", V2LM, one.victim, against=TRANSFERRED, published=d, v2lm=one) for one, d in v2lms]
    if adaptive:
        asked = [one for one in models.tuned if one.victim.road_name in DEPLOYMENTS]
        found += [VictimRow("III", "tsr", V2LM, v.victim, against=v.victim.road_name, v2lm=v) for v in asked]
    stated = (statement("road_patch"), drop)
    found += [
        VictimRow("III", "alc", DNN, lane_victim(net, label), net, published=stated, paper=paper("alc", net))
        for net, label in LANE_NETS.items()
    ]
    found += [VictimRow("III", "alc", V2LM, one.victim, published=d, v2lm=one) for one, d in v2lms]
    stated = (statement("camouflage"), statement("dnn_vd_drop"))
    found.append(VictimRow("III", "vd", DNN, DETECTOR, published=stated, paper=paper("vd", "yolov5")))
    found += [VictimRow("III", "vd", V2LM, one.victim, published=d, v2lm=one) for one, d in v2lms]
    return found


def _drop_of(one: AskedV2lm) -> tuple[Published, ...]:
    return (statement(f"{one.deployment}_drop"),) if one.deployment in DEPLOYMENTS else ()


def table_iv(models: AskedModels) -> list[VictimRow]:
    """Return every V²LM in every task, those beside a published family first and in its order."""
    order = [*facts().families, ""]
    chosen = sorted(models.tuned, key=lambda one: order.index(one.family))
    return [
        VictimRow(
            "IV",
            task,
            V2LM,
            one.victim,
            against=TRANSFERRED if task == "tsr" else "",
            paper=published.table_iv_row(task, one.family, one.deployment),
            v2lm=one,
            controls=False,
        )
        for task in TASKS
        for one in chosen
    ]


def _absent_iv(models: AskedModels) -> list[AbsentRow]:
    known = {(one.family, one.deployment) for one in models.tuned}
    return [
        AbsentRow(
            "IV", task, family.label, deployment, NO_CHECKPOINT, published.table_iv_row(task, name, deployment), name
        )
        for task in TASKS
        for name, family in facts().families.items()
        for deployment in DEPLOYMENTS
        if (name, deployment) not in known
    ]


def table_v() -> list[VictimRow]:
    """Return the victims of the three attacks without a defence, and the lane models with each input defence."""
    paper = published.table_v_row
    net = "gtsrb_cnn"
    found = [VictimRow("V", "tsr", DNN, sign_victim(net, SIGN_NETS[net]), net, against=net, paper=paper(net))]
    for net, label in LANE_NETS.items():
        # there as here: the lane model that the patch was made against
        victim_there = "openpilot" if net == "clrernet" else ""
        found.append(VictimRow("V", "alc", DNN, lane_victim(net, label), net, paper=paper(victim_there)))
        for name in ON_ROAD:
            words, entry = INPUT_DEFENCES[name]
            victim = lane_victim(net, f"{label} {name.replace('_', ' ')}", (entry,))
            said = (statement("road_defences"),)
            found.append(
                VictimRow("V", "alc", DNN, victim, net, words, published=said, paper=paper(victim_there, name))
            )
    found.append(VictimRow("V", "vd", DNN, DETECTOR, paper=paper("yolov3")))
    return found


def _absent_v() -> list[AbsentRow]:
    words = TRAININGS["adversarial"]
    return [
        AbsentRow("V", "tsr", SIGN_NETS["gtsrb_cnn"], words, NO_NET, published.table_v_row("gtsrb_cnn", "adversarial"))
    ]


def figure_5(models: AskedModels) -> list[VictimRow]:
    """Return who reports boxes: the detector, the V²LMs, and those that were not fine-tuned."""
    chosen = (*models.tuned, *models.zero_shot)
    return [
        VictimRow("fig5", "vd", DNN, DETECTOR),
        *(VictimRow("fig5", "vd", V2LM, one.victim, v2lm=one) for one in chosen),
    ]


def _absent_5(models: AskedModels) -> list[AbsentRow]:
    known = {one.family for one in (*models.tuned, *models.zero_shot)}
    return [
        AbsentRow("fig5", "vd", facts().families[name].label, "", NO_CHECKPOINT, None, name)
        for name in facts().figure_5.families
        if name not in known
    ]

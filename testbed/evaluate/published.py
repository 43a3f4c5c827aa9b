"""What publications print, from ``published.yaml``: read strictly, once, and never copied into a column of ours.

[V2LM] is the paper that the testbed reproduces; the others are those of the attacks. What a cell is recomputed from is
said where it is shown; a cell that no publication prints stays empty.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from testbed.core.explain import require
from testbed.core.yaml_reader import YamlDocument, parse_yaml

Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Points = Annotated[float, Field(ge=-100.0, le=100.0)]
Overlap = Annotated[float, Field(ge=0.0, le=1.0)]
TaskName = Literal["tsr", "alc", "vd"]
DeploymentName = Literal["solo", "tandem"]
FigureName = Literal["accuracy", "f1", "precision", "recall"]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedFamily(_Facts):
    """A family of V²LMs; an agent file whose name holds all of its ``words`` stands beside it."""

    label: str
    words: list[str] = Field(min_length=1)


class PercentPair(_Facts):
    """Accuracy in percent without and under attack."""

    benign: Percent
    attacked: Percent


class PointsPair(_Facts):
    """Change of both accuracies against the row without a defence, in points."""

    benign: Points
    attacked: Points


class PercentSpan(_Facts):
    """Lowest and highest of several models, in percent."""

    low: Percent
    high: Percent

    @model_validator(mode="after")
    def _in_order(self) -> PercentSpan:
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")
        return self


class PaperScore(_Facts):
    """Accuracy and macro F1 in percent; F1 is None where none is printed."""

    accuracy: Percent
    f1: Percent | None = None


class PaperPair(_Facts):
    """Both figures without and under attack."""

    benign: PaperScore
    attacked: PaperScore


class PaperDefences(_Facts):
    """Table I: net to its accuracies, defence to net to the change."""

    source: str
    base: dict[str, PercentPair]
    change: dict[str, dict[str, PointsPair]]


class PaperTrained(_Facts):
    """Net to its accuracies after adversarial training."""

    source: str
    nets: dict[str, PercentPair]


class PaperSpans(_Facts):
    """Zero-shot spans of one task."""

    accuracy: PercentSpan
    f1: PercentSpan
    precision: PercentSpan
    recall: PercentSpan

    def of(self, name: FigureName) -> PercentSpan:
        """Return one of them."""
        return {"accuracy": self.accuracy, "f1": self.f1, "precision": self.precision, "recall": self.recall}[name]


class PaperZeroShot(_Facts):
    """Table II."""

    source: str
    tasks: dict[TaskName, PaperSpans]


class PaperNets(_Facts):
    """Table III: task to net to its figures."""

    source: str
    tasks: dict[TaskName, dict[str, PaperPair]]


class PaperFamilies(_Facts):
    """Table IV: task to family to deployment to its figures."""

    source: str
    tasks: dict[TaskName, dict[str, dict[DeploymentName, PaperPair]]]


class PaperDefended(_Facts):
    """One row of Table V; ``defended`` is a figure, ``defended_words`` what is said instead of one."""

    task: TaskName
    victim: str
    label: str
    attack: str
    under_attack: Percent
    defences: list[str]
    defended: Percent | None = None
    defended_words: str = ""


class PaperDefendedRows(_Facts):
    """Table V."""

    source: str
    rows: list[PaperDefended]


class PaperOverlap(_Facts):
    """Mean IoU before and after fine-tuning."""

    zero_shot: Overlap
    fine_tuned: Overlap


class PaperOverlaps(_Facts):
    """Figure 5."""

    source: str
    families: dict[str, PaperOverlap]


class PaperMemory(_Facts):
    """Family to gigabytes of one model."""

    source: str
    families: dict[str, Annotated[float, Field(gt=0.0)]]


class PaperLatency(_Facts):
    """Family to precision to milliseconds of one decision, and what a decision may take."""

    source: str
    families: dict[str, dict[Literal["full", "int8", "int4"], Annotated[float, Field(gt=0.0)]]]
    budget: Annotated[float, Field(gt=0.0)]


class PaperSentence(_Facts):
    """Something said about many rows at once."""

    text: str
    source: str


class PublishedFacts(_Facts):
    """The whole file."""

    publications: dict[str, str]
    families: dict[str, PublishedFamily]
    table_I: PaperDefences
    adversarial_training: PaperTrained
    table_II: PaperZeroShot
    table_III: PaperNets
    table_IV: PaperFamilies
    table_V: PaperDefendedRows
    figure_5: PaperOverlaps
    memory_gb: PaperMemory
    latency_ms: PaperLatency
    statements: dict[str, PaperSentence]
    inconsistencies: list[str]

    @model_validator(mode="after")
    def _known_families(self) -> PublishedFacts:
        named = [*self.figure_5.families, *self.memory_gb.families, *self.latency_ms.families]
        named += [family for rows in self.table_IV.tasks.values() for family in rows]
        for family in named:
            if family not in self.families:
                raise ValueError(f"family {family!r} has no label")
        return self


@dataclass(frozen=True, slots=True)
class Published:
    """A published statement.

    Attributes:
        text: As it is shown, for instance ``> 97.5 %``.
        source: Which publication, and what exactly it is about.
        mark: Footnote mark.
    """

    text: str
    source: str
    mark: str


@dataclass(frozen=True, slots=True)
class PaperRow:
    """What a publication prints in the row that one of ours corresponds to.

    Attributes:
        source: Which publication and where.
        benign: Without an attack; None where nothing is printed. Percent.
        attacked: Under it.
        change: Change of both accuracies against the row without a defence, as printed; the figures above are then
            recomputed from it.
        words: What is said about the attacked figure where there is none, or what kind of figure it is.
    """

    source: str
    benign: PaperScore | None = None
    attacked: PaperScore | None = None
    change: PointsPair | None = None
    words: str = ""

    @property
    def drop(self) -> float | None:
        """Accuracy lost in points, recomputed from both cells."""
        if self.benign is None or self.attacked is None:
            return None
        return self.benign.accuracy - self.attacked.accuracy

    @property
    def drop_f1(self) -> float | None:
        """Macro F1 lost in points, recomputed from both cells."""
        if self.benign is None or self.attacked is None or self.benign.f1 is None or self.attacked.f1 is None:
            return None
        return self.benign.f1 - self.attacked.f1


@dataclass(frozen=True, slots=True)
class MeanDrops:
    """Mean drops over rows of Table IV, in points."""

    accuracy: float
    f1: float
    rows: int


def read(document: YamlDocument) -> PublishedFacts:
    """Return a file of published facts.

    Raises:
        ScenarioError: It is not one; names line and column.
    """
    return require(PublishedFacts, document, see_all="")


@cache
def facts() -> PublishedFacts:
    """Return the shipped facts."""
    place = resources.files("testbed.evaluate").joinpath("published.yaml")
    return read(parse_yaml(place.read_bytes(), "published.yaml"))


def statement(name: str) -> Published:
    """Return a statement of the file, or ``solo_drop`` and ``tandem_drop``, which are recomputed from Table IV."""
    names = [*facts().statements, "solo_drop", "tandem_drop"]
    mark = chr(ord("a") + names.index(name))
    if name in facts().statements:
        found = facts().statements[name]
        return Published(found.text, found.source, mark)
    mean = mean_drops("solo" if name == "solo_drop" else "tandem")
    told = f"[V2LM] mean over {mean.rows} rows of Table IV, recomputed; F1 {mean.f1:.2f}"
    return Published(f"{mean.accuracy:.2f} points", told, mark)


def mean_drops(deployment: DeploymentName) -> MeanDrops:
    """Return the means of the drops of Table IV's rows, recomputed from its cells."""
    pairs = [row[deployment] for rows in facts().table_IV.tasks.values() for row in rows.values()]
    lost = [PaperRow("", pair.benign, pair.attacked) for pair in pairs]
    return MeanDrops(
        statistics.fmean(row.drop for row in lost if row.drop is not None),
        statistics.fmean(row.drop_f1 for row in lost if row.drop_f1 is not None),
        len(lost),
    )


def table_i_row(net: str, defence: str = "") -> PaperRow | None:
    """Return the row of a sign net in Table I, or in Fig. 1 for ``adversarial``; None where there is none."""
    found = facts().table_I
    if defence == "adversarial":
        trained = facts().adversarial_training
        pair = trained.nets.get(net)
        return None if pair is None else _row(trained.source, pair)
    base = found.base.get(net)
    if base is None or not defence:
        return None if base is None else _row(found.source, base)
    change = found.change.get(defence, {}).get(net)
    if change is None:
        return None
    return PaperRow(
        found.source,
        PaperScore(accuracy=round(base.benign + change.benign, 2)),
        PaperScore(accuracy=round(base.attacked + change.attacked, 2)),
        change,
    )


def _row(source: str, pair: PercentPair) -> PaperRow:
    return PaperRow(source, PaperScore(accuracy=pair.benign), PaperScore(accuracy=pair.attacked))


def table_iii_row(task: TaskName, net: str) -> PaperRow | None:
    """Return the row of a DNN in Table III, None where there is none."""
    pair = facts().table_III.tasks[task].get(net)
    return None if pair is None else PaperRow(facts().table_III.source, pair.benign, pair.attacked)


def table_iv_row(task: TaskName, family: str, deployment: str) -> PaperRow | None:
    """Return the row of a family and deployment in Table IV, None where there is none."""
    deployments: Mapping[str, PaperPair] = facts().table_IV.tasks[task].get(family, {})  # type: ignore[assignment]
    pair = deployments.get(deployment)
    return None if pair is None else PaperRow(facts().table_IV.source, pair.benign, pair.attacked)


def table_v_row(victim: str, defence: str = "") -> PaperRow | None:
    """Return what Table V says about a victim behind a defence, or behind none; None where it says nothing."""
    for row in facts().table_V.rows:
        if row.victim != victim or (defence and defence not in row.defences):
            continue
        value = row.defended if defence else row.under_attack
        score = None if value is None else PaperScore(accuracy=value)
        words = f"{row.label}: {row.defended_words if defence and row.defended_words else '100 − success'}"
        return PaperRow(facts().table_V.source, None, score, None, words)
    return None


def family_of(words: set[str]) -> str:
    """Return the family all of whose words are among the given ones, the one with most words; empty without one."""
    known = facts().families
    fitting = [name for name, family in known.items() if set(family.words) <= words]
    return max(fitting, key=lambda name: len(known[name].words), default="")

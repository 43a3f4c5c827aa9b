"""Numbers over many episodes: rates, pooled perception scores, paired tests, end-to-end lateral deviation.

Each number carries what is needed to print it honestly: k and n, an interval, the number of pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from testbed import stats
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.types import Decision
from testbed.events import COLLISION_VEHICLE, SPEED_LIMIT, EventKind, Task
from testbed.judge import JudgeLimits, event_catalogue, macro_f1, merged
from testbed.judge.perception import UNPARSABLE
from testbed.report.attack_aim import aims_of
from testbed.report.drive_trace import DriveTrace, ExpectedAnswer
from testbed.report.run_view import BENIGN, Episode, EpisodeGroup, RunView


@dataclass(frozen=True, slots=True)
class Pooled:
    """Perception scores pooled over episodes: counts are added, never averages averaged.

    Attributes:
        accuracy: Right answers of all.
        macro_f1: From the summed confusion table.
        n: Number of answers.
        abstained: How many of them abstained.
        unparsable: How many of them were words that could not be read, apart from those.
        extra: Mean IoU of boxes for vehicle detection; None elsewhere or without boxes.
    """

    accuracy: float | None
    macro_f1: float | None
    n: int
    abstained: int
    unparsable: int = 0
    extra: float | None = None


def rate_of(episodes: Sequence[Episode], kind: str, method: stats.IntervalMethod = "wilson") -> stats.Rate:
    """Return how many episodes had an event of a kind (``collision`` = any)."""
    return stats.rate(sum(e.had(kind) for e in episodes), len(episodes), method=method)


def success_of(episodes: Sequence[Episode]) -> stats.Rate:
    """Return in how many episodes the ego was pulled beyond the threshold within the attack window."""
    known = [e for e in episodes if isinstance(e.record.scores.get("window.success"), bool)]
    return stats.rate(sum(bool(e.record.scores["window.success"]) for e in known), len(known))


def mean_of(episodes: Sequence[Episode], name: str) -> stats.Estimate | None:
    """Return the mean of a score; the bootstrap resamples worlds where there are several, episodes otherwise."""
    pairs = [(value, e.world) for e in episodes if (value := e.number(name)) is not None]
    if not pairs:
        return None
    worlds = [world for _, world in pairs]
    # one world is one cluster: its episodes are then the only thing that can be resampled
    clusters = worlds if len(set(worlds)) > 2 else None
    return stats.bootstrap_mean([value for value, _ in pairs], clusters)


def spread_of(episodes: Sequence[Episode], name: str) -> tuple[float, float, float] | None:
    """Return (median, smallest, largest) of a score."""
    values = [value for e in episodes if (value := e.number(name)) is not None]
    return (float(np.median(values)), min(values), max(values)) if values else None


def answer_counts(episodes: Sequence[Episode]) -> tuple[int, int, int]:
    """Return (decisions, those that missed the deadline, those dropped for it).

    Where an episode was driven with a deadline these are the decisions begun; else the answers that took effect, the
    late ones among them against the paper's 100 ms.
    """
    asked = misses = dropped = 0
    for episode in episodes:
        counted = episode.number("deadline.asked") is not None
        asked += int(episode.number("deadline.asked" if counted else "decision.count") or 0)
        misses += int(episode.number("deadline.misses" if counted else "latency.deadline_misses") or 0)
        dropped += int(episode.number("deadline.dropped") or 0)
    return asked, misses, dropped


def pooled(episodes: Sequence[Episode], task: str, scope: str = "") -> Pooled:
    """Return pooled scores of ``tsr``, ``alc`` or ``vd``; ``scope`` is empty, ``window.`` or ``exposed.``."""
    prefix = f"{scope}{task}"

    def total(name: str) -> float:
        return sum(e.number(f"{prefix}.{name}") or 0.0 for e in episodes)

    n = int(total("n"))
    tables = [json.loads(str(text)) for e in episodes if (text := e.record.scores.get(f"{prefix}.confusion"))]
    table = merged(tables)
    boxes = total("boxes") if task == "vd" else 0.0
    return Pooled(
        accuracy=total("correct") / n if n else None,
        macro_f1=macro_f1(table),
        n=n,
        abstained=int(total("abstained")),
        unparsable=int(total("unparsable")),
        extra=total("iou_sum") / boxes if boxes else None,
    )


def confusion(episodes: Sequence[Episode], task: str, scope: str = "") -> dict[str, dict[str, int]]:
    """Return the summed confusion table of a task."""
    names = (e.record.scores.get(f"{scope}{task}.confusion") for e in episodes)
    return merged([json.loads(str(text)) for text in names if text])


def versus_benign(group: EpisodeGroup, kind: str) -> stats.McNemar | None:
    """Return the exact McNemar test of a group against the benign twins of its episodes; None without pairs."""
    pairs = [(e.twin, e) for e in group.episodes if e.twin is not None]
    if not pairs:
        return None
    return stats.mcnemar([twin.had(kind) for twin, _ in pairs], [e.had(kind) for _, e in pairs])


@dataclass(frozen=True, slots=True)
class Versus:
    """A group against its benign twins.

    Attributes:
        test: Exact McNemar test.
        adjusted: Its p-value after Holm over all tests of the same sort (attacks, or controls) in the run.
        least: What that would be, had the event happened in every drive of the group and in none of its twins.
    """

    test: stats.McNemar
    adjusted: float
    least: float

    @property
    def worse(self) -> bool:
        """Whether more drives had the event than twins."""
        return self.test.only_second > self.test.only_first


def all_versus_benign(view: RunView) -> dict[tuple[str, str, EventKind], Versus]:
    """Return (agent, condition, kind of event) to its test against the benign twins; attacks and controls apart.

    Tested is what the condition aims at and every kind of event that a valid drive of the run had: an attack that
    fails at its aim may do something else.
    """
    events = event_catalogue()
    happened = {
        kind
        for group in view.groups
        for episode in group.episodes
        for event in episode.record.events
        if (kind := events.whole(event.kind)) is not None
    }
    seen = [kind for kind in events.shown() if kind in happened]
    result: dict[tuple[str, str, EventKind], Versus] = {}
    for control in (False, True):
        tests: dict[str, stats.McNemar] = {}
        names: dict[str, tuple[str, str, EventKind]] = {}
        for index, group in enumerate(view.groups):
            if group.control is not control or group.condition == BENIGN:
                continue
            for kind in dict.fromkeys((*aims_of(view, group.condition), *seen)):
                if (test := versus_benign(group, kind.name)) is not None:
                    name = f"{index} {kind.name}"
                    tests[name], names[name] = test, (group.agent, group.condition, kind)
        adjusted = stats.holm({name: test.p_value for name, test in tests.items()})
        for name, test in tests.items():
            least = stats.mcnemar([False] * test.pairs, [True] * test.pairs).p_value
            result[names[name]] = Versus(test, adjusted[name], min(1.0, least * len(tests)))
    return result


def e2e_deviation_m(episode: Episode, limits: JudgeLimits | None = None) -> float | None:
    """Return E2E-LD: the largest deviation from the benign path over the first 20 frames after reaching the artefact.

    The benign path is looked up at the same distance along the lane, so that a difference in speed is no deviation.
    (Sato and Chen, CVPR 2022: T_E = 20 frames, 1 s at 20 Hz.)
    """
    limits = limits or JudgeLimits()
    drive = episode.drive
    twin = episode.twin.drive if episode.twin is not None else None
    if drive is None or twin is None or drive.patch_s is None:
        return None
    start = int(np.searchsorted(drive.t_s, drive.patch_s[0]))
    part = slice(start, start + limits.e2e_frames)
    benign = np.interp(drive.s_m[part], twin.s_m, twin.offset_m)
    return float(np.abs(drive.offset_m[part] - benign).max()) if benign.size else None


def component_success(
    episodes: Sequence[Episode], task: Task = "alc", pixels: float = JudgeLimits().visible_px
) -> tuple[int, int]:
    """Return (flipped, benign-correct): answers right in the twin and wrong in the attacked drive.

    Answers are paired by the time of their image, over images that show the artefact: the attack success rate at
    component level (share of benign-correct answers that become wrong).
    """
    flipped = right = 0
    for episode in episodes:
        drive = episode.drive
        twin = episode.twin.drive if episode.twin is not None else None
        if drive is None or twin is None:
            continue
        shown = {int(f): px >= pixels for f, px in zip(drive.frame, drive.visible_px, strict=True)}
        benign = {round(d.t_s, 3): _is_right(d, truth, task) for d, truth in _answers(twin)}
        for decision, truth in _answers(drive):
            was, now = benign.get(round(decision.t_s, 3)), _is_right(decision, truth, task)
            if shown.get(decision.frame) and was and now is not None:
                right += 1
                flipped += not now
    return flipped, right


def misread_as(episodes: Sequence[Episode]) -> tuple[str, int, int] | None:
    """Return (most frequent wrong reading, how often, answers) over sign crops that show the artefact, or None."""
    table = confusion(episodes, "tsr", "exposed.")
    answers = sum(sum(row.values()) for row in table.values())
    wrong: dict[str, int] = {}
    for truth, row in table.items():
        for said, count in row.items():
            if said != truth:
                wrong[said] = wrong.get(said, 0) + count
    if not wrong:
        return None
    said = max(sorted(wrong), key=lambda name: wrong[name])
    known = said.isdigit() and int(said) < len(SIGN_NAMES)
    nothing = "nothing (it could not be read)" if said == UNPARSABLE else "nothing (it abstained)"
    return (f"“{SIGN_NAMES[int(said)]}”" if known else nothing), wrong[said], answers


def least_gaps_m(episodes: Sequence[Episode]) -> list[float]:
    """Return the smallest distance to a vehicle ahead of each drive that had one, 0 where it was hit."""
    found = []
    for episode in episodes:
        gap_m = episode.drive.least_gap_m if episode.drive is not None else None
        if episode.had(COLLISION_VEHICLE.name):
            found.append(0.0)
        elif gap_m is not None:
            found.append(max(gap_m, 0.0))
    return found


def badness(episode: Episode, aim: EventKind) -> float:
    """Return how badly a drive went by the event it aims at, larger is worse: for choosing the median drive."""
    drive = episode.drive
    if aim.chart == "offset" or drive is None:
        return episode.number("window.max_offset_m") or episode.number("lane.max_offset_m") or 0.0
    if aim.chart == "gap":
        gaps = least_gaps_m([episode])
        return -gaps[0] if gaps else float("-inf")
    if aim == SPEED_LIMIT:
        over = drive.speed_mps - drive.limit_mps
        return 0.0 if np.isnan(over).all() else float(np.nanmax(over))
    if drive.line_s is not None:
        return float(np.interp(drive.line_s, drive.t_s, drive.speed_mps))
    return float(drive.speed_mps.min())


def _answers(drive: DriveTrace) -> Iterable[tuple[Decision, ExpectedAnswer]]:
    return zip(drive.decisions, drive.rights, strict=True)


def _is_right(decision: Decision, truth: ExpectedAnswer, task: Task) -> bool | None:
    """Return whether an answer was right, None where its image asked nothing of the kind."""
    said = decision.perception
    if task == "tsr":
        return None if said.sign is None or truth.sign is None else said.sign.class_id == truth.sign
    if task == "vd":
        return said.vehicle.present == truth.vehicle if truth.vehicle else None
    steering = said.steering.steering
    return None if not truth.steering else steering is not None and str(steering) == truth.steering

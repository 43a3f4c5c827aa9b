"""The arbiter: from what a fast and a slow agent say to one set of answers, as a pure function.

Whether they agree is told by what both said about the same picture. So the slow one's delay is no disagreement, and an
answer that comes too late to act on still tells whether the fast agent is to be trusted. Class is compared with class:
two steering classes, two sign classes, a vehicle or none. No answer is made up: what is passed is what one of the two
said. The truth table stands in docs/parallel.md and is executed by a test.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from testbed.core.types import Arbitration, Caution, Opinion, Perception, Relation, Steering

Task = Literal["tsr", "alc", "vd"]

TASKS: tuple[Task, ...] = ("tsr", "alc", "vd")

ROUNDING_S = 1e-9
"""Times are sums of steps; a limit that is met to the last digit is met."""


class Policy(enum.StrEnum):
    """What to do where the two disagree.

    ``prefer_vlm`` acts on the slow agent's answer, ``prefer_confident`` on that of the more confident one. The other
    two buy time as well: from an alarm on the driver drives slowly, or, once it has lasted, stops in its lane. They
    act on the more cautious answer, whoever gave it: a vehicle rather than none, straight on rather than a turn, and
    elsewhere on that of the more confident one.
    """

    PREFER_VLM = "prefer_vlm"
    PREFER_CONFIDENT = "prefer_confident"
    SLOW_ON_DISAGREEMENT = "slow_on_disagreement"
    MINIMAL_RISK_STOP = "minimal_risk_stop"


@dataclass(frozen=True, slots=True)
class ArbiterRules:
    """Policy and thresholds.

    Attributes:
        policy: What to do where the two disagree.
        stale_s: Per task the age of a picture beyond which the slow agent's answers about it are not acted on. A
            steering class is out of date within a preview distance; a sign stays the same, and has an id to tell by.
        alarm_after_s: A disagreement that has lasted so long, from its first picture to its last, is an alarm; 0 makes
            one of each.
        stop_after_s: A disagreement that has lasted so long ends in a stop, under ``minimal_risk_stop``.
        slow_for_s: So long after its last alarm it is driven slowly, under ``slow_on_disagreement``.
    """

    policy: Policy = Policy.PREFER_VLM
    stale_s: Mapping[str, float] = field(default_factory=lambda: {"tsr": 3.0, "alc": 0.5, "vd": 1.0})
    alarm_after_s: float = 0.3
    stop_after_s: float = 0.5
    slow_for_s: float = 2.0


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What two agents said about one picture.

    Attributes:
        slow: The slow agent's answers.
        checked: The fast agent's answers to the same picture.
    """

    slow: Opinion
    checked: Opinion


@dataclass(frozen=True, slots=True)
class ArbiterMemory:
    """What the arbiter knows of earlier decisions.

    Attributes:
        since_s: Task to the time of the first picture of those in a row on which the two disagree.
        sign_id: The sign that the last decision was about.
        alarm_s: Time of the last decision under alarm; minus infinity before any.
        stopping: Whether a stop has been asked for; it is never taken back.
    """

    since_s: Mapping[str, float] = field(default_factory=dict)
    sign_id: str | None = None
    alarm_s: float = -math.inf
    stopping: bool = False


def counts(task: Task, fast: Opinion, second: SecondOpinion) -> bool:
    """Tell whether a second opinion is about what the question is about: for signs, about the one that is in view."""
    return task != "tsr" or (fast.sign_id is not None and second.slow.sign_id == fast.sign_id)


def relation(task: Task, fast: Opinion, second: SecondOpinion | None) -> Relation:
    """Return how the two stand to each other on a question about the picture of a second opinion.

    Args:
        task: The question.
        fast: Answers to the present picture: what there is without a second opinion.
        second: The second opinion, if it counts.
    """
    mine = said(fast if second is None else second.checked, task)
    theirs = None if second is None else said(second.slow, task)
    if mine is None:
        return Relation.NOBODY if theirs is None else Relation.SLOW_ALONE
    if theirs is None:
        return Relation.FAST_ALONE
    return Relation.AGREE if mine == theirs else Relation.DISAGREE


def choose(task: Task, found: Relation, fast: Opinion, slow: Opinion | None, policy: Policy) -> Opinion:
    """Return whose answer to a question is acted on.

    That is the fast one's, as it is younger, but where they disagree and still say different things.

    Args:
        task: The question.
        found: How the two stand to each other.
        fast: Answers to the present picture.
        slow: The slow agent's answers, if they count and are young enough to act on.
        policy: What to do where they disagree.
    """
    if slow is None or said(slow, task) is None:
        return fast
    if said(fast, task) is None:
        return slow
    if found is not Relation.DISAGREE or said(fast, task) == said(slow, task):
        return fast
    if policy is Policy.PREFER_VLM:
        return slow
    if policy is not Policy.PREFER_CONFIDENT and _cautious(fast, task) is not _cautious(slow, task):
        return fast if _cautious(fast, task) else slow
    return slow if _confidence(slow, task) > _confidence(fast, task) else fast


def arbitrate(
    fast: Opinion, second: SecondOpinion | None, rules: ArbiterRules, before: ArbiterMemory
) -> tuple[Perception, ArbiterMemory]:
    """Return the answers to act on, with how they came about, and what to remember for the next decision.

    Args:
        fast: Answers to the present picture.
        second: The newest answers that the slow agent has ready, and the fast one's to their picture; None before any.
        rules: Policy and thresholds.
        before: Memory of the last decision; an empty one at the beginning of an episode.
    """
    asked = [task for task in TASKS if task != "tsr" or fast.sign is not None]
    valid = {task: second if second is not None and counts(task, fast, second) else None for task in asked}
    relations: dict[str, Relation] = {task: relation(task, fast, valid[task]) for task in asked}
    chosen: dict[Task, Opinion] = {}
    unparsable: set[str] = set()
    for task in asked:
        heard = valid[task]
        stale = heard is None or fast.t_s - heard.slow.t_s > rules.stale_s[task] + ROUNDING_S
        slow = None if heard is None or stale else heard.slow
        chosen[task] = choose(task, relations[task], fast, slow, rules.policy)
        if said(chosen[task], task) is None and any(one and task in one.unparsable for one in (fast, slow)):
            unparsable.add(task)
    lasted_s, memory = _remember(fast, valid, relations, before)
    alarms = tuple(task for task, for_s in lasted_s.items() if for_s >= rules.alarm_after_s - ROUNDING_S)
    stopping = rules.policy is Policy.MINIMAL_RISK_STOP and any(
        for_s >= rules.stop_after_s - ROUNDING_S for for_s in lasted_s.values()
    )
    alarm_s = fast.t_s if alarms else before.alarm_s
    memory = dataclasses.replace(memory, alarm_s=alarm_s, stopping=before.stopping or stopping)
    perception = Perception(
        steering=chosen["alc"].steering,
        vehicle=chosen["vd"].vehicle,
        sign=chosen["tsr"].sign if "tsr" in chosen else None,
        raw={task: opinion.raw[task] for task, opinion in chosen.items() if task in opinion.raw},
        unparsable=frozenset(unparsable),
        arbitration=Arbitration(
            policy=rules.policy.value,
            fast=fast,
            slow=None if second is None else second.slow,
            checked=None if second is None else second.checked,
            relations=relations,
            alarms=alarms,
            caution=_caution(rules, memory, fast.t_s),
        ),
    )
    return perception, memory


def _remember(
    fast: Opinion,
    valid: Mapping[Task, SecondOpinion | None],
    relations: Mapping[str, Relation],
    before: ArbiterMemory,
) -> tuple[dict[str, float], ArbiterMemory]:
    """Return for how long the two have disagreed on each task, from picture to picture, and the memory of it."""
    since_s: dict[str, float] = {}
    lasted_s: dict[str, float] = {}
    for task, second in valid.items():
        if second is None or relations[task] is not Relation.DISAGREE:
            continue
        begun_s = second.slow.t_s
        if task != "tsr" or before.sign_id == fast.sign_id:
            begun_s = before.since_s.get(task, begun_s)
        since_s[task], lasted_s[task] = begun_s, second.slow.t_s - begun_s
    return lasted_s, ArbiterMemory(since_s, fast.sign_id)


def _caution(rules: ArbiterRules, memory: ArbiterMemory, t_s: float) -> Caution:
    if memory.stopping:
        return Caution.STOP
    slow = rules.policy is Policy.SLOW_ON_DISAGREEMENT and t_s - memory.alarm_s <= rules.slow_for_s + ROUNDING_S
    return Caution.SLOW if slow else Caution.NONE


def said(opinion: Opinion, task: Task) -> Steering | bool | int | None:
    """Return the class of an answer, None where it was withheld or nothing was asked."""
    if task == "alc":
        return opinion.steering.steering
    if task == "vd":
        return opinion.vehicle.present
    return None if opinion.sign is None else opinion.sign.class_id


def _cautious(opinion: Opinion, task: Task) -> bool:
    """Tell whether an answer is one by which least is done that cannot be undone."""
    if task == "vd":
        return opinion.vehicle.present is True
    return task == "alc" and opinion.steering.steering is Steering.STRAIGHT


def _confidence(opinion: Opinion, task: Task) -> float:
    if task == "alc":
        return opinion.steering.confidence
    if task == "vd":
        return opinion.vehicle.confidence
    return 0.0 if opinion.sign is None else opinion.sign.confidence

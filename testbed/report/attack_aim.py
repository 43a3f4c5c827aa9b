"""What a condition is about: the safety event that its attack aims at, and the words and chart that show it.

A claim about the condition decides; without one the kinds of its adversaries do (a road patch pulls out of the lane,
camouflage leads to a collision, a shadow or a sticker makes its sign's rule be broken); else the scenario's first
claim.
"""

from __future__ import annotations

from collections.abc import Iterable

from testbed.events import LANE_DEPARTURE, EventKind
from testbed.judge import event_catalogue
from testbed.report.run_view import BENIGN, Episode, RunView
from testbed.scenario.schema import Adversary, Claim


def adversaries_in(view: RunView, condition: str) -> list[Adversary]:
    """Return the adversaries that a condition injects, over all scenarios of the view."""
    return [
        scenario.adversary(name)
        for scenario in view.scenarios.values()
        for name in scenario.injections().get(condition, ())
    ]


def aim_of(view: RunView, condition: str) -> EventKind:
    """Return what a condition of a run is about."""
    claims = [claim for scenario in view.scenarios.values() for claim in scenario.claims]
    found = _claimed(claim for claim in claims if claim.condition == condition)
    if found is not None:
        return found
    if condition != BENIGN:
        adversaries = adversaries_in(view, condition)
        if any(adversary.control for adversary in adversaries):
            like = attack_like(view, condition)
            if like is not None:
                return aim_of(view, like)
        for adversary in adversaries:
            aim = _aim(view, adversary)
            if aim is not None:
                return aim
    return _claimed(claims) or LANE_DEPARTURE


def aims_of(view: RunView, condition: str) -> list[EventKind]:
    """Return everything that a condition is about, first what matters most.

    That is one event, but of several adversaries at once every one that any of them aims at: an attack that fails in
    one way must not hide that it succeeds in another.
    """
    first = aim_of(view, condition)
    aims = [aim for entry in adversaries_in(view, condition) if (aim := _aim(view, entry)) is not None]
    return list(dict.fromkeys([first, *aims])) if len(set(aims)) > 1 else [first]


def aiming_at(view: RunView, condition: str, aim: EventKind) -> list[str]:
    """Return the kinds of adversary in a condition that aim at an event; all kinds where none does."""
    kinds = [entry.kind for entry in adversaries_in(view, condition) if _aim(view, entry) == aim]
    return list(dict.fromkeys(kinds)) or adversary_kinds_of(view, condition)


def main_aim(view: RunView) -> EventKind:
    """Return what the run as a whole is about: its first attack's aim, else its first claim's."""
    if view.attacks:
        return aim_of(view, view.attacks[0])
    return aim_of(view, BENIGN)


def attack_like(view: RunView, control: str) -> str | None:
    """Return the first attack whose adversaries are of the same kinds as a control's; None without one."""
    kinds = _kinds(view, control)
    return next((attack for attack in view.attacks if _kinds(view, attack) == kinds), None)


def controls_of(view: RunView, attack: str) -> list[str]:
    """Return the controls that look like an attack, in order."""
    kinds = _kinds(view, attack)
    return [name for name in view.conditions if name in view.controls and _kinds(view, name) <= kinds]


def adversary_kinds_of(view: RunView, condition: str) -> list[str]:
    """Return the kinds of adversary that a condition injects, in order, each once."""
    return list(dict.fromkeys(entry.kind for entry in adversaries_in(view, condition)))


def modes_of(episodes: Iterable[Episode]) -> list[str]:
    """Return how artefacts were brought to the camera (``world``, ``composite``, ``paste``) in some drives."""
    return list(dict.fromkeys(mode for episode in episodes for mode in episode.record.injection.values()))


def _claimed(claims: Iterable[Claim]) -> EventKind | None:
    for claim in claims:
        kind = event_catalogue().whole(claim.metric.removesuffix(".rate"))
        if kind is not None:
            return kind
    return None


def _kinds(view: RunView, condition: str) -> set[str]:
    return set(adversary_kinds_of(view, condition))


def _aim(view: RunView, adversary: Adversary) -> EventKind | None:
    """Return the event that an adversary aims at; None if nobody knows."""
    known = event_catalogue()
    return known.aimed_at_by(adversary.kind) or next(
        (
            known.of_sign(sign.gtsrb_class)
            for scenario in view.scenarios.values()
            for sign in scenario.signs
            if sign.id == adversary.sign
        ),
        None,
    )

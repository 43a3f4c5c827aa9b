"""What a condition is about: the safety event that its attack aims at, and the words and chart that show it.

A claim about the condition decides; without one the kinds of its adversaries do (a road patch pulls out of the lane,
camouflage leads to a collision, a shadow or a sticker makes its sign's rule be broken); else the scenario's first
claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from testbed.events import LANE_DEPARTURE, EventKind
from testbed.judge import event_catalogue
from testbed.report.run_view import BENIGN, Episode, RunView


def injected(view: RunView, condition: str) -> list[dict[str, Any]]:
    """Return the adversary entries that a condition injects, over all scenarios of the view."""
    found = []
    for scene in view.manifest.scenarios.values():
        entries = {str(one.get("id")): one for one in scene.get("adversaries") or [] if isinstance(one, dict)}
        groups = {str(one.get("id")): one.get("inject", []) for one in scene.get("conditions") or []}
        names = groups.get(condition, [condition]) if groups else [condition]
        found += [entries[name] for name in names if name in entries]
    return found


def topic_of(view: RunView, condition: str) -> EventKind:
    """Return what a condition of a run is about."""
    claims = [claim for scene in view.manifest.scenarios.values() for claim in scene.get("claims") or []]
    about = [claim for claim in claims if claim.get("condition") == condition]
    found = _claimed(about)
    if found is not None:
        return found
    if condition != BENIGN:
        entries = injected(view, condition)
        if any(entry.get("control") for entry in entries):
            like = like_of(view, condition)
            if like is not None:
                return topic_of(view, like)
        for entry in entries:
            aim = _aim(view, entry)
            if aim is not None:
                return aim
    return _claimed(claims) or LANE_DEPARTURE


def topics_of(view: RunView, condition: str) -> list[EventKind]:
    """Return everything that a condition is about, first what matters most.

    That is one topic, but of several adversaries at once every one that any of them aims at: an attack that fails in
    one way must not hide that it succeeds in another.
    """
    first = topic_of(view, condition)
    aims = [aim for entry in injected(view, condition) if (aim := _aim(view, entry)) is not None]
    return list(dict.fromkeys([first, *aims])) if len(set(aims)) > 1 else [first]


def aiming_at(view: RunView, condition: str, topic: EventKind) -> list[str]:
    """Return the kinds of adversary in a condition that aim at a topic; all kinds where none does."""
    kinds = [str(entry.get("kind")) for entry in injected(view, condition) if _aim(view, entry) == topic]
    return list(dict.fromkeys(kinds)) or kinds_of(view, condition)


def primary(view: RunView) -> EventKind:
    """Return what the run as a whole is about: its first attack's topic, else its first claim's."""
    if view.attacks:
        return topic_of(view, view.attacks[0])
    return topic_of(view, BENIGN)


def like_of(view: RunView, control: str) -> str | None:
    """Return the first attack whose adversaries are of the same kinds as a control's; None without one."""
    kinds = _kinds(view, control)
    return next((attack for attack in view.attacks if _kinds(view, attack) == kinds), None)


def controls_of(view: RunView, attack: str) -> list[str]:
    """Return the controls that look like an attack, in order."""
    kinds = _kinds(view, attack)
    return [name for name in view.conditions if name in view.controls and _kinds(view, name) <= kinds]


def kinds_of(view: RunView, condition: str) -> list[str]:
    """Return the kinds of adversary that a condition injects, in order, each once."""
    return list(dict.fromkeys(str(entry.get("kind")) for entry in injected(view, condition)))


def modes_of(episodes: Iterable[Episode]) -> list[str]:
    """Return how artefacts were brought to the camera (``world``, ``composite``, ``paste``) in some drives."""
    return list(dict.fromkeys(mode for episode in episodes for mode in episode.record.injection.values()))


def _claimed(claims: Iterable[dict[str, Any]]) -> EventKind | None:
    for claim in claims:
        name = str(claim.get("metric", "")).removesuffix(".rate")
        kind = event_catalogue().whole(name)
        if kind is not None:
            return kind
    return None


def _kinds(view: RunView, condition: str) -> set[str]:
    return set(kinds_of(view, condition))


def _aim(view: RunView, entry: dict[str, Any]) -> EventKind | None:
    """Return the event that an adversary aims at; None if nobody knows."""
    return event_catalogue().aimed_at_by(str(entry.get("kind"))) or _sign_kind(view, entry)


def _sign_kind(view: RunView, entry: dict[str, Any]) -> EventKind | None:
    wanted = entry.get("sign")
    for scene in view.manifest.scenarios.values():
        for sign in scene.get("signs") or []:
            if isinstance(sign, dict) and sign.get("id") == wanted:
                return event_catalogue().of_sign(int(sign.get("gtsrb_class", -1)))
    return None

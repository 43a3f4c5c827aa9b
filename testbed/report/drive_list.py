"""The list of every drive of a run, to filter and sort: what tables and claims of the report link to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from testbed.core.records import EpisodePlan
from testbed.judge import event_catalogue
from testbed.report.example_drives import outcome_words
from testbed.report.page import asset, data_block, environment, style_and_script
from testbed.report.plain_text import clean
from testbed.report.run_view import Episode, RunView
from testbed.store import PlannedEpisode

STATES = ("counted", "not counted", "failed", "not run")


def drive_list(view: RunView) -> str:
    """Return the page."""
    data = _data(view)
    context: dict[str, Any] = {
        **style_and_script(asset("page.css"), asset("drives.js")),
        "run_id": view.manifest.run_id,
        "count": f"{len(data['drives'])} drives",
        "several_scenarios": data["several_scenarios"],
        "several_worlds": data["several_worlds"],
        "scenarios": [(name, name) for name in data["scenarios"]],
        "agents": [(name, name) for name in data["agents"]],
        "conditions": [(name, name) for name, _ in data["conditions"]],
        "worlds": [(name, name) for name in data["worlds"] if name],
        "events": [("none", "no event"), *((name, name.replace("_", " ")) for name in data["events"])],
        "states": [(name, name) for name in STATES],
        "data": data_block(json.dumps(data, separators=(",", ":"), allow_nan=False)),
    }
    return environment().from_string(asset("drives.html")).render(context)


class _Names:
    """Names in the order of their first use; rows hold their places, so that the list stays small."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        return self._places.setdefault(clean(name), len(self._places))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _data(view: RunView) -> dict[str, Any]:
    scenarios, agents, conditions, worlds, events = (_Names() for _ in range(5))
    kinds_of = _kinds()

    def row(plan: EpisodePlan | PlannedEpisode, world: str, state: str, words: str) -> list[Any]:
        names = [scenarios(plan.scenario), agents(plan.agent), conditions(plan.condition), plan.seed, worlds(world)]
        return [plan.key, *names, [], STATES.index(state), clean(words), None, None, "", 0]

    rows = []
    for episode in view.episodes:
        state = "counted" if episode.valid else "not counted"
        words = outcome_words(episode) + ("" if episode.valid else f" ({episode.reason})")
        made = row(episode.plan, episode.world, state, words)
        found = {kind for event in episode.record.events for kind in kinds_of(event.kind)}
        made[6] = sorted(map(events, sorted(found)))
        made[9:] = [*_numbers(episode), episode.record.trace_sha256[:16], 1]
        rows.append(made)
    rows += [row(one.planned, "", "failed", f"{one.code}: {one.reason}") for one in view.lost]
    rows += [row(one, "", "not run", "") for one in view.not_run]
    return {
        "scenarios": list(scenarios),
        "agents": list(agents),
        "conditions": [[name, view.role(name)] for name in conditions],
        "worlds": list(worlds),
        "events": list(events),
        "several_scenarios": len(scenarios) > 1,
        "several_worlds": len([name for name in worlds if name]) > 1,
        "drives": rows,
    }


def _numbers(episode: Episode) -> tuple[float | None, float | None]:
    offset_m, score = episode.number("lane.max_offset_m"), episode.number("driving_score_2_1")
    return None if offset_m is None else round(offset_m, 3), None if score is None else round(score, 2)


def _kinds() -> Callable[[str], tuple[str, ...]]:
    """Return what tells as which kinds an event counts: its own and those that it is a sort of."""
    catalogue = event_catalogue()
    names = {name for kind in catalogue.kinds for name in (kind.name, kind.part_of) if name}

    @cache
    def kinds_of(kind: str) -> tuple[str, ...]:
        return tuple({kind, *(name for name in names if catalogue.is_a(kind, name))})

    return kinds_of

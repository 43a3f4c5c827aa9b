"""The report's page: one file that opens offline, fetches nothing and runs only the script it was built with."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from testbed.events import EventKind
from testbed.judge import event_catalogue
from testbed.report.addresses import DRIVES, drive_address, drives_where
from testbed.report.attack_aim import aims_of, main_aim
from testbed.report.charts import RateRow, rate_chart
from testbed.report.claims import ClaimResult
from testbed.report.conclusions import Conclusion, conclusions, lead_sentence, listing
from testbed.report.example_drives import example_drives
from testbed.report.failures import MAX_PICTURES, Failure, failures
from testbed.report.gap import NOTE, gap_table, gaps
from testbed.report.latency_curve import NOTE as LATENCY_NOTE
from testbed.report.latency_curve import latency_answers, latency_charts, latency_points, latency_table
from testbed.report.made_from import MARK, made_from
from testbed.report.measures import rate_of
from testbed.report.plain_text import clean, unbroken
from testbed.report.run_view import BENIGN, RunView
from testbed.report.safety_case import STYLE, SafetyCases
from testbed.report.safety_case.page_part import case_parts
from testbed.report.tables import Table, TableCell, TableRow, all_tables

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def asset(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    return resources.files("testbed.report").joinpath(name).read_text("utf-8")


def environment() -> jinja2.Environment:
    """Return the environment of every page: all text is escaped and made fit, templates lie beside this module."""
    import jinja2

    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=fit,
        loader=jinja2.FunctionLoader(asset),
    )


def content_policy(css: str, js: str) -> str:
    """Return a content security policy that allows this style sheet and this script, and no request to anywhere."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src {digest(css)}; script-src {digest(js)}; "
        "base-uri 'none'; form-action 'none'"
    )


def style_and_script(css: str, js: str = "") -> dict[str, Any]:
    """Return what a page needs of its style sheet and script: both, and the policy that allows them alone."""
    from markupsafe import Markup

    # "</" would end the element; a style sheet and a script of ours hold none, and this keeps it so
    css, js = (text.replace("</", "<\\/") for text in (css, js))
    return {"policy": content_policy(css, js), "css": Markup(css), "js": Markup(js)}


def data_block(text: str) -> Markup:
    """Return JSON as it may stand in a data block: only "<" could do harm there, and JSON has an escape for it."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c"))


def render(view: RunView, claims: list[ClaimResult], found: SafetyCases, *, videos: bool = True) -> str:
    """Return the whole page; a run of several scenarios gets a section for each.

    Args:
        view: The run.
        claims: Judged claims.
        found: Safety cases of the agents.
        videos: Whether to embed videos and pictures.
    """
    template = environment().from_string(asset("page.html"))
    views = view.parts()
    parts = [_part(one, index, len(views), claims, videos) for index, one in enumerate(views)]
    context: dict[str, Any] = {
        "view": view,
        "made_from_mark": MARK,
        "made_from": made_from(view.folder),
        **style_and_script(asset("page.css") + STYLE, asset("replay.js") + asset("page.js")),
        "parts": parts,
        "several": len(parts) > 1,
        "overview": overview_table(views) if len(parts) > 1 else None,
        "gap": gap_table(gaps(view)),
        "gap_note": NOTE,
        "drives": _drives(view),
        "max_rows": MAX_ROWS,
        "most": MOST_EPISODES,
        "failures_note": "Every event of a valid drive. The perception error is the kind that was longest in force in "
        "the three seconds before; the picture is the first image that led to it. Whether a collision was preventable "
        "is said for two drivers who see the vehicle as soon as it shows (UN R157; careful and competent).",
        "claims": claims,
        "cases": case_parts(found),
        "invalid": [e for e in view.episodes if not e.valid],
        "infrastructure": [t for t in view.lost if t.infrastructure],
        "broken": [t for t in view.lost if not t.infrastructure],
        "facts": _facts(view),
        "all_drives": DRIVES,
        "drive_address": drive_address,
        "drives_of": _drives_of,
        "scene": json.dumps(view.manifest.scenarios, indent=1, sort_keys=True),
    }
    return template.render(context)


def _part(view: RunView, index: int, parts: int, claims: list[ClaimResult], videos: bool) -> dict[str, Any]:
    """Return what the page says about one scenario."""
    from markupsafe import Markup

    found = conclusions(view)
    charts = [(aim, Markup(rate_chart(_rate_rows(view, aim), _rate_title(aim)))) for aim in _aims(view)]
    points = latency_points(view)
    curves = [(heading, Markup(svg)) for heading, svg in latency_charts(view, points)] if points else []
    shows = example_drives(view, videos=videos, clips=None if parts == 1 else max(MAX_CLIPS // parts, 3))
    return {
        "view": view,
        "anchor": "" if parts == 1 else f"s{index + 1}-",
        "lead": lead_sentence(view, found),
        "conclusions": found,
        "several_attacks": len(view.attacks) > 1,
        "several_worlds": len(view.worlds()) > 1,
        "charts": charts,
        "curves": curves,
        "curve_note": LATENCY_NOTE,
        "curve_answers": latency_answers(points),
        "curve_table": latency_table(points),
        "controls_words": f"The control ({listing(sorted(view.controls))}) looks like the attack and has the same "
        "budget, but was not optimised.",
        "shows": [_marked(show) for show in shows],
        "tables": all_tables(view),
        "failures": _groups(failures(view, pictures=MAX_PICTURES // min(parts, 4) if videos else 0)),
        "claims": [claim for claim in claims if claim.scenario in view.manifest.scenarios],
    }


def overview_table(views: list[RunView]) -> Table:
    """Return the answers of all scenarios at one look: a row per scenario, attack and event, a column per agent."""
    agents = list(dict.fromkeys(agent for view in views for agent in view.agents))
    rows = []
    for view in views:
        found = {(conclusion.attack, conclusion.aim, conclusion.agent): conclusion for conclusion in conclusions(view)}
        for attack, aim in dict.fromkeys((attack, aim) for attack, aim, _ in found):
            cells = [_overview_cell(view, found.get((attack, aim, agent))) for agent in agents]
            rows.append(TableRow(view.name, attack, view.role(attack), (TableCell(aim.happened), *cells)))
    heads = [("the ego …", "Safety event by which the attack is judged")]
    heads += [(agent, f"Drives of {agent} with that event under attack, k/n; benign twins below") for agent in agents]
    return Table("All scenarios", tuple(heads), tuple(rows))


def _overview_cell(view: RunView, conclusion: Conclusion | None) -> TableCell:
    if conclusion is None or conclusion.rate is None:
        return TableCell("–", "" if conclusion is None else conclusion.headline)
    benign = view.group(conclusion.agent, BENIGN)
    twins = (
        rate_of(benign.episodes, conclusion.aim.name) if benign is not None and conclusion.attack != BENIGN else None
    )
    note = f"benign {twins.k}/{twins.n}" if twins is not None and twins.n else ""
    for effect in conclusion.besides:
        note += f"; {effect.kind.happened} {effect.rate.k}/{effect.rate.n}"
    link = drives_where(
        scenario=view.name, agent=conclusion.agent, condition=conclusion.attack, event=conclusion.aim.name
    )
    return TableCell(f"{conclusion.rate.k}/{conclusion.rate.n}", note, conclusion.tone, link=link)


def _drives_of(claim: ClaimResult) -> str:
    """Return the address of the drives that a claim is about, those with its event where it is about one."""
    kind = claim.metric.removesuffix(".rate")
    event = kind if kind in event_catalogue() else ""
    return drives_where(scenario=claim.scenario, agent=claim.agent, condition=",".join(claim.conditions), event=event)


def fit(value: object) -> object:
    """Make plain text fit for the page; markup of ours passes as it is."""
    return unbroken(clean(value)) if type(value) is str else value


def _marked(show: Any) -> dict[str, Any]:
    from markupsafe import Markup

    clips = [
        {
            "key": clip.key,
            "kind": clip.kind,
            "title": clip.title,
            "source": clip.source,
            "outcome": clip.outcome,
            "size_px": clip.size_px,
            "strips": Markup(clip.strips),
            "telemetry": data_block(clip.telemetry),
        }
        for clip in show.clips
    ]
    return {
        "agent": show.agent,
        "world": show.world,
        "seed": show.seed,
        "why": show.why,
        "clips": clips,
        "chart": Markup(show.chart),
        "start_s": show.start_s,
        "end_s": show.end_s,
        "others": show.others,
        "attacked": show.attacked,
        "limited": show.limited,
    }


def rate_charts(view: RunView) -> list[tuple[str, str]]:
    """Return titles and pictures (SVG) of how often what the attacks of a scenario aim at happened."""
    return [(_rate_title(aim), rate_chart(_rate_rows(view, aim), _rate_title(aim))) for aim in _aims(view)]


def _aims(view: RunView) -> list[EventKind]:
    return list(dict.fromkeys(aim for name in view.attacks for aim in aims_of(view, name))) or [main_aim(view)]


def _rate_title(aim: EventKind) -> str:
    return f"Share of drives in which the ego {aim.happened}"


def _rate_rows(view: RunView, aim: EventKind) -> list[RateRow]:
    """Return the conditions that aim at an event, with the benign drives, agent by agent."""
    rows = []
    for group in view.groups:
        about = group.condition == BENIGN or aim in aims_of(view, group.condition)
        if about and (group.episodes or group.invalid):
            name = f"control: {group.condition}" if group.control else group.condition
            rows.append(RateRow(name, view.role(group.condition), rate_of(group.episodes, aim.name), group.agent))
    return rows


def _groups(found: list[Failure]) -> list[tuple[str, list[Failure]]]:
    def name(failure: Failure) -> tuple[str, str]:
        return failure.episode.plan.agent, failure.episode.plan.condition

    return [(f"{agent}, {condition}", list(members)) for (agent, condition), members in groupby(found, key=name)]


MAX_CLIPS = 48
"""Videos over all scenarios of a run that has several."""
MOST_EPISODES = 5000
"""Rows of a table of episodes: a page must open on a phone; ``episodes.parquet`` has all of them."""
MAX_ROWS = 60
"""Events listed per agent and condition; the table file holds all of them."""


WAYS = {
    "world": "in the simulated world",
    "composite": "drawn over the picture with depth and light",
    "paste": "pasted at fixed pixels",
}
"""How an artefact can reach the camera, in words."""


def ways_in(view: RunView) -> dict[str, str]:
    """Return for every adversary of a run how its artefact reached the camera, and in how many drives."""
    counts: dict[str, Counter[str]] = {}
    for episode in view.episodes:
        for adversary, mode in episode.record.injection.items():
            counts.setdefault(adversary, Counter())[WAYS.get(mode, mode)] += 1
    return {
        name: ", ".join(
            f"{way} ({number} {'drive' if number == 1 else 'drives'})" for way, number in sorted(found.items())
        )
        for name, found in counts.items()
    }


def _drives(view: RunView) -> str:
    planned = len(view.manifest.planned)
    done = len(view.episodes)
    failed = len(view.lost)
    parts = [f"{done} of {planned} planned drives done" if planned else f"{done} drives"]
    if failed:
        parts.append(f"{failed} failed")
    if view.not_run:
        parts.append(f"{len(view.not_run)} not run")
    return ", ".join(parts)


def _facts(view: RunView) -> list[tuple[str, str]]:
    manifest = view.manifest
    seeds = sorted({episode.seed for episode in manifest.planned})
    facts = [("run", manifest.run_id), ("begun", manifest.created_utc), ("scenarios", ", ".join(manifest.scenarios))]
    facts.append(("seeds", ", ".join(str(seed) for seed in seeds[:40]) + (" …" if len(seeds) > 40 else "")))
    if any(e.record.trace and e.drive is None for e in view.episodes):
        facts.append(
            ("traces", "not in this copy of the report, nor what is drawn from them; records name their sha256")
        )
    facts += [(f"how {name} reached the camera", ways) for name, ways in sorted(ways_in(view).items())]
    facts += [(f"version of {name}", value) for name, value in sorted(manifest.versions.items())]
    facts += [(name, value) for name, value in sorted(manifest.machine.items())]
    facts += [(f"sha256 of {name}", value) for name, value in sorted(manifest.digests.items())]
    return [(name, value) for name, value in facts if value]

"""The report's page: one file that opens offline, fetches nothing and runs only the script it was built with."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from itertools import groupby
from typing import Any

from testbed.report.answer import Answer, answers, primary_kind
from testbed.report.charts import RateRow, rate_chart
from testbed.report.claims import ClaimResult
from testbed.report.failures import Failure, failures
from testbed.report.gather import RunView
from testbed.report.gsn import STYLE, structure, to_svg
from testbed.report.measures import EVENT_KINDS, rate_of
from testbed.report.showcase import kind_of, outcome_words, showcases
from testbed.report.tables import all_tables
from testbed.report.words import clean, unbroken


def asset(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    return resources.files("testbed.report").joinpath(name).read_text("utf-8")


def content_policy(css: str, js: str) -> str:
    """Return a content security policy that allows this style sheet and this script, and no request to anywhere."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src {digest(css)}; script-src {digest(js)}; "
        "base-uri 'none'; form-action 'none'"
    )


def lead_sentence(view: RunView, found: list[Answer]) -> str:
    """Return the answer to the question in one sentence."""
    if not view.attacks:
        return "No attack was driven: this run shows benign driving only."
    verb = {"lane_departure": "left the lane", "collision": "collided", "speed_limit": "drove too fast"}.get(
        primary_kind(view), "failed"
    )
    words = {
        "lost": f"{verb} because of it, more often than chance allows",
        "leaning": f"{verb} more often than without it, on too few drives to be sure",
        "unclear": "did no worse than without it",
        "held": f"never {verb}",
        "none": "cannot be judged",
    }
    parts = []
    for verdict, text in words.items():
        members = list(dict.fromkeys(answer.agent for answer in found if answer.verdict == verdict))
        if members:
            parts.append(f"{_listing(members)} {text}")
    return f"Under attack, {'; '.join(parts)}."


def _listing(names: list[str]) -> str:
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def render(view: RunView, claims: list[ClaimResult], *, videos: bool = True) -> str:
    """Return the whole page.

    Args:
        view: The run.
        claims: Judged claims.
        videos: Whether to embed videos and pictures.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=fit)
    template = environment.from_string(asset("page.html"))
    # "</" would end the element; a style sheet and a script of ours hold none, and this keeps it so
    css = (asset("page.css") + STYLE).replace("</", "<\\/")
    js = asset("page.js").replace("</", "<\\/")
    found = answers(view)
    shows = showcases(view, videos=videos)
    groups = _groups(failures(view, pictures=videos))
    kind = primary_kind(view)
    context: dict[str, Any] = {
        "view": view,
        "policy": content_policy(css, js),
        "css": Markup(css),
        "js": Markup(js),
        "lead": lead_sentence(view, found),
        "answers": found,
        "several_attacks": len(view.attacks) > 1,
        "several_worlds": len(view.worlds()) > 1,
        "drives": _drives(view),
        "primary_words": dict(EVENT_KINDS)[kind],
        "controls_words": f"The control ({_listing(sorted(view.controls))}) looks like the attack and has the same "
        "budget, but was not optimised.",
        "rates": Markup(
            rate_chart(_rate_rows(view, kind), f"Share of drives in which the ego {dict(EVENT_KINDS)[kind]}")
        ),
        "shows": [_marked(show) for show in shows],
        "tables": all_tables(view),
        "failures": groups,
        "max_rows": MAX_ROWS,
        "failures_note": "Every event of a valid drive. The perception error is the kind that was longest in force in "
        "the three seconds before; the picture is the first image that led to it.",
        "claims": claims,
        "gsn": Markup(to_svg(structure(view, claims), standalone=False)) if claims else "",
        "invalid": [e for e in view.episodes if not e.valid],
        "infrastructure": [t for t in view.troubles if t.infrastructure],
        "broken": [t for t in view.troubles if not t.infrastructure],
        "facts": _facts(view),
        "every": [(e, outcome_words(e)) for e in view.episodes],
        "scene": json.dumps(view.manifest.scenarios, indent=1, sort_keys=True),
    }
    return template.render(context)


def fit(value: object) -> object:
    """Make plain text fit for the page; markup of ours passes as it is."""
    return unbroken(clean(value)) if type(value) is str else value


def _marked(show: Any) -> dict[str, Any]:
    from markupsafe import Markup

    clips = [
        {
            "kind": clip.kind,
            "title": clip.title,
            "source": clip.source,
            "outcome": clip.outcome,
            "size_px": clip.size_px,
            "strips": Markup(clip.strips),
            # inside a data block only "<" could do harm; JSON has an escape for it
            "telemetry": Markup(clip.telemetry.replace("<", "\\u003c")),
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
    }


def _rate_rows(view: RunView, kind: str) -> list[RateRow]:
    return [
        RateRow(
            f"control: {cell.condition}" if cell.control else cell.condition,
            kind_of(view, cell.condition),
            rate_of(cell.episodes, kind),
            cell.agent,
        )
        for cell in view.cells
        if cell.episodes or cell.invalid
    ]


def _groups(found: list[Failure]) -> list[tuple[str, list[Failure]]]:
    def name(failure: Failure) -> tuple[str, str]:
        return failure.episode.plan.agent, failure.episode.plan.condition

    return [(f"{agent}, {condition}", list(members)) for (agent, condition), members in groupby(found, key=name)]


MAX_ROWS = 60
"""Events listed per agent and condition; the table file holds all of them."""


def _drives(view: RunView) -> str:
    planned = len(view.manifest.planned)
    done = len(view.episodes)
    failed = len(view.troubles)
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
    facts += [(f"version of {name}", value) for name, value in sorted(manifest.versions.items())]
    facts += [(name, value) for name, value in sorted(manifest.machine.items())]
    facts += [(f"sha256 of {name}", value) for name, value in sorted(manifest.digests.items())]
    return [(name, value) for name, value in facts if value]

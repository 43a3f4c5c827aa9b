"""``testbed list``: what there is to name in a scenario file or on the command line."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

from testbed.cli.options import column_table
from testbed.core.errors import MissingExtraError

LONG = ("metrics", "limits")
"""Kinds that are listed only when they are asked for."""
KINDS = ("scenarios", "sweeps", "agents", "latencies", "maps", "artefacts", "judges", *LONG)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="only this kind")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(options: argparse.Namespace) -> int:
    """Print tables or JSON."""
    chosen = (options.kind,) if options.kind else tuple(kind for kind in KINDS if kind not in LONG)
    found = {kind: collect(kind) for kind in chosen}
    if options.json:
        print(json.dumps(found, indent=2, sort_keys=True))
        return 0
    for kind, rows in found.items():
        print(f"{kind}:")
        if not rows:
            print("  none")
            continue
        shown = [_SHOWN.get(kind, _plain)(row) for row in rows]
        header = list(shown[0])
        table = column_table(header, [[row[column] for column in header] for row in shown])
        print("\n".join(f"  {line}" for line in table.splitlines()))
    return 0


def _plain(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items()}


def _agent(row: dict[str, Any]) -> dict[str, str]:
    latency, told = row["latency_ms"], [f"{name} {value:.3f}" for name, value in sorted(row["figures"].items())]
    return {
        "name": row["name"],
        "kind": row["kind"] or "-",
        "parameters": "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f} M",
        "latency p50/p95": "-" if latency is None else f"{latency[0]:.0f}/{latency[1]:.0f} ms",
        "figures": ", ".join([*([row["obstacle"]] if row["obstacle"] else []), *told]) or "-",
    }


def _latency(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": row["name"],
        "milliseconds": f"{row['latency_ms']:g}",
        "model": row["model"],
        "source": row["source"],
    }


def _artefact(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": row["name"],
        "kind": row["kind"],
        "control": "yes" if row["control"] else "no",
        "made for": row["made_for"],
    }


def _judge(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": row["name"],
        "version": row["version"] or "-",
        "judges": "every episode" if row["every_episode"] else "episodes that ask for it",
        "events": row["obstacle"] or ", ".join(row["events"]) or "-",
    }


def _metric(row: dict[str, Any]) -> dict[str, str]:
    from testbed.judge import metrics

    one = metrics.known(row["name"])
    return {"name": one.name, "unit": one.unit, "values": one.range, "definition": one.definition}


_SHOWN: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {
    "agents": _agent,
    "latencies": _latency,
    "artefacts": _artefact,
    "judges": _judge,
    "metrics": _metric,
}
"""Kind to what makes a row of the table of what JSON tells."""


def collect(kind: str) -> list[dict[str, Any]]:
    """Return what is known of each thing of a kind, as JSON types: numbers are numbers, what is not known is None."""
    collectors = {
        "scenarios": _scenarios,
        "sweeps": _sweeps,
        "agents": _agents,
        "latencies": _latencies,
        "maps": _maps,
        "artefacts": _artefacts,
        "judges": _judges,
        "metrics": _metrics,
        "limits": _limits,
    }
    return collectors[kind]()


def _scenarios() -> list[dict[str, Any]]:
    from testbed.scenario.loader import load_scenario, shipped_names

    return [{"name": name, "question": load_scenario(name).content.question} for name in shipped_names()]


def _sweeps() -> list[dict[str, Any]]:
    from testbed.scenario.loader import shipped_names
    from testbed.sweep.grid import load_sweep

    return [{"name": name, "question": load_sweep(name).content.question} for name in shipped_names("sweeps")]


def _agents() -> list[dict[str, Any]]:
    from testbed import agents
    from testbed.core.errors import TestbedError

    rows = []
    for name in sorted({*agents.names(), *agents.configured()}):
        row: dict[str, Any] = {"name": name, "kind": None, "parameters": None, "latency_ms": None, "figures": {}}
        try:
            card, row["obstacle"] = agents.card(name), _obstacle(name)
        except TestbedError as error:
            # an agent without weights is worth listing: the reader learns how to get them
            row["obstacle"] = (
                f"needs [{error.extra}]" if isinstance(error, MissingExtraError) else f"not usable: {error}"
            )
        else:
            row |= {
                "kind": card.kind,
                "parameters": card.parameters,
                "latency_ms": list(card.latency_ms),
                "figures": dict(card.figures),
            }
        rows.append(row)
    return rows


def _obstacle(name: str) -> str | None:
    """Return what keeps an agent from being loaded here, in words, None when nothing does."""
    from testbed import agents

    try:
        agents.check_extras(name)
    except MissingExtraError as error:
        return f"needs [{error.extra}]"
    return None


def _latencies() -> list[dict[str, Any]]:
    from testbed.core.latency_spec import PROFILES

    return [
        {"name": name, "latency_ms": profile.ms, "model": profile.model, "source": profile.source}
        for name, profile in PROFILES.items()
    ]


def _maps() -> list[dict[str, Any]]:
    from testbed.world.maps import available_maps

    return [{"name": name} for name in available_maps()]


def _artefacts() -> list[dict[str, Any]]:
    from testbed import adversaries

    rows = []
    for name in adversaries.names():
        manifest = adversaries.load(name).manifest
        rows.append({"name": name, "kind": manifest.kind, "control": manifest.control, "made_for": _made_for(manifest)})
    return rows


def _made_for(manifest: Any) -> str:
    from testbed.core.gtsrb import SIGN_NAMES

    if manifest.kind == "road_patch":
        return f"{manifest.length_m:g} x {manifest.width_m:g} m of road"
    if manifest.kind == "camouflage":
        return manifest.blueprint or "any vehicle"
    return "any sign" if manifest.gtsrb_class is None else SIGN_NAMES[manifest.gtsrb_class]


def _judges() -> list[dict[str, Any]]:
    from testbed.core.errors import TestbedError
    from testbed.judge import registry

    rows = []
    for name in registry.names():
        row: dict[str, Any] = {"name": name, "every_episode": name in registry.BUILT_IN, "version": None, "events": []}
        try:
            judge = registry.create(name)
        except TestbedError as error:
            row["obstacle"] = f"not usable: {error}"
        else:
            row |= {"version": judge.version, "events": [kind.name for kind in judge.events], "obstacle": None}
        rows.append(row)
    return rows


def _metrics() -> list[dict[str, Any]]:
    from testbed.judge import metrics

    return [
        {
            "name": one.name,
            "unit": one.unit,
            "low": one.low if math.isfinite(one.low) else None,
            "high": one.high if math.isfinite(one.high) else None,
            "definition": one.definition,
        }
        for one in metrics.metrics().values()
    ]


def _limits() -> list[dict[str, Any]]:
    from testbed.judge import JudgeLimits

    values = dataclasses.asdict(JudgeLimits())
    told = JudgeLimits.told()
    return [{"name": name, "default": value, "definition": told[name]} for name, value in values.items()]

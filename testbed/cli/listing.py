"""``testbed list``: what there is to name in a scenario file or on the command line."""

from __future__ import annotations

import argparse
import json
from typing import Any

from testbed.cli.options import column_table
from testbed.core.errors import MissingExtraError

_AGENT_COLUMNS = ("name", "kind", "parameters", "latency p50/p95", "figures")
LONG = ("metrics",)
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
        header = list(rows[0])
        table = column_table(header, [[str(row[column]) for column in header] for row in rows])
        print("\n".join(f"  {line}" for line in table.splitlines()))
    return 0


def collect(kind: str) -> list[dict[str, Any]]:
    """Return one row per thing of a kind."""
    collectors = {
        "scenarios": _scenarios,
        "sweeps": _sweeps,
        "agents": _agents,
        "latencies": _latencies,
        "maps": _maps,
        "artefacts": _artefacts,
        "judges": _judges,
        "metrics": _metrics,
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
        try:
            card, obstacle = agents.card(name), _obstacle(name)
        except TestbedError as error:
            # an agent without weights is worth listing: the reader learns how to get them
            why = f"needs [{error.extra}]" if isinstance(error, MissingExtraError) else f"not usable: {error}"
            rows.append(dict.fromkeys(_AGENT_COLUMNS, "-") | {"name": name, "figures": why})
            continue
        figures = ", ".join(obstacle + [f"{key} {value:.3f}" for key, value in sorted(card.figures.items())])
        p50_ms, p95_ms = card.latency_ms
        rows.append(
            {
                "name": name,
                "kind": card.kind,
                "parameters": f"{card.parameters / 1e6:.1f} M",
                "latency p50/p95": f"{p50_ms:.0f}/{p95_ms:.0f} ms",
                "figures": figures or "-",
            }
        )
    return rows


def _obstacle(name: str) -> list[str]:
    """Return what keeps an agent from being loaded here, in words, an empty list when nothing does."""
    from testbed import agents

    try:
        agents.check_extras(name)
    except MissingExtraError as error:
        return [f"needs [{error.extra}]"]
    return []


def _latencies() -> list[dict[str, Any]]:
    from testbed.core.latency_spec import PROFILES

    return [
        {"name": name, "milliseconds": f"{profile.ms:g}", "model": profile.model, "source": profile.source}
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
        control = "yes" if manifest.control else "no"
        rows.append({"name": name, "kind": manifest.kind, "control": control, "made for": _made_for(manifest)})
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
        when = "every episode" if name in registry.BUILT_IN else "episodes that ask for it"
        try:
            judge = registry.create(name)
        except TestbedError as error:
            rows.append({"name": name, "version": "-", "judges": when, "events": f"not usable: {error}"})
            continue
        kinds = ", ".join(kind.name for kind in judge.events) or "-"
        rows.append({"name": name, "version": judge.version, "judges": when, "events": kinds})
    return rows


def _metrics() -> list[dict[str, Any]]:
    from testbed.judge import metrics

    return [
        {"name": one.name, "unit": one.unit, "values": one.range, "definition": one.definition}
        for one in metrics.metrics().values()
    ]

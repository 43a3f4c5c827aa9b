"""``testbed validate FILE…``: check scenario, sweep and safety case files, and all they name; print JSON schemas."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.core.errors import ScenarioError, TestbedError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="scenario or sweep, by path or shipped name, or safety case"
    )
    parser.add_argument(
        "--schema", choices=("scenario", "sweep", "case"), help="print the JSON schema of such files and end"
    )
    parser.add_argument("--syntax", action="store_true", help="do not look up agents, maps and artefacts")


def execute(options: argparse.Namespace) -> int:
    """Check every file; the first problem decides the exit status, all are printed."""
    if options.schema:
        sys.stdout.write(schema_text(options.schema))
        return 0
    if not options.files:
        raise UsageError("no file to check", hint="testbed validate FILE…")
    status = 0
    for name in options.files:
        problems, summary = check_file(name, look_up=not options.syntax)
        for problem in problems:
            print(f"error[{problem.code}]: {problem}", file=sys.stderr)
            status = status or problem.exit_code
        if not problems:
            print(f"{name}: {summary}")
    return status


def schema_text(kind: str) -> str:
    """Return the JSON schema of ``scenario``, ``sweep`` or ``case`` files."""
    from testbed.scenario.json_schema import json_schema

    if kind == "case":
        from testbed.report.safety_case import CaseFile

        return json_schema(CaseFile, "V2LM testbed safety case")
    if kind == "sweep":
        from testbed.sweep.grid import Sweep

        return json_schema(Sweep, "V2LM testbed sweep")
    from testbed.scenario.schema import Scenario

    return json_schema(Scenario, "V2LM testbed scenario")


def check_file(name: str, *, look_up: bool = True) -> tuple[list[TestbedError], str]:
    """Check one file.

    Args:
        name: Path, or name of a shipped scenario or sweep.
        look_up: Also check that what it names exists.

    Returns:
        All problems, and what the file asks for when there are none.
    """
    from testbed.core.explain import check
    from testbed.core.yaml_reader import read_yaml
    from testbed.report.safety_case import CaseFile
    from testbed.scenario.expand import expand
    from testbed.scenario.loader import LoadedFile
    from testbed.scenario.schema import Scenario
    from testbed.sweep.catalogue import Installed
    from testbed.sweep.grid import Sweep, expand_sweep, load_scenarios

    try:
        path = _find(name)
        document = read_yaml(path)
        is_sweep = isinstance(document.data, dict) and "scenarios" in document.data
        problems: list[ScenarioError]
        if isinstance(document.data, dict):
            kinds: dict[str, type[BaseModel]] = {"scenario": Scenario, "sweep": Sweep, "safety case": CaseFile}
            if not any(set(kind.model_fields) & set(document.data) for kind in kinds.values()):
                keys = "; ".join(f"a {word}: {', '.join(kind.model_fields)}" for word, kind in kinds.items())
                raise document.error("this is no scenario, sweep or safety case: it has no key of any", hint=keys)
        if _is_case(document.data):
            case, problems = check(CaseFile, document)
            if case is None:
                return [*problems], ""
            counts = f"hazards: {len(case.hazards)}, requirements: {len(case.requirements)}"
            return [], f"safety case ({counts}); what it names is looked up in a run: report RUN --case"
        if is_sweep:
            sweep, problems = check(Sweep, document)
            if sweep is None:
                return [*problems], ""
            loaded = LoadedFile(sweep, document, path)
            if not look_up:
                return [], f"sweep of {len(load_scenarios(loaded))} scenarios"
            plans, scenarios = expand_sweep(loaded, catalogue=Installed())
            return [], f"sweep of {len(scenarios)} scenarios, {len(plans)} episodes"
        scenario, problems = check(Scenario, document)
        if scenario is None:
            return [*problems], ""
        if not look_up:
            return [], "scenario"
        plans = expand(LoadedFile(scenario, document, path), catalogue=Installed())
        return [], f"scenario of {len(plans)} episodes"
    except TestbedError as error:
        return [error], ""


def _is_case(data: object) -> bool:
    """Tell whether a document is the user's part of a safety case: it asks no question and has some of its keys."""
    from testbed.report.safety_case import CaseFile

    if not isinstance(data, dict) or {"name", "question", "scenarios"} & set(data):
        return False
    return bool(set(CaseFile.model_fields) & set(data))


def _find(name: str) -> Path:
    from testbed.scenario.loader import find, shipped_names

    folder = "sweeps" if name in shipped_names("sweeps") and name not in shipped_names() else ""
    return find(name, folder=folder)

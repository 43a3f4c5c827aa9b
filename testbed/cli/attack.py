"""``testbed attack KIND SCENARIO``: optimise the artefacts that a scenario asks for.

Which options there are, a kind says by the signature of its ``optimise``: every keyword that takes a number, a word, a
choice, a path or a switch is one. ``testbed attack KIND SCENARIO --help`` lists them.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PLAIN: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "Path": Path}
_GIVEN = ("out", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("kind", metavar="KIND", help="kind of adversary, for instance road_patch")
    parser.add_argument("scenario", metavar="SCENARIO", help="scenario file, or the name of a shipped one")
    parser.add_argument(
        "more", nargs=argparse.REMAINDER, metavar="…", help="options of that kind: attack KIND SCENARIO --help"
    )


def execute(options: argparse.Namespace) -> int:
    """Optimise and print where the artefacts are."""
    from testbed import adversaries
    from testbed.adversaries.registry import optimiser
    from testbed.scenario.loader import load_scenario

    parser = options_parser(options.kind, optimiser(options.kind))
    chosen = vars(parser.parse_args(options.more))
    scenario = load_scenario(options.scenario).content
    for folder in adversaries.optimise(options.kind, scenario, **chosen):
        print(f"artefact: {folder}")
    return 0


def options_parser(kind: str, optimise: Callable[..., Any]) -> argparse.ArgumentParser:
    """Return the parser of a kind's options.

    Args:
        kind: Kind of adversary.
        optimise: Its function; keywords that a command line cannot say are left out.
    """
    from testbed.cli import CommandLineParser

    parser = CommandLineParser(prog=f"testbed attack {kind} SCENARIO", argument_default=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, metavar="DIR", help="gets one folder per artefact (default artefacts)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of all chance (default 0)")
    for name, parameter in inspect.signature(optimise).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY or name in _GIVEN:
            continue
        option, default = f"--{name.replace('_', '-')}", parameter.default
        shown = "required" if default is parameter.empty else f"default {default}"
        if isinstance(default, bool):
            parser.add_argument(option, dest=name, action=argparse.BooleanOptionalAction, help=f"({shown})")
            continue
        found = _reads(parameter.annotation)
        if found is None:
            continue
        convert, choices = found
        parser.add_argument(
            option,
            dest=name,
            type=convert,
            choices=choices,
            required=default is parameter.empty,
            metavar=None if choices else convert.__name__.upper(),
            help=f"({shown})",
        )
    return parser


def _reads(annotation: Any) -> tuple[Callable[[str], Any], tuple[str, ...] | None] | None:
    """Return (conversion, choices) of an annotation that a command line can say, else None."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value is None:
        node = node.left
    if isinstance(node, ast.Name) and node.id in _PLAIN:
        return _PLAIN[node.id], None
    literal = isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] == "Literal"
    if isinstance(node, ast.Subscript) and literal:
        value = ast.literal_eval(node.slice)
        words = value if isinstance(value, tuple) else (value,)
        if all(isinstance(word, str) for word in words):
            return str, words
    return None

"""The command line: one verb, one file; every error is one sentence on stderr and an exit status.

Nothing but the chosen verb is imported, and no verb imports anything heavy before it starts to work, so that
``testbed --help`` and every mistake on the command line answer at once.

====  ==============================================================================
exit  meaning
====  ==============================================================================
0     done
1     done, but episodes failed (an agent raised, a judge broke), or a defect
2     the command line, a scenario, an artefact, weights or a data set is not accepted,
      or an extra that it needs is not installed
3     simulator or storage failed, or what was stored or packed is not what it was
4     inconclusive: too many episodes were lost to infrastructure
5     done, and the run shows what ``--fail-on`` forbids
130   ended by Ctrl-C (143 by SIGTERM); the same command resumes
====  ==============================================================================
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from testbed import __version__
from testbed.core import extras
from testbed.core.errors import TestbedError, UsageError
from testbed.core.home import usable_home

VERBS: dict[str, str] = {
    "run": "answer one question: a scenario with its agents, attacks and seeds",
    "sweep": "answer a grid of them; does only what is missing",
    "plan": "say how many drives the claims of a scenario need",
    "report": "rebuild the report of a run from its stored episodes",
    "bundle": "pack a run with its safety case into one file, signed on demand",
    "verify": "check a bundle: every byte, what its safety case cites, its signature",
    "judge": "judge a run again from its stored traces, with other limits or judges",
    "compare": "compare two runs drive by drive; a gate against regressions",
    "replay": "say what a drive's trace holds and how to watch it, or show it in Rerun",
    "evaluate": "make the published tables on images, with our models and attacks",
    "serve": "start the embedded CARLA server",
    "attack": "optimise an attack artefact for a scenario",
    "dataset": "generate a training data set",
    "train": "train perception models on a data set",
    "validate": "check scenario, sweep and safety case files; print their JSON schema",
    "import": "make scenarios of Leaderboard routes or an OpenSCENARIO file",
    "export": "write scenarios as routes of the CARLA Leaderboard",
    "list": "show maps, agents, scenarios, sweeps and artefacts",
    "doctor": "check this installation",
    "completion": "print what makes a shell complete this command",
}
"""Every verb and what it is for; the module of the same name carries it out, but for those in `MODULES`."""

MODULES: dict[str, str] = {"list": "listing", "import": "importing"}
"""Verbs whose name as a module would hide a built-in function in this package, or is a word of Python's."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "run drp_highway",
        "run scenarios/drp_highway.yaml --agents dnn,tandem --seeds 10 --out reports/mine",
        "run drp_highway --agents mine.yaml --seeds 101-110 --jobs 2 --fail-on refuted",
        "run drp_highway --agents dnn --until decided --budget 300",
    ),
    "sweep": ("sweep smoke", "sweep scenarios/sweeps/paper.yaml --ray 10.0.0.5:6379 --jobs 64"),
    "plan": ("plan drp_highway --agents tandem",),
    "report": ("report reports/mine", "report reports/mine --verify", "report reports/mine --case mine.yaml"),
    "bundle": ("bundle reports/mine --out mine.zip", "bundle reports/mine --traces --key private.pem"),
    "verify": ("verify mine.zip", "verify mine.zip --key public.pem"),
    "judge": ("judge reports/mine --limits strict.yaml --out reports/strict",),
    "compare": ("compare reports/before reports/after --gate", "compare reports/mine reports/strict --json"),
    "replay": ("replay reports/mine 05082b75", "replay reports/mine 05082b75 --rerun --out drive.rrd"),
    "evaluate": ("evaluate --tables I,III,V --out reports/tables --quick", "evaluate --language"),
    "serve": (),
    "attack": ("attack road-patch drp_highway --side left --out work/patch",),
    "dataset": ("dataset tsr --count 8000 --seed 1 --out data/tsr",),
    "train": ("train dnn-tsr --data data/tsr", "train vlm --model llava-tiny --task all --minutes 2"),
    "validate": ("validate mine.yaml", "validate --schema scenario"),
    "import": ("import routes.xml --out mine", "import cut_in.xosc --map Town04.xodr --out mine"),
    "export": ("export drp_highway tour_town --out routes.xml",),
    "list": ("list", "list metrics", "list agents --json"),
    "doctor": ("doctor",),
    "completion": ("completion bash > ~/.local/share/bash-completion/completions/testbed",),
}
"""Every verb's examples, without the program's name; `serve` has a command line of its own."""

_FIRST_EXAMPLES = (*EXAMPLES["run"][:2], "sweep smoke --ray auto", EXAMPLES["report"][0], EXAMPLES["compare"][0])


def _examples(lines: Sequence[str]) -> str:
    return "examples:\n" + "".join(f"  testbed {line}\n" for line in lines)


class Verb(Protocol):
    """What the module of a verb offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options."""

    def execute(self, options: argparse.Namespace) -> int:
        """Do it; return the exit status."""


class CommandLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and leaving."""
        raise UsageError(message, hint=f"see {self.prog} --help")


def _verb(name: str) -> Verb:
    return cast(Verb, importlib.import_module(f"testbed.cli.{MODULES.get(name, name)}"))


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the chosen verb's module is imported.

    Args:
        chosen: Verb on the command line, None when there is none.
    """
    parser = CommandLineParser(
        prog="testbed",
        description="Safety testbed for vision-language driving models under physical attack.",
        epilog=_examples(_FIRST_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"testbed {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=CommandLineParser)
    for name, purpose in VERBS.items():
        if name == "serve":
            # The server has a command line of its own, which it shares with `python -m testbed.server`.
            verbs.add_parser(name, help=purpose, add_help=False, prefix_chars="\0")
            continue
        part = verbs.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        part.formatter_class = argparse.RawDescriptionHelpFormatter
        part.epilog = _examples(EXAMPLES[name])
        part.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == chosen:
            _verb(name).add_arguments(part)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; default those of this process.

    Returns:
        Exit status, see the module docstring.
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that knows no "m/s²" is shown an escape, not an error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    debug = "--debug" in arguments
    try:
        _check_text(arguments)
        usable_home()
        with extras.explained("this command"):
            return _dispatch(arguments, chosen)
    except TestbedError as error:
        return _fail(f"error[{error.code}]: {error}", error.exit_code, debug)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "testbed":
            return _defect(error, debug)
        hint = "in a checkout, `make run` makes one that has it: .venv/bin/python -m testbed …"
        return _fail(f"error[TB160]: {sys.executable} has no module {error.name!r} ({hint})", 2, debug)
    except KeyboardInterrupt as error:
        resumes = "; the same command resumes" if chosen in ("run", "sweep", "evaluate") else ""
        sys.stderr.write(f"\ninterrupted{resumes}\n")
        return int(getattr(error, "exit_code", 130))
    except BrokenPipeError:
        # The reader of our output has left (`testbed list | head`); keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"error[TB200]: {place}{error.strerror or error}", 3, debug)
    except Exception as error:
        return _defect(error, debug)


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: a path of them could be written to, but told to nobody."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode("utf-8")
            raise UsageError(f"{shown!r} is not UTF-8", hint="use another name") from None


def _defect(error: Exception, debug: bool) -> int:
    message = " ".join(str(error).split())[:400]
    note = "" if debug else " (a defect of the testbed; run again with --debug for the traceback)"
    return _fail(f"error[TB000]: {type(error).__name__}: {message}{note}", 1, debug)


def _dispatch(arguments: list[str], chosen: str | None) -> int:
    if chosen == "serve" and arguments[:1] == ["serve"]:
        from testbed.cli import serve

        return serve.serve(arguments[1:])
    _complete()
    parser = build_parser(chosen)
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help()
        return 0
    options.command = shlex.join(["testbed", *arguments])
    return _verb(options.verb).execute(options)


def _complete() -> None:
    """Answer a shell that asks how the line can go on, and leave; the shell says so in its environment."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        words = shlex.split(os.environ.get("COMP_LINE", ""))[1:]
        argcomplete.autocomplete(build_parser(next((word for word in words if word in VERBS), None)))


def _fail(sentence: str, status: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    print(sentence, file=sys.stderr)
    return status


__all__ = ["VERBS", "build_parser", "main"]

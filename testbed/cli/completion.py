"""``testbed completion bash|zsh|fish``: what makes a shell complete this command, by argcomplete."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def execute(options: argparse.Namespace) -> int:
    """Print it."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["testbed"], shell=options.shell))
    return 0

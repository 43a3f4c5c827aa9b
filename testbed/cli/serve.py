"""``testbed serve``: the embedded CARLA server in the foreground; options as in ``python -m testbed.server``."""

from __future__ import annotations

from collections.abc import Sequence


def serve(arguments: Sequence[str]) -> int:
    """Hand the command line to the server.

    Args:
        arguments: Everything behind ``serve``.

    Returns:
        Exit status.
    """
    from testbed.server.__main__ import main

    return int(main([word for word in arguments if word != "--debug"]) or 0)

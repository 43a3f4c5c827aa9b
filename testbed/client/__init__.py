"""The only room that imports carla: reach a server, build an episode's world, tick it, tell the truth about it."""

from __future__ import annotations

from testbed.core.home import usable_home

usable_home()  # before carla is imported, which keeps maps there

from testbed.client.connection import Connection, connect  # noqa: E402
from testbed.client.session import Session, Tick  # noqa: E402

__all__ = ["Connection", "Session", "Tick", "connect"]

"""The only room that imports carla: reach a server, build an episode's world, tick it, tell the truth about it."""

from __future__ import annotations

from testbed.client.connection import Connection, connect
from testbed.client.session import Session, Tick

__all__ = ["Connection", "Session", "Tick", "connect"]

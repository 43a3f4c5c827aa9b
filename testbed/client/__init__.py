"""The only room that imports carla: reach a server, stage an episode, tick it, and tell the truth about it."""

from __future__ import annotations

from testbed.client.connection import Connection, connect
from testbed.client.session import Frame, Session

__all__ = ["Connection", "Frame", "Session", "connect"]

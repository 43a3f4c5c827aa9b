"""Handlers of the client's methods by topic; importing this package registers all of them."""

from __future__ import annotations

from testbed.server.rpc.calls import actors, batch, content, recorder, sensors, session, vehicles

__all__ = ["actors", "batch", "content", "recorder", "sensors", "session", "vehicles"]

"""Stream tokens, and the sensor features that exist only in CARLA's own renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.server import carla_types
from testbed.server.rpc.arguments import integer, text
from testbed.server.rpc.calls.actors import find
from testbed.server.rpc.catalogue import method
from testbed.server.simulation.call_error import CallError

if TYPE_CHECKING:
    from testbed.server.rpc.server import Server


@method("get_sensor_token")
def get_sensor_token(server: Server, stream_id: object) -> list[bytes]:
    """Answer the token of a stream and wait with the next tick until the client is connected."""
    wanted = integer(stream_id, "stream id")
    if not 0 < wanted < 2**32:
        raise CallError(f"there is no stream {wanted}")
    server.expect(wanted)
    return [carla_types.token(wanted, server.stream_port)]


@method("is_sensor_enabled_for_ros")
def is_sensor_enabled_for_ros(server: Server, stream_id: object) -> bool:
    """Answer that nothing is published to ROS."""
    return False


@method("are_gbuffers_enabled")
def are_gbuffers_enabled(server: Server, actor_id: object) -> bool:
    """Answer that g-buffers are off."""
    find(server, actor_id)
    return False


@method("set_ignored_vehicles")
def set_ignored_vehicles(server: Server, actor_id: object, ids: object) -> None:
    """Accept: it concerns CARLA's own debug traces."""
    find(server, actor_id)


@method("send")
def send(server: Server, actor_id: object, message: object) -> None:
    """Accept a V2X message: nobody listens."""
    find(server, actor_id)
    text(message, limit=1 << 20)

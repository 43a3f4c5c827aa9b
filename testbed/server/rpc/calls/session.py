"""Session, maps, episode settings, weather, ticking, and the register of traffic managers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from testbed.core.errors import MapError
from testbed.server import carla_types
from testbed.server.rpc.arguments import integer, number, optional, sequence, text
from testbed.server.rpc.catalogue import method
from testbed.server.simulation.blueprints import OWN_BLUEPRINTS
from testbed.server.simulation.call_error import CallError
from testbed.server.simulation.factory import LIBRARY
from testbed.server.simulation.settings import Settings, WeatherState
from testbed.server.simulation.world import OBSERVER_STREAM
from testbed.world.maps.catalogue import MapBundle, available_maps, load_map
from testbed.world.maps.network import RoadNetwork

if TYPE_CHECKING:
    from testbed.server.rpc.server import Call, Server

GENERATED = "OpenDriveMap"
MAX_XODR_CHARACTERS = 64 << 20
MAX_STEP_S = 1.0


@method("version")
def version(server: Server) -> str:
    """Answer CARLA's release."""
    return server.version


@method("get_available_maps")
def get_available_maps(server: Server) -> list[str]:
    """Answer the maps that ``load_world`` takes."""
    return [f"/Game/Carla/Maps/{name}" for name in available_maps()]


@method("get_episode_info")
def get_episode_info(server: Server) -> list[object]:
    """Answer the episode id and the token of the state stream."""
    return [server.world.episode_id, [carla_types.token(OBSERVER_STREAM, server.stream_port)]]


@method("get_map_info")
def get_map_info(server: Server) -> list[object]:
    """Answer name and spawn points."""
    world = server.world
    return [f"Carla/Maps/{world.bundle.name}", [carla_types.transform(pose) for pose in world.spawn_points]]


@method("get_map_data")
def get_map_data(server: Server) -> str:
    """Answer the OpenDRIVE text."""
    return server.world.bundle.xodr


@method("get_required_files")
def get_required_files(server: Server, folder: object) -> list[str]:
    """Answer what the client should cache: the OpenDRIVE file, never a navigation mesh or traffic-manager cache.

    The client loads the first file of the folders "Nav" and "TM" as a binary cache and crashes on anything else.
    """
    if text(folder).strip("/") in ("", "OpenDrive"):
        return [f"Carla/Maps/OpenDrive/{server.world.bundle.name}.xodr"]
    return []


@method("request_file")
def request_file(server: Server, name: object) -> bytes:
    """Answer the OpenDRIVE file; nothing else is served."""
    wanted = text(name)
    if wanted != f"Carla/Maps/OpenDrive/{server.world.bundle.name}.xodr":
        raise CallError(f"there is no file '{wanted}'")
    return server.world.bundle.xodr.encode("utf-8", "surrogateescape")


@method("get_navigation_mesh")
def get_navigation_mesh(server: Server) -> bytes:
    """Answer that there is no navigation mesh."""
    return b""


@method("load_new_episode")
def load_new_episode(server: Server, name: object, reset_settings: object, layers: object) -> None:
    """Load a map by name or path; an empty name loads the current one again."""
    wanted = text(name)
    integer(layers, "map layers")
    short = wanted.rsplit("/", 1)[-1]
    current = server.world.bundle
    bundle: MapBundle
    if not wanted or short == current.name:
        bundle = current
    elif short == GENERATED and server.generated is not None:
        bundle = server.generated
    elif short in available_maps():
        bundle = load_map(short)
    else:
        raise CallError(f"Map '{wanted}' not found")
    server.load(bundle, reset_settings=bool(reset_settings))


@method("copy_opendrive_to_file")
def copy_opendrive_to_file(server: Server, xodr: object, parameters: object) -> None:
    """Keep an uploaded OpenDRIVE document for the ``load_new_episode`` call that follows."""
    sequence(parameters, 7, "OpendriveGenerationParameters")
    document = text(xodr, "OpenDRIVE document", MAX_XODR_CHARACTERS)
    try:
        network = RoadNetwork.parse(document)
    except MapError as error:
        raise CallError(f"opendrive could not be correctly parsed: {error}") from None
    server.generated = MapBundle(GENERATED, document, network)
    if server.world.bundle.name == GENERATED:
        # A second upload must replace the map that is being driven on when it is loaded by the same name.
        server.world.bundle = server.generated


@method("load_map_layer")
def load_map_layer(server: Server, layers: object) -> None:
    """Accept: maps here have one layer."""
    integer(layers)


@method("unload_map_layer")
def unload_map_layer(server: Server, layers: object) -> None:
    """Accept: maps here have one layer."""
    integer(layers)


@method("get_actor_definitions")
def get_actor_definitions(server: Server) -> list[list[object]]:
    """Answer the blueprint library."""
    return [entry for entry in LIBRARY if not (server.plain and entry[1] in OWN_BLUEPRINTS)]


@method("get_episode_settings")
def get_episode_settings(server: Server) -> list[object]:
    """Answer the settings; a traffic manager asks thousands of times per second."""
    return carla_types.settings(server.world.settings)


@method("set_episode_settings")
def set_episode_settings(server: Server, values: object) -> int:
    """Change the settings and answer the current frame."""
    parts = sequence(values, 11, "EpisodeSettings")
    delta = optional(parts[2], "fixed_delta_seconds")
    step = None if delta is None else number(delta, "fixed_delta_seconds")
    if step is not None and not 0.0 <= step <= MAX_STEP_S:
        raise CallError(f"fixed_delta_seconds {step:g} is not between 0 and {MAX_STEP_S:g}")
    server.world.settings = Settings(
        bool(parts[0]),
        bool(parts[1]),
        step or None,  # CARLA's clients write 0 for "variable"
        bool(parts[3]),
        number(parts[4], "max_substep_delta_time"),
        integer(parts[5], "max_substeps"),
        number(parts[6], "max_culling_distance"),
        bool(parts[7]),
        number(parts[8], "tile_stream_distance"),
        number(parts[9], "actor_active_distance"),
        bool(parts[10]),
    )
    server.restart_clock()
    return server.world.frame


@method("tick_cue", answers_itself=True)
def tick_cue(server: Server, call: Call) -> None:
    """Advance the world by one frame and answer its number."""
    server.cue(call)


@method("get_weather_parameters")
def get_weather_parameters(server: Server) -> list[float]:
    """Answer the weather."""
    return server.world.weather.wire()


@method("set_weather_parameters")
def set_weather_parameters(server: Server, values: object) -> None:
    """Change the weather."""
    floats = [number(item, "weather parameter") for item in sequence(values, len(fields(WeatherState)), "weather")]
    server.world.weather = WeatherState(*floats)


@method("get_imui_gravity")
def get_imui_gravity(server: Server) -> float:
    """Answer the gravity that IMUs feel."""
    return 9.81


@method("is_traffic_manager_running")
def is_traffic_manager_running(server: Server, port: object) -> bool:
    """Tell whether a client runs a traffic manager on a port."""
    return integer(port) in server.traffic_managers


@method("get_traffic_manager_running")
def get_traffic_manager_running(server: Server, port: object) -> list[object]:
    """Answer address and port of a traffic manager, or ("", 0)."""
    wanted = integer(port)
    return [server.traffic_managers[wanted], wanted] if wanted in server.traffic_managers else ["", 0]


@method("add_traffic_manager_running")
def add_traffic_manager_running(server: Server, info: object) -> bool:
    """Register a traffic manager; False where the port is taken."""
    address, port = sequence(info, 2, "traffic manager")
    wanted = integer(port)
    if wanted in server.traffic_managers or len(server.traffic_managers) >= 256:
        return False
    server.traffic_managers[wanted] = text(address, limit=256)
    return True


@method("destroy_traffic_manager")
def destroy_traffic_manager(server: Server, port: object) -> None:
    """Forget a traffic manager."""
    server.traffic_managers.pop(integer(port), None)

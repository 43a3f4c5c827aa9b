"""Every method that a CARLA 0.9.16 client can call, with the way it unwraps the answer, and who answers it here.

A handler is a function whose first parameter is the server; the others are the call's arguments. It registers itself::

    @method("destroy_actor")
    def destroy_actor(server: Server, actor_id: object) -> bool: ...

Methods of the client that have no handler are answered with an error that names them (`KNOWN`); names that no
client of this release knows get an rpc-level error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed.server.rpc.results import ResultWrapping

_VALUES = """
version get_available_maps get_episode_info get_map_info get_map_data get_required_files request_file
get_navigation_mesh get_actor_definitions get_episode_settings set_episode_settings tick_cue get_weather_parameters
get_imui_gravity is_traffic_manager_running get_traffic_manager_running add_traffic_manager_running
get_actors_by_id get_spectator spawn_actor spawn_actor_with_parent destroy_actor get_actor_bounding_box
get_actor_component_names get_actor_bone_names get_actor_socket_names get_actor_component_world_transform
get_actor_component_relative_transform get_actor_bone_world_transforms get_actor_bone_relative_transforms
get_actor_socket_world_transforms get_actor_socket_relative_transforms get_vehicle_bone_world_transforms
get_ackermann_controller_settings get_physics_control get_telemetry_data get_vehicle_light_state
get_vehicle_light_states get_wheel_steer_angle get_wheel_pitch_angle get_bones_transform get_group_traffic_lights
get_light_boxes get_environment_objects get_all_level_BBs get_names_of_all_objects query_lights_state project_point
cast_ray get_sensor_token is_sensor_enabled_for_ros are_gbuffers_enabled get_gbuffer_token start_recorder
show_recorder_file_info show_recorder_collisions show_recorder_actors_blocked replay_file
"""

_VOIDS = """
load_new_episode copy_opendrive_to_file load_map_layer unload_map_layer set_weather_parameters set_imui_gravity
destroy_traffic_manager set_actor_location set_actor_transform set_actor_target_velocity
set_actor_target_angular_velocity enable_actor_constant_velocity disable_actor_constant_velocity add_actor_impulse
add_actor_force add_actor_angular_impulse add_actor_torque add_actor_impulse_at_location add_actor_force_at_location
set_actor_simulate_physics set_actor_collisions set_actor_enable_gravity set_actor_autopilot set_actor_dead
apply_control_to_vehicle apply_ackermann_control_to_vehicle apply_ackermann_controller_settings apply_physics_control
set_vehicle_light_state open_vehicle_door close_vehicle_door set_wheel_steer_direction set_wheel_pitch_angle
show_vehicle_debug_telemetry enable_carsim use_carsim_road enable_chrono_physics restore_physx_physics
apply_control_to_walker set_bones_transform blend_pose get_pose_from_animation set_traffic_light_state
set_traffic_light_green_time set_traffic_light_yellow_time set_traffic_light_red_time freeze_traffic_light
reset_traffic_light_group freeze_all_traffic_lights reset_all_traffic_lights enable_environment_objects
apply_color_texture_to_objects apply_float_color_texture_to_objects update_lights_state update_day_night_cycle
draw_debug_shape clear_debug_shape clear_debug_string set_annotations_traverse_translucency enable_sensor_for_ros
disable_sensor_for_ros enable_gbuffers send set_ignored_vehicles stop_recorder stop_replayer set_replayer_time_factor
set_replayer_ignore_hero set_replayer_ignore_spectator
"""

KNOWN: dict[str, ResultWrapping] = {
    **dict.fromkeys(_VALUES.split(), ResultWrapping.VALUE),
    **dict.fromkeys(_VOIDS.split(), ResultWrapping.VOID),
    "apply_batch": ResultWrapping.RAW,
}
"""Method name to result wrapping, for all methods of the 0.9.16 client."""

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A method that the server implements.

    Attributes:
        name: Name on the wire.
        result: How the answer is wrapped.
        handler: Function that carries it out.
        arity: (fewest, most) arguments, metadata not counted.
        answers_itself: Whether the handler gets the call as second parameter and sends the answer in its own time.
    """

    name: str
    result: ResultWrapping
    handler: Handler
    arity: tuple[int, int]
    answers_itself: bool


METHODS: dict[str, Method] = {}


def method(name: str, *, answers_itself: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of a method.

    Raises:
        KeyError: The client knows no such method.
        ValueError: It has a handler already.
    """
    result = KNOWN[name]

    def register(handler: Handler) -> Handler:
        if name in METHODS:
            raise ValueError(f"two handlers for {name}")
        parameters = list(inspect.signature(handler).parameters.values())[2 if answers_itself else 1 :]
        fewest = sum(1 for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL)
        most = 64 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(parameters)
        METHODS[name] = Method(name, result, handler, (fewest, most), answers_itself)
        return handler

    return register

"""What a client may set for a whole episode: the eleven episode settings and the fourteen weather floats."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields


@dataclass(slots=True)
class Settings:
    """CARLA's ``WorldSettings`` in wire order.

    Attributes:
        synchronous: Whether the world waits for ticks.
        no_rendering: Whether cameras stay dark (they then send nothing).
        fixed_delta_s: Tick length, or None for real time.
        substepping: Stored for the client; the dynamics always substep.
        max_substep_s: Stored for the client.
        max_substeps: Stored for the client.
        max_culling_distance: Stored for the client.
        deterministic_ragdolls: Stored for the client.
        tile_stream_distance: Stored for the client.
        actor_active_distance: Stored for the client.
        spectator_as_ego: Stored for the client.
    """

    synchronous: bool = False
    no_rendering: bool = False
    fixed_delta_s: float | None = None
    substepping: bool = True
    max_substep_s: float = 0.01
    max_substeps: int = 10
    max_culling_distance: float = 0.0
    deterministic_ragdolls: bool = True
    tile_stream_distance: float = 3000.0
    actor_active_distance: float = 2000.0
    spectator_as_ego: bool = True

    @property
    def step_s(self) -> float:
        """Length of a synchronous tick; CARLA's own default of 0.05 s where none is set."""
        return self.fixed_delta_s if self.fixed_delta_s is not None else 0.05


@dataclass(frozen=True, slots=True)
class WeatherState:
    """CARLA's ``WeatherParameters`` in wire order; the defaults are those of a freshly loaded town."""

    cloudiness: float = 5.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 10.0
    sun_azimuth_angle: float = -1.0
    sun_altitude_angle: float = 45.0
    fog_density: float = 2.0
    fog_distance: float = 0.75
    fog_falloff: float = 0.1
    wetness: float = 0.0
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0

    def friction(self, dry_loss: float) -> float:
        """Return the factor on tyre friction: 1 on a dry road, ``1 - dry_loss`` on a soaked one."""
        soaked = min(max(self.wetness, self.precipitation_deposits, 0.0), 100.0) / 100.0
        return 1.0 - dry_loss * soaked

    def wire(self) -> list[float]:
        """Return the fourteen floats in wire order."""
        return list(astuple(self))


WEATHER_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(WeatherState))

"""IMU and GNSS: motion of the parent in the sensor's frame, and world position as latitude and longitude."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import msgpack
import numpy as np

from testbed.core.frames import rotation_matrix
from testbed.core.geometry import Vector
from testbed.server.sensors.headers import Instant, Message, header
from testbed.server.simulation.actors import SimulatedActor
from testbed.server.simulation.chassis import GRAVITY_MPS2
from testbed.server.simulation.transforms import apply_inverse

GNSS, IMU = 4, 5
EARTH_RADIUS_M = 6378137.0
SCALE = 0.9996


@dataclass(frozen=True, slots=True)
class GeoReference:
    """Where the world origin lies on the earth; the defaults are CARLA's for maps that do not say."""

    latitude_deg: float = 42.0
    longitude_deg: float = 2.0

    @classmethod
    def parse(cls, proj: str) -> GeoReference:
        """Return the origin that a PROJ string names in ``+lat_0`` and ``+lon_0``."""
        found = {key: float(value) for key, value in re.findall(r"\+(lat_0|lon_0)=(-?\d+(?:\.\d+)?)", proj)}
        return cls(found.get("lat_0", cls().latitude_deg), found.get("lon_0", cls().longitude_deg))

    def locate(self, point: Vector) -> tuple[float, float, float]:
        """Return (latitude_deg, longitude_deg, altitude_m) of a world position.

        The inverse transverse Mercator projection on a sphere with scale 0.9996 (Snyder, Map Projections, 1987,
        eq. 8-6 and 8-7): measured to be what ``carla.Map.transform_to_geolocation`` of 0.9.16 does for every
        reference. Like CARLA it adds y to the northing, although y points south.
        """
        east, north = point[0] / (EARTH_RADIUS_M * SCALE), point[1] / (EARTH_RADIUS_M * SCALE)
        turned = north + math.radians(self.latitude_deg)
        latitude = math.asin(math.sin(turned) / math.cosh(east))
        longitude = math.radians(self.longitude_deg) + math.atan2(math.sinh(east), math.cos(turned))
        return math.degrees(latitude), math.degrees(longitude), point[2]


class SensorNoise:
    """Gaussian noise of one sensor, from its ``noise_seed``: the same episode has the same noise."""

    def __init__(self, actor: SimulatedActor, seed: int) -> None:
        """Seed by the sensor's attribute and the server's seed."""
        self._actor = actor
        self._generator = np.random.default_rng([seed, int(abs(actor.number("noise_seed", 0.0))), actor.stream_id])

    def __call__(self, stddev: str) -> float:
        """Return noise with the standard deviation that the named attribute gives; 0 without one."""
        value = self._actor.number(stddev, 0.0)
        return float(self._generator.normal(0.0, value)) if value > 0.0 else 0.0


def imu(actor: SimulatedActor, instant: Instant, noise: SensorNoise) -> Message:
    """Return accelerometer (m/s², with gravity's reaction), gyroscope (rad/s) and compass (rad, 0 = north = -y)."""
    matrix = rotation_matrix(*actor.pose[3:])
    ax, ay, az = actor.acceleration_mps2
    acceleration = apply_inverse(matrix, (ax, ay, az + GRAVITY_MPS2))
    wx, wy, wz = (math.radians(value) for value in actor.angular_deg_s)
    rates = apply_inverse(matrix, (wx, wy, wz))
    accelerometer = [
        value + noise(f"noise_accel_stddev_{axis}") for value, axis in zip(acceleration, "xyz", strict=True)
    ]
    gyroscope = [
        value + actor.number(f"noise_gyro_bias_{axis}", 0.0) + noise(f"noise_gyro_stddev_{axis}")
        for value, axis in zip(rates, "xyz", strict=True)
    ]
    compass = math.radians(actor.pose[4] + 90.0) % (2.0 * math.pi)
    body = msgpack.packb([accelerometer, gyroscope, compass], use_single_float=True)
    return (header(actor, IMU, instant), body)


def gnss(actor: SimulatedActor, instant: Instant, noise: SensorNoise, reference: GeoReference) -> Message:
    """Return latitude and longitude in degrees and altitude in metres."""
    values = [
        value + actor.number(f"noise_{name}_bias", 0.0) + noise(f"noise_{name}_stddev")
        for value, name in zip(reference.locate(actor.pose[:3]), ("lat", "lon", "alt"), strict=True)
    ]
    return (header(actor, GNSS, instant), msgpack.packb(values))

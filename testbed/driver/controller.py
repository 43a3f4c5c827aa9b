"""The planner and controller every agent shares: from three perception answers to steering and acceleration.

It knows nothing of the scene but the answers, the ego's own speed and the camera's mounting, so that every difference
in outcome between agents is a difference in perception. An agent that doubts its own answers may ask for caution: to
drive slowly, or to stop in the lane.

Lateral: a steering class asks for a lateral acceleration of ``sign * 1.8 m/s²``; the wheel angle that gives it is
``atan(L * a / v²)`` (kinematic bicycle). Longitudinal: cruise at the believed speed limit; keep a time gap to the
vehicle that the detector's box places on flat ground; obey the signs that were read (rules.py).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from testbed.core.types import Box, Caution, Command, Observation, Perception, Steering
from testbed.driver.rules import RoadRules


@dataclass(frozen=True, slots=True)
class DriverConfig:
    """Constants of planner and controller.

    Attributes:
        wheelbase_m: Of the ego.
        max_wheel_angle_rad: Front wheel angle at ``steer = ±1``.
        understeer_s2pm: Extra wheel angle per lateral acceleration (rad per m/s²) that the tyres need.
        lateral_acceleration_mps2: What a Left or Right answer asks for.
        cruise_mps: Speed where no limit commands less.
        minimum_speed_mps: Below it the steering law would divide by nothing; it is evaluated at this speed.
        comfort_mps2: Braking to a lower limit.
        slow_share: Share of the speed driven otherwise that is left while an agent asks to drive slowly.
        stop_mps2: Braking while an agent asks to stop: UN R157 aims at no more in a minimal risk manoeuvre (5.5).
        headway_s: Time gap wanted behind another vehicle.
        standstill_m: Gap at rest.
        camera_height_m: Above the ground.
        camera_pitch_rad: Upwards positive.
        camera_to_bumper_m: From the camera to the ego's front bumper.
        focal_px: Focal length of the driver's view.
        centre_px: Principal point (x, y).
    """

    wheelbase_m: float = 2.85
    max_wheel_angle_rad: float = math.radians(70.0)
    understeer_s2pm: float = 0.0
    lateral_acceleration_mps2: float = 1.8
    cruise_mps: float = 25.0
    minimum_speed_mps: float = 4.0
    comfort_mps2: float = 1.5
    slow_share: float = 0.5
    stop_mps2: float = 4.0
    headway_s: float = 1.2
    standstill_m: float = 4.0
    camera_height_m: float = 1.45
    camera_pitch_rad: float = math.radians(-2.0)
    camera_to_bumper_m: float = 1.85
    focal_px: float = 208.5
    centre_px: tuple[float, float] = (160.0, 80.0)


class Driver:
    """Plan and control from perception answers. One instance drives one episode after another.

    Args:
        config: Vehicle and camera constants.
    """

    PRESENCE_WINDOW = 3
    PRESENCE_NEEDED = 2
    GAP_WINDOW = 10
    GAPS_NEEDED = 4
    SIGNIFICANT = 2.5
    ABSTAIN_HOLD_S = 3.5
    EMERGENCY_TTC_S = 2.0
    EMERGENCY_MPS2 = 8.0

    def __init__(self, config: DriverConfig | None = None) -> None:
        """Start with nothing believed."""
        self.config = config or DriverConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self._rules = RoadRules()
        self._presence: deque[tuple[float, Box] | None] = deque(maxlen=self.PRESENCE_WINDOW)
        self._gaps: deque[tuple[float, float]] = deque(maxlen=self.GAP_WINDOW)
        self._steering = Steering.STRAIGHT
        self._steering_t_s = -math.inf
        self._caution = Caution.NONE
        self._wanted: Command | None = None

    @property
    def believed_limit_mps(self) -> float | None:
        """The speed limit the planner acts on, None before any sign was read."""
        return None if math.isinf(self._rules.limit_mps) else self._rules.limit_mps

    def hear(self, observation: Observation, perception: Perception) -> None:
        """Take in the answers to one observation at the moment they become available.

        Args:
            observation: What the agent was shown (its time stamps the answers).
            perception: What it answered.
        """
        self._wanted = perception.command
        arbitration = perception.arbitration
        self._caution = Caution.NONE if arbitration is None else arbitration.caution
        if perception.steering.steering is not None:
            self._steering = perception.steering.steering
            self._steering_t_s = observation.t_s
        answer = perception.vehicle
        if answer.present and answer.box_px is not None:
            gap_m = self._gap(answer.box_px)
            self._presence.append((gap_m, answer.box_px))
            self._gaps.append((observation.t_s, gap_m))
        elif answer.present is False:
            self._presence.append(None)
            if not self._believes_a_vehicle():
                self._gaps.clear()
        self._rules.hear(observation, perception)

    def _gap(self, box: Box) -> float:
        """Bumper-to-bumper gap from the box's lower edge on flat ground, m.

        Pinhole over a plane: depth = h / tan(angle below the horizon).
        """
        config = self.config
        below_rad = math.atan2(box[3] - config.centre_px[1], config.focal_px) - config.camera_pitch_rad
        depth_m = config.camera_height_m / math.tan(max(below_rad, 1e-2))
        return max(0.0, depth_m - config.camera_to_bumper_m)

    def command(self, t_s: float, speed_mps: float) -> Command:
        """Return what to do now.

        Args:
            t_s: Simulation time.
            speed_mps: Ego speed.

        Returns:
            Steering in CARLA's sign (positive right) and wanted acceleration, or what an agent that drives wants.
        """
        if self._wanted is not None:
            return self._wanted
        self._rules.move(t_s, speed_mps)
        return Command(steer=self._steer(t_s, speed_mps), acceleration_mps2=self._accelerate(t_s, speed_mps))

    def _steer(self, t_s: float, speed_mps: float) -> float:
        steering = self._steering if t_s - self._steering_t_s < self.ABSTAIN_HOLD_S else Steering.STRAIGHT
        lateral = steering.sign * self.config.lateral_acceleration_mps2
        speed = max(speed_mps, self.config.minimum_speed_mps)
        wheel_rad = math.atan(self.config.wheelbase_m * lateral / speed**2) + self.config.understeer_s2pm * lateral
        return -wheel_rad / self.config.max_wheel_angle_rad

    def _accelerate(self, t_s: float, speed_mps: float) -> float:
        target = min(self.config.cruise_mps, self._rules.limit_mps)
        if self._caution is Caution.SLOW:
            target *= self.config.slow_share
        free = min(1.5, max(-self.config.comfort_mps2, 0.8 * (target - speed_mps)))
        if self._caution is Caution.STOP:
            free = -self.config.stop_mps2
        return min(free, self._follow(speed_mps), self._rules.acceleration(t_s, speed_mps))

    def _follow(self, speed_mps: float) -> float:
        """Acceleration that keeps the time gap; infinite when no vehicle is believed ahead."""
        if not self._believes_a_vehicle() or len(self._gaps) < 2:
            return math.inf
        gaps = sorted(gap for _, gap in list(self._gaps)[-3:])
        gap_m = gaps[len(gaps) // 2]
        closing_mps = self._closing_speed()
        if closing_mps > 0.5 and gap_m / closing_mps < self.EMERGENCY_TTC_S:
            return -self.EMERGENCY_MPS2
        keep = max(-1.5, 0.08 * (gap_m - self.config.standstill_m - self.config.headway_s * speed_mps))
        # constant deceleration that ends the approach at the standstill gap; small demands are left to the time gap
        braking = closing_mps**2 / (2.0 * max(gap_m - self.config.standstill_m, 1.0)) if closing_mps > 1.0 else 0.0
        return min(keep, -braking) if braking > 0.8 else keep

    def _believes_a_vehicle(self) -> bool:
        return sum(item is not None for item in self._presence) >= self.PRESENCE_NEEDED

    def _closing_speed(self) -> float:
        """Closing speed in m/s from a line fitted to the measured gaps; 0 unless it stands out of their noise.

        A box edge that is half a pixel off moves a vehicle 40 m ahead by 3 m, so a slope counts only beyond
        ``SIGNIFICANT`` standard errors (ordinary least squares).
        """
        n = len(self._gaps)
        if n < self.GAPS_NEEDED:
            return 0.0
        mean_t = sum(t for t, _ in self._gaps) / n
        mean_gap = sum(gap for _, gap in self._gaps) / n
        spread = sum((t - mean_t) ** 2 for t, _ in self._gaps)
        if spread < 1e-6:
            return 0.0
        slope = sum((t - mean_t) * (gap - mean_gap) for t, gap in self._gaps) / spread
        residual = sum((gap - mean_gap - slope * (t - mean_t)) ** 2 for t, gap in self._gaps)
        error = math.sqrt(residual / (n - 2) / spread)
        return -slope if -slope > self.SIGNIFICANT * error else 0.0

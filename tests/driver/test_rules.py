"""Obeying signs: an ego that moves as it is told, and answers about one sign ahead."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from testbed.core.gtsrb import NO_ENTRY, STOP, YIELD
from testbed.core.types import Observation, Perception, SignAnswer, Steering, SteeringAnswer, VehicleAnswer
from testbed.driver.controller import Driver, DriverConfig

STEP_S = 0.05
LIMIT_30, LIMIT_80 = 1, 5
IMAGE = np.zeros((160, 320, 3), np.uint8)


@dataclass
class Drive:
    """What became of a drive: distance of the bumper to the sign and speed over time."""

    distance_m: list[float] = field(default_factory=list)
    speed_mps: list[float] = field(default_factory=list)

    def speed_at(self, distance_m: float) -> float:
        """Speed when the bumper was first so near to the sign (negative: beyond)."""
        return next(v for d, v in zip(self.distance_m, self.speed_mps, strict=True) if d <= distance_m)


def drive(
    answers: dict[float, int | None] | int,
    *,
    speed_mps: float,
    seen_from_m: float = 20.0,
    lost_at_m: float = 3.0,
    latency_s: float = 0.0,
    seconds: float = 12.0,
    confidence: float = 0.95,
) -> Drive:
    """Drive towards a sign 40 m ahead that is in view between two distances, asked about at 10 Hz.

    Args:
        answers: Class answered, or class by the distance down to which it is answered.
        speed_mps: Speed at the start and for cruising.
        seen_from_m: Where the sign comes into view.
        lost_at_m: Where it leaves the view.
        latency_s: From the picture to the answer's effect.
        seconds: Length of the drive.
        confidence: Of every answer.
    """
    driver, found, distance_m, speed = Driver(DriverConfig(cruise_mps=speed_mps)), Drive(), 40.0, speed_mps
    pending: list[tuple[float, Observation, Perception]] = []
    for tick in range(int(seconds / STEP_S)):
        t_s = tick * STEP_S
        if tick % 2 == 0:
            crop, said = None, None
            if lost_at_m < distance_m <= seen_from_m:
                edge = int(200.0 / (distance_m + 2.0))
                crop = np.zeros((edge, edge, 3), np.uint8)
                table = answers if isinstance(answers, dict) else {-99.0: answers}
                said = next(value for above, value in sorted(table.items(), reverse=True) if distance_m > above)
            sign = None if crop is None else SignAnswer(said, confidence if said is not None else 0.0)
            observation = Observation(
                tick,
                t_s,
                IMAGE,
                speed,
                sign_crop=crop,
                sign_id="s" if crop is not None else None,
                sign_distance_m=distance_m if crop is not None else None,
            )
            straight, nothing = SteeringAnswer(Steering.STRAIGHT, 1.0), VehicleAnswer(False, None, 1.0)
            pending.append((t_s + latency_s, observation, Perception(straight, nothing, sign)))
        while pending and pending[0][0] <= t_s + 1e-9:
            driver.hear(*pending.pop(0)[1:])
        acceleration = driver.command(t_s, speed).acceleration_mps2
        found.distance_m.append(distance_m)
        found.speed_mps.append(speed)
        distance_m -= speed * STEP_S
        speed = max(0.0, speed + STEP_S * acceleration)
    return found


def test_a_stop_is_kept_after_the_sign_has_left_the_view() -> None:
    run = drive(STOP, speed_mps=8.3)
    stood = [d for d, v in zip(run.distance_m, run.speed_mps, strict=True) if v < 0.1]
    assert 0.0 < stood[0] < 1.5
    # and after a second it goes on
    assert len(stood) * STEP_S == pytest.approx(1.0, abs=0.3)
    assert run.distance_m[-1] < -5.0


def test_a_stop_read_late_uses_where_the_picture_was_taken() -> None:
    run = drive(STOP, speed_mps=8.3, latency_s=0.5)
    stood = [d for d, v in zip(run.distance_m, run.speed_mps, strict=True) if v < 0.1]
    assert 0.0 < stood[0] < 1.5


def test_a_misread_stop_sign_is_run() -> None:
    assert min(drive(12, speed_mps=8.3).speed_mps) > 8.0


def test_a_lower_limit_holds_from_the_sign_on() -> None:
    run = drive(LIMIT_30, speed_mps=13.9)
    assert run.speed_at(0.0) < 30.0 / 3.6 + 2.0
    # 3 m/s² at most, and no slower than the limit asks
    assert np.diff(run.speed_mps).min() >= -3.0 * STEP_S - 1e-9
    assert run.speed_mps[-1] == pytest.approx(30.0 / 3.6, abs=0.1)


def test_a_higher_limit_changes_nothing_before_or_after() -> None:
    assert min(drive(LIMIT_80, speed_mps=13.9).speed_mps) == pytest.approx(13.9)


def test_a_no_entry_sign_is_not_passed_and_a_misread_one_is() -> None:
    run = drive(NO_ENTRY, speed_mps=8.3)
    assert 1.0 < run.distance_m[-1] < 3.5 and run.speed_mps[-1] < 0.1
    assert drive(12, speed_mps=8.3).distance_m[-1] < -5.0


def test_a_yield_sign_is_passed_slowly() -> None:
    run = drive(YIELD, speed_mps=8.3)
    assert run.speed_at(0.0) == pytest.approx(4.0, abs=0.3)
    assert run.speed_mps[-1] == pytest.approx(8.3, abs=0.2)


@pytest.mark.parametrize(("until_m", "confidence"), [(15.5, 0.95), (14.0, 0.6)])
def test_a_few_early_misreadings_do_not_brake(until_m: float, confidence: float) -> None:
    run = drive({until_m: NO_ENTRY, -99.0: LIMIT_80}, speed_mps=13.9, seen_from_m=16.5, confidence=confidence)
    assert min(run.speed_mps) == pytest.approx(13.9)


def test_three_sure_answers_that_agree_are_acted_on() -> None:
    run = drive({12.5: NO_ENTRY, -99.0: LIMIT_80}, speed_mps=13.9, seen_from_m=16.5)
    assert min(run.speed_mps) < 13.5


def test_abstaining_about_a_sign_is_driving_on() -> None:
    assert min(drive({-99.0: None}, speed_mps=8.3).speed_mps) == pytest.approx(8.3)

"""What the signs that were read ask of the driver: limits, stops, giving way, no entry.

A sign is obeyed where it stands, and by the time it is reached it is no longer in view. So each sign has a place on the
ego's own odometer, answers about it are votes, and what the votes say is acted on until the sign has been passed:

* a lower speed limit: slow down so that it holds from the sign on;
* stop: stand at the line for a moment, then go on;
* yield: come to the line slowly. The driver knows of other traffic only what the vehicle question tells, so it cannot
  judge a gap to the side; it is slow enough that a car which enters its way is still answered by braking;
* no entry: stand before the sign and stay there. The driver has a route and no other; turning round is not its choice.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from testbed.core.gtsrb import END_OF_LIMIT, NO_ENTRY, SPEED_LIMIT_KMH, STOP, YIELD
from testbed.core.types import Observation, Perception


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """How signs are obeyed.

    Attributes:
        stop_before_m: Where the front bumper stands, before the line of a stop sign.
        stay_before_m: The same before a no-entry sign.
        stop_wait_s: How long it stands at a stop sign.
        stopped_mps: Below this speed it stands.
        stop_floor_mps2: Least braking over the last metre; demand falls with the square of the speed and would let the
            car creep past.
        yield_mps: Speed at a yield sign.
        slow_down_mps2: Hardest braking for a lower limit or a yield sign ahead.
        belief: Sum of confidences from which a sign ahead is acted on: three answers that agree. Two early ones, of a
            crop of few pixels, are sometimes wrong and sure of it.
        hold_mps2: Braking while it stands.
        gone_s: A sign that was not in view for so long, or gave way to another, has been passed or lost.
        memory_s: How far back the odometer is remembered; no answer may take longer.
    """

    stop_before_m: float = 1.0
    stay_before_m: float = 2.0
    stop_wait_s: float = 1.0
    stopped_mps: float = 0.1
    stop_floor_mps2: float = 2.5
    yield_mps: float = 4.0
    slow_down_mps2: float = 3.0
    belief: float = 2.0
    hold_mps2: float = 3.0
    gone_s: float = 0.3
    memory_s: float = 30.0


@dataclass
class _Sign:
    """One physical sign: its votes, weighted by confidence and crop area, and its place on the odometer."""

    place_m: float
    weight_by_class: dict[int, float] = field(default_factory=dict)
    confidence_by_class: dict[int, float] = field(default_factory=dict)
    obeyed: bool = False

    def add(self, class_id: int, confidence: float, area_px: float) -> None:
        self.weight_by_class[class_id] = self.weight_by_class.get(class_id, 0.0) + confidence * area_px
        self.confidence_by_class[class_id] = self.confidence_by_class.get(class_id, 0.0) + confidence

    @property
    def winner(self) -> int | None:
        if not self.weight_by_class:
            return None
        return max(self.weight_by_class.items(), key=lambda item: item[1])[0]

    def believed(self, belief: float) -> int | None:
        winner = self.winner
        return winner if winner is not None and self.confidence_by_class[winner] >= belief else None


class RoadRules:
    """Remember the signs of one episode and say what they ask for.

    Args:
        config: How signs are obeyed.
    """

    def __init__(self, config: RulesConfig | None = None) -> None:
        """Start with nothing read."""
        self.config = config or RulesConfig()
        self.limit_mps = math.inf
        self._signs: dict[str, _Sign] = {}
        self._current: str | None = None
        self._seen_s = -math.inf
        self._way_m = 0.0
        self._ways: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._wait_until_s: float | None = None

    def move(self, t_s: float, speed_mps: float) -> None:
        """Carry the odometer on to a time."""
        before_s = self._ways[-1][0]
        if t_s > before_s:
            self._way_m += speed_mps * (t_s - before_s)
            self._ways.append((t_s, self._way_m))
        while len(self._ways) > 2 and self._ways[0][0] < t_s - self.config.memory_s:
            self._ways.popleft()

    def hear(self, observation: Observation, perception: Perception) -> None:
        """Take in the answer about the sign in an observation, if there was one."""
        sign_id = observation.sign_id
        if sign_id != self._current and self._current is not None:
            if sign_id is not None or observation.t_s - self._seen_s > self.config.gone_s:
                self._pass(self._current)
                self._current = None
        if sign_id is None:
            return
        self._current, self._seen_s = sign_id, observation.t_s
        distance_m = observation.sign_distance_m if observation.sign_distance_m is not None else math.inf
        sign = self._signs.setdefault(sign_id, _Sign(math.inf))
        # the answer is about where the ego was when the picture was taken, not where it is now
        sign.place_m = self._way_at(observation.t_s, observation.speed_mps) + distance_m
        answer = perception.sign
        if answer is not None and answer.class_id is not None and observation.sign_crop is not None:
            height, width = observation.sign_crop.shape[:2]
            sign.add(answer.class_id, answer.confidence, float(height * width))

    def _way_at(self, t_s: float, speed_mps: float) -> float:
        for when_s, way_m in reversed(self._ways):
            if when_s <= t_s + 1e-9:
                return way_m + speed_mps * (t_s - when_s)
        return self._ways[0][1]

    def _pass(self, sign_id: str) -> None:
        """Act on a sign that is out of view: limits begin at the sign."""
        winner = self._signs[sign_id].winner
        if winner in SPEED_LIMIT_KMH:
            self.limit_mps = SPEED_LIMIT_KMH[winner] / 3.6
        elif winner in END_OF_LIMIT:
            self.limit_mps = math.inf

    def acceleration(self, t_s: float, speed_mps: float) -> float:
        """Return the largest acceleration that the signs allow now, m/s²; infinite where they ask for nothing."""
        demands = [self._demand(sign, t_s, speed_mps) for sign in self._signs.values()]
        return min(demands, default=math.inf)

    def _demand(self, sign: _Sign, t_s: float, speed_mps: float) -> float:
        config = self.config
        remaining_m = sign.place_m - self._way_m
        winner = sign.believed(config.belief)
        if winner is None or sign.obeyed or not math.isfinite(remaining_m):
            return math.inf
        if winner == STOP:
            return self._stop(sign, remaining_m, t_s, speed_mps)
        if winner == NO_ENTRY:
            # beyond the sign the violation has happened; stopping in the street behind it helps nobody
            return self._halt(remaining_m - config.stay_before_m, speed_mps) if remaining_m > 0.0 else math.inf
        if remaining_m <= 0.0:
            return math.inf
        if winner == YIELD:
            return self._slow(config.yield_mps, remaining_m, speed_mps)
        limit_kmh = SPEED_LIMIT_KMH.get(winner)
        return math.inf if limit_kmh is None else self._slow(limit_kmh / 3.6, remaining_m, speed_mps)

    def _stop(self, sign: _Sign, remaining_m: float, t_s: float, speed_mps: float) -> float:
        config = self.config
        if remaining_m < -config.stop_before_m:
            sign.obeyed = True  # over the line: too late to stop for it
            return math.inf
        if speed_mps >= config.stopped_mps:
            return self._halt(remaining_m - config.stop_before_m, speed_mps)
        self._wait_until_s = self._wait_until_s if self._wait_until_s is not None else t_s + config.stop_wait_s
        if t_s < self._wait_until_s:
            return -config.hold_mps2
        sign.obeyed, self._wait_until_s = True, None
        return math.inf

    def _halt(self, remaining_m: float, speed_mps: float) -> float:
        """Constant deceleration to standstill after ``remaining_m``, with a floor over the last metre."""
        if speed_mps < self.config.stopped_mps:
            return -self.config.hold_mps2
        floor = self.config.stop_floor_mps2 if remaining_m < 1.0 else 0.0
        return -max(speed_mps**2 / (2.0 * max(remaining_m, 0.3)), floor)

    def _slow(self, target_mps: float, remaining_m: float, speed_mps: float) -> float:
        """Constant deceleration to a lower speed at the sign; nothing while there is time enough."""
        if speed_mps <= target_mps:
            return math.inf
        needed_mps2 = (speed_mps**2 - target_mps**2) / (2.0 * max(remaining_m, 0.5))
        return -min(needed_mps2, self.config.slow_down_mps2)

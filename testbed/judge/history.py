"""Memory of an episode for the judges: every step, and every answer together with the truth of the frame it looked at.

An answer is judged against the truth of its own image, not against the world at the time it takes effect; what the
world had become by then is the business of latency (``late answer``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from testbed.core.perception_tasks import STEERING_CLASSES, steering_class
from testbed.core.types import Decision, Steering, Step, Truth
from testbed.judge.limits import JudgeLimits


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """A decision and the truth of the frame it looked at.

    Attributes:
        decision: What the agent answered.
        truth: Ground truth of ``decision.frame``.
        expert: The steering class the expert would have answered for that frame.
    """

    decision: Decision
    truth: Truth
    expert: Steering


class History:
    """All steps so far, with the answers in force."""

    def __init__(self, limits: JudgeLimits) -> None:
        """Start empty."""
        self.limits = limits
        self.steps: list[Step] = []
        self.answers: list[JudgedAnswer] = []
        self.unmatched = 0
        """Decisions whose frame was before the first step, so that no truth is known for it."""
        self._truth_by_frame: dict[int, Truth] = {}
        self._in_force: list[JudgedAnswer | None] = []
        self._last_decision: Decision | None = None

    def append(self, step: Step) -> None:
        """Add one step; frames must rise.

        Raises:
            ValueError: Frames or times do not rise, or a decision looks at a frame after the step.
        """
        if self.steps and (step.frame <= self.steps[-1].frame or step.t_s <= self.steps[-1].t_s):
            raise ValueError(f"steps must rise in time: frame {step.frame} follows frame {self.steps[-1].frame}")
        decision = step.decision
        if decision is not None and decision.frame > step.frame:
            raise ValueError(f"the answer in force at frame {step.frame} looks at the future frame {decision.frame}")
        self.steps.append(step)
        self._truth_by_frame[step.frame] = step.truth
        if decision is None:
            self._in_force.append(None)
            return
        if self._last_decision is None or decision.frame != self._last_decision.frame:
            truth = self.truth_of(decision.frame)
            if truth is None:
                self.unmatched += 1
                self._in_force.append(None)
            else:
                answer = JudgedAnswer(decision, truth, expert_steering(truth.lane.preview_offset_m))
                self.answers.append(answer)
                self._in_force.append(answer)
            self._last_decision = decision
            return
        self._in_force.append(self._in_force[-1])

    @property
    def drives_itself(self) -> bool:
        """Whether the agent wants something of the vehicle itself, so that no answer of it explains anything."""
        return any(answer.decision.perception.command is not None for answer in self.answers)

    def truth_of(self, frame: int) -> Truth | None:
        """Return the truth of a frame; None where no step has that number."""
        return self._truth_by_frame.get(frame)

    def duration_of(self, index: int) -> float:
        """Return how many seconds step ``index`` stands for (time since the step before it)."""
        if index > 0:
            return self.steps[index].t_s - self.steps[index - 1].t_s
        return self.steps[1].t_s - self.steps[0].t_s if len(self.steps) > 1 else 0.0

    def lookback(self, seconds: float, *, end: int | None = None) -> Iterator[tuple[Step, JudgedAnswer, float]]:
        """Yield (step, answer in force, seconds it was so), oldest first, over ``seconds`` up to step index ``end``."""
        last = len(self.steps) - 1 if end is None else end
        first = last
        while first > 0 and self.steps[first - 1].t_s > self.steps[last].t_s - seconds:
            first -= 1
        for index in range(first, last + 1):
            answer = self._in_force[index]
            if answer is not None and answer.decision.perception.command is None:
                yield self.steps[index], answer, self.duration_of(index)

    def attack_start(self) -> int | None:
        """Return the index of the first step at which the ego's front bumper is at or past the artefact's near end.

        Benign twins have no artefact in their truth; they use ``limits.attack_near_end_s_m`` where it is given.
        """
        near_s_m = self.limits.attack_near_end_s_m
        for index, step in enumerate(self.steps):
            if step.truth.attack is not None:
                if step.truth.attack.distance_m <= 0:
                    return index
            elif near_s_m is not None and step.truth.lane.s_m + self.limits.vehicle_length_m / 2 >= near_s_m:
                return index
        return None

    def attack_window(self) -> range | None:
        """Return the step indices of the attack window, or None when the artefact was never reached."""
        start = self.attack_start()
        if start is None:
            return None
        end_t_s = self.steps[start].t_s + self.limits.attack_window_s
        stop = start
        while stop < len(self.steps) and self.steps[stop].t_s <= end_t_s + 1e-9:
            stop += 1
        return range(start, stop)


def expert_steering(preview_offset_m: float) -> Steering:
    """Return the class a pure-pursuit expert answers when the lane centre lies so far to the left at the preview."""
    return STEERING_CLASSES[steering_class(preview_offset_m)]

"""Claims: what a scenario states, and whether its episodes support it, refute it, or leave it open.

Supported: the whole Clopper-Pearson interval lies on the claimed side. Refuted: the whole interval lies on the other.
Otherwise undeveloped, with the least number of further episodes that could decide it. A claim holds under the attack
and in the domain of its scenario, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from testbed import sequential, stats
from testbed.core.agent_names import agent_name
from testbed.core.errors import JudgeError, UsageError
from testbed.judge import event_catalogue, metrics
from testbed.report.measures import mean_of
from testbed.report.run_view import BENIGN, Episode, RunView
from testbed.scenario.schema import Claim, Scenario

MIN_EPISODES = 5
"""Episodes below which a bootstrap interval of a mean is not trusted."""

DECIDED = "decided"
"""What a manifest says of a run that was driven until its claims were decided: its rates were looked at many times."""

Status = Literal["supported", "refuted", "undeveloped"]


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim for one agent.

    Attributes:
        scenario: Scenario that states it.
        id: Claim id of the scenario.
        agent: Agent it was judged for.
        conditions: Conditions whose episodes were used.
        text: What it states.
        metric: Metric name.
        bound: The claimed bound as text, for instance ``at most 5 %``.
        status: Outcome.
        observed: What was seen, k/n with interval.
        more: Least number of further episodes that could support an undeveloped claim; None where none would or it
            cannot be told.
        reason: Why it is undeveloped, for people.
        is_unchecked: Whether drives were asked for and none of them could tell anything: a gate must not pass it.
    """

    scenario: str
    id: str
    agent: str
    conditions: tuple[str, ...]
    text: str
    metric: str
    bound: str
    status: Status
    observed: str
    more: int | None = None
    reason: str = ""
    is_unchecked: bool = False

    @property
    def given(self) -> str:
        """The condition under which it is claimed, in words."""
        return "without an attack" if self.conditions == (BENIGN,) else f"given {', '.join(self.conditions)}"


def judge_claims(view: RunView) -> list[ClaimResult]:
    """Return every claim of every scenario for every agent it speaks of."""
    results: list[ClaimResult] = []
    for part, (name, scenario) in zip(view.parts(), view.scenarios.items(), strict=False):
        for claim in scenario.claims:
            agents = [agent_name(claim.agent)] if claim.agent else part.agents
            # without an attack to be about, a claim is about the drives that there are
            all_of_it = tuple(part.attacks) if scenario.adversaries else (BENIGN,)
            conditions = (claim.condition,) if claim.condition else all_of_it
            for agent in agents:
                driven = [
                    e
                    for e in view.episodes
                    if e.plan.scenario == name and e.plan.agent == agent and e.plan.condition in conditions
                ]
                lost = any(
                    (p.scenario, p.agent) == (name, agent) and p.condition in conditions
                    for p in (one.planned for one in view.lost)
                )
                decided = view.manifest.stopping == DECIDED
                results.append(_judge(scenario, claim, agent, conditions, driven, lost, decided))
    return results


def outcomes(metric: str, episodes: Sequence[Episode]) -> list[bool] | None:
    """Return yes or no per episode for a ``*.rate`` metric, None when the metric is no rate.

    ``lane_departure.rate``: the share of episodes with such an event; ``window.success.rate``: the share in which that
    yes/no score is true.
    """
    if not metric.endswith(".rate"):
        return None
    name = metric.removesuffix(".rate")
    if name in event_catalogue():
        return [e.had(name) for e in episodes]
    values = [e.record.scores.get(name) for e in episodes]
    return [value for value in values if isinstance(value, bool)]


def _judge(
    scenario: Scenario,
    claim: Claim,
    agent: str,
    conditions: tuple[str, ...],
    driven: Sequence[Episode],
    lost: bool,
    decided: bool,
) -> ClaimResult:
    at_most = claim.at_most is not None
    episodes = [e for e in driven if e.valid]

    def result(
        status: Status, observed: str, more: int | None = None, reason: str = "", is_unchecked: bool = False
    ) -> ClaimResult:
        return ClaimResult(
            scenario.name,
            claim.id,
            agent,
            conditions,
            claim.text,
            claim.metric,
            bound,
            status,
            observed,
            more,
            reason,
            is_unchecked,
        )

    bound = f"{'at most' if at_most else 'at least'} {claim.bound}"
    try:
        metric = metrics.known(claim.metric, scenario.judges)
        threshold = metric.value(claim.bound, at_most=at_most)
    except (UsageError, JudgeError) as error:  # of a run that another version of the testbed drove
        return result("undeveloped", "nothing", None, str(error), is_unchecked=True)
    bound = f"{'at most' if at_most else 'at least'} {metric.text(threshold)}"
    if not episodes:
        reason = "no valid episode" if driven else f"{agent} was not driven so"
        reason = "none of its drives ended" if lost and not driven else reason
        return result("undeveloped", "no episode", None, reason, is_unchecked=bool(driven) or lost)
    answers = outcomes(claim.metric, episodes)
    if answers:
        k, n = sum(answers), len(answers)
        if decided:
            rate, more = stats.Rate(k, n, sequential.confidence_sequence(k, n)), None
        else:
            rate = stats.rate(k, n, method="clopper-pearson")
            more = stats.episodes_needed(k, n, threshold, at_most=at_most)
        status = _status(rate.interval, threshold, at_most)
        if status != "undeveloped":
            return result(status, str(rate))
        if decided:
            more = sequential.drives_needed(threshold, at_most=at_most, k=k, n=n)
        reason = "no number of episodes would do"
        if more:
            reason = f"at least {more} more {'drive' if more == 1 else 'drives'} needed, all in its favour"
        return result(status, str(rate), more, reason)
    estimate = None if answers is not None else mean_of(episodes, claim.metric)
    if estimate is None:
        return result(
            "undeveloped", "no value", None, f"no valid episode holds the metric {claim.metric}", is_unchecked=True
        )
    observed = f"mean {metric.text(estimate.mean, digits=3)} of {estimate.n}"
    if estimate.interval is None or estimate.n < MIN_EPISODES:
        return result("undeveloped", observed, None, f"fewer than {MIN_EPISODES} drives give no trustworthy interval")
    observed += f" ({metric.text(estimate.interval.low, estimate.interval.high, digits=3)})"
    status = _status(estimate.interval, threshold, at_most)
    reason = "the interval holds the bound; more episodes would narrow it" if status == "undeveloped" else ""
    return result(status, observed, None, reason)


def _status(interval: stats.Interval, threshold: float, at_most: bool) -> Status:
    if at_most:
        if interval.high <= threshold:
            return "supported"
        return "refuted" if interval.low > threshold else "undeveloped"
    if interval.low >= threshold:
        return "supported"
    return "refuted" if interval.high < threshold else "undeveloped"

"""How many drives the claims of a scenario need, before any is driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testbed import sequential, stats
from testbed.core.agent_names import agent_name
from testbed.judge import metrics
from testbed.report.run_view import BENIGN, control_conditions
from testbed.scenario.schema import Scenario

POWER = 0.8
MOST_DRIVES = 20_000


@dataclass(frozen=True, slots=True)
class Need:
    """What one claim needs of every agent that it speaks of.

    Attributes:
        claim: Its id.
        agents: Whom it speaks of.
        conditions: Whose drives count.
        bound: The bound in words.
        clean: Drives under those conditions after which it is supported if none speaks against it; None where that
            cannot be told (means) or never happens.
        likely: The same with a chance of 80 % where the true rate is half of what is claimed, or half as far from one.
        sequential: Drives after which ``--until decided`` stops if none speaks against it.
        per_seed: Drives that count per seed.
    """

    claim: str
    agents: tuple[str, ...]
    conditions: tuple[str, ...]
    bound: str
    clean: int | None
    likely: int | None
    sequential: int | None
    per_seed: int

    @property
    def seeds(self) -> int | None:
        """Seeds that give so many drives as `clean` says."""
        return None if self.clean is None else -(-self.clean // self.per_seed)


def needs(scenario: Scenario, agents: Sequence[str] | None = None) -> list[Need]:
    """Return what every claim of a scenario needs.

    Args:
        scenario: The scenario.
        agents: Instead of its own.

    Raises:
        UsageError: A claim bounds a metric that does not exist.
        JudgeError: A judge of another package that the scenario asks for is broken.
    """
    found = []
    driven = tuple(map(agent_name, agents or scenario.agents))
    controls = control_conditions([scenario])
    attacks = tuple(name for name in scenario.injections() if name not in controls)
    for claim in scenario.claims:
        about = (agent_name(claim.agent),) if claim.agent else driven
        if not set(about) & set(driven):
            continue
        conditions = (claim.condition,) if claim.condition else attacks or (BENIGN,)
        metric = metrics.known(claim.metric, scenario.judges)
        at_most = claim.at_most is not None
        bound = metric.value(claim.bound, at_most=at_most)
        told = f"{'at most' if at_most else 'at least'} {metric.text(bound)}"
        counts: tuple[int | None, int | None, int | None] = (None, None, None)
        if claim.metric.endswith(".rate"):
            counts = (
                stats.episodes_needed(0, 0, bound, at_most=at_most, limit=MOST_DRIVES),
                drives_for_power(bound, at_most=at_most),
                sequential.drives_needed(bound, at_most=at_most, limit=MOST_DRIVES),
            )
        found.append(Need(claim.id, about, conditions, told, *counts, len(conditions)))
    return found


def drives_for_power(bound: float, *, at_most: bool, power: float = POWER) -> int | None:
    """Return the least number of drives that support a claim with a chance, if the truth is half as bad as the bound.

    Args:
        bound: Of the rate.
        at_most: Whether the claim is "at most".
        power: The chance.
    """
    # "at least p" of something is "at most 1 - p" of its contrary
    share = bound if at_most else 1.0 - bound
    if not 0.0 < share < 1.0:
        return None
    from scipy.stats import binom

    allowed = 0
    while True:
        n = stats.least(lambda more, k=allowed: stats.clopper_pearson(k, k + more).high <= share, MOST_DRIVES)  # type: ignore[misc]
        if n is None or n + allowed > MOST_DRIVES:
            return None
        # as few drives as let so many events pass; with more events allowed it takes more drives
        if binom.cdf(allowed, n + allowed, share / 2.0) >= power:
            return n + allowed
        allowed += 1

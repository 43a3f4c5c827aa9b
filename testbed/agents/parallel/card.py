"""What a parallel agent says about itself, from the cards of its two agents, without loading either."""

from __future__ import annotations

from testbed.agents import registry
from testbed.agents.parallel.settings import ParallelSettings
from testbed.core.errors import UsageError
from testbed.core.types import AgentCard

NAME = "parallel"


def agent_card(settings: ParallelSettings) -> AgentCard:
    """Join the cards of both agents, loading neither.

    Raises:
        UsageError: If there is no such agent, or one of them is a parallel agent itself.
        WeightsError: If a card of their weights is missing.
    """
    check_single(settings)
    return joined_card(settings, registry.card(settings.fast), registry.card(settings.slow))


def joined_card(settings: ParallelSettings, fast: AgentCard, slow: AgentCard) -> AgentCard:
    """Join two cards; latency is the fast one's, whose answers are never waited with."""
    weights = dict(fast.weights)
    for file, digest in slow.weights.items():
        # Two files of one name lie in two folders: both count.
        weights[file if weights.get(file, digest) == digest else f"slow {file}"] = digest
    return AgentCard(
        name=NAME,
        kind=NAME,
        latency_ms=fast.latency_ms,
        parameters=fast.parameters + slow.parameters,
        weights=weights,
        trained="; ".join(f"{role}: {card.trained}" for role, card in (("fast", fast), ("slow", slow)) if card.trained),
        needs_truth=fast.needs_truth or slow.needs_truth,
        notes=_told(settings, slow),
    )


def check_single(settings: ParallelSettings) -> None:
    """Check that neither agent is a parallel one itself; raises `UsageError`."""
    for role, name in (("fast", settings.fast), ("slow", settings.slow)):
        if registry.resolve(name).agent == NAME:
            raise UsageError(f"agent parallel: its {role} agent {name!r} is a parallel one", hint="name a single agent")


def _told(settings: ParallelSettings, slow: AgentCard) -> str:
    spec, rules = settings.slow_latency, settings.rules
    p50_ms, p95_ms = (spec.p50_ms, spec.p95_ms) if spec.stated else slow.latency_ms
    charged = f"{p50_ms:.0f} ms at p50, {p95_ms:.0f} at p95"
    return (
        f"{settings.fast} at every decision, {settings.slow} whenever it is done ({charged}); {rules.policy.value}, "
        f"alarm after {rules.alarm_after_s:g} s of disagreement. Held-out figures are those of the two."
    )

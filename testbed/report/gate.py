"""What a run must not show where it decides something, for instance a release.

``run``, ``sweep`` and ``report`` take ``--fail-on refuted,undeveloped,event``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from testbed.core.errors import GateError
from testbed.judge import event_catalogue
from testbed.report.claims import ClaimResult, judge_claims
from testbed.report.run_view import RunView, read_run

REFUTED, UNDEVELOPED, EVENT = "refuted", "undeveloped", "event"
CONDITIONS = (REFUTED, UNDEVELOPED, EVENT)
_NAMED = 3
"""So many are named in the sentence; the report has all."""


def check(run_dir: Path, fail_on: Collection[str], keys: Collection[str] | None = None) -> None:
    """Judge a run.

    Args:
        run_dir: Run folder.
        keys: Of the episodes that count, where the folder holds others too, for instance of an agent as it was before;
            None for all.
        fail_on: Any of `CONDITIONS`: a claim that is refuted, or that nothing could check; one that is undecided; a
            safety event in any valid drive, attacked or not.

    Raises:
        GateError: It shows what it must not.
    """
    view = read_run(run_dir, drives=False, keys=keys)
    refuse(f"--fail-on {','.join(sorted(fail_on))}", failures(view, judge_claims(view), fail_on))


def refuse(option: str, found: Sequence[str]) -> None:
    """Raise `GateError` where an option of the command line forbids what was found; the first of it are named."""
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise GateError(f"{option}: {'; '.join(found[:_NAMED])}{more}")


def failures(view: RunView, claims: Sequence[ClaimResult], fail_on: Collection[str]) -> list[str]:
    """Return in words what a run shows of `fail_on`."""
    found: list[str] = []
    for claim in claims:
        kind = REFUTED if claim.is_unchecked else claim.status
        if kind in fail_on:
            word = "unchecked" if claim.is_unchecked else claim.status
            found.append(f"claim {claim.id} of {claim.agent} {word} ({claim.bound}, seen {claim.observed})")
    if EVENT in fail_on:
        kinds = event_catalogue()
        for episode in view.episodes:
            if episode.valid and episode.record.events:
                plan, event = episode.plan, episode.record.events[0]
                told = kinds[event.kind].noun
                found.append(f"{told} of {plan.agent}, {plan.condition}, seed {plan.seed}")
    return found

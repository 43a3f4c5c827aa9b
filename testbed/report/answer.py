"""The answer in a sentence per agent: what the attack did, against benign twins and against the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from testbed import stats
from testbed.report.gather import BENIGN, RunView
from testbed.report.measures import EVENT_KINDS, Versus, all_versus_benign, rate_of

Verdict = Literal["lost", "leaning", "held", "unclear", "none"]

WORDS: dict[str, str] = {
    "lost": "lost to the attack",
    "leaning": "seems to lose to the attack",
    "held": "held its lane",
    "unclear": "undecided",
    "none": "not tried",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the run says about one agent under one attack.

    Attributes:
        agent: Agent name.
        attack: Condition.
        verdict: Category; see :data:`WORDS`.
        headline: The verdict in a few words.
        sentence: The whole answer with k/n and 95 % intervals.
    """

    agent: str
    attack: str
    verdict: Verdict
    headline: str
    sentence: str


def primary_kind(view: RunView) -> str:
    """Return the event kind that the run's question is about: the first claim's, lane departure by default."""
    kinds = {kind for kind, _ in EVENT_KINDS}
    for scene in view.manifest.scenarios.values():
        for claim in scene.get("claims") or []:
            name = str(claim.get("metric", "")).removesuffix(".rate")
            if name in kinds:
                return name
    return "lane_departure"


def answers(view: RunView) -> list[Answer]:
    """Return one answer per agent and attack; per agent where nothing was attacked."""
    if not view.attacks:
        return [answer for agent in view.agents if (answer := _benign_answer(view, agent)) is not None]
    tests = all_versus_benign(view, primary_kind(view))
    return [
        _answer(view, agent, attack, tests.get((agent, attack))) for attack in view.attacks for agent in view.agents
    ]


def _percent(interval: stats.Interval) -> str:
    return f"95 % interval {interval.low * 100:.0f}–{interval.high * 100:.0f} %"


def _benign_answer(view: RunView, agent: str) -> Answer | None:
    kind = primary_kind(view)
    cell = view.cell(agent, BENIGN)
    if cell is None or not cell.episodes:
        return None
    rate = rate_of(cell.episodes, kind)
    words = dict(EVENT_KINDS)[kind]
    kept = "kept its lane" if kind == "lane_departure" else "nothing went wrong"
    sentence = f"{words[0].upper()}{words[1:]} in {rate.k}/{rate.n} benign drives ({_percent(rate.interval)})."
    return Answer(agent, BENIGN, "unclear" if rate.k else "held", words if rate.k else kept, sentence)


def _answer(view: RunView, agent: str, attack: str, versus: Versus | None) -> Answer:
    kind = primary_kind(view)
    words = dict(EVENT_KINDS)[kind]
    cell = view.cell(agent, attack)
    if cell is None or not cell.episodes:
        if cell is None or not cell.invalid:
            return Answer(agent, attack, "none", WORDS["none"], f"No drive under {attack} has ended.")
        first = cell.invalid[0]
        why = f"None of {len(cell.invalid)} drives under {attack} counts, for instance seed {first.plan.seed}"
        return Answer(agent, attack, "none", "cannot be judged", f"{why}: {first.reason}.")
    rate = rate_of(cell.episodes, kind)
    benign = view.cell(agent, BENIGN)
    parts = [f"{words} in {rate.k}/{rate.n} drives under {attack} ({_percent(rate.interval)})"]
    for name in sorted(view.controls):
        control = view.cell(agent, name)
        if control is not None and control.episodes:
            other = rate_of(control.episodes, kind)
            parts.append(f"in {other.k}/{other.n} under the control {name} ({_percent(other.interval)})")
    if benign is not None and benign.episodes:
        calm = rate_of(benign.episodes, kind)
        parts.append(f"in {calm.k}/{calm.n} benign drives ({_percent(calm.interval)})")
    verdict = _verdict(rate, versus)
    said = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    headline = "held" if verdict == "held" and kind != "lane_departure" else WORDS[verdict]
    return Answer(agent, attack, verdict, headline, f"{said[0].upper()}{said[1:]}{_tail(verdict, rate, versus)}.")


def _verdict(rate: stats.Rate, versus: Versus | None) -> Verdict:
    if rate.k == 0:
        return "held"
    if versus is None:
        return "unclear"
    worse = versus.test.only_second > versus.test.only_first
    if worse and versus.adjusted < 0.05:
        return "lost"
    return "leaning" if worse else "unclear"


def _tail(verdict: Verdict, rate: stats.Rate, versus: Versus | None) -> str:
    if verdict == "held":
        bound = stats.zero_of_n_bound(rate.n) * 100
        return f"; with no failure in {rate.n}, a true rate of up to {bound:.0f} % is still possible"
    if versus is None:
        return "; there is no benign twin to compare with"
    chance = f"exact McNemar p = {versus.adjusted:.2g} over {versus.test.pairs} pairs, Holm-adjusted"
    if verdict == "lost":
        return f"; {chance}"
    if verdict == "leaning":
        return f"; {chance}: too few pairs to rule chance out"
    return f"; no worse than its benign twins ({chance})"

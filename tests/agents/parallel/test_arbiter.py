"""The arbiter by its truth table in docs/parallel.md, and what holds whatever the two say."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.agents.parallel.arbiter import (
    TASKS,
    ArbiterMemory,
    ArbiterRules,
    Policy,
    SecondOpinion,
    Task,
    arbitrate,
    choose,
    relation,
    said,
)
from testbed.core.types import (
    Caution,
    Opinion,
    Perception,
    Relation,
    SignAnswer,
    Steering,
    SteeringAnswer,
    VehicleAnswer,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "parallel.md"
NOW_S = 10.0
BOX = (140.0, 60.0, 180.0, 100.0)
NOTHING = ArbiterMemory()


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of the document by the heads of their columns."""
    text = DOCUMENT.read_text(encoding="utf-8").split(f"<!-- table: {name} -->\n")[1].split("\n\n")[0]
    heads, _, *rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return [dict(zip(heads, row, strict=True)) for row in rows]


ANSWERS = table("answers")


def opinion(task: str, said: str, *, t_s: float = NOW_S) -> Opinion:
    """Return the opinion that a cell describes; the other tasks are answered by everybody in the same way."""
    found = re.fullmatch(r"(?:class )?(.+?)(?: (0\.\d))?", said)
    assert found is not None
    word, confidence = found[1], float(found[2] or 0.5)
    steering, vehicle, sign = SteeringAnswer(Steering.STRAIGHT, 0.7), VehicleAnswer(False, None, 0.7), None
    if task == "alc":
        steering = SteeringAnswer(None if word == "withheld" else Steering(word), confidence)
    if task == "vd":
        present = None if word == "withheld" else word == "vehicle"
        vehicle = VehicleAnswer(present, BOX if present else None, confidence)
    if task == "tsr":
        sign = SignAnswer(None if word == "withheld" else int(word), confidence)
    return Opinion(
        round(t_s * 20), t_s, steering, vehicle, sign, None if sign is None else "a", {task: f"{said} {t_s}"}
    )


def second_opinion(row: dict[str, str], rules: ArbiterRules) -> SecondOpinion | None:
    """Return what both said about the slow agent's picture in a row."""
    said, _, flaw = row["slow"].partition(", ")
    if said == "none yet":
        return None
    age_s = rules.stale_s[row["task"]] + (0.01 if flaw == "stale" else -0.01)
    both = [opinion(row["task"], word, t_s=NOW_S - age_s) for word in (said, row["checked"])]
    slow, checked = (dataclasses.replace(one, sign_id="b") if flaw == "other sign" else one for one in both)
    return SecondOpinion(slow, checked)


def passed(task: str, perception: Perception) -> SteeringAnswer | VehicleAnswer | SignAnswer | None:
    return {"alc": perception.steering, "vd": perception.vehicle, "tsr": perception.sign}[task]


def class_of(task: str, answer: SteeringAnswer | VehicleAnswer | SignAnswer | None) -> object:
    return getattr(answer, {"alc": "steering", "vd": "present", "tsr": "class_id"}[task])


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: " | ".join(list(row.values())[:4]))
def test_the_truth_table(row: dict[str, str], policy: Policy) -> None:
    task, rules = row["task"], ArbiterRules(policy=policy)
    fast, second = opinion(task, row["now"]), second_opinion(row, rules)
    perception, _ = arbitrate(fast, second, rules, NOTHING)
    assert perception.arbitration is not None
    assert perception.arbitration.relations[task] == row["they"]
    answer, wanted = passed(task, perception), row[policy.value]
    if wanted == "none":
        assert class_of(task, answer) is None
        return
    whose = fast if wanted == "fast" else second and second.slow
    assert whose is not None
    assert answer is {"alc": whose.steering, "vd": whose.vehicle, "tsr": whose.sign}[task]
    assert perception.raw[task] == whose.raw[task]
    assert class_of(task, answer) is not None


def kind_of(row: dict[str, str]) -> tuple[str, bool, str, str]:
    """Return task, whether the fast agent withholds now, and what both said about the slow one's picture, in kinds."""
    said, _, flaw = row["slow"].partition(", ")
    slow = flaw or (said if said in ("none yet", "withheld") else "answer")
    return row["task"], row["now"] == "withheld", row["checked"] if row["checked"] == "withheld" else "answer", slow


def test_the_truth_table_leaves_nothing_out() -> None:
    kinds = {kind_of(row) for row in ANSWERS}
    flaws = {"alc": ("stale",), "vd": ("stale",), "tsr": ("stale", "other sign")}
    for task in TASKS:
        for withheld in (False, True):
            for checked, slow in itertools.product(("answer", "withheld"), ("answer", "withheld")):
                assert (task, withheld, checked, slow) in kinds
            for flaw in ("none yet", *flaws[task]):
                assert (task, withheld, "answer", flaw) in kinds
        seen = {(row["they"], surer(row)) for row in ANSWERS if kind_of(row) == (task, False, "answer", "answer")}
        assert seen == {("agree", "slow"), ("disagree", "fast"), ("disagree", "slow"), ("disagree", "nobody")}
    turns = [row for row in ANSWERS if row["they"] == "disagree" and "Straight" in row["now"] + row["slow"]]
    assert {"Straight" in row["now"] for row in turns} == {True, False}, "straight on against a turn, both ways round"
    assert {row["they"] for row in ANSWERS} == set(Relation)
    assert len({tuple(row.values())[:4] for row in ANSWERS}) == len(ANSWERS), "each case once"


def surer(row: dict[str, str]) -> str:
    """Return who is the more confident one."""
    now, slow = float(row["now"][-3:]), float(row["slow"][-3:])
    return "nobody" if now == slow else "fast" if now > slow else "slow"


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("row", table("caution"), ids=lambda row: row["they disagreed for"])
def test_how_long_a_disagreement_lasts_says_what_is_asked_of_the_driver(
    row: dict[str, str], task: Task, policy: Policy
) -> None:
    rules, memory = ArbiterRules(policy=policy), NOTHING
    lasted, _, then = row["they disagreed for"].partition(", then agreed for ")
    fast, slow = {"alc": ("Left", "Right"), "vd": ("no vehicle", "vehicle"), "tsr": ("1", "5")}[task]
    for decision in range(round(float(lasted.removesuffix(" s")) * 10) + 1):
        perception, memory = arbitrate(*looked(task, fast, slow, NOW_S + 0.1 * decision), rules, memory)
    if then:
        end_s = NOW_S + float(lasted.removesuffix(" s")) + float(then.removesuffix(" s"))
        perception, memory = arbitrate(*looked(task, fast, fast, end_s), rules, memory)
    assert perception.arbitration is not None
    assert perception.arbitration.alarms == ((task,) if row["alarm"] == "yes" else ())
    assert perception.arbitration.caution == Caution(row[policy.value])


def looked(task: str, fast: str, slow: str, t_s: float) -> tuple[Opinion, SecondOpinion]:
    """Return what the two say at a time, the slow one about the picture of the decision before."""
    before_s = t_s - 0.1
    second = SecondOpinion(opinion(task, slow, t_s=before_s), opinion(task, fast, t_s=before_s))
    return opinion(task, fast, t_s=t_s), second


def test_one_look_that_is_kept_for_long_is_no_lasting_disagreement() -> None:
    rules, memory = ArbiterRules(alarm_after_s=0.3), NOTHING
    _, second = looked("tsr", "1", "5", NOW_S)
    for decision in range(20):
        perception, memory = arbitrate(opinion("tsr", "1", t_s=NOW_S + 0.1 * decision), second, rules, memory)
        assert perception.arbitration is not None
        assert perception.arbitration.relations["tsr"] is Relation.DISAGREE and not perception.arbitration.alarms


def test_a_delay_alone_is_no_disagreement() -> None:
    """The fast agent follows a bend; the slow one said the same about the picture before it."""
    _, second = looked("alc", "Straight", "Straight", NOW_S)
    perception, _ = arbitrate(opinion("alc", "Left 0.9"), second, ArbiterRules(), NOTHING)
    assert perception.arbitration is not None and perception.arbitration.relations["alc"] is Relation.AGREE
    assert perception.steering.steering is Steering.LEFT


def test_a_break_or_another_sign_begins_anew() -> None:
    rules = ArbiterRules(alarm_after_s=0.2)

    def last(turns: list[tuple[str, str, str]]) -> tuple[str, ...]:
        memory = NOTHING
        for number, (mine, theirs, sign_id) in enumerate(turns):
            t_s = NOW_S + 0.1 * number
            fast, second = looked("tsr", mine, theirs, t_s)
            fast, slow, checked = (
                dataclasses.replace(one, sign_id=sign_id) for one in (fast, second.slow, second.checked)
            )
            perception, memory = arbitrate(fast, SecondOpinion(slow, checked), rules, memory)
        assert perception.arbitration is not None
        return perception.arbitration.alarms

    assert last([("1", "5", "a")] * 3) == ("tsr",)
    assert last([("1", "5", "a"), ("1", "withheld", "a"), ("1", "5", "a")]) == ()
    assert last([("1", "5", "a"), ("1", "5", "a"), ("1", "5", "b")]) == ()


def test_every_disagreement_is_an_alarm_where_none_must_last() -> None:
    perception, _ = arbitrate(*looked("alc", "Left", "Right", NOW_S), ArbiterRules(alarm_after_s=0.0), NOTHING)
    assert perception.arbitration is not None and perception.arbitration.alarms == ("alc",)


confidences = st.floats(0.0, 1.0)
steering = st.builds(SteeringAnswer, st.sampled_from([None, *Steering]), confidences)
vehicles = st.builds(
    lambda present, confidence: VehicleAnswer(present, BOX if present else None, confidence),
    st.sampled_from([None, True, False]),
    confidences,
)
signs = st.none() | st.builds(SignAnswer, st.none() | st.integers(0, 42), confidences)


@st.composite
def opinions(draw: st.DrawFn, sign_ids: str = "ab", age_s: float = 0.0) -> Opinion:
    sign = draw(signs)
    sign_id = None if sign is None else draw(st.sampled_from(sign_ids))
    return Opinion(0, NOW_S - age_s, draw(steering), draw(vehicles), sign, sign_id)


@st.composite
def seconds(draw: st.DrawFn) -> SecondOpinion:
    age_s, sign_id = draw(st.floats(0.0, 5.0)), draw(st.sampled_from("ab"))
    return SecondOpinion(draw(opinions(sign_id, age_s)), draw(opinions(sign_id, age_s)))


rules_of = st.builds(
    ArbiterRules,
    policy=st.sampled_from(list(Policy)),
    stale_s=st.fixed_dictionaries({task: st.floats(0.0, 5.0) for task in TASKS}),
    alarm_after_s=st.floats(0.0, 2.0),
    stop_after_s=st.floats(0.0, 2.0),
)


@given(opinions(), st.none() | seconds(), rules_of)
def test_it_never_makes_an_answer_up(fast: Opinion, second: SecondOpinion | None, rules: ArbiterRules) -> None:
    perception, _ = arbitrate(fast, second, rules, NOTHING)
    given_to_it = [fast] if second is None else [fast, second.slow]
    assert any(perception.steering is one.steering for one in given_to_it)
    assert any(perception.vehicle is one.vehicle for one in given_to_it)
    assert any(perception.sign is one.sign for one in given_to_it)
    assert (perception.sign is None) == (fast.sign is None)
    if perception.sign is not None and perception.sign is not fast.sign:
        assert second is not None and second.slow.sign_id == fast.sign_id


@given(opinions(), seconds(), rules_of)
def test_what_is_stale_is_not_acted_on(fast: Opinion, second: SecondOpinion, rules: ArbiterRules) -> None:
    t_s = fast.t_s - max(rules.stale_s.values()) - 0.01
    old = SecondOpinion(dataclasses.replace(second.slow, t_s=t_s), dataclasses.replace(second.checked, t_s=t_s))
    with_it, _ = arbitrate(fast, old, rules, NOTHING)
    without, _ = arbitrate(fast, None, rules, NOTHING)
    assert dataclasses.replace(with_it, arbitration=None) == dataclasses.replace(without, arbitration=None)


@pytest.mark.parametrize(
    ("fast", "slow", "unparsable"),
    [("withheld", "withheld", True), ("Left 0.8", "withheld", False), ("withheld", "Left 0.8", False)],
)
def test_words_that_nobody_can_read_are_no_abstention(fast: str, slow: str, unparsable: bool) -> None:
    """Only where nothing is answered: who answers beside them is acted on."""
    mute = dataclasses.replace(opinion("alc", slow), unparsable=frozenset({"alc"} if slow == "withheld" else ()))
    second = SecondOpinion(mute, opinion("alc", fast))
    perception, _ = arbitrate(opinion("alc", fast), second, ArbiterRules(), NOTHING)
    assert perception.unparsable == (frozenset({"alc"}) if unparsable else frozenset())


def test_an_agent_that_is_too_slow_to_act_on_still_raises_an_alarm() -> None:
    """Answers 0.9 s apart, each heard when it is 0.9 s old: the second one that differs is an alarm."""
    rules, memory, heard = ArbiterRules(policy=Policy.MINIMAL_RISK_STOP), NOTHING, []
    for look in (0.0, 0.9):
        for decision in range(9):
            t_s = NOW_S + look + 0.9 + 0.1 * decision
            second = SecondOpinion(*(opinion("alc", word, t_s=NOW_S + look) for word in ("Right 0.9", "Left 0.8")))
            perception, memory = arbitrate(opinion("alc", "Left 0.8", t_s=t_s), second, rules, memory)
            assert perception.arbitration is not None and perception.steering.steering is Steering.LEFT
            heard.append(perception.arbitration.caution)
    assert heard == [Caution.NONE] * 9 + [Caution.STOP] * 9


@given(opinions("a"), opinions("a"), st.sampled_from(list(Policy)))
def test_who_is_called_fast_does_not_matter_where_it_should_not(one: Opinion, other: Opinion, policy: Policy) -> None:
    """Both about one picture: who disagrees with whom, and which class two policies of four pass on, is symmetric."""
    swapped = {Relation.FAST_ALONE: Relation.SLOW_ALONE, Relation.SLOW_ALONE: Relation.FAST_ALONE}
    for task in TASKS:
        there, back = relation(task, one, SecondOpinion(other, one)), relation(task, other, SecondOpinion(one, other))
        assert there is swapped.get(back, back)
        tie = confidence(task, one) == confidence(task, other)
        if policy in (Policy.SLOW_ON_DISAGREEMENT, Policy.MINIMAL_RISK_STOP):
            # a vehicle or none always tells the two apart, straight on or a turn does where one says the first
            tie = tie and not (
                task == "vd" or (task == "alc" and Steering.STRAIGHT in (said(one, task), said(other, task)))
            )
        if there is Relation.DISAGREE and (tie or policy is Policy.PREFER_VLM):
            continue
        first, second = choose(task, there, one, other, policy), choose(task, back, other, one, policy)
        assert said(first, task) == said(second, task)


def confidence(task: str, opinion: Opinion) -> float | None:
    answer = {"alc": opinion.steering, "vd": opinion.vehicle, "tsr": opinion.sign}[task]
    return None if answer is None else answer.confidence


@given(opinions(), st.none() | seconds(), rules_of, st.booleans())
def test_it_is_a_function_of_what_it_is_given(
    fast: Opinion, second: SecondOpinion | None, rules: ArbiterRules, stopping: bool
) -> None:
    memory = ArbiterMemory({"alc": NOW_S - 5.5}, stopping=stopping)
    first, again = arbitrate(fast, second, rules, memory), arbitrate(fast, second, rules, memory)
    assert first == again and memory == ArbiterMemory({"alc": NOW_S - 5.5}, stopping=stopping)
    assert first[0].arbitration is not None
    assert (first[0].arbitration.caution is Caution.STOP) >= stopping, "a stop is never taken back"
    assert set(first[0].arbitration.alarms) <= {
        task for task, how in first[0].arbitration.relations.items() if how is Relation.DISAGREE
    }

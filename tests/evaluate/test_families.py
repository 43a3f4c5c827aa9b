"""Solo against tandem and the means of drops, by hand from few answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from testbed.evaluate.answers import NONE, VEHICLE, PictureAnswer
from testbed.evaluate.cells import AnswerCell
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.families import family_figures
from testbed.evaluate.tables import V2LM, TaskName, VictimRow
from testbed.evaluate.v2lms import AskedV2lm
from testbed.evaluate.victims import VictimAgent


def cell(said: str, truth: str) -> AnswerCell:
    """One letter per picture, each a scene of its own."""
    made = [
        PictureAnswer(str(index), str(index), right, given, 0.9)
        for index, (given, right) in enumerate(zip(said, truth, strict=True))
    ]
    return AnswerCell(said, {}, tuple(made), "", 0.0)


def row(name: str, deployment: str, pair: str, task: TaskName, benign: str, attacked: str, truth: str) -> FilledRow:
    victim = VictimAgent(name, deployment)
    one = VictimRow("IV", task, V2LM, victim, v2lm=AskedV2lm(victim, deployment, pair, ""))
    return FilledRow(one, cell(benign, truth), {"attack": cell(attacked, truth)}, {}, None)


TRUTH = "LLLLRRRR"
WORDS = {"V": VEHICLE, "N": NONE}
ROWS = [
    row("solo", "solo", "", "alc", "LLLLRRRR", "LLRRRRRR", TRUTH),
    row("tandem", "tandem", "", "alc", "LLLLRRRL", "RRRRRRRR", TRUTH),
    row("solo", "solo", "", "vd", "LLLLRRRR", "LLLLRRRR", TRUTH),
    row("tandem", "tandem", "", "vd", "LLLLRRRR", "LLLLRRRR", TRUTH),
    row("solo_x", "solo", "x", "alc", "LLLLRRRR", "LLLLRRRR", TRUTH),
]


def test_solo_and_tandem_of_a_pair_are_tested_on_the_same_pictures() -> None:
    tests = family_figures(ROWS).tests
    assert [(one.task, one.condition, one.solo, one.tandem) for one in tests] == [
        ("alc", "benign", "solo", "tandem"),
        ("alc", "road_patch", "solo", "tandem"),
        ("vd", "benign", "solo", "tandem"),
        ("vd", "camouflage", "solo", "tandem"),
    ], "solo_x has no tandem"
    benign, attacked = tests[0], tests[1]
    assert (benign.test.only_first, benign.test.only_second, benign.points) == (1, 0, -12.5)
    assert (attacked.test.only_first, attacked.test.only_second, attacked.points) == (2, 0, -25.0)
    assert attacked.test.p_value == pytest.approx(0.5)
    # four tests: Holm multiplies the smallest by four, which is more than 1
    assert [one.adjusted for one in tests] == [1.0, 1.0, 1.0, 1.0]


def test_holm_is_over_the_whole_table() -> None:
    truth = "L" * 20
    rows = [
        row("solo", "solo", "", "alc", truth, truth, truth),
        row("tandem", "tandem", "", "alc", truth, "R" * 12 + "L" * 8, truth),
        row("solo", "solo", "", "vd", truth, truth, truth),
        row("tandem", "tandem", "", "vd", truth, "R" * 7 + "L" * 13, truth),
    ]
    found = {(one.task, one.condition): one for one in family_figures(rows).tests}
    assert found["alc", "road_patch"].test.p_value == pytest.approx(2 / 2**12)
    assert found["alc", "road_patch"].adjusted == pytest.approx(4 * 2 / 2**12)
    assert found["vd", "camouflage"].adjusted == pytest.approx(3 * 2 / 2**7)


def test_means_of_drops() -> None:
    found = family_figures(ROWS)
    solo, tandem = found.means
    # solo: alc 2 of 8, vd none, solo_x none; tandem: alc 7 - 4 of 8, vd none
    assert (solo.deployment, solo.rows, solo.accuracy) == ("solo", 3, pytest.approx(25.0 / 3))
    assert (tandem.deployment, tandem.rows, tandem.accuracy) == ("tandem", 2, pytest.approx(37.5 / 2))
    solo_f1 = (1.0 - (2 * 2 / 6 + 2 * 4 / 10) / 2) * 100.0
    assert solo.f1 == pytest.approx(solo_f1 / 3)
    assert solo.accuracy_interval is not None and solo.accuracy_interval.low == 0.0
    drops = found.drops["solo", "alc"]
    assert solo.accuracy_interval.high == pytest.approx(np.quantile(drops.accuracy_draws / 3, 0.975))


def test_views_without_a_vehicle_count_in_f1_alone() -> None:
    benign = cell("VVVVNNNN", "VVVVNNNN")
    made = [replace(one, truth=WORDS[one.truth], said=WORDS[one.said]) for one in benign.answers]
    attacked = [replace(one, said=NONE) if one.id == "0" else one for one in made[:4]]
    victim = VictimAgent("solo", "solo")
    one = VictimRow("IV", "vd", V2LM, victim, v2lm=AskedV2lm(victim, "solo", "", ""))
    cells = [replace(benign, answers=tuple(answers)) for answers in (made, attacked)]
    (mean,) = family_figures([FilledRow(one, cells[0], {"camouflage": cells[1]}, {}, None)]).means
    assert mean.accuracy == pytest.approx(25.0), "one of four vehicles"
    # vehicle: 2·3/(4+3), none: 2·4/(4+5)
    assert mean.f1 == pytest.approx(100.0 * (1.0 - (6 / 7 + 8 / 9) / 2))

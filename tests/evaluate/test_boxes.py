"""Overlaps before and under the camouflage, by hand from few answers."""

from __future__ import annotations

import pytest

from testbed.evaluate.answers import NONE, VEHICLE, PictureAnswer
from testbed.evaluate.box_layout import box_chart
from testbed.evaluate.boxes import box_figures
from testbed.evaluate.cells import AnswerCell
from testbed.evaluate.evaluation import FilledRow
from testbed.evaluate.tables import DETECTOR, DNN, VictimRow


def cell(overlaps: list[float | None], first: int = 0) -> AnswerCell:
    """One answer per overlap; 0 is a vehicle that was not reported, None a picture without one."""
    made = [
        PictureAnswer(
            str(first + index),
            str(first + index),
            NONE if iou is None else VEHICLE,
            VEHICLE if iou else NONE,
            0.9 - 0.01 * index,
            iou,
        )
        for index, iou in enumerate(overlaps)
    ]
    return AnswerCell(str(overlaps), {}, tuple(made), "", 0.0)


def filled() -> FilledRow:
    before, after, plain = [0.9, 0.8, None, 0.7, 0.95], [0.9, 0.4], [0.9, 0.8]
    row = VictimRow("fig5", "vd", DNN, DETECTOR)
    # under the camouflage pictures 3 and 4 are shown alone
    return FilledRow(row, cell(before), {"camouflage": cell([after[1], 0.0], 3)}, {"plain": cell(plain, 3)}, None)


def test_overlaps_are_compared_on_the_same_scenes() -> None:
    found = box_figures(filled())
    assert found.benign.mean.mean == pytest.approx((0.7 + 0.95) / 2)
    assert found.attacked.mean.mean == pytest.approx(0.2)
    assert found.change.mean == pytest.approx((0.3 + 0.95) / 2) and found.change.interval is not None
    assert (found.benign.found.k, found.attacked.found.k, found.attacked.missed.k) == (2, 0, 1)
    assert (found.test.only_first, found.test.only_second, found.test.pairs) == (2, 0, 2)
    assert found.benign.ap50 == pytest.approx(1.0) and found.attacked.ap50 == 0.0
    assert found.benign.quantiles[2] == pytest.approx(0.825)
    # 0.4 is alone in its class; the missed vehicle is counted apart
    assert found.attacked.histogram == (0, 0, 0, 0, 1, 0, 0, 0, 0, 0) and sum(found.benign.histogram) == 2
    ((name, control),) = found.controls
    assert name == "plain" and control.mean.mean == pytest.approx(0.85)


def test_the_histogram_draws_every_class_that_occurs() -> None:
    svg = box_chart([box_figures(filled())])
    # before: two classes; under the camouflage: one class, and the missed vehicle
    assert svg.count("<rect") == 4 and svg.count("1 of 2") == 4
    assert "YOLOv5" in svg and "median 0.20" in svg
    assert box_chart([]) == ""

"""Held-out pictures made on the fly: what they show agrees with their right answers."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.core.perception_tasks import MIN_VEHICLE_PX, STEERING_CLASSES
from testbed.evaluate.albums import HeldOut
from testbed.evaluate.answers import NONE, VEHICLE
from testbed.training.data import generate


@pytest.mark.parametrize("task", ["tsr", "alc", "vd"])
def test_held_out_pictures_come_with_right_answers(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generate.SHARES, task, {"highway": 1.0})
    pictures = HeldOut(task, 43 if task == "tsr" else 8).pictures()
    truths = {picture.truth for picture in pictures}
    assert (
        truths
        <= {
            "tsr": {str(number) for number in range(43)},
            "alc": {str(name) for name in STEERING_CLASSES},
            "vd": {VEHICLE, NONE},
        }[task]
    )
    assert len(truths) > (20 if task == "tsr" else 1)
    for picture in pictures:
        assert picture.image.shape == (160, 320, 3) and picture.image.std() > 2.0
        assert (picture.crop is not None) == (task == "tsr")
        assert (picture.box_px is not None) == (picture.truth == VEHICLE)
        if picture.box_px is not None:
            assert picture.box_px[3] - picture.box_px[1] >= MIN_VEHICLE_PX
    again = HeldOut(task, 43 if task == "tsr" else 8).pictures()
    assert all(np.array_equal(one.image, two.image) for one, two in zip(pictures, again, strict=True))

"""The language test of the shipped models, on a few pictures made for it: what they can, and what they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.core.errors import UsageError
from testbed.evaluate import language as room
from testbed.training.data.questions import CONDITIONS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return room._made(tmp_path_factory.mktemp("language"), 0)


@pytest.fixture(scope="module", autouse=True)
def _few_pictures() -> object:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room, "MADE", 120)
        yield


def test_six_conditions_per_model_and_task(data: Path, tmp_path: Path) -> None:
    lines = room.language(tmp_path, agents=["tandem"], data=data, count=12, progress=lambda _: None)
    assert [(line.task, line.condition) for line in lines] == [(t, c) for t in ("tsr", "alc", "vd") for c in CONDITIONS]
    right = {(line.task, line.condition): line.right for line in lines}
    # the shipped model answers the published question, and looks at the picture
    for task in ("tsr", "alc", "vd"):
        for condition in ("right", "other_picture"):
            assert right[task, condition].k >= 0.7 * right[task, condition].n, (task, condition)
        assert right[task, "nonsense"].n == 12
    written = json.loads((tmp_path / "language.json").read_text(encoding="utf-8"))
    assert len(written) == 18 and written[0]["right"]["k"] == right["tsr", "right"].k
    table = (tmp_path / "language.md").read_text(encoding="utf-8")
    assert table.count("| tandem |") == 3 and f"{right['vd', 'blank'].k}/12" in table


def test_agents_that_are_no_v2lm_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no V²LM"):
        room.language(tmp_path, agents=["dnn"], data=data, count=4)


def test_equal_seeds_ask_the_same(data: Path, tmp_path: Path) -> None:
    one, other = (
        room.language(tmp_path / name, agents=["tandem"], data=data, count=6, progress=lambda _: None) for name in "ab"
    )
    assert one == other

"""Judges by name: ours, and those of other packages, good and broken."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

import pytest

from testbed.core.errors import JudgeError, UsageError
from testbed.events import BUILT_IN, EventKind
from testbed.judge import registry
from testbed.judge.route import RouteJudge


class Mine(RouteJudge):
    name = "mine"
    events = (EventKind.unknown("near_miss"),)  # type: ignore[assignment]
    scores = ("mine.count",)


def nothing() -> object:
    return object()


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    registry.event_catalogue.cache_clear()
    yield
    registry.event_catalogue.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"mine": Mine, "twisted": Mine, "nothing": nothing, "gone": None, "comfort": Mine}

    class Point:
        def __init__(self, name: str) -> None:
            self.name, self.value = name, f"package:{name}"

        def load(self) -> object:
            if offered[self.name] is None:
                raise ImportError("no such module")
            return offered[self.name]

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point(name) for name in offered])


def test_ours_are_made_afresh_under_their_own_names() -> None:
    for name in registry.BUILT_IN:
        first, second = registry.create(name), registry.create(name)
        assert first.name == name and first is not second
    assert [judge.name for judge in registry.default_judges()] == list(registry.BUILT_IN)


def test_a_misspelt_judge_is_refused_with_advice() -> None:
    with pytest.raises(UsageError, match="did you mean 'comfort'"):
        registry.create("comfrot")


def test_others_judge_only_where_they_are_asked_for(installed: None) -> None:
    assert registry.third_party() == ("gone", "mine", "nothing", "twisted"), "a name of ours stays ours"
    assert "mine" not in {judge.name for judge in registry.default_judges()}
    judges = registry.judges_for(("mine", "mine", "comfort"))
    assert [judge.name for judge in judges] == [*registry.BUILT_IN, "mine"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("gone", UsageError, "package:gone cannot be made: ImportError: no such module"),
        ("nothing", JudgeError, "has no name, version, events, scores, step and finish"),
        ("twisted", JudgeError, "calls itself 'mine'"),
    ],
)
def test_a_broken_package_is_named(installed: None, name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        registry.create(name)


def test_kinds_of_others_stand_in_the_catalogue_and_broken_packages_only_warn(installed: None) -> None:
    with pytest.warns(UserWarning, match="known by name only") as warned:
        catalogue = registry.event_catalogue()
    assert len(warned) == 3
    assert [kind.name for kind in catalogue.kinds] == [*(kind.name for kind in BUILT_IN.kinds), "near_miss"]


def test_without_other_packages_the_catalogue_is_ours() -> None:
    assert registry.event_catalogue() == BUILT_IN

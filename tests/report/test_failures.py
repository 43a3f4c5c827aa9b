"""Events with the errors before them: which are listed, in which words, and which get a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.core.records import EpisodeRecord, Event
from testbed.report.failures import _with_picture, failures, why_it_happened
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]


def test_events_of_valid_drives_are_listed_agent_by_agent_benign_first(make_view: MakeView) -> None:
    drives = {
        ("tandem", "benign"): [[], []],
        ("tandem", "paint"): [["blocked"], []],
        ("dnn", "benign"): [["stop_sign"], []],
        ("dnn", "paint"): [["collision_vehicle"], ["collision_vehicle", "lane_departure"]],
        ("dnn", "grey"): [[], ["yield"]],
    }
    found = failures(make_view(drives))
    # the first attacked drive of dnn does not count: its twin ran a stop sign
    assert [(f.episode.plan.agent, f.episode.plan.condition, f.episode.plan.seed, f.event.kind) for f in found] == [
        ("dnn", "benign", 1, "stop_sign"),
        ("dnn", "paint", 2, "collision_vehicle"),
        ("dnn", "paint", 2, "lane_departure"),
        ("dnn", "grey", 2, "yield"),
        ("tandem", "paint", 1, "blocked"),
    ]
    assert [f.kind for f in found] == ["benign", "attack", "attack", "control", "attack"]
    assert all(f.picture == "" and f.trace == "" for f in found), "these drives have no trace"
    assert found[0].what == "ran a stop sign at 0 km/h" and found[0].why == "no perception error before it"


def test_a_kind_that_nobody_knows_is_told_by_its_name(make_view: MakeView) -> None:
    (found,) = failures(make_view({("dnn", "benign"): [["near_miss_of_a_cat"]]}))
    assert found.what == "near miss of a cat"


@pytest.mark.parametrize(
    ("cause", "detail", "words"),
    [
        (
            "wrong steering class",
            {"answered": "Left", "expected": "Straight", "confidence": 0.834, "error_s": 0.75},
            "wrong steering class: Left where Straight was right, 83 % sure over 0.8 s",
        ),
        (
            "wrong steering class",
            {"answered": "Left", "expected": "Right"},
            "wrong steering class: Left where Right was right",
        ),
        ("late answer", {"latency_ms": 240.4}, "late answer: right for its image, 240 ms old when it took effect"),
        ("dropped answer", {"age_ms": 420.4}, "dropped answers: the one in force was 420 ms old"),
        ("no answer", {"waited_s": 2.04}, "no answer: none had taken effect yet, 2.0 s long"),
        ("missed vehicle", {"lead_distance_m": 14.2, "confidence": 0.5}, "missed vehicle 14 m ahead, 50 % sure"),
        ("box error", {"iou": 0.314}, "box error: IoU 0.31"),
        ("box error", {"iou": 0.655, "distance_share": 0.777}, "box error: IoU 0.66, 22 % too near"),
        (
            "misread",
            {"perceived": "speed limit 80", "commanded": "speed limit 30"},
            "misread: speed limit 80 where the sign says speed limit 30",
        ),
        ("false vehicle", {"confidence": 0.9}, "saw a vehicle where there is none, 90 % sure"),
        ("missed", {}, "the sign was never answered"),
        ("control", {}, "read rightly, driven wrongly"),
        ("abstained", {}, "abstained"),
        ("unreadable answer", {}, "unreadable answer"),
        ("none", {}, "no perception error before it"),
    ],
)
def test_the_error_before_an_event_is_told(cause: str, detail: dict[str, Any], words: str) -> None:
    event = Event(
        kind="lane_departure",
        t_s=1.0,
        frame=20,
        location_xyz_m=(0, 0, 0),
        ego_speed_mps=9.0,
        cause=cause,
        detail=detail,
    )
    assert why_it_happened(event) == words


def test_pictures_go_round_the_groups_and_to_the_first_caused_event_of_a_drive(make_view: MakeView) -> None:
    def change(record: EpisodeRecord) -> EpisodeRecord:
        # the first event of every drive has no perception error before it, the second has one
        events = tuple(
            event.model_copy(update={"cause": "none" if index == 0 else "misread"})
            for index, event in enumerate(record.events)
        )
        return record.model_copy(update={"events": events})

    two = ["stop_sign", "yield"]
    view = make_view({("dnn", "paint"): [two] * 3, ("tandem", "paint"): [two] * 2, ("dnn", "benign"): [[]] * 3,
                      ("tandem", "benign"): [[]] * 2}, change=change)  # fmt: skip
    found = [(episode, event) for episode in view.episodes if episode.valid for event in episode.record.events]
    for most, wanted in (
        (1, [("dnn", 1)]),
        (3, [("dnn", 1), ("tandem", 1), ("dnn", 2)]),
        (9, [("dnn", 1), ("tandem", 1), ("dnn", 2), ("tandem", 2), ("dnn", 3)]),
    ):
        chosen = [found[index] for _, index in _with_picture(found, most)]
        assert [(episode.plan.agent, episode.plan.seed) for episode, _ in chosen] == wanted
        assert {event.kind for _, event in chosen} == {"yield"}

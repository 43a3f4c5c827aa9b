"""Traces: same episode same bytes, judges read them again, Foxglove's rules hold, damage is noticed."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from testbed.core.errors import StoreError
from testbed.core.types import (
    AheadTruth,
    Arbitration,
    Caution,
    ConflictTruth,
    LineTruth,
    Opinion,
    Relation,
    Steering,
)
from testbed.store import TraceReader, TraceWriter, write_video
from testbed.store.trace_schemas import SCHEMAS


def written(s: ModuleType, path: Path, *, images: bool = False) -> tuple[list, str]:
    steps = s.drive(s.CHARACTERS["solo"], "patch", duration_s=4.0)
    writer = TraceWriter(path)
    for step in steps:
        writer.step(step, s.picture(step.truth) if images else None)
    return steps, writer.close()


def test_steps_come_back_and_are_judged_the_same(synthetic: ModuleType, tmp_path: Path) -> None:
    steps, _ = written(synthetic, tmp_path / "a.mcap")
    back = TraceReader(tmp_path / "a.mcap").steps()
    assert back == steps
    assert synthetic.judge(back).scores == synthetic.judge(steps).scores


def test_lines_and_traffic_ahead_and_crossing_come_back(synthetic: ModuleType, tmp_path: Path) -> None:
    s, path = synthetic, tmp_path / "a.mcap"
    lines = (LineTruth("stop_1", "stop", 7.5), LineTruth("55", "light", -3.0, "red"))
    conflicts, ahead = (ConflictTruth(5, 4.0, 13.0, 20.0, 28.0, 10.0),), AheadTruth(6, 120.0, 3.0)
    steps = [s.step(i, lines=lines, conflicts=conflicts, ahead=ahead) for i in range(3)]
    writer = TraceWriter(path)
    for step in steps:
        writer.step(step)
    writer.close()
    assert TraceReader(path).steps() == steps


def test_what_could_not_be_read_comes_back_and_is_told_only_where_it_is(synthetic: ModuleType, tmp_path: Path) -> None:
    s = synthetic
    unread = dataclasses.replace(s.perception(None), raw={"alc": "left or right"}, unparsable=frozenset({"alc", "vd"}))
    for name, said in (("plain", s.perception()), ("unread", unread)):
        writer = TraceWriter(tmp_path / name)
        steps = [s.step(i, decision=s.decision(0, said)) for i in range(3)]
        for step in steps:
            writer.step(step)
        writer.close()
        assert TraceReader(tmp_path / name).steps() == steps
        (message,) = [content for topic, content in TraceReader(tmp_path / name).messages(["/decision"])]
        told = message["decision"]["perception"]
        assert told.get("unparsable") == (["alc", "vd"] if name == "unread" else None)
    # the schema goes into every trace: another word in it is another hash of every trace
    assert "unparsable" not in json.dumps(SCHEMAS)


def test_an_arbitration_comes_back_and_other_drives_hold_no_word_of_it(synthetic: ModuleType, tmp_path: Path) -> None:
    s = synthetic
    fast, slow = (
        Opinion(2, 0.1, said.steering, said.vehicle, said.sign, "a", {"alc": "words"})
        for said in (s.perception(Steering.LEFT, sign=7), s.perception(None, present=True, box=(1.0, 2.0, 3.0, 4.0)))
    )
    relations = {"alc": Relation.FAST_ALONE, "vd": Relation.DISAGREE}
    said = [
        s.perception(),
        dataclasses.replace(s.perception(), arbitration=Arbitration("prefer_vlm", fast, None, None, {})),
        dataclasses.replace(
            s.perception(), arbitration=Arbitration("x", fast, slow, fast, relations, ("vd",), Caution.STOP)
        ),
    ]
    steps = [s.step(2 * i, decision=s.decision(2 * i, one)) for i, one in enumerate(said)]
    for name, some in (("both", steps), ("plain", steps[:1])):
        writer = TraceWriter(tmp_path / name)
        for step in some:
            writer.step(step)
        writer.close()
        assert TraceReader(tmp_path / name).steps() == some
    assert b"testbed.Arbitration" in (tmp_path / "both").read_bytes()
    assert b"rbitration" not in (tmp_path / "plain").read_bytes()


def test_same_episode_same_bytes(synthetic: ModuleType, tmp_path: Path) -> None:
    first = written(synthetic, tmp_path / "a.mcap", images=True)[1]
    second = written(synthetic, tmp_path / "b.mcap", images=True)[1]
    assert first == second
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mcap", "b.mcap"]


def test_columns_and_frames(synthetic: ModuleType, tmp_path: Path) -> None:
    steps, _ = written(synthetic, tmp_path / "a.mcap", images=True)
    reader = TraceReader(tmp_path / "a.mcap")
    columns = reader.columns()
    assert np.array_equal(columns["lane.lateral_offset_m"], [s.truth.lane.lateral_offset_m for s in steps])
    assert math.isnan(columns["lead.distance_m"][0]) and columns["lead.distance_m"][-1] > 0
    frames = list(reader.frames())
    assert len(frames) == 40 and frames[1].t_s == pytest.approx(0.1)
    seen = frames[3].image().astype(int)
    assert np.abs(seen - synthetic.picture(steps[6].truth).astype(int)).mean() < 6


def test_foxglove_schemas_and_log_time(synthetic: ModuleType, tmp_path: Path) -> None:
    import json

    import jsonschema
    from mcap.reader import make_reader

    written(synthetic, tmp_path / "a.mcap", images=True)
    with open(tmp_path / "a.mcap", "rb") as stream:
        reader = make_reader(stream)
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_start_time == 0
        assert summary.statistics.message_end_time == 3_950_000_000
        names = {channel.topic: summary.schemas[channel.schema_id].name for channel in summary.channels.values()}
        assert names["/camera"] == "foxglove.CompressedImage" and names["/tf"] == "foxglove.FrameTransform"
        seen = set()
        for schema, channel, message in reader.iter_messages():
            assert schema is not None and schema.encoding == "jsonschema" and channel.message_encoding == "json"
            assert message.log_time == message.publish_time
            if channel.topic not in seen:
                seen.add(channel.topic)
                content = json.loads(schema.data)
                assert content["type"] == "object"
                jsonschema.Draft202012Validator.check_schema(content)
        assert seen == set(names) - {"/event", "/log"}


def test_events_are_kept(synthetic: ModuleType, tmp_path: Path) -> None:
    from testbed.judge import JudgePanel

    panel, writer = JudgePanel(), TraceWriter(tmp_path / "a.mcap")
    for step in synthetic.drive(synthetic.CHARACTERS["dnn"], "patch"):
        writer.step(step, None, panel.step(step))
    writer.close()
    assert TraceReader(tmp_path / "a.mcap").events()[0].kind == "lane_departure"


def test_nothing_appears_before_the_end_or_after_giving_up(synthetic: ModuleType, tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.mcap")
    writer.step(synthetic.step(0))
    assert not (tmp_path / "a.mcap").exists()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="closed"):
        writer.step(synthetic.step(1))
    with pytest.raises(StoreError, match="cannot write"):
        TraceWriter(tmp_path / "none" / "a.mcap")


def test_numbers_that_are_not_finite_are_refused(synthetic: ModuleType, tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "a.mcap")
    with pytest.raises(StoreError, match="not finite"):
        writer.step(synthetic.step(0, ego=synthetic.ego(x_m=math.nan)))
    writer.abort()


@pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_damage_is_never_read_as_an_empty_or_other_trace(
    synthetic: ModuleType, tmp_path: Path, where: float, how: str
) -> None:
    steps, _ = written(synthetic, tmp_path / "a.mcap")
    content = bytearray((tmp_path / "a.mcap").read_bytes())
    index = int(where * (len(content) - 1))
    if how == "flip":
        content[index] ^= 0x40
    else:
        content = content[:index]
    (tmp_path / "a.mcap").write_bytes(content)
    try:
        back = TraceReader(tmp_path / "a.mcap").steps()
    except StoreError as error:
        assert "a.mcap" in str(error)
    else:
        # a flip in an index or statistics record does not touch the messages
        assert how == "flip" and back == steps


def test_video(synthetic: ModuleType, tmp_path: Path) -> None:
    import av

    steps = synthetic.drive(synthetic.CHARACTERS["dnn"], "patch", duration_s=1.0)
    write_video(tmp_path / "v.webm", [synthetic.picture(s.truth) for s in steps], fps=20)
    with av.open(str(tmp_path / "v.webm")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (320, 160)
        assert len(list(container.decode(stream))) == 20
    with pytest.raises(StoreError, match="no picture"):
        write_video(tmp_path / "w.webm", [], fps=10)

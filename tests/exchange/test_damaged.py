"""Damaged files: whatever is wrong with one, it is a scenario that loads, or one sentence."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.core.errors import TestbedError
from testbed.exchange import Imported, LeftOut, export_routes
from testbed.scenario.loader import load_scenario

Read = Callable[..., tuple[list[Imported], list[LeftOut]]]

SCRIPT = """<OpenSCENARIO><FileHeader revMajor='1' revMinor='0' description='d'/>
<ParameterDeclarations><ParameterDeclaration name='v' parameterType='double' value='12'/></ParameterDeclarations>
<RoadNetwork><LogicFile filepath='highway'/></RoadNetwork>
<Entities><ScenarioObject name='Ego'><Vehicle name='a' vehicleCategory='car'/></ScenarioObject>
<ScenarioObject name='B'><Vehicle name='b' vehicleCategory='van'/></ScenarioObject></Entities>
<Storyboard><Init><Actions><Private entityRef='Ego'><PrivateAction><TeleportAction><Position>
<WorldPosition x='60' y='-6.9' z='0' h='0'/></Position></TeleportAction></PrivateAction><PrivateAction>
<LongitudinalAction><SpeedAction><SpeedActionTarget><AbsoluteTargetSpeed value='${$v + 2}'/></SpeedActionTarget>
</SpeedAction></LongitudinalAction></PrivateAction></Private><Private entityRef='B'><PrivateAction><TeleportAction>
<Position><RoadPosition roadId='1' s='150' t='-7'/></Position></TeleportAction></PrivateAction></Private>
</Actions></Init></Storyboard></OpenSCENARIO>"""
VALUES = (
    "",
    "x",
    "&#10;",
    "-1",
    "0",
    "1e9",
    "1e300",
    "nan",
    "$w",
    "${1/0}",
    "${1e308*10}",
    "9" * 400,
    "\u0661",
    "1,5",
    "B",
)


def damaged(text: str, rng: random.Random) -> str:
    """Change, remove or repeat something."""
    for _ in range(rng.randint(1, 3)):
        attributes = list(re.finditer(r"(\w+)=(['\"])(.*?)\2", text))
        elements = list(re.finditer(r"<\w+[^<>]*/>", text))
        choice = rng.random()
        if choice < 0.6:
            found = rng.choice(attributes)
            text = text[: found.start(3)] + rng.choice(VALUES) + text[found.end(3) :]
        elif choice < 0.8 and len(attributes) > 1:
            found = rng.choice(attributes)
            text = text[: found.start()] + text[found.end() :]
        elif elements:
            found = rng.choice(elements)
            text = text[: found.start()] + found[0] * rng.choice((0, 2)) + text[found.end() :]
    return text


@pytest.mark.parametrize("kind", ["routes", "script"])
def test_a_damaged_file_is_a_scenario_or_one_sentence(kind: str, tmp_path: Path, read: Read) -> None:
    text = SCRIPT if kind == "script" else export_routes([load_scenario("drp_highway")])[0]
    rng, loaded = random.Random(7), 0
    path = tmp_path / "damaged.xml"
    for number in range(60):
        path.write_text(damaged(text, rng), encoding="utf-8")
        try:
            imported, _ = read(path)
        except TestbedError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            for one in imported:
                copy = tmp_path / f"{number}.yaml"
                copy.write_text(one.text(), encoding="utf-8")
                assert load_scenario(copy).content == one.scenario()
                loaded += 1
    assert 5 < loaded < 60


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<Vehicle name='a' vehicleCategory='car'/>", "<MiscObject name='a'/>", "the ego 'Ego' is no vehicle"),
        ("ScenarioObject name='Ego'", "ScenarioObject name='Owner'", "no vehicle is known as the ego"),
    ],
)
def test_an_ego_is_a_vehicle(old: str, new: str, told: str, tmp_path: Path, read: Read) -> None:
    path = tmp_path / "odd.xosc"
    path.write_text(SCRIPT.replace(old, new), encoding="utf-8")
    with pytest.raises(TestbedError, match=told):
        read(path)


@pytest.mark.parametrize(
    ("name", "x", "name_of_scenario"), [("9" * 400, "100", "route_" + "9" * 42), ("1", "1e12", None)]
)
def test_numbers_beyond_reason_are_no_defect(
    name: str, x: str, name_of_scenario: str | None, tmp_path: Path, read: Read
) -> None:
    marks = f"<position x='60' y='6.9' z='0'/><position x='{x}' y='6.9' z='0'/>"
    path = tmp_path / "far.xml"
    path.write_text(f"<routes><route id='{name}' town='highway'><waypoints>{marks}</waypoints></route></routes>")
    if name_of_scenario is None:
        with pytest.raises(TestbedError, match="leaves its lane after 0 m"):
            read(path)
        return
    (one,), _ = read(path)
    assert one.name == name_of_scenario and one.scenario().route_id is None


def test_odd_characters_stay_out_of_terminals_and_comments(tmp_path: Path, read: Read) -> None:
    marks = "<position x='60' y='6.9' z='0'/><position x='100' y='6.9' z='0'/>"
    odd = "<x name='a\x9b31m&#x85;b: 1&#x2028;agents: [y]'/>"
    path = tmp_path / "odd.xml"
    text = f"<routes><route id='a\x9bb' town='highway'><waypoints>{marks}</waypoints>{odd}</route></routes>"
    path.write_text(text, encoding="utf-8")
    (one,), (number, item) = read(path)
    assert number.element == "routes/route[a?b]/@id" and "id='a?b' becomes no route_id" in number.reason
    assert item.element == "routes/route[a?b]/x[a?31m b: 1 agents: [y]]"
    (tmp_path / "odd.yaml").write_text(one.text(), encoding="utf-8")
    assert load_scenario(tmp_path / "odd.yaml").content == one.scenario()

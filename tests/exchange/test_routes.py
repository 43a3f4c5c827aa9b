"""Leaderboard routes: what goes out comes back, and what cannot be driven is told with its place."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.core.errors import ScenarioError, UsageError
from testbed.exchange import Imported, LeftOut, Towns, export_routes
from testbed.exchange.sky import parameters_of
from testbed.scenario.concrete import concrete_of
from testbed.scenario.loader import load_scenario, shipped_names
from testbed.world.maps import load_map

Read = Callable[..., tuple[list[Imported], list[LeftOut]]]

ALONE = "<waypoints><position x='1' y='2' z='3'/></waypoints>"
POSITIONS = "".join(f"<position x='{x}' y='6.9' z='0'/>\n" for x in range(60, 200, 20))


def written(folder: Path, text: str) -> Path:
    path = folder / "routes.xml"
    path.write_text(text, encoding="utf-8")
    return path


def route(inside: str = f"<waypoints>{POSITIONS}</waypoints>", **attributes: str) -> str:
    said = {"id": "7", "town": "highway"} | attributes
    return f"<route {' '.join(f'{name}={value!r}' for name, value in said.items())}>{inside}</route>"


@pytest.mark.parametrize("name", shipped_names())
def test_a_scenario_comes_back_as_the_same_drive(name: str, tmp_path: Path, read: Read) -> None:
    loaded = load_scenario(name)
    text, _ = export_routes([loaded])
    (one,), left_out = read(written(tmp_path, text))
    back, sent = one.scenario(), loaded.content
    assert left_out == []
    assert (back.name, back.map, back.route_number) == (sent.name, sent.map, sent.route_number)
    assert back.ego.spawn == sent.ego.spawn
    assert back.planned_route_m == pytest.approx(sent.planned_route_m, abs=0.05)
    assert (back.ego.speed_mps, back.duration_s) == (sent.ego.speed_mps, sent.duration_s)
    assert parameters_of(back.weather) == pytest.approx(parameters_of(sent.weather), abs=1e-3)
    assert concrete_of(back, 1).ego == concrete_of(back, 2).ego  # as the file says, whatever the seed


def test_an_exported_file_has_the_layout_of_version_2(tmp_path: Path) -> None:
    text, left_out = export_routes([load_scenario("drp_highway"), load_scenario("tour_town")])
    routes = ElementTree.fromstring(text)
    assert [one.get("town") for one in routes] == ["highway", "town"]
    for one in routes:
        assert int(one.get("id", "")) > 0
        positions = one.findall("waypoints/position")
        assert len(positions) > 10 and all(float(p.get(axis, "")) is not None for p in positions for axis in "xyz")
        assert one.find("scenarios") is not None
        shares = [weather.get("route_percentage") for weather in one.findall("weathers/weather")]
        assert shares == ["0", "100"]
    assert left_out["drp_highway"][0] == "actors lead" and "adversaries drp, dirt" in left_out["drp_highway"]


def test_two_scenarios_of_one_number_are_refused(tmp_path: Path) -> None:
    one = load_scenario("drp_highway")
    for name in ("a", "b"):
        text = one.path.read_text().replace("name: drp_highway", f"name: {name}\nroute_id: 5")
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(UsageError, match="a and b both have the route number 5"):
        export_routes([load_scenario(tmp_path / "a.yaml"), load_scenario(tmp_path / "b.yaml")])


def test_a_foreign_route_gets_speed_time_and_weather(tmp_path: Path, read: Read) -> None:
    weathers = (
        "<weathers><weather route_percentage='0' cloudiness='100' precipitation='50' wetness='80'"
        " wind_intensity='80'/>\n"
        "<weather route_percentage='100' cloudiness='0'/></weathers>"
    )
    trigger = "<trigger_point x='1' y='2' z='0' yaw='0'/>"
    scenarios = f"<scenarios><scenario name='A_1' type='Accident'>{trigger}</scenario></scenarios>"
    inside = f"<waypoints>{POSITIONS}</waypoints>{scenarios}{weathers}"
    text = f"<routes>\n{route(inside)}</routes>"
    (one,), left_out = read(written(tmp_path, text))
    scenario = one.scenario()
    assert (scenario.name, scenario.route_id, scenario.map) == ("route_7", 7, "highway")
    assert scenario.ego.spawn.model_dump() == {"road": 1, "lane": -2, "s_m": 60.0}
    assert scenario.ego.route_m == pytest.approx(120.0)
    assert scenario.ego.speed_mps == pytest.approx(27.78)  # the road's limit
    assert scenario.duration_s == 11.0
    weather = parameters_of(scenario.weather)
    assert (weather["cloudiness"], weather["precipitation"], weather["wetness"]) == (100.0, 50.0, 80.0)
    assert weather["sun_altitude_angle"] == 70.0  # the Leaderboard's own
    told = {item.element: item for item in left_out}
    assert told["routes/route[7]/scenarios/scenario[A_1]"].line == 9
    assert "react to the ego" in told["routes/route[7]/scenarios/scenario[A_1]"].reason
    reasons = [item.reason for item in left_out if item.element.endswith("weather")]
    assert reasons[0].startswith("wind_intensity: a scenario can change only") and "stays as it is" in reasons[1]
    assert [line for line in one.text().splitlines() if "scenario[A_1]" in line]


def test_routes_of_version_1_are_read(tmp_path: Path, read: Read) -> None:
    marks = "".join(f"<waypoint x='{x}.0' y='6.9' z='0.0' yaw='0.0' pitch='0.0' roll='0.0'/>" for x in (60, 120, 180))
    text = route("<weather cloudiness='80'/>" + marks)
    (one,), left_out = read(written(tmp_path, f"<routes>{text}</routes>"))
    assert left_out == []
    assert one.scenario().ego.route_m == pytest.approx(120.0)
    assert parameters_of(one.scenario().weather)["cloudiness"] == 80.0


def test_a_route_ends_where_it_leaves_its_lane(tmp_path: Path, read: Read) -> None:
    bent = POSITIONS + "<position x='200' y='30' z='0'/>\n<position x='210' y='60' z='0'/>"
    (one,), left_out = read(written(tmp_path, f"<routes>{route(f'<waypoints>{bent}</waypoints>')}</routes>"))
    assert one.scenario().ego.route_m == pytest.approx(120.0)
    assert [item.line for item in left_out] == [8, 9][: len(left_out)]
    assert "off the lane that a drive follows" in left_out[0].reason and "so are the 1 after it" in left_out[0].reason


def test_a_map_of_ones_own_stands_for_its_town(tmp_path: Path, read: Read) -> None:
    (tmp_path / "Town12.xodr").write_text(load_map("highway").xodr)
    path = written(tmp_path, f"<routes>{route(town='Town12')}{route(id='8', town='Town13')}</routes>")
    (one,), left_out = read(path, tmp_path / "Town12.xodr")
    assert one.content["map"] == "Town12.xodr"
    assert [(item.element, item.reason[:29]) for item in left_out] == [
        ("routes/route[8]", "there is no map 'Town13': emb")
    ]
    with pytest.raises(UsageError, match="there is no such"):
        Towns([tmp_path / "gone.xodr"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<routes/>", "none of its 0 routes"),
        ("<tracks/>", ":1:1: <tracks> is neither <routes>"),
        (f"<routes>{route(town='Town99')}</routes>", "line 1, routes/route.7.: there is no map 'Town99'"),
        (f"<routes>{route(ALONE)}</routes>", "two way-points"),
        (f"<routes>{route(POSITIONS)}</routes>", "two way-points"),
        (f"<routes>{route(f'<waypoints>{POSITIONS}</waypoints>'.replace('140', 'far'))}</routes>", "x='far'> is not a"),
        ("<routes><route town='town'/></routes>", "<route> lacks the attribute 'id'"),
        (f"<routes>{route(speed_mps='900')}</routes>", "<route speed_mps='900'> is not within 0.001 and 60"),
        (f"<routes>{route(POSITIONS)}", "malformed XML"),
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><routes>&a;</routes>", "document type declaration"),
        (f"<routes>{route(duration_s='99999')}</routes>", "duration_s='99999'> is not within 0.001 and 3600"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(text: str, told: str, tmp_path: Path, read: Read) -> None:
    with pytest.raises(ScenarioError, match=told) as caught:
        read(written(tmp_path, text))
    assert "routes.xml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([(60, 500), (90, 500)], "no lane is within 5 m"),
        ([(120, 6.9), (90, 6.9)], "driven the other way"),
        ([(60, 6.9), (66, 30)], "leaves its lane after 0 m"),
    ],
)
def test_a_way_that_no_lane_has_is_left_out(
    points: list[tuple[float, float]], told: str, tmp_path: Path, read: Read
) -> None:
    marks = "".join(f"<position x='{x}' y='{y}' z='0'/>" for x, y in points)
    other = route(f"<waypoints>{marks}</waypoints>", id="8")
    (one,), left_out = read(written(tmp_path, f"<routes>{route()}\n{other}</routes>"))
    assert one.name == "route_7"
    (item,) = left_out
    assert item.element == "routes/route[8]" and item.line == 9 and told in item.reason


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, read: Read) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        read(tmp_path / "gone.xml")
    (tmp_path / "latin.xml").write_bytes(b"<routes>\xff</routes>")
    with pytest.raises(ScenarioError, match="is not UTF-8 at byte 8"):
        read(tmp_path / "latin.xml")


def test_a_scenario_on_a_map_of_ones_own_comes_back(tmp_path: Path, read: Read) -> None:
    (tmp_path / "own.xodr").write_text(load_map("rural").xodr)
    text = load_scenario("tour_rural").path.read_text().replace("map: rural", "map: own.xodr")
    (tmp_path / "there.yaml").write_text(text)
    sent = load_scenario(tmp_path / "there.yaml")
    path = written(tmp_path, export_routes([sent])[0])
    (one,), left_out = read(path, tmp_path / "own.xodr")
    assert left_out == [] and one.content["map"] == "own.xodr"
    assert one.scenario().ego.spawn == sent.content.ego.spawn
    assert one.scenario().planned_route_m == pytest.approx(sent.content.planned_route_m, abs=0.05)


@pytest.mark.parametrize(
    ("said", "name", "asked"),
    [
        ("../../evil", "route_evil", "drive route ../../evil of highway?"),
        ("9" * 25, f"route_{'9' * 25}", f"drive route {'9' * 25} of highway?"),
        ("-1", "route_in_line_2", "drive route -1 of highway?"),
        ("007", "route_007", "drive route 007 of highway?"),
        ("\u0667", "route_in_line_2", "drive route \u0667 of highway?"),
        ("", "route_in_line_2", "drive the route in line 2 of highway?"),
        (" ", "route_in_line_2", "drive the route in line 2 of highway?"),
    ],
)
def test_an_id_that_becomes_no_number_is_told(said: str, name: str, asked: str, tmp_path: Path, read: Read) -> None:
    inside = f"<waypoints>{POSITIONS}</waypoints><scenarios><scenario name='A'/></scenarios>"
    (one,), left_out = read(written(tmp_path, f"<routes>\n{route(inside, id=said)}</routes>"))
    assert (one.name, one.scenario().route_id) == (name, None) and one.content["question"].endswith(asked)
    item, other = left_out
    assert item.element.endswith("/@id") and item.line == 2
    assert item.reason.startswith(f"id={said.strip()!r} becomes no route_id, the scenario is called {name}: ")
    assert item.reason.endswith("a route_id is a whole number of at most 15 digits, without zeros before it")
    assert other.element.endswith("scenario[A]")
    assert "becomes no route_id" in one.text()


def test_an_id_that_is_no_number_takes_no_numbers_place(tmp_path: Path, read: Read) -> None:
    imported, _ = read(written(tmp_path, f"<routes>{route(id='-1')}{route(id='1')}</routes>"))
    assert [(one.name, one.scenario().route_id) for one in imported] == [("route_in_line_1", None), ("route_1", 1)]


WAY = f"<waypoints>{POSITIONS}</waypoints>"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (route(WAY.replace("'140'", "'1e300'"), id="8"), "line 13: <position x='1e300'> is out of range: numbers are"),
        (route(WAY.replace("'140'", "'1e400'"), id="8"), "line 13: <position x='1e400'> is out of range: numbers are"),
        (route(WAY.replace("'140'", "'nan'"), id="8"), "line 13: <position x='nan'> is not a finite number"),
        (route(WAY.replace("'140'", "'inf'"), id="8"), "line 13: <position x='inf'> is not a finite number"),
        (route(id="8", speed_mps="-1"), "<route speed_mps='-1'> is not within 0.001 and 60"),
        (route(id="8", speed_mps="1e-9"), "<route speed_mps='1e-9'> is not within 0.001 and 60"),
        (route(id="8", duration_s="99999"), "<route duration_s='99999'> is not within 0.001 and 3600"),
        (route(id="8", duration_s="1e-9"), "<route duration_s='1e-9'> is not within 0.001 and 3600"),
        (route(WAY + "<weathers><weather cloudiness='-1e9'/></weathers>", id="8"),
         "line 16: <weather cloudiness='-1e9'> is not within 0 and 100"),
        (route(WAY + "<weathers><weather sun_altitude_angle='91'/></weathers>", id="8"),
         "line 16: <weather sun_altitude_angle='91'> is not within -90 and 90"),
        (route(ALONE, id="8"), "a route needs two way-points"),
        (route(id="8").replace("id='8'", "").replace("<route", "<route name='8'"), "<route> lacks the attribute 'id'"),
        (route(id="8").replace("town='highway'", ""), "<route> lacks the attribute 'town'"),
        (route(id="8", scenario="route_7"), "scenario 'route_7' stands in line 1 already"),
        (route(name="8"), "route '7' stands in line 1 already"),
    ],
)  # fmt: skip
def test_a_route_that_cannot_be_used_is_left_out_alone(bad: str, told: str, tmp_path: Path, read: Read) -> None:
    (one,), (item,) = read(written(tmp_path, f"<routes>{route()}\n{bad}</routes>"))
    assert one.name == "route_7"
    assert item.element in ("routes/route[8]", "routes/route[7]") and item.line == 9 and item.reason.startswith(told)


def test_later_weather_that_is_not_driven_in_keeps_no_route_out(tmp_path: Path, read: Read) -> None:
    later = "<weathers><weather route_percentage='0'/><weather route_percentage='100' cloudiness='nan'/></weathers>"
    (_,), (item,) = read(written(tmp_path, f"<routes>{route(WAY + later)}</routes>"))
    assert "stays as it is at its start" in item.reason

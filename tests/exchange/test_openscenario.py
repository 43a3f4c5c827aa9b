"""OpenSCENARIO files in the shape of esmini's and ScenarioRunner's examples: what is driven, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.core.errors import ScenarioError
from testbed.exchange import Imported, LeftOut
from testbed.exchange.sky import parameters_of
from testbed.world.maps import load_map

Read = Callable[..., tuple[list[Imported], list[LeftOut]]]


def vehicle(name: str, model: str = "car_white", more: str = "") -> str:
    inside = f"<BoundingBox><Center x='1.5' y='0' z='0.9'/></BoundingBox>{more}"
    inside = f"<Vehicle name='{model}' vehicleCategory='car'>{inside}</Vehicle>"
    return f"<ScenarioObject name='{name}'>{inside}</ScenarioObject>\n"


def start(name: str, position: str, speed: str = "") -> str:
    action = f"<PrivateAction>{speed_action(speed)}</PrivateAction>" if speed else ""
    place = f"<PrivateAction><TeleportAction><Position>{position}</Position></TeleportAction></PrivateAction>"
    return f"<Private entityRef='{name}'>\n{place}{action}</Private>\n"


def speed_action(value: str, shape: str = "step") -> str:
    dynamics = f"<SpeedActionDynamics dynamicsShape='{shape}' value='0' dynamicsDimension='time'/>"
    target = f"<SpeedActionTarget><AbsoluteTargetSpeed value='{value}'/></SpeedActionTarget>"
    return f"<LongitudinalAction><SpeedAction>{dynamics}{target}</SpeedAction></LongitudinalAction>"


def at_time(t_s: float) -> str:
    inside = f"<ByValueCondition><SimulationTimeCondition value='{t_s}' rule='greaterThan'/></ByValueCondition>"
    return f"<ConditionGroup><Condition name='t' delay='0' conditionEdge='none'>{inside}</Condition></ConditionGroup>"


def event(name: str, trigger: str, action: str) -> str:
    act = f"<Action name='{name}'><PrivateAction>{action}</PrivateAction></Action>"
    return f"<Event name='{name}' priority='override'>\n{act}<StartTrigger>{trigger}</StartTrigger></Event>\n"


def story(actor: str, *events: str, act_trigger: str = "") -> str:
    maneuver = f"<Maneuver name='M'>{''.join(events)}</Maneuver>"
    actors = f"<Actors selectTriggeringEntities='false'><EntityRef entityRef='{actor}'/></Actors>"
    group = f"<ManeuverGroup name='G' maximumExecutionCount='1'>{actors}{maneuver}</ManeuverGroup>"
    begin = f"<StartTrigger>{act_trigger or at_time(0)}</StartTrigger>"
    return f"<Story name='S'><Act name='A'>{group}{begin}</Act></Story>\n"


LANE = "<LanePosition roadId='1' laneId='-2' offset='0' s='60'/>"
FAR = "<LanePosition roadId='1' laneId='-2' s='140'/>"


def document(
    entities: str,
    actions: str,
    stories: str = "",
    *,
    description: str = "cut in",
    parameters: str = "",
    stop: str = "",
    network: str = "highway",
) -> str:
    return (
        "<?xml version='1.0'?>\n<OpenSCENARIO>\n"
        f"<FileHeader revMajor='1' revMinor='0' date='2024-01-01T00:00:00' description='{description}' author=''/>\n"
        f"<ParameterDeclarations>{parameters}</ParameterDeclarations><CatalogLocations/>\n"
        f"<RoadNetwork><LogicFile filepath='{network}'/></RoadNetwork>\n"
        f"<Entities>{entities}</Entities>\n"
        f"<Storyboard><Init><Actions>{actions}</Actions></Init>\n{stories}<StopTrigger>{stop}</StopTrigger></Storyboard>\n"
        "</OpenSCENARIO>\n"
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "lead_brakes.xosc"
    path.write_text(text, encoding="utf-8")
    return path


EGO = vehicle("Ego")
FOG = (
    "<GlobalAction><EnvironmentAction><Environment name='E'><Weather><Fog visualRange='-5'/></Weather></Environment>"
    "</EnvironmentAction></GlobalAction>\n"
)
TWO = EGO + vehicle("Target", "vehicle.audi.a2")


def test_a_lead_vehicle_that_starts_and_brakes_is_driven_behind(tmp_path: Path, read: Read) -> None:
    parameters = (
        "<ParameterDeclaration name='EgoSpeed' parameterType='double' value='22.5'/>"
        "<ParameterDeclaration name='Gap' parameterType='double' value='${4 * 20}'/>"
    )
    actions = start("Ego", LANE, "$EgoSpeed")
    actions += start("Target", "<RelativeLanePosition entityRef='Ego' dLane='0' ds='$Gap'/>")
    stories = story("Target", event("go", at_time(1), speed_action("${$EgoSpeed / 3}")))
    stories += story("Target", event("halt", at_time(4), speed_action("0", "linear")))
    text = document(TWO, actions, stories, parameters=parameters, stop=at_time(9))
    (one,), left_out = read(written(tmp_path, text))
    scenario = one.scenario()
    assert (scenario.name, scenario.map, scenario.duration_s) == ("lead_brakes", "highway", 9.0)
    assert scenario.ego.spawn.model_dump() == {"road": 1, "lane": -2, "s_m": 60.0}
    assert (scenario.ego.speed_mps, scenario.ego.vary) == (22.5, False)
    (lead,) = scenario.actors
    assert (lead.id, lead.blueprint, lead.ahead_m, lead.lane) == ("target", "vehicle.audi.a2", 80.0, None)
    assert (lead.speed_mps, lead.starts_at_s, lead.stops_at_s) == (7.5, 1.0, 4.0)
    assert [(item.element.rpartition("/")[2], item.reason[:30]) for item in left_out] == [
        ("Vehicle[car_white]", "car_white is no blueprint here"),
        ("SpeedActionDynamics", "road users have their speed at"),
    ]
    assert [item.line for item in left_out] == [6, 18]


def test_worlds_are_right_handed_but_for_files_of_scenario_runner(tmp_path: Path, read: Read) -> None:
    # on this stretch of the highway the ego's lane is at y = 6.9 in CARLA's frame, and its direction is +x
    for description, sign in (("plain", -1), ("CARLA:cut in", 1)):
        actions = start("Ego", f"<WorldPosition x='60' y='{sign * 6.9}' z='0' h='0'/>", "20")
        actions += start("Target", f"<WorldPosition x='150' y='{sign * 7.9}' z='0' h='{sign * 1.2}'/>")
        (one,), _ = read(written(tmp_path, document(TWO, actions, description=description)))
        scenario = one.scenario()
        assert scenario.ego.spawn.model_dump() == {"road": 1, "lane": -2, "s_m": 60.0}
        (target,) = scenario.actors
        assert target.spawn is not None and target.spawn.s_m == 150.0
        assert target.lateral_m == pytest.approx(-1.0)  # y grows to the right in CARLA
        assert target.turned_deg == pytest.approx(-68.75, abs=0.01)


def test_a_road_position_finds_its_lane(tmp_path: Path, read: Read) -> None:
    actions = start("Ego", "<RoadPosition roadId='1' s='60' t='-6.6'/>", "20")
    actions += start("Target", "<RelativeRoadPosition entityRef='Ego' ds='50' dt='0.5'/>", "10")
    (one,), left_out = read(written(tmp_path, document(TWO, actions)))
    scenario = one.scenario()
    assert scenario.ego.spawn.lane == -2
    assert (scenario.actors[0].ahead_m, scenario.actors[0].lateral_m) == (50.0, 0.5)
    assert "in the middle of its lane" in next(item.reason for item in left_out if item.element.endswith("Position"))


def test_a_pedestrian_who_looks_across_crosses(tmp_path: Path, read: Read) -> None:
    walker = (
        "<ScenarioObject name='Adult'><Pedestrian model='walker.pedestrian.0002' mass='80' name='a'/></ScenarioObject>"
    )
    turned = "<Orientation type='relative' h='1.57'/>"
    place = f"<LanePosition roadId='1' laneId='-2' s='120' offset='-3'>{turned}</LanePosition>"
    actions = start("Ego", LANE, "15") + start("Adult", place)
    stories = story("Adult", event("walk", at_time(2), speed_action("1.4")))
    (one,), left_out = read(written(tmp_path, document(EGO + walker, actions, stories, stop=at_time(6))))
    (adult,) = one.scenario().actors
    assert (adult.blueprint, adult.speed_mps, adult.starts_at_s) == ("walker.pedestrian.0002", 1.4, 2.0)
    assert (adult.lateral_m, adult.crosses_to_m) == (-3.0, pytest.approx(-3.0 + 4 * 1.4))
    assert {item.element.rpartition("/")[2] for item in left_out} == {"Vehicle[car_white]"}


def test_the_environment_becomes_weather(tmp_path: Path, read: Read) -> None:
    weather = (
        "<GlobalAction><EnvironmentAction><Environment name='E'><TimeOfDay animation='false'"
        " dateTime='2024-06-01T12:00:00'/><Weather cloudState='overcast'>"
        "<Sun azimuth='1.5708' elevation='0.5236' intensity='0.8'/><Fog visualRange='80'/>"
        "<Precipitation precipitationType='rain' intensity='0.4'/></Weather>"
        "<RoadCondition frictionScaleFactor='0.5'/></Environment></EnvironmentAction></GlobalAction>\n"
    )
    (one,), left_out = read(written(tmp_path, document(EGO, weather + start("Ego", LANE, "15"))))
    found = parameters_of(one.scenario().weather)
    names = ("sun_altitude_angle", "sun_azimuth_angle", "cloudiness", "precipitation", "fog_density", "fog_distance")
    assert [round(found[name]) for name in names] == [30, 90, 100, 40, 100, 80]
    assert "the grip of a road is that of its map" in [item.reason for item in left_out]


def test_a_road_network_beside_the_file_is_driven_on(tmp_path: Path, read: Read) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "own.xodr").write_text(load_map("rural").xodr)
    place = "<LanePosition roadId='2' laneId='-1' s='1380'/>"
    text = document(EGO, start("Ego", place, "15"), network="maps/own.xodr")
    (one,), _ = read(written(tmp_path, text))
    assert one.content["map"] == "maps/own.xodr"


DISTANCE = (
    "<ConditionGroup><Condition name='d' delay='0' conditionEdge='none'><ByEntityCondition><TriggeringEntities"
    " triggeringEntitiesRule='any'><EntityRef entityRef='Ego'/></TriggeringEntities><EntityCondition>"
    "<TraveledDistanceCondition value='150'/></EntityCondition></ByEntityCondition></Condition></ConditionGroup>"
)


def test_the_way_that_ends_a_scenario_is_the_route(tmp_path: Path, read: Read) -> None:
    (one,), _ = read(written(tmp_path, document(EGO, start("Ego", LANE, "20"), stop=DISTANCE)))
    scenario = one.scenario()
    assert (scenario.ego.route_m, scenario.duration_s) == (150.0, 15.0)


def test_a_drive_ends_before_its_lane_does(tmp_path: Path, read: Read) -> None:
    place = "<LanePosition roadId='1' laneId='-2' s='3500'/>"
    (one,), left_out = read(written(tmp_path, document(EGO, start("Ego", place, "20"), stop=at_time(60))))
    assert one.scenario().duration_s < 20.0
    assert "instead of 60 s: the ego's lane ends after" in left_out[-1].reason


@pytest.mark.parametrize(
    ("entities", "actions", "stories", "told"),
    [
        (TWO, start("Ego", LANE, "20") + start("Target", FAR),
         story("Target", event("cut", DISTANCE, speed_action("5"))), "an event that starts at something other than"),
        (TWO, start("Ego", LANE, "20") + start("Target", FAR),
         story("Target", event("go", at_time(1), speed_action("5")), act_trigger=DISTANCE), "an act that starts at"),
        (TWO, start("Ego", LANE, "20") + start("Target", FAR),
         story("Target", event("cut", at_time(1), "<LateralAction><LaneChangeAction/></LateralAction>")),
         "LateralAction: road users keep their lane"),
        (TWO, start("Ego", LANE, "20") + start("Target", FAR, "9"),
         story("Target", event("faster", at_time(1), speed_action("12"))), "a road user has one speed"),
        (EGO, start("Ego", LANE, "20"), story("Ego", event("brake", at_time(3), speed_action("0"))),
         "is up to driver and agent"),
        (TWO, start("Ego", LANE, "20"), "", "is put nowhere by a <TeleportAction>"),
        (TWO, start("Ego", LANE, "20") + start("Target", "<RelativeWorldPosition entityRef='Ego' dx='1' dy='2'/>"), "",
         "is told from something that is not read"),
        (TWO, start("Ego", LANE, "20") + start("Target", "<LanePosition roadId='99' laneId='-1' s='1'/>"), "",
         "has no place: map"),
        (TWO, start("Ego", LANE, "20") + start("Target", LANE), "", "starts where the ego does"),
        (TWO, start("Ego", LANE, "20") + start("Target", "<WorldPosition x='120' y='-6.9' h='3.1'/>", "5"), "",
         "moves 178° away from its lane's direction"),
        (EGO + "<ScenarioObject name='Cone'><MiscObject name='cone' mass='1'/></ScenarioObject>",
         start("Ego", LANE, "20"), "", "only vehicles on wheels and pedestrians"),
        (EGO + "<ScenarioObject name='B'><CatalogReference catalogName='V' entryName='bus'/></ScenarioObject>",
         start("Ego", LANE, "20") + start("B", FAR), "", "catalogues are not read; it is a vehicle.tesla.model3"),
        (TWO, start("Ego", LANE, "20") + start("Target", "<RoadPosition roadId='1' s='-5' t='-7'/>"), "",
         "<RoadPosition s='-5'> is not within 0 and"),
        (TWO, start("Ego", LANE, "20") + start("Target", FAR.replace("s=", "offset='99' s=")), "",
         "starts 99 m beside its lane; 30 m are the most"),
        (EGO, start("Ego", LANE), "", "a drive begins at its cruising speed, 27.78 m/s, the map's limit"),
    ],
)  # fmt: skip
def test_what_no_scenario_says_is_told(
    entities: str, actions: str, stories: str, told: str, tmp_path: Path, read: Read
) -> None:
    text = document(entities, actions, stories)
    (one,), left_out = read(written(tmp_path, text))
    (item,) = [item for item in left_out if told in item.reason]
    lines = text.splitlines()
    assert f"<{item.element.rpartition('/')[2].partition('[')[0]}" in lines[item.line - 1]
    assert item.element.startswith("OpenSCENARIO/") and item.element.rpartition("/")[2] in one.text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (document(EGO, start("Ego", LANE), description="x").replace("revMajor='1'", "revMajor='0'"), "0.0 is not read"),
        (document("", ""), "no vehicle is known as the ego"),
        (document(vehicle("a") + vehicle("b"), ""), r"no vehicle is known as the ego \(vehicles: a, b\)"),
        (document(EGO + vehicle("hero"), ""), "2 vehicles are known as the ego"),
        (document(EGO, ""), "the ego 'Ego' is put nowhere"),
        (document(EGO, start("Ego", "<LanePosition roadId='9' laneId='-1' s='1'/>")), "the ego has no place: map"),
        (document(EGO, start("Ego", "<RoutePosition/>")), "cannot be told from a <RoutePosition>"),
        (document(EGO, start("Ego", "<WorldPosition x='60' y='-6.9' h='3'/>")), "the ego looks 172° away"),
        (document(EGO, start("Ego", LANE), network="Town04"), "there is no map 'Town04'"),
        (document(EGO, start("Ego", LANE, "$fast")), r"parameter \$fast, which is not declared"),
        (document(EGO, start("Ego", LANE, "${2 ** 9}")), "cannot be computed"),
        (document(EGO, start("Ego", LANE, "${__import__}")), "cannot be computed"),
        (document(EGO, start("Ego", LANE, "${1/0}")), r"Speed value='\$.1/0.'> cannot be computed"),
        (document(EGO, start("Ego", LANE, "${9*(")), "cannot be computed"),
        (document(EGO, start("Ego", LANE.replace("'1'", "'${1/0}'"))), "cannot be computed"),
        (document(EGO, start("Ego", LANE.replace("'60'", "'1e300'"))), "s='1e300'> is out of range"),
        (document(EGO, start("Ego", LANE.replace("'60'", "'-5'"))), "no place: line 9: <LanePosition s='-5'> is"),
        (document(EGO, FOG + start("Ego", LANE)), "<Fog visualRange='-5'> is not within 0 and"),
        (document(EGO, start("Ego", LANE.replace("'60'", "'x'"))), "s='x'> is not a finite number"),
        (document(EGO, start("Ego", LANE)).replace("<Storyboard>", "<Story>").replace("</Storyboard>", "</Story>"),
         "<OpenSCENARIO> lacks <Storyboard>"),
        ("<OpenSCENARIO><FileHeader revMajor='1'/></OpenSCENARIO>", "<OpenSCENARIO> lacks <RoadNetwork>"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + document(EGO, "").partition("\n")[2], "document type declaration"),
        ("<a>" * 100, "nested deeper"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_driven_is_one_sentence(
    text: str, told: str, tmp_path: Path, read: Read
) -> None:
    with pytest.raises(ScenarioError, match=told) as caught:
        read(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}/lead_brakes.xosc:") and "\n" not in str(caught.value)


def test_entities_are_never_expanded(tmp_path: Path, read: Read) -> None:
    bomb = "".join(f"<!ENTITY e{i + 1} '{f'&e{i};' * 10}'>" for i in range(9))
    text = f"<!DOCTYPE a [<!ENTITY e0 'ha'>{bomb}<!ENTITY x SYSTEM 'file:///etc/passwd'>]><OpenSCENARIO>&e9;&x;</OpenSCENARIO>"
    with pytest.raises(ScenarioError, match="document type declaration"):
        read(written(tmp_path, text))


def test_parameters_hold_where_they_are_declared(tmp_path: Path, read: Read) -> None:
    actions = start("Ego", LANE, "20") + start("Target", FAR)
    declared = "<ParameterDeclaration name='v' parameterType='double' value='6'/>"
    inner = f"<Maneuver name='M'><ParameterDeclarations>{declared}</ParameterDeclarations>"
    stories = story("Target", event("go", at_time(1), speed_action("$v"))).replace("<Maneuver name='M'>", inner)
    (one,), _ = read(written(tmp_path, document(TWO, actions, stories)))
    assert one.scenario().actors[0].speed_mps == 6.0
    with pytest.raises(ScenarioError, match=r"\$v, which is not declared \(declared: none\)"):
        read(written(tmp_path, document(TWO, actions + start("Target", FAR, "$v"), stories)))

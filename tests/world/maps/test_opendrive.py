"""The reader accepts what the standard says, agrees with the real client, and refuses the rest in one sentence."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.core.errors import MapError
from testbed.world.maps import RoadNetwork, load_map
from testbed.world.maps.reference_line import Primitive, ReferenceLine

LANE = """<lane id="{id}" type="{type}" level="false"><link>{link}</link>
<width sOffset="0" a="{a}" b="{b}" c="0" d="0"/><roadMark sOffset="0" type="{mark}"
weight="standard" color="white" width="0.15" laneChange="both"/></lane>"""


def lane(id_: int, kind: str = "driving", a: float = 3.5, b: float = 0.0, mark: str = "solid", link: str = "") -> str:
    return LANE.format(id=id_, type=kind, a=a, b=b, mark=mark, link=link)


def road(
    geometry: str,
    length: float,
    *,
    id_: int = 1,
    left: str = "",
    right: str | None = None,
    extra: str = "",
    offset: str = "",
    elevation: str = "",
    link: str = "",
) -> str:
    right = lane(-1) + lane(-2, "sidewalk", 2.0) if right is None else right
    return f"""<road name="r" length="{length}" id="{id_}" junction="-1"><link>{link}</link>
<planView>{geometry}</planView><elevationProfile>{elevation}</elevationProfile>
<lanes>{offset}<laneSection s="0"><left>{left}</left><center><lane id="0" type="none" level="false">
<roadMark sOffset="0" type="broken" weight="standard" color="yellow" width="0.12"/></lane></center>
<right>{right}</right></laneSection></lanes>{extra}</road>"""


def document(*roads: str) -> str:
    head = '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4" name="t"/>'
    return head + "".join(roads) + "</OpenDRIVE>"


def geometry(shape: str, length: float, s: float = 0.0, x: float = 0.0, y: float = 0.0, hdg: float = 0.0) -> str:
    return f'<geometry s="{s}" x="{x}" y="{y}" hdg="{hdg}" length="{length}">{shape}</geometry>'


SHAPES = {
    "line": "<line/>",
    "arc": '<arc curvature="0.02"/>',
    "spiral": '<spiral curvStart="0.0" curvEnd="-0.02"/>',
    "poly3": '<poly3 a="0" b="0.05" c="0.002" d="-0.00001"/>',
    "normalized": '<paramPoly3 pRange="normalized" aU="0" bU="60" cU="0" dU="-4" aV="0" bV="0" cV="12" dV="-3"/>',
}


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in ("poly3", "normalized")])
@pytest.mark.parametrize("hdg", [0.0, 2.2])
def test_primitives_agree_with_the_client(shape: str, hdg: float) -> None:
    carla = pytest.importorskip("carla")
    text = document(road(geometry(SHAPES[shape], 60.0, x=10.0, y=-5.0, hdg=hdg), 60.0, left=lane(1)))
    network, client = RoadNetwork.parse(text), carla.Map("t", text)
    for s in np.linspace(0.5, 59.5, 15):
        for lane_id in (1, -1):
            x, y, _, _, yaw, _ = network.lane_centre(1, lane_id, float(s))
            transform = client.get_waypoint_xodr(1, lane_id, float(s)).transform
            assert math.hypot(transform.location.x - x, transform.location.y - y) < 5e-3
            assert abs((transform.rotation.yaw - yaw + 180) % 360 - 180) < 0.05


def test_polynomials_follow_their_own_definition() -> None:
    network = RoadNetwork.parse(document(road(geometry(SHAPES["poly3"], 60.0), 60.0)))
    x, y, _, _ = network.road(1).line.point(40.0)
    assert -y == pytest.approx(0.05 * x + 0.002 * x**2 - 1e-5 * x**3, abs=1e-3)
    network = RoadNetwork.parse(document(road(geometry(SHAPES["normalized"], 57.3), 57.3)))
    x, y, _, _ = network.road(1).line.point(57.3)
    assert (x, -y) == (pytest.approx(56.0, abs=1e-6), pytest.approx(9.0, abs=1e-6))


def test_every_curve_of_a_clothoid_is_exact_between_its_nodes() -> None:
    line = ReferenceLine([Primitive(0.0, 0.0, 0.0, 0.3, 200.0, 0.0, 1 / 60.0)], 200.0)
    s = np.linspace(0.0, 200.0, 4001)
    x, y, heading, curvature = line.sample(s)
    assert np.allclose(heading, 0.3 + 0.5 * s * s / 200.0 / 60.0, atol=1e-9)
    assert np.allclose(curvature, s / 200.0 / 60.0, atol=1e-9)
    step = np.diff(s)[0]
    middle = 0.5 * (heading[1:] + heading[:-1])
    assert np.abs(np.diff(x) - step * np.cos(middle)).max() < 1e-4 * step + 1e-5
    assert np.abs(np.diff(y) - step * np.sin(middle)).max() < 1e-4 * step + 1e-5
    assert line.point(123.4) == pytest.approx([float(v) for v in (c[0] for c in line.sample(np.array([123.4])))])


def test_widths_offsets_elevation_and_frames() -> None:
    text = document(
        road(
            geometry("<line/>", 100.0, hdg=math.pi / 2),
            100.0,
            right=lane(-1, a=3.0, b=0.01) + lane(-2, "shoulder", 2.0),
            left=lane(1),
            offset='<laneOffset s="0" a="0" b="0" c="0" d="0"/><laneOffset s="50" a="1" b="0" c="0" d="0"/>',
            elevation='<elevation s="0" a="5" b="0.1" c="0" d="0"/>',
        )
    )
    network = RoadNetwork.parse(text)
    assert network.road(1).lane_bounds(20.0, -1) == (0.0, pytest.approx(-3.2))
    assert network.road(1).lane_bounds(80.0, -1) == (1.0, pytest.approx(1.0 - 3.8))
    # OpenDRIVE heads north (+y); CARLA's y points south, so yaw is -90 and the right lane lies at larger x.
    x, y, z, pitch, yaw, _ = network.lane_centre(1, -1, 20.0)
    assert (x, y, z) == (pytest.approx(1.6), pytest.approx(-20.0), pytest.approx(7.0))
    assert yaw == pytest.approx(-90.0) and pitch == pytest.approx(math.degrees(math.atan(0.1)))
    assert network.lane_centre(1, 1, 20.0)[4] == pytest.approx(90.0)
    point = network.locate(1.0, -20.0)
    assert point is not None and point.lane_id == -1
    assert point.lateral_offset_m == pytest.approx(0.6) and point.z_m == pytest.approx(7.0)
    against = network.locate(-1.0, -20.0)
    assert against is not None and against.lane_id == 1 and against.lateral_offset_m == pytest.approx(0.75)


def test_curvature_is_that_of_the_lane_and_positive_to_the_left_of_its_drivers() -> None:
    network = RoadNetwork.parse(document(road(geometry('<arc curvature="0.02"/>', 60.0), 60.0, left=lane(1))))
    for lane_id, radius, sign in ((-1, 51.75, 1.0), (1, 48.25, -1.0)):
        x, y, *_ = network.lane_centre(1, lane_id, 30.0)
        point = network.locate(x, y)
        assert point is not None and point.curvature_1pm == pytest.approx(sign / radius, rel=1e-6)


def test_links_lead_from_road_to_road() -> None:
    def ends(predecessor: int | None, successor: int | None) -> str:
        text = ""
        for tag, other, contact in (("predecessor", predecessor, "end"), ("successor", successor, "start")):
            if other:
                text += f'<{tag} elementType="road" elementId="{other}" contactPoint="{contact}"/>'
        return text

    link = '<predecessor id="{0}"/><successor id="{0}"/>'
    lanes = {"right": lane(-1, link=link.format(-1)), "left": lane(1, link=link.format(1))}
    text = document(
        road(geometry("<line/>", 50.0), 50.0, id_=1, link=ends(None, 2), **lanes),
        road(geometry("<line/>", 50.0, x=50.0), 50.0, id_=2, link=ends(1, None), **lanes),
    )
    network = RoadNetwork.parse(text)
    assert network.successors(1, -1) == [(2, -1)] and network.successors(2, 1) == [(1, 1)]
    assert network.successors(2, -1) == []
    point = network.locate(40.0, 1.75)
    assert point is not None
    pose = network.ahead(point, 30.0)
    assert pose is not None and pose[:2] == (pytest.approx(70.0), pytest.approx(1.75))
    assert network.ahead(point, 70.0) is None
    back = network.locate(60.0, -1.75)
    assert back is not None
    pose = network.ahead(back, 30.0)
    assert pose is not None and pose[:2] == (pytest.approx(30.0), pytest.approx(-1.75)) and abs(pose[4]) == 180.0


def test_locate_is_quick_and_knows_when_there_is_nothing() -> None:
    network = load_map("highway").network
    assert network.locate(100.0, 3000.0) is None
    outside = network.locate(100.0, 20.0)
    assert outside is not None and outside.lane_id == -2 and outside.distance_m == pytest.approx(20.0 - 8.7)
    shoulder = network.locate(100.0, 9.5, lane_types=None)
    assert shoulder is not None and (shoulder.lane_type, shoulder.lane_id) == ("shoulder", -3)
    point = network.locate(50.0, 6.9)
    start = time.perf_counter()
    for i in range(500):
        point = network.locate(50.0 + 0.5 * i, 6.9, near=point)
    assert (time.perf_counter() - start) / 500 < 1e-3
    assert point is not None and point.s_m == pytest.approx(299.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "malformed XML"),
        ("<OpenDRIVE><road>", "line 1, column"),
        ("<OpenDRIVE></OpenDRIVE>", "has no <road>"),
        ("<osm/>", "root element is <osm>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><OpenDRIVE>&a;</OpenDRIVE>', "DTD"),
        ("\n\n<OpenDRIVE>\n<road id='1' length='abc'/></OpenDRIVE>", "line 4: <road length='abc'> is not a finite"),
        ("<OpenDRIVE><road id='1' length='1e9'/></OpenDRIVE>", "not within"),
        ("<OpenDRIVE><road id='1' length='nan'/></OpenDRIVE>", "not a finite number"),
        ("<OpenDRIVE><road id='one' length='10'/></OpenDRIVE>", "not an integer"),
        (document(road("", 10.0)), "has no <geometry>"),
        (document(road(geometry("<spline/>", 10.0), 10.0)), "none of line"),
        (document(road(geometry("<arc/>", 10.0), 10.0)), "lacks the attribute 'curvature'"),
        (document(road(geometry("<line/>", 1000.0), 10.0)), "longer than its length"),
        (document(road(geometry("<line/>", 10.0), 10.0, right=lane(2))), "stands under <right>"),
        (document(road(geometry("<line/>", 10.0), 10.0, right=lane(-1) + lane(-1))), "second lane"),
        (document(*[road(geometry("<line/>", 10.0), 10.0)] * 2), "second road"),
        ("<a>" * 100 + "</a>" * 100, "nested deeper"),
        (document(road(geometry('<arc curvature="1e9"/>', 10.0), 10.0)), "winds more than"),
        (document(road(geometry("<line/>", 10.0, x=1e9), 10.0)), "farther than"),
        (document(road(geometry("<line/>", 10.0), 10.0, right=lane(-1, a=1e9))), "wider than"),
        (document(road(geometry("<line/>", 10.0, x=1e300), 10.0)), "is out of range: numbers are"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(MapError) as caught:
        RoadNetwork.parse(text)
    assert message in str(caught.value)


def test_unknown_maps_roads_and_stations() -> None:
    with pytest.raises(MapError, match="no map 'Town99'.*highway"):
        load_map("Town99")
    with pytest.raises(MapError, match="cannot read"):
        load_map("/nowhere/x.xodr")
    assert load_map("/Game/Carla/Maps/highway") is load_map("highway")
    network = load_map("highway").network
    with pytest.raises(MapError, match="no road 7"):
        network.lane_centre(7, -1, 0.0)
    with pytest.raises(MapError, match="no lane 5"):
        network.lane_centre(1, 5, 10.0)
    with pytest.raises(MapError, match="outside"):
        network.lane_centre(1, -1, 4000.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, 20_000), byte=st.characters(codec="ascii"), length=st.integers(0, 40))
def test_a_damaged_document_never_raises_anything_else(cut: int, byte: str, length: int) -> None:
    text = load_map("highway").xodr
    damaged = text[:cut] + byte + text[cut + length :]
    try:
        RoadNetwork.parse(damaged)
    except MapError:
        pass

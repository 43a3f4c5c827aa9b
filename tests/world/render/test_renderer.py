"""What the renderer promises: repeatable bits, shadows, both sides of a surface, near objects cut cleanly, steady
lines."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.core.errors import UsageError
from testbed.core.weather import WeatherParameters
from testbed.world.render import Material, PinholeCamera, Scene
from testbed.world.render.primitives import box_mesh, grid_mesh, grid_points
from testbed.world.render.renderer import ALL_OUTPUTS, RGB_ONLY, Renderer

ORIGIN = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
EYE = PinholeCamera(320, 160, 75.0, (0.0, 0.0, 1.45, 0.0, 0.0, 0.0))


def wall(x_m=0.0, half_m=1.0, material="grey", lift_m=0.0):
    st = grid_points([half_m, -half_m], [-half_m, half_m])
    points = np.stack([0 * st[..., 0] + x_m, st[..., 1], st[..., 0] + lift_m], -1)
    return grid_mesh(points, 0.5 + 0.5 * np.stack([st[..., 1], -st[..., 0]], -1) / half_m, material)


def test_same_scene_same_bits(street):
    renderer = Renderer(street.scene)
    first = renderer.render(street.camera, want=ALL_OUTPUTS)
    street.scene.set_pose(street.cars[0], (30, 0, 0, 0, 0, 0))
    moved = PinholeCamera(320, 160, 75.0, (40.0, 1.0, 1.45, 0.0, 3.0, 0.0))
    assert (renderer.render(moved).rgb != first.rgb).any()
    street.scene.set_pose(street.cars[0], (9.0, 2.0, 0.0, 0.0, 20.0, 0.0))
    again = renderer.render(street.camera, want=ALL_OUTPUTS)
    fresh = Renderer(street.scene).render(street.camera, want=ALL_OUTPUTS)
    for name in ALL_OUTPUTS:
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
        assert np.array_equal(getattr(first, name), getattr(fresh, name)), name


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_a_picture_bit_for_bit(street, threads):
    street.scene.set_weather(WeatherParameters(precipitation=70.0, wetness=80.0, cloudiness=40.0))
    alone = Renderer(street.scene).render(street.camera, want=ALL_OUTPUTS)
    shared = Renderer(street.scene, threads=threads).render(street.camera, want=ALL_OUTPUTS)
    for name in ALL_OUTPUTS:
        assert np.array_equal(getattr(alone, name), getattr(shared, name)), name


def test_no_thread_is_refused(street):
    with pytest.raises(UsageError, match="0 threads"):
        Renderer(street.scene, threads=0)


def test_left_out_of_a_picture_but_not_of_the_light(street):
    """The car that carries the camera has no body in its picture, yet its shadow lies on the road."""
    scene, car = street.scene, street.cars[0]
    renderer = Renderer(scene)
    above = PinholeCamera(200, 200, 60.0, (9.0, 2.0, 14.0, -90.0, 0.0, 0.0))
    want = frozenset({"linear", "instance"})
    with_car = renderer.render(above, want=want)
    left_out = renderer.render(above, want=want, hide=frozenset({car}))
    scene.set_visible(car, False)
    gone = renderer.render(above, want=want)
    body = with_car.instance == 11
    assert body.sum() > 500 and not (left_out.instance == 11).any()
    assert np.array_equal(left_out.linear[~body], with_car.linear[~body])
    assert (left_out.linear.sum(-1) < 0.6 * gone.linear.sum(-1)).sum() > 400


def test_only_what_is_wanted(street):
    renderer = Renderer(street.scene)
    everything = renderer.render(street.camera, want=ALL_OUTPUTS)
    frame = renderer.render(street.camera, want=frozenset({"rgb", "depth_m"}))
    assert frame.tag is None and frame.shading is None
    assert np.array_equal(frame.rgb, everything.rgb) and np.array_equal(frame.depth_m, everything.depth_m)
    with pytest.raises(ValueError, match="unknown outputs"):
        renderer.render(street.camera, want=frozenset({"colour"}))


def test_what_is_not_lit_is_the_same_beside_a_picture_and_alone(street):
    unlit = frozenset({"depth_m", "normal", "tag", "instance", "material", "uv", "duv"})
    renderer = Renderer(street.scene)
    alone = renderer.render(street.camera, want=unlit)
    beside = renderer.render(street.camera, want=ALL_OUTPUTS)
    for name in unlit:
        assert np.array_equal(getattr(alone, name), getattr(beside, name)), name
    only = Renderer(street.scene).render(street.camera, want=frozenset({"instance"})).instance
    assert np.array_equal(only, beside.instance)
    assert np.array_equal(beside.rgb, Renderer(street.scene).render(street.camera, want=RGB_ONLY).rgb)


def test_shadows_lie_away_from_the_sun(street):
    """The sun stands behind on the right (azimuth 150 deg): the car's shadow lies ahead of it on the left."""
    scene = street.scene
    for handle in (street.cars[1], street.sign, street.panel):
        scene.remove(handle)
    renderer = Renderer(scene)
    above = PinholeCamera(200, 200, 60.0, (9.0, 2.0, 14.0, -90.0, 0.0, 0.0))
    want = frozenset({"linear", "instance", "depth_m"})
    with_car = renderer.render(above, want=want)
    scene.set_visible(street.cars[0], False)
    without = renderer.render(above, want=want)
    ground = with_car.instance != 11
    dark = ground & (with_car.linear.sum(-1) < 0.6 * without.linear.sum(-1))
    assert 400 < dark.sum() < 6000
    rows, columns = np.nonzero(dark)
    car_rows, car_columns = np.nonzero(~ground)
    assert rows.mean() < car_rows.mean() and columns.mean() < car_columns.mean()


def test_panel_shades_part_of_the_sign(street):
    renderer = Renderer(street.scene)
    want = frozenset({"shading", "tag"})
    near = PinholeCamera(320, 160, 30.0, (6.0, 4.0, 2.0, 0.0, 0.0, 0.0))
    shaded = renderer.render(near, want=want)
    street.scene.set_visible(street.panel, False)
    free = renderer.render(near, want=want)
    face = shaded.tag == 8
    ratio = shaded.shading.sum(-1)[face] / free.shading.sum(-1)[face]
    assert face.sum() > 1000
    assert 0.15 < (ratio < 0.7).mean() < 0.85
    # Its edge is crisp: hardly any pixel is neither lit nor dark.
    assert ((ratio > 0.6) & (ratio < 0.97)).mean() < 0.08


def test_moving_shadow_leaves_no_trace(street):
    """Drawing after a car drove through gives the same bits as a renderer that never saw it there."""
    renderer = Renderer(street.scene)
    for x_m in (6.0, 8.0, 11.0, 13.5):
        street.scene.set_pose(street.cars[0], (x_m, 2.0, 0.0, 0.0, 5.0 * x_m, 0.0))
        frame = renderer.render(street.camera)
    assert np.array_equal(frame.rgb, Renderer(street.scene).render(street.camera).rgb)


def test_several_cameras_share_a_frame(street):
    renderer = Renderer(street.scene)
    cameras = [street.camera, PinholeCamera(160, 120, 90.0, (0.0, 0.0, 1.45, 0.0, 180.0, 0.0)), street.camera]
    frames = [renderer.render(camera) for camera in cameras]
    assert np.array_equal(frames[0].rgb, frames[2].rgb)
    assert np.array_equal(frames[1].rgb, Renderer(street.scene).render(cameras[1]).rgb)


def test_both_sides_and_either_winding(empty):
    mesh = wall(lift_m=1.45)
    flipped = type(mesh)(mesh.vertices_m, -mesh.normals, mesh.uv, mesh.triangles[:, ::-1].copy(), mesh.material)
    pictures = []
    for k, part in enumerate((mesh, flipped)):
        handle = empty.add_object(f"wall{k}", [part], (5.0, 0, 0, 0, 0, 0), tag=4, instance_id=7)
        pictures.append(Renderer(empty).render(EYE, want=frozenset({"instance", "normal", "rgb"})))
        empty.remove(handle)
    assert (pictures[0].instance == 7).sum() > 5000
    assert np.array_equal(pictures[0].rgb, pictures[1].rgb)
    assert (pictures[1].normal[pictures[1].instance == 7] @ [1.0, 0, 0] < 0).all()


def test_cut_at_the_near_plane(empty):
    """A floor that reaches behind the camera fills the lower half, at the depth geometry says."""
    st = grid_points([-50.0, 100.0], [-60.0, 60.0])
    floor = grid_mesh(np.concatenate([st, 0 * st[..., :1]], -1), st, "grey")
    empty.add_object("floor", [floor], ORIGIN, tag=25, instance_id=3, static=True)
    frame = Renderer(empty).render(EYE, want=frozenset({"instance", "depth_m"}))
    assert (frame.instance[90:] == 3).all() and (frame.instance[:80] == 0).all()
    rows = np.arange(90, 160) + 0.5
    expected = 1.45 * EYE.focal_px / (rows - 80.0)
    assert np.allclose(frame.depth_m[90:, 100], expected, rtol=1e-4)
    empty.add_object("inside", box_mesh((2.0, 2.0, 2.0), "grey"), (0, 0, 0.5, 0, 0, 0), tag=20, instance_id=4)
    assert (Renderer(empty).render(EYE, want=frozenset({"instance"})).instance == 4).all()


def test_nearest_wins_and_hidden_is_gone(empty):
    near = empty.add_object("near", [wall(lift_m=1.45)], (5.0, 0, 0, 0, 0, 0), tag=4, instance_id=1)
    empty.add_object("far", [wall(lift_m=1.45)], (6.0, 0, 0, 0, 0, 0), tag=4, instance_id=2, static=True)
    renderer = Renderer(empty)
    want = frozenset({"instance"})
    assert renderer.render(EYE, want=want).instance[80, 160] == 1
    empty.set_visible(near, False)
    assert renderer.render(EYE, want=want).instance[80, 160] == 2
    empty.set_visible(near, True)
    empty.set_pose(near, (7.0, 0, 0, 0, 0, 0))
    assert renderer.render(EYE, want=want).instance[80, 160] == 2


def test_empty_scene_is_sky():
    frame = Renderer(Scene()).render(EYE, want=ALL_OUTPUTS)
    assert (frame.tag == 11).all() and (frame.depth_m == 1000.0).all() and (frame.material == 0).all()
    assert frame.rgb[0].mean() > 60


def test_lines_do_not_shimmer(empty):
    """A line's light stays the same while the camera creeps: its paint is integrated over every pixel."""
    st = grid_points([-20.0, 200.0], [-6.0, 6.0])
    points = np.concatenate([st, 0 * st[..., :1]], -1)
    empty.add_material("bare", Material("road"))
    lined = empty.add_object("lined", [grid_mesh(points, st, "road")], ORIGIN, tag=1, casts_shadow=False)
    bare = empty.add_object("bare", [grid_mesh(points, st, "bare")], ORIGIN, tag=1, casts_shadow=False)
    renderer = Renderer(empty)
    want = frozenset({"linear", "tag"})
    paint = []
    for step in range(8):
        eye = PinholeCamera(320, 160, 75.0, (0.0, 1.7 + 0.013 * step, 1.45, -2.0, 0.0, 0.0))
        pictures = []
        for shown, hidden in ((lined, bare), (bare, lined)):
            empty.set_visible(shown, True)
            empty.set_visible(hidden, False)
            pictures.append(renderer.render(eye, want=want))
        paint.append((pictures[0].linear - pictures[1].linear)[90:150, :, 0].sum(1))
    assert (pictures[0].tag == 24).sum() > 100 and (pictures[1].tag != 24).all()
    assert (np.std(paint, axis=0) / np.mean(paint, axis=0)).max() < 0.03


def test_painting_one_of_two_cars(street):
    renderer = Renderer(street.scene)
    want = RGB_ONLY | {"instance", "material"}
    before = renderer.render(street.camera, want=want)
    street.scene.set_object_texture("car1", np.zeros((8, 8, 3)))
    after = renderer.render(street.camera, want=want)
    changed = (before.rgb != after.rgb).any(-1)
    assert changed.any() and set(np.unique(after.instance[changed])) == {12}
    assert (after.material[after.instance == 12] == street.scene.texture_number("car1")).all()

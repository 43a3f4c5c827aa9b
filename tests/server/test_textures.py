"""Texture calls change what cameras see: cars, sign boards, decals on the road."""

from __future__ import annotations

from typing import Any

import carla
import numpy as np
import pytest


def plain(width: int, height: int, colour: Any) -> Any:
    texture = carla.TextureFloatColor(width, height)
    for x in range(width):
        for y in range(height):
            texture.set(x, y, colour)
    return texture


def reddish(image: Any) -> int:
    """Count pixels whose red is well above the other two, in sun and shade."""
    blue, green, red = (image[..., k].astype(float) for k in range(3))
    return int(((red > 1.5 * blue) & (red > 1.5 * green) & (red > 40)).sum())


def test_decal_appears_on_the_road_upright(drive: Any) -> None:
    ego = drive.spawn()
    shoot = drive.camera("rgb", ego)
    before = shoot().astype(int)
    decal = drive.spawn("static.prop.decal", drive.place(9.0), length_m=6.0, width_m=3.0)
    name = f"static.prop.decal_{decal.id}"
    assert name in drive.world.get_names_of_all_objects()
    assert (shoot().astype(int) - before)[..., :3].max() < 40  # transparent until it is textured
    texture = plain(2, 2, carla.FloatColor(0.9, 0.0, 0.0, 1.0))
    texture.set(0, 1, carla.FloatColor(0.0, 0.9, 0.0, 1.0))  # near end, left
    drive.world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, texture)
    image = shoot().astype(int)
    red = (image[..., 2] > image[..., 1] + 60) & (image[..., 2] > image[..., 0] + 60)
    green = (image[..., 1] > image[..., 2] + 60) & (image[..., 1] > image[..., 0] + 60)
    assert red.sum() > 60 and green.sum() > 20
    assert np.argwhere(green)[:, 0].mean() > np.argwhere(red)[:, 0].mean()
    assert np.argwhere(green)[:, 1].mean() < np.argwhere(red)[:, 1].mean()


def test_premultiplied_alpha_lets_the_road_through(drive: Any) -> None:
    shoot = drive.camera("rgb", drive.spawn())
    before = shoot().astype(int)
    decal = drive.spawn("static.prop.decal", drive.place(8.0), length_m=4.0, width_m=3.0)
    name = f"static.prop.decal_{decal.id}"
    glow = plain(2, 2, carla.FloatColor(0.1, 0.1, 0.1, 0.0))
    drive.world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, glow)
    change = shoot().astype(int) - before
    assert change[..., :3].min() > -40 and change[..., :3].max() > 15


def test_colour_texture_repaints_a_car(drive: Any) -> None:
    ego = drive.spawn()
    lead = drive.spawn("vehicle.tesla.model3", drive.place(10.0), color="255,255,255")
    shoot = drive.camera("rgb", ego)
    before = shoot().astype(int)
    texture = carla.TextureColor(2, 2)
    for x in range(2):
        for y in range(2):
            texture.set(x, y, carla.Color(255, 0, 0, 255))
    drive.world.apply_color_texture_to_object(
        f"vehicle.tesla.model3_{lead.id}", carla.MaterialParameter.Diffuse, texture
    )
    image = shoot().astype(int)
    turned_red = (image[..., 2] - image[..., 0] > 50) & (before[..., 2] - before[..., 0] < 30)
    assert turned_red.sum() > 30


def test_sign_board_shows_its_face_and_takes_a_texture(drive: Any) -> None:
    ego = drive.spawn()
    sign = drive.spawn("static.prop.trafficsign", drive.place(12.0, 1.5), gtsrb_class=14, size_m=1.5)
    shoot = drive.camera("rgb", ego)
    assert reddish(shoot()) > 12  # a stop sign is red
    name = f"static.prop.trafficsign_{sign.id}"
    black = plain(4, 4, carla.FloatColor(0.0, 0.0, 0.0, 1.0))
    drive.world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, black)
    assert reddish(shoot()) == 0


def test_unknown_object_is_refused_in_carlas_words(drive: Any) -> None:
    with pytest.raises(RuntimeError, match="unable to find Actor to apply the texture"):
        texture = plain(1, 1, carla.FloatColor(1, 1, 1, 1))
        drive.world.apply_float_color_texture_to_object("nothing", carla.MaterialParameter.Diffuse, texture)


def test_map_reload_undoes_paint(drive: Any) -> None:
    names = drive.world.get_names_of_all_objects()
    texture = plain(1, 1, carla.FloatColor(1, 0, 0, 1))
    drive.world.apply_float_color_texture_to_object(names[0], carla.MaterialParameter.Diffuse, texture)
    world = drive.client.reload_world(False)
    assert world.get_names_of_all_objects() == names

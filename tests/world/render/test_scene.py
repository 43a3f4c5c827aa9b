"""The scene's bookkeeping and its error messages."""

from __future__ import annotations

import sys
from subprocess import run

import numpy as np
import pytest

from testbed.world.render import Band, Material, Mesh
from testbed.world.render.primitives import box_mesh

ORIGIN = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_names_that_can_be_painted(street):
    assert street.scene.object_names() == ["car0", "car1", "sign"]
    street.scene.add_decal("dirt", ORIGIN, 2.0, 1.0, np.zeros((4, 4, 4)))
    assert street.scene.object_names()[-1] == "dirt"
    for name in ("road", "nobody"):
        with pytest.raises(KeyError, match=name):
            street.scene.set_object_texture(name, np.zeros((4, 4, 3)))


def test_object_texture_includes_albedo_until_painted(street):
    scene = street.scene
    original = scene.textures["paint"].rgba_linear[..., :3]
    assert np.allclose(scene.object_texture("car0")[..., :3], original * [0.9, 0.5, 0.4], atol=1e-6)
    assert scene.texture_number("car0") == scene.texture_number("car1")
    scene.set_object_texture("car0", np.full((2, 2, 3), 0.25))
    assert np.allclose(scene.object_texture("car0")[..., :3], 0.25)
    assert scene.texture_number("car0") != scene.texture_number("car1")


def test_remove_frees_the_name(street):
    street.scene.set_object_texture("car0", np.ones((2, 2, 3)))
    street.scene.remove(street.cars[0])
    with pytest.raises(KeyError):
        street.scene.texture_number("car0")
    street.scene.add_object("car0", box_mesh((1, 1, 1), "steel"), ORIGIN, tag=14)


def test_refusals(street):
    scene = street.scene
    with pytest.raises(ValueError, match="car0"):
        scene.add_object("car0", [], ORIGIN, tag=1)
    with pytest.raises(KeyError, match="gold"):
        scene.add_object("ring", box_mesh((1, 1, 1), "gold"), ORIGIN, tag=1)
    with pytest.raises(KeyError, match="missing"):
        scene.add_material("broken", Material(texture="missing"))
    with pytest.raises(ValueError, match="different"):
        scene.add_material("steel", Material(albedo=(1, 0, 0)))
    with pytest.raises(ValueError, match="finite"):
        scene.set_object_texture("car0", np.full((2, 2, 3), np.nan))
    with pytest.raises(ValueError, match="finite"):
        scene.set_pose(street.cars[0], (np.nan, 0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="road"):
        Material(bands=(Band(0.0, 0.1),))
    with pytest.raises(ValueError, match="out of range"):
        Mesh(np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 2)), np.array([[0, 1, 3]]), "steel")


def test_light_import():
    """Describing scenes needs neither warp nor torch."""
    code = "import sys, testbed.world.render; sys.exit(any(m in sys.modules for m in ('warp', 'torch')))"
    assert run([sys.executable, "-c", code], check=False).returncode == 0

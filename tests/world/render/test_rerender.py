"""The law ``linear = L * texture + R``: torch foresees what the engine draws after any change of texture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from testbed.core.weather import WeatherParameters
from testbed.world.render import rerender, sampling
from testbed.world.render.lighting import tone_curve
from testbed.world.render.renderer import RGB_ONLY, Renderer

RNG = np.random.default_rng(5)


def foresee(street, renderer, name, texture, instance=None):
    """Return (foreseen, drawn, mask) for a texture (h, w, 3|4) put on an object in torch and in the engine."""
    frame = renderer.render(street.camera, want=rerender.NEEDED)
    twin = rerender.Rerenderer(
        frame,
        street.scene.texture_number(name),
        texture.shape[:2],
        wrap=street.scene.texture_wrap(name),
        instance=instance,
    )
    foreseen = twin(torch.from_numpy(np.moveaxis(texture, 2, 0).copy())).numpy()
    street.scene.set_object_texture(name, texture)
    drawn = renderer.render(street.camera, want=rerender.NEEDED)
    return foreseen, drawn.linear, twin.mask.numpy()


@pytest.mark.parametrize(("name", "instance", "least"), [("car0", 11, 1000), ("car1", 12, 150), ("sign", 21, 100)])
@pytest.mark.parametrize("size_px", [(256, 256), (37, 90)])
def test_object_texture(street, name, instance, least, size_px):
    texture = RNG.random((*size_px, 3)).astype(np.float32)
    foreseen, drawn, mask = foresee(street, Renderer(street.scene), name, texture, instance)
    assert mask.sum() > least
    assert np.abs(foreseen - drawn).max() < 1e-3
    assert np.ptp(drawn[mask]) > 0.3


def test_seam_is_in_the_picture(street):
    """The barrel's texture meets itself in view, so the test above covers the wrap."""
    frame = Renderer(street.scene).render(street.camera, want=rerender.NEEDED)
    v = frame.uv[frame.instance == 11][:, 1] % 1.0
    assert (v < 0.03).any() and (v > 0.97).any()


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.4])
def test_decal(street, alpha):
    size_px = (300, 120)
    street.scene.add_decal("dirt", (14.0, 0.5, 0, 0, -15.0, 0), 18.0, 2.4, np.full((*size_px, 4), alpha) * 0.5)
    renderer = Renderer(street.scene)
    texture = np.concatenate([0.6 * RNG.random((*size_px, 3)), np.full((*size_px, 1), alpha)], 2).astype(np.float32)
    foreseen, drawn, mask = foresee(street, renderer, "dirt", texture)
    assert mask.sum() > 1000
    assert np.abs(foreseen - drawn).max() < 1e-3
    # Once more with the colour channels only: the alpha drawn stays.
    texture[..., :3] = 0.6 * RNG.random((*size_px, 3))
    frame = renderer.render(street.camera, want=rerender.NEEDED)
    colours = torch.from_numpy(np.moveaxis(texture[..., :3], 2, 0).copy())
    again = rerender.rerender(frame, colours, street.scene.texture_number("dirt"), wrap="zero").numpy()
    street.scene.set_object_texture("dirt", texture)
    assert np.abs(again - renderer.render(street.camera, want=rerender.NEEDED).linear).max() < 1e-3


def test_decal_lies_upright_and_on_the_road_only(street):
    picture = np.zeros((4, 2, 4), np.float32)
    picture[0, 0] = (1, 0, 0, 1)
    picture[3, 1] = (0, 1, 0, 1)
    street.scene.add_decal("flag", (8.0, -0.5, 0, 0, 0, 0), 6.0, 2.0, picture)
    frame = Renderer(street.scene).render(street.camera, want=frozenset({"linear", "material", "tag"}))
    mask = frame.material == street.scene.texture_number("flag")
    assert set(np.unique(frame.tag[mask])) <= {1, 24}
    red = np.argwhere(mask & (frame.linear[..., 0] > 3 * frame.linear[..., 1])).mean(0)
    green = np.argwhere(mask & (frame.linear[..., 1] > 3 * frame.linear[..., 0])).mean(0)
    assert red[0] < green[0] - 5 and red[1] < green[1] - 5  # far left is up and left of near right


def test_additive_decal_keeps_the_lane_paint(street):
    want = frozenset({"linear", "tag"})
    renderer = Renderer(street.scene)
    before = renderer.render(street.camera, want=want)
    street.scene.add_decal("dust", (8.0, -1.8, 0, 0, 0, 0), 6.0, 2.0, np.full((4, 4, 4), [0.1, 0.1, 0.1, 0.0]))
    after = renderer.render(street.camera, want=want)
    gain = (after.linear - before.linear)[..., 0]
    touched = gain > 1e-4
    assert touched.sum() > 300 and gain.min() > -1e-5
    assert (before.tag[touched] == 24).sum() > 20 and (after.tag == before.tag).all()


@pytest.mark.parametrize(
    "weather", [WeatherParameters(fog_density=60.0), WeatherParameters(precipitation=80.0, wetness=90.0)]
)
def test_holds_in_weather(street, weather):
    street.scene.set_weather(weather)
    texture = RNG.random((64, 64, 3)).astype(np.float32)
    foreseen, drawn, _ = foresee(street, Renderer(street.scene), "car0", texture, 11)
    assert np.abs(foreseen - drawn).max() < 1e-3


def test_gradient_reaches_the_texels_in_view(street):
    frame = Renderer(street.scene).render(street.camera, want=rerender.NEEDED)
    texture = torch.full((3, 32, 32), 0.5, requires_grad=True)
    number = street.scene.texture_number("sign")
    rerender.to_srgb(rerender.rerender(frame, texture, number, wrap="clamp")).sum().backward()
    assert torch.isfinite(texture.grad).all()
    assert (texture.grad.abs().sum(0) > 0).float().mean() > 0.9


def test_tone_curve_is_the_engines(street):
    frame = Renderer(street.scene).render(street.camera, want=RGB_ONLY | rerender.NEEDED)
    shown = rerender.to_srgb(torch.from_numpy(frame.linear)).numpy()
    assert np.abs(shown - tone_curve(frame.linear)).max() < 1e-5
    assert np.abs(shown * 255.0 - frame.rgb).max() < 1.0


def test_same_lookup_as_the_shader():
    assert (rerender.OBJECT_TAPS, rerender.DECAL_TAPS) == (sampling.OBJECT_TAPS, sampling.DECAL_TAPS)


def test_refuses_what_it_cannot_do(street):
    renderer = Renderer(street.scene)
    with pytest.raises(ValueError, match="frame lacks"):
        rerender.Rerenderer(renderer.render(street.camera), 1, (8, 8))
    frame = renderer.render(street.camera, want=rerender.NEEDED)
    with pytest.raises(ValueError, match="texture has shape"):
        rerender.Rerenderer(frame, 1, (8, 8))(torch.zeros(3, 9, 8))

"""The rasteriser against an independent ray tracer (Embree): same objects at the same pixels, same light and shadow."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.world.render import pose_matrix
from testbed.world.render.lighting import Lighting, tone_table
from testbed.world.render.renderer import ALL_OUTPUTS, Renderer

embree = pytest.importorskip("embreex.rtcore_scene")
mesh_construction = pytest.importorskip("embreex.mesh_construction")


def triangle_soup(scene):
    corners, normals, owners = [], [], []
    for item in scene.objects.values():
        if not item.visible:
            continue
        matrix = pose_matrix(item.pose)
        for part in item.parts:
            world = part.vertices_m @ matrix[:3, :3].T + matrix[:3, 3]
            corners.append(world[part.triangles])
            normals.append((part.normals @ matrix[:3, :3].T)[part.triangles])
            owners += [(item.instance_id, item.casts_shadow, scene.materials[part.material])] * len(part.triangles)
    return np.concatenate(corners), np.concatenate(normals), owners


def tracer(corners):
    scene = embree.EmbreeScene()
    mesh_construction.TriangleMesh(scene, corners.astype(np.float32))
    return scene


def rays(camera):
    to_world = pose_matrix(camera.pose)
    columns, rows = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    local = np.stack(
        [
            np.ones_like(columns),
            (columns - camera.width_px / 2) / camera.focal_px,
            (camera.height_px / 2 - rows) / camera.focal_px,
        ],
        -1,
    ).reshape(-1, 3)
    return to_world[:3, 3], local @ to_world[:3, :3].T


@pytest.fixture
def matt(flat_street):
    """The street without gloss, textures and fog, so that ten lines can light it."""
    scene = flat_street.scene
    for name, material in list(scene.materials.items()):
        scene.materials[name] = type(material)(albedo=(0.5, 0.4, 0.3))
    return flat_street


def trace(scene, camera, lighting):
    """Return instance ids, depths and linear colours by ray tracing."""
    corners, normals, owners = triangle_soup(scene)
    origin, directions = rays(camera)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    starts = np.repeat(origin[None], len(unit), 0).astype(np.float32)
    hit = tracer(corners).run(starts, unit.astype(np.float32), output=1)
    found = np.flatnonzero(hit["primID"] >= 0)
    triangle = hit["primID"][found]
    u, v, distance = (hit[name][found].astype(np.float64) for name in ("u", "v", "tfar"))
    weights = np.stack([1 - u - v, u, v], 1)
    point = (corners[triangle] * weights[..., None]).sum(1)
    normal = (normals[triangle] * weights[..., None]).sum(1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    face = np.cross(
        corners[triangle][:, 1] - corners[triangle][:, 0], corners[triangle][:, 2] - corners[triangle][:, 0]
    )
    face *= -np.sign((face * unit[found]).sum(1, keepdims=True))
    normal *= np.sign((normal * face).sum(1, keepdims=True))
    sun = np.array(lighting.sun)
    casting = tracer(corners[[owner[1] for owner in owners]])
    lifted = point + face / np.linalg.norm(face, axis=1, keepdims=True) * 2e-3
    blocked = casting.run(
        lifted.astype(np.float32), np.repeat(sun[None], len(point), 0).astype(np.float32), query="OCCLUDED"
    )
    lit = (normal @ sun).clip(0) * (np.asarray(blocked) < 0)
    albedo = np.array([owners[k][2].albedo for k in triangle])
    light = (
        lit[:, None] * lighting.sun_rgb
        + (0.5 + 0.5 * normal[:, 2:]) * lighting.ambient_rgb
        + (0.5 - 0.5 * normal[:, 2:]) * lighting.ground_rgb
    )
    count = camera.width_px * camera.height_px
    instance, depth, linear = np.zeros(count, int), np.full(count, 1000.0), np.zeros((count, 3))
    instance[found] = [owners[k][0] for k in triangle]
    depth[found] = distance / np.linalg.norm(directions[found], axis=1)
    linear[found] = albedo * light
    shape = (camera.height_px, camera.width_px)
    return instance.reshape(shape), depth.reshape(shape), linear.reshape(*shape, 3), (hit["primID"] >= 0).reshape(shape)


def test_matches_ray_tracing(matt):
    scene, camera = matt.scene, matt.camera
    frame = Renderer(scene).render(camera, want=ALL_OUTPUTS)
    lighting = Lighting.from_weather(scene.weather)
    instance, depth_m, linear, found = trace(scene, camera, lighting)
    wrong_id = frame.instance != instance
    assert wrong_id.mean() < 0.002
    same = found & ~wrong_id
    assert np.quantile(np.abs(frame.depth_m - depth_m)[same] / depth_m[same], 0.999) < 1e-3
    table = tone_table()

    def shown(light):
        return table[np.rint(np.sqrt(np.clip(light / 16.0, 0, 1)) * 4095).astype(int)].astype(int)

    # Fog and gloss are in the residual, which the tracer does not know.
    difference = np.abs(shown(linear) - shown(frame.shading * [0.5, 0.4, 0.3])).max(-1)
    differing = (difference > 16) & found
    assert differing.mean() < 0.002, f"{differing.mean():.3%} of the pixels differ"
    # The comparison has teeth: shadows lie on the road and on the sign.
    dark = found & (linear.sum(-1) < 0.45 * np.quantile(linear[found].sum(-1), 0.9))
    assert (dark & (instance == 0)).sum() > 200
    assert 0.2 < dark[instance == 21].mean() < 0.9

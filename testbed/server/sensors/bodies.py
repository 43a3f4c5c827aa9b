"""What an actor looks like: the asset of its blueprint, or a plain box of its size where there is none."""

from __future__ import annotations

import numpy as np

from testbed.server.assets.asset import Asset
from testbed.server.assets.signs import sign_asset
from testbed.server.assets.vehicles import vehicle_asset
from testbed.server.render.mesh import Material, Mesh
from testbed.server.simulation.actors import Actor, Kind
from testbed.server.simulation.boxes import BoundingBox
from testbed.server.simulation.factory import paint_colour

_FACES = ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1))


def body(actor: Actor) -> Asset | None:
    """Return what to draw for an actor, or None for actors without a body (sensors, the spectator, map signs)."""
    if actor.vehicle is not None:
        model = actor.vehicle.model
        colour = paint_colour(actor.values["color"])
        return vehicle_asset(actor.type_id, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
    if actor.type_id == "static.prop.trafficsign":
        return sign_asset(int(actor.number("gtsrb_class", 1)), size_m=2.0 * actor.box.extent_m[1])
    if actor.kind in (Kind.WALKER, Kind.STATIC):
        return box_asset(actor.box, (0.5, 0.5, 0.5))
    return None


def box_asset(box: BoundingBox, albedo: tuple[float, float, float]) -> Asset:
    """Return a box of one colour; its six faces share one chart of 0..1."""
    extent = np.maximum(np.asarray(box.extent_m), 0.005)
    vertices, normals, uvs, triangles = [], [], [], []
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    for axis, sign in _FACES:
        others = [a for a in range(3) if a != axis]
        face = np.zeros((4, 3))
        face[:, axis] = sign
        face[:, others] = corners
        first = 4 * len(vertices)
        vertices.append(face * extent + np.asarray(box.centre_m))
        normals.append(np.eye(3)[axis][None].repeat(4, axis=0) * sign)
        uvs.append(0.5 + 0.5 * corners * (1.0, -1.0))
        triangles.append(np.array([(0, 1, 2), (0, 2, 3)]) + first)
    name = "box:" + ",".join(f"{value:.3f}" for value in albedo)
    texture = "white"
    mesh = Mesh(
        np.concatenate(vertices).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(uvs).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
        name,
    )
    pixels = np.ones((2, 2, 3), np.float32)
    return Asset((mesh,), {name: Material(texture=texture, albedo=albedo)}, {texture: pixels})

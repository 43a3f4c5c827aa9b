"""Software renderer of the embedded server: triangles in, pictures and per-pixel ground truth out.

``scene`` describes what there is (numpy only), ``renderer`` draws it with Warp kernels on the CPU or on CUDA,
``rerender`` repeats the last, texture-dependent step in torch so that attacks can differentiate through it. Only light
modules are imported here; import ``renderer`` (warp) and ``rerender`` (torch) by name where they are needed.
"""

from __future__ import annotations

from testbed.core.weather import WeatherParameters
from testbed.world.render.camera import PinholeCamera, pose_matrix
from testbed.world.render.mesh import Band, Material, Mesh
from testbed.world.render.scene import Scene

__all__ = ["Band", "Material", "Mesh", "PinholeCamera", "Scene", "WeatherParameters", "pose_matrix"]

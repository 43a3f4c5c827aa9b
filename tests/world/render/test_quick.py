"""The shader's short functions are as exact as their descriptions say, on the device that runs them."""

# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import warp as wp

from testbed.world.render.fast_math import half_exponent, quick_exp, quick_log2, quick_pow
from testbed.world.render.structs import Floats, Int32s, configure

configure(__name__)


@wp.kernel
def evaluate(x: Floats, exp: Floats, log: Floats, power: Floats, half: Int32s):
    i = wp.tid()
    exp[i] = quick_exp(-x[i])
    log[i] = quick_log2(x[i])
    power[i] = quick_pow(1.0 / (1.0 + 0.001 * x[i]), 400.0)
    half[i] = half_exponent(1.0 + x[i])


def test_close_to_numpy():
    x = np.concatenate([np.geomspace(1e-9, 1e4, 4001), [1.0, 200.0]]).astype(np.float32)
    outs = [wp.zeros(len(x), dtype=wp.float32, device="cpu") for _ in range(3)]
    half = wp.zeros(len(x), dtype=wp.int32, device="cpu")
    wp.launch(evaluate, len(x), [wp.array(x, wp.float32, device="cpu"), *outs, half], device="cpu")
    exact = x.astype(np.float64)
    exp, log, power = (out.numpy() for out in outs)
    sizeable = exact < 80.0
    assert np.allclose(exp[sizeable], np.exp(-exact[sizeable]), rtol=1e-5, atol=0.0)
    assert (exp[exact > 100.0] == 0.0).all()
    assert np.allclose(log, np.log2(exact), rtol=2e-6, atol=2e-6)
    assert log[-2] == 0.0
    lobe = (1.0 / (1.0 + 0.001 * exact)) ** 400
    assert np.allclose(power, lobe, rtol=2e-4, atol=1e-30)
    assert np.array_equal(half.numpy(), np.floor(0.5 * np.log2((1.0 + x).astype(np.float64))).astype(int))

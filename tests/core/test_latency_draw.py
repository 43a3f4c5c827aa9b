"""The distribution of latencies that cards promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from testbed.core.latency_draw import LatencyDraw
from testbed.core.latency_spec import LatencySpec
from testbed.core.types import AgentCard
from testbed.latency import LatencyModel


def test_the_percentiles_are_those_of_the_card() -> None:
    draw = LatencyDraw((80.0, 120.0), np.random.default_rng(0))
    drawn = [draw.draw_ms() for _ in range(20000)]
    assert np.percentile(drawn, [50, 95]) == pytest.approx([80.0, 120.0], rel=0.02)


@pytest.mark.parametrize("latency_ms", [(25.0, 25.0), (0.0, 0.0), (0.0, 5.0)])
def test_a_card_without_spread_always_gives_its_median(latency_ms: tuple[float, float]) -> None:
    draw = LatencyDraw(latency_ms, np.random.default_rng(0))
    assert {draw.draw_ms() for _ in range(5)} == {latency_ms[0]}


def test_an_episode_charges_what_it_always_has() -> None:
    """The very numbers of every stored drive: log-normal, one normal number per decision, this stream."""
    model = LatencyModel(LatencySpec("card"), AgentCard("x", "dnn", (19.0, 21.0)), 101)
    rng = np.random.default_rng([101, 0x1A7E])
    sigma = math.log(21.0 / 19.0) / 1.6448536269514722
    assert [model.charge_ms(0.0) for _ in range(50)] == [
        19.0 * math.exp(sigma * float(rng.normal())) for _ in range(50)
    ]

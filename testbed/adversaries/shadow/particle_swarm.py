"""The particle swarm that looks for a polygon, one sign at a time, told nothing but probabilities.

Kennedy and Eberhart, "Particle swarm optimization", ICNN 1995, with the numbers of Zhong et al., "Shadows can be
Dangerous", CVPR 2022: ten particles, a hundred iterations, w = 1, c1 = c2 = 2, coordinates from -16 to 48 and speeds up
to 1.5 per iteration on a sign of 32 x 32 px, up to five starts. Here everything is in sides of the sign.

All particles of an iteration are asked about together, so that a model answers them in one batch; the published code
asks one by one and lets a particle follow a best place found earlier in the same iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.shadow.polygon import untangled

FloatArray = NDArray[np.float32]

TEXTBOOK, REFERENCE = "textbook", "reference"
REFERENCE_LOW, REFERENCE_HIGH = 1.0, 6.0
"""The published code means ``r`` in [0, 1] per coordinate but draws one number between 1 and 6, its dimension."""


@dataclass(frozen=True, slots=True)
class SwarmSettings:
    """How a swarm searches.

    Attributes:
        vertices: Corners of the polygon.
        particles: Polygons that move at the same time.
        iterations: Moves of one start.
        starts: How often the swarm may start anew.
        inertia: w.
        pull_own: c1, toward a particle's own best place.
        pull_all: c2, toward the best place of all.
        low: Least coordinate, in sides of the sign.
        high: Largest coordinate.
        top_speed: Largest move per iteration and coordinate, in sides of the sign.
        rng: ``textbook``: a random factor in [0, 1] per coordinate; ``reference``: one factor in (1, 6] per particle.
    """

    vertices: int = 3
    particles: int = 10
    iterations: int = 100
    starts: int = 5
    inertia: float = 1.0
    pull_own: float = 2.0
    pull_all: float = 2.0
    low: float = -0.5
    high: float = 1.5
    top_speed: float = 1.5 / 32.0
    rng: Literal["textbook", "reference"] = "textbook"

    def __post_init__(self) -> None:
        """Refuse numbers that no search can be made with."""
        if self.vertices < 3 or min(self.particles, self.iterations, self.starts) < 1 or self.low >= self.high:
            raise ValueError(f"not a search: {self}")
        if self.rng not in (TEXTBOOK, REFERENCE):
            raise ValueError(f"rng {self.rng!r} is neither {TEXTBOOK!r} nor {REFERENCE!r}")


class Swarm:
    """One search: ``ask`` for polygons, ``tell`` their values (the smaller the better), until ``done``.

    Args:
        settings: How it searches.
        rng: Its chance.

    Attributes:
        best: Best polygon so far (n, 2), over all starts.
        value: Its value.
        starts: Starts begun.
        queries: Values told.
    """

    def __init__(self, settings: SwarmSettings, rng: np.random.Generator) -> None:
        """Scatter the first particles."""
        self.settings = settings
        self._rng = rng
        self.best: FloatArray = np.zeros((settings.vertices, 2), np.float32)
        self.value = np.inf
        self.starts = 0
        self.queries = 0
        self._moves = 0
        self._scatter()

    @property
    def done(self) -> bool:
        """Whether all starts are used up."""
        return self._moves > self.settings.iterations and self.starts >= self.settings.starts

    def plant(self, polygon: FloatArray) -> None:
        """Let the first particle of this start begin at a polygon (n, 2) that is known to be good."""
        self._places[0] = polygon

    def ask(self) -> FloatArray:
        """Return the polygons to be valued next, (particles, n, 2)."""
        if self._moves > self.settings.iterations:
            self._scatter()
        elif self._moves > 0:
            self._move()
        return self._places

    def tell(self, values: NDArray[np.floating]) -> None:
        """Take in the values of the polygons asked about last, shape (particles,)."""
        self.queries += len(values)
        self._moves += 1
        better = values < self._own_values
        self._own[better] = self._places[better]
        self._own_values[better] = values[better]
        leader = int(np.argmin(self._own_values))
        self._leader = self._own[leader].copy()
        if self._own_values[leader] < self.value:
            self.value, self.best = float(self._own_values[leader]), self._leader.copy()

    def _scatter(self) -> None:
        chosen = self.settings
        shape = (chosen.particles, chosen.vertices, 2)
        self._places = untangled(self._rng.uniform(chosen.low, chosen.high, shape).astype(np.float32))
        self._speeds = self._rng.uniform(-chosen.top_speed, chosen.top_speed, shape).astype(np.float32)
        self._own = self._places.copy()
        self._own_values = np.full(chosen.particles, np.inf)
        self._leader = self._places[0].copy()
        self._moves = 0
        self.starts += 1

    def _factors(self) -> FloatArray:
        if self.settings.rng == TEXTBOOK:
            return self._rng.random(self._places.shape, np.float32)
        low, high = REFERENCE_LOW, REFERENCE_HIGH
        drawn = high - (high - low) * self._rng.random((len(self._places), 1, 1), np.float32)
        return np.asarray(drawn, np.float32)

    def _move(self) -> None:
        chosen = self.settings
        speeds = (
            chosen.inertia * self._speeds
            + chosen.pull_own * self._factors() * (self._own - self._places)
            + chosen.pull_all * self._factors() * (self._leader - self._places)
        )
        self._speeds = np.clip(speeds, -chosen.top_speed, chosen.top_speed).astype(np.float32)
        self._places = untangled(np.clip(self._places + self._speeds, chosen.low, chosen.high))

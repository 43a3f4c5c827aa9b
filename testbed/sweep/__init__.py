"""Many episodes: grids, the ledger, workers here or on Ray, and results that appear exactly once."""

from __future__ import annotations

"""Environments are registered whoever imports what first."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "first",
    ["import gymnasium, testbed", "import testbed, gymnasium", "import testbed.registration, gymnasium"],
)
def test_any_order_of_imports_registers(first: str) -> None:
    code = f"{first}; assert 'testbed/DrpHighway-v1' in gymnasium.registry"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

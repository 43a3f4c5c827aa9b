from __future__ import annotations

import pytest

from testbed.adversaries import registry
from testbed.core.errors import UsageError


@pytest.mark.parametrize("kind", ["road_patch", "camouflage", "shadow"])
def test_our_kinds_make_artefacts(kind: str) -> None:
    """Optimisers are found by the name of their package, which no import statement follows when it moves."""
    assert callable(registry.optimiser(kind))


def test_a_kind_without_optimiser_says_so() -> None:
    with pytest.raises(UsageError, match="'sign_face' makes no artefacts"):
        registry.optimiser("sign_face")

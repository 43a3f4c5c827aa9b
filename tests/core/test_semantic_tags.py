"""The semantic tags are CARLA's own."""

from __future__ import annotations

import carla

from testbed.core.semantic_tags import SemanticTag


def test_numbers_are_those_of_the_client() -> None:
    theirs = {name.replace("_", "").lower(): int(value) for name, value in carla.CityObjectLabel.names.items()}
    assert {tag.name.replace("_", "").lower(): int(tag) for tag in SemanticTag} == theirs

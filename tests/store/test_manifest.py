"""The manifest: what was planned, with what, and nothing about whose machine it was."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path
from types import ModuleType

import pytest

from testbed.core.errors import StoreError
from testbed.store import RunManifest
from testbed.store.manifest import dump_manifest, load_manifest, machine_facts


def test_it_lists_every_plan_and_every_digest_once(synthetic: ModuleType) -> None:
    plans = [synthetic.plan("dnn", condition, seed) for condition in ("benign", "patch") for seed in (1, 2)]
    plans = [plan.model_copy(update={"digests": {"dnn-lane": "aa", plan.condition: "bb"}}) for plan in plans]
    manifest = RunManifest.of("run", plans, command="testbed run x", notes="Does it?")
    assert [(one.key, one.agent, one.condition, one.seed) for one in manifest.planned] == [
        (plan.key, plan.agent, plan.condition, plan.seed) for plan in plans
    ]
    assert manifest.digests == {"dnn-lane": "aa", "benign": "bb", "patch": "bb"}
    assert set(manifest.scenarios) == {plans[0].scenario}
    assert (manifest.command, manifest.notes) == ("testbed run x", "Does it?")


def test_it_comes_back_as_it_was_and_equal_ones_are_equal_texts(synthetic: ModuleType) -> None:
    manifest = RunManifest.of("run", [synthetic.plan("dnn", "benign", 1)], versions={"b": "1", "a": "2"})
    text = dump_manifest(manifest)
    assert load_manifest(text, "manifest.json") == manifest
    assert dump_manifest(load_manifest(text.encode(), "manifest.json")) == text
    assert text.index('"a"') < text.index('"b"')


def test_it_names_neither_user_nor_machine() -> None:
    text = json.dumps(machine_facts())
    assert set(machine_facts()) == {"platform", "release", "processor", "python"}
    assert socket.gethostname() not in text and str(Path.home()) not in text
    assert getpass.getuser() not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "m.json is no valid JSON"),
        ('{"version": 1}', "m.json is no run manifest: run_id"),
        ('{"version": 1, "run_id": "x", "planned": [{"key": "k"}]}', "planned.0.scenario"),
        ('{"version": 2, "run_id": "x"}', r"newer testbed \(layout 2, this one reads up to 1\)"),
        ('{"run_id": "x"}', "states no version"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        load_manifest(text, "m.json")

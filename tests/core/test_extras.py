"""Extras: the table is what pyproject.toml says, and whoever lacks one reads one sentence."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from testbed import agents
from testbed.core import extras
from testbed.core.errors import MissingExtraError

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def distributions(requirements: list[str]) -> set[str]:
    names = {re.split(r"[\[<>=! ]", requirement)[0] for requirement in requirements}
    return {name.replace("_", "-").lower() for name in names}


@pytest.mark.parametrize("extra", extras.MODULES)
def test_every_extra_brings_the_modules_that_the_table_names(extra: str) -> None:
    owners = packages_distributions()
    found = {owner.replace("_", "-").lower() for module in extras.MODULES[extra] for owner in owners[module]}
    assert found == distributions(EXTRAS[extra])
    assert not found & distributions(PROJECT["dependencies"])
    assert extra in extras.PURPOSES


BY_NAME_ONLY = {"rerun"}
"""Extras that are so large that nobody gets them unasked."""


def test_all_is_every_extra_of_a_user() -> None:
    (everything,) = EXTRAS["all"]
    assert set(re.findall(r"\w+", everything.partition("[")[2])) == {*extras.MODULES, "train"} - BY_NAME_ONLY


def test_a_missing_module_of_an_extra_is_one_sentence_that_says_what_to_type() -> None:
    with pytest.raises(MissingExtraError) as caught, extras.explained("agent 'mine'"):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    assert str(caught.value) == ("agent 'mine' needs torch, which is not installed: pip install 'v2lm-testbed[agents]'")
    assert (caught.value.extra, caught.value.exit_code) == ("agents", 2)


def test_a_module_that_no_extra_brings_stays_what_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extras.explained("this command"):
        import no_such_module  # noqa: F401


def test_modules_are_looked_for_before_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.require("this", ("numpy", "torch"))
    monkeypatch.setattr(extras, "installed", lambda module: module != "ray")
    with pytest.raises(MissingExtraError, match=r"--ray needs ray, .*\[ray\]"):
        extras.require("--ray", ("psutil", "ray"))
    assert not extras.versions(["no-such-distribution"])


@pytest.mark.parametrize("agent", ["dnn", "solo", "tandem"])
def test_an_agent_without_its_extra_has_a_card_and_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    monkeypatch.setattr(extras, "installed", lambda module: module not in extras.MODULES["agents"])
    assert agents.card(agent).latency_ms[1] > 0
    with pytest.raises(MissingExtraError, match=rf"agent '{agent}' needs torch, which is not installed"):
        agents.check_extras(agent)
    agents.check_extras("scripted")


def test_a_package_that_cannot_be_imported_for_want_of_an_extra_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from testbed.agents import registry

    def refuse(name: str) -> None:
        raise ModuleNotFoundError("No module named 'timm'", name="timm")

    monkeypatch.setattr(registry.importlib, "import_module", refuse)
    for call in (agents.card, agents.load):
        with pytest.raises(MissingExtraError, match="agent 'dnn' needs timm"):
            call("dnn")

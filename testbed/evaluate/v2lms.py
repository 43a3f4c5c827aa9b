"""Which V²LMs the tables ask: the shipped agent files, or those that the user names; never a list of our own.

A V²LM is deployed solo (a model per task) or in tandem (one for all). Two agent files whose names differ in that word
alone are a pair (``solo_smollm`` and ``tandem_smollm``), and one whose name holds the words of a published family
stands beside its cells (``solo_llava_tiny`` beside LLaVA-7B): a stand-in, of that family's parts and not of its size.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.core.errors import MissingExtraError, UsageError
from testbed.evaluate.published import facts, family_of
from testbed.evaluate.victims import VictimAgent

log = logging.getLogger(__name__)

DEPLOYMENTS = ("solo", "tandem")


@dataclass(frozen=True, slots=True)
class AskedV2lm:
    """A V²LM that the tables ask.

    Attributes:
        victim: Who; its label is the name of its agent file.
        deployment: ``solo``, ``tandem``, or what its card says.
        pair: What its name says besides the deployment; solo and tandem with the same are compared. Empty for the
            default model.
        family: Published family that it stands beside, a key of ``families`` in ``published.yaml``; empty for none.
        zero_shot: Whether it was named as not fine-tuned.
    """

    victim: VictimAgent
    deployment: str
    pair: str
    family: str
    zero_shot: bool = False

    @property
    def beside(self) -> str:
        """Label of the family that it stands beside, empty for none."""
        return facts().families[self.family].label if self.family else ""

    @property
    def words(self) -> str:
        """Deployment, and beside whom it stands."""
        told = [self.deployment, "before fine-tuning" if self.zero_shot else ""]
        return ", ".join([*filter(None, told), *([f"beside {self.beside}"] if self.family else [])])


def shipped() -> list[AskedV2lm]:
    """Return the shipped V²LMs without defences that can be loaded here, the default model first."""
    from testbed import agents

    choices = {name: agents.resolve(name) for name in agents.configured()}
    plain = [name for name, one in choices.items() if one.agent in DEPLOYMENTS and not one.defences]
    known = [_asked(name) for name in plain if _is_loadable(name)]
    return sorted(known, key=lambda one: (one.pair, DEPLOYMENTS.index(one.deployment), one.victim.label))


def _is_loadable(name: str) -> bool:
    from testbed import agents

    try:
        agents.check_extras(name)
    except MissingExtraError as error:
        log.warning("%s is left out: %s", name, error)
        return False
    return True


def named(names: Sequence[str], *, zero_shot: bool = False) -> list[AskedV2lm]:
    """Return the V²LMs that names and agent files stand for, in the given order.

    Args:
        names: Names of agents, or paths of agent files.
        zero_shot: Whether they were not fine-tuned.

    Raises:
        UsageError: One does not exist, or is no V²LM.
    """
    found = []
    for name in names:
        one = _asked(name, zero_shot)
        if one.deployment in ("dnn", "scripted"):
            raise UsageError(f"agent {name!r} is no V²LM but of kind {one.deployment!r}", hint="Table III asks DNNs")
        found.append(one)
    return found


def check_labels(asked: Sequence[AskedV2lm]) -> None:
    """Check that a label means one agent.

    Raises:
        UsageError: Two agent files of different folders have the same name.
    """
    known: dict[str, VictimAgent] = {}
    for one in asked:
        if known.setdefault(one.victim.label, one.victim) != one.victim:
            raise UsageError(f"two agents are called {one.victim.label!r}", hint="rename one of the agent files")


def _asked(name_or_path: str, zero_shot: bool = False) -> AskedV2lm:
    from testbed import agents

    victim = VictimAgent.named(name_or_path)
    deployment = victim.agent if victim.agent in DEPLOYMENTS else agents.card(name_or_path).kind
    parts = [part for part in re.split(r"[^a-z0-9]+", victim.label.lower()) if part and part != deployment]
    # a number at the end is a version or a size: qwen2 is a qwen, llava7b no other word than llava
    words = {re.sub(r"[0-9]+b?$", "", part) for part in parts}
    return AskedV2lm(victim, deployment, "_".join(parts), family_of(words), zero_shot)

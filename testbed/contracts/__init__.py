"""What every agent and every adversary must do, as tests that anybody can run on their own.

::

    # test_mine.py
    from testbed.contracts import AdversaryContract, AgentContract

    class TestMyAgent(AgentContract):
        name = "my_agent"

    class TestMyAdversary(AdversaryContract):
        kind, artefact = "my_kind", "my_artefact"

and ``pytest test_mine.py``. Every built-in agent and adversary passes the same suite.
"""

from __future__ import annotations

from testbed.contracts.adversary import AdversaryContract
from testbed.contracts.agent import AgentContract

__all__ = ["AdversaryContract", "AgentContract"]

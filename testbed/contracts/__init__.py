"""What every agent, every adversary and every judge must do, as tests that anybody can run on their own.

::

    # test_mine.py
    from testbed.contracts import AdversaryContract, AgentContract, JudgeContract

    class TestMyAgent(AgentContract):
        name = "my_agent"

    class TestMyAdversary(AdversaryContract):
        kind, artefact = "my_kind", "my_artefact"

    class TestMyJudge(JudgeContract):
        name = "my_judge"

and ``pytest test_mine.py``. Every built-in agent, adversary and judge passes the same suite; ``pytest --pyargs
testbed.contracts`` runs it on whatever is registered here, see `testbed.contracts.test_installed`.
"""

from __future__ import annotations

from testbed.contracts.adversary import AdversaryContract
from testbed.contracts.agent import AgentContract
from testbed.contracts.judge import JudgeContract

__all__ = ["AdversaryContract", "AgentContract", "JudgeContract"]

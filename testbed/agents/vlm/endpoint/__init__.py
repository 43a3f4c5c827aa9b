"""V²LMs behind OpenAI-compatible chat completions: recorded, replayable, patient within a budget.

`testbed.agents.vlm.endpoint.reader.EndpointReader` asks; it needs an HTTP library, what stands here needs none.
"""

from __future__ import annotations

from testbed.agents.vlm.endpoint.record import ReplyRecord
from testbed.agents.vlm.endpoint.settings import EndpointSettings

__all__ = ["EndpointSettings", "ReplyRecord"]

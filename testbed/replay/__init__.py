"""A stored drive shown again: what its trace holds, and the same in Rerun.

================  ====================================================================
module            what it holds
================  ====================================================================
`stored_drive`    the drive that a user means, and what its trace holds, in numbers
`rerun_log`       from the trace's messages to Rerun's: the only module that imports it
================  ====================================================================

Foxglove needs nothing of this: it opens the trace itself.
"""

from __future__ import annotations

from testbed.replay.stored_drive import StoredDrive, TopicCount, find_drive

__all__ = ["StoredDrive", "TopicCount", "find_drive"]

"""Run folders: atomic writes with checksums, MCAP traces, videos, tables; what is stored stays as it was stored.

================================  ==================================================================================
module                            what it holds
================================  ==================================================================================
`run_folder`, `manifest`          one run on disk, and what was planned in it
`trace`, `trace_schemas`,         an episode step by step as MCAP, and its channels
`mcap_file`
`trace_reader`, `trace_decoder`,  the way back to the types that judges know; the same trace with other events
`trace_events`
`foxglove_messages`,              what other people's tools draw: frames, camera, boxes, scene, place, log, with their
`foxglove_scene`,                 schemas; the border between CARLA's left-handed world and theirs
`foxglove_schemas`,
`right_handed`
`video`                           clips of the driver's view
`episode_table`                   ``episodes.parquet``
`versions`                        stored documents of every released version, read by this one
`atomic`, `safe_paths`            writing whole files, and names that cannot lead out of a run folder
================================  ==================================================================================
"""

from __future__ import annotations

from testbed.store.episode_table import read_table, write_table
from testbed.store.manifest import PlannedEpisode, RunManifest
from testbed.store.run_folder import DamagedFile, RunFolder, writable
from testbed.store.trace import TraceWriter
from testbed.store.trace_events import with_events
from testbed.store.trace_reader import TraceFrame, TraceReader
from testbed.store.versions import dump_record, load_record
from testbed.store.video import write_video

__all__ = [
    "DamagedFile",
    "PlannedEpisode",
    "RunFolder",
    "RunManifest",
    "TraceFrame",
    "TraceReader",
    "TraceWriter",
    "dump_record",
    "load_record",
    "read_table",
    "writable",
    "write_table",
    "write_video",
    "with_events",
]

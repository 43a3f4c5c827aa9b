"""Run folders: atomic writes with checksums, MCAP traces, videos, tables; what is stored stays as it was stored."""

from __future__ import annotations

from testbed.store.folder import Damage, RunFolder, writable
from testbed.store.manifest import PlannedEpisode, RunManifest
from testbed.store.table import read_table, write_table
from testbed.store.trace import TraceFrame, TraceReader, TraceWriter
from testbed.store.versions import dump_record, load_record
from testbed.store.video import write_video

__all__ = [
    "Damage",
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
]

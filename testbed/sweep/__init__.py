"""Many episodes: grids, the ledger, workers here or on Ray, and results that appear exactly once.

===================  ===============================================================================================
module               what it holds
===================  ===============================================================================================
`grid`               sweep files: scenarios times agents, conditions, weather, latency and seeds
`catalogue`          what is installed: agents, artefacts, maps, and the digests that enter an episode's key
`run`                one call of ``run`` or ``sweep``: its run folder, its lock, its workers
`schedule`           which plan is carried out next, and what is done about each way in which one can end
`outcome`            the ways in which an attempt can end, also across a process border
`ledger`             which episodes were planned and how far each has come, on disk
`pool`, `ray_pool`   workers as local processes, and as Ray actors
`ray_cluster`        a Ray of our own, or somebody's cluster
`serving`            which agents' models are loaded once for many workers, and how often
`model_fleet`        the actors that have loaded them; `model_actor` is what runs in one, `batching` its queue
`remote_readers`     a worker's end of a model actor
`travelling`         a user's files by content, with all that belongs to them (`companions`)
`node_files`         where these lie on another node
`worker`             what runs inside a worker
`process_watchdog`   ends what a killed driver of Ray leaves behind
`interrupt`          Ctrl-C and SIGTERM
===================  ===============================================================================================
"""

from __future__ import annotations

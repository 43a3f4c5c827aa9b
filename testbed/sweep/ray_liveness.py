"""Notice within seconds what Ray notices within a minute, or never: a node that is gone, a worker that was stopped.

Ray (2.60) declares a killed node dead after 14 s and a silent one after 65 s, ends the driver itself, with a line of
its log, 60 s after its head has gone, never looks at the state of a worker's process, and waits without end for room.
Here a small process on every node tells each second which workers of that node stand still; that it tells anything is
the node's sign of life. The head is known by its open port.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from testbed.core.errors import UnreachableError
from testbed.core.process_life import StandstillClock, is_stopped

LOOK_EVERY_S = 1.0
SILENT_S = 4.0
"""A node that tells nothing for so long is lost."""
FIRST_LOOK_S = 60.0
"""Time that the process on a node has to start."""
NO_NODE_S = 60.0
"""Time after which a run ends for which no node with a CPU is left."""
NO_ROOM_S = 900.0
"""Time after which a run ends whose workers all wait for room: a cluster that grows takes minutes to."""


class _Lookout:
    """Runs on a node: sees its processes."""

    def stopped(self, pids: list[int]) -> list[int]:
        return [pid for pid in pids if is_stopped(pid)]


@dataclass
class _Node:
    """What is known of a node: its lookout, the look under way, and since when."""

    lookout: Any
    look: Any = None
    asked_s: float = 0.0
    has_told: bool = False


@dataclass
class _Worker:
    """A worker, the node and process where it runs once it has a place, and since when it has waited for one."""

    where: Any
    waits_since_s: float
    node: str = ""
    pid: int = 0
    standstill: StandstillClock = field(default_factory=StandstillClock)


class HeadProbe:
    """Look each second, in a thread, whether a cluster's head can be reached.

    Args:
        host: Of the head.
        port: One on which it listens.
    """

    def __init__(self, host: str, port: int) -> None:
        """Begin."""
        self._place, self._seen_s, self._end = (host, port), time.monotonic(), threading.Event()
        threading.Thread(target=self._watch, name="testbed-head-probe", daemon=True).start()

    def _watch(self) -> None:
        while not self._end.wait(LOOK_EVERY_S):
            try:
                socket.create_connection(self._place, timeout=SILENT_S).close()
                self._seen_s = time.monotonic()
            except OSError:
                continue

    def is_lost(self) -> bool:
        """Tell whether it has not answered for some seconds."""
        return time.monotonic() - self._seen_s > SILENT_S

    def check(self) -> None:
        """Raise `UnreachableError` when it is lost."""
        if self.is_lost():
            raise UnreachableError(
                f"the head of the Ray cluster ({self._place[0]}:{self._place[1]}) is gone",
                hint="what has ended is kept; once Ray is there again, the same command goes on",
            )

    def close(self) -> None:
        """End."""
        self._end.set()


class Liveness:
    """Workers by slot, and the nodes they are on.

    Args:
        ray: The module, connected; asked in the caller's thread.
    """

    def __init__(self, ray: Any) -> None:
        """Put a lookout on every node."""
        self._ray = ray
        self._nodes: dict[str, _Node] = {}
        self._workers: dict[int, _Worker] = {}
        self._looked_s = 0.0
        for node in ray.nodes():
            if node["Alive"]:
                self._look_out(node["NodeID"])

    def began(self, slot: int, where: Any) -> None:
        """Note a worker, with the task that answers its node and its process id."""
        self._workers[slot] = _Worker(where, time.monotonic())

    def ended(self, slot: int) -> None:
        """Forget a worker."""
        self._workers.pop(slot, None)

    def has_place(self, slot: int) -> bool:
        """Tell whether a worker is known to run somewhere."""
        return slot in self._workers and bool(self._workers[slot].node)

    def check(self) -> dict[int, str]:
        """Return the slots of workers that are lost, and why; looks at most once a second.

        Raises:
            UnreachableError: No worker finds a place any more.
        """
        now = time.monotonic()
        if now - self._looked_s < LOOK_EVERY_S:
            return {}
        self._looked_s = now
        self._find_places()
        lost: dict[int, str] = {}
        for name in {worker.node for worker in self._workers.values() if worker.node}:
            here = {slot: worker for slot, worker in self._workers.items() if worker.node == name}
            lost |= self._look(name, here, now)
        self._check_room(now)
        return lost

    def _find_places(self) -> None:
        """Take in where workers are that have found a place; one that died before tells so by its own task."""
        for worker in self._workers.values():
            if worker.node or not self._ray.wait([worker.where], timeout=0.0)[0]:
                continue
            try:
                worker.node, worker.pid = self._ray.get(worker.where)
            except self._ray.exceptions.RayError:
                continue

    def _look(self, name: str, workers: dict[int, _Worker], now: float) -> dict[int, str]:
        node = self._nodes.get(name) or self._look_out(name)
        if node.look is not None:
            if not self._ray.wait([node.look], timeout=0.0)[0]:
                patience_s = SILENT_S if node.has_told else FIRST_LOOK_S
                if now - node.asked_s <= patience_s:
                    return {}
                return self._gone(name, workers, f"has given no sign of life for {patience_s:g} s")
            try:
                stopped = set(self._ray.get(node.look))
            except self._ray.exceptions.RayError:
                return self._gone(name, workers, "is gone")
            node.has_told = True
            still = [slot for slot, one in workers.items() if one.standstill.note(one.pid, one.pid in stopped)]
            if still:
                return dict.fromkeys(still, "the worker was stopped and did not go on")
        node.look, node.asked_s = node.lookout.stopped.remote([worker.pid for worker in workers.values()]), now
        return {}

    def _gone(self, name: str, workers: dict[int, _Worker], what: str) -> dict[int, str]:
        del self._nodes[name]
        return dict.fromkeys(workers, f"the node of the worker {what}")

    def _look_out(self, name: str) -> _Node:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        made = self._ray.remote(num_cpus=0, max_restarts=0)(_Lookout)
        strategy = NodeAffinitySchedulingStrategy(node_id=name, soft=False)
        self._nodes[name] = _Node(made.options(scheduling_strategy=strategy).remote())
        return self._nodes[name]

    def _check_room(self, now: float) -> None:
        waiting = [worker.waits_since_s for worker in self._workers.values() if not worker.node]
        if not waiting or len(waiting) < len(self._workers):
            return
        waited_s = now - max(waiting)
        if waited_s > NO_ROOM_S or (waited_s > NO_NODE_S and not self._has_cpus()):
            raise UnreachableError(
                f"no node of the Ray cluster has had room for a worker for {waited_s:.0f} s",
                hint="`ray status` shows what it has; what has ended is kept, and the same command goes on",
            )

    def _has_cpus(self) -> bool:
        return any(node["Alive"] and node["Resources"].get("CPU", 0.0) > 0.0 for node in self._ray.nodes())

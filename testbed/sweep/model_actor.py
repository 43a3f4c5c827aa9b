"""What runs inside a model actor: one agent's models, asked by many simulators, in batches.

The class knows nothing of Ray, which calls its methods in threads. Every answer is a mapping: ``readings``, or
``error`` as `testbed.sweep.outcome` writes it down. A batch in which one conversation cannot be answered, or for which
the memory does not suffice, is divided, so that nobody's answer depends on who asked beside him.
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from testbed.core.errors import AgentError, TestbedError, WeightsError
from testbed.sweep.batching import Batcher, BatchLimits
from testbed.sweep.node_files import NodeFiles
from testbed.sweep.outcome import to_wire
from testbed.sweep.worker import environment

if TYPE_CHECKING:
    from testbed.agents.vlm.readings import ConversationReader, ImagePrompt, Reading
    from testbed.core.types import AgentCard

Asked = tuple[str, "Sequence[ImagePrompt]"]
"""Key of a reader, and the questions of one conversation."""


class ModelActor:
    """Serve one agent's models.

    Args:
        agent: Name or agent file.
        device: Where its models run.
        limits: Of the batches.
        files: What of the user's files was sent here; None where this machine has them itself.
    """

    def __init__(self, agent: str, device: str, limits: BatchLimits, files: NodeFiles | None = None) -> None:
        """Load nothing yet: what goes wrong then is answered, not the end of the process."""
        os.environ.update(environment(os.environ))
        self._agent, self._device, self._limits, self._files = agent, device, limits, files
        self._lock = threading.Lock()
        self._service: _Service | None = None

    def open(self) -> dict[str, Any]:
        """Load the models; return ``{"card": …, "readers": …}``."""
        try:
            service = self._loaded()
            return {"card": service.card, "readers": sorted(service.readers)}
        except Exception as error:  # the border of a process: every error becomes an answer
            return {"error": to_wire(error)}

    def read(self, reader: str, questions: Sequence[ImagePrompt]) -> dict[str, Any]:
        """Answer the questions of one conversation; blocks until its batch is answered."""
        try:
            return {"readings": self._loaded().batcher.ask((reader, questions))}
        except Exception as error:
            return {"error": to_wire(error)}

    def batches(self) -> dict[int, int]:
        """Return how many batches of each size were answered."""
        return dict(self._loaded().batcher.sizes)

    def _loaded(self) -> _Service:
        # also after a restart, when nobody calls `open` again
        with self._lock:
            if self._service is None:
                file = self._agent if self._files is None else self._files.agent(self._agent)
                self._service = _Service(self._agent, file, self._device, self._limits)
            return self._service


class _Service:
    """The loaded models with their queue."""

    def __init__(self, agent: str, file: str, device: str, limits: BatchLimits) -> None:
        from testbed import agents

        loaded = agents.load_to_serve(file, device)
        # beside simulators two threads wait for each other at every layer
        importlib.import_module("torch").set_num_threads(1)
        self._agent, self._device = agent, device
        self.readers: Mapping[str, ConversationReader] = loaded.readers
        self.card: AgentCard = loaded.card
        self.batcher: Batcher[Asked, list[Reading]] = Batcher(self._answer, _same, limits)

    def _answer(self, batch: Sequence[Asked]) -> Sequence[list[Reading] | BaseException]:
        reader = self.readers[batch[0][0]]
        try:
            return reader.read_batch([questions for _, questions in batch])
        except AgentError as error:
            if len(batch) == 1:
                return [error]
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(batch) == 1:
                return [self._too_small(error)]
        # outside of the handler: a traceback would keep the tensors of the failed batch alive
        _free()
        half = len(batch) // 2
        return [*self._answer(batch[:half]), *self._answer(batch[half:])]

    def _too_small(self, error: Exception) -> TestbedError:
        return WeightsError(
            f"agent {self._agent!r} ran out of memory on {self._device} with a single conversation",
            hint="use a smaller checkpoint or dtype: bf16, or a larger share of a GPU (num_gpus)",
        )


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch or Python says that there is no memory left."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _free() -> None:
    gc.collect()
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _same(asked: Asked) -> Hashable:
    """Return what conversations of one batch have in common: who is asked which words about which tasks."""
    reader, questions = asked
    return reader, tuple((question.task, question.words) for question in questions)

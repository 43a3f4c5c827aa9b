"""A worker's end of a model actor: readers that ask it, one conversation at a time, and wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from testbed.core.errors import SimulatorCrashError, SimulatorHangError, TestbedError, WeightsError
from testbed.sweep.outcome import from_wire

if TYPE_CHECKING:
    from testbed.agents.vlm.readings import ImagePrompt, Reading
    from testbed.agents.vlm.served import ServedReaders

ANSWER_S = 300.0
"""Time within which a conversation is answered, the load of a restarted actor's models included."""


class RemoteReader:
    """One reader of a model actor, as an agent's ``ConversationReader``.

    Args:
        actor: Ray's handle of a `testbed.sweep.model_actor.ModelActor`.
        reader: Key of the reader.
        agent: Whose models they are.
        timeout_s: Time within which a conversation is answered.
    """

    def __init__(self, actor: Any, reader: str, agent: str, timeout_s: float = ANSWER_S) -> None:
        """Keep the handle."""
        self._actor, self._reader, self._agent, self._timeout_s = actor, reader, agent, timeout_s

    def read(self, questions: Sequence[ImagePrompt]) -> list[Reading]:
        """Answer the questions of one conversation; others are answered with it."""
        return self.read_batch([questions])[0]

    def read_batch(self, conversations: Sequence[Sequence[ImagePrompt]]) -> list[list[Reading]]:
        """Answer several conversations.

        Raises:
            SimulatorCrashError: The actor died; trying again may help.
            SimulatorHangError: It gives no answer.
            TestbedError: What answering raised.
        """
        tasks = [self._actor.read.remote(self._reader, list(questions)) for questions in conversations]
        try:
            answers = fetched(tasks, self._agent, self._timeout_s)
        except SimulatorHangError:
            # Ray never notices that an actor hangs; ended, it is started anew
            ray_kill(self._actor)
            raise
        return [cast("list[Reading]", one["readings"]) for one in answers]


def served_readers(actor: Any, agent: str, timeout_s: float) -> ServedReaders:
    """Return the readers of a model actor; waits until it has loaded its models.

    Args:
        actor: Ray's handle of it.
        agent: Whose models they are.
        timeout_s: How long to wait.

    Raises:
        TestbedError: The models cannot be loaded, or as of `RemoteReader.read_batch`.
    """
    from testbed.agents.vlm.served import ServedReaders

    (opened,) = fetched([actor.open.remote()], agent, timeout_s)
    return ServedReaders({key: RemoteReader(actor, key, agent) for key in opened["readers"]}, opened["card"])


def fetched(tasks: Sequence[Any], agent: str, timeout_s: float) -> list[dict[str, Any]]:
    """Return what calls of a model actor answered; raises as `RemoteReader.read_batch` does."""
    import ray

    try:
        answers = ray.get(list(tasks), timeout=timeout_s)
    except ray.exceptions.GetTimeoutError as error:
        raise SimulatorHangError(f"the model actor of {agent!r} gave no answer within {timeout_s:g} s") from error
    except ray.exceptions.RayError as error:
        raise died(error, agent) from error
    for answer in answers:
        if "error" in answer:
            raise from_wire(answer["error"])
    return cast("list[dict[str, Any]]", answers)


def ray_kill(actor: Any) -> None:
    """End an actor and let Ray start it anew."""
    import ray

    ray.kill(actor, no_restart=False)


def died(error: BaseException, agent: str) -> TestbedError:
    """Return what the death of a model actor means: memory that does not suffice would not suffice again."""
    reason = " ".join(str(error).split())
    if "OutOfMemory" in type(error).__name__ or "running low on memory" in reason or "OOM" in reason:
        return WeightsError(
            f"the node of the model actor of {agent!r} ran out of memory",
            hint="use a smaller checkpoint or dtype: bf16, or a node with more memory",
        )
    return SimulatorCrashError(f"the model actor of {agent!r} died ({type(error).__name__}: {reason[:200]})")

"""End a run at the first Ctrl-C or SIGTERM, once, and let the clean-up that follows finish undisturbed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised when the user or the system asks to end.

    Attributes:
        exit_code: Process exit status by the shell's convention, 128 + signal number.
    """

    def __init__(self, signum: int) -> None:
        """Remember the signal."""
        super().__init__(f"signal {signum}")
        self.exit_code = 128 + signum


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM inside the block into `Interrupted` and ignore further ones."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    received: list[int] = []

    def end(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, end)
    try:
        yield
    except KeyboardInterrupt as error:
        # Extension modules answer an interrupted wait with a plain KeyboardInterrupt of their own.
        if isinstance(error, Interrupted):
            raise
        raise Interrupted(received[0] if received else signal.SIGINT) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

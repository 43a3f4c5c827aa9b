"""A model actor whose first process never answers."""

from __future__ import annotations

import time
from pathlib import Path


class StuckActor:
    """Hang once, then answer with the reader's name."""

    def __init__(self, marker: str) -> None:
        self.marker = Path(marker)

    def read(self, reader: str, questions: object) -> dict[str, list[str]]:
        if not self.marker.exists():
            self.marker.touch()
            time.sleep(600)
        return {"readings": [reader]}

"""What is asked of an evaluation, and how many pictures it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIGN_CLASSES = 43


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many pictures are shown per condition.

    Attributes:
        tsr: Sign crops.
        alc: Views of the road.
        vd: Views of a vehicle.
        starts: How often the search for a shadow may start anew, five in its publication.
    """

    tsr: int = 5 * SIGN_CLASSES
    alc: int = 400
    vd: int = 320
    starts: int = 5

    @classmethod
    def of(cls, count: int) -> Sizes:
        """Return the same number for every task."""
        return cls(count, count, count)


QUICK = Sizes(SIGN_CLASSES, 60, 60, starts=1)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        tables: Names of tables.
        out: Folder for everything that is written.
        sizes: Pictures per condition.
        data: Folder with the user's data sets; None makes held-out pictures.
        seed: Seed of all pictures and searches.
        gap: Run or sweep folder whose road outcomes are set beside the images; None without.
        adaptive: Whether shadows are also searched by asking the V²LMs.
        agents: V²LMs that the tables ask, names or agent files; empty for the shipped ones.
        zero_shot: V²LMs that were not fine-tuned, for Table II and Figure 5.
        strict: Whether missing weights or artefacts of a row are an error; else the row is left out, and every document
            names it with the reason.
        jobs: Processes that ask; the answers do not depend on them.
        device: Where the agents run that are asked, a word of `testbed.core.device`.
        command: Command that repeats it.
    """

    tables: tuple[str, ...]
    out: Path
    sizes: Sizes = Sizes()
    data: Path | None = None
    seed: int = 0
    gap: Path | None = None
    adaptive: bool = False
    agents: tuple[str, ...] = ()
    zero_shot: tuple[str, ...] = ()
    strict: bool = False
    jobs: int = 1
    device: str = "auto"
    command: str = ""

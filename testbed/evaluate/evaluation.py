"""Carrying out an evaluation: check everything first, ask what was never asked, then write the tables.

``out/cells`` holds every answer (`testbed.evaluate.cells`), ``out/shadows`` what the shadow search found,
``out/agents`` the agent files of the rows. All else is derived from them and written at the end; an interrupted call
leaves them whole, and the same call goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import testbed
from testbed.agents.placement import placed
from testbed.core.errors import ArtefactError, MissingExtraError, ScenarioError, UsageError, WeightsError
from testbed.evaluate.albums import BENIGN, Album, AlbumPicture, HeldOut
from testbed.evaluate.cells import AnswerCell, CellStore
from testbed.evaluate.request import Request
from testbed.evaluate.tables import ATTACKS, VictimRow
from testbed.store import RunFolder
from testbed.store.atomic import write_bytes

SCENARIOS: dict[str, str] = {"road_patch": "drp_highway", "camouflage": "rauca_lead_vehicle"}
"""Kind of adversary to the shipped scenario whose artefacts are shown."""
PACKAGES = Path(testbed.__file__).parent.parent
"""Folder that the packages lie in; it is no part of what is told about a missing file."""


@dataclass(frozen=True, slots=True)
class PendingCell:
    """One cell to be filled: who is shown which album under which condition."""

    row: VictimRow
    album: Album
    condition: str
    specification: dict[str, Any]

    @property
    def key(self) -> str:
        """Name of the cell."""
        return CellStore.key(self.specification)


@dataclass(frozen=True, slots=True)
class FilledRow:
    """One row with its cells: without an attack, under it, under the controls, and on the data set."""

    row: VictimRow
    benign: AnswerCell
    attacks: dict[str, AnswerCell]
    controls: dict[str, AnswerCell]
    held_out: AnswerCell | None


class Evaluation:
    """One call.

    Args:
        request: What is asked.
        say: Told one line at a time.
        wanted: Rows of its tables.
    """

    def __init__(self, request: Request, say: Callable[[str], None], wanted: Sequence[VictimRow]) -> None:
        """Plan and check: agents, weights, artefacts, data.

        Raises:
            UsageError: A table does not exist, a scenario has no such adversary, or a GPU is not there.
            WeightsError: Weights of a row are missing.
            ArtefactError: An artefact is missing or was altered.
            DatasetError: The data folder has no such data sets.
            StoreError: The folder named for the gap is no run folder.
        """
        placed(request.device, auto="cpu")  # a GPU that is not there would leave every row out
        self.request, self._say = request, say
        self.left_out: list[tuple[VictimRow, str]] = []
        self.cells = CellStore(request.out / "cells")
        self._agents = request.out / "agents"
        self._albums: dict[tuple[Any, ...], Album] = {}
        if request.gap is not None:
            RunFolder.open(request.gap)  # refused before anything is asked
        self._held_out = {task: self._make_held_out(task) for task in dict.fromkeys(row.task for row in wanted)}
        self._identities: dict[str, dict[str, Any]] = {}
        self.rows: list[VictimRow] = []
        self.plan: list[dict[str, PendingCell]] = []
        for row in wanted:
            try:
                self._identities[row.victim.label] = row.victim.identity(self._agents)
                todos = self._todos(row)
            except (WeightsError, ArtefactError, UsageError, ScenarioError, MissingExtraError) as error:
                if request.strict:
                    raise
                self.left_out.append((row, str(error).replace(f"{PACKAGES}/", "")))
            else:
                self.rows.append(row)
                self.plan.append(todos)
        if wanted and not self.rows:
            raise UsageError("nothing to evaluate: no row has its weights and artefacts")

    def _make_held_out(self, task: str) -> HeldOut:
        count = getattr(self.request.sizes, task)
        album = HeldOut(task, count, data=self.request.data, seed=self.request.seed)
        album.recipe()  # a data folder with a wrong layout is refused before anything is asked
        return album

    def album(self, row: VictimRow) -> Album:
        """Return what a row is shown; rows share albums."""
        kind = ATTACKS[row.task]
        key = (kind, row.against, str(row.against_defences))
        if key not in self._albums:
            self._albums[key] = self._make_album(row, kind)
        return self._albums[key]

    def _make_album(self, row: VictimRow, kind: str) -> Album:
        from testbed.scenario.loader import load_scenario

        request = self.request
        if kind == "shadow":
            from testbed.evaluate.shadow_album import ShadowedSigns

            return ShadowedSigns(
                self._held_out["tsr"],
                row.against,
                row.against_defences,
                folder=request.out / "shadows",
                seed=request.seed,
                starts=request.sizes.starts,
                say=self._say,
            )
        scenario = load_scenario(SCENARIOS[kind])
        if kind == "road_patch":
            from testbed.evaluate.patch_album import PatchApproaches

            return PatchApproaches(scenario, request.sizes.alc, seed=request.seed)
        from testbed.evaluate.vehicle_album import VehicleViews

        return VehicleViews(scenario, request.sizes.vd, seed=request.seed)

    def _todos(self, row: VictimRow) -> dict[str, PendingCell]:
        if not row.attacked:
            return {BENIGN: self._todo(row, self._held_out[row.task], BENIGN)}
        album = self.album(row)
        controls = album.controls if row.controls else ()
        found = {name: self._todo(row, album, name) for name in (BENIGN, *album.attacks, *controls)}
        if row.task != "tsr" and row.table == "III":
            found["held_out"] = self._todo(row, self._held_out[row.task], BENIGN)
        return found

    def _todo(self, row: VictimRow, album: Album, condition: str) -> PendingCell:
        specification = {
            "task": row.task,
            "victim": self._identities[row.victim.label],
            "condition": condition,
            "pictures": album.recipe(condition),
        }
        return PendingCell(row, album, condition, specification)

    def missing(self) -> list[PendingCell]:
        """Return cells that were never filled, those of one album and condition next to each other."""
        found: dict[str, PendingCell] = {}
        for todos in self.plan:
            for todo in todos.values():
                key = todo.key
                if key not in found and self.cells.find(todo.specification) is None:
                    found[key] = todo
        order = {id(album): index for index, album in enumerate((*self._held_out.values(), *self._albums.values()))}
        return sorted(found.values(), key=lambda todo: (order[id(todo.album)], todo.condition))

    def ask(self, fill: Callable[[Sequence[PendingCell]], Iterator[str]] | None = None) -> int:
        """Fill what is missing and return how many cells that were.

        Args:
            fill: Fills cells and yields a line about each; by default `fill`, in this process.
        """
        missing = self.missing()
        for number, line in enumerate((fill or self.fill)(missing) if missing else (), 1):
            self._say(f"  {number:>{len(str(len(missing)))}}/{len(missing)}  {line}")
        return len(missing)

    def fill(self, todos: Sequence[PendingCell]) -> Iterator[str]:
        """Fill cells, those of one album and condition next to each other, and yield a line about each."""
        from testbed.evaluate.score import score
        from testbed.evaluate.victims import ask

        for todo, pictures in self._with_pictures(todos):
            begin = time.monotonic()
            answers = ask(todo.row.victim.load(self._agents, self.request.device), todo.row.task, pictures)
            seconds = time.monotonic() - begin
            self.cells.keep(todo.specification, answers, pictures_sha256=_digest(pictures), seconds=seconds)
            name = f"{todo.row.task} {todo.row.victim.label}, {_words(todo)}"
            yield f"{name}: {score(answers).accuracy} right ({seconds:.1f} s)"

    def _with_pictures(self, todos: Sequence[PendingCell]) -> Iterator[tuple[PendingCell, list[AlbumPicture]]]:
        shown: tuple[int, str] | None = None
        pictures: list[AlbumPicture] = []
        for todo in todos:
            if shown != (id(todo.album), todo.condition):
                pictures = list(todo.album.pictures(todo.condition))
                shown = (id(todo.album), todo.condition)
                self._sample(todo, pictures)
            yield todo, pictures

    def _sample(self, todo: PendingCell, pictures: list[AlbumPicture]) -> None:
        """Keep one picture of a condition for the page: the same scene for each condition."""
        shadowed = todo.row.task == "tsr"
        if isinstance(todo.album, HeldOut) or not pictures or (shadowed and todo.condition == BENIGN):
            return
        chosen = _typical(todo.row.task, pictures)
        self._keep_sample(todo, todo.condition, chosen)
        if shadowed:
            # Dark signs are left out under the attack: only here it is known which sign both conditions show.
            twin = next(picture for picture in todo.album.pictures(BENIGN) if picture.id == chosen.id)
            self._keep_sample(todo, BENIGN, twin)

    def _keep_sample(self, todo: PendingCell, condition: str, picture: AlbumPicture) -> None:
        from io import BytesIO

        from PIL import Image

        pixels = picture.image if picture.crop is None else picture.crop
        name = f"{todo.row.task}-{todo.row.against or 'shipped'}-{condition}.png"
        buffer = BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
        folder = self.request.out / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, buffer.getvalue())

    def asked(self) -> list[FilledRow]:
        """Return every row with its cells.

        Raises:
            UsageError: A cell is missing; `ask` fills them.
        """
        found = []
        for row, todos in zip(self.rows, self.plan, strict=True):
            cells = {name: self._stored(todo) for name, todo in todos.items()}
            album = self.album(row) if row.attacked else None
            attacks = {} if album is None else {name: cells[name] for name in album.attacks}
            controls = {} if album is None else {name: cells[name] for name in album.controls if name in cells}
            found.append(FilledRow(row, cells[BENIGN], attacks, controls, cells.get("held_out")))
        return found

    def _stored(self, todo: PendingCell) -> AnswerCell:
        cell = self.cells.find(todo.specification)
        if cell is None:
            raise UsageError(f"the answers of {todo.row.victim.label}, {_words(todo)}, are missing")
        return cell

    def digests(self) -> dict[str, str]:
        """Return artefacts and weights to their hashes."""
        found: dict[str, str] = {}
        for album in self._albums.values():
            found |= {f"artefact:{name}": digest for name, digest in album.artefacts.items()}
        for identity in self._identities.values():
            found |= identity["weights"]
        return dict(sorted(found.items()))


def _words(todo: PendingCell) -> str:
    if isinstance(todo.album, HeldOut):
        return "held-out data"
    asked = f" found by asking {todo.row.against}" if todo.row.against and todo.condition != BENIGN else ""
    return f"{todo.condition}{asked}"


def _typical(task: str, pictures: list[AlbumPicture]) -> AlbumPicture:
    """Return the picture that stands for a condition: the largest sign, mid-approach, a near vehicle."""
    if task == "tsr":
        return max(pictures, key=lambda picture: 0 if picture.crop is None else picture.crop.shape[1])
    if task == "alc":
        return pictures[11 % len(pictures)]
    return next((picture for picture in pictures if ("distance", "10 m") in picture.tags), pictures[0])


def _digest(pictures: list[AlbumPicture]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.image.tobytes())
        digest.update(b"" if picture.crop is None else picture.crop.tobytes())
        digest.update(f"{picture.id} {picture.truth} {picture.box_px}".encode())
    return digest.hexdigest()

"""A car of the user's own that is painted: the file, and how it is to be read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.adversaries.camouflage.car import Subject
    from testbed.scenario.schema import CarMesh


@dataclass(frozen=True)
class OwnCar:
    """A mesh file as the options of ``attack camouflage`` describe it.

    Attributes:
        file: OBJ or glTF.
        paint: Materials that are painted; may be empty where the file has only one.
        front: Axis of the file along which the car drives.
        up: Axis of the file that points to the sky.
        length_m: The car is scaled to this length; None keeps the file's metres.
        texture_px: Side of its texture.
    """

    file: Path
    paint: tuple[str, ...]
    front: str
    up: str
    length_m: float | None
    texture_px: int

    @property
    def stem(self) -> str:
        """What its artefact is named after."""
        return "".join(c if c.isalnum() else "_" for c in self.file.stem.lower())

    def subject(self) -> Subject:
        """Read it.

        Raises:
            UsageError: If it cannot be used.
        """
        from testbed.adversaries.camouflage.mesh_file import mesh_subject

        return mesh_subject(
            self.file,
            paint=self.paint,
            front=self.front,
            up=self.up,
            length_m=self.length_m,
            texture_px=self.texture_px,
        )

    def options(self) -> str:
        """Return the options of ``attack camouflage`` that name it, after a space."""
        told = f" --mesh {self.file.name} --front={self.front} --up={self.up} --texture-px {self.texture_px}"
        if self.paint:
            told += f" --paint {','.join(self.paint)}"
        return told + (f" --length-m {self.length_m:g}" if self.length_m else "")

    def seen_from(self, folder: Path) -> CarMesh:
        """Return it as the manifest of an artefact in `folder` names it."""
        from testbed.scenario.schema import CarMesh

        # Resolved: the folder may be reached through a link, from which ".." leads elsewhere.
        file = os.path.relpath(self.file.resolve(), folder.resolve())
        return CarMesh.model_validate(
            {"file": file, "paint": list(self.paint), "front": self.front, "up": self.up, "length_m": self.length_m}
        )

"""Sign crops under a shadow that was searched for each of them by asking one model, its defence included.

What was found is kept, so that a second call and every other victim of the same shadows ask nobody. Crops too dark for
a shadow to fall on them are left out of the attacked pictures; crops that the asked model reads wrongly anyway stay as
they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.types import Image
from testbed.evaluate.albums import BENIGN, AlbumPicture, HeldOut, digest_of
from testbed.store.atomic import write_text

KIND = "shadow"


@dataclass(frozen=True, slots=True)
class DefendedClassifier:
    """A sign model behind input defences, as an attacker meets it: crops in, probabilities out."""

    name: str
    net: Any
    defences: tuple[Any, ...]

    def probabilities(self, crops: Sequence[Image]) -> NDArray[np.float64]:
        """Return (N, 43) probabilities of crops of any sizes."""
        from testbed.agents.defences import alter

        seen = list(crops)
        if self.defences:
            # a batch has one size; the particles of one sign follow each other and share theirs
            seen = []
            for _, like in groupby(enumerate(crops), key=lambda item: item[1].shape):
                members = list(like)
                seen += list(alter(self.defences, np.stack([crop for _, crop in members]), first=members[0][0]))
        found: NDArray[np.float64] = self.net.probabilities(seen)
        return found


class ShadowedSigns:
    """Held-out crops, and the same under a shadow made against one model.

    Args:
        held_out: Benign crops.
        net: Name of the asked model in `testbed.agents.dnn.nets.SIGN_NETS`, or ``solo`` or ``tandem``.
        defences: Its input defences, as in an agent file.
        folder: Where shadows are kept.
        seed: Seed of the search.
        starts: How often the search may start anew for one sign.
        say: Told about progress.
    """

    task = "tsr"
    attacks = (KIND,)
    controls: tuple[str, ...] = ()

    def __init__(
        self,
        held_out: HeldOut,
        net: str,
        defences: Sequence[Mapping[str, Any]] = (),
        *,
        folder: Path,
        seed: int = 0,
        starts: int = 5,
        say: Callable[[str], None] = print,
    ) -> None:
        """Search nothing yet; check that the model exists.

        Raises:
            WeightsError: The weights of the model are missing.
        """
        self._held_out, self._net, self._defences = held_out, net, [dict(one) for one in defences]
        self._folder, self._seed, self._starts, self._say = folder, seed, starts, say
        self._weights = _weights(net)

    @property
    def artefacts(self) -> dict[str, str]:
        """No artefact is shipped: shadows are made here."""
        return {}

    def recipe(self, condition: str) -> dict[str, Any]:
        """The benign crops; under attack also what was asked and how."""
        benign = self._held_out.recipe(BENIGN)
        if condition == BENIGN:
            return benign
        from testbed.adversaries.shadow import LIGHT_LEFT, MIN_LIGHTNESS, SwarmSettings

        return {
            "album": "shadowed signs",
            "crops": benign,
            "net": self._net,
            "weights": self._weights,
            "defences": self._defences,
            "swarm": asdict(SwarmSettings(starts=self._starts)),
            "light_left": LIGHT_LEFT,
            "min_lightness": MIN_LIGHTNESS,
            "seed": self._seed,
        }

    def pictures(self, condition: str) -> list[AlbumPicture]:
        """Return the crops, or those bright enough with their shadows."""
        benign = self._held_out.pictures(BENIGN)
        if condition == BENIGN:
            return benign
        from testbed.adversaries.shadow import ShadowedCrop

        found = []
        for picture, (verdict, polygon) in zip(benign, self._shadows, strict=True):
            if verdict == "dark":
                continue
            crop = picture.crop
            assert crop is not None
            if polygon is not None:
                crop = ShadowedCrop(crop, int(picture.truth)).images(np.array([polygon], np.float32))[0]
            found.append(replace(picture, crop=crop))
        return found

    @cached_property
    def _shadows(self) -> list[tuple[str, list[list[float]] | None]]:
        """Verdict and polygon of every crop, from the file of an earlier call or searched now."""
        path = self._folder / f"{digest_of(self.recipe(KIND))}.json"
        try:
            stored = json.loads(path.read_text("utf-8"))["shadows"]
            return [(verdict, polygon) for verdict, polygon in stored]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        from testbed.adversaries.shadow import SwarmSettings, attack_crops
        from testbed.agents import defences

        benign = self._held_out.pictures(BENIGN)
        asked = DefendedClassifier(self._net, _load(self._net), defences.build_all(self._defences))
        begin, done, told = time.monotonic(), 0, time.monotonic()

        def on_done(index: int, outcome: Any) -> None:
            nonlocal done, told
            done += 1
            if time.monotonic() - told > 10.0:
                told = time.monotonic()
                self._say(f"    shadows against {self._net}: {done}/{len(benign)} signs, {told - begin:.0f} s")

        outcomes = attack_crops(
            [picture.crop for picture in benign if picture.crop is not None],
            [int(picture.truth) for picture in benign],
            asked,
            settings=SwarmSettings(starts=self._starts),
            seed=self._seed,
            on_done=on_done,
        )
        shadows: list[tuple[str, list[list[float]] | None]] = [
            (one.verdict, None if one.polygon is None else [[float(x), float(y)] for x, y in one.polygon])
            for one in outcomes
        ]
        queries = [one.queries for one in outcomes if one.attacked]
        document = {
            "recipe": self.recipe(KIND),
            "seconds": round(time.monotonic() - begin, 1),
            "queries": queries,
            "shadows": [[verdict, polygon] for verdict, polygon in shadows],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(document, allow_nan=False) + "\n")
        return shadows


def _weights(net: str) -> dict[str, str]:
    """Return weight file to sha256 of a model that can be asked."""
    from testbed import agents
    from testbed.agents import weights
    from testbed.agents.dnn.nets import SIGN_NETS

    if net in SIGN_NETS:
        name = SIGN_NETS[net].weights
        return {name: str(weights.card(name)["sha256"])}
    return dict(sorted(agents.card(net).weights.items()))


def _load(net: str) -> Any:
    import torch

    from testbed.adversaries.shadow import load_victim
    from testbed.agents.dnn.nets import SIGN_NETS
    from testbed.agents.dnn.sign_classifiers import load_sign_victim

    torch.set_num_threads(1)
    return load_sign_victim(net) if net in SIGN_NETS else load_victim(net)

"""How trained networks are kept: in which form each is stored, and that its figures are those of the stored numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from testbed.agents import weight_forms, weights

FORMS: dict[str, str] = {
    "denoiser": "float32",
    "dnn-lane": "float16",
    "dnn-tsr": "float16",
    "dnn-tsr-adversarial": "float16",
    "dnn-tsr-distilled": "float16",
    "dnn-tsr-dropout": "float16",
    "dnn-tsr-label-smoothing": "float16",
    "dnn-vd": "float16",
    "gtsrb-cnn": "int8",
    "row-anchor": "int8",
    "smollm-solo-alc": "int8",
    "smollm-solo-tsr": "int8",
    "smollm-solo-vd": "int8",
    "smollm-tandem": "int8",
    "vit-small": "int8",
    "vit-small-adversarial": "int8",
}
"""Name of the weights to one of `testbed.agents.weight_forms.FORMS`: the nets of `dnn` in half precision, large
others in 8 bits. The small V²LM's files are in half precision, see `testbed.agents.vlm.shipped`.
"""

ModelT = TypeVar("ModelT", bound=nn.Module)


def keep(
    name: str,
    network: ModelT,
    card: Mapping[str, Any],
    out: Path | None,
    figures: Callable[[ModelT], Mapping[str, Any]],
    form: str | None = None,
) -> Path:
    """Round a network to the form it is stored in, measure it, and write weights and card; return their path.

    What is shipped is what is measured: the figures are those of the rounded weights.

    Args:
        name: Of the weights.
        network: Rounded in place.
        card: Without ``figures``.
        out: Folder of the weights; the shipped ones when None.
        figures: Measures the network on held-out pictures.
        form: Instead of that in `FORMS`.
    """
    form = FORMS.get(name, "float32") if form is None else form
    exact = {key: value.clone() for key, value in network.state_dict().items()}
    network.load_state_dict(weight_forms.rounded(exact, form))
    return weights.save(name, exact, {**card, "figures": figures(network)}, out, stored_as=form)

"""In which form the numbers of a weight file are stored: as they are, in half precision, or in 8 bits.

Matrices and kernels of at least `LEAST` numbers, nearly all of a net, take the form; everything else (norms, biases,
tables, counters) stays as it is. The file says by the names of its tensors what it holds:

===========  ====================================================================================================
float32      ``NAME``, float32
float16      ``NAME``, float16: 11 bits of mantissa; bfloat16, with 8, lost eight times as much on our nets
int8         ``NAME.int8``, -127…127, and ``NAME.scale``, float32 (C,), one per output channel, the first axis;
             a weight is the product of the two, off by at most half a scale
===========  ====================================================================================================

Whatever the form, `unpack` gives back float32: networks compute as they did, from slightly rounded weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from testbed.core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

FORMS = ("float32", "float16", "int8")
LEAST = 1024
"""Tensors of fewer numbers are not worth rounding."""
STEPS = 127
"""Largest integer of the form ``int8``; -128 is left out, so that the form is symmetric."""
_INTEGERS, _SCALE = ".int8", ".scale"


def pack(tensors: Mapping[str, Tensor], form: str) -> dict[str, Tensor]:
    """Return tensors as a file of a form holds them.

    Args:
        tensors: A network's weights by name.
        form: One of `FORMS`.

    Raises:
        WeightsError: When the form is unknown, or a number does not fit it: not finite, or beyond half precision.
    """
    import torch

    if form not in FORMS:
        raise WeightsError(f"weights cannot be stored as {form!r}", hint=f"known: {', '.join(FORMS)}")
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu()
        if value.is_floating_point():
            value = value.float()
        if not _takes_form(value) or form == "float32":
            packed[name] = value
        elif form == "float16":
            packed[name] = value.half()
            if not packed[name].isfinite().all():
                raise WeightsError(f"weights {name!r} do not fit half precision")
        else:
            largest = value.flatten(1).abs().amax(1)
            if not largest.isfinite().all():
                raise WeightsError(f"weights {name!r} are not finite")
            scale = largest / STEPS
            per_channel = scale.clamp(min=torch.finfo(torch.float32).tiny).view(-1, *[1] * (value.dim() - 1))
            packed[name + _INTEGERS] = (value / per_channel).round().clamp(-STEPS, STEPS).to(torch.int8)
            packed[name + _SCALE] = scale
    rounded_ones = sum(name.endswith(_INTEGERS) for name in packed) if form == "int8" else 0
    if len(packed) < len(tensors) + rounded_ones:
        raise WeightsError(f"weights cannot be stored as {form!r}: a name ends on {_INTEGERS!r} or {_SCALE!r}")
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file by the network's own names; floating-point ones in float32.

    Raises:
        WeightsError: When integers lack their scales.
    """
    tensors: dict[str, Tensor] = {}
    of_integers = {name.removesuffix(_INTEGERS) for name in packed if name.endswith(_INTEGERS)}
    for name, value in packed.items():
        own = name.removesuffix(_INTEGERS)
        if own != name:
            scale = packed.get(own + _SCALE)
            if scale is None or scale.shape != value.shape[:1]:
                raise WeightsError(f"weights {own!r} lack the scales of their integers")
            tensors[own] = value.float() * scale.float().view(-1, *[1] * (value.dim() - 1))
        elif name.removesuffix(_SCALE) not in of_integers:
            tensors[name] = value.float() if value.is_floating_point() else value
    return tensors


def rounded(tensors: Mapping[str, Tensor], form: str) -> dict[str, Tensor]:
    """Return tensors as they come back from a file of a form; raises as `pack` does."""
    return unpack(pack(tensors, form))


def form_of(packed: Mapping[str, Tensor]) -> str:
    """Return the form that most bytes of a file's tensors have."""
    sizes = dict.fromkeys(FORMS, 0)
    for value in packed.values():
        kind = str(value.dtype).removeprefix("torch.")
        sizes[kind if kind in sizes else "float32"] += value.numel() * value.element_size()
    return max(sizes, key=lambda form: sizes[form])


def _takes_form(value: Tensor) -> bool:
    """Return whether a tensor is a matrix or kernel that is large enough to be rounded."""
    return value.is_floating_point() and value.dim() > 1 and value.shape[0] > 1 and value.numel() >= LEAST

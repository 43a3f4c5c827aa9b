"""Published recipes of fine-tuning, by the names of the models they were used for.

Sources: the settings that the publication under reproduction states for its models: one epoch each, learning rate with
cosine decay and a warm-up of 3 % (LLaVA), low-rank adapters of rank 128 and scale 256 (LLaVA-13B), a frozen tower
(Qwen-VL, as here always).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "llava_7b": {"method": "full", "epochs": 1.0, "batch": 32, "rate": 2e-5, "decay": 0.0},
    "llava_13b_lora": {"method": "lora", "epochs": 1.0, "batch": 32, "rate": 2e-5, "rank": 128, "alpha": 256},
    "qwen_vl": {"method": "full", "epochs": 1.0, "batch": 32, "rate": 1e-5, "decay": 0.1},
    "nvila_8b": {"method": "full", "epochs": 1.0, "batch": 64, "rate": 2e-5, "decay": 0.0},
}

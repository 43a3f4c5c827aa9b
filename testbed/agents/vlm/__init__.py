"""The V²LM room, the only one that imports transformers and peft: model, tokenizer, questions, closed-set answers.

Importing it pins the hub libraries to offline use: every weight comes from a file that the user has.
"""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

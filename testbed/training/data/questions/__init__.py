"""Questions about the pictures of the data sets, with the answers that the simulator's labels give.

A *kind* of question has many wordings and a closed set of answers (`KINDS`); a *pool* asks about the pictures of one
split, kinds and answers equally often, and some questions in vain (`QuestionPool`). Whatever a picture does not show is
answered by `CANNOT_TELL`. Wordings that are held out stand in the ``test`` split alone.
"""

from __future__ import annotations

from testbed.training.data.questions.conversations import about_one_picture, tandem
from testbed.training.data.questions.kind import CANNOT_TELL, QuestionKind
from testbed.training.data.questions.language_test import CONDITIONS, LanguageTest, language_test
from testbed.training.data.questions.pool import QuestionAnswer, QuestionPool, counts, mirrored, sample
from testbed.training.data.questions.registry import KINDS, PUBLISHED

__all__ = [
    "CANNOT_TELL",
    "CONDITIONS",
    "KINDS",
    "PUBLISHED",
    "LanguageTest",
    "QuestionAnswer",
    "QuestionKind",
    "QuestionPool",
    "about_one_picture",
    "counts",
    "language_test",
    "mirrored",
    "sample",
    "tandem",
]

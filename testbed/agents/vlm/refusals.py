"""What pydantic found wrong with the key ``model`` of an agent file, as one sentence that knows its place."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from testbed.core.errors import UsageError, suggest


def refusal(error: ValidationError, known: Iterable[str], *, see: str, skip: int = 0) -> UsageError:
    """Return the error to raise.

    Args:
        error: What pydantic found; the first of it is told.
        known: Keys that there are.
        see: Page that explains them.
        skip: Parts of pydantic's place that are no key of the file.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    at = ("model", *first["loc"][skip:])
    place = ".".join(str(part) for part in at)
    if first["type"] == "extra_forbidden":
        known = list(known)
        what = f"unknown key; {suggest(str(at[-1]), known)}known: {', '.join(known)}"
    elif first["type"] == "missing":
        what = "is missing"
    else:
        what = first["msg"].removeprefix("Value error, ")
    return UsageError(f"{place}: {what}", hint=f"see {see}", at=at)

"""One call of an evaluation: check everything first, ask what was never asked, then write the tables."""

from __future__ import annotations

import functools
from collections.abc import Callable

from testbed.evaluate import parallel, v2lms
from testbed.evaluate.documents import write
from testbed.evaluate.evaluation import Evaluation
from testbed.evaluate.figures import EvaluationResult, assemble
from testbed.evaluate.request import Request
from testbed.evaluate.tables import TABLES, AskedModels, absent, rows
from testbed.sweep.run import locked


def evaluate(request: Request, say: Callable[[str], None] = print) -> EvaluationResult:
    """Carry out an evaluation.

    Args:
        request: What is asked.
        say: Told one line at a time.

    Returns:
        What the tables say and where they are.

    Raises:
        TestbedError: See `Evaluation`.
    """
    with locked(request.out):
        say(f"{'; '.join(f'{name}: {TABLES[name]}' for name in request.tables if name in TABLES)}")
        models = asked_models(request)
        evaluation = Evaluation(request, say, rows(request.tables, models, adaptive=request.adaptive))
        cells = sum(len(todos) for todos in evaluation.plan)
        missing = len(evaluation.missing())
        for row, reason in evaluation.left_out:
            say(f"left out: table {row.table}, {row.victim.label}: {reason}")
        say(f"{len(evaluation.rows)} rows, {cells} cells, {missing} to be asked, into {request.out}")
        several = functools.partial(parallel.fill, request, evaluation.rows, jobs=request.jobs, say=say)
        if not evaluation.ask(several if request.jobs > 1 else None):
            say("nothing to ask: every answer is stored")
        asked, missed = evaluation.asked(), absent(request.tables, models)
        result = assemble(asked, evaluation.left_out, missed, evaluation.digests(), request)
        return write(result, request)


def asked_models(request: Request) -> AskedModels:
    """Return the V²LMs that a request asks.

    Raises:
        UsageError: One that it names does not exist, is no V²LM, or has the name of another.
    """
    tuned = v2lms.named(request.agents) if request.agents else v2lms.shipped()
    zero_shot = v2lms.named(request.zero_shot, zero_shot=True)
    v2lms.check_labels([*tuned, *zero_shot])
    return AskedModels(tuple(tuned), tuple(zero_shot))

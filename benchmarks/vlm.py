"""What a V²LM costs: ``python -m benchmarks.vlm [--models shipped,llava-tiny,smollm] [--seconds 5]``.

Per model, deployment and way to answer: time to load, memory of the process, time of one decision with three
questions, and of one conversation among 4 and 16 that are answered together. Every row is a process of its own with one
thread. Families are built with random weights, which cost what trained ones cost. On a GPU the full sizes are built
too; where there is none their rows say "not measured".
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.agents import observations

if TYPE_CHECKING:
    from testbed.agents.vlm.readings import ConversationReader, ImagePrompt

BATCHES = (1, 4, 16)
SHIPPED = tuple((agent, "form") for agent in ("tandem", "solo", "parallel", "tandem_smollm", "solo_smollm"))
WAYS = ("form", "choose", "generate")
FULL = (("llava", "7b"), ("qwen2_5_vl", "7b"))
CORPUS = ("Identify this traffic sign.", "As a car driver, at which direction should you turn the steering wheel?")


def timed_ms(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Return (p50, p95) in ms of a call that is repeated for some seconds, and three times at least."""
    call()
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while len(spent) < 3 or time.perf_counter() < end:
        before = time.perf_counter()
        call()
        spent.append(1e3 * (time.perf_counter() - before))
    p50_ms, p95_ms = np.percentile(spent, [50, 95])
    return float(p50_ms), float(p95_ms)


def with_form(name: str, device: str) -> Any:
    """Return a loaded checkpoint whose tokenizer has the fields of a form."""
    from testbed.agents.vlm import checkpoint
    from testbed.agents.vlm.form import FormTokens
    from testbed.agents.vlm.readings import CANNOT_TELL, CHOICES

    ready = checkpoint.load(name, device=device)
    FormTokens.add(ready.tokenizer, [CANNOT_TELL, *(word for words in CHOICES.values() for word in words)])
    checkpoint.make_room(ready.network, len(ready.tokenizer))
    return ready


def built(model: str, folder: Path) -> str:
    """Return the folder of a family's size, or of SmolLM2's assembly."""
    from testbed.agents.vlm import families, smollm

    if model == "smollm":
        return str(smollm.assemble())
    family, _, size = model.rpartition("-")
    return str(families.build(family, size, folder, CORPUS))


def checkpoint_row(model: str, deployment: str, way: str, seconds: float, device: str) -> dict[str, Any]:
    """Measure a checkpoint with random weights."""
    from testbed.agents.vlm import answers
    from testbed.agents.vlm.choose import ClosedSetReader
    from testbed.agents.vlm.form import FormReader
    from testbed.agents.vlm.generate import FreeTextReader

    with tempfile.TemporaryDirectory() as place:
        folder = built(model, Path(place))
        before = time.perf_counter()
        ready = with_form(folder, device)
        load_s = time.perf_counter() - before
    readers: dict[str, Callable[[], ConversationReader]] = {
        "form": lambda: FormReader(ready),
        "choose": lambda: ClosedSetReader(ready),
        "generate": lambda: FreeTextReader(ready, max_new_tokens=32),
    }
    reader = readers[way]()
    asked = answers.questions(observations(1)[0])
    talks = [(reader, asked)] if deployment == "tandem" else [(reader, [one]) for one in asked]
    return {"parameters": ready.parameters, "load_s": load_s} | batch_figures(talks, seconds, BATCHES)


def batch_figures(
    talks: Sequence[tuple[ConversationReader, list[ImagePrompt]]], seconds: float, batches: Sequence[int]
) -> dict[str, float]:
    """Measure the conversations that make a decision, alone and together with equal ones; ms per decision."""
    found: dict[str, float] = {}
    for batch in batches:
        spent = [timed_ms(lambda one=one, n=batch: one[0].read_batch([one[1]] * n), seconds) for one in talks]
        found[f"batch_{batch}_ms"] = sum(p50 for p50, _ in spent) / batch
        if batch == 1:
            found["p95_ms"] = sum(p95 for _, p95 in spent)
    return found


def agent_row(agent: str, seconds: float) -> dict[str, Any]:
    """Measure a shipped agent as it drives."""
    from testbed import agents
    from testbed.agents.vlm import answers
    from testbed.agents.vlm.agent import VlmAgent

    before = time.perf_counter()
    loaded = agents.load(agent)
    load_s = time.perf_counter() - before
    seen = observations(8)
    turns = iter(range(10**9))
    p50_ms, p95_ms = timed_ms(lambda: loaded.perceive(seen[next(turns) % len(seen)]), seconds)
    found: dict[str, float] = {}
    if isinstance(loaded, VlmAgent):
        readers = loaded.readers
        asked = answers.questions(seen[0])
        talks = [(readers[one.task], [one]) for one in asked] if "alc" in readers else [(readers["tandem"], asked)]
        found = batch_figures(talks, seconds, BATCHES[1:])
    return found | {"parameters": loaded.card.parameters, "load_s": load_s, "batch_1_ms": p50_ms, "p95_ms": p95_ms}


def row(model: str, deployment: str, way: str, seconds: float, device: str) -> str:
    """Measure in a process of its own and return a row of the table."""
    command = [sys.executable, "-m", "benchmarks.vlm", "--one", model, deployment, way, device]
    done = subprocess.run([*command, "--seconds", str(seconds)], capture_output=True, text=True, check=False)
    head = f"{model:16} {deployment:9} {way:9} {device:5}"
    if done.returncode:
        return f"{head} failed: {done.stderr.strip().splitlines()[-1]}"
    found = json.loads(done.stdout.splitlines()[-1])
    batches = [found.get(f"batch_{size}_ms") for size in BATCHES[1:]]
    cells = " ".join(f"{value:9.1f}" if value is not None else f"{'–':>9}" for value in batches)
    return (
        f"{head} {found['parameters'] / 1e6:8.1f} {found['load_s']:7.1f} {found['memory_mb']:9.0f} "
        f"{found['batch_1_ms']:8.1f} {found['p95_ms']:8.1f} {cells}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vlm", description=__doc__)
    parser.add_argument("--models", default="shipped,llava-tiny,qwen2_5_vl-tiny,smolvlm-tiny", metavar="a,b")
    parser.add_argument("--seconds", type=float, default=5.0, help="per figure (default 5)")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    import torch

    if options.one:
        torch.set_num_threads(1)
        model, deployment, way, device = options.one
        found = (
            agent_row(deployment, options.seconds)
            if model == "shipped"
            else checkpoint_row(model, deployment, way, options.seconds, device)
        )
        found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if device == "cuda":
            found["memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
        print(json.dumps(found))
        return 0
    print("model            deploys   answers   on    M params  load s memory MB   p50 ms   p95 ms  of 4, ms of 16, ms")
    gpu = torch.cuda.is_available()
    for model in options.models.split(","):
        kinds = SHIPPED if model == "shipped" else [(one, way) for way in WAYS for one in ("tandem", "solo")]
        for deployment, way in kinds:
            print(row(model, deployment, way, options.seconds, "cpu"), flush=True)
    for family, size in FULL:
        for deployment in ("tandem", "solo"):
            name = f"{family}-{size}"
            measured = row(name, deployment, "form", options.seconds, "cuda") if gpu else "not measured: no GPU here"
            print(measured if gpu else f"{name:16} {deployment:9} {'form':9} cuda  {measured}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

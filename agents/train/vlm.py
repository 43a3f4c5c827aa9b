"""Trains the small V²LM's language side on the frozen tower's features, then the adapters of solo and tandem.

The tower (`agents.train.vlm_tower`) is frozen, so its tokens are computed once per picture and augmentation and kept
in memory; projector and text model then learn the answers from them. A conversation has the form of
`agents.vlm.reader`: the loss is the cross-entropy of the values at the form's fields. Numbers get a soft target, a
narrow bell over neighbouring bins, because a box that is off by one bin is nearly right.

Order: ``vlm-tower`` → ``vlm-base`` → ``vlm-solo-tsr``, ``vlm-solo-alc``, ``vlm-solo-vd``, ``vlm-tandem``. All read
the folders ``tsr``, ``alc`` and ``vd`` below one data folder.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from agents import weights
from agents.train import vlm_tower
from agents.train.common import fraction
from agents.vlm import cards, language
from agents.vlm import model as models
from agents.vlm.images import WINDOWS, fit
from agents.vlm.model import VisionLanguageModel
from agents.vlm.reader import Question, Reader, Reading, expectation
from testbed.core.questions import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from testbed.core.types import Observation
from testbed.dataset.format import Split, load_split, sha256_of

log = logging.getLogger(__name__)

TASKS = ("tsr", "alc", "vd")
TOWER = "vlm-tower"
LAYOUTS: tuple[tuple[str, ...], ...] = (("tsr",), ("alc",), ("vd",), ("tsr", "alc", "vd"), ("alc", "vd"))
"""Conversations the base model knows: one question each (solo), three or two in one (tandem)."""

ROUNDS = {"tsr": 1, "alc": 3, "vd": 2}
"""Augmented versions of each training picture whose tokens are kept; fewer where there are more pictures."""

BELL_BINS = 1.0
"""Standard deviation of a number's soft target, in bins."""


@dataclass
class Features:
    """Tokens of the frozen tower with the answers that go with them.

    Attributes:
        tokens: (N, image tokens, C) float16.
        choice: (N,) index into `language.CHOICES` of the task.
        box: (N, 4) centre x, centre y, height, width as fractions; NaN without a vehicle; only ``vd``.
    """

    tokens: Tensor
    choice: Tensor
    box: Tensor

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.choice)

    def draw(self, count: int, random: torch.Generator) -> Features:
        """Return `count` random rows."""
        rows = torch.randint(len(self), (count,), generator=random)
        return Features(self.tokens[rows], self.choice[rows], self.box[rows])


Shared = tuple[dict[str, Features], dict[str, Features]]
"""Tokens of training and of held-out pictures by task."""


def answers(task: str, columns: vlm_tower.Columns) -> tuple[Tensor, Tensor]:
    """Return choice (N,) and box (N, 4) of the columns of a task."""
    if task == "tsr":
        choice = columns["class_id"].long()
    elif task == "alc":
        choice = columns["steering"].long()
    else:
        choice = columns["present"].long()
        low, high = columns["lead_box_px"][:, :2], columns["lead_box_px"][:, 2:]
        view = torch.tensor([IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX], dtype=torch.float32)
        centre, size = (low + high) / 2 / view, (high - low) / view
        return choice, torch.cat([centre, size.flip(1)], 1)
    return choice, torch.full((len(choice), 4), float("nan"))


@torch.inference_mode()
def features(network: Any, source: Any, rounds: float, seed: int) -> Features:
    """Run the tower over augmented pictures of one task.

    Args:
        network: Built FastVLM network.
        source: Anything with ``task``, ``split`` and ``draw`` like `vlm_tower.Pictures`.
        rounds: Augmented versions per picture.
        seed: Of the augmentation.
    """
    random = torch.Generator().manual_seed(seed)
    parts: list[Features] = []
    for _ in range(max(1, round(rounds * len(source.split)) // 64)):
        pixels, columns = source.draw(64)
        choice, box = answers(source.task, columns)
        parts.append(Features(encode(network, vlm_tower.jitter(pixels, random)), choice, box))
    return Features(*(torch.cat([getattr(p, key) for p in parts]) for key in ("tokens", "choice", "box")))


@torch.inference_mode()
def clean_features(network: Any, split: Split, limit: int | None = None) -> Features:
    """Run the tower over the first pictures of a split as they are."""
    count = len(split) if limit is None else min(limit, len(split))
    columns = {
        key: torch.from_numpy(np.asarray(split.labels[key][:count])) for key in vlm_tower.Pictures.KEPT[split.task]
    }
    parts = []
    for start in range(0, count, 64):
        images = [fit(split.image(i), WINDOWS[split.task]) for i in range(start, min(start + 64, count))]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
        parts.append(encode(network, pixels))
    return Features(torch.cat(parts), *answers(split.task, columns))


def encode(network: Any, pixels: Tensor) -> Tensor:
    """Return the tower's tokens (N, T, C) in half precision."""
    with torch.autocast("cpu", torch.bfloat16):
        maps = network.model.vision_tower(pixels, return_dict=True).last_hidden_state
    tokens: Tensor = maps.flatten(2).transpose(1, 2).half()
    return tokens


def core(network: Any) -> Any:
    """Return the FastVLM network, whether or not peft is wrapped around it."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def field_logits(model: VisionLanguageModel, reader: Reader, drawn: Mapping[str, Features]) -> Tensor:
    """Return the logits (N, fields, vocabulary) of one conversation per row, from tokens instead of pictures."""
    tasks = tuple(drawn)
    rows = len(drawn[tasks[0]])
    ids = reader.input_ids(tasks).expand(rows, -1)
    tokens = torch.stack([drawn[task].tokens.float() for task in tasks], 1).flatten(0, 1)  # row by row, task by task
    images = models.encoded(core(model.network).model.multi_modal_projector(tokens))
    fields = sum(len(language.SLOTS[task]) for task in tasks)
    logits: Tensor = model.network(
        input_ids=ids, mm_encoder_outputs={"image": images}, logits_to_keep=fields, use_cache=False
    ).logits
    return logits


def answer_loss(logits: Tensor, reader: Reader, drawn: Mapping[str, Features]) -> Tensor:
    """Return the mean cross-entropy of the right values at the fields of the form."""
    total, field = logits.new_zeros(()), 0
    for task, rows in drawn.items():
        right = reader.choice_ids[task][rows.choice]
        total = total + functional.cross_entropy(logits[:, field], right)
        if task == "vd":
            known = rows.box.isfinite().all(1)
            if known.any():
                bins = torch.arange(language.BINS)
                place = rows.box[known].clamp(0, 1)[..., None] * language.BINS - 0.5
                target = (-0.5 * ((bins - place) / BELL_BINS) ** 2).softmax(-1)
                chance = logits[known, field + 1 : field + 5].log_softmax(-1)[..., reader.location_ids]
                total = total - (target * chance).sum(-1).mean(0).sum() * 0.5
        field += len(language.SLOTS[task])
    return total


@torch.inference_mode()
def quick_figures(
    model: VisionLanguageModel, reader: Reader, held_out: Mapping[str, Features], tasks: tuple[str, ...]
) -> dict[str, float]:
    """Return held-out figures of one layout from clean tokens; rows of several tasks are paired as they come."""
    count = max(len(held_out[task]) for task in tasks)
    hits: dict[str, list[Tensor]] = {task: [] for task in tasks}
    overlaps = []
    for start in range(0, count, 64):
        rows = torch.arange(start, min(start + 64, count))
        drawn = {}
        for task in tasks:
            at = rows % len(held_out[task])
            source = held_out[task]
            drawn[task] = Features(source.tokens[at], source.choice[at], source.box[at])
        logits, field = field_logits(model, reader, drawn).float(), 0
        for task in tasks:
            found = logits[:, field][:, reader.choice_ids[task]].argmax(1)
            hits[task].append(found == drawn[task].choice)
            if task == "vd":
                present = drawn[task].choice == 1
                boxes = expectation(logits[present, field + 1 : field + 5][..., reader.location_ids])
                overlap = vlm_tower.box_overlap(_corners(boxes), _corners(drawn[task].box[present]))
                overlaps.append(overlap * found[present])
            field += len(language.SLOTS[task])
    figures = {task: round(float(torch.cat(values).float().mean()), 4) for task, values in hits.items()}
    if overlaps:
        figures["iou"] = round(float(torch.cat(overlaps).mean()), 4)
    return figures


def _corners(boxes: Tensor) -> Tensor:
    half = boxes[:, 2:].flip(1) / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def fit_answers(
    model: VisionLanguageModel,
    train: Mapping[str, Features],
    layouts: Mapping[tuple[str, ...], int],
    *,
    steps: int,
    minutes: float,
    peak: float,
    seed: int,
    check: Callable[[], object] | None = None,
) -> int:
    """Train all parameters that require gradients; return the number of steps done.

    Args:
        model: Model in training; its tower is not touched.
        train: Tokens of the tasks.
        layouts: Conversations per step and layout.
        steps: Upper bound.
        minutes: Upper bound.
        peak: Highest learning rate.
        seed: Of the draws.
        check: Called now and then; its result is logged.
    """
    random = torch.Generator().manual_seed(seed)
    reader = Reader(model)
    trained = [parameter for parameter in model.network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    model.network.train()
    core(model.network).model.vision_tower.eval()
    step, shown, start = 0, {layout: 0.0 for layout in layouts}, time.monotonic()
    for done in vlm_tower.clock(steps, minutes):
        for group in optimiser.param_groups:
            group["lr"] = vlm_tower.rate(done, peak)
        optimiser.zero_grad(set_to_none=True)
        for layout, count in layouts.items():
            drawn = {task: train[task].draw(count, random) for task in layout}
            with torch.autocast("cpu", torch.bfloat16):
                logits = field_logits(model, reader, drawn)
            loss = answer_loss(logits.float(), reader, drawn)
            loss.backward()  # type: ignore[no-untyped-call]
            shown[layout] += 0.05 * (float(loss.detach()) - shown[layout])
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            seen = {"+".join(layout): round(value, 3) for layout, value in shown.items()}
            log.info("step %d %.0f%% %.2f s/step %s", step, 100 * done, (time.monotonic() - start) / step, seen)
        if check is not None and step % 300 == 0:
            model.network.eval()
            log.info("held out: %s", check())
            model.network.train()
            core(model.network).model.vision_tower.eval()
    model.network.eval()
    return step


def whiten_projector(model: VisionLanguageModel, train: Mapping[str, Features]) -> None:
    """Start the projector so that it sees every channel of the tower with mean 0 and deviation 1."""
    sample = torch.cat([rows.tokens[:: max(1, len(rows) // 500)] for rows in train.values()]).float().flatten(0, 1)
    mean, deviation = sample.mean(0), sample.std(0).clamp(min=1e-3)
    linear = core(model.network).model.multi_modal_projector.linear_1
    with torch.no_grad():
        linear.weight.normal_(0.0, linear.in_features**-0.5)
        linear.weight /= deviation
        linear.bias.copy_(-linear.weight @ mean)


def open_data(data: Path, name: str, tasks: Sequence[str] = TASKS) -> dict[str, Split]:
    """Open a split of the folders ``tsr``, ``alc`` and ``vd`` below `data`."""
    return {task: load_split(data / task, name, task=task) for task in tasks}


def provenance(data: Path, steps: int, started: float, tasks: Sequence[str] = TASKS, **settings: Any) -> dict[str, Any]:
    """Return what a card says about how weights came to be."""
    seconds = round(time.monotonic() - started, 1)
    return {
        "data": {task: sha256_of(data / task / "dataset.json") for task in tasks},
        "hyper_parameters": settings,
        "trained": {
            "steps": steps,
            "seconds": seconds,
            "hardware": f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)",
            "torch": torch.__version__,
            "transformers": importlib.metadata.version("transformers"),
        },
    }


def train_tower(
    data: Path,
    out: Path | None = None,
    *,
    warmup_steps: int = 6000,
    warmup_minutes: float = 40.0,
    sign_steps: int = 2500,
    sign_minutes: float = 20.0,
    steps: int = 9000,
    minutes: float = 60.0,
    rate: float = 1.5e-3,
    seed: int = 1,
) -> Path:
    """Train the vision tower and write it, heads included, as ``vlm-tower``; finished stages in `out` are reused.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where to write; None for the shipped weights' folder.
        warmup_steps: Steps on procedural pictures before the data sets; 0 for none.
        warmup_minutes: Upper bound of that.
        sign_steps: Steps mostly on signs after that; 0 for none.
        sign_minutes: Upper bound of that.
        steps: Steps on the data sets.
        minutes: Upper bound of that.
        rate: Peak learning rate on the data sets.
        seed: Of everything.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    folder = weights.FOLDER if out is None else out
    torch.manual_seed(seed)
    model = vlm_tower.TowerWithHeads()
    splits = open_data(data, "train")
    warmed, signed = folder / "warmup.safetensors", folder / "signs.safetensors"
    if warmup_steps and not warmed.is_file():
        vlm_tower.warm_up(folder, steps=warmup_steps, minutes=warmup_minutes, seed=seed)
    if warmed.is_file():
        vlm_tower.restore(model, warmed)
    if sign_steps and not signed.is_file():
        vlm_tower.learn_signs(model, splits["tsr"], folder, steps=sign_steps, minutes=sign_minutes, seed=seed)
    if signed.is_file():
        vlm_tower.restore(model, signed)
    sources = {task: vlm_tower.Pictures(split, seed) for task, split in splits.items()}

    def check(limit: int | None = 640) -> dict[str, float]:
        return {
            key: round(value, 4)
            for task, split in open_data(data, "test").items()
            for key, value in vlm_tower.evaluate(model, *vlm_tower.held_out(split, limit), task).items()
        }

    done = vlm_tower.optimise(model, sources, steps=steps, minutes=minutes, peak=rate, seed=seed, check=check)
    figures = check(None)
    log.info("tower: %s", figures)
    card = provenance(data, done, started, rate=rate, seed=seed, shares=vlm_tower.SHARES) | {"figures": figures}
    return weights.save(TOWER, model.state_dict(), card, folder)


def start(out: Path | None, seed: int) -> tuple[VisionLanguageModel, dict[str, Any]]:
    """Build the small model around the frozen tower ``vlm-tower`` in `out`; return it and the tower's card."""
    torch.manual_seed(seed)
    tensors, card = weights.load(TOWER, out)
    model = models.build(models.small_blueprint())
    own = {key.removeprefix("tower."): value for key, value in tensors.items() if key.startswith("tower.")}
    model.network.model.vision_tower.timm_model.load_state_dict(own)
    model.network.model.vision_tower.requires_grad_(False)
    return model, card


def train_base(
    data: Path,
    out: Path | None = None,
    *,
    steps: int = 3000,
    minutes: float = 20.0,
    rate: float = 1e-3,
    rounds: float = 1.0,
    seed: int = 2,
    shared: Shared | None = None,
) -> Path:
    """Train projector and text model on the frozen tower ``vlm-tower`` in `out` and write ``vlm-base``.

    Args:
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where the tower is read and the base written; None for the shipped weights' folder.
        steps: Upper bound.
        minutes: Upper bound.
        rate: Peak learning rate.
        rounds: Factor of `ROUNDS`.
        seed: Of everything.
        shared: Result of `load_features`, when adapters are trained in the same process.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    model, tower_card = start(out, seed)
    train, held_out = load_features(model, data, rounds, seed) if shared is None else shared
    whiten_projector(model, train)
    layouts = dict(zip(LAYOUTS, (16, 24, 24, 6, 4), strict=True))
    reader = Reader(model)

    def check() -> dict[str, object]:
        return {"+".join(tasks): quick_figures(model, reader, held_out, tasks) for tasks in LAYOUTS}

    done = fit_answers(model, train, layouts, steps=steps, minutes=minutes, peak=rate, seed=seed, check=check)
    card = provenance(data, done, started, rate=rate, rounds=rounds, seed=seed) | {
        "tower": {key: tower_card[key] for key in ("sha256", "trained", "figures")},
        "quick_figures": check(),
        "summary": f"tower {tower_card['trained']['steps']} steps, text model {done} steps on simulated pictures",
    }
    return models.save_base(model, card, out)


def load_features(
    model: VisionLanguageModel, data: Path, rounds: float, seed: int, tasks: Sequence[str] = TASKS
) -> Shared:
    """Return tokens of augmented training pictures and of the first 500 held-out pictures as they are."""
    network = core(model.network)
    train = {}
    for task, split in open_data(data, "train", tasks).items():
        train[task] = features(network, vlm_tower.Pictures(split, seed), rounds * ROUNDS[task], seed)
        log.info("%s: %d augmented pictures seen by the tower", task, len(train[task]))
    return train, {task: clean_features(network, split, 500) for task, split in open_data(data, "test", tasks).items()}


def train_adapter(
    kind: str,
    data: Path,
    out: Path | None = None,
    *,
    steps: int = 500,
    minutes: float = 6.0,
    rate: float = 1e-3,
    rounds: float = 1.0,
    seed: int = 3,
    shared: Shared | None = None,
) -> Path:
    """Train the adapter of one solo task or of tandem and write it with its held-out figures.

    Args:
        kind: ``tsr``, ``alc``, ``vd`` or ``tandem``.
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        out: Where the base is read and the adapter written; None for the shipped weights' folder.
        steps: Upper bound.
        minutes: Upper bound.
        rate: Peak learning rate.
        rounds: Factor of `ROUNDS`.
        seed: Of everything.
        shared: Result of `load_features`, when several adapters are trained in a row.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, base_card = models.load_base(folder=out)
    tasks = TASKS if kind == "tandem" else (kind,)
    train, held_out = load_features(model, data, rounds, seed, tasks) if shared is None else shared
    models.add_adapter(model)
    layouts: dict[tuple[str, ...], int] = {(kind,): 48}
    if kind == "tandem":
        layouts = {("tsr", "alc", "vd"): 16, ("alc", "vd"): 8}
    reader = Reader(model)

    def check() -> dict[str, object]:
        return {"+".join(layout): quick_figures(model, reader, held_out, layout) for layout in layouts}

    done = fit_answers(model, train, layouts, steps=steps, minutes=minutes, peak=rate, seed=seed, check=check)
    name = cards.ADAPTERS[kind]
    summary = {"summary": f"{name}: LoRA {done} steps"}
    card = provenance(data, done, started, tasks, rate=rate, rounds=rounds, seed=seed) | summary
    models.save_adapter(model, name, card, base_card["sha256"], out)
    model, base_card = models.load_base(folder=out)
    models.load_adapter(model, base_card, name, out)
    figures = evaluate(model, data, "tandem" if kind == "tandem" else "solo", tasks)
    log.info("%s: %s", name, figures)
    tensors, card = weights.load(name, out)
    return weights.save(name, tensors, {**card, "figures": figures}, out)


def evaluate(
    model: VisionLanguageModel, data: Path, kind: str, tasks: Sequence[str], limit: int | None = None
) -> dict[str, Any]:
    """Ask a model about the held-out pictures exactly as its agent does; return figures as k/n.

    Args:
        model: Model with its adapter merged.
        data: Folder that holds ``tsr``, ``alc`` and ``vd``.
        kind: ``solo`` asks one question at a time, ``tandem`` all `tasks` in one conversation; held-out pictures of
            different tasks are then paired as they come, each asked at least once.
        tasks: Tasks to ask.
        limit: Only the first pictures of each split.
    """
    splits = open_data(data, "test", tasks)
    sizes = {task: len(split) if limit is None else min(limit, len(split)) for task, split in splits.items()}
    readings: dict[str, list[Reading]] = {task: [] for task in tasks}
    reader = Reader(model)
    for group in [tuple(tasks)] if kind == "tandem" else [(task,) for task in tasks]:
        count = max(sizes[task] for task in group)
        for start in range(0, count, 16):
            rows = range(start, min(start + 16, count))
            asked = [[Question(t, splits[t].image(row % sizes[t])) for t in group] for row in rows]
            for row, answered in zip(rows, reader.read_batch(asked), strict=True):
                for reading in answered:
                    if row < sizes[reading.task]:
                        readings[reading.task].append(reading)
    figures: dict[str, Any] = {}
    for task in tasks:
        figures |= _figures(task, splits[task], readings[task])
    return figures


def _figures(task: str, split: Split, readings: Sequence[Reading]) -> dict[str, Any]:
    columns = {key: torch.from_numpy(np.asarray(split.labels[key])) for key in vlm_tower.Pictures.KEPT[task]}
    right_choice, right_box = answers(task, columns)
    right = right_choice[: len(readings)].numpy()
    found = np.array([reading.choice for reading in readings])
    hit = fraction(int((found == right).sum()), len(right))
    f1 = round(macro_f1(found, right), 4)
    if task == "tsr":
        loop = split.labels["source"][: len(right)] == 0
        return {
            "tsr_accuracy": hit,
            "tsr_macro_f1": f1,
            "tsr_loop_accuracy": fraction(int((found == right)[loop].sum()), int(loop.sum())),
        }
    if task == "alc":
        return {"alc_accuracy": hit, "alc_macro_f1": f1}
    present = right == 1
    boxes = torch.tensor([reading.box for reading in readings], dtype=torch.float32)
    overlap = vlm_tower.box_overlap(_corners(boxes[present]), _corners(right_box[: len(right)][present]))
    overlap = overlap * torch.from_numpy(found[present] == 1)
    return {"vd_presence": hit, "vd_macro_f1": f1, "vd_mean_iou": round(float(overlap.mean()), 4)}


def macro_f1(found: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Return the unweighted mean F1 over the classes that occur in `right`."""
    scores = []
    for label in np.unique(right):
        both = int(((found == label) & (right == label)).sum())
        scores.append(2 * both / max(1, int((found == label).sum()) + int((right == label).sum())))
    return float(np.mean(scores))


def record_latency(kind: str, out: Path | None = None, repeats: int = 40) -> tuple[float, float]:
    """Measure one decision with three questions and write (p50, p95) in ms into the card of the agent's last adapter.

    CPU time of one thread is taken, not wall time: the same on a quiet machine, and untouched by its other work.

    Args:
        kind: ``solo`` or ``tandem``.
        out: Folder of the weights; None for the shipped ones.
        repeats: Decisions measured, after a quarter as many unmeasured ones.
    """
    torch.set_num_threads(1)
    agent = importlib.import_module(f"agents.{kind}").build(folder=out)
    rng = np.random.default_rng(0)
    view = rng.integers(0, 256, (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3), dtype=np.uint8)
    observation = Observation(0, 0.0, view, 20.0, sign_crop=view[:24, :24].copy())
    spent_ms = []
    for turn in range(repeats + repeats // 4):
        start = time.process_time()
        agent.perceive(observation)
        if turn >= repeats // 4:
            spent_ms.append(1000 * (time.process_time() - start))
    p50, p95 = (round(float(np.percentile(spent_ms, share)), 1) for share in (50, 95))
    path = (weights.FOLDER if out is None else out) / f"{cards.ADAPTERS['vd' if kind == 'solo' else kind]}.json"
    card = json.loads(path.read_text(encoding="utf-8")) | {"latency_ms": {kind: [p50, p95]}}
    path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return p50, p95

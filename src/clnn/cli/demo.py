"""`clnn demo digits`: train a real network on real data on the best device, and show that it is right."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .. import io
from ..device import Device, default_device
from ..device import device as open_device
from ..errors import ClnnError, SettingError
from . import digits, picture

RTOL = 1e-3  # first-epoch losses: float32 rounding, amplified by the steps taken since
GOAL = 0.98


class DemoError(ClnnError, RuntimeError):
    """The demo ran, but its result is not what it must be."""


def register(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    parser = subparsers.add_parser("demo", help="train a network on real data", description=__doc__)
    parser.add_argument("name", choices=["digits"], help="which demo")
    parser.add_argument("--device", help="opencl:0, cuda:0, cpu, ... (default: the best there is)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=digits.EPOCHS,
        help="passes over the data (default %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights, order and dropout (default %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("clnn-demo"), help="folder for model and picture"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Train, compare with the reference, write model and picture; raises DemoError if it is wrong."""
    if args.epochs < 1:
        raise SettingError(f"demo: expected --epochs >= 1, got {args.epochs}")
    console = Console(highlight=False)
    device = open_device(args.device) if args.device else default_device()
    data = digits.load()
    label = (
        f"{device} ({device.info.name.strip()})" if device.info else f"{device} (NumPy reference)"
    )
    console.print(f"Training a convolutional network on {len(data.train[1])} handwritten digits")
    console.print(f"device  [bold]{label}[/bold]", soft_wrap=True)
    start = time.perf_counter()
    history = _train(console, data, device, args.epochs, args.seed)
    seconds = time.perf_counter() - start
    console.print(
        f"test accuracy [bold]{history.accuracy[-1]:.1%}[/bold] on {digits.TEST} unseen digits "
        f"after {args.epochs} epochs, {seconds:.1f} s"
    )
    worst = _compare(console, data, device, args, history)
    args.out.mkdir(parents=True, exist_ok=True)
    model, image = args.out / "digits.safetensors", args.out / "digits.png"
    io.save(model, history.model, metadata={"accuracy": history.accuracy[-1], "seed": args.seed})
    picture.draw(image, data, history, title=label)
    console.print(f"model    {model.resolve()}\npicture  {image.resolve()}", soft_wrap=True)
    if worst > RTOL:
        raise DemoError(
            f"demo: expected the first epoch's losses to equal the reference's within {RTOL:.0e}, "
            f"got a difference of {worst:.1e}; please report the device {label}"
        )
    if args.epochs >= digits.EPOCHS and history.accuracy[-1] < GOAL:
        raise DemoError(
            f"demo: expected an accuracy of at least {GOAL:.0%}, got {history.accuracy[-1]:.1%}"
        )
    return 0


def _train(
    console: Console, data: digits.Digits, device: Device, epochs: int, seed: int
) -> digits.History:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("epoch", "mean loss", "test accuracy"):
        table.add_column(column, justify="right")
    per_epoch = digits.steps_per_epoch(data)
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn(),
               TextColumn("{task.fields[note]}"))  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs * per_epoch, note="compiling kernels")

        def on_epoch(history: digits.History) -> None:
            loss, accuracy = float(np.mean(history.losses[-per_epoch:])), history.accuracy[-1]
            progress.update(task, note=f"loss {loss:.3f}, accuracy {accuracy:.1%}")
            table.add_row(str(len(history.accuracy)), f"{loss:.4f}", f"{accuracy:.1%}")

        history = digits.train(data, device, epochs=epochs, seed=seed,
                               on_step=lambda: progress.advance(task), on_epoch=on_epoch)  # fmt: skip
    console.print(table)
    return history


def _compare(
    console: Console,
    data: digits.Digits,
    device: Device,
    args: argparse.Namespace,
    history: digits.History,
) -> float:
    """Largest relative difference between the first epoch's losses here and on the NumPy reference."""
    if device.is_cpu():
        console.print("reference: this run was the reference")
        return 0.0
    per_epoch = digits.steps_per_epoch(data)
    with console.status(f"training one epoch on the NumPy reference to compare {per_epoch} losses"):
        reference = digits.train(data, open_device("cpu"), epochs=1, seed=args.seed)
    here, there = np.array(history.losses[:per_epoch]), np.array(reference.losses)
    difference = np.abs(here - there) / np.abs(there)
    console.print(
        f"reference: the first epoch's {per_epoch} losses equal NumPy's within {difference.max():.1e} "
        f"(first step {difference[0]:.1e}; allowed {RTOL:.0e})"
    )
    return float(difference.max())

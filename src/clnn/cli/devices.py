"""`clnn devices`: what there is, what to call it, and which one is the default and why."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..device import Device, default_device, devices
from ..errors import DeviceError
from . import tables

if TYPE_CHECKING:
    from ..backends.opencl.discovery import DeviceInfo

ORDER = (
    "the best found (discrete GPU, integrated GPU, accelerator, CPU, NumPy; see docs/devices.md)"
)
COLUMNS = ("name", "device", "vendor", "driver", "units", "memory", "OpenCL C", "fp16/fp64")


def register(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    return subparsers.add_parser(
        "devices", help="list the devices clnn can use", description=__doc__
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; an unusable CLNN_DEVICE is reported below it, as DeviceError."""
    from ..backends.opencl.discovery import hint, notes

    problem: DeviceError | None = None
    default: Device | None = None
    try:
        default = default_device()
    except DeviceError as error:
        problem = error
    found = devices()
    table = _table(found, default)
    console = Console(highlight=False)
    tables.show(console, table)
    console.print()
    if default is not None:
        asked = os.environ.get("CLNN_DEVICE", "").strip()
        why = (
            f"chosen by CLNN_DEVICE={asked}"
            if asked
            else ORDER
            if len(found) > 1
            else "the only one"
        )
        tables.say(console, f"default: {default}, {why}")
    if len(found) == 1:
        tables.say(console, f"no OpenCL device: {hint()}")
    else:
        for note in notes():
            tables.say(console, f"note: {note}")
    if problem is not None:
        raise problem
    return 0


def _table(found: list[Device], default: Device | None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in COLUMNS:
        right = column in ("units", "memory")
        keep = column in ("name", "units", "memory", "fp16/fp64")
        table.add_column(
            column, justify="right" if right else "left", no_wrap=keep, overflow="fold"
        )
    for device in found:
        name, style = _names(device), ""
        if default is not None and device == default:
            name, style = f"{name} *", "bold"
        cells = _cells(device.info) if device.info else ("NumPy",)
        table.add_row(*map(Text, (name, *cells)), style=style)
    return table


def _names(device: Device) -> str:
    info = device.info
    if info is None or "nvidia" not in info.platform.lower():
        return device.name
    return f"{device.name}, cuda:{info.ordinal}"


def _cells(info: DeviceInfo) -> tuple[str, ...]:
    yes_no = {True: "yes", False: "no"}
    cells = (
        info.name,
        info.vendor,
        f"{info.platform} {info.driver}",
        str(info.compute_units),
        f"{info.global_mem / 2**30:.1f} GiB",
        ".".join(map(str, info.c_version)),
        f"{yes_no[info.fp16]}/{yes_no[info.fp64]}",
    )
    return tuple(re.sub(r"\((R|TM)\)", "", cell) for cell in cells)

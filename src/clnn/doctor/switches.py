"""Variables of the environment that change what clnn, the loader or a driver does."""

from __future__ import annotations

import os
from difflib import get_close_matches

from ..backends.opencl import pretend, tuning
from ..device import device
from ..errors import ClnnError
from ..switches import ALL, DEVICE, DISABLE, PRETEND
from .report import Switch

_OWN = {s.name: s for s in ALL}
KNOWN = {
    **{s.name: s.means for s in ALL},
    "OCL_ICD_VENDORS": "which drivers the loader sees",
    "OCL_ICD_FILENAMES": "which drivers the loader sees",
    "OPENCL_VENDOR_PATH": "which drivers the loader sees",
    "RUSTICL_ENABLE": "drivers for which Mesa offers OpenCL",
    "CUDA_VISIBLE_DEVICES": "which NVIDIA cards are seen",
    "PYOPENCL_NO_CACHE": "pyopencl keeps no compiled kernels",
    "PYOPENCL_CTX": "a choice of pyopencl's that clnn does not use",
    "POCL_CACHE_DIR": "where PoCL keeps compiled kernels",
    "XDG_CACHE_HOME": "where caches lie",
}
# What other variables of these names do is their driver's business, but it is good to know that they are set.
_FAMILIES = (
    "CLNN_",
    "OCL_ICD_",
    "OPENCL_",
    "POCL_",
    "RUSTICL_",
    "CL_CONFIG_",
    "MESA_",
    "LP_",
)


def look() -> list[Switch]:
    """What is set, those of clnn first."""
    names = [n for n in os.environ if n in KNOWN or n.startswith(_FAMILIES)]
    names.sort(key=lambda n: (not n.startswith("CLNN_"), n))
    return [_switch(n, os.environ[n]) for n in names if os.environ[n].strip()]


def _switch(name: str, value: str) -> Switch:
    if name not in KNOWN and name.startswith("CLNN_"):
        close = get_close_matches(name, _OWN, 1)
        hint = f"did you mean {close[0]}?" if close else f"clnn knows {', '.join(_OWN)}"
        return Switch(name, value, False, "", f"clnn knows no {name}; {hint}")
    why = ""
    try:
        if name == DEVICE.name:
            device(value)
        elif name == PRETEND.name:
            pretend.profile()
        elif name == DISABLE.name:
            why = _unknown_algorithms(value)
        elif name in _OWN and _OWN[name].values:
            _OWN[name].read()
    except ClnnError as error:
        why = str(error)
    return Switch(name, value, name in KNOWN, KNOWN.get(name, ""), why)


def _unknown_algorithms(value: str) -> str:
    known = {f"{op}.{a.name}" for op, table in tuning.tables().items() for a in table.algorithms}
    unknown = sorted({s.strip() for s in value.split(",")} - known - {""})
    return (
        f"{DISABLE.name}: expected names like conv2d.tile, got {', '.join(unknown)}"
        if unknown
        else ""
    )

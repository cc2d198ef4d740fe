"""One device: its context, queue, memory pool and compiled kernels."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyopencl as cl
from pyopencl.tools import ImmediateAllocator, MemoryPool

from ...dtypes import dtype
from ...errors import DTypeError, KernelBuildError
from ...shapes import Shape, Spec
from .. import Launch
from . import lifetime
from .arguments import converters, set_all, set_numbers
from .discovery import DeviceInfo
from .failure import TooLargeError, meaning, of_memory, out_of_memory
from .program import numbered, render
from .program_store import Programs
from .remembered import Plans, remember
from .tuning import Tuning

GIVEN = object()  # stands for a number that each repetition of a launch brings
# Operands of so many elements are indexed by 64 bits: 32 hold twice as many, but loops step past the end.
WIDE = 2**30
# Work-groups along the second and third axis of a grid: NVIDIA's hardware takes no more.
MOST_GROUPS = 65535
_FLUSH_EVERY = 32  # launches; a device may sit idle until it is told that work is waiting


class Buffer:
    """Device memory holding a C-contiguous array of `spec`.

    `derived` holds what was computed from the contents and is kept as long as they last (see
    Runtime.derived); arrays that share memory share it, and whoever writes to the memory clears it.
    """

    __slots__ = ("derived", "mem", "spec")

    def __init__(self, mem: Any, spec: Spec, derived: dict[Hashable, Buffer] | None = None) -> None:
        self.mem, self.spec = mem, spec
        self.derived = {} if derived is None else derived

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self.spec.shape

    @property
    def dtype(self) -> Any:
        """Type of the elements."""
        return self.spec.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.spec.size


class Repeated:
    """A launch that comes again on other memory: its own kernel object keeps every other argument."""

    __slots__ = ("at", "given", "grid", "group", "kernel", "last", "own")

    def __init__(self, kernel: Any, grid: Shape, group: Shape | None, args: Sequence[Any],
                 types: Sequence[Any]) -> None:  # fmt: skip
        """`args` are those of the launch, `types` its numbers' converters; Buffers and GIVEN are left open."""
        self.kernel, self.grid, self.group = kernel, grid, group
        self.at = tuple([k for k, a in enumerate(args) if type(a) is Buffer])
        self.given = tuple([(k, types[k]) for k, a in enumerate(args) if a is GIVEN])
        self.own = cl.Kernel(kernel.program, kernel.function_name)
        kept = [k for k, a in enumerate(args) if type(a) is not Buffer and a is not GIVEN]
        set_numbers(self.own, [(k, types[k]) for k in kept], args)
        self.last: list[Any] = []  # the numbers that it was given last


class Runtime:
    """Opens a device once; everything it compiles or allocates dies with it."""

    def __init__(self, info: DeviceInfo) -> None:
        """Create the context and one in-order queue."""
        self.info = info
        self.context = cl.Context([info.handle])
        self.queue = cl.CommandQueue(self.context)
        self.pool = MemoryPool(ImmediateAllocator(self.queue))
        # kernel objects hold their arguments; re-entrant: __del__ may allocate
        self.lock = threading.RLock()
        # work-group size of 1-D kernels
        self.wg = 1 if info.kind == "cpu" else info.shared_group
        self.compilations = 0  # programs built or taken from a cache
        self.compiling = 0.0  # seconds for that
        self.poison = False  # tests fill fresh outputs with NaN, so an element nobody wrote is seen
        self.plans = Plans()  # what launchers remember (see plan.py)
        self.tuning = Tuning(info, changed=self.plans.clear)
        self.tuned = self.tuning.values  # values of an algorithm's tunables (see tuning.py)
        self._peak = 0
        self._sizes: dict[Spec, int] = {}  # bytes to ask for
        self._pending = 0
        self._events: list[tuple[Any, Any]] | None = None  # while profiling
        self._kernels: dict[tuple[Any, ...], Any] = {}
        self._types: dict[Any, list[Any]] = {}  # converters of a kernel's numbers, None for memory
        self._programs: dict[Hashable, tuple[Any, str]] = {}
        self._store = Programs(info)
        self._uploads: deque[tuple[Any, Any]] = deque()
        lifetime.watch(self)

    # --- memory -----------------------------------------------------------------------------

    def empty(self, spec: Spec) -> Buffer:
        """Uninitialised memory for `spec`; raises OutOfMemoryError, or DTypeError for a missing float64."""
        if spec.dtype == "float64" and not self.info.fp64:
            raise DTypeError(
                f"{self.info.name}: expected a dtype other than float64, which this device lacks"
            )
        nbytes = self._sizes.get(spec)
        if nbytes is None:
            nbytes = remember(self._sizes, spec, max(spec.nbytes, 4))
        if nbytes > self.info.max_alloc:
            limit = f"at most {self.info.max_alloc} bytes in one array"
            raise out_of_memory(self, nbytes, limit, TooLargeError)
        try:
            mem = self.pool.allocate(nbytes)
        except cl.Error as exc:
            mem = self._again("an array", exc, self.pool.allocate, nbytes, asked=nbytes)
        active = self.pool.active_bytes
        if active > self._peak:
            if self.pool.managed_bytes > self.info.global_mem:
                # drivers for processors grant more than there is, and end the process when it is used
                self.empty_cache()
                if active > self.info.global_mem:
                    mem.release()
                    self.empty_cache()
                    raise out_of_memory(self, nbytes, "memory that is free")
            self._peak = active
        if self.poison:
            cl.enqueue_fill_buffer(
                self.queue, mem, np.array(0xFFFFFFFF, np.uint32), 0, nbytes - nbytes % 4
            )
        return Buffer(mem, spec)

    def _again(self, what: str, error: cl.Error, call: Any, *args: Any, asked: int = 0) -> Any:
        """What the driver gives at the second try, when what failed may have been for lack of memory.

        Many drivers find memory for a buffer when a kernel first uses it, so launches come here too.
        """
        if of_memory(error):
            try:
                self.queue.finish()
                self.empty_cache()
                return call(*args)
            except cl.Error as exc:
                error = exc
        raise meaning(self, what, error, asked) from error

    def memory_stats(self) -> dict[str, int]:
        """Bytes: allocated (in use), reserved (held from the device), peak (most ever allocated)."""
        return {
            "allocated": int(self.pool.active_bytes),
            "reserved": int(self.pool.managed_bytes),
            "peak": self._peak,
        }

    def empty_cache(self) -> None:
        """Give pooled memory that is not in use back to the device."""
        self.pool.free_held()

    def upload(self, host: Any) -> Buffer:
        """Copy a NumPy array to the device without waiting for the queue."""
        host = np.array(
            host, order="C"
        )  # private: the copy may happen after the caller changes theirs
        out = self.empty(Spec(host.shape, dtype(host.dtype)))
        if host.size:
            with self.lock:
                raw = host.reshape(-1).view(np.uint8)
                try:
                    event = cl.enqueue_copy(self.queue, out.mem, raw, is_blocking=False)
                except cl.Error as exc:
                    event = self._again("a copy", exc, cl.enqueue_copy, self.queue, out.mem, raw)
                self._uploads.append(
                    (event, raw)
                )  # an event that dies early would wait for its copy
                done = cl.command_execution_status.COMPLETE
                while self._uploads and self._uploads[0][0].command_execution_status == done:
                    self._uploads.popleft()
        return out

    def download(self, array: Buffer) -> Any:
        """Copy to a new NumPy array; waits for all work queued before it."""
        host = np.empty(array.shape, array.dtype)
        if host.size:
            with self.lock:
                self._pending = 0
                raw = host.reshape(-1).view(np.uint8)
                try:
                    cl.enqueue_copy(self.queue, raw, array.mem)
                except cl.Error as exc:
                    self._again("a copy", exc, cl.enqueue_copy, self.queue, raw, array.mem)
        return host

    def finish(self) -> None:
        """Wait until the queue is empty."""
        with self.lock:
            try:
                self.queue.finish()
            except cl.Error as exc:
                raise meaning(self, "queued work", exc) from exc
            finally:
                self._uploads.clear()

    # --- kernels ----------------------------------------------------------------------------

    def derived(
        self, source: Buffer, key: Hashable, spec: Spec, fill: Callable[[Any, Buffer], None]
    ) -> Buffer:
        """What fill(runtime, out) computes from `source`, once for as long as its contents last.

        For operands that live long, such as weights; `key` names what is computed.
        """
        made = source.derived.get(key)
        if made is None:
            made = self.empty(spec)
            fill(self, made)
            source.derived[key] = made
        return made

    def launch(
        self,
        family: str,
        name: str,
        grid: Shape,
        *args: Any,
        group: Shape | None = None,
        **defines: Any,
    ) -> None:
        """Enqueue kernel `name` of `family`, compiled for `defines`, over `grid` work-items.

        Buffers and numbers are the kernel's arguments in order; an empty grid is no launch.
        """
        if 0 in grid:
            return
        kernel, flat = self.prepare(family, name, args, defines)
        self.enqueue(kernel, grid, group, flat)

    def prepare(
        self, family: str, name: str, args: tuple[Any, ...], defines: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        """The kernel object that takes `args`, and the arguments as it takes them."""
        wide = False
        flat = []
        for a in args:
            if type(a) is Buffer:
                wide = wide or a.spec.size >= WIDE
                flat.append(a.mem)
            else:
                flat.append(a)
        if wide:
            defines["wide"] = True
        return self.kernel(family, name, defines), flat

    def enqueue(self, kernel: Any, grid: Shape, group: Shape | None, flat: list[Any]) -> None:
        """Enqueue a kernel object with raw arguments; for launchers that keep their own kernel."""
        with self.lock:
            set_all(kernel, self._types[kernel], flat)
            self._enqueue(kernel, kernel, grid, group)

    def repeated(
        self, kernel: Any, grid: Shape, group: Shape | None, args: Sequence[Any]
    ) -> Repeated:
        """What `repeat` takes, for a launch as it was once enqueued; GIVEN stands for numbers that change."""
        return Repeated(kernel, grid, group, args, self._types[kernel])

    def repeat(self, launch: Repeated, mems: Iterable[Any], given: Sequence[Any] = ()) -> None:
        """Enqueue a launch again, on other memory; `given` are its arguments, if there are new numbers among them."""
        own = launch.own
        with self.lock:
            for k, mem in zip(launch.at, mems, strict=True):
                own.set_arg(k, mem)
            if given:
                numbers = [given[k] for k, _ in launch.given]
                if numbers != launch.last or 0 in numbers:  # -0.0 equals 0.0
                    launch.last = []
                    set_numbers(own, launch.given, given)
                    launch.last = numbers
            self._enqueue(own, launch.kernel, launch.grid, launch.group)

    def _enqueue(self, own: Any, kernel: Any, grid: Shape, group: Shape | None) -> None:
        """Enqueue a kernel object whose arguments are set; `kernel` is what profiles know it by."""
        call = (self.queue, own, grid, group)
        try:
            event = cl.enqueue_nd_range_kernel(*call)
        except cl.Error as exc:
            event = self._again(own.function_name, exc, cl.enqueue_nd_range_kernel, *call)
        if self._events is not None:
            self._events.append((kernel, event))
        self._pending += 1
        if self._pending >= _FLUSH_EVERY:
            self._pending = 0
            try:
                self.queue.flush()
            except cl.Error as exc:
                raise meaning(self, "queued work", exc) from exc

    @contextmanager
    def profiling(self) -> Iterator[list[Launch]]:
        """Record the launches of the block, timed by the device; the list is filled when it ends."""
        self.finish()
        launches: list[Launch] = []
        quiet, timed = self.queue, cl.command_queue_properties.PROFILING_ENABLE
        self.queue, self._events = cl.CommandQueue(self.context, properties=timed), []
        try:
            yield launches
        finally:
            self.finish()
            events, self._events, self.queue = self._events, None, quiet
            names = {kernel: _label(*key) for key, kernel in self._kernels.items()}
            for kernel, event in events:
                seconds = (event.profile.end - event.profile.start) * 1e-9
                launches.append(Launch(names[kernel], seconds))

    @contextmanager
    def sources(self) -> Iterator[list[tuple[str, str]]]:
        """Names and source texts of the kernels that run inside of the block; the list is filled when it ends."""
        found: list[tuple[str, str]] = []
        outer, self._events = self._events, []
        try:
            yield found
        finally:
            events, self._events = self._events, outer
            keys = {kernel: key for key, kernel in self._kernels.items()}
            for family, name, *defines in dict.fromkeys(keys[kernel] for kernel, _ in events):
                source = self._programs[family, *defines][1]
                found.append((_label(family, name, *defines), source))

    def forget(self) -> None:
        """Let go of all kernels; they are built again, mostly from a cache, when they are needed."""
        with self.lock:
            for held in (self.plans, self._kernels, self._types, self._programs):
                held.clear()

    def kernel(self, family: str, name: str, defines: dict[str, Any]) -> Any:
        """The kernel object for these defines, built at first use."""
        key = (family, name, *sorted(defines.items()))
        kernel = self._kernels.get(key)
        if kernel is None:
            with self.lock:
                kernel = self._kernels.get(key)
                if kernel is None:
                    kernel = self._kernels[key] = self._build(family, name, defines)
        return kernel

    def _build(self, family: str, name: str, defines: dict[str, Any]) -> Any:
        key = (family, *sorted(defines.items()))
        if key not in self._programs:
            self._programs[key] = self._compile(family, name, defines)
        program, source = self._programs[key]
        try:
            kernel = cl.Kernel(program, name)
        except cl.Error as exc:
            raise meaning(self, f"{family}.cl.mako: {name}", exc) from exc
        self._types[kernel] = converters(source, name)
        return kernel

    def _compile(self, family: str, name: str, defines: dict[str, Any]) -> tuple[Any, str]:
        """A program has every kernel of its family, so kernels that differ in name share it."""
        source = render(family, {"wide": False, **defines, "device": self.info})
        self.compilations += 1
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():  # remarks on code that did compile; errors carry a log
                warnings.simplefilter("ignore", cl.CompilerWarning)
                program = self._store.build(self.context, source)
        except cl.Error as exc:
            raise KernelBuildError(
                f"{family}.cl.mako: {name} did not compile on {self.info.name} with {defines}\n{exc}",
                source=numbered(source),
                log=str(exc),
            ) from exc
        finally:
            self.compiling += time.perf_counter() - start
        return program, source


def _label(family: str, name: str, *defines: tuple[str, Any]) -> str:
    """A kernel's name as people know it: maps by their expression."""
    expression = dict(defines).get("expr")
    return f"{family}.{name}" if expression is None else f"{family} {expression}"

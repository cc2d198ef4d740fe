"""What all optimizers share: parameter groups, flat state, saving it, and walking the groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..autograd import create, enable_grad
from ..device import Device
from ..dtypes import DType, accumulator
from ..errors import ClnnError, DTypeError, SettingError, ShapeError
from ..op import Op
from ..ops.creation import FULL
from ..ops.optim import update
from ..shapes import Shape, Spec
from ..tensor import Tensor, tensor

Group = dict[str, Any]


class Flat:
    """The parameters of a group that share dtype and device; each kind of state is one array for all."""

    __slots__ = ("device", "members", "names", "specs", "starts", "state", "steps")

    def __init__(self, members: list[tuple[int, Tensor]]) -> None:
        """Take (position in the optimizer, parameter) pairs."""
        self.members = members
        self.device: Device = members[0][1].device
        self.specs: list[Spec] = [p.spec for _, p in members]
        self.starts = [0]
        for spec in self.specs:
            self.starts.append(self.starts[-1] + spec.size)
        self.steps = [0] * len(members)  # updates that each one's state has seen
        self.state: dict[str, Tensor] = {}

    def fits(self) -> bool:
        """Whether no parameter was moved or changed its dtype since."""
        return all(
            (p.device is self.device or p.device == self.device) and p.spec == spec
            for (_, p), spec in zip(self.members, self.specs, strict=True)
        )

    def arrays(self, names: Sequence[str]) -> list[Tensor]:
        """The state of these names, zero at first."""
        for name in names:
            if name not in self.state:
                kind = accumulator(self.specs[0].dtype)
                self.state[name] = _zeros((self.starts[-1],), kind, self.device)
        return [self.state[name] for name in names]

    def runs(self) -> Iterator[tuple[int, int]]:
        """[first, last) of neighbours that have gradients and equally old state."""
        first = 0
        while first < len(self.members):
            last = first
            while (
                last < len(self.members)
                and self.members[last][1].grad is not None
                and self.steps[last] == self.steps[first]
            ):
                last += 1
            if last > first:
                yield first, last
            first = max(last, first + 1)

    def export(self) -> dict[int, dict[str, Any]]:
        """State by position, as NumPy arrays in the parameters' shapes."""
        host = {name: array.numpy() for name, array in self.state.items()}
        out = {}
        for k, (position, _) in enumerate(self.members):
            if self.steps[k]:
                here = slice(self.starts[k], self.starts[k + 1])
                shape = self.specs[k].shape
                own = {name: array[here].reshape(shape).copy() for name, array in host.items()}
                out[position] = {"step": self.steps[k], **own}
        return out

    def restore(self, saved: Mapping[int, Mapping[str, Any]]) -> None:
        """The opposite of `export`, for arrays already checked."""
        host: dict[str, Any] = {}
        for k, (position, _) in enumerate(self.members):
            own = dict(saved.get(position, {}))
            if own:
                self.steps[k] = own.pop("step")
            for name, array in own.items():
                flat = host.get(name)
                if flat is None:
                    kind = accumulator(self.specs[0].dtype)
                    flat = host[name] = np.zeros(self.starts[-1], kind)
                flat[self.starts[k] : self.starts[k + 1]] = array.reshape(-1)
        self.state = {name: tensor(flat, device=self.device) for name, flat in host.items()}


class Optimizer:
    """Base of all optimizers; a subclass names its op, its state and the op's settings.

    params: Tensors, or dicts with "params" and options of their own (groups). An update is one op for the
    parameters of a group that have one dtype and device. It overwrites them in place, so call `backward`
    before `step`: a graph built before a step and walked after it would see the new values.
    Raises SettingError for no parameters, one given twice, one that is not a leaf, or options out of range;
    DTypeError for what is not a floating-point Tensor.
    """

    op: ClassVar[Op]

    def __init__(self, params: Any, defaults: Group) -> None:
        self.name = type(self).__name__
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self._flats: dict[int, list[Flat]] = {}
        given = self._iterate(params)
        if not given:
            raise SettingError(
                f"{self.name}: expected at least one parameter, got none; a layer that infers its input size "
                "has none before its first call"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """Names of the state arrays that the options of `group` call for."""
        raise NotImplementedError

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        """Settings of the op for update number `step`, counted from 1."""
        raise NotImplementedError

    def check(self, group: Group) -> None:
        """Raise SettingError for options out of range."""
        raise NotImplementedError

    # --- groups -----------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Add {"params": tensors, options...}; options left out get the constructor's values."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise DTypeError(
                f"{self.name}: expected a dict with 'params' as group, got {param_group!r}"
            )
        given = param_group["params"]
        params = [given] if isinstance(given, Tensor) else self._iterate(given)
        if not params:
            raise SettingError(f"{self.name}: expected parameters in every group, got none")
        seen = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            self._check_parameter(p)
            if id(p) in seen:
                raise SettingError(
                    f"{self.name}: expected every parameter once, got one of shape {p.shape} twice"
                )
            seen.add(id(p))
        group = {**param_group, "params": params}
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self.check(group)
        self.param_groups.append(group)

    def _iterate(self, given: Any) -> list[Any]:
        if isinstance(given, Tensor | str) or not isinstance(given, Iterable):
            raise DTypeError(
                f"{self.name}: expected an iterable of Tensors or dicts, got {type(given).__name__}; "
                "pass model.parameters()"
            )
        return list(given)

    def _check_parameter(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise DTypeError(f"{self.name}: expected Tensors, got {type(p).__name__}")
        if not p.dtype.is_floating_point:
            raise DTypeError(f"{self.name}: expected floating parameters, got {p.dtype}")
        if p.node is not None:
            raise SettingError(
                f"{self.name}: expected leaf tensors, got one that an op computed; "
                "optimize what it was computed from, or .detach() it"
            )

    def _positions(self) -> Iterator[list[tuple[int, Tensor]]]:
        """Per group its (position, parameter) pairs; positions count through all groups."""
        position = 0
        for group in self.param_groups:
            params = group["params"]
            yield list(enumerate(params, position))
            position += len(params)

    def _flatten(self, index: int, members: list[tuple[int, Tensor]]) -> list[Flat]:
        """The flats of group `index`, rebuilt where parameters were moved."""
        flats = self._flats.get(index)
        if flats is not None and all(flat.fits() for flat in flats):
            return flats
        saved = {k: v for flat in flats or () for k, v in flat.export().items()}
        return self._rebuild(index, members, saved)

    def _rebuild(
        self, index: int, members: list[tuple[int, Tensor]], saved: Mapping[int, Any]
    ) -> list[Flat]:
        kinds: dict[Any, list[tuple[int, Tensor]]] = {}
        for member in members:
            kinds.setdefault((member[1].device, member[1].dtype), []).append(member)
        flats = self._flats[index] = [Flat(found) for found in kinds.values()]
        for flat in flats:
            flat.restore(saved)
        return flats

    # --- the loop ---------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with set_to_none=False those that exist become zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = _zeros(p.shape, p.dtype, p.device)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what `closure`, called first, returns.

        Raises ShapeError, DTypeError or DeviceError for a gradient that does not fit its parameter.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for index, members in enumerate(self._positions()):
            group = self.param_groups[index]
            names = self.state_names(group)
            for flat in self._flatten(index, members):
                for first, last in list(flat.runs()):
                    params = [p for _, p in flat.members[first:last]]
                    update(
                        self.op,
                        params,
                        [p.grad for p in params],
                        flat.arrays(names),
                        start=flat.starts[first],
                        **self.settings(group, flat.steps[first] + 1),
                    )
                    if names:
                        flat.steps[first:last] = [flat.steps[first] + 1] * (last - first)
        return loss

    # --- saving -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """{"state": {position: {name: number or NumPy array}}, "param_groups": [options]}; fits any device."""
        state: dict[int, Any] = {}
        groups = []
        for index, members in enumerate(self._positions()):
            options = {k: v for k, v in self.param_groups[index].items() if k != "params"}
            groups.append({**options, "params": [position for position, _ in members]})
            for flat in self._flats.get(index, ()):
                state.update(flat.export())
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave, on any device; arrays may be Tensors.

        Raises SettingError or ShapeError, and changes nothing, when it belongs to other parameters.
        """
        where = f"{self.name}.load_state_dict"
        if not isinstance(state_dict, Mapping) or {"state", "param_groups"} - set(state_dict):
            raise SettingError(f"{where}: expected a dict with 'state' and 'param_groups'")
        groups = state_dict["param_groups"]
        _check_form(where, state_dict["state"], groups)
        here = [len(g["params"]) for g in self.param_groups]
        there = [len(g["params"]) for g in groups]
        if here != there:
            raise SettingError(f"{where}: expected groups of {here} parameters, got {there}")
        order = [position for g in groups for position in g["params"]]
        members = list(self._positions())
        state: dict[int, dict[str, Any]] = {}
        for (position, p), saved_as in zip((m for g in members for m in g), order, strict=True):
            if saved_as in state_dict["state"]:
                state[position] = _checked(where, position, p, state_dict["state"][saved_as])
        options = [
            {name: tuple(v) if isinstance(v, list) else v for name, v in g.items() if name != "params"} for g in groups
        ]  # fmt: skip
        for mine, saved in zip(self.param_groups, options, strict=True):
            self._check_options({**mine, **saved})
        for index, (mine, saved) in enumerate(zip(self.param_groups, options, strict=True)):
            mine.update(saved)
            self._rebuild(index, members[index], state)

    def _check_options(self, group: Group) -> None:
        """Raise SettingError or DTypeError for options of a file that the constructor would not take."""
        try:
            self.check(group)
        except ClnnError:
            raise
        except (TypeError, ValueError, LookupError) as error:
            raise SettingError(
                f"{self.name}.load_state_dict: expected options that fit, got {error!r:.200}"
            ) from None

    def __repr__(self) -> str:
        lines = [
            f"  group {i}: {len(g['params'])} parameters, "
            + ", ".join(f"{k}={v!r}" for k, v in g.items() if k != "params")
            for i, g in enumerate(self.param_groups)
        ]
        return "\n".join([f"{self.name}(", *lines, ")"])


def _zeros(shape: Shape, kind: DType, device: Device) -> Tensor:
    return create(FULL, Tensor, device, shape=shape, dtype=kind, value=0.0)


def _check_form(where: str, state: Any, groups: Any) -> None:
    """Raise SettingError unless these are dicts and lists as `state_dict` gives them."""
    whole = (
        isinstance(state, Mapping)
        and all(isinstance(v, Mapping) for v in state.values())
        and isinstance(groups, list | tuple)
        and all(
            isinstance(g, Mapping) and isinstance(g.get("params"), list | tuple) for g in groups
        )
        and all(isinstance(n, int | str) for g in groups for n in g["params"])
        and all(isinstance(name, str) for part in (*groups, *state.values()) for name in part)
    )
    if not whole:
        raise SettingError(f"{where}: expected state and groups as state_dict gives them")


def _checked(where: str, position: int, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
    """One parameter's saved state as NumPy arrays of its shape; "step" is 1 where it is not given."""
    out: dict[str, Any] = {}
    for name, value in saved.items():
        if value is None:
            continue
        given = isinstance(value, int | float | np.ndarray | np.generic) or hasattr(value, "numpy")
        if not given:
            raise SettingError(
                f"{where}: expected {name} to be an array or a number, got {type(value).__name__}"
            )
        host = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
        if name == "step":
            if host.size != 1 or not 0 <= float(host.reshape(-1)[0]) < 2**53:
                raise SettingError(
                    f"{where}: expected step to be a number of updates, got {value!r:.80}"
                )
            out[name] = int(host.reshape(-1)[0])
        elif host.shape != p.shape:
            raise ShapeError(
                f"{where}: expected {name} of shape {p.shape} for parameter {position}, got {host.shape}"
            )
        else:
            out[name] = host
    return {"step": 1, **out} if out else {}


def check_range(
    where: str, options: Mapping[str, Any], name: str, low: float, high: float = np.inf
) -> None:
    """Raise SettingError unless low <= options[name] < high, DTypeError if it is no number."""
    value = options[name]
    if not isinstance(value, int | float | np.number):
        raise DTypeError(f"{where}: expected {name} to be a number, got {value!r}")
    if not low <= value < high:
        wanted = f"{name} >= {low:g}" if high == np.inf else f"{name} in [{low:g}, {high:g})"
        raise SettingError(f"{where}: expected {wanted}, got {value!r}")

"""Schedules against torch's."""

import json
import math
import re

import pytest

import clnn
from clnn import optim
from clnn.errors import SettingError
from harness import torch

CASES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 4, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 6}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("LambdaLR", {"lr_lambda": [lambda t: 0.5**t, lambda t: 1.0]}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 4, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": [0.5, 1.0], "total_steps": 20, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "base_momentum": 0.5, "max_momentum": 0.7,
                    "div_factor": 4, "final_div_factor": 10}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "pct_start": 0.0, "cycle_momentum": False}),
]  # fmt: skip


def optimizers(name="SGD", **options):
    """clnn's optimizer and torch's, two groups each."""
    mine = [clnn.tensor([1.0], device="cpu", requires_grad=True) for _ in range(2)]
    groups = [{"params": [mine[0]]}, {"params": [mine[1]], "lr": 0.3}]
    out = [getattr(optim, name)(groups, lr=0.2, **options)]
    if torch is not None:
        theirs = [torch.ones(1, requires_grad=True) for _ in range(2)]
        groups = [{"params": [theirs[0]]}, {"params": [theirs[1]], "lr": 0.3}]
        out.append(getattr(torch.optim, name)(groups, lr=0.2, **options))
    return out


def rates(optimizer):
    return [g["lr"] for g in optimizer.param_groups]


def label(value):
    """An id without addresses, which differ between the processes of a parallel run."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=label)
def test_as_torch(name, options, optimizer):
    more = {"momentum": 0.9} if optimizer == "SGD" else {}
    mine, theirs = optimizers(optimizer, **more)
    a = getattr(optim, name)(mine, **options)
    b = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(20):
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-9, abs=1e-12)
        assert a.get_last_lr() == rates(mine)
        for key in ("momentum", "betas"):
            for g, h in zip(mine.param_groups, theirs.param_groups, strict=True):
                assert g.get(key) == (pytest.approx(h[key]) if key in h else None)
        if a.last_epoch < 19:
            mine.step()
            theirs.step()
            a.step()
            b.step()


@pytest.mark.peers
@pytest.mark.parametrize("options", [
    {}, {"mode": "max", "patience": 1}, {"patience": 2, "cooldown": 3, "factor": 0.5},
    {"patience": 0, "threshold": 0.5, "threshold_mode": "abs"}, {"patience": 0, "min_lr": [0.01, 0.2]},
    {"mode": "max", "patience": 0, "threshold": 0.3}, {"patience": 0, "factor": 0.1, "eps": 0.01},
    {"mode": "max", "patience": 0, "threshold": 0.5, "threshold_mode": "abs"},
], ids=str)  # fmt: skip
def test_plateau_as_torch(options):
    mine, theirs = optimizers()
    a = optim.ReduceLROnPlateau(mine, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for t in range(40):
        value = math.nan if t == 7 else 3 + math.sin(t * 1.7) + 5 / (1 + t)
        a.step(clnn.tensor([value], device="cpu") if t % 2 else value)
        b.step(value)
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES, ids=label)
def test_a_saved_schedule_continues(name, options):
    whole, half = optimizers(momentum=0.9)[0], optimizers(momentum=0.9)[0]
    a = getattr(optim, name)(whole, **options)
    b = getattr(optim, name)(half, **options)
    for schedule in (a, b):
        for _ in range(7):
            schedule.step()
    saved = json.loads(json.dumps(b.state_dict()))
    other = optimizers(momentum=0.9)[0]
    c = getattr(optim, name)(other, **options)
    other.load_state_dict(half.state_dict())
    c.load_state_dict(saved)
    for _ in range(9):
        a.step()
        c.step()
        assert rates(other) == rates(whole)


def test_a_saved_plateau_continues():
    whole = optimizers()[0]
    a = optim.ReduceLROnPlateau(whole, patience=2)
    a.step(1.0)
    a.step(1.0)
    other = optimizers()[0]
    b = optim.ReduceLROnPlateau(other)
    b.load_state_dict(json.loads(json.dumps(a.state_dict())))
    for _ in range(5):
        a.step(1.0)
        b.step(1.0)
        assert rates(other) == rates(whole)
    assert rates(whole)[0] < 0.2


@pytest.mark.parametrize(("make", "match"), [
    (lambda o: optim.StepLR(o, 0), "StepLR: expected step_size to be an int > 0, got 0"),
    (lambda o: optim.CosineAnnealingLR(o, -1), "T_max to be an int > 0"),
    (lambda o: optim.StepLR(None, 1), "StepLR: expected an Optimizer, got NoneType"),
    (lambda o: optim.LambdaLR(o, [lambda t: 1]), "one function per group, 2, got 1"),
    (lambda o: optim.OneCycleLR(o, 0.1), "expected total_steps, or epochs and steps_per_epoch"),
    (lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=2), "pct_start in"),
    (lambda o: optim.OneCycleLR(o, 0.1, 10, anneal_strategy="x"), "'cos' or 'linear', got 'x'"),
    (lambda o: optim.OneCycleLR(o, [0.1], 10), "one max_lr per group, 2, got 1"),
    (lambda o: optim.ReduceLROnPlateau(o, "best"), "mode 'min' or 'max'"),
    (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), "factor < 1"),
    (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0]), "one min_lr per group"),
    (lambda o: optim.StepLR(o, 1).load_state_dict({"x": 1}), r"keys of this schedule, got \['x'\]"),
])  # fmt: skip
def test_mistakes(make, match):
    with pytest.raises(SettingError, match=match):
        make(optimizers()[0])


def test_one_cycle_ends():
    optimizer = optimizers()[0]
    schedule = optim.OneCycleLR(optimizer, 0.1, total_steps=3)
    for _ in range(3):  # a training loop steps once after each of its updates
        schedule.step()
    with pytest.raises(SettingError, match="OneCycleLR: expected at most 3 steps, got step 4"):
        schedule.step()

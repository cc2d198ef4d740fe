"""Recurrent layers: torch's weights, outputs, states and gradients; ends of sequences, algorithms, long sequences."""

import contextlib

import numpy as np
import pytest

import clnn
from clnn import nn, ops
from clnn.backends.opencl.algorithms import algorithm
from clnn.backends.opencl.rnn import ENGINES
from clnn.errors import DTypeError, SettingError, ShapeError

try:
    import torch
except ImportError:
    torch = None

KINDS = ["RNN", "LSTM", "GRU"]
D, H = 5, 6


def pair(name, *args, device, **kwargs):
    """torch's layer and ours with its weights."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    ours = getattr(nn, name)(*args, **kwargs).to(device)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    return theirs, ours


def flat(out):
    """Output and states of a layer as one list."""
    y, last = out
    return [y, *(last if isinstance(last, tuple) else (last,))]


def both(array, device):
    return (
        torch.tensor(array, requires_grad=True),
        clnn.tensor(array, device=device, requires_grad=True),
    )


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def compare(theirs, ours, wanted, got, inputs):
    """Outputs, and the gradients of a loss that all of them are part of."""
    for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
        np.testing.assert_allclose(
            a.numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=f"output {k}"
        )
    sum((x * x).sum() * (k + 1.0) for k, x in enumerate(wanted)).backward()
    sum((x * x).sum() * (k + 1.0) for k, x in enumerate(got)).backward()
    found = [
        (name, p.grad, q.grad)
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True)
    ]
    found += [(f"input {k}", x.grad, t.grad) for k, (t, x) in enumerate(inputs)]
    for name, a, b in found:
        np.testing.assert_allclose(
            a.numpy(), b.numpy(), rtol=1e-3, atol=1e-4, err_msg=f"gradient of {name}"
        )  # fmt: skip


VARIANTS = [
    {},
    {"bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 3},
]


@pytest.mark.peers
@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_equals_torch_with_initial_states(name, settings, device):
    theirs, ours = pair(name, D, H, device=device, **settings)
    ways = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    inputs = [both(normal(4, 3, D), device)]
    rows = 4 if settings.get("batch_first") else 3
    inputs += [
        both(normal(ways, rows, H, seed=s), device) for s in range(1, 3 if name == "LSTM" else 2)
    ]
    (x, y), *states = inputs
    t, c = ([s[k] for s in states] for k in (0, 1))
    if name != "LSTM":
        t, c = t[0], c[0]
    else:
        t, c = tuple(t), tuple(c)
    compare(theirs, ours, flat(theirs(x, t)), flat(ours(y, c)), inputs)


@pytest.mark.peers
def test_relu_and_its_place_among_the_arguments(device):
    theirs, ours = pair("RNN", D, H, 2, "relu", device=device)
    inputs = [both(normal(6, 2, D), device)]
    compare(theirs, ours, flat(theirs(inputs[0][0])), flat(ours(inputs[0][1])), inputs)


@pytest.mark.peers
@pytest.mark.parametrize("name", KINDS)
def test_one_sequence_needs_no_batch(name, device):
    theirs, ours = pair(name, D, H, 2, bidirectional=True, device=device)
    inputs = [both(normal(7, D), device)]
    compare(theirs, ours, flat(theirs(inputs[0][0])), flat(ours(inputs[0][1])), inputs)


@pytest.mark.peers
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_lengths_are_packed_sequences(name, first, device):
    lengths = [3, 6, 1, 4]
    theirs, ours = pair(name, D, H, 2, bidirectional=True, batch_first=first, device=device)
    x = normal(4, 6, D) if first else normal(6, 4, D)
    inputs = [both(x, device)]
    (t, c), rnn = inputs[0], torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(t, lengths, batch_first=first, enforce_sorted=False)
    y, last = theirs(packed)
    wanted = flat((rnn.pad_packed_sequence(y, batch_first=first)[0], last))
    compare(theirs, ours, wanted, flat(ours(c, lengths=lengths)), inputs)
    as_tensor = ours(c, lengths=clnn.tensor(lengths, device=device))
    for a, b in zip(flat(as_tensor), flat(ours(c, lengths=lengths)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.peers
@pytest.mark.parametrize("name", [f"{kind}Cell" for kind in KINDS])
@pytest.mark.parametrize("shape", [(3, D), (D,)])
def test_cells_equal_torch(name, shape, device):
    theirs, ours = pair(name, D, H, device=device)
    inputs = [both(normal(*shape, seed=s), device) for s in range(2)]
    a = b = None
    for t, c in inputs:
        a, b = theirs(t, a), ours(c, b)
    wanted, got = (list(x) if isinstance(x, tuple) else [x] for x in (a, b))
    compare(theirs, ours, wanted, got, inputs)


@pytest.mark.peers
def test_a_cell_may_reset_before_its_product(device):
    ours = nn.GRUCell(D, H, reset_after=False).to(device)
    assert nn.build_module(nn.module_config(ours)).reset_after is False
    w_ih, w_hh, b_ih, b_hh = (torch.tensor(p.numpy()) for p in ours.parameters())
    x, h = normal(3, D), normal(3, H, seed=1)
    a, b = torch.tensor(x), torch.tensor(h)
    of_x, of_h = a @ w_ih.T + b_ih, b @ w_hh.T + b_hh
    r, z = ((of_x + of_h)[:, k * H : (k + 1) * H].sigmoid() for k in range(2))
    n = (of_x[:, 2 * H :] + (r * b) @ w_hh[2 * H :].T + b_hh[2 * H :]).tanh()
    got = ours(clnn.tensor(x, device=device), clnn.tensor(h, device=device))
    np.testing.assert_allclose(got.numpy(), ((1 - z) * n + z * b).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.peers
@pytest.mark.parametrize("name", KINDS)
def test_bidirectional_is_a_layer_of_both_directions(name, device):
    theirs, _ = pair(name, D, H, bidirectional=True, device=device)
    both_ways = nn.Bidirectional(getattr(nn, name)(D, H)).to(device)
    names = [
        "forward_layer." + n for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    ]
    names += [n.replace("forward", "backward") for n in names]
    both_ways.load_state_dict(dict(zip(names, theirs.state_dict().values(), strict=True)))
    inputs = [both(normal(5, 3, D), device)]
    states = [both(normal(2, 3, H, seed=s), device) for s in (1, 2)[: 1 + (name == "LSTM")]]
    t, c = (tuple(s[k] for s in states) if name == "LSTM" else states[0][k] for k in (0, 1))
    wanted, got = theirs(inputs[0][0], t), both_ways(inputs[0][1], c)
    compare(theirs, both_ways, flat(wanted), flat(got), inputs + states)


@pytest.mark.parametrize(("mode", "merged"), [
    ("sum", lambda a, b: a + b), ("mul", lambda a, b: a * b), ("ave", lambda a, b: (a + b) / 2),
])  # fmt: skip
def test_merge_modes(mode, merged, device):
    layer = nn.Bidirectional(nn.GRU(D, H, batch_first=True), mode).to(device)
    x = clnn.tensor(normal(3, 5, D), device=device)
    y, last = layer(x, lengths=[5, 2, 4])
    ahead, _ = layer.forward_layer(x, lengths=[5, 2, 4])
    behind, first = layer.backward_layer.run(x, lengths=[5, 2, 4], reverse=True)
    np.testing.assert_allclose(y.numpy(), merged(ahead.numpy(), behind.numpy()), rtol=1e-6)
    np.testing.assert_array_equal(last.numpy()[1:], first.numpy())
    again = nn.build_module(nn.module_config(layer))
    assert again.get_config() == layer.get_config()
    assert list(again.state_dict()) == list(layer.state_dict())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_every_algorithm_in_both_directions(name, dtype, opencl_device):
    """All outputs and gradients, those of the last states too; the same bits when repeated."""
    device = clnn.device(opencl_device)
    if dtype == "float64" and not device.info.fp64:
        pytest.skip("this device has no float64")
    tolerance = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-9}[dtype]
    fn, gates = f"{name.lower()}_sequence", {"RNN": 1, "LSTM": 4, "GRU": 3}[name]

    def run(where, reverse, way=None):
        operands = [normal(5, 7, gates * 19), normal(7, 19, seed=1), normal(7, 19, seed=2),
                    normal(gates * 19, 19, seed=3) / 4]  # fmt: skip
        if name != "LSTM":
            del operands[2]
        xs = [clnn.tensor(a, device=where, dtype=dtype, requires_grad=True) for a in operands]
        ends = clnn.tensor([5, 1, 0, 3, 5, 2, 4], device=where)
        with contextlib.ExitStack() as stack:
            used = [stack.enter_context(algorithm(op, way)) for op in (fn, f"{fn}_grad") if way]
            outs = getattr(ops, fn)(*xs, lengths=ends, reverse=reverse)
            sum((o * o).sum() for o in outs).backward()
        assert all(used)
        return [x.numpy() for x in (*outs, *(x.grad for x in xs))]

    for reverse in (False, True):
        wanted = run("cpu", reverse)
        for way in ENGINES:
            got, again = (run(opencl_device, reverse, way.name) for _ in range(2))
            for a, b, c in zip(got, again, wanted, strict=True):
                np.testing.assert_array_equal(a, b)
                a, c = (x.astype(np.float64) for x in (a, c))
                np.testing.assert_allclose(
                    a, c, rtol=tolerance, atol=tolerance * max(1.0, abs(c).max()), err_msg=way.name
                )  # fmt: skip


def test_a_thousand_steps_train(device):
    """No recursion over time: the gradient reaches the first step, and the loss falls."""
    clnn.manual_seed(0)
    layer = nn.LSTM(2, 8).to(device)
    x = clnn.tensor(normal(1000, 2, 2), device=device, requires_grad=True)
    optimizer = clnn.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        y, (h, _) = layer(x)
        loss = (y * y).mean() + (h - 0.5).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert np.abs(x.grad.numpy()[0]).max() > 0


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, {}) for name in KINDS), ("GRU", {"reset_after": False})]
)
def test_a_sequence_and_its_steps_are_the_same(name, kind, device):
    layer, cell = (getattr(nn, n)(D, H, **kind).to(device) for n in (name, f"{name}Cell"))
    cell.load_state_dict({n.removesuffix("_l0"): p for n, p in layer.state_dict().items()})
    x, state = clnn.tensor(normal(4, 3, D), device=device), None
    for t in range(4):
        state = cell(x[t], state)
    for a, b in zip(state if name == "LSTM" else [state], flat(layer(x))[1:], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy()[0], rtol=1e-5, atol=1e-6)


def test_dropout_acts_between_layers_and_follows_the_seed(device):
    layer = nn.GRU(D, H, 2, dropout=0.5).to(device)
    x = clnn.tensor(normal(6, 3, D), device=device)

    def run(seed):
        clnn.manual_seed(seed)
        return layer(x)[0].numpy()

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))
    layer.eval()
    np.testing.assert_array_equal(run(1), run(2))
    single = nn.GRU(D, H, 1, dropout=0.5).to(device)
    np.testing.assert_array_equal(single(x)[0].numpy(), single(x)[0].numpy())


def test_one_launch_for_all_steps(opencl_device):
    """A layer's launches do not grow with its steps where one work-item does all of them."""
    rt = clnn.device(opencl_device).backend.rt
    layer = nn.LSTM(D, H).to(opencl_device)
    counts = []
    for steps in (3, 50):
        x = clnn.tensor(normal(steps, 2, D), device=opencl_device)
        with algorithm("lstm_sequence", "sequence"), rt.profiling() as launches:
            layer(x)
        counts.append(len(launches))
    assert counts[0] == counts[1]


def test_initial_weights(device):
    clnn.manual_seed(0)
    layer = nn.LSTM(3, 25).to(device)
    for p in layer.parameters():
        values = p.numpy()
        assert np.abs(values).max() <= 0.2
        assert 0.08 < values.std() < 0.15


def test_a_state_saved_is_a_state_loaded(tmp_path, device):
    layer = nn.Bidirectional(nn.LSTM(D, H, 2)).to(device)
    clnn.save(tmp_path / "model.safetensors", layer)
    again = clnn.io.load_model(tmp_path / "model.safetensors", nn.build_module, device)
    x = clnn.tensor(normal(4, 3, D), device=device)
    for a, b in zip(flat(layer(x)), flat(again(x)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_summary_and_text():
    layer = nn.LSTM(D, H, 2, bidirectional=True)
    row = layer.summary((7, 3, D)).rows[0]
    assert row.output_shape == (7, 3, 2 * H)
    assert row.parameters == sum(p.numpy().size for p in layer.parameters())
    assert repr(layer) == "LSTM(input_size=5, hidden_size=6, num_layers=2, bidirectional=True)"


def test_an_empty_batch(device):
    y, h = nn.GRU(D, H).to(device)(clnn.zeros(4, 0, D, device=device))
    assert y.shape == (4, 0, H)
    assert h.shape == (1, 0, H)


X = clnn.zeros(4, 3, D)


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda: nn.LSTM(D, H, proj_size=2), SettingError, "LSTM: expected proj_size 0, got 2; put a Linear"),
    (lambda: nn.GRU(D, 0), SettingError, "GRU: expected hidden_size >= 1, got 0"),
    (lambda: nn.RNN(D, H, nonlinearity="gelu"), SettingError, "RNN: expected nonlinearity in tanh, relu, got 'gelu'"),
    (lambda: nn.GRU(D, H, dropout=1.5), SettingError, r"GRU: expected dropout in \[0, 1\], got 1.5"),
    (lambda: nn.GRU(D, H)(clnn.zeros(4, 3, 2)), ShapeError, r"GRU: expected input with 5 features"),
    (lambda: nn.GRU(D, H)(clnn.zeros(0, 3, D)), ShapeError, "gru_sequence: expected gates"),
    (lambda: nn.GRU(D, H)(clnn.zeros(D)), ShapeError, "GRU: expected x with 2 or 3 axes"),
    (lambda: nn.GRU(D, H)(X, clnn.zeros(3, H)), ShapeError, r"GRU: expected hx of shape \(1, 3, 6\), got \(3, 6\)"),
    (lambda: nn.LSTM(D, H)(X, clnn.zeros(1, 3, H)), DTypeError, "LSTM: expected hx to be a pair of Tensors"),
    (lambda: nn.GRU(D, H)(X, lengths=[1, 2]), ShapeError, "GRU: expected 3 lengths, got 2"),
    (lambda: nn.GRU(D, H)(X, lengths=[1, 2, 5]), SettingError, r"GRU: expected lengths in \[0, 4\], got \[1, 2, 5\]"),
    (lambda: nn.GRU(D, H)(X, lengths=[1, 2, 2.5]), DTypeError, "GRU: expected lengths to be a Tensor or ints"),
    (lambda: nn.GRU(D, H)(clnn.zeros(4, D), lengths=[4]), SettingError, "GRU: expected no lengths for one sequence"),
    (lambda: nn.GRUCell(D, H)(clnn.zeros(3, 2)), ShapeError, "GRUCell: expected input with 5 features"),
    (lambda: nn.Bidirectional(nn.Linear(2, 3)), DTypeError, "Bidirectional: expected an RNN, LSTM or GRU, got Linear"),
    (lambda: nn.Bidirectional(nn.GRU(D, H, bidirectional=True)), SettingError, "expected a layer of one direction"),
    (lambda: nn.Bidirectional(nn.GRU(D, H), "max"), SettingError, "Bidirectional: expected merge_mode in concat"),
    (lambda: nn.Bidirectional(nn.GRU(D, H))(X, clnn.zeros(1, 3, H)), ShapeError, "expected hx of 2 states"),
])  # fmt: skip
def test_bad_arguments_are_typed_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()

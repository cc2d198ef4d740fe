"""Networks are traced once, and torch and ONNX Runtime run what was traced."""

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.bench import networks
from clnn.bench.trace import trace
from clnn.errors import UnsupportedOpError


def small(device):
    clnn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, padding=1, device=device), nn.BatchNorm2d(4, device=device), nn.ReLU6(),
        nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(8, 5, device=device), nn.ReLU(),
    ).eval()  # fmt: skip


def image(device):
    host = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    return clnn.tensor(host, device=device)


def test_the_trace_is_the_ops_in_order(device):
    model, x = small(device), image(device)
    graph = trace(model, x)
    pools = ["max_pool2d", "adaptive_avg_pool2d"]
    names = ["conv2d", "batch_norm_eval", "relu6", *pools, "reshape", "linear", "relu"]
    assert [step.name for step in graph.steps] == names
    assert len(graph.constants) == 8
    assert len(graph.trained) == 6
    assert graph.flops == 2 * (2 * 4 * 4 * 4) * 27 + 2 * (2 * 5) * 8
    fused = trace(nn.fuse(model), x)
    assert [s.name for s in fused.steps] == ["conv2d", *pools, "reshape", "linear"]
    assert fused.flops == graph.flops


@pytest.mark.peers
@pytest.mark.parametrize("fused", [False, True])
def test_torch_replays_it(fused, device):
    import torch

    from clnn.bench.replay import Replay

    model, x = small(device), image(device)
    graph = trace(nn.fuse(model) if fused else model, x)
    got = Replay(graph, torch, "cpu")(torch.tensor(x.numpy())).detach().numpy()
    assert np.allclose(got, model(x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.peers
@pytest.mark.parametrize("name", networks.MODELS)
def test_torch_replays_every_network(name):
    import torch

    from clnn.bench.replay import Replay

    device, shape = clnn.default_device(), (1, 3, 64, 64)
    network = networks.Network(networks.MODELS[name], shape, False)
    x = clnn.randn(*shape, device=device)
    got = Replay(network.graph(device), torch, "cpu")(torch.tensor(x.numpy())).detach().numpy()
    want = network.model(device)(x).numpy()
    assert np.allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


@pytest.mark.peers
def test_onnx_runtime_runs_it(device):
    import onnx
    import onnxruntime as runtime

    from clnn.bench.onnx_graph import model_bytes

    model, x = small(device), image(device)
    written = model_bytes(trace(nn.fuse(model), x), x.shape)
    onnx.checker.check_model(onnx.load_from_string(written), full_check=True)
    session = runtime.InferenceSession(written, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert np.allclose(got, model(x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.peers
def test_other_ops_are_refused():
    from clnn.bench.onnx_graph import model_bytes

    graph = trace(nn.Sequential(nn.Softplus()), image("cpu"))
    with pytest.raises(UnsupportedOpError, match="softplus"):
        model_bytes(graph, (2, 3, 8, 8))


@pytest.mark.parametrize("name", ["ResNet-18", "MobileNetV2"])
def test_stated_operations_are_those_of_the_network(name):
    shape = (1, 3, networks.SIZE, networks.SIZE)
    graph = networks.Network(networks.MODELS[name], shape, False).graph(clnn.default_device(), fused=True)  # fmt: skip
    assert graph.flops == pytest.approx(networks.GFLOP[name] * 1e9, rel=1e-3)

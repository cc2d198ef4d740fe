"""KeyDNN's inventory, name by name: every call written for it is one that clnn.compat.keydnn takes."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import clnn
from clnn import nn
from clnn.compat import keydnn

# Of KeyDNN 2.1.0: namespace, name, parameters and defaults (... is whatever a dataclass makes).
CALLS = Path(__file__).with_name("keydnn_calls.txt").read_text().splitlines()
NAMES = {
    "": """Adam SGD Sequential History Callback CallbackList EarlyStopping ModelCheckpoint Tensor
        Device Dense Linear Conv2d Conv2D Conv2dTranspose Conv2DTranspose BatchNorm1d
        BatchNorm1D BatchNorm2d BatchNorm2D LayerNorm Dropout MaxPool2d MaxPool2D AvgPool2d
        AvgPool2D GlobalAvgPool2d GlobalAvgPool2D ReLU Sigmoid Tanh Softmax cce_loss mse_loss
        sse_loss bce_loss load_mnist load_cifar10 load_cifar100 numpy_to_tensor one_hot seed
        get_seed set_deterministic cuda_available from_keras tensors layers activations losses
        optimizers models callbacks datasets backend utils""",
    "tensors": "Tensor Device",
    "layers": """Dense Linear LazyLinear Conv2d Conv2D Conv2dTranspose Conv2DTranspose BatchNorm1d
        BatchNorm1D BatchNorm2d BatchNorm2D LayerNorm Dropout Flatten MaxPool2d MaxPool2D
        AvgPool2d AvgPool2D GlobalAvgPool2d GlobalAvgPool2D RNN LSTM GRU Bidirectional""",
    "activations": "ReLU LeakyReLU Sigmoid Tanh Softmax",
    "losses": """SSE MSE BCE CCE BinaryCrossEntropy CategoricalCrossEntropy SSEFn MSEFn BCEFn CCEFn
        BinaryCrossEntropyFn CategoricalCrossEntropyFn LossFromFn sse_loss mse_loss bce_loss
        cce_loss""",
    "optimizers": "SGD Adam",
    "models": "Sequential History",
    "callbacks": "Callback CallbackList EarlyStopping ModelCheckpoint",
    "datasets": "load_mnist load_cifar10 load_cifar100",
    "backend": "cuda_available",
    "utils": "numpy_to_tensor one_hot seed get_seed set_deterministic get_deterministic",
}
INNER = {
    "_module": "Module", "_parameter": "Parameter", "models": "Model Sequential History",
    "recurrent": "RNN LSTM GRU Bidirectional RNNCell LSTMCell GRUCell", "tensor": "Tensor Context",
    "datasets": "MNIST CIFAR10 CIFAR100", "module._serialization_core": "register_module",
    "utils.weight_initializer": "WeightInitializer",
}  # fmt: skip


def found(path):
    owner, value = None, keydnn
    for name in path.split("."):
        owner = value
        if owner is keydnn and name == "infrastructure":
            value = importlib.import_module("clnn.compat.keydnn.infrastructure")
        else:
            value = getattr(owner, name)
    return owner, value


def parameters(path):
    """What a caller may give: name -> parameter."""
    owner, value = found(path)
    if inspect.isclass(value) and value.__init__ is not object.__init__:
        signature = inspect.signature(value.__init__)
    else:
        signature = inspect.signature(value)
    known = list(signature.parameters.values())
    plain = inspect.isfunction(value) and inspect.isclass(owner)
    static = isinstance(inspect.getattr_static(owner, path.split(".")[-1]), staticmethod)
    if (plain and not static) or (inspect.isclass(value) and known and known[0].name == "self"):
        known = known[1:]
    return {p.name: p for p in known}


def same(ours, theirs):
    if ours is ...:
        return True
    if inspect.isclass(ours):  # a dtype
        ours = ours.__name__
    return ours == theirs and type(ours) is type(theirs)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_taken(call):
    path, _, rest = call.partition("(")
    wanted = ast.parse(f"def f({rest}: 0").body[0].args
    ours = parameters(path)
    places = [n for n, p in ours.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    positional = [a.arg for a in wanted.args]
    assert places[: len(positional)] == positional
    defaults = dict(zip(reversed(positional), reversed(wanted.defaults), strict=False))
    defaults |= {a.arg: d for a, d in zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True)}
    for name in [*positional, *(a.arg for a in wanted.kwonlyargs)]:
        default = defaults.get(name)
        if default is None:
            assert ours[name].default is inspect.Parameter.empty, name
        elif ast.literal_eval(default) is not ...:
            assert same(ours[name].default, ast.literal_eval(default)), name
    for name in set(ours) - set(positional) - {a.arg for a in wanted.kwonlyargs}:
        p = ours[name]
        assert p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD), name


@pytest.mark.parametrize("space", NAMES)
def test_a_namespace_has_its_names(space):
    module = importlib.import_module(f"clnn.compat.keydnn.{space}".rstrip("."))
    assert [n for n in NAMES[space].split() if not hasattr(module, n)] == []


@pytest.mark.parametrize("space", [s for s in NAMES if s])
def test_a_namespace_exports_its_names_and_no_more(space):
    module = importlib.import_module(f"clnn.compat.keydnn.{space}")
    assert sorted(module.__all__) == sorted(NAMES[space].split())


@pytest.mark.parametrize("space", INNER)
def test_inner_packages_have_what_scripts_import(space):
    module = importlib.import_module(f"clnn.compat.keydnn.infrastructure.{space}")
    assert [n for n in INNER[space].split() if not hasattr(module, n)] == []


def test_properties():
    for name in (
        "shape",
        "dtype",
        "device",
        "device_type",
        "data",
        "grad",
        "requires_grad",
        "T",
        "nbytes",
    ):
        assert not callable(inspect.getattr_static(keydnn.Tensor, name)), name


def test_initializers_have_keydnns_names():
    from clnn.compat.keydnn.infrastructure import WeightInitializer

    stems = "zeros ones kaiming kaiming_relu xavier xavier_uniform xavier_relu xavier_tanh"
    assert set(stems.split()) <= set(WeightInitializer.available())
    for name in (
        *stems.split(),
        *(f"{k}_leaky_relu_{s}" for k in ("kaiming", "xavier") for s in ("0.2", "0.01")),
    ):
        assert callable(WeightInitializer.get(name))


def test_importing_it_leaves_clnns_own_configs_alone():
    for name in ("Linear", "Conv2d", "LayerNorm", "Sequential", "GRU"):
        built = {
            "Linear": (2, 3),
            "Conv2d": (1, 2, 3),
            "LayerNorm": (2,),
            "Sequential": (),
            "GRU": (2, 3),
        }[name]
        made = getattr(nn, name)(*built)
        again = clnn.nn.config.build_module(clnn.nn.config.module_config(made))
        assert type(again) is getattr(nn, name)

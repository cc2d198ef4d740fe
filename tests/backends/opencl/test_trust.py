"""Wrong kernels are found before their results count, named once, remembered, and not run again."""

import json
import warnings

import numpy as np
import pytest

import clnn
from clnn.backends.opencl import OpenCL, runtime, tuning_store
from clnn.backends.opencl.trust_store import Variant, Verdicts
from clnn.backends.reference import Reference
from clnn.device import Device
from clnn.errors import DeviceError, SettingError
from clnn.op import OPS
from harness import lacks, run_clnn
from samples import gather

pytestmark = pytest.mark.usefixtures("first_use")
AT = {"transpose_a": False, "transpose_b": False}
A = np.random.default_rng(0).standard_normal((33, 50)).astype(np.float32)
B = np.random.default_rng(1).standard_normal((50, 70)).astype(np.float32)


@pytest.fixture
def opened(opencl_device):
    def open_one():
        return OpenCL(clnn.device(opencl_device).info, reference=Reference)

    return open_one


@pytest.fixture
def planted(monkeypatch):
    """Change the source of kernels whose defines hold what is given; gives the list of those compiled."""
    render, compiled = runtime.render, []

    def plant(change, **wanted):
        def changed(family, defines):
            source = render(family, defines)
            if all(defines.get(k) == v for k, v in wanted.items()):
                compiled.append(family)
                source = change(source)
            return source

        monkeypatch.setattr(runtime, "render", changed)
        return compiled

    return plant


def run(backend, op, arrays, **settings):
    outs = OPS[op].specs(tuple(clnn.tensor(a, device="cpu").spec for a in arrays), settings)[0]
    return backend.download(backend.run(op, [backend.upload(a) for a in arrays], outs, settings)[0])


def kept(folder):
    (path,) = folder.glob("trust/*.json")
    return path


def product(backend):
    return run(backend, "matmul", [A, B], **AT)


def off_by_one(source):
    assert "k = 0" in source
    return source.replace("k = 0", "k = 1")


def test_a_right_one_is_tried_once(opened, tmp_path):
    backend = opened()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(product(backend), A @ B, rtol=1e-4, atol=1e-4)
    (variant,) = backend.trust.verdicts.proven
    assert (variant.op, variant.dtype) == ("matmul", "float32")
    assert opened().trust.verdicts.proven == {variant}
    assert json.loads(kept(tmp_path).read_text())["failed"] == []


def test_a_wrong_one_is_found_and_the_next_is_used(opened, planted):
    backend = opened()
    product(backend)
    (first,) = backend.trust.verdicts.proven
    backend = opened()
    backend.trust.verdicts.proven.clear()
    # the engine of this name, whichever the device prefers, starts its sums one product late
    planted(off_by_one, engine=first.algorithm)
    with pytest.warns(RuntimeWarning, match=rf"{first} is not used on .*off by"):
        got = product(backend)
    np.testing.assert_allclose(got, A @ B, rtol=1e-4, atol=1e-4)
    assert set(backend.trust.verdicts.failed) == {first}
    with warnings.catch_warnings():  # once is enough, in this process and in the next
        warnings.simplefilter("error")
        np.testing.assert_allclose(product(backend), A @ B, rtol=1e-4, atol=1e-4)
        again = opened()
        np.testing.assert_allclose(product(again), A @ B, rtol=1e-4, atol=1e-4)
    assert set(again.trust.verdicts.failed) == {first}
    assert first not in again.trust.verdicts.proven


def test_one_that_does_not_compile_is_passed_over(opened, planted):
    backend = opened()
    product(backend)
    (first,) = backend.trust.verdicts.proven
    backend = opened()
    planted(lambda source: source + "\n#error planted\n", engine=first.algorithm)
    with pytest.warns(RuntimeWarning, match=f"{first} is not used"):
        got = product(backend)
    np.testing.assert_allclose(got, A @ B, rtol=1e-4, atol=1e-4)


def test_none_left_is_an_error(opened, planted):
    backend = opened()
    planted(lambda source: source.replace("k = 0", "k = 1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(DeviceError, match="expected an algorithm that computes float32 right"):
            product(backend)


def test_other_templates_are_tried_again(opened, tmp_path):
    product(opened())
    path = kept(tmp_path)
    found = json.loads(path.read_text())
    found["templates"]["matmul"] = "of yesterday"
    path.write_text(json.dumps(found))
    assert not opened().trust.verdicts.proven


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "clnn trust", "version": 9}', "\0" * 100]
)
def test_a_damaged_file_is_found_out_again(opened, tmp_path, text):
    product(opened())
    path = kept(tmp_path)
    path.write_text(text)
    with pytest.warns(RuntimeWarning, match="is not used"):
        backend = opened()
    product(backend)
    assert json.loads(path.read_text())["proven"]


@pytest.mark.parametrize("rows", [[["matmul", "simd"]], [["matmul", "simd", 3]], ["matmul"], 3])
def test_damaged_verdicts(opened, tmp_path, rows):
    product(opened())
    path = kept(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "proven": rows}))
    with pytest.warns(RuntimeWarning, match="is not used"):
        assert not opened().trust.verdicts.proven


def test_what_two_processes_find_is_kept(opened):
    info = opened().rt.info
    one, two = Verdicts(info, keep=True), Verdicts(info, keep=True)
    one.prove(Variant("matmul", "simd", "float32"))
    two.fail(Variant("matmul", "tile", "float32"), "off")
    three = Verdicts(info, keep=True)
    assert (len(three.proven), len(three.failed)) == (1, 1)


def test_where_nothing_can_be_written(opened, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path / "file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        backend = opened()
    with pytest.warns(RuntimeWarning, match="for this process only"):
        product(backend)
    assert backend.trust.verdicts.proven


def test_modes(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("CLNN_SELFTEST", "off")
    backend = opened()
    product(backend)
    assert not backend.trust.verdicts.proven
    monkeypatch.setenv("CLNN_SELFTEST", "always")
    product(opened())
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CLNN_SELFTEST", "sometimes")
    with pytest.raises(SettingError, match="CLNN_SELFTEST: expected one of off, first-use, always"):
        opened()


@pytest.mark.parametrize(
    ("op", "shapes", "settings"),
    [
        ("conv2d", [(9, 64, 50, 30), (100, 64, 3, 3), (100,)], {"groups": 1}),
        ("conv2d", [(9, 64, 50, 30), (128, 1, 3, 3)], {"groups": 64}),
        ("conv2d_input_grad", [(9, 100, 25, 15), (100, 16, 3, 3)], {"groups": 4, "size": (50, 30)}),
        ("conv2d_weight_grad", [(9, 100, 25, 15), (9, 64, 50, 30)], {"groups": 4, "kernel": (3, 3)}),
        # the last window meets the border, whose zeros some multiply by infinity and some skip
        ("conv2d_weight_grad", [(9, 64, 25, 15), (9, 64, 49, 29)], {"groups": 64, "kernel": (3, 3)}),
        ("conv2d_weight_grad", [(2, 20, 6, 5), (2, 8, 11, 9)], {"groups": 2, "kernel": (3, 3)}),
        ("conv2d_weight_grad", [(2, 64, 6, 5), (2, 64, 11, 9)], {"groups": 64, "kernel": (3, 3)}),
    ],
)  # fmt: skip
def test_every_convolution_has_a_small_sister(opened, op, shapes, settings):
    backend = opened()
    stride = (1, 1) if op == "conv2d" else (2, 2)
    at = {"stride": stride, "padding": ((1, 1), (1, 1)), "dilation": (1, 1), **settings}
    arrays = [np.ones(s, np.float32) for s in shapes]
    run(backend, op, arrays, **at)
    assert backend.trust.verdicts.proven
    assert not backend.trust.verdicts.failed


def test_infinity_may_come_out_as_nan(opened):
    backend = opened()
    x, w = np.ones((32, 64, 12, 12), np.float32), np.ones(64, np.float32)
    run(
        backend, "batch_norm", [x, w, w], affine=(True, True), running=False, momentum=0.1, eps=1e-5
    )
    assert backend.trust.verdicts.proven
    assert not backend.trust.verdicts.failed


@pytest.mark.parametrize("p", [-20.0, 0.1, 20.0])
def test_powers_of_made_up_operands_stay_in_range(opened, p):
    """`ops.norm` brings what it gives to such orders to 1 at most; what the self-test makes up is not so kind."""
    backend = opened()
    x = np.linspace(0.1, 1, 12000, dtype=np.float32).reshape(40, 300)
    run(backend, "norm", [x], p=p, axes=(1,), keepdim=True)
    assert backend.trust.verdicts.proven
    assert not backend.trust.verdicts.failed


FAMILIES = (
    "conv",
    "matmul",
    "reduce",
    "softmax",
    "norm",
    "batch_norm",
    "pool",
    "scan",
    "movement",
    "fused",
)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_false_alarm(family, opened, opencl_device):
    backend = opened()
    judged = object.__new__(Device)  # a device of its own: nothing finds it by name
    real = clnn.device(opencl_device)
    judged.name, judged.type, judged.index = "judged", real.type, real.index
    judged.info, judged._key, judged.backend = backend.rt.info, (real._key, "judged"), backend
    for sample in [s for s in gather("SAMPLES") if s.family == family][::3]:
        if not lacks(sample, opencl_device):
            backend.trust.verdicts.proven.clear()
            backend.rt.plans.clear()
            run_clnn(sample, judged)
            assert not backend.trust.verdicts.failed, sample

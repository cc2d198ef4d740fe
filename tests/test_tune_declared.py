"""Every value that an algorithm declares for its tunables gives the right result."""

import numpy as np
import pytest

import clnn
from clnn.backends.opencl import OpenCL, algorithms
from clnn.shapes import Spec
from clnn.tune import Case, Tuner, compare

PLAIN = (("transpose_a", False), ("transpose_b", False))
AT = (("stride", (1, 1)), ("padding", ((1, 1), (1, 1))), ("dilation", (1, 1)), ("groups", 1))
X, W, Y = Spec((2, 19, 9, 7)), Spec((21, 19, 3, 3)), Spec((2, 21, 9, 7))
DECLARED = [
    Case("matmul", (Spec((2, 13, 37)), Spec((37, 45))), PLAIN),
    Case("matmul", (Spec((37, 13)), Spec((45, 37))), (("transpose_a", True), ("transpose_b", True))),
    Case("linear", (Spec((1, 300)), Spec((35, 300)), Spec((35,)))),
    Case("linear", (Spec((13, 37), clnn.float16), Spec((5, 37), clnn.float16))),
    Case("conv2d", (X, W), AT),
    Case("conv2d_input_grad", (Y, W), (("size", (9, 7)), *AT)),
    Case("conv2d_weight_grad", (Y, X), (("kernel", (3, 3)), *AT)),
]  # fmt: skip


@pytest.fixture
def backend(opencl_device):
    return OpenCL(clnn.device(opencl_device).info)


@pytest.mark.parametrize("case", DECLARED, ids=str)
def test_every_declared_candidate_is_right(case, backend):
    found, host = Tuner(backend).look(case), clnn.device("cpu").backend
    rng, settings = np.random.default_rng(0), dict(case.settings)
    operands = [rng.standard_normal(s.shape, np.float32).astype(s.dtype) for s in case.specs]
    (want,) = host.run(case.op, operands, case.outs(), settings)
    backend.rt.poison = True
    arrays = [backend.upload(x) for x in operands]
    for way in found.usable:
        if not way.worth(found.problem, backend.rt.info):
            continue  # test_pretend_gpu has those
        every = way.candidates(found.problem, backend.rt.info)
        for values in every[:: max(1, len(every) // 12)]:
            candidate = algorithms.Candidate(way.name, values)
            with algorithms.within(algorithms.trial(case.op, candidate)) as trial:
                (got,) = backend.run(case.op, arrays, case.outs(), settings)
            assert values.items() <= trial.asked.get(way.name, {}).items(), candidate
            assert compare(backend.download(got), want) is None, candidate

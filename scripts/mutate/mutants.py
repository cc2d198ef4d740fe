"""Faults to plant in kernels: a text that stands once in a file, what to put in its place, and who must notice."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: `old` becomes `new` in a kernel; some test must fail of those in tests/`tests` that fit.

    These have `only` in their names, and one of the ops that are given if any are.
    """

    file: str
    fault: str
    ops: tuple[str, ...]
    only: str
    tests: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """The kernel file and the fault."""
        return f"{self.file.removesuffix('.cl.mako')}: {self.fault}"

    def times(self, kernels: Path) -> int:
        """How often the text to replace stands in the kernel: once, or this is no mutant."""
        return (kernels / self.file).read_text("utf-8").count(self.old)

    def wants(self, test: str, device: str) -> bool:
        """Whether a test of this id and on this device should notice."""
        named = not self.ops or any(f"-{op}" in test for op in self.ops)
        return (
            test.startswith(f"tests/{self.tests}::")
            and device in test
            and self.only in test
            and named
        )


CONFORMANCE, GPU = (
    "test_conformance.py",
    "test_pretend_gpu.py",
)  # the latter: work-groups of more than one
UPDATES, RANDOM, RUNNING = "optim/test_updates.py", "test_random.py", "test_norm_running_stats.py"


def mutant(
    stem: str, fault: str, ops: str, only: str, old: str, new: str, tests: str = CONFORMANCE
) -> Mutant:
    return Mutant(f"{stem}.cl.mako", fault, tuple(ops.split()), only, tests, old, new)


BARRIER = "barrier(CLK_LOCAL_MEM_FENCE);"

# fmt: off
MUTANTS = [
    # --- reductions and what is built on them
    mutant("reduce", "the last element is left out", "sum", "-vector",
           "for (; t < m; ++t)\n                a = join(a, first((T)LOAD(p, t), u));",
           "for (; t + 1 < m; ++t)\n                a = join(a, first((T)LOAD(p, t), u));"),
    mutant("reduce", "a stride of half the span", "sum amax mean", "",
           "t += ${4 * span})",
           "t += ${2 * span})", GPU),
    mutant("reduce", "slices round down", "sum", "",
           "per = (count + slices - 1) / slices;",
           "per = count / slices;"),
    mutant("reduce", "pieces of a variance merge wrongly", "var", "",
           "d * d * s.n * share, n};",
           "d * d * share, n};"),
    mutant("reduce", "the later of two equal extremes", "argmax argmin", "",
           "(tie & (t.b < s.b))",
           "(tie & (t.b > s.b))"),
    mutant("_reduce", "no barrier in the tree", "sum amax", "",
           "barrier(CLK_LOCAL_MEM_FENCE);\n<%      n = half %>",
           "<%      n = half %>", GPU),
    mutant("_reduce", "no barrier behind the tree", "cross_entropy norm", "",
           'lid & ~{span - 1}" if span else "0"}];\n        barrier(CLK_LOCAL_MEM_FENCE);',
           'lid & ~{span - 1}" if span else "0"}];', GPU),
    mutant("_reduce", "an odd half rounds down", "", "tiny-",
           "half = (n + 1) // 2",
           "half = max(1, n // 2)", GPU),
    mutant("scan", "no barrier between the steps", "cumsum", "",
           "run += scratch[lid - ${step}];\n        barrier(CLK_LOCAL_MEM_FENCE);",
           "run += scratch[lid - ${step}];", GPU),
    mutant("scan", "the carry is overwritten", "cumsum", "",
           "carry[l] += run[l];",
           "carry[l] = run[l];"),
    mutant("scan", "reversed, and yet from the front", "cumsum", "",
           "(n - 1 - ({}))",
           "({})"),
    mutant("place", "rows that begin in the middle", "max", "",
           "(index_t)places[o] - first;",
           "(index_t)places[o];"),
    mutant("softmax", "the tail is filled with zeros", "softmax", "-vector",
           '_tail = ${"0" if grad else "-INFINITY"}',
           '_tail = 0'),
    mutant("softmax", "a plus for a minus in the gradient", "softmax", "",
           '"y * (g - s)"',
           '"y * (g + s)"'),
    mutant("softmax", "-inf is scaled by NaN", "softmax", "-group",
           "(a.s == 0 ? 0 : a.s * exp(a.top - top))",
           "a.s * exp(a.top - top)"),
    mutant("cross_entropy", "lanes past the last class count", "cross_entropy", "",
           "exp_below(some_${dtype}(row + c, C - c, -INFINITY) - m)",
           "exp_below(some_${dtype}(row + c, C - c, 0) - m)"),
    mutant("cross_entropy", "ignored classes are not", "cross_entropy nll_loss", "",
           "if (t >= 0 && t < C && t != ignore) {",
           "if (t >= 0 && t < C) {"),
    mutant("loss", "lanes past the end count", "binary_cross_entropy mse_loss l1_loss kl_div huber_loss", "",
           "piece += end - i < ${V} ? keep(v, end - i) : v;",
           "piece += v;"),
    # --- norms
    mutant("norm", "slices of a channel merge wrongly", "batch_norm group_norm layer_norm", "",
           "s.squared + t.squared + d * d * s.n * share",
           "s.squared + t.squared"),
    mutant("norm", "the variance is biased", "", "running_statistics",
           "total.squared / max(total.n - 1, (acc)1)",
           "total.squared / max(total.n, (acc)1)", RUNNING),
    mutant("_norm_rows", "the gradient keeps its mean", "layer_norm", "",
           "(gw - shift - xhat * along)",
           "(gw - xhat * along)"),
    mutant("_norm_rows", "another row's channel", "group_norm", "",
           "channel = r % G * M",
           "channel = r / G * M"),
    mutant("_norm_sums", "one chain is forgotten", "layer_norm group_norm", "",
           '" + ".join(f"{n}{chain(u)}" for u in range(chains))',
           '" + ".join(f"{n}{chain(u)}" for u in range(1, chains))'),
    mutant("batch_norm", "the overlap of the tail counts twice", "batch_norm", "",
           "LANES >= (I)(${V} - (int)(end - i))",
           "LANES >= (I)(0)"),
    mutant("batch_norm", "pieces merge wrongly", "batch_norm", "",
           "+ delta * delta * count * share",
           ""),
    mutant("batch_norm", "the residual is missing", "fused_batch_norm", "",
           "f\" + {load('residual', form)}\" if residual else \"\"",
           '""'),
    # --- maps, movement, indices, random numbers
    mutant("elementwise", "the stride of another axis", "add mul where", "",
           " + i{d} * s{k}_{d}",
           " + i{d}"),
    mutant("_vector", "the last lane is not stored", "relu add", "",
           "for (int l = 0; l < m; ++l)\n        store_",
           "for (int l = 0; l + 1 < m; ++l)\n        store_"),
    mutant("_lanes", "halves round away from zero", "cast", "bfloat16",
           "select((u + 0x7fffu",
           "select((u + 0x8000u"),
    mutant("_prelude", "a NaN becomes infinity", "cast", "bfloat16",
           "(ushort)((u >> 16) | 0x40u)",
           "(ushort)(u >> 16)"),
    mutant("_math", "a remainder of the wrong sign", "remainder", "",
           "(r < 0) != (b < 0) ? r + b : r",
           "(r < 0) != (b < 0) ? r - b : r"),
    mutant("activation", "the gate's slope", "glu", "",
           "* (1 - s));\\\n</%self",
           "* (1 + s));\\\n</%self"),
    mutant("movement", "no barrier before the turn", "permute transpose", "",
           "    barrier(CLK_LOCAL_MEM_FENCE);",
           "", GPU),
    mutant("movement", "swapped indices at the edge", "permute transpose", "",
           "y[k * row + j] = x[j * column + k];",
           "y[k * row + j] = x[j * column + i];"),
    mutant("movement", "the diagonal is left out", "tril triu", "",
           '"<=" if lower else ">="',
           '"<" if lower else ">"'),
    mutant("indexing", "index 0 is not found", "embedding index_select", "",
           "found = r >= 0 && r < R;\n        __global",
           "found = r > 0 && r < R;\n        __global"),
    mutant("indexing", "the last window of a row is left out", "index_select embedding index_add", "",
           "v <= more; ++v)",
           "v < more; ++v)"),
    mutant("indexing", "those who lost get a gradient too", "scatter", "",
           "found && winner[at] == i ? g[at]",
           "found ? g[at]"),
    mutant("sort", "bounds are one too far", "index_select embedding", "",
           "keys[at] < r)",
           "keys[at] <= r)"),
    mutant("sort", "the first order is kept", "index_select embedding", "",
           '"i" if first else "order[i]"',
           '"i"'),
    mutant("random", "sine and cosine change places", "", "normal_is_close",
           '"sinpi" if k % 2 else "cospi"',
           '"cospi" if k % 2 else "sinpi"', RANDOM),
    mutant("random", "the last of a block is left out", "", "uniform_has",
           "if (%d < n %% 4)",
           "if (%d + 1 < n %% 4)", RANDOM),
    mutant("_philox", "nine rounds for ten", "", "answers_in_opencl",
           "range(10)",
           "range(9)", RANDOM),
    # --- pooling and resampling
    mutant("pool", "NaN is no maximum", "max_pool", "-points",
           "v > best || isnan(v) || where < 0",
           "v > best || where < 0"),
    mutant("pool", "windows end one tap early", "max_pool avg_pool", "-points",
           "(K - 1) * D + 1, n)",
           "(K - 1) * D, n)"),
    mutant("pool", "the padding on one side alone", "avg_pool", "",
           "z.H + 2 * z.PH",
           "z.H + z.PH"),
    mutant("pool", "columns on the right that nobody writes", "max_pool avg_pool", "-rows",
           "max(hi * {SW} - PW, 0)",
           "max(hi * {SW}, 0)"),
    mutant("adaptive_pool", "cells round down", "adaptive", "-cells",
           "((${products})(o + 1) * n + m - 1) / m)",
           "((${products})(o + 1) * n) / m)"),
    mutant("adaptive_pool", "the last of two equal maxima", "adaptive_max", "",
           "(v == here && i < from)",
           "(v == here && i > from)"),
    mutant("spatial", "fold looks at the wrong side of the padding", "fold", "",
           "h = row % H + PH;",
           "h = row % H - PH;"),
    mutant("spatial", "weights change places", "interpolate", "",
           "above * (1 - v) + below * v",
           "above * v + below * (1 - v)"),
    # --- products
    mutant("matmul", "the epilogue is missing", "fused_linear", "-plain",
           "epilogue(sum${gemm.extra('n', '((size_t)z * M + m) * N + n')})",
           "sum"),
    mutant("_gemm_tile", "no barrier between the steps", "matmul linear", "",
           "            }\n            barrier(CLK_LOCAL_MEM_FENCE);\n            k0 += ${TK};",
           "            }\n            k0 += ${TK};", GPU),
    mutant("_gemm_tile", "the ragged tile comes short", "matmul linear", "",
           "(k_end - k_begin - 1) % ${TK} + 1",
           "(k_end - k_begin - 1) % ${TK}", GPU),
    mutant("_gemm_tile", "rows past the last are stored", "matmul linear mm", "",
           "if (j < N) {",
           "if (j + 1 < N) {", GPU),
    mutant("_matmul_tile", "the batch of another", "bmm matmul einsum", "",
           "before = (index_t)z * M * N;",
           "before = 0;", GPU),
    mutant("_matmul_skinny", "no barrier in the tree", "matmul linear mm", "skinny",
           "            }\n            barrier(CLK_LOCAL_MEM_FENCE);",
           "            }"),
    mutant("_matmul_skinny", "a row too few", "matmul linear mm", "skinny",
           "${f} < few &&",
           "${f} + 1 < few &&"),
    mutant("_matmul_thin", "the tail of k is left out", "matmul linear mm", "-thin",
           "for (; k < end; ++k) {\n% for i in range(4):",
           "for (; k + 1 < end; ++k) {\n% for i in range(4):"),
    mutant("_matmul_simd", "depths overwrite each other", "matmul linear mm bmm", "-simd",
           "if (more)\n                v +=",
           "if (false)\n                v +="),
    mutant("_matmul_simd", "a slice is added twice", "matmul linear mm bmm", "-simd",
           "for (int s = 1; s < slices; ++s)",
           "for (int s = 0; s < slices; ++s)"),
    mutant("_gemm_simd", "lanes past the last are not zero", "simd", "-matmul",
           "to[l] = l < lanes ? LOAD(from, l) : 0;",
           "to[l] = LOAD(from, 0);"),
    mutant("_gemm_simd", "the edge of a panel is its first", "matmul linear mm bmm", "-simd",
           "LOAD(from, (size_t)l * ld + k) : 0;",
           "LOAD(from, (size_t)l * ld) : 0;"),
    mutant("_matmul_batch", "the strides of the other operand", "matmul", "",
           "zb += (size_t)(rest % n${d}) * b${d};",
           "zb += (size_t)(rest % n${d}) * a${d};"),
    # --- convolution
    mutant("conv", "the padding of the other side", "conv2d", "-plain",
           "h = p * ${SH} + r * ${DH} - (${PH}), v =",
           "h = p * ${SH} + r * ${DH} + (${PH}), v ="),
    mutant("conv", "a stride that was not checked", "conv2d", "-plain",
           "if (y < 0 || p * ${SH} != y || p >= P)",
           "if (y < 0 || p >= P)"),
    mutant("conv", "the last slice of images", "conv2d", "-plain",
           "last = min(N, (slice + 1) * each);",
           "last = min(N, slice * each + 1);"),
    mutant("_conv_tile", "rows and columns of a filter", "conv2d", "-tile",
           "(k / S / R) * xc + k / S % R * xr + k % S * xs;",
           "(k / S / R) * xc + k % S * xr + k / S % R * xs;"),
    mutant("_conv_tile", "the row of another pixel", "conv2d", "",
           "g_pq -= g_pq >= area ? area : 0;",
           "g_pq -= g_pq > area ? area : 0;", GPU),
    mutant("_conv_simd", "the pixel at the turn of a row", "conv2d", "-simd",
           ">= (mask)(next${i})",
           "> (mask)(next${i})"),
    mutant("_conv_simd_layout", "the border is a column short", "conv2d", "-simd",
           "right = clamp((W - w0 + sw - 1) / sw, left, WP)",
           "right = clamp((W - w0 - 1) / sw, left, WP)"),
    mutant("_conv_simd_layout", "filters of the wrong channel", "conv2d", "-simd",
           "w + c * wc + r * wr + s * ws;",
           "w + c * wc + s * wr + r * ws;"),
    mutant("_conv_simd_grad", "channels past the last", "conv2d", "-simd",
           "l < lanes ? LOAD(from, l * ld + k) : 0;",
           "LOAD(from, k);"),
    mutant("_conv_simd_grad", "the second slice overwrites", "conv2d", "-simd",
           "c${i}_${j} = k0 != begin && m + ${i} < last ?",
           "c${i}_${j} = false ?"),
    mutant("_depthwise_images", "taps of the row before", "conv2d(2x2x11x33", "-depthwise",
           "- r * ${D[0]}, v = w + left",
           "- r, v = w + left"),
    mutant("_depthwise_images", "the activation is missing", "fused_conv2d(2x8x5x5", "-depthwise",
           "put_${dtype}(y + at, m, ${act});",
           "put_${dtype}(y + at, m, v);"),
    mutant("_depthwise_weights", "rows of the last slice", "conv2d(2x2x11x33", "-depthwise",
           "stop = min(begin + depth, rows);",
           "stop = min(begin + depth, rows - 1);"),
    mutant("_depthwise", "a mask of one lane too many", "conv2d(2x2x11x33", "-depthwise",
           "(at < columns)) |",
           "(at <= columns)) |"),
    mutant("_winograd_filters", "filters that are not flipped", "conv2d(2x17x9x9", "winograd_4x4",
           "{8 - 3 * r - s if flip else",
           "{3 * r + s if flip else"),
    mutant("_winograd_results", "the last row of tiles", "conv2d(2x17x9x9", "winograd_4x4",
           "height = min(${M}, P - h * ${M});",
           "height = min(${M - 1}, P - h * ${M});"),
    mutant("_winograd_tiles", "lines of the tile before", "conv2d(2x17x9x9", "winograd_4x4",
           "? ${deep - M} : 0; i < ${deep}",
           "? ${deep - M + 1} : 0; i < ${deep}"),
    # --- optimizers
    mutant("optim", "the state of the first tensor", "", "devices_agree",
           'f"{s} + at, " for s in state',
           'f"{s}, " for s in state', UPDATES),
    mutant("optim", "no Nesterov", "", "devices_agree",
           '"d + momentum * b" if "nesterov" in options else "b"',
           '"b"', UPDATES),
    mutant("optim", "the tail of a tensor", "", "devices_agree",
           "for (; i < n; i += ${WG}) {\n        ${element(**one)}",
           "for (; i + 1 < n; i += ${WG}) {\n        ${element(**one)}", UPDATES),
]
# fmt: on

/* matmul_simd — products on CPUs; lanes are columns, A is read in place or in panels, B in place or in panels.
 *
 * Computes  matmul  rows x columns of C per work-item, over all of k, or over the slice of it that goes to partial sums
 *           reduce  C = act(the sum of the slices + bias + residual), in their order
 *           pack    A into acc: rows as they are, or (ta) panels of MR rows, k-major and zero beyond M
 *           panels  B into panels of NR columns, k-major and zero beyond N, which weights stay in
 * Layout    ta: element k of row m lies at (m / MR) * block + m % MR + k * lda, so A may be in place or in panels
 * Defines   dtype, ta, tb, rank, bias, residual, act (see matmul)
 *           panels (bool: B is given in panels)   split (bool: a work-group's third index is a slice of k; C is partial)
 * Tunables  V, MR, NV   KC (an argument: depth of the panel that is packed at a time)
 * Launch    group (1). matmul: (column spans, row spans, batches or slices), scratch of KC x NR per work-item; sums wait
 *           in C between panels: KC >= K for the half types unless split. reduce: row spans. pack: (spans of rows or,
 *           ta, of k, matrices). panels: (column panels, depths of KC)
 * Source    _gemm_simd.cl.mako
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="walk" file="_matmul_batch.cl.mako"/>\
<%namespace name="core" file="_gemm_simd.cl.mako"/>\
<%namespace name="lanes" file="_vector.cl.mako"/>\
<%
    base, exact = "double" if dtype == "f64" else "float", dtype in ("f32", "f64")
%>\
${{"simd": products, "reduce": reduce, "pack": pack, "panels": pack_panels}[engine]()}

## T, and loads and stores of some of its lanes for each dtype.
<%def name="io(*codes)">\
${lanes.types(base, V)}
% for code in dict.fromkeys(codes):
${lanes.load(code, base, V)}
${lanes.store(code, base, V)}
% endfor
</%def>

## Sums of the rows from m on and of the panel at `ready`; rows from `last` on are that before it.
<%def name="sums(rows, edge)">\
            __global const acc *b = ready;
% if ta and not edge:
            __global const acc *a0 = A + za + (size_t)(m / ${MR}) * block + (size_t)k0 * lda;
% else:
%   for i in range(rows):
<%  row = f"min(m + {i}, last - 1)" if edge else f"(m + {i})" %>\
            __global const acc *a${i} = A + za + ${f"(size_t)({row} / {MR}) * block + {row} % {MR} + (size_t)k0 * lda" if ta else f"(size_t){row} * K + k0"};
%   endfor
% endif
<%  how = ("(index_t)k * lda" if ta else "k", rows, "a0[at + {}]" if ta and not edge else "a{}[at]") %>\
${core.micro(*how) if edge else core.sums(*how)}\
</%def>

## What is left of rows or columns: by way of private memory.
<%def name="edge(rows)">\
            {
${sums(rows, True)}
                finish(tile, min(${rows}, last - m), c + (size_t)m * N, N, width, k0 > begin, k0 + kc == end${ends()});
                m += ${rows};
            }
</%def>

## What finish takes for its ends.
<%def name="ends()">${"" if split else f"{', bias + j0' if bias else ''}{', residual + ((size_t)z * M + m) * N + j0' if residual else ''}"}</%def>\

<%def name="products()">\
<%
    NR = NV * V
    out = "f32" if split and not exact else dtype
    more = exact or split
    ending = not split and (bias or residual or act != "v")
    named = split or "(" not in act.replace("(T)", "")  # functions in every vector of a tile would take long to compile
%>\
${io(dtype, out)}
% if not split:
${gemm.epilogue(vector=True)}
% endif
${core.packing(vectors=True)}
/* Rows of an edge: add what earlier depths left in C, end with the epilogue, store. */
static void finish(const acc *tile, const int rows, __global ${out}_t *c, const int N, const int width, const int more,
                   const int done${"" if split else f"{', __global const real *bias' if bias else ''}{', __global const real *residual' if residual else ''}"})
{
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < width; j += ${V}) {
            const int here = width - j;
            const size_t at = (size_t)i * N + j;
            T v = vload${V}(0, tile + i * ${NR} + j);
% if more:
            if (more)
                v += some_${out}(c + at, here, 0);
% endif
% if ending:
            if (done)
                v = epilogue(v${f" + some_{dtype}(bias + j, here, 0)" if bias else ""}${f" + some_{dtype}(residual + at, here, 0)" if residual else ""});
% endif
            put_${out}(c + at, here, v);
        }
}

${core.simd_kernel()}matmul(__global const acc *restrict A, __global const ${"acc" if panels else "real"} *restrict B, ${"" if split else capture(gemm.ends)}__global ${out}_t *C,
            __global acc *restrict scratch, const int rows, const int columns, const int KC, const int depth,
            const int in_place, const int lda, const index_t block, ${walk.sizes()})
{
    const int first = get_global_id(1) * rows, last = min(first + rows, M);
    const int left = get_global_id(0) * columns, right = min(left + columns, N);
    __global acc *panel = scratch + (size_t)KC * ${NR}
        * ((get_global_id(2) * get_global_size(1) + get_global_id(1)) * get_global_size(0) + get_global_id(0));
% if split:
    {
        const int z = get_global_id(2), begin = z * depth, end = min(begin + depth, K);
        const size_t za = 0, zb = 0;
% else:
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
        const int begin = 0, end = K;
${walk.batch()}\
% endif
        for (int j0 = left; j0 < right; j0 += ${NR}) {
            const int width = min(${NR}, N - j0);
            __global ${out}_t *c = C + (size_t)z * M * N + j0;
            int k0 = begin;
            do {
                const int kc = min(KC, end - k0);
${panel()}\
                int m = first;
% if named:
                if (width == ${NR})
                    for (; m + ${MR} <= last; m += ${MR}) {
${sums(MR, False)}
${store(out, more, ending)}\
                    }
% endif
                while (m < last)
                    if (last - m > 4)
${edge(MR)}\
                    else if (last - m > 1)
${edge(4)}\
                    else
${edge(1)}\
                k0 += KC;
            } while (k0 < end);
        }
    }
}
</%def>

## The columns from j0 on and depth k0 .. k0 + kc of B: where they are `ready`, and with what pitch bs.
<%def name="panel()">\
<%  NR = NV * V %>\
% if panels:
                const int bs = ${NR};
                __global const acc *ready = B + ((size_t)(j0 / ${NR}) * K + k0) * ${NR};
% else:
                __global const acc *ready = panel;
                int bs = ${NR};
%   if tb:
%     for j in range(NV):
                pack_columns(B + zb + (size_t)(j0 + ${j * V}) * K + k0, K, width - ${j * V}, ${V}, kc, panel + ${j * V}, ${NR});
%     endfor
%   else:
                __global const real *from = B + zb + (size_t)k0 * N + j0;
%     if exact:
                if (in_place && width == ${NR}) {
                    ready = from;
                    bs = N;
                } else
%     endif
                {
%     for j in range(NV):
                    pack_rows(from + ${j * V}, N, width - ${j * V}, kc, panel + ${j * V}, ${NR});
%     endfor
                }
%   endif
% endif
</%def>

## Sums of a whole micro-tile into C.
<%def name="store(out, more, ending)">\
<%  tile = [(i, j) for i in range(MR) for j in range(NV)] %>\
% for i in range(MR):
                        __global ${out}_t *y${i} = c + (size_t)(m + ${i}) * N;
% endfor
% if more:
                        if (k0 > begin) {
%   for i, j in tile:
                            c${i}_${j} += loadv_${out}(y${i}, ${j * V});
%   endfor
                        }
% endif
% if ending:
                        if (k0 + kc == end) {
%   if residual:
                            __global const real *also = residual + ((size_t)z * M + m) * N + j0;
%   endif
%   for i, j in tile:
                            c${i}_${j} = epilogue(c${i}_${j}${f" + loadv_{dtype}(bias, j0 + {j * V})" if bias else ""}${f" + loadv_{dtype}(also + (size_t)N * {i}, {j * V})" if residual else ""});
%   endfor
                        }
% endif
% for i, j in tile:
                        storev_${out}(y${i}, ${j * V}, c${i}_${j});
% endfor
</%def>

<%def name="reduce()">\
<%  total = "f64" if dtype == "f64" else "f32" %>\
${io(dtype, total)}
${gemm.epilogue(vector=True)}
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void reduce(__global const acc *restrict partial, ${gemm.ends()}__global real *restrict C, const int rows,
            const int M, const int N, const int slices)
{
    const int first = get_global_id(0) * rows, last = min(first + rows, M);
    for (int m = first; m < last; ++m)
        for (int j = 0; j < N; j += ${V}) {
            const int here = N - j;
            const size_t at = (size_t)m * N + j;
            T v = some_${total}(partial + at, here, 0);
            for (int s = 1; s < slices; ++s)
                v += some_${total}(partial + (size_t)s * M * N + at, here, 0);
            put_${dtype}(C + at, here, epilogue(v${f" + some_{dtype}(bias + j, here, 0)" if bias else ""}${f" + some_{dtype}(residual + at, here, 0)" if residual else ""}));
        }
}
</%def>

<%def name="pack()">\
${io(dtype)}
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pack(__global const real *restrict A, __global acc *restrict packed, const int M, const int K, const int span)
{
    __global const real *from = A + (size_t)get_global_id(1) * M * K;
    const int first = get_global_id(0) * span;
% if ta:
    __global acc *to = packed + (size_t)get_global_id(1) * ((M + ${MR - 1}) / ${MR}) * ${MR} * K + (size_t)first * ${MR};
    const int last = min(first + span, K);
    for (int m = 0; m < M; m += ${MR}, to += (size_t)K * ${MR}) {
        const int here = M - m;
        if (here >= ${MR})
            for (int k = first; k < last; ++k) {
% for i in range(MR):
                to[(k - first) * ${MR} + ${i}] = LOAD(from, (size_t)k * M + m + ${i});
% endfor
            }
        else
            for (int k = first; k < last; ++k)
                for (int i = 0; i < ${MR}; ++i)
                    to[(k - first) * ${MR} + i] = i < here ? LOAD(from, (size_t)k * M + m + i) : 0;
    }
% else:
    const size_t end = (size_t)min(first + span, M) * K;
    packed += (size_t)get_global_id(1) * M * K;
    size_t i = (size_t)first * K;
    for (; i + ${V} <= end; i += ${V})
        vstore${V}(loadv_${dtype}(from, i), 0, packed + i);
    for (; i < end; ++i)
        packed[i] = LOAD(from, i);
% endif
}
</%def>

<%def name="pack_panels()">\
<%  NR = NV * V %>\
${io(dtype)}
${core.packing(vectors=True)}
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void panels(__global const real *restrict B, __global acc *restrict packed, const int N, const int K, const int KC)
{
    const int j0 = get_global_id(0) * ${NR}, k0 = get_global_id(1) * KC, depth = min(KC, K - k0);
    __global acc *to = packed + ((size_t)get_global_id(0) * K + k0) * ${NR};
% for j in range(NV):
% if tb:
    pack_columns(B + (size_t)(j0 + ${j * V}) * K + k0, K, N - j0 - ${j * V}, ${V}, depth, to + ${j * V}, ${NR});
% else:
    pack_rows(B + (size_t)k0 * N + j0 + ${j * V}, N, N - j0 - ${j * V}, depth, to + ${j * V}, ${NR});
% endif
% endfor
}
</%def>

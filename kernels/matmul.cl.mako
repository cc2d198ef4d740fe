/* matmul — batched matrix product, either operand transposed, batches broadcast.
 *
 * Computes  C[z,m,n] = act(sum_k A[z,m,k] * B[z,k,n] + bias[n] + residual[z,m,n])
 * Layout    row-major. A is (.., M, K), or (.., K, M) if ta; B is (.., K, N), or (.., N, K) if tb; C is (.., M, N).
 *           Batches are `rank` merged axes of sizes n<d>, over which A moves by a<d> and B by b<d> elements (0
 *           where it is broadcast), so no operand is ever repeated in memory
 * Defines   dtype, ta, tb, rank, bias, residual (bool: are there such), engine ("simd", "plain", "pack" here, or "tile", "skinny", "split")
 *           act  C expression of v that ends the epilogue
 * Tunables  V, MR, NV (simd)   KC (an argument: depth of a packed panel)
 * Launch    simd:  group (1), grid (panels of B, row splits, batches); scratch of KC x NR per work-item. A is in
 *                  acc and not transposed (see pack). Sums wait in C between panels: KC >= K for the half types
 *           tile, skinny, split: see _matmul_tile, _matmul_skinny, _matmul_split
 *           plain: any group, grid (N, M, batches); the second axis strides over rows, the third over batches
 *           pack:  group (1), grid (rows of A / V or columns / V if ta, matrices)
 * Source    _gemm.cl.mako; plain is the definition
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="vectors" file="_gemm_simd.cl.mako"/>\
<%def name="sizes()">const int M, const int N, const int K, const int batches${"".join(f", const int n{d}, const index_t a{d}, const index_t b{d}" for d in range(rank))}</%def>\
% if engine == "tile":
<%include file="_matmul_tile.cl.mako"/>
% elif engine == "split":
<%include file="_matmul_split.cl.mako"/>
% elif engine == "skinny":
<%include file="_matmul_skinny.cl.mako"/>
% else:
${{"simd": simd, "plain": plain, "pack": pack}[engine]()}
% endif

## The offsets za, zb of batch z.
<%def name="batch()">\
        size_t za = 0, zb = 0;
% if rank:
        {
            int rest = z;
%   for d in reversed(range(rank)):
            za += (size_t)(rest % n${d}) * a${d};
            zb += (size_t)(rest % n${d}) * b${d};
            rest /= n${d};
%   endfor
        }
% endif
</%def>

<%def name="simd()">\
<%  NR = NV * V; whole = dtype in ("f32", "f64") %>\
${gemm.epilogue()}
${vectors.packing()}
/* A row of the micro-tile: add what earlier depths left in C, end with the epilogue, store. */
static void finish(acc *v, __global real *c, const int width, const int more, const int done${", __global const real *bias" if bias else ""}${", __global const real *residual" if residual else ""})
{
    if (more)
        for (int j = 0; j < width; ++j)
            v[j] += LOAD(c, j);
    if (done)
        for (int j = 0; j < width; ++j)
            v[j] = epilogue(v[j]${gemm.extra('j', 'j')});
% if whole:
    if (width == ${NR}) {
%   for j in range(NV):
        vstore${V}(vload${V}(${j}, v), ${j}, c);
%   endfor
        return;
    }
% endif
    for (int j = 0; j < width; ++j)
        STORE(c, j, v[j]);
}

${vectors.simd_kernel()}matmul(__global const acc *restrict A, __global const real *restrict B, ${gemm.ends()}__global real *C,
            __global acc *restrict scratch, const int rows, const int KC, ${sizes()})
{
    const int j0 = get_global_id(0) * ${NR}, width = min(${NR}, N - j0);
    const int first = get_global_id(1) * rows, last = min(first + rows, M);
    __global acc *panel = scratch + (size_t)KC * ${NR}
        * ((get_global_id(2) * get_global_size(1) + get_global_id(1)) * get_global_size(0) + get_global_id(0));
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
${batch()}\
        __global real *c = C + (size_t)z * M * N + j0;
        int k0 = 0;
        do {
            const int kc = min(KC, K - k0);
            __global const acc *ready = panel;
            int bs = ${NR};
% if tb:
%   for j in range(NV):
            pack_columns(B + zb + (size_t)(j0 + ${j * V}) * K + k0, K, width - ${j * V}, ${V}, kc, panel + ${j * V}, ${NR});
%   endfor
% else:
            __global const real *from = B + zb + (size_t)k0 * N + j0;
%   if whole:
            if (last - first <= ${MR} && width == ${NR}) {  // B is read once: packing it would only double that
                ready = from;
                bs = N;
            } else
%   endif
            {
%   for j in range(NV):
                pack_rows(from + ${j * V}, N, width - ${j * V}, kc, panel + ${j * V}, ${NR});
%   endfor
            }
% endif
            for (int m = first; m < last; m += ${MR}) {
% for i in range(MR):
                __global const acc *a${i} = A + za + (size_t)min(m + ${i}, last - 1) * K + k0;
% endfor
                __global const acc *b = ready;
${vectors.micro("k")}
                for (int i = 0; i < min(${MR}, last - m); ++i)
                    finish(tile + i * ${NR}, c + (size_t)(m + i) * N, width, k0 > 0, k0 + kc == K${", bias + j0" if bias else ""}${", residual + ((size_t)z * M + m + i) * N + j0" if residual else ""});
            }
            k0 += KC;
        } while (k0 < K);
    }
}
</%def>

## A (M x K per matrix) into acc, transposed on the way if ta.
<%def name="pack()">\
${vectors.packing()}
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pack(__global const real *restrict A, __global acc *restrict packed, const int M, const int K)
{
    const int first = get_global_id(0) * ${V};
    __global const real *from = A + (size_t)get_global_id(1) * M * K;
    __global acc *to = packed + (size_t)get_global_id(1) * M * K;
% if ta:
    const int lanes = min(${V}, K - first);
    pack_columns(from + (size_t)first * M, M, lanes, lanes, M, to + first, K);
% else:
    const size_t end = (size_t)min(first + ${V}, M) * K;
    for (size_t i = (size_t)first * K; i < end; ++i)
        to[i] = LOAD(from, i);
% endif
}
</%def>

<%def name="plain()">\
${gemm.epilogue()}
__kernel void matmul(__global const real *restrict A, __global const real *restrict B, ${gemm.ends()}
                     __global real *restrict C, ${sizes()})
{
    const int n = get_global_id(0);
    if (n >= N)
        return;
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
${batch()}\
        for (int m = get_global_id(1); m < M; m += get_global_size(1)) {
            acc sum = 0;
            for (int k = 0; k < K; ++k)
                sum += LOAD(A, za + ${"(size_t)k * M + m" if ta else "(size_t)m * K + k"}) * LOAD(B, zb + ${"(size_t)n * K + k" if tb else "(size_t)k * N + n"});
            STORE(C, ((size_t)z * M + m) * N + n, epilogue(sum${gemm.extra('n', '((size_t)z * M + m) * N + n')}));
        }
    }
}
</%def>

/* matmul — batched matrix product, either operand transposed, batches broadcast.
 *
 * Computes  C[z,m,n] = act(sum_k A[z,m,k] * B[z,k,n] + bias[n] + residual[z,m,n])
 * Layout    row-major. A is (.., M, K), or (.., K, M) if ta; B is (.., K, N), or (.., N, K) if tb; C is (.., M, N).
 *           Batches: see _matmul_batch
 * Defines   dtype, ta, tb, rank, bias, residual (bool: are there such), engine
 *           act  C expression of v that ends the epilogue
 * Tunables  see the engines
 * Launch    tile, split, skinny: see _matmul_tile, _matmul_split, _matmul_skinny
 *           plain: any group, grid (N, M, batches); the second axis strides over rows, the third over batches
 *           simd, reduce, pack, panels: see _matmul_simd   dots, sums: see _matmul_thin
 * Source    _gemm.cl.mako; plain is the definition
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="walk" file="_matmul_batch.cl.mako"/>\
% if engine == "plain":
${plain()}
% elif engine == "tile":
<%include file="_matmul_tile.cl.mako"/>
% elif engine == "split":
<%include file="_matmul_split.cl.mako"/>
% elif engine == "skinny":
<%include file="_matmul_skinny.cl.mako"/>
% elif engine in ("dots", "sums"):
<%include file="_matmul_thin.cl.mako"/>
% else:
<%include file="_matmul_simd.cl.mako"/>
% endif
<%def name="plain()">\
${gemm.epilogue()}
__kernel void matmul(__global const real *restrict A, __global const real *restrict B, ${gemm.ends()}
                     __global real *restrict C, ${walk.sizes()})
{
    const int n = get_global_id(0);
    if (n >= N)
        return;
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
${walk.batch()}\
        for (int m = get_global_id(1); m < M; m += get_global_size(1)) {
            acc sum = 0;
            for (int k = 0; k < K; ++k)
                sum += LOAD(A, za + ${"(size_t)k * M + m" if ta else "(size_t)m * K + k"}) * LOAD(B, zb + ${"(size_t)n * K + k" if tb else "(size_t)k * N + n"});
            STORE(C, ((size_t)z * M + m) * N + n, epilogue(sum${gemm.extra('n', '((size_t)z * M + m) * N + n')}));
        }
    }
}
</%def>

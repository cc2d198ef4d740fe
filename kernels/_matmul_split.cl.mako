/* matmul_split — the end of a product whose sums over K were taken in slices.
 *
 * Computes  reduce  C = act(sum_s partial[s] + bias + residual), slices in their order
 * Layout    partial (slice, batch, M, N) in acc
 * Defines   dtype, bias, residual, act;  vc  1 or 4: whether N is a multiple of 4
 * Launch    any group; an item per vc elements
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="tiles" file="_gemm_tile.cl.mako"/>\
<%  width = 4 if vc == 4 else "" %>\
${gemm.epilogue()}
${tiles.types()}
__kernel void reduce(__global const acc *restrict partial, ${gemm.ends()}__global real *restrict C, const int M, const int N,
                     const int batches, const int slices)
{
    const size_t count = (size_t)batches * M * N, to = get_global_id(0) * ${vc};
    if (to >= count)
        return;
    const int j = to % N;
    acc${width} sum = 0;
    for (int s = 0; s < slices; ++s)
        sum += *(__global const acc${width} *)(partial + s * count + to);
    ${tiles.end("C", vc, "j")("sum")}
}

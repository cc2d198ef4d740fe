/* matmul_tile — the products of matmul on GPUs, whole or in slices of K.
 *
 * Computes  matmul  C = act(A * B + bias + residual), see matmul;  with `split` the sums of one slice of K, unfinished (see _matmul_split)
 * Layout    partial (slice, batch, M, N) in acc
 * Defines   those of matmul; split (bool);  va, vb, vc  1 or 4: whether the contiguous axis of an operand has a multiple of 4
 * Tunables  see _gemm_tile
 * Launch    see _gemm_tile; the third axis strides over batches, with `split` over slices of all batches
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="tiles" file="_gemm_tile.cl.mako"/>\
<%namespace name="walk" file="_matmul_batch.cl.mako"/>\
<%
    a = {"name": "a", "memory": "A", "rows": "M", "vector": va, "major": "row" if ta else "k",
         "base": "i" if ta else "i * (index_t)K", "offset": "k * (index_t)M" if ta else "k"}
    b = {"name": "b", "memory": "B", "rows": "N", "vector": vb, "major": "k" if tb else "row",
         "base": "i * (index_t)K" if tb else "i", "offset": "k" if tb else "k * (index_t)N"}
%>\
${gemm.epilogue()}
${tiles.types()}
${tiles.kernel(TN // RN * (TM // RM))}
% if split:
void matmul(__global const real *restrict A_all, __global const real *restrict B_all, __global acc *restrict partial,
            const int slices, const int depth, ${walk.sizes()})
% else:
void matmul(__global const real *restrict A_all, __global const real *restrict B_all, ${gemm.ends()}__global real *restrict C_all,
            ${walk.sizes()})
% endif
{
${tiles.place()}\
% if split:
    for (int part = get_global_id(2); part < batches * slices; part += get_global_size(2)) {
        const int z = part % batches, k_begin = part / batches * depth, k_end = min(k_begin + depth, K);
        __global acc *to_part = partial + (size_t)part * M * N;
% else:
    const int k_begin = 0, k_end = K;
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
        const index_t before = (index_t)z * M * N;
% endif
${walk.batch()}\
        __global const real *A = A_all + za, *B = B_all + zb;
${tiles.product(a, b)}\
% if split:
${tiles.store("i * N", "j", vc, lambda v: f"*(__global acc{4 if vc == 4 else ''} *)(to_part + to) = {v};")}\
% else:
${tiles.store("before + i * N", "j", vc, tiles.end("C_all", vc, "j"))}\
% endif
    }
}

/* conv — convolution and its two gradients by implicit GEMM: im2col happens in the load, never in memory.
 *
 * Computes  conv2d       y[n,o,p,q]  = sum_{c,r,s} x[n, c, p*SH+r*DH-PH, q*SW+s*DW-PW] * w[o,c,r,s], then the epilogue of _gemm
 *           input_grad   dx[n,c,h,w] = sum_{o,r,s} g[n, o, (h+PH-r*DH)/SH, (w+PW-s*DW)/SW] * w[o,c,r,s], whole quotients
 *           weight_grad  dw[o,c,r,s] = sum_{n,p,q} g[n,o,p,q] * x[n, c, p*SH+r*DH-PH, q*SW+s*DW-PW]
 *           c counts within o's group. Gradients gather: no atomics, the same bits every time
 * Layout    x NCHW, w OIHW (I = channels of a group), y NOPQ; row-major
 * Defines   dtype, engine: "tile", "simd", "simd_grad" and "simd_layout" (_conv_<engine>) or "plain" (here)
 *           plain: KH, KW, SH, SW, DH, DW (kernel, stride, dilation), PH, PW (padding before), bias, residual (bool: are there such)
 *           act  C expression of v that ends the epilogue of a convolution
 * Tunables  none in plain; simd and tile have those of _gemm
 * Launch    plain: any group, no local memory, one work-item per output; grid (P*Q, O, N), (H*W, C, N), and for
 *           weight_grad (C*KH*KW, O, slices of N), each slice a partial sum
 *           reduce: one work-item per element sums the partial results in their order
 * Source    Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014; plain is the definition
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
% if engine == "plain":
${plain()}
% elif engine == "tile":
<%include file="_conv_tile.cl.mako"/>
% elif engine == "simd":
<%include file="_conv_simd.cl.mako"/>
% elif engine == "simd_grad":
<%include file="_conv_simd_grad.cl.mako"/>
% else:
<%include file="_conv_simd_layout.cl.mako"/>
% endif

<%def name="plain()">\
${gemm.epilogue()}
__kernel void conv2d(__global const real *restrict x, __global const real *restrict w,
                     ${gemm.ends()}__global real *restrict y, const int C, const int H, const int W,
                     const int O, const int P, const int Q, const int groups)
{
    const int pq = get_global_id(0), o = get_global_id(1);
    const size_t n = get_global_id(2);
    if (pq >= P * Q || o >= O)
        return;
    const int depth = C / groups, p = pq / Q, q = pq - p * Q;
    __global const real *from = x + (n * C + (size_t)(o / (O / groups)) * depth) * H * W;
    __global const real *filter = w + (size_t)o * depth * ${KH * KW};
    acc sum = 0;
    for (int c = 0; c < depth; ++c)
        for (int r = 0; r < ${KH}; ++r)
            for (int s = 0; s < ${KW}; ++s) {
                const int h = p * ${SH} + r * ${DH} - (${PH}), v = q * ${SW} + s * ${DW} - (${PW});
                if (h >= 0 && h < H && v >= 0 && v < W)
                    sum += LOAD(from, ((size_t)c * H + h) * W + v) * LOAD(filter, (c * ${KH} + r) * ${KW} + s);
            }
    STORE(y, (n * O + o) * P * Q + pq, epilogue(sum${gemm.extra('o', '(n * O + o) * P * Q + pq')}));
}

__kernel void input_grad(__global const real *restrict g, __global const real *restrict w,
                         ${gemm.ends()}__global real *restrict dx, const int C, const int H, const int W, const int O, const int P, const int Q, const int groups)
{
    const int hv = get_global_id(0), c = get_global_id(1);
    const size_t n = get_global_id(2);
    if (hv >= H * W || c >= C)
        return;
    const int depth = C / groups, each = O / groups, h = hv / W, v = hv - h * W, first = c / depth * each;
    acc sum = 0;
    for (int r = 0; r < ${KH}; ++r) {
        const int y = h + ${PH} - r * ${DH}, p = y / ${SH};
        if (y < 0 || p * ${SH} != y || p >= P)
            continue;
        for (int s = 0; s < ${KW}; ++s) {
            const int z = v + ${PW} - s * ${DW}, q = z / ${SW};
            if (z < 0 || q * ${SW} != z || q >= Q)
                continue;
            for (int o = first; o < first + each; ++o)
                sum += LOAD(g, ((n * O + o) * P + p) * Q + q)
                    * LOAD(w, (((size_t)o * depth + c % depth) * ${KH} + r) * ${KW} + s);
        }
    }
    STORE(dx, (n * C + c) * H * W + hv, epilogue(sum${gemm.extra('c', '(n * C + c) * H * W + hv')}));
}

__kernel void weight_grad(__global const real *restrict g, __global const real *restrict x, __global acc *restrict partial,
                          const int N, const int C, const int H, const int W, const int O, const int P, const int Q,
                          const int groups, const int each)
{
    const int depth = C / groups, crs = get_global_id(0), o = get_global_id(1), slice = get_global_id(2);
    if (crs >= depth * ${KH * KW} || o >= O)
        return;
    const int c = o / (O / groups) * depth + crs / ${KH * KW}, r = crs / ${KW} % ${KH}, s = crs % ${KW};
    const int last = min(N, (slice + 1) * each);
    acc sum = 0;
    for (int n = slice * each; n < last; ++n) {
        __global const real *from = x + ((size_t)n * C + c) * H * W;
        __global const real *grad = g + ((size_t)n * O + o) * P * Q;
        for (int p = 0; p < P; ++p) {
            const int h = p * ${SH} + r * ${DH} - (${PH});
            if (h < 0 || h >= H)
                continue;
            for (int q = 0; q < Q; ++q) {
                const int v = q * ${SW} + s * ${DW} - (${PW});
                if (v >= 0 && v < W)
                    sum += LOAD(grad, p * Q + q) * LOAD(from, (size_t)h * W + v);
            }
        }
    }
    partial[((size_t)slice * O + o) * depth * ${KH * KW} + crs] = sum;
}

__kernel void reduce(__global const acc *restrict partial, __global real *restrict dw, const int n, const int slices)
{
    const int i = get_global_id(0);
    if (i >= n)
        return;
    acc sum = 0;
    for (int s = 0; s < slices; ++s)
        sum += partial[(size_t)s * n + i];
    STORE(dw, i, sum);
}
</%def>

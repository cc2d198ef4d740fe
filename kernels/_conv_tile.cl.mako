/* conv_tile — the convolution kernels for GPUs: both operands staged in local memory, pixels along the lanes.
 *
 * Computes  conv2d       rows i are output channels of one group, columns j output pixels of all images, k channels
 *                        and taps: w[i*wl + w_offsets[k]] * x[base(j) + x_offsets[k]]. input_grad is the same kernel on
 *                        g: per phase of the stride the taps that meet it (the host describes both)
 *           weight_grad  rows i are output channels, columns j channels and taps, k the pixels of all images
 *           pad          x with the border that taps reach;  taps, pixels  the offset tables;  reduce  adds slices
 * Layout    x NCHW, w OIHW, g and y NOPQ, partial (slice, OIHW)
 * Defines   dtype, bias, residual (bool), act, layout (bool: the kernels without tiles)
 * Tunables  TM, TN, TK, RM, RN (see _gemm)
 * Launch    group (TN/RN, TM/RM); a group per tile along the first axis, third axis groups (conv2d) or groups * slices (weight_grad)
 *           the layout kernels: any group, one work-item per element; pad strides over planes
 * Source    Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="tiles" file="_gemm_tile.cl.mako"/>\
${layouts() if layout else products()}

<%def name="layouts()">\
__kernel void pad(__global const real *restrict x, __global real *restrict padded, const int planes, const int H,
                  const int W, const int HP, const int WP, const int h0, const int w0)
{
    const int w = get_global_id(0), h = get_global_id(1);
    if (w >= WP || h >= HP)
        return;
    const int from_h = h + h0, from_w = w + w0, inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
    for (size_t plane = get_global_id(2); plane < planes; plane += get_global_size(2))
        padded[(plane * HP + h) * WP + w] = inside ? x[(plane * H + from_h) * W + from_w] : 0;
}

/* Where tap k = (c, r, s) of a phase finds its filter element and its input, from the window's start. */
__kernel void taps(__global index_t *restrict w_offsets, __global index_t *restrict x_offsets, const int n, const int R,
                   const int S, const int wc, const int wr, const int ws, const int w0, const int xc, const int xr, const int xs)
{
    const int k = get_global_id(0);
    if (k >= n)
        return;
    const int s = k % S, r = k / S % R;
    const index_t c = k / S / R;
    w_offsets[k] = c * wc + r * wr + s * ws + w0;
    x_offsets[k] = c * xc + r * xr + s * xs;
}

/* Where pixel k = (n, p, q) lies in g, and where its window starts in x. */
__kernel void pixels(__global index_t *restrict g_offsets, __global index_t *restrict x_offsets, const index_t count, const int P,
                     const int Q, const index_t gn, const index_t xn, const int xp, const int xq)
{
    const index_t k = get_global_id(0);
    if (k >= count)
        return;
    const index_t q = k % Q, p = k / Q % P, n = k / Q / P;
    g_offsets[k] = n * gn + p * Q + q;
    x_offsets[k] = n * xn + p * xp + q * xq;
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

<%def name="products()">\
${gemm.epilogue()}
/* Pixel (n, p, q) reads windows at x0 + n*xn + group*xg + p*xp + q*xq and writes at n*yn + o*yo + p*yp + q*yq + y0. */
__kernel __attribute__((reqd_work_group_size(${TN // RN}, ${TM // RM}, 1)))
void conv2d(__global const real *restrict x, __global const real *restrict w, __global const index_t *restrict w_offsets,
            __global const index_t *restrict x_offsets, ${gemm.ends()}__global real *restrict y,
            const index_t N, const int K, const int M, const int P, const int Q, const int wg, const int wl, const index_t xn,
            const index_t xg, const int xp, const int xq, const index_t x0, const index_t yn, const index_t yo,
            const int yp, const int yq, const index_t y0)
{
${tiles.tile_memory()}\
    const index_t k_begin = 0, k_end = K;
    const size_t group = get_global_id(2);
    w += group * wg;
    x += group * xg + x0;
    y += group * M * yo + y0;
% if bias:
    bias += group * M;
% endif
% if residual:
    residual += group * M * yo + y0;
% endif
<%call expr="tiles.tile('w', 'x', '(size_t)i * wl', 'w_offsets[k]',
                       '(size_t)(i / Q / P) * xn + (size_t)(i / Q % P) * xp + (size_t)(i % Q) * xq', 'x_offsets[k]', 'k', 'row')">\
const size_t to = (size_t)(j / Q / P) * yn + (size_t)i * yo + (size_t)(j / Q % P) * yp + (size_t)(j % Q) * yq;
STORE(y, to, epilogue(v${gemm.extra('i', 'to')}));\
</%call>\
}

/* Column (c, r, s) starts at x0 + c*xc + r*xr + s*xs; each slice sums `depth` of the pixels. */
__kernel __attribute__((reqd_work_group_size(${TN // RN}, ${TM // RM}, 1)))
void weight_grad(__global const real *restrict g, __global const real *restrict x, __global const index_t *restrict g_offsets,
                 __global const index_t *restrict x_offsets, __global acc *restrict partial, const int M, const int N,
                 const index_t K, const int R, const int S, const int groups, const index_t gg, const int go, const index_t xg,
                 const index_t xc, const int xr, const int xs, const index_t x0, const index_t depth)
{
${tiles.tile_memory()}\
    const size_t group = get_global_id(2) % groups, slice = get_global_id(2) / groups;
    const index_t k_begin = slice * depth, k_end = min(k_begin + depth, K);
    g += group * gg;
    x += group * xg + x0;
    partial += (slice * groups + group) * M * N;
<%call expr="tiles.tile('g', 'x', '(size_t)i * go', 'g_offsets[k]',
                       '(size_t)(i / S / R) * xc + (size_t)(i / S % R) * xr + (size_t)(i % S) * xs', 'x_offsets[k]', 'k', 'k')">\
partial[(size_t)i * N + j] = v;\
</%call>\
}
</%def>

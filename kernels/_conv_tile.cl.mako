/* conv_tile — the convolution kernels for GPUs: both operands staged in local memory, pixels along the lanes.
 *
 * Computes  conv2d       rows i are output channels of one group, columns j output pixels of all images, k channels
 *                        and taps: w[k*MP + i] * x[base(j) + x_offsets[k]]. input_grad is the same kernel on g: per
 *                        phase of the stride the taps that meet it (the host describes both)
 *           weight_grad  rows i are output channels, columns j channels and taps, k the pixels of all images
 *           finish, add  end a conv2d and a weight_grad whose sums were taken in slices of k, slices in their order
 *           pad          x with the border that taps reach;  pack  the filters as w above, MP a multiple of 4;  taps  x_offsets
 * Layout    x NCHW, w OIHW until packed, g and y NOPQ, partial (slice, group, i, j) in acc
 * Defines   dtype, act, bias, residual (see _gemm), wide;  stage: the kernel, or "layout" for pad, pack, taps and add
 *           split (bool: sums of one slice of k go to partial);  va, vb, vc  1 or 4: elements of the operands and the result
 *           that lie side by side, at multiples of 4
 * Tunables  slices (of k), and those of _gemm_tile
 * Launch    conv2d, weight_grad: see _gemm_tile; third axis groups, with `split` groups * slices
 *           the others: any group, one work-item per element (finish: vc of them); pad strides over planes
 * Source    Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="tiles" file="_gemm_tile.cl.mako"/>\
${{"layout": layouts, "conv2d": conv2d, "finish": finish, "weight_grad": weight_grad}[stage]()}

<%def name="layouts()">\
__kernel void pad(__global const real *restrict x, __global real *restrict padded, const int planes, const int H,
                  const int W, const int HP, const int WP, const int h0, const int w0)
{
    const int at = get_global_id(0), h = at / WP + h0, w = at % WP + w0;
    if (at >= HP * WP)
        return;
    const int inside = h >= 0 && h < H && w >= 0 && w < W;
    for (size_t plane = get_global_id(1); plane < planes; plane += get_global_size(1))
        padded[plane * HP * WP + at] = inside ? x[(plane * H + h) * W + w] : 0;
}

/* Filter element (i, k = (c, r, s)) of a group lies at group*wg + i*wl + c*wc + r*wr + s*ws + w0. */
__kernel void pack(__global const real *restrict w, __global real *restrict packed, const int M, const int MP, const int K,
                   const int R, const int S, const int wg, const int wl, const int wc, const int wr, const int ws, const int w0)
{
    const int i = get_global_id(0), k = get_global_id(1);
    const size_t group = get_global_id(2);
    if (i >= MP)
        return;
    const size_t from = group * wg + (size_t)i * wl + (size_t)(k / S / R) * wc + k / S % R * wr + k % S * ws + w0;
    packed[(group * K + k) * MP + i] = i < M ? w[from] : 0;
}

/* Where tap k = (c, r, s) finds its input, from the window's start. */
__kernel void taps(__global index_t *restrict x_offsets, const int n, const int R, const int S, const index_t xc, const int xr,
                   const int xs)
{
    const int k = get_global_id(0);
    if (k < n)
        x_offsets[k] = (k / S / R) * xc + k / S % R * xr + k % S * xs;
}

__kernel void add(__global const acc *restrict partial, __global real *restrict dw, const int n, const int slices)
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

## Where column j of y lies: the pixels of an image side by side, or at steps.
<%def name="column()">${"j / (P * Q) * yn + j % (P * Q)" if vc == 4 else "j / Q / P * yn + j / Q % P * yp + j % Q * yq"}</%def>\

<%def name="conv2d()">\
<%
    a = {"name": "a", "memory": "w", "rows": "M", "limit": "MP", "vector": 4, "major": "row", "base": "i", "offset": "k * MP"}
    b = {"name": "b", "memory": "x", "rows": "N", "vector": vb, "major": "row", "offset": "x_offsets[k]",
         "base": "(i / (P * Q)) * xn + i % (P * Q)" if vb == 4 else "(i / Q / P) * xn + (i / Q % P) * xp + (i % Q) * xq"}
%>\
${gemm.epilogue()}
${tiles.types()}
/* Pixel (n, p, q) reads windows at x0 + n*xn + group*xg + p*xp + q*xq and writes at n*yn + o*yo + p*yp + q*yq + y0. */
${tiles.kernel(TN // RN * (TM // RM))}
void conv2d(__global const real *restrict x_all, __global const real *restrict w_all, __global const index_t *restrict x_offsets,
% if split:
            __global acc *restrict partial, const int groups, const int depth,
% else:
            ${gemm.ends()}__global real *restrict y,
% endif
            const index_t N, const int K, const int M, const int MP, const int P, const int Q, const index_t xn,
            const index_t xg, const int xp, const int xq, const index_t x0, const index_t yn, const index_t yo,
            const int yp, const int yq, const index_t y0)
{
${tiles.place()}\
% if split:
    const index_t group = get_global_id(2) % groups, before = (index_t)get_global_id(2) * M * N;
    const int k_begin = get_global_id(2) / groups * depth, k_end = min(k_begin + depth, K);
% else:
    const index_t group = get_global_id(2), before = group * M * yo + y0;
    const int k_begin = 0, k_end = K;
% if bias:
    bias += group * M;
% endif
% endif
    __global const real *w = w_all + group * K * MP, *x = x_all + group * xg + x0;
${tiles.product(a, b)}\
% if split:
${tiles.store("before + i * N", "j", vc, lambda v: f"*(__global acc{4 if vc == 4 else ''} *)(partial + to) = {v};")}\
% else:
${tiles.store("before + i * yo", capture(column), vc, tiles.end("y", vc, "i"))}\
% endif
}
</%def>

<%def name="finish()">\
<%  width = 4 if vc == 4 else "" %>\
${gemm.epilogue()}
${tiles.types()}
__kernel void finish(__global const acc *restrict partial, ${gemm.ends()}__global real *restrict y, const int slices,
                     const index_t N, const int M, const int P, const int Q, const index_t yn, const index_t yo, const int yp,
                     const int yq, const index_t y0)
{
    const index_t j = get_global_id(0) * ${vc};
    const int i = get_global_id(1);
    const size_t group = get_global_id(2), each = get_global_size(2) * M * N;
    if (j >= N)
        return;
    partial += (group * M + i) * N + j;
    acc${width} sum = 0;
    for (int s = 0; s < slices; ++s)
        sum += *(__global const acc${width} *)(partial + s * each);
% if bias:
    bias += group * M;
% endif
    const size_t to = (group * M + i) * yo + y0 + ${column()};
    ${tiles.end("y", vc, "i")("sum")}
}
</%def>

## A lane walks the pixels at a step of TK: image n, row p and column q of its own for each operand, carried over without a division.
<%def name="weight_grad()">\
<%
    a = {"name": "a", "memory": "g", "rows": "M", "vector": va, "major": "k", "base": "i * area", "offset": "g_at"}
    b = {"name": "b", "memory": "x", "rows": "N", "vector": vb, "major": "k", "offset": "x_at",
         "base": "(i / S / R) * xc + (i / S % R) * xr + (i % S) * xs"}
    tiles.share(a), tiles.share(b)
    seek = f"""pixel = k0 + {a["k"][0]};
            g_n = pixel / area;
            g_pq = pixel % area;
            g_at = g_n * gn + g_pq;
            pixel = k0 + {b["k"][0]};
            x_q = pixel % Q;
            x_p = pixel / Q % P;
            x_n = pixel / Q / P;
            x_at = x_n * xn + x_p * xp + x_q * xq;"""
    step = """g_pq += area_step;
                g_n += images_step + (g_pq >= area);
                g_pq -= g_pq >= area ? area : 0;
                g_at = g_n * gn + g_pq;
                x_q += q_step;
                x_p += p_step + (x_q >= Q);
                x_q -= x_q >= Q ? Q : 0;
                x_n += images_step + (x_p >= P);
                x_p -= x_p >= P ? P : 0;
                x_at = x_n * xn + x_p * xp + x_q * xq;"""
%>\
${tiles.types()}
/* Column (c, r, s) starts at x0 + c*xc + r*xr + s*xs; each slice sums `depth` of the pixels. */
${tiles.kernel(TN // RN * (TM // RM))}
void weight_grad(__global const real *restrict g_all, __global const real *restrict x_all,
                 __global ${"acc" if split else "real"} *restrict to_dw, const int M, const int N, const index_t K, const int P,
                 const int Q, const int R, const int S, const int groups, const index_t depth, const index_t gn, const index_t xn,
                 const index_t xg, const index_t xc, const int xp, const int xq, const int xr, const int xs, const index_t x0)
{
${tiles.place()}\
    const index_t group = get_global_id(2) % groups, before = (index_t)get_global_id(2) * M * N;
    const index_t k_begin = get_global_id(2) / groups * depth, k_end = min(k_begin + depth, K);
    const int area = P * Q, area_step = ${TK} % area, images_step = ${TK} / area, q_step = ${TK} % Q, p_step = ${TK} / Q % P;
    __global const real *g = g_all + group * M * area, *x = x_all + group * xg + x0;
    index_t pixel, g_n, g_pq, g_at, x_n, x_p, x_q, x_at;
${tiles.product(a, b, seek, step)}\
${tiles.store("before + i * N", "j", vc,
              lambda v: f"*(__global acc{4 if vc == 4 else ''} *)(to_dw + to) = {v};" if split else f"STORE{4 if vc == 4 else ''}(to_dw, to, {v});")}\
}
</%def>

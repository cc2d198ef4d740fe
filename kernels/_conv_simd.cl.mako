/* conv_simd — the convolution kernels for CPUs; lanes are output channels, the image is read in place.
 *
 * Computes  conv2d       rows i are output pixels of all images, k the channels and taps of one group; A[i,k] is
 *                        x[base(i) + offsets[k]] and B the filters. input_grad is the same kernel on g: per phase of
 *                        the stride the taps that meet it, at the pixels they meet (the host describes both)
 *           weight_grad  rows i are channels and taps, k the pixels of all images, B the output gradient
 *           pad, pack_filters, pack_grad  lay the operands out;  reduce  adds the slices of weight_grad
 * Layout    x is acc, with whatever border the taps reach (pad); filters are panels (group, O/NR, k, NR), gradients
 *           panels (group, O/NR, image and pixel, NR), both zero beyond O; partial is (slice, group, O/NR, row, NR)
 * Defines   dtype, layout (bool: the kernels that lay out, which need V and NV only), bias, residual (bool), act
 * Tunables  V, MR, NV (see _gemm)   tiles (micro-tiles a work-item does), KC (depth of a chunk): arguments
 * Launch    group (1). conv2d: grid (row blocks, panels, groups)   weight_grad: (row spans, panels * groups, slices)
 * Source    Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures", 2018
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="vectors" file="_gemm_simd.cl.mako"/>\
${layouts() if layout else products()}

<%def name="layouts()">\
<%  NR = NV * V %>\
${vectors.packing()}
/* Planes of x, shifted by (h0, w0) and cropped or bordered with zeros to HP x WP. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pad(__global const real *restrict x, __global acc *restrict padded, const int planes, const int each,
         const int H, const int W, const int HP, const int WP, const int h0, const int w0)
{
    const int last = min(planes, ((int)get_global_id(0) + 1) * each);
    const int left = clamp(-w0, 0, WP), right = clamp(W - w0, left, WP);
    for (int plane = get_global_id(0) * each; plane < last; ++plane)
        for (int h = 0; h < HP; ++h) {
            __global acc *to = padded + ((size_t)plane * HP + h) * WP;
            const int inside = h + h0 >= 0 && h + h0 < H, start = inside ? left : WP, end = inside ? right : WP;
            __global const real *from = x + ((size_t)plane * H + (inside ? h + h0 : 0)) * W;
            for (int w = 0; w < start; ++w)
                to[w] = 0;
            for (int w = start; w < end; ++w)
                to[w] = LOAD(from, w + w0);
            for (int w = end; w < WP; ++w)
                to[w] = 0;
        }
}

/* Filters of one phase: k counts (c, r, s); lane l reads w[l*wl + c*wc + r*wr + s*ws + w0] of its group. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pack_filters(__global const real *restrict w, __global acc *restrict packed, __global index_t *restrict offsets,
                  const int O, const int C, const int R, const int S, const int wg, const int wl, const int wc,
                  const int wr, const int ws, const int w0, const int xc, const int xr, const int xs)
{
    const int c = get_global_id(0), panel = get_global_id(1), group = get_global_id(2);
    const int taps = R * S, lanes = O - panel * ${NR};
    __global const real *from = w + (size_t)group * wg + (size_t)panel * ${NR} * wl + (size_t)c * wc + w0;
    __global acc *to = packed + (((size_t)group * get_global_size(1) + panel) * C + c) * taps * ${NR};
    for (int r = 0; r < R; ++r)
        for (int s = 0; s < S; ++s, to += ${NR}) {
            const int at = r * wr + s * ws;
            for (int l = 0; l < ${NR}; ++l)
                to[l] = l < lanes ? LOAD(from, (size_t)l * wl + at) : 0;
            if (panel == 0 && group == 0)
                offsets[(c * R + r) * S + s] = (index_t)c * xc + r * xr + s * xs;
        }
}

/* Filters whose channels and taps lie together, as those of a forward convolution do. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pack_whole_filters(__global const real *restrict w, __global acc *restrict packed, __global index_t *restrict offsets,
                        const int O, const int C, const int R, const int S, const int xc, const int xr, const int xs)
{
    const int panel = get_global_id(0), group = get_global_id(1), depth = C * R * S;
    __global const real *from = w + ((size_t)group * O + panel * ${NR}) * depth;
    __global acc *to = packed + ((size_t)group * get_global_size(0) + panel) * depth * ${NR};
% for j in range(NV):
    pack_columns(from + (size_t)${j * V} * depth, depth, O - panel * ${NR} - ${j * V}, ${V}, depth, to + ${j * V}, ${NR});
% endfor
    if (panel == 0 && group == 0)
        for (int c = 0; c < C; ++c)
            for (int r = 0; r < R; ++r)
                for (int s = 0; s < S; ++s)
                    offsets[(c * R + r) * S + s] = (index_t)c * xc + r * xr + s * xs;
}

/* The gradient of one image (n, panel, group), and where its pixels' windows start in x. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void pack_grad(__global const real *restrict g, __global acc *restrict packed, __global index_t *restrict offsets,
               const int O, const int P, const int Q, const int xn, const int xp, const int xq)
{
    const size_t n = get_global_id(0), images = get_global_size(0), panel = get_global_id(1), group = get_global_id(2);
    const int pixels = P * Q, lanes = O - panel * ${NR};
    __global const real *from = g + ((n * get_global_size(2) + group) * O + panel * ${NR}) * pixels;
    __global acc *to = packed + ((group * get_global_size(1) + panel) * images + n) * pixels * ${NR};
% for j in range(NV):
    pack_columns(from + (size_t)${j * V} * pixels, pixels, lanes - ${j * V}, ${V}, pixels, to + ${j * V}, ${NR});
% endfor
    if (panel == 0 && group == 0)
        for (int p = 0; p < P; ++p)
            for (int q = 0; q < Q; ++q)
                offsets[n * pixels + p * Q + q] = (index_t)n * xn + p * xp + q * xq;
}
</%def>

<%def name="products()">\
<%  NR = NV * V %>\
${gemm.epilogue()}
/* Pixel (n, p, q) reads windows at x0 + n*xn + group*xg + p*xp + q*xq and writes at n*yn + o*yo + p*yp + q*yq + y0. */
${vectors.simd_kernel()}conv2d(__global const acc *restrict x, __global const acc *restrict filters, __global const index_t *restrict offsets,
            ${gemm.ends()}__global real *restrict y, const index_t M, const int kc, const int O,
            const int P, const int Q, const index_t xn, const index_t xg, const int xp, const int xq, const index_t x0,
            const index_t yn, const index_t yo, const int yp, const int yq, const index_t y0, const int tiles)
{
    const int panel = get_global_id(1), group = get_global_id(2), lanes = min(${NR}, O - panel * ${NR}), bs = ${NR};
    const index_t first = (index_t)get_global_id(0) * tiles * ${MR}, last = min(first + tiles * ${MR}, M);
    x += (size_t)group * xg + x0;
    y += ((size_t)group * O + panel * ${NR}) * yo + y0;
    filters += ((size_t)group * get_global_size(1) + panel) * kc * ${NR};
% if bias:
    bias += group * O + panel * ${NR};
% endif
% if residual:
    residual += ((size_t)group * O + panel * ${NR}) * yo + y0;
% endif
    int q = first % Q, p = first / Q % P;
    size_t n = first / Q / P;
    for (index_t m = first; m < last; m += ${MR}) {
        size_t to[${MR}];
% for i in range(MR):
        __global const acc *a${i} = x + n * xn + (size_t)p * xp + (size_t)q * xq;
        to[${i}] = n * yn + (size_t)p * yp + (size_t)q * yq;
        if (m + ${i + 1} < M && ++q == Q) {
            q = 0;
            if (++p == P) {
                p = 0;
                ++n;
            }
        }
% endfor
        __global const acc *b = filters;
${vectors.micro("offsets[k]")}
        const int rows = min((index_t)${MR}, last - m);
        const int together = rows == ${MR} && to[${MR - 1}] - to[0] == ${MR - 1};
        for (int o = 0; o < lanes; ++o) {
            __global real *out = y + o * yo;
% if residual:
            __global const real *also = residual + o * yo;
% endif
% if bias:
            const acc extra = LOAD(bias, o);
% endif
            if (together) {
                out += to[0];
% if residual:
                also += to[0];
% endif
% for i in range(MR):
                STORE(out, ${i}, epilogue(tile[${i * NR} + o]${" + extra" if bias else ""}${f" + LOAD(also, {i})" if residual else ""}));
% endfor
            } else
                for (int i = 0; i < rows; ++i)
                    STORE(out, to[i], epilogue(tile[i * ${NR} + o]${" + extra" if bias else ""}${" + LOAD(also, to[i])" if residual else ""}));
        }
    }
}

/* Row (c, r, s) starts at x0 + c*xc + r*xr + s*xs; a work-item sums `span` rows over the k of its slice. */
${vectors.simd_kernel()}weight_grad(__global const acc *restrict x, __global const acc *restrict grads, __global const index_t *restrict offsets,
                 __global acc *restrict partial, const int rows, const index_t K, const int R, const int S, const int panels,
                 const index_t xg, const index_t xc, const int xr, const int xs, const index_t x0, const int span, const index_t depth,
                 const int KC)
{
    const int column = get_global_id(1), bs = ${NR};
    const int first = get_global_id(0) * span, last = min(first + span, rows);
    const index_t begin = get_global_id(2) * depth, end = min(begin + depth, K);
    x += (size_t)(column / panels) * xg + x0;
    grads += (size_t)column * K * ${NR};
    partial += ((size_t)get_global_id(2) * get_global_size(1) + column) * rows * ${NR};
    for (index_t k0 = begin; k0 < end; k0 += KC) {
        const int kc = min((index_t)KC, end - k0);
        __global const index_t *where = offsets + k0;
        int s = first % S, r = first / S % R, c = first / S / R;
        for (int m = first; m < last; m += ${MR}) {
% for i in range(MR):
            __global const acc *a${i} = x + (size_t)c * xc + (size_t)r * xr + (size_t)s * xs;
            if (m + ${i + 1} < rows && ++s == S) {
                s = 0;
                if (++r == R) {
                    r = 0;
                    ++c;
                }
            }
% endfor
            __global const acc *b = grads + (size_t)k0 * ${NR};
${vectors.micro("where[k]")}
            for (int i = 0; i < min(${MR}, last - m); ++i) {
                __global acc *to = partial + (size_t)(m + i) * ${NR};
% for j in range(NV):
                vstore${V}(k0 == begin ? vload${V}(${j}, tile + i * ${NR}) : vload${V}(${j}, tile + i * ${NR}) + vload${V}(${j}, to), ${j}, to);
% endfor
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void reduce(__global const acc *restrict partial, __global real *restrict dw, const int rows, const int O, const int slices)
{
    const int panel = get_global_id(0), group = get_global_id(1);
    const size_t step = (size_t)get_global_size(0) * get_global_size(1) * rows * ${NR};
    partial += ((size_t)group * get_global_size(0) + panel) * rows * ${NR};
    dw += ((size_t)group * O + panel * ${NR}) * rows;
    const int lanes = min(${NR}, O - panel * ${NR});
    for (int m = 0; m < rows; ++m, partial += ${NR}) {
        acc sum[${NR}];
        for (int l = 0; l < ${NR}; ++l)
            sum[l] = 0;
        for (int s = 0; s < slices; ++s)
            for (int l = 0; l < ${NR}; ++l)
                sum[l] += partial[s * step + l];
        for (int l = 0; l < lanes; ++l)
            STORE(dw, (size_t)l * rows + m, sum[l]);
    }
}
</%def>

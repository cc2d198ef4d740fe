/* conv_simd_layout — what the convolutions for CPUs lay out: images with their border, filters in blocks of rows.
 *
 * Computes  pad           x[., h0 + p*sh, w0 + q*sw], zero where there is none;  spread  the opposite
 *           pack_filters  filters, as a convolution has them or as the data gradient of stride 1 does
 *           pack_phases   those of all phases of a gradient's stride, over the window that they meet together
 *           merge   y[n, c, p*SH + i, q*SW + j] = phases[n, (i, j, c), p, q]
 * Layout    x planes of H x W; padded planes of HP x WP, acc; packed (group, rows/MR, k, MR), acc, zero beyond O
 * Defines   dtype
 * Tunables  V (lanes of a vector), MR (rows of a block)
 * Launch    group (1). pad, spread, merge: grid (spans of planes)   pack_filters, pack_phases: (blocks, groups)
 * Source    textbook; Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016
 */
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    kind = {"f64": "double", "f32": "float"}.get(dtype, "ushort")
%>\
typedef ${base}${V} vec;
${lanes.io(dtype, base, V)}
<%def name="kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(vec)))
void \
</%def>
/* Planes of x, every (sh, sw)th element from (h0, w0) on, cropped or bordered with zeros to HP x WP. */
${kernel()}pad(__global const real *restrict x, __global acc *restrict padded, const int planes, const int each,
         const int H, const int W, const int HP, const int WP, const int h0, const int w0, const int sh, const int sw)
{
    const int last = min(planes, ((int)get_global_id(0) + 1) * each);
    const int left = clamp((sw - 1 - w0) / sw, 0, WP), right = clamp((W - w0 + sw - 1) / sw, left, WP);
    for (int plane = get_global_id(0) * each; plane < last; ++plane)
        for (int p = 0; p < HP; ++p) {
            __global acc *to = padded + ((size_t)plane * HP + p) * WP;
            const int h = h0 + p * sh, inside = h >= 0 && h < H, start = inside ? left : WP, end = inside ? right : WP;
            __global const real *from = x + ((size_t)plane * H + (inside ? h : 0)) * W + w0;
            int w = 0;
            for (; w + ${V} <= start; w += ${V})
                vstore${V}((vec)(0), 0, to + w);
            for (; w < start; ++w)
                to[w] = 0;
            if (sw == 1)
                for (; w + ${V} <= end; w += ${V})
                    vstore${V}(loadv_${dtype}(from, w), 0, to + w);
            else if (sw == 2)
                for (; w + ${V} <= end; w += ${V})
                    vstore${V}((vec)(loadv_${dtype}(from, 2 * w).even, loadv_${dtype}(from, 2 * w + ${V - 1}).odd), 0, to + w);
            for (; w + 4 <= end; w += 4)
                vstore4((${base}4)(LOAD(from, w * sw), LOAD(from, (w + 1) * sw), LOAD(from, (w + 2) * sw), LOAD(from, (w + 3) * sw)), 0, to + w);
            for (; w < end; ++w)
                to[w] = LOAD(from, w * sw);
            for (; w < WP; ++w)
                to[w] = 0;
        }
}

/* The opposite: planes of zeros, but element (p, q) of x at (h0 + p*sh, w0 + q*sw) where that lies within. */
${kernel()}spread(__global const real *restrict x, __global real *restrict y, const int planes, const int each,
            const int P, const int Q, const int H, const int W, const int h0, const int w0, const int sh, const int sw)
{
    const int last = min(planes, ((int)get_global_id(0) + 1) * each);
    const int left = (sw - 1 - w0) / sw, right = min(Q, (W - w0 + sw - 1) / sw);
    for (int plane = get_global_id(0) * each; plane < last; ++plane)
        for (int h = 0; h < H; ++h) {
            __global real *to = y + ((size_t)plane * H + h) * W;
            int w = 0;
            for (; w + ${V} <= W; w += ${V})
                storev_${dtype}(to, w, (vec)(0));
            for (; w < W; ++w)
                to[w] = 0;
            const int p = (h - h0) / sh;
            if ((h - h0) % sh == 0 && p < P) {
                __global const real *from = x + ((size_t)plane * P + p) * Q;
                for (int q = left; q < right; ++q)
                    to[w0 + q * sw] = from[q];
            }
        }
}

/* Filters of one phase: k counts (c, r, s); row i reads w[i*wl + c*wc + r*wr + s*ws + w0] of its group. */
${kernel()}pack_filters(__global const real *restrict w, __global acc *restrict packed, const int O, const int C,
                  const int R, const int S, const index_t wg, const index_t wl, const index_t wc, const index_t wr,
                  const index_t ws, const index_t w0)
{
    const size_t block = get_global_id(0), group = get_global_id(1);
    const int rows = min(${MR}, (int)(O - block * ${MR}));
    __global acc *to = packed + (group * get_global_size(0) + block) * C * R * S * ${MR};
    w += group * wg + block * ${MR} * wl + w0;
    for (int c = 0; c < C; ++c)
        for (int r = 0; r < R; ++r)
            for (int s = 0; s < S; ++s, to += ${MR}) {
                __global const real *from = w + c * wc + r * wr + s * ws;
                if (rows == ${MR}) {
% for i in range(MR):
                    to[${i}] = LOAD(from, ${i} * wl);
% endfor
                } else
                    for (int i = 0; i < ${MR}; ++i)
                        to[i] = i < rows ? LOAD(from, i * wl) : 0;
            }
}

/* Filters by phase (i, j) of SH x SW, rows are channels c of a phase, k counts (r, s, o). Tap h meets what lies r from the
 * window's first where i + h0 = h*dh + SH*r, and so just one phase; nothing reads the others. w is (group, o, c, tap). */
${kernel()}pack_phases(__global const real *restrict w, __global acc *restrict packed, const int C, const int depth,
                 const int R, const int S, const int SH, const int SW, const int KH, const int KW, const int dh,
                 const int dw, const int h0, const int w0)
{
    const int block = get_global_id(0), blocks = get_global_size(0), rows = min(${MR}, C - block * ${MR});
    const size_t group = get_global_id(1), taps = KH * KW, step = C * taps;
    packed += group * SH * SW * blocks * R * S * depth * ${MR};
    w += group * depth * step + block * ${MR} * taps;
    for (int first = 0; first < depth; first += 32) /* whose taps stay in cache */
        for (int h = 0; h < KH; ++h)
            for (int v = 0; v < KW; ++v) {
                const int i = ((h * dh - h0) % SH + SH) % SH, j = ((v * dw - w0) % SW + SW) % SW;
                const int r = (i + h0 - h * dh) / SH, s = (j + w0 - v * dw) / SW;
                __global acc *to = packed + (((size_t)(i * SW + j) * blocks + block) * R * S + r * S + s) * depth * ${MR};
                __global const real *from = w + h * KW + v;
                for (int o = first; o < min(first + 32, depth); ++o) {
                    if (rows == ${MR}) {
% for l in range(MR):
                        to[o * ${MR} + ${l}] = LOAD(from, o * step + ${l} * taps);
% endfor
                    } else
                        for (int l = 0; l < ${MR}; ++l)
                            to[o * ${MR} + l] = l < rows ? LOAD(from, o * step + l * taps) : 0;
                }
            }
}

${kernel()}merge(__global const real *restrict x, __global real *restrict y, const int planes, const int each, const int C,
           const int P, const int Q, const int H, const int W, const int SH, const int SW)
{
    const int last = min(planes, ((int)get_global_id(0) + 1) * each);
    for (int plane = get_global_id(0) * each; plane < last; ++plane)
        for (int h = 0; h < H; ++h) {
            __global const real *from = x + (((size_t)(plane / C * SH + h % SH) * SW * C + plane % C) * P + h / SH) * Q;
            __global real *to = y + ((size_t)plane * H + h) * W;
            const size_t next = (size_t)C * P * Q;
            int w = 0;
            if (SW == 2)
                for (; w + 16 <= W; w += 16) {
                    ${kind}16 both;
                    both.even = vload8(0, from + w / 2);
                    both.odd = vload8(0, from + next + w / 2);
                    vstore16(both, 0, to + w);
                }
            for (int j = 0; j < SW; ++j)
                for (int at = w + j, q = w / SW; at < W; at += SW, ++q)
                    to[at] = from[j * next + q];
        }
}

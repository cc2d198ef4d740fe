/* conv_simd_layout — what the convolutions for CPUs lay out: images with their border, filters in blocks of rows.
 *
 * Computes  pad           x[., h + h0, w + w0], zero where there is none
 *           pack_filters  the filters of one phase of the stride
 * Layout    x planes of H x W; padded planes of HP x WP, acc; packed (group, rows/MR, k, MR), acc, zero beyond O
 * Defines   dtype
 * Tunables  V (lanes of a vector), MR (rows of a block)
 * Launch    group (1). pad: grid (spans of planes)   pack_filters: (blocks, groups)
 * Source    textbook
 */
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%  base = "double" if dtype == "f64" else "float" %>\
typedef ${base}${V} vec;
${lanes.io(dtype, base, V)}
<%def name="kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(vec)))
void \
</%def>
/* Planes of x, shifted by (h0, w0) and cropped or bordered with zeros to HP x WP. */
${kernel()}pad(__global const real *restrict x, __global acc *restrict padded, const int planes, const int each,
         const int H, const int W, const int HP, const int WP, const int h0, const int w0)
{
    const int last = min(planes, ((int)get_global_id(0) + 1) * each);
    const int left = clamp(-w0, 0, WP), right = clamp(W - w0, left, WP);
    for (int plane = get_global_id(0) * each; plane < last; ++plane)
        for (int h = 0; h < HP; ++h) {
            __global acc *to = padded + ((size_t)plane * HP + h) * WP;
            const int inside = h + h0 >= 0 && h + h0 < H, start = inside ? left : WP, end = inside ? right : WP;
            __global const real *from = x + ((size_t)plane * H + (inside ? h + h0 : 0)) * W + w0;
            int w = 0;
            for (; w + ${V} <= start; w += ${V})
                vstore${V}((vec)(0), 0, to + w);
            for (; w < start; ++w)
                to[w] = 0;
            for (; w + ${V} <= end; w += ${V})
                vstore${V}(loadv_${dtype}(from, w), 0, to + w);
            for (; w < end; ++w)
                to[w] = LOAD(from, w);
            for (; w < WP; ++w)
                to[w] = 0;
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

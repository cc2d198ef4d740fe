/* winograd_deep_grad — the weight gradient on CPUs where filters are more than image: all points first, no sums in slices.
 *
 * Computes  cut          the points of all tiles of x (`what` "image") or of the gradient ("points")
 *           weight_grad  per V channels and NR outputs: a GEMM per point over all tiles, then the sums transformed back
 * Layout    points (block of V channels, point, tile, V); a work-item's own: sums (point, channel, NR = NV * V), lines
 *           (block of V outputs, channel and tap, V)
 * Defines   dtype, M, form, part: "cut" (what), or "weight_grad" (bias, residual, act: none)
 * Tunables  V, MR (a divisor of V), NV; share: blocks of V channels (host)
 * Launch    group (1, 1). cut: grid (blocks of V channels, parts of the rows of tiles)   weight_grad: grid (shares, panels)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="results" file="_winograd_results.cl.mako"/>\
<% IN, hop, T, OUT = transform.module.tile(M, form); NR = NV * V %>\
${tiles.types()}
${{"cut": cut, "weight_grad": products}[part]()}

<%def name="cut()">
${tiles.lines()}
${tiles.kernel()}cut(__global const real *restrict x, __global acc *restrict points, __global acc *restrict all_lines, const int N, const int C,
         const int H, const int W, const int P, const int top, const int left, const int wide, const int segments)
{
    const int block = get_global_id(0), blocks = get_global_size(0), part = get_global_id(1), parts = get_global_size(1);
    const int down = (P + ${M - 1}) / ${M}, rows = N * down * segments, pitch = (wide * ${hop} + ${IN - hop} + ${V}) * ${V};
    const int chunk = (long)rows * part / parts, count = (long)rows * (part + 1) / parts - chunk;
    const size_t step = (size_t)rows * wide * ${V} + ${V};
    __global acc *lines = all_lines + ((size_t)part * blocks + block) * pitch * ${IN + 2 + T}, *edges = lines + (size_t)pitch * ${IN + 2};
${tiles.cut(what, "x", "C", f"block * {V}", "1", "H", "W", "top", "left", f"points + (size_t)block * {T * T} * step + (row * wide + q) * {V}", "step")}\
}
</%def>

<%def name="products()">
${results.functions()}
${tiles.kernel()}weight_grad(__global const acc *restrict points, __global const acc *restrict grads, __global real *restrict dw,
                 __global acc *restrict all_sums, __global acc *restrict all_lines, const int C, const int O, const int tiles, const int share)
{
    const int first_c = get_global_id(0) * share * ${V}, end_c = min(C, first_c + share * ${V}), panel = get_global_id(1);
    const size_t item = (size_t)panel * get_global_size(0) + get_global_id(0), step = (size_t)tiles * ${V} + ${V};
    const size_t sum_step = ${V * NR + V}, line_step = (size_t)(share * ${9 * V} + ${V}) * ${V};
    __global acc *sums = all_sums + item * ${T * T} * sum_step, *lines = all_lines + item * ${NV} * line_step;
    for (int c = first_c; c < end_c; c += ${V}) {
        for (int f = 0; f < ${T * T}; ++f)
            for (int r = 0; r < ${V}; r += ${MR}) {
                __global const acc *a = points + ((size_t)(c / ${V}) * ${T * T} + f) * step + r;
% for j in range(NV):
                __global const acc *from${j} = grads + ((size_t)(panel * ${NV} + ${j}) * ${T * T} + f) * step;
% endfor
                __global acc *to = sums + f * sum_step + r * ${NR};
% for i in range(MR):
%   for j in range(NV):
                vec c${i}_${j} = VEC(0);
%   endfor
% endfor
                for (int t = 0; t < tiles; ++t, a += ${V}) {
% for j in range(NV):
                    const vec b${j} = vload${V}(t, from${j});
% endfor
% for i in range(MR):
                    {
                        const vec v = VEC(a[${i}]);
%   for j in range(NV):
                        c${i}_${j} = fma(v, b${j}, c${i}_${j});
%   endfor
                    }
% endfor
                }
% for i in range(MR):
%   for j in range(NV):
                vstore${V}(c${i}_${j}, ${i * NV + j}, to);
%   endfor
% endfor
            }
        for (int l = 0; l < ${V}; ++l)
            for (int j = 0; j < ${NV}; ++j) {
                __global const acc *from = sums + l * ${NR} + j * ${V};
                __global acc *to = lines + j * line_step + (c - first_c + l) * ${9 * V};
${results.taps("from", "sum_step", "to")}
            }
    }
    for (int j = 0; j < ${NV}; ++j) {
        const int o = panel * ${NR} + j * ${V};
        if (o < O)
            write_line(lines + j * line_step, (end_c - first_c) * 9, O - o, (size_t)C * 9, dw + ((size_t)o * C + first_c) * 9);
    }
}
</%def>

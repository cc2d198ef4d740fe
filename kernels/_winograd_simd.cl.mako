/* winograd_simd — the engine for CPUs: a work-item takes some rows of tiles from image to output, its points in cache.
 *
 * Computes  transform_filters  the points of the filters: lane l of depth k reads w[l * lane_step + k * depth_step + tap], taps
 *                      backwards where `flip`
 *           conv2d     per chunk of tiles: read lines of x with V channels in the lanes, transform, a GEMM per point with V *
 *                      NV output channels in the lanes and MR tiles, transform back, bias, residual, activation
 * Layout    filters (point, panel, depth rounded up to V, NR = NV * V); a work-item's own: lines (rings of lines and
 *           the columns' transforms), points (point, block of MR tiles, block of V channels, MR, V), sums (point, block of
 *           MR tiles, panel of its share, MR, NR)
 * Defines   dtype, M, form, part: "filters" (flip), or "conv2d" (bias, residual, act)
 * Tunables  V, MR, NV; tiles of a chunk (host)
 * Launch    group (1). conv2d: grid (spans of rows of tiles, shares of the panels)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="results" file="_winograd_results.cl.mako"/>\
<%namespace name="filters" file="_winograd_filters.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<% IN, hop, T, OUT = transform.module.tile(M, form); NR = NV * V %>\
${tiles.types()}
${{"filters": transformed, "conv2d": products}[part]()}

<%def name="transformed()">
${filters.functions()}
${tiles.kernel()}transform_filters(__global const real *restrict w, __global acc *restrict filters, const int O, const int K, const int lane_step,
                       const int depth_step, const int size)
{
    const int block = get_global_id(0), panel = get_global_id(1), deep = get_global_size(0);
    const size_t step = (size_t)get_global_size(1) * deep * ${V * NR} + ${V};
    for (int j = 0; j < ${NV}; ++j)
        transform_block(w, O, K, lane_step, depth_step, size, panel * ${NR} + j * ${V}, block * ${V},
                        filters + ((size_t)panel * deep + block) * ${V * NR} + j * ${V}, step);
}
</%def>

<%def name="products()">
${results.functions()}
${tiles.lines()}
<%def name="multiply(rows)">
% for i in range(rows):
%   for j in range(NV):
                    vec c${i}_${j} = VEC(0);
%   endfor
% endfor
                    for (int k = 0; k < deep; ++k) {
                        for (int l = 0; l < ${V}; ++l) {
% for j in range(NV):
                            const vec b${j} = vload${V}(${j}, b);
% endfor
% for i in range(rows):
                            {
                                const vec v = VEC(a[${i * V}]);
%   for j in range(NV):
                                c${i}_${j} = fma(v, b${j}, c${i}_${j});
%   endfor
                            }
% endfor
                            b += ${NR};
                            ++a;
                        }
                        a += ${(MR - 1) * V};
                    }
% for i in range(rows):
%   for j in range(NV):
                    vstore${V}(c${i}_${j}, ${i * NV + j}, to);
%   endfor
% endfor
</%def>

${tiles.kernel()}conv2d(__global const real *restrict x, __global const acc *restrict filters, ${gemm.ends()}
            __global real *restrict y, __global acc *restrict all_lines, __global acc *restrict all_points, __global acc *restrict all_sums,
            const int N, const int C, const int H, const int W, const int O, const int P, const int Q, const int top, const int left,
            const int wide, const int segments, const int each, const int panels, const int share)
{
    const int deep = (C + ${V - 1}) / ${V}, down = (P + ${OUT - 1}) / ${OUT}, rows = N * down * segments;
    const int spans = get_global_size(0), pitch = (wide * ${hop} + ${IN - hop} + ${V}) * ${V};
    const int begin = (long)rows * get_global_id(0) / spans, end = (long)rows * (get_global_id(0) + 1) / spans;
    const int first_panel = get_global_id(1) * share, own = min(share, panels - first_panel);
    const int most = (each * wide + ${MR - 1}) / ${MR};
    const size_t item = get_global_id(1) * spans + get_global_id(0), size = (size_t)N * C * H * W;
    const size_t point_step = (size_t)most * deep * ${MR * V} + ${V}, sum_step = (size_t)most * share * ${MR * NR} + ${V};
    const size_t filter_step = (size_t)panels * deep * ${V * NR} + ${V};
    __global acc *lines = all_lines + item * pitch * ${IN + 2 + T}, *edges = lines + (size_t)pitch * ${IN + 2};
    __global acc *points = all_points + item * point_step * ${T * T};
    __global acc *sums = all_sums + item * sum_step * ${T * T};
    for (int chunk = begin; chunk < end; chunk += each) {
        const int count = min(each, end - chunk), tiles = count * wide;
${tiles.cut("image", "x", "C", "0", "deep", "H", "W", "top", "left", f"points + ((size_t)(t / {MR}) * deep + cb) * {MR * V} + t % {MR} * {V}", "point_step")}\
        for (int f = 0; f < ${T * T}; ++f)
            for (int p = 0; p < own; ++p)
                for (int t = 0; t < tiles; t += ${MR}) {
                    __global const acc *a = points + f * point_step + (size_t)(t / ${MR}) * deep * ${MR * V};
                    __global const acc *b = filters + ${filters.met()} * filter_step + (size_t)(first_panel + p) * deep * ${V * NR};
                    __global acc *to = sums + f * sum_step + ((size_t)(t / ${MR}) * share + p) * ${MR * NR};
% if MR > 2:
                    if (tiles - t <= ${MR // 2}) {
${multiply(MR // 2)}
                        continue;
                    }
% endif
${multiply(MR)}
                }
${results.rows(f"sums + ((size_t)(t / {MR}) * share + ob / {NV}) * {MR * NR}")}\
    }
}
</%def>

/* winograd_deep — the engine for CPUs where filters are more than image: their points are made where they are multiplied.
 *
 * Computes  cut        the points of all tiles
 *           conv2d     per panel of outputs: the points of `depth` channels of its filters, a GEMM per point added to the
 *                      sums of a span's tiles, and so on through all channels; then results as in winograd_simd
 * Layout    points (span, block of MR tiles, group of `depth` blocks of V channels, point, block, MR, V); a work-item's own:
 *           filters of a group (point, channel, NR = NV * V), sums (block of MR tiles, point, MR, NR), lines
 * Defines   dtype, M, form, part: "cut", or "conv2d" (flip, bias, residual, act)
 * Tunables  V, MR, NV; depth (blocks of V channels), tiles of a span and of a turn, `some` (host)
 * Launch    group (1, 1). cut: grid (groups, parts of the rows of tiles)   conv2d: grid (panels, spans)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="results" file="_winograd_results.cl.mako"/>\
<%namespace name="filters" file="_winograd_filters.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<% IN, hop, T, OUT = transform.module.tile(M, form); NR = NV * V %>\
${tiles.types()}
${{"cut": cut, "conv2d": products}[part]()}

<%def name="cut()">
${tiles.lines()}
${tiles.kernel()}cut(__global const real *restrict x, __global acc *restrict points, __global acc *restrict all_lines, const int N, const int C,
         const int H, const int W, const int P, const int Q, const int top, const int left, const int wide, const int segments, const int each,
         const int depth)
{
    const int group = get_global_id(0), groups = get_global_size(0), part = get_global_id(1), parts = get_global_size(1);
    const int down = (P + ${OUT - 1}) / ${OUT}, rows = N * down * segments, pitch = (wide * ${hop} + ${IN - hop} + ${V}) * ${V};
    const int chunk = (long)rows * part / parts, count = (long)rows * (part + 1) / parts - chunk, most = (each * wide + ${MR - 1}) / ${MR};
    const size_t step = depth * ${MR * V} + ${V};
    __global acc *lines = all_lines + ((size_t)part * groups + group) * pitch * ${IN + 2 + T}, *edges = lines + (size_t)pitch * ${IN + 2};
<%  block = f"((size_t)(row / each * most + (row % each * wide + q) / {MR}) * groups + group) * {T * T} * step" %>\
${tiles.cut("image", "x", "C", f"group * depth * {V}", "depth", "H", "W", "top", "left", f"points + {block} + cb * {MR * V} + (row % each * wide + q) % {MR} * {V}", "step")}\
}
</%def>

<%def name="multiply(rows)">
% for i in range(rows):
%   for j in range(NV):
                    vec c${i}_${j} = group ? vload${V}(${i * NV + j}, to) : VEC(0);
%   endfor
% endfor
                    for (int k = 0; k < blocks; ++k) {
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

<%def name="products()">
${results.functions()}
${filters.functions()}
${tiles.kernel()}conv2d(__global const acc *restrict all_points, __global const real *restrict w, ${gemm.ends()}__global real *restrict y,
            __global acc *restrict all_filters, __global acc *restrict all_sums, __global acc *restrict all_lines, const int N, const int C,
            const int P, const int Q, const int O, const int lane_step, const int depth_step, const int size, const int wide,
            const int segments, const int each, const int depth, const int some)
{
    const int first_panel = get_global_id(0), panels = get_global_size(0), span = get_global_id(1), own = 1;
    const int groups = (C + depth * ${V} - 1) / (depth * ${V}), down = (P + ${OUT - 1}) / ${OUT};
    const int chunk = span * each, count = min(each, N * down * segments - chunk), tiles = count * wide, most = (each * wide + ${MR - 1}) / ${MR};
    const size_t item = (size_t)span * panels + first_panel, sum_step = ${MR * NR + V}, block_step = ${T * T} * sum_step;
    const size_t point_step = depth * ${MR * V} + ${V}, filter_step = depth * ${V * NR} + ${V};
    __global const acc *points = all_points + (size_t)span * most * groups * ${T * T} * point_step;
    __global acc *filters = all_filters + item * filter_step * ${(M + 2) * (M + 2)}, *sums = all_sums + item * most * block_step;
    __global acc *lines = all_lines + item * (wide + 1) * ${OUT * OUT * V};
    for (int group = 0; group < groups; ++group) {
        const int blocks = min(depth, (C + ${V - 1}) / ${V} - group * depth);
        for (int k = 0; k < blocks; ++k)
            for (int j = 0; j < ${NV}; ++j)
                transform_block(w, O, C, lane_step, depth_step, size, first_panel * ${NR} + j * ${V}, (group * depth + k) * ${V},
                                filters + k * ${V * NR} + j * ${V}, filter_step);
        for (int first = 0; first < tiles; first += some)
            for (int f = 0; f < ${T * T}; ++f)
                for (int t = first; t < min(first + some, tiles); t += ${MR}) {
                    __global const acc *a = points + (((size_t)(t / ${MR}) * groups + group) * ${T * T} + f) * point_step;
                    __global const acc *b = filters + ${filters.met()} * filter_step;
                    __global acc *to = sums + (t / ${MR}) * block_step + f * sum_step;
% if MR > 2:
                    if (tiles - t <= ${MR // 2}) {
${multiply(MR // 2)}
                        continue;
                    }
% endif
${multiply(MR)}
                }
    }
${results.rows(f"sums + (t / {MR}) * block_step")}\
}
</%def>

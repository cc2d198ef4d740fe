/* winograd_simd — the engine for CPUs: a work-item takes some rows of tiles from image to output, its points in cache.
 *
 * Computes  transform_filters  the points of the filters: lane l of depth k reads w[l * lane_step + k * depth_step + tap], taps
 *                      backwards where `flip`
 *           conv2d     per chunk of tiles: read lines of x with V channels in the lanes, transform, a GEMM per point with V *
 *                      NV output channels in the lanes and MR tiles, transform back, bias, residual, activation
 * Layout    filters (point, panel, depth rounded up to V, NR = NV * V); a work-item's own: lines (rings of M + 4 lines and
 *           the columns' transforms), points (point, block of MR tiles, block of V channels, MR, V), sums (point, block of
 *           MR tiles, panel of its share, MR, NR)
 * Defines   dtype, M, part: "filters" (flip), or "conv2d" (bias, residual, act)
 * Tunables  V, MR, NV; tiles of a chunk (host)
 * Launch    group (1). conv2d: grid (spans of rows of tiles, shares of the panels)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<% T = M + 2; NR = NV * V %>\
${tiles.types()}
${{"filters": filters, "conv2d": products}[part]()}

<%def name="filters()">
${tiles.kernel()}transform_filters(__global const real *restrict w, __global acc *restrict filters, const int O, const int K, const int lane_step,
                       const int depth_step, const int size)
{
    const int block = get_global_id(0), panel = get_global_id(1), deep = get_global_size(0);
    const size_t step = (size_t)get_global_size(1) * deep * ${V * NR} + ${V};
    __global acc *to = filters + ((size_t)panel * deep + block) * ${V * NR};
    for (int k = block * ${V}; k < (block + 1) * ${V}; ++k)
        for (int j = 0; j < ${NV}; ++j, to += ${V}) {
            const int first = panel * ${NR} + j * ${V}, lanes = O - first;
            const size_t at = (size_t)first * lane_step + (size_t)k * depth_step;
            acc taps[${9 * V}] __attribute__((aligned(64)));
% if dtype in ("f32", "f64") and V >= 9:
            if (k < K && lanes >= ${V} && at + ${V - 1} * (size_t)lane_step + ${V} <= size) {
%   for l in range(V):
                const vec r${l} = loadv_${dtype}(w, at + ${l} * (size_t)lane_step);
%   endfor
${tiles.transpose()}
%   for t in range(9):
                vstore${V}(t${t}, ${t}, taps);
%   endfor
            } else
% endif
                for (int t = 0; t < 9; ++t)
                    for (int l = 0; l < ${V}; ++l)
                        taps[t * ${V} + l] = k < K && l < lanes ? LOAD(w, at + (size_t)l * lane_step + t) : 0;
            acc half_way[${3 * T * V}] __attribute__((aligned(64)));
            for (int s = 0; s < 3; ++s) {
% for r in range(3):
                const vec g${r} = vload${V}(${f"{8 - 3 * r} - s" if flip else f"{3 * r} + s"}, taps);
% endfor
${transform.define_points([f"e{i}" for i in range(T)], ["g0", "g1", "g2"])}
% for i in range(T):
                vstore${V}(e${i}, ${3 * i} + s, half_way);
% endfor
            }
            for (int i = 0; i < ${T}; ++i) {
% for s in range(3):
                const vec e${s} = vload${V}(i * 3 + ${s}, half_way);
% endfor
${transform.define_points([f"p{j}" for j in range(T)], ["e0", "e1", "e2"])}
% for j in range(T):
                vstore${V}(p${j}, 0, to + (i * ${T} + ${j}) * step);
% endfor
            }
        }
}
</%def>

<%def name="products()">
${gemm.epilogue()}
${tiles.lines()}
static vec epilogue_lanes(const vec v)
{
% if "(" in act.replace("(T)", ""):
    acc each[${V}] __attribute__((aligned(64)));
    vstore${V}(v, 0, each);
    for (int l = 0; l < ${V}; ++l)
        each[l] = epilogue(each[l]);
    return vload${V}(0, each);
% else:
    return ${act.replace("(T)", "(vec)")};
% endif
}

/* `count` outputs per channel from a line with the channels together. */
static void write_line(__global const acc *restrict line, const int count, const int lanes, const size_t plane,
                       ${"__global const real *restrict residual, " if residual else ""}__global real *restrict y)
{
    for (int c = 0; c < count; c += ${V}) {
        const int n = min(${V}, count - c);
% for l in range(V):
        const vec r${l} = vload${V}(c + ${l}, line);
% endfor
${tiles.transpose()}
        if (n == ${V} && lanes >= ${V}) {
% for l in range(V):
            storev_${dtype}(y, ${l} * plane + c, epilogue_lanes(t${l}${f" + loadv_{dtype}(residual, {l} * plane + c)" if residual else ""}));
% endfor
        } else {
            acc rest[${V * V}] __attribute__((aligned(64)));
% for l in range(V):
            vstore${V}(${f"t{l}" if residual else f"epilogue_lanes(t{l})"}, ${l}, rest);
% endfor
            for (int l = 0; l < min(${V}, lanes); ++l) {
                int b = 0;
% if dtype in ("f32", "f64"):
%   for d in [d for d in (8, 4, 2) if d < V]:
                if (n & ${d}) {
                    ${"double" if dtype == "f64" else "float"}${d} v = vload${d}(0, rest + l * ${V} + b);
%     if residual:
                    v += vload${d}(0, residual + l * plane + c + b);
                    acc each[${d}];
                    vstore${d}(v, 0, each);
                    for (int i = 0; i < ${d}; ++i)
                        y[l * plane + c + b + i] = epilogue(each[i]);
%     else:
                    vstore${d}(v, 0, y + l * plane + c + b);
%     endif
                    b += ${d};
                }
%   endfor
% endif
                for (; b < n; ++b)
                    STORE(y, l * plane + c + b, ${f"epilogue(rest[l * {V} + b] + LOAD(residual, l * plane + c + b))" if residual else f"rest[l * {V} + b]"});
            }
        }
    }
}

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
    const int deep = (C + ${V - 1}) / ${V}, down = (P + ${M - 1}) / ${M}, rows = N * down * segments;
    const int spans = get_global_size(0), pitch = (wide * ${M} + 2 + ${V}) * ${V};
    const int begin = (long)rows * get_global_id(0) / spans, end = (long)rows * (get_global_id(0) + 1) / spans;
    const int first_panel = get_global_id(1) * share, own = min(share, panels - first_panel);
    const int most = (each * wide + ${MR - 1}) / ${MR};
    const size_t item = get_global_id(1) * spans + get_global_id(0), size = (size_t)N * C * H * W;
    const size_t point_step = (size_t)most * deep * ${MR * V} + ${V}, sum_step = (size_t)most * share * ${MR * NR} + ${V};
    const size_t filter_step = (size_t)panels * deep * ${V * NR} + ${V};
    __global acc *lines = all_lines + item * pitch * ${M + 4 + T}, *edges = lines + (size_t)pitch * ${M + 4};
    __global acc *points = all_points + item * point_step * ${T * T};
    __global acc *sums = all_sums + item * sum_step * ${T * T};
    for (int chunk = begin; chunk < end; chunk += each) {
        const int count = min(each, end - chunk), tiles = count * wide;
${tiles.cut("image", "x", "C", "0", "deep", "H", "W", "top", "left", f"points + ((size_t)(t / {MR}) * deep + cb) * {MR * V} + t % {MR} * {V}", "point_step")}\
        for (int f = 0; f < ${T * T}; ++f)
            for (int p = 0; p < own; ++p)
                for (int t = 0; t < tiles; t += ${MR}) {
                    __global const acc *a = points + f * point_step + (size_t)(t / ${MR}) * deep * ${MR * V};
                    __global const acc *b = filters + f * filter_step + (size_t)(first_panel + p) * deep * ${V * NR};
                    __global acc *to = sums + f * sum_step + ((size_t)(t / ${MR}) * share + p) * ${MR * NR};
% if MR > 2:
                    if (tiles - t <= ${MR // 2}) {
${multiply(MR // 2)}
                        continue;
                    }
% endif
${multiply(MR)}
                }
        for (int r = 0; r < count; ++r) {
            const int row = chunk + r, n = row / segments / down, h = row / segments % down, s = row % segments;
            const int edge = s * wide * ${M}, width = min(wide * ${M}, Q - edge), height = min(${M}, P - h * ${M});
            for (int ob = 0; ob < own * ${NV}; ++ob) {
                const int o = first_panel * ${NR} + ob * ${V};
                if (o >= O)
                    break;
% if bias:
                acc some[${V}] __attribute__((aligned(64)));
                for (int l = 0; l < ${V}; ++l)
                    some[l] = o + l < O ? LOAD(bias, o + l) : 0;
                const vec extra = vload${V}(0, some);
% endif
                for (int q = 0; q * ${M} < width; ++q) {
                    const int t = r * wide + q;
                    __global const acc *from = sums + (size_t)(t / ${MR}) * share * ${MR * NR} + (ob / ${NV}) * ${MR * NR} + t % ${MR} * ${NR} + ob % ${NV} * ${V};
                    acc half_way[${M * T * V}] __attribute__((aligned(64)));
                    for (int j = 0; j < ${T}; ++j) {
% for i in range(T):
                        const vec d${i} = vload${V}(0, from + (${i * T} + j) * sum_step);
% endfor
${transform.define_result([f"e{i}" for i in range(M)], [f"d{i}" for i in range(T)])}
% for i in range(M):
                        vstore${V}(e${i}, ${i * T} + j, half_way);
% endfor
                    }
                    for (int i = 0; i < ${M}; ++i) {
% for j in range(T):
                        const vec e${j} = vload${V}(i * ${T} + ${j}, half_way);
% endfor
${transform.define_result([f"y{j}" for j in range(M)], [f"e{j}" for j in range(T)])}
% for j in range(M):
                        vstore${V}(y${j}${" + extra" if bias else ""}, q * ${M} + ${j}, lines + i * pitch);
% endfor
                    }
                }
                const size_t at = (((size_t)n * O + o) * P + h * ${M}) * Q + edge;
                for (int i = 0; i < height; ++i)
                    write_line(lines + i * pitch, width, O - o, (size_t)P * Q, ${"residual + at + (size_t)i * Q, " if residual else ""}y + at + (size_t)i * Q);
            }
        }
    }
}
</%def>

/* winograd_results — from points back to outputs: transform, bias, residual, activation; for the kernels of winograd on CPUs.
 *
 * Offers    functions  the epilogue on vectors, and stores of lines      rows  all rows of tiles of a chunk, `own` panels of outputs
 *           taps       a filter's gradient
 * Layout    sums (.., MR, NR = NV * V), points `sum_step` apart; lines hold V channels of each output of a row of tiles
 * Defines   dtype, M, form, V, MR, NV, bias, residual, act
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="vectors" file="_lanes.cl.mako"/>\
<%def name="functions()">
${gemm.epilogue()}
${vectors.fetch()}
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
</%def>

## `place`: where the tiles of the block of tile t begin, in panel ob / NV.
<%def name="rows(place)">\
<% IN, hop, T, OUT = transform.module.tile(M, form); NR = NV * V %>\
        for (int r = 0; r < count; ++r) {
            const int row = chunk + r, n = row / segments / down, h = row / segments % down, s = row % segments;
            const int edge = s * wide * ${OUT}, width = min(wide * ${OUT}, Q - edge), height = min(${OUT}, P - h * ${OUT});
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
                const size_t at = (((size_t)n * O + o) * P + h * ${OUT}) * Q + edge;
                const int run = segments == 1 ? height * width : width;  // outputs that are neighbours in y, too
                for (int l = 0; l < min(${V}, O - o); ++l)  // lines that are written next
                    for (int i = 0; i < run; i += 16)
                        FETCH(y + at + (size_t)l * P * Q + i);
                for (int q = (width - 1) / ${OUT}; q >= 0; --q) {  // what a tile has beyond `width` is overwritten by the next row's first
                    const int t = r * wide + q;
                    __global const acc *from = ${place} + t % ${MR} * ${NR} + ob % ${NV} * ${V};
% for j in range(T):
%   for i in range(T):
                    const vec d${i}_${j} = vload${V}(0, from + ${i * T + j} * sum_step);
%   endfor
${transform.define_result([f"e{i}_{j}" for i in range(OUT)], [f"d{i}_{j}" for i in range(T)])}
% endfor
% for i in range(OUT):
${transform.define_result([f"y{i}_{j}" for j in range(OUT)], [f"e{i}_{j}" for j in range(T)])}
%   for j in range(OUT):
                    vstore${V}(y${i}_${j}${" + extra" if bias else ""}, ${i} * width + q * ${OUT} + ${j}, lines);
%   endfor
% endfor
                }
                for (int i = 0; i < height; i += run / width)
                    write_line(lines + i * width * ${V}, run, O - o, (size_t)P * Q, ${"residual + at + (size_t)i * Q, " if residual else ""}y + at + (size_t)i * Q);
            }
        }
</%def>

## The 3 x 3 taps of a filter's gradient from its points.
<%def name="taps(source, step, to)">
<% IN, hop, T, OUT = transform.module.tile(M, form) %>\
% for j in range(T):
%   for i in range(T):
                const vec d${i}_${j} = vload${V}(0, ${source} + ${i * T + j} * ${step});
%   endfor
${transform.define_result([f"e{i}_{j}" for i in range(3)], [f"d{i}_{j}" for i in range(T)])}
% endfor
% for i in range(3):
${transform.define_result([f"y{i}_{j}" for j in range(3)], [f"e{i}_{j}" for j in range(T)])}
%   for j in range(3):
                vstore${V}(y${i}_${j}, ${3 * i + j}, ${to});
%   endfor
% endfor
</%def>

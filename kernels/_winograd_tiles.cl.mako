/* winograd_tiles — images cut into tiles and transformed, V channels in the lanes; for the kernels of winograd on CPUs.
 *
 * Offers    types   vec, VEC, loadv_<dtype> and storev_<dtype>       transpose   of the V vectors r0.. to t0..
 *           lines   functions that read and clear lines of an image  cut         all tiles of a chunk to their points
 * Layout    a line holds V channels of each column; lines are a ring of those of a tile and two more, edges the columns' transforms
 * Defines   dtype, M, form, V
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%def name="types()">
<%  base = "double" if dtype == "f64" else "float" %>\
typedef ${base}${V} vec;
#define VEC(v) ((vec)(v))
${lanes.io(dtype, base, V)}
</%def>

<%def name="kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(${"double" if dtype == "f64" else "float"}${V})))
void \
</%def>

## r0.. of V lanes become their transpose: log2(V) rounds exchange halves, quarters, ... between pairs of vectors.
<%def name="transpose()">
<%  d = V // 2; last = "r" %>\
%   while d:
%     for l in range(V):
<%
            low, high = f"{last}{l & ~d}", f"{last}{l | d}"
            pick = [f"{high}.s{n if l & d else n - d:x}" if n & d else f"{low}.s{n + d if l & d else n:x}"
                    for n in range(V)]
%>\
            const vec ${"t" if d == 1 else f"r{d}_"}${l} = (vec)(${", ".join(pick)});
%     endfor
<%          last = f"r{d}_"; d //= 2 %>\
%   endwhile
</%def>

<%def name="lines()">
/* Columns [first, first + columns) of a line of V channels, the channels together; zero outside of the image. */
static void read_line(__global const real *restrict x, const size_t at, const size_t plane, const size_t size, const int lanes,
                      const int W, const int first, const int columns, __global acc *restrict line)
{
    const int start = clamp(-first, 0, columns), end = clamp(W - first, start, columns);
    int c = start;
    for (int b = 0; b < start; ++b)
        vstore${V}(VEC(0), b, line);
    if (lanes >= ${V})
        for (; c < end && at + ${V - 1} * plane + first + c + ${V} <= size; c += ${V}) {
            __global const real *from = x + at + first + c;
%   for l in range(V):
            const vec r${l} = loadv_${dtype}(from, ${l} * plane);
%   endfor
${transpose()}
%   for l in range(V):
            vstore${V}(t${l}, c + ${l}, line);
%   endfor
        }
    for (; c < end; ++c)
        for (int l = 0; l < ${V}; ++l)
            line[c * ${V} + l] = l < lanes ? LOAD(x, at + first + c + l * plane) : 0;
    for (c = end; c < columns; ++c)
        vstore${V}(VEC(0), c, line);
}

static void zero_line(const int columns, __global acc *restrict line)
{
    for (int c = 0; c < columns; ++c)
        vstore${V}(VEC(0), c, line);
}

</%def>

## Every tile of the chunk from V channels of `array` at a time (those from `first` on, `limit` in all) through the transform of
## `what`: "image" (tiles overlap by lines that stay in the ring of lines) or "points" (of the gradient, side by side).
## Row i of tile t and block cb of channels goes to `place` + (i * T + j) * step.
<%def name="cut(what, array, limit, first, many, H, W, top, left, place, step)">
<%
    IN, hop, T, _ = transform.module.tile(M, form)
    ring = IN + 2
    deep, hop = (IN, hop) if what == "image" else (M, M)
%>\
        for (int cb = 0; cb < ${many}; ++cb) {
            const int c0 = ${first} + cb * ${V}, lanes = ${limit} - c0, across = wide * ${hop} + ${deep - hop};
            int ready = -1;  // the row of tiles whose last lines are in the ring
            for (int r = 0; r < count; ++r) {
                const int row = chunk + r, n = row / segments / down, h = row / segments % down, s = row % segments;
                for (int i = ready == row - 1 && h && segments == 1 ? ${deep - hop} : 0; i < ${deep}; ++i) {
                    const int v = h * ${hop} + i - ${top};
                    __global acc *line = lines + (h * ${hop} + i) % ${ring} * pitch;
                    if (v >= 0 && v < ${H} && lanes > 0)
                        read_line(${array}, (((size_t)n * ${limit} + c0) * ${H} + v) * ${W}, (size_t)${H} * ${W},
                                  (size_t)N * ${limit} * ${H} * ${W}, lanes, ${W}, s * wide * ${hop} - ${left}, across, line);
                    else
                        zero_line(across, line);
                }
                ready = row;
% for i in range(deep):
                __global const acc *line${i} = lines + (h * ${hop} + ${i}) % ${ring} * pitch;
% endfor
                for (int c = 0; c < across; ++c) {
% for i in range(deep):
                    const vec d${i} = vload${V}(c, line${i});
% endfor
${turned(what, "e", "d", deep)}
% for i in range(T):
                    vstore${V}(e${i}, c * ${T} + ${i}, edges);
% endfor
                }
                for (int q = 0; q < wide; ++q) {
                    const int t = r * wide + q;
                    __global acc *to = ${place};
                    __global const acc *from = edges + q * ${hop * T * V};
                    for (int i = 0; i < ${T}; ++i, from += ${V}, to += ${T} * ${step}) {
% for j in range(deep):
                        const vec d${j} = vload${V}(${j * T}, from);
% endfor
${turned(what, "e", "d", deep)}
% for j in range(T):
                        vstore${V}(e${j}, 0, to + ${j} * ${step});
% endfor
                    }
                }
            }
        }
</%def>

<%def name="turned(what, to, of, n)">${getattr(transform, "define_" + what)([f"{to}{i}" for i in range(transform.module.tile(M, form)[2])], [f"{of}{i}" for i in range(n)])}</%def>

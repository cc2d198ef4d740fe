/* movement — copies between two strided views of memory: permute, slices, flips, expand, cat, padding.
 *
 * Computes  copy       y[y0 + sum_d i_d * t_d] = x[x0 + sum_d i_d * s_d], or a constant, for all i_d < n_d
 *           transpose  y[i * row + j] = x[j * column + i] for i < ny, j < nx, over batch axes
 *           tri        y[.., r, c] = x[.., r, c] where c - r <= diagonal (lower) or >= diagonal, else 0
 * Layout    any strides, in elements; negative ones flip, zero ones repeat. The host merges axes that are
 *           adjacent in both views, so a contiguous copy has one axis.
 * Defines   kind     "copy", "transpose" or "tri": which kernel
 *           size     bytes of an element: values are moved as they are, whatever they mean
 *           tri: lower (which triangle)
 *           copy: rank (merged axes), constant (`x` is the bits of a value and no array),
 *                 inner ((x stride, y stride) of the last axis where -1, 0 or 1; None: an argument)
 *           transpose: batch (number of batch axes), LANES and ROWS (the work-group)
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements a work-item walks; 1 on GPUs)
 *           TILE  side of the square that a work-group transposes: LANES on GPUs, which go through local
 *                 memory; with LANES 1, on CPUs, one work-item moves it by blocks of 4 x 4 in registers
 * Launch    copy, tri: group (WG), grid ceil(n / chunk) rounded up to WG
 *           transpose: group (LANES, ROWS), a group per tile along the first axis, which alone may be long
 * Source    textbook
 */
typedef ${{1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}[size]} item;
typedef ${{1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}[size]}4 item4;

${{"copy": copy, "transpose": transpose, "tri": tri}[kind]()}

<%def name="copy()">
<%
    last = rank - 1
    args = ["const ulong x" if constant else "__global const item *restrict x, const index_t x0"]
    args += ["__global item *restrict y", "const index_t y0", "const index_t n", "const index_t chunk"]
    args += [f"const index_t {name}{d}" for name in ("nt" if constant else "nst") for d in range(rank)]
    step = lambda k, name: {0: "0", 1: "k", -1: "-k"}.get(inner[k], f"k * {name}{last}")
%>
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void copy(${", ".join(args)})
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    index_t rest = lo;
% for d in reversed(range(1, rank)):
    index_t i${d} = rest % n${d};
    rest /= n${d};
% endfor
    index_t i0 = rest;
% if not constant:
    index_t from = x0${"".join(f" + i{d} * s{d}" for d in range(last))};
% endif
    index_t to = y0${"".join(f" + i{d} * t{d}" for d in range(last))};
    for (index_t at = lo; at < hi;) {
        const index_t end = min(n${last}, i${last} + hi - at);
        at += end - i${last};
        for (index_t k = i${last}; k < end; ++k)
            y[to + (${step(1, "t")})] = ${"(item)x" if constant else f"x[from + ({step(0, 's')})]"};
        i${last} = 0;
% for d in reversed(range(last)):
        ${"" if constant else f"from += s{d}; "}to += t${d};
        if (++i${d} < n${d})
            continue;
        ${"" if constant else f"from -= n{d} * s{d}; "}to -= n${d} * t${d};
        i${d} = 0;
% endfor
    }
}
</%def>

<%def name="transpose()">
__kernel __attribute__((reqd_work_group_size(${LANES}, ${ROWS}, 1)))
void transpose(__global const item *restrict x, __global item *restrict y, const index_t nx, const index_t ny,
               const index_t column, const index_t row${"".join(f", const index_t {name}{d}" for name in "nst" for d in range(batch))})
{
    const index_t across = (nx + ${TILE - 1}) / ${TILE}, down = (ny + ${TILE - 1}) / ${TILE};
    const index_t number = get_group_id(0);
    const index_t j0 = number % across * ${TILE}, i0 = number / across % down * ${TILE};
% if batch:
    index_t rest = number / across / down;
%   for d in reversed(range(batch)):
    x += rest % n${d} * s${d};
    y += rest % n${d} * t${d};
    rest /= n${d};
%   endfor
% endif
% if LANES == 1:
    const index_t i1 = min(i0 + ${TILE}, ny);
    const index_t j1 = min(j0 + ${TILE}, nx);
    index_t i = i0;
    for (; i + 4 <= i1; i += 4) {
        index_t j = j0;
        for (; j + 4 <= j1; j += 4) {
            __global const item *from = x + j * column + i;
            __global item *to = y + i * row + j;
%   for k in range(4):
            const item4 r${k} = vload4(0, from + ${k} * column);
%   endfor
%   for k, part in enumerate("xyzw"):
            vstore4((item4)(${", ".join(f"r{m}.{part}" for m in range(4))}), 0, to + ${k} * row);
%   endfor
        }
        for (; j < j1; ++j)
            for (index_t k = i; k < i + 4; ++k)
                y[k * row + j] = x[j * column + k];
    }
    for (; i < i1; ++i)
        for (index_t j = j0; j < j1; ++j)
            y[i * row + j] = x[j * column + i];
% else:
    __local item tile[${TILE}][${TILE + 1}];
    const index_t lane = get_local_id(0);
    for (index_t k = get_local_id(1); k < ${TILE}; k += ${ROWS})
        if (j0 + k < nx && i0 + lane < ny)
            tile[k][lane] = x[(j0 + k) * column + i0 + lane];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (index_t k = get_local_id(1); k < ${TILE}; k += ${ROWS})
        if (i0 + k < ny && j0 + lane < nx)
            y[(i0 + k) * row + j0 + lane] = tile[lane][k];
% endif
}
</%def>

<%def name="tri()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void tri(__global const item *restrict x, __global item *restrict y, const index_t n, const index_t chunk,
         const index_t rows, const index_t columns, const index_t diagonal)
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    index_t c = lo % columns;
    index_t r = lo / columns % rows;
    for (index_t at = lo; at < hi; c = 0, r = r + 1 < rows ? r + 1 : 0) {
        const index_t end = min(columns, c + hi - at);
        const index_t edge = r + diagonal;
        __global const item *from = x + (at - c);
        __global item *to = y + (at - c);
        at += end - c;
        for (; c < end; ++c)
            to[c] = c ${"<=" if lower else ">="} edge ? from[c] : 0;
    }
}
</%def>

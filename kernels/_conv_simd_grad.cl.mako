/* conv_simd_grad — the weight gradient of convolutions for CPUs: panels of g turned in cache, x broadcast in place.
 *
 * Computes  weight_grad  rows are channels and taps, lanes output channels, k the pixels of all images; or, where
 *                        there are no taps and fewer channels, lanes are those, and g and x trade places
 *           reduce  dw from the slices, added in their order, where they are several
 * Layout    x is acc, with whatever border the taps reach; dw has its lanes dl apart and its rows dm; partial is (slice, group, O/NR, row, NR)
 * Defines   dtype
 * Tunables  V, MR, NV (see _gemm_simd)   SPACE (elements of local memory); span, wide, depth (rows, panels and pixels
 *           of an item) and chunk (pixels multiplied at a time) are arguments
 * Launch    group (1). weight_grad: grid (spans of rows, spans of panels * groups, slices)
 *           reduce: (panels, groups, spans of rows)
 * Source    Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008
 */
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    NR = NV * V
%>\
typedef ${base}${V} vec;
${lanes.io(dtype, base, V)}
<%def name="kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(vec)))
void \
</%def>

/* to[k * NR + l] = from[l * ld + k] for l < lanes, zero for the others. */
static void turn(__global const real *from, const size_t ld, const int lanes, const int depth, __local acc *to)
{
    int k = 0;
    if (lanes >= ${V})
        for (; k + ${V} <= depth; k += ${V}) {
% for l in range(V):
            const vec r${V}_${l} = loadv_${dtype}(from, ${l} * ld + k);
% endfor
${transpose()}
% for l in range(V):
            vstore${V}(r1_${l}, 0, to + (k + ${l}) * ${NR});
% endfor
        }
    for (; k < depth; ++k)
        for (int l = 0; l < ${V}; ++l)
            to[k * ${NR} + l] = l < lanes ? LOAD(from, l * ld + k) : 0;
}

/* dw[lane, m] of a panel, for the rows m .. last: the slices in their order, `step` apart. */
static void add(__global const acc *partial, const size_t step, const int slices, __global real *dw, const index_t dl,
                const index_t dm, const int first, const int last, const int O)
{
    for (int j = 0; j < ${NV}; ++j) {
        const int lanes = O - j * ${V};
        __global const acc *from = partial + j * ${V};
        __global real *to = dw + j * ${V} * dl;
        int m = first;
        if (lanes >= ${V} && dl == 1)
            for (; m < last; ++m) {
                vec sum = (vec)(0);
                for (int s = 0; s < slices; ++s)
                    sum += vload${V}(0, from + s * step + (size_t)m * ${NR});
                storev_${dtype}(to, m * dm, sum);
            }
        else if (lanes >= ${V})
            for (; m + ${V} <= last; m += ${V}) {
% for l in range(V):
                vec r${V}_${l} = (vec)(0);
% endfor
                for (int s = 0; s < slices; ++s) {
% for l in range(V):
                    r${V}_${l} += vload${V}(0, from + s * step + (size_t)(m + ${l}) * ${NR});
% endfor
                }
${transpose()}
% for l in range(V):
                storev_${dtype}(to, ${l} * dl + m, r1_${l});
% endfor
            }
        for (; m < last; ++m)
            for (int l = 0; l < min(${V}, lanes); ++l) {
                acc sum = 0;
                for (int s = 0; s < slices; ++s)
                    sum += from[s * step + (size_t)m * ${NR} + l];
                STORE(to, l * dl + m * dm, sum);
            }
    }
}

/* Row (c, r, s) starts at x0 + c*xc + r*xr + s*xs; a work-item sums `span` rows over the pixels of its slice. */
${kernel()}weight_grad(__global const acc *restrict x, __global const real *restrict g, __global acc *restrict partial,
                 __global real *restrict dw, const int rows, const index_t K, const int O, const int R, const int S,
                 const int groups, const int panels, const int P, const int Q, const index_t xn, const index_t xg,
                 const index_t xc, const index_t xp, const index_t xq, const index_t xr, const index_t xs,
                 const index_t x0, const index_t dl, const index_t dm, const int span, const int wide,
                 const index_t depth, const int chunk)
{
    __local acc panel[${SPACE}];
    __local index_t where[${SPACE // NR}];
    const int spans = get_global_size(1) / groups, group = get_global_id(1) / spans, pixels = P * Q;
    const int column = get_global_id(1) % spans * wide, count = min(wide, panels - column);
    const int first = get_global_id(0) * span, last = min(first + span, rows);
    const index_t begin = get_global_id(2) * depth, stop = min(begin + depth, K);
    x += (size_t)group * xg + x0;
    g += ((size_t)group * O + column * ${NR}) * pixels;
    partial += ((get_global_id(2) * groups + group) * panels + column) * rows * ${NR};
    dw += (size_t)group * O * rows + column * ${NR} * dl;
    const int direct = dl == 1 && get_global_size(2) == 1; /* sums of whole vectors go where they belong */
    for (index_t k0 = begin; k0 < stop; k0 += chunk) {
        const int kc = min((index_t)chunk, stop - k0);
        for (int k = 0; k < kc;) {
            const size_t n = (k0 + k) / pixels;
            const int pixel = (k0 + k) % pixels, some = min(pixels - pixel, kc - k);
            for (int t = 0; t < count * ${NV}; ++t)
                turn(g + (n * groups * O + t * ${V}) * pixels + pixel, pixels, O - column * ${NR} - t * ${V}, some,
                     panel + (t / ${NV} * kc + k) * ${NR} + t % ${NV} * ${V});
            for (int i = 0, p = pixel / Q, q = pixel % Q; i < some; ++i, ++k) {
                where[k] = n * xn + p * xp + q * xq;
                if (++q == Q) {
                    q = 0;
                    ++p;
                }
            }
        }
        int s = first % S, r = first / S % R, c = first / S / R;
        for (int m = first; m < last; m += ${MR}) {
% for i in range(MR):
            __global const acc *a${i} = x + c * xc + r * xr + s * xs;
            if (m + ${i + 1} < rows && ++s == S) {
                s = 0;
                if (++r == R) {
                    r = 0;
                    ++c;
                }
            }
% endfor
            for (int t = 0; t < count; ++t) {
                __local const acc *v = panel + t * kc * ${NR};
                __global acc *kept = partial + ((size_t)t * rows + m) * ${NR};
% for i in range(MR):
%   for j in range(NV):
                vec c${i}_${j} = k0 != begin && m + ${i} < last ? vload${V}(${i * NV + j}, kept) : (vec)(0);
%   endfor
% endfor
                for (int k = 0; k < kc; ++k, v += ${NR}) {
                    const index_t at = where[k];
% for j in range(NV):
                    const vec v${j} = vload${V}(${j}, v);
% endfor
% for i in range(MR):
                    {
                        const vec f = (vec)(a${i}[at]);
%   for j in range(NV):
                        c${i}_${j} = fma(f, v${j}, c${i}_${j});
%   endfor
                    }
% endfor
                }
                if (direct && k0 + kc == stop && O - (column + t) * ${NR} >= ${NR}) {
                    __global real *to = dw + (size_t)m * dm + t * ${NR};
% for i in range(MR):
                    if (m + ${i} < last) {
%   for j in range(NV):
                        storev_${dtype}(to, ${i} * dm + ${j * V}, c${i}_${j});
%   endfor
                    }
% endfor
                    continue;
                }
% for i in range(MR):
                if (m + ${i} < last) {
%   for j in range(NV):
                    vstore${V}(c${i}_${j}, ${i * NV + j}, kept);
%   endfor
                }
% endfor
            }
        }
    }
    if (get_global_size(2) == 1) /* while they are in cache */
        for (int t = 0; t < count; ++t)
            if (!direct || O - (column + t) * ${NR} < ${NR})
                add(partial + (size_t)t * rows * ${NR}, 0, 1, dw + t * ${NR} * dl, dl, dm, first, last, O - (column + t) * ${NR});
}

${kernel()}reduce(__global const acc *restrict partial, __global real *restrict dw, const int rows, const int O,
            const index_t dl, const index_t dm, const int slices, const int span)
{
    const size_t panels = get_global_size(0), panel = get_global_id(0), group = get_global_id(1);
    const int first = get_global_id(2) * span;
    add(partial + (group * panels + panel) * rows * ${NR}, panels * get_global_size(1) * rows * ${NR}, slices,
        dw + group * O * rows + panel * ${NR} * dl, dl, dm, first, min(rows, first + span), O - panel * ${NR});
}

## Vectors r<V>_0.., the rows of a square, to r1_0.., its columns.
<%def name="transpose()">\
<%  d = V // 2 %>\
% while d:
%   for l in range(V):
<%
        low, high = f"r{2 * d}_{l & ~d}", f"r{2 * d}_{l | d}"
        pick = [f"{high}.s{n if l & d else n - d:x}" if n & d else f"{low}.s{n + d if l & d else n:x}"
                for n in range(V)]
%>\
            const vec r${d}_${l} = (vec)(${", ".join(pick)});
%   endfor
<%      d //= 2 %>\
% endwhile
</%def>

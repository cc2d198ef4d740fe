/* norm — statistics of rows and of channels, what they make of x, and what of its gradient.
 *
 * Computes  row_norm       mean, inverse = 1 / sqrt(var + eps) of a row, y = (x - mean) * inverse * w + b; no mean
 *                          and the mean square for var unless centred
 *           row_norm_grad  y = inverse * (g * w - sum(g * w) / n - xhat * sum(g * w * xhat) / n), xhat = (x - mean) * inverse
 *           moments        mean and sum of squared deviations of every slice of every channel
 *           merge          mean and inverse of a channel from its slices; running statistics
 *           sums           sum(g * xhat) and sum(g) of every slice of every channel
 *           add            both of a channel from its slices
 * Layout    x (N, G, M, L), row-major: a row is n = M * L elements, G rows per sample; a channel is one of C = G * M.
 *           w and b are (C,). Results of slice s are at s * C + channel. A slice is `outer` samples by `inner`
 *           elements of a channel, `parts` of them side by side; only the last of each may be shorter
 * Defines   dtype, kernel (one of the six), param (code of w and b, or of running statistics), centred (bool)
 *           weight, bias (bools), runs (bool: L > 1; else neighbours have their own w and b)
 *           partial (bool: row_norm_grad also stores the sums of g * xhat and g of every channel, of every row
 *           or, unless runs, of the rows of every group)
 *           streamed (bool: V > 1, y is stored past the caches)
 *           columns (0, or L = 1 and neighbouring channels side by side: how many vectors of them at once), per_row (bool: mean and inverse are a row's)
 *           running (bool: merge has running statistics to move)
 * Tunables  WG, V (lanes of a work-item; V > 1 only if WG = 1), chunk (an argument: rows, or channels, of a group)
 * Launch    group (WG). row_*: a group per `chunk` rows.  moments, sums: a group per (channel, slice), or with
 *           columns a work-item per (V channels, slice).  merge, add: a group per `chunk` channels
 * Notes     variances in two passes over cached elements; what rounding left in a mean is measured and taken out
 * Source    Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>
<%namespace name="lanes" file="_lanes.cl.mako"/>
<%namespace name="past" file="_stream.cl.mako"/>
<%namespace name="sums" file="_norm_sums.cl.mako"/>
<%
    base = "double" if dtype == "f64" else "float"
    moments = ["mean", "inverse"] if centred else ["inverse"]

    def vector(v):
        return f"{base}{V}" if v else "acc"

    def load(p, i, v, code=dtype):
        return f"{'loadv' if v else 'load'}_{code}({p}, {i})"

    def put(p, i, value, v):
        return f"vstore{V}({value}, 0, {p} + {i});" if v else f"{p}[{i}] = {value};"

    def moment(name, u, v):
        """mean or inverse of an element of neighbouring channels c + u in sample r."""
        return f"{name}s[r]" if per_row else f"vload{V}(0, {name}s + c + {u})" if v else f"{name}s[c]"

    SIZES = [f"const index_t {s}" for s in ("N", "G", "M", "L", "outer", "inner", "parts")]
%>
% if V > 1:
% for code in dict.fromkeys([dtype, param or dtype]):
${lanes.io(code, base, V)}
% endfor
${reduce.folding("sum_of", base, "a + b")}
${past.ahead()}
% if streamed:
${past.stores(base, V, True)}
% endif
% endif

## The elements i of a slice of channel c; r is the sample, k the row for per_row.
<%def name="slice()">
% if V > 1:
        for (index_t r = first; r < last; ++r) {
            const index_t k = ${"r * G + c / M" if per_row else "c"};
            const index_t begin = (r * C + c) * L + from, end = begin + width;
            index_t i = begin;
            for (; i + ${V} <= end; i += ${V}) {
${caller.body("_v")}
            }
            for (; i < end; ++i) {
${caller.body("")}
            }
        }
% else:
        for (index_t e = lid; e < (last - first) * width; e += ${WG}) {
            const index_t r = first + e / width;
            const index_t k = ${"r * G + c / M" if per_row else "c"};
            const index_t i = (r * C + c) * L + from + e % width;
${caller.body("")}
        }
% endif
</%def>
<%def name="width_of_slice(s)">
        const index_t first = ${s} / parts * outer, last = min(first + outer, N);
        const index_t from = ${s} % parts * inner, width = min(inner, L - from);
</%def>

% if kernel in ("row_norm", "row_norm_grad"):
<%include file="_norm_rows.cl.mako"/>
% else:
${{"moments": column_moments if columns else channel_moments, "sums": column_sums if columns else channel_sums,
   "merge": merge, "add": add}[kernel]()}
% endif

<%def name="channel_moments()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void moments(__global const real *restrict x, __global acc *restrict means, __global acc *restrict squared, ${", ".join(SIZES)})
{
${reduce.scratch("scratch", "acc", WG)}
    const int lid = (int)get_local_id(0);
    const index_t C = G * M, unit = (index_t)get_group_id(0), c = unit % C;
${width_of_slice("(unit / C)")}
    const acc n = (acc)((last - first) * width);
${sums.declare("sum")}
<%call expr="slice()" args="v">\
                sum${v} += ${load("x", "i", v)};\
</%call>
${sums.collect("sum")}
    const acc guess = sum / n;
${sums.declare("rest", "squares")}
<%call expr="slice()" args="v">\
                const ${vector(v)} d = ${load("x", "i", v)} - guess;
                rest${v} += d;
                squares${v} += d * d;\
</%call>
${sums.collect("rest", "squares")}
    if (lid == 0) {
        means[unit] = guess + rest / n;
        squared[unit] = squares - rest * (rest / n);
    }
}
</%def>

<%def name="channel_sums()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void sums(__global const real *restrict g, __global const real *restrict x, ${", ".join(f"__global const acc *restrict {m}s" for m in moments)},
          __global acc *restrict projections, ${"__global acc *restrict totals, " if centred else ""}${", ".join(SIZES)})
{
${reduce.scratch("scratch", "acc", WG)}
    const int lid = (int)get_local_id(0);
    const index_t C = G * M, unit = (index_t)get_group_id(0), c = unit % C;
${width_of_slice("(unit / C)")}
${sums.declare("projected", "total")}
<%call expr="slice()" args="v">\
                const ${vector(v)} here = ${load("g", "i", v)};
                projected${v} += here * ((${load("x", "i", v)}${" - means[k]" if centred else ""}) * inverses[k]);
                total${v} += here;\
</%call>
${sums.collect("projected")}
% if centred:
${sums.collect("total")}
% endif
    if (lid == 0) {
        projections[unit] = projected;
% if centred:
        totals[unit] = total;
% endif
    }
}
</%def>

## L = 1: channels side by side, down the samples of a slice, as many vectors of them at once as lie in a few cache lines. The
## body is given those vectors' offsets from channel c; what is left of the channels goes vector by vector and one by one.
<%def name="side_by_side()">
    const index_t C = G * M, s = (index_t)get_global_id(1);
    const index_t first = s * outer, last = min(first + outer, N);
    const acc n = (acc)(last - first);
    index_t c = (index_t)get_global_id(0) * ${columns * V};
    const index_t end = min(c + ${columns * V}, C);
% if V > 1:
    if (c + ${columns * V} <= C) {
${caller.body(True, [u * V for u in range(columns)])}
        c = end;
    }
    for (; c + ${V} <= end; c += ${V}) {
${caller.body(True, [0])}
    }
% endif
    for (; c < end; ++c) {
${caller.body(False, [0])}
    }
</%def>

<%def name="column_moments()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void moments(__global const real *restrict x, __global acc *restrict means, __global acc *restrict squared, ${", ".join(SIZES)})
{
<%call expr="side_by_side()" args="v, us">\
        ${vector(v)} ${", ".join(f"sum{u} = 0, rest{u} = 0, squares{u} = 0" for u in us)};
        for (index_t r = first; r < last; ++r) {
% for u in us:
            sum${u} += ${load("x", f"r * C + c + {u}", v)};
% endfor
        }
        const ${vector(v)} ${", ".join(f"guess{u} = sum{u} / n" for u in us)};
        for (index_t r = first; r < last; ++r) {
% for u in us:
            const ${vector(v)} d${u} = ${load("x", f"r * C + c + {u}", v)} - guess${u};
            rest${u} += d${u};
            squares${u} += d${u} * d${u};
% endfor
        }
% for u in us:
        ${put("means", f"s * C + c + {u}", f"guess{u} + rest{u} / n", v)}
        ${put("squared", f"s * C + c + {u}", f"squares{u} - rest{u} * (rest{u} / n)", v)}
% endfor
</%call>
}
</%def>

<%def name="column_sums()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void sums(__global const real *restrict g, __global const real *restrict x, ${", ".join(f"__global const acc *restrict {m}s" for m in moments)},
          __global acc *restrict projections, ${"__global acc *restrict totals, " if centred else ""}${", ".join(SIZES)})
{
<%call expr="side_by_side()" args="v, us">\
        ${vector(v)} ${", ".join(f"projected{u} = 0, total{u} = 0" for u in us)};
        for (index_t r = first; r < last; ++r) {
% for u in us:
            const ${vector(v)} here${u} = ${load("g", f"r * C + c + {u}", v)};
            projected${u} += here${u} * ((${load("x", f"r * C + c + {u}", v)}${f" - {moment('mean', u, v)}" if centred else ""}) * ${moment("inverse", u, v)});
            total${u} += here${u};
% endfor
        }
% for u in us:
        ${put("projections", f"s * C + c + {u}", f"projected{u}", v)}
        ${put("totals", f"s * C + c + {u}", f"total{u}", v) if centred else ""}
% endfor
</%call>
}
</%def>

<%def name="merge()">
typedef struct { acc mean, squared, n; } state;

static state both(const state s, const state t)
{
    const acc n = s.n + t.n, share = n > 0 ? t.n / n : 0, d = t.mean - s.mean;
    const state out = {s.mean + d * share, s.squared + t.squared + d * d * s.n * share, n};
    return out;
}

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void merge(__global const acc *restrict means, __global const acc *restrict squared,
           ${f"__global const {param}_t *restrict old_mean, __global const {param}_t *restrict old_var," if running else ""}
           __global acc *restrict mean, __global acc *restrict inverse,
           ${f"__global {param}_t *restrict new_mean, __global {param}_t *restrict new_var," if running else ""}
           const index_t slices, const index_t chunk, const acc eps, const acc momentum, const acc correction, ${", ".join(SIZES)})
{
${reduce.scratch("scratch", "state", WG)}
    const index_t C = G * M, top = min(((index_t)get_group_id(0) + 1) * chunk, C);
    for (index_t c = (index_t)get_group_id(0) * chunk; c < top; ++c) {
        state total = {0, 0, 0};
        for (index_t s = get_local_id(0); s < slices; s += ${WG}) {
${width_of_slice("s")}
            const state here = {means[s * C + c], squared[s * C + c], (acc)((last - first) * width)};
            total = both(total, here);
        }
${reduce.group("total", "scratch", "both(a, b)", WG, "state")}
        if (get_local_id(0) == 0) {
            mean[c] = total.mean;
            inverse[c] = 1 / sqrt((total.n > 0 ? total.squared / total.n : 0) + eps);
% if running:
            store_${param}(new_mean, c, (1 - momentum) * load_${param}(old_mean, c) + momentum * total.mean);
            store_${param}(new_var, c, (1 - momentum) * load_${param}(old_var, c) + momentum * (total.squared / max(total.n - correction, (acc)1)));
% endif
        }
    }
}
</%def>

<%def name="add()">
<%  names = ["projected", "total"] if centred else ["projected"] %>\
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void add(${", ".join(f"__global const acc *restrict {n}_of" for n in names)}, ${", ".join(f"__global acc *restrict {n}_out" for n in names)},
         const index_t slices, const index_t chunk, const index_t C)
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t top = min(((index_t)get_group_id(0) + 1) * chunk, C);
    index_t c = (index_t)get_group_id(0) * chunk;
% if V > 1:
    for (; c + ${V} <= top; c += ${V}) {
        ${base}${V} ${", ".join(f"{n} = 0" for n in names)};
        for (index_t s = 0; s < slices; ++s) {
% for n in names:
            ${n} += vload${V}(0, ${n}_of + (s * C + c));
% endfor
        }
% for n in names:
        vstore${V}(${n}, 0, ${n}_out + c);
% endfor
    }
% endif
    for (; c < top; ++c) {
        acc ${", ".join(f"{n} = 0" for n in names)};
        for (index_t s = get_local_id(0); s < slices; s += ${WG}) {
% for n in names:
            ${n} += ${n}_of[s * C + c];
% endfor
        }
% for n in names:
${reduce.group(n, "scratch", "a + b", WG)}
% endfor
        if (get_local_id(0) == 0) {
% for n in names:
            ${n}_out[c] = ${n};
% endfor
        }
    }
}
</%def>

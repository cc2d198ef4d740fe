/* softmax — softmax and log-softmax along one axis, and their gradients, in one launch each.
 *
 * Computes  softmax          y = exp(x - max x) / sum exp(x - max x)
 *           log_softmax      y = x - max x - log(sum exp(x - max x))
 *           softmax_grad     dx = y * (g - sum g * y)           g, y given
 *           log_softmax_grad dx = g - exp(y) * sum g
 * Layout    arrays are (outer, n, inner), row-major; the axis is the middle one
 * Defines   dtype; op (one of the above)
 *           engine  vector  inner is 1: a work-item per row, 16 lanes along it (CPUs)
 *                   group   inner is 1: `span` work-items per row. held > 0: each keeps that many elements in
 *                           registers; else rows are read twice, maximum and sum found in one visit
 *                   columns a work-item per block of columns, or per 16 rows if `short` (CPUs)
 *                   spread  a work-item per `per` rows of all columns, whose maxima and sums reduce has found (CPUs)
 *                   lanes   a work-item per column
 *           stash   where exponentials wait for their sum (vector): "own" memory, of STASH elements, twice; "result", which
 *                   would round half types; "" nowhere, they are computed twice. columns: not "" where blocks stay in cache
 *           streamed  (vector, columns, spread) whether the result is stored past the caches
 * Tunables  WG; span (a power of two); W (columns there is room for); chunk (an argument: rows, columns or blocks of a work-item)
 * Launch    vector, lanes, columns: grid ceil(rows, columns or blocks / chunk).   group: WG / span rows per group; work-items
 *           past the last row compute it again and store nothing, for all must reach the barriers
 * Notes     byte floor: operands read once, result written once. vector visits a row up to three times, in cache while
 *           it fits, and stores a row while it sums the next, which is read ahead; group reads once if held. NaN and
 *           infinite maxima give NaN, as in torch
 * Source    Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%namespace name="narrow" file="_narrow.cl.mako"/>
<%namespace name="past" file="_stream.cl.mako"/>
<%namespace name="vector" file="_vector.cl.mako"/>
<%namespace name="lanes" file="_lanes.cl.mako"/>
<%namespace name="exponent" file="_exp.cl.mako"/>
<%namespace name="columns" file="_softmax_columns.cl.mako"/>
<%
    T = "double" if dtype == "f64" else "float"
    grad = op in ("softmax_grad", "log_softmax_grad")
    arrays = ["g", "y"] if grad else ["x"]
    out = "dx" if grad else "y"
    # t: what is summed; last: the result; s: the sum after it went through `settle`
    exp = "exp_below" if engine in ("columns", "spread", "vector") else "exp"
    TERM = {"softmax": f"{exp}(x - top)", "log_softmax": f"{exp}(x - top)", "softmax_grad": "g * y", "log_softmax_grad": "g"}[op]
    LAST = {"softmax": f"{exp}(x - top) * s", "log_softmax": "x - top - s", "softmax_grad": "y * (g - s)",
            "log_softmax_grad": "g - exp(y) * s"}[op]
    SETTLE = {"softmax": "1 / s", "log_softmax": "log(s)"}.get(op, "s")
    # the sums that follow find NaN themselves, but for those of groups, which merge
    larger = "a > b ? a : b" if engine in ("vector", "columns") else "((a > b) | (a != a)) ? a : b"
    given = lambda v, i: ", ".join(f"ELEMENT{v}({a}, {i})" for a in arrays)
    pointers = ", ".join(f"__global const real *restrict p_{a}" for a in arrays) + f", __global real *restrict p_{out}"
    PIECE = 4096
%>

<%def name="functions(v, t)">
<%  operands = ", ".join(f"const {t} {a}" for a in arrays) %>\
static ${t} term${v}(${operands}, const ${t} top) { return ${TERM}; }
static ${t} last${v}(${operands}, const ${t} top, const ${t} s) { return ${LAST}; }
static ${t} larger${v}(const ${t} a, const ${t} b) { return ${larger}; }
static ${t} settle${v}(const ${t} s) { return ${SETTLE}; }
</%def>
% if engine in ("columns", "spread"):
${vector.types(T, 16)}
${vector.load(dtype, T, 16)}
${vector.store(dtype, T, 16, streamed)}
${exponent.below("exp_below", T, 16)}
${past.ahead()}
${functions("", "T")}
% else:
typedef ${T} T;
${past.ahead()}
%   if engine != "vector":
${functions("", "T")}
%   else:
static T settle(const T s) { return ${SETTLE}; }
%   endif
% endif
#define ELEMENT(a, i) ((T)LOAD(p_##a, i))
#define RESULT(i, v) STORE(p_${out}, i, v)
% if engine == "vector":
${reduce.vectors(dtype, T)}
${exponent.below("exp_below", T, 16, "TV")}
${functions("_v", "TV")}
#define ELEMENT_v(a, i) VLOAD(p_##a + (i))
#define RESULT_v(i, v) VSTORE(v, p_${out} + (i))
% if streamed:
${past.stores(T, 16, True)}
#define FINAL_v(i, v) stream(v, p_${out} + (i))
% else:
#define FINAL_v(i, v) RESULT_v(i, v)
% endif
% endif

% if engine == "vector":
${reduce.folding("largest_of", T, larger)}
${reduce.folding("sum_of", T, "a + b")}
/* The last m < 16 elements of a row as a vector, and back: rows of ten classes are all tail. */
static TV load_tail(__global const real *p, const int m)
{
    T v[16];
    for (int k = 0; k < 16; ++k)
        v[k] = k < m ? (T)LOAD(p, k) : ${"0" if grad else "-INFINITY"};
    return vload16(0, v);
}
static void store_tail(const TV tail, __global real *p, const int m)
{
    T v[16];
    vstore16(tail, 0, v);
    for (int k = 0; k < m; ++k)
        STORE(p, k, v[k]);
}
<%
    elements = lambda i: ", ".join(f"ELEMENT_v({a}, {i})" for a in arrays)
    kept = {"own": "stash[before + ({i} - at) / 16]", "result": f"VLOAD(p_{out} + {{i}} - n)"}.get(stash)
    keep = {"own": "stash[now + ({i} - at) / 16] = {e};", "result": "RESULT_v({i}, {e});"}.get(stash, "")
    done = f"{kept} * s_before" if stash else f"last_v({elements('{i} - n')}, (TV)(top_before), (TV)(s_before))"
    store = f"FINAL_v({{i}} - n, {done});"
%>\
## The sum of row `at`, 4096 elements at a time; `more` is done to each vector beside it.
<%def name="visit(more)">\
            for (index_t i = at; i < end;) {
                const index_t stop = min(i + ${PIECE}, end);
                for (; i + 32 <= stop; i += 32) {
                    const TV e0 = term_v(${elements("i")}, (TV)(top)), e1 = term_v(${elements("i + 16")}, (TV)(top));
                    ${keep.format(i="i", e="e0")}
                    ${keep.format(i="i + 16", e="e1")}
                    s0 += e0;
                    s1 += e1;
% for a in arrays:
                    AHEAD(p_${a} + (i + n));
                    AHEAD(p_${a} + (i + n + 16));
% endfor
                    ${more.format(i="i")}
                    ${more.format(i="i + 16")}
                }
                if (i < stop) {
                    const TV e = term_v(${elements("i")}, (TV)(top));
                    ${keep.format(i="i", e="e")}
                    s0 += e;
                    ${more.format(i="i")}
                    i += 16;
                }
                s += sum_of(s0 + s1);
                s0 = s1 = 0;
            }
</%def>\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void vector(${pointers}, const index_t rows, const index_t n, const index_t chunk)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, rows);
    const int left = (int)(n % 16);
% if stash == "own":
    TV stash[${2 * STASH // 16}];
    int now = 0, before = ${STASH // 16};
% endif
    T top_before = 0, s_before = 0;
    for (index_t row = from; row < to; ++row) {
        const index_t at = row * n, end = at + n - left;
% for a in arrays:
        TV ${a}_tail = ${"0" if grad else "-INFINITY"};
% endfor
        if (left) {
% for a in arrays:
            ${a}_tail = load_tail(p_${a} + end, left);
% endfor
        }
        T top = -INFINITY, s = 0;
% if not grad:
        TV ${", ".join(f"t{k} = x_tail" for k in range(4))};
        index_t j = at;
        for (; j + 64 <= end; j += 64) {
%   for k in range(4):
            t${k} = larger_v(ELEMENT_v(x, j + ${16 * k}), t${k});
%   endfor
        }
        for (; j < end; j += 16)
            t0 = larger_v(ELEMENT_v(x, j), t0);
        top = largest_of(larger_v(larger_v(t0, t1), larger_v(t2, t3)));
% endif
<%  tails = ", ".join(f"{a}_tail" for a in arrays) %>\
        TV e_tail = 0;
        if (left)
            e_tail = term_v(${tails}, (TV)(top));
        TV s0 = e_tail, s1 = 0;
        if (row == from) {
${visit("")}\
        } else {
${visit(store)}\
        }
        if (n < 16)
            s = sum_of(s0);
        s = settle(s);
        if (left)
            store_tail(${"e_tail * s" if stash else f"last_v({tails}, (TV)(top), (TV)(s))"}, p_${out} + end, left);
        top_before = top;
        s_before = s;
% if stash == "own":
        before = now;
        now = ${STASH // 16} - now;
% endif
    }
    const index_t at = to * n, end = at + n - left;
    for (index_t i = at; i < end; i += 16)
        ${store.format(i="i")}
}
% elif engine == "group":
% if not grad and not held:
typedef struct { T top, s; } state;
/* Under a maximum of -inf the sum is 0, and must not be scaled by exp(-inf + inf). */
static state merge(const state a, const state b)
{
    const T top = larger(a.top, b.top);
    const state both = {top, (a.s == 0 ? 0 : a.s * exp(a.top - top)) + (b.s == 0 ? 0 : b.s * exp(b.top - top))};
    return both;
}
% endif
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))${narrow.attribute()}
void group(${pointers}, const index_t rows, const index_t n, const index_t chunk)
{
${reduce.scratch("scratch", "T" if grad or held else "state", WG)}
    const int lane = (int)get_local_id(0) & ${span - 1};
    const index_t mine = (index_t)get_group_id(0) * ${WG // span} + (index_t)get_local_id(0) / ${span};
    const index_t at = min(mine, rows - 1) * n;
    T top = -INFINITY, s = 0;
% if held:
%   for k in range(held):
    const int in${k} = lane + ${k * span} < n;
    const index_t i${k} = at + (in${k} ? lane + ${k * span} : 0);
%     for a in arrays:
    const T ${a}${k} = ELEMENT(${a}, i${k});
%     endfor
%   endfor
%   if not grad:
%     for k in range(held):
    top = larger(x${k}, top);
%     endfor
${reduce.group("top", "scratch", "larger(a, b)", WG, "T", span)}
%   endif
%   for k in range(held):
    s += in${k} ? term(${", ".join(f"{a}{k}" for a in arrays)}, top) : 0;
%   endfor
${reduce.group("s", "scratch", "a + b", WG, "T", span)}
    s = settle(s);
%   for k in range(held):
    if (in${k} && mine < rows)
        RESULT(i${k}, last(${", ".join(f"{a}{k}" for a in arrays)}, top, s));
%   endfor
% else:
%   if grad:
    for (index_t k = lane; k < n; k += ${span})
        s += term(${given("", "at + k")}, top);
${reduce.group("s", "scratch", "a + b", WG, "T", span)}
%   else:
    state own = {-INFINITY, 0};
    for (index_t k = lane; k < n; k += ${8 * span}) {
        const index_t stop = min(k + ${8 * span}, n);
        state next = {-INFINITY, 0};
        for (index_t j = k; j < stop; j += ${span})
            next.top = larger(ELEMENT(x, at + j), next.top);
        for (index_t j = k; j < stop && next.top != -INFINITY; j += ${span})
            next.s += term(ELEMENT(x, at + j), next.top);
        own = merge(own, next);
    }
${reduce.group("own", "scratch", "merge(a, b)", WG, "state", span)}
    top = own.top;
    s = own.s;
%   endif
    s = settle(s);
    if (mine < rows)
        for (index_t k = lane; k < n; k += ${span})
            RESULT(at + k, last(${given("", "at + k")}, top, s));
% endif
}
% elif engine == "spread":
${lanes.fetch()}
<%  acc_code = "f64" if dtype == "f64" else "f32" %>\
${vector.load(acc_code, T, 16) if acc_code != dtype else ""}
#define some_acc(p, m) some_${acc_code}(p, m, 1)
${columns.spread(op, dtype, T, out, pointers, W)}
% elif engine == "columns":
%   if short:
${columns.short(op, T, arrays, out, pointers)}
%   elif stash:
${lanes.fetch()}
${columns.cached(op, dtype, T, out, pointers, W, STASH)}
%   else:
${columns.kernel(op, dtype, T, arrays, out, pointers, W)}
%   endif
% else:
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void lanes(${pointers}, const index_t outer, const index_t n, const index_t inner, const index_t chunk)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, outer * inner);
    for (index_t q = from; q < to; ++q) {
        const index_t at = q / inner * n * inner + q % inner, end = at + n * inner;
        T top = -INFINITY, s = 0;
% if not grad:
        for (index_t i = at; i < end; i += inner)
            top = larger(ELEMENT(x, i), top);
% endif
        for (index_t i = at; i < end; i += inner)
            s += term(${given("", "i")}, top);
        s = settle(s);
        for (index_t i = at; i < end; i += inner)
            RESULT(i, last(${given("", "i")}, top, s));
    }
}
% endif

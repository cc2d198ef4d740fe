/* optim — one launch updates, measures or clips many tensors.
 *
 * Computes  sgd      buffer = momentum buffer + rest d;   p -= lr (d + momentum buffer, or buffer, or d)
 *           adam     mean += rest1 (d - mean);  square = beta2 square + rest2 d^2;  largest = max(largest, square)
 *                    p = shrink p - step_size mean / (sqrt(square or largest) root_factor + eps)
 *           rmsprop  square = alpha square + rest d^2;  mean += rest (d - mean);
 *                    buffer = momentum buffer + d / (sqrt(square - mean^2) + eps);   p -= lr buffer
 *           with d = sign gradient + weight_decay p
 *           scale    p = g min(1, max_norm / (norm + 1e-6));   clip: p = g within [-bound, bound]
 *           norm     partial[group] = sum |g|^power or max |g| of the group's range;   finish: all partials to one
 * Layout    the tensors count as one flat range: slot k covers [e(k-1), e(k)), the first begins at `start`.
 *           State is flat arrays over the same range. Slots that are not needed repeat a pointer and are empty.
 * Defines   job      one of the names above
 *           dtype    of p and g          out  code of the norm's dtype (norm, finish, scale)
 *           slots    tensors in a launch, as many as the device has argument space for
 *           state    names of the state arrays that there are
 *           options  nesterov (sgd); one, two, max or power (norm, finish)
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements a work-group walks)
 * Launch    group (WG), one group per chunk of the range; finish: one group. An element's slot is found by
 *           bisection over arguments, the same way in a whole group. A work-item that walks alone does so in
 *           vectors of 16: not every compiler makes them of a loop
 * Source    Sutskever et al. 2013 (momentum); Kingma and Ba 2015, Reddi et al. 2018, Loshchilov and Hutter 2019
 *           (Adam, AMSGrad, AdamW); Tieleman and Hinton 2012, Graves 2013 (RMSProp)
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>
<%
    scalars = {
        "sgd": "sign weight_decay lr momentum rest",
        "adam": "sign weight_decay shrink rest1 beta2 rest2 step_size root_factor eps",
        "rmsprop": "sign weight_decay lr alpha rest eps momentum",
        "scale": "max_norm",
        "clip": "bound",
        "norm": "power",
        "finish": "power",
    }[job].split()
    writes = job not in ("norm", "finish")
    lid = "0" if WG == 1 else "get_local_id(0)"
    vectors = WG == 1 and dtype in ("f32", "f64")
    one = {"type": "acc", "get": lambda s: f"LOAD({s}, i)" if s in "pg" else f"{s}[i]",
           "put": lambda s, v: f"STORE({s}, i, {v})" if s == "p" else f"{s}[i] = {v}"}
    many = {"type": "acc16", "get": lambda s: f"vload16(0, {s} + i)", "put": lambda s, v: f"vstore16({v}, 0, {s} + i)"}
    values = ", ".join(f"const acc {s}" for s in scalars)
    combine = "isnan(a) || a > b ? a : b" if "max" in options else "a + b"
%>
% if job in ("norm", "finish", "scale"):
typedef ${out}_t norm_t;
% endif
% if vectors:
typedef ${"double16" if dtype == "f64" else "float16"} acc16;
% endif

<%def name="find(lo, hi, writes)">
% if hi - lo == 1:
            last = e${lo};
            g = g${lo} + (at - ${f"e{lo - 1}" if lo else "start"});
%   if writes:
            p = p${lo} + (at - ${f"e{lo - 1}" if lo else "start"});
%   endif
% else:
        if (at < e${(lo + hi) // 2 - 1}) {
            ${find(lo, (lo + hi) // 2, writes)}
        } else {
            ${find((lo + hi) // 2, hi, writes)}
        }
% endif
</%def>

<%def name="walk(writes)">
    const index_t begin = start + (index_t)get_group_id(0) * chunk;
    const index_t end = min(begin + chunk, e${slots - 1});
    for (index_t at = begin; at < end;) {
        index_t last;
        __global const real *g;
% if writes:
        __global real *p;
% endif
        ${find(0, slots, writes)}
        const index_t n = min(last, end) - at;
        ${caller.body()}
        at += n;
    }
</%def>

% if job == "norm":
<% term = "v * v" if "two" in options else "pow(fabs(v), power)" if "power" in options else "fabs(v)" %>
static acc run(__global const real *restrict g, const index_t n, const acc power)
{
    acc sum = 0;
    index_t i = ${lid};
%   if vectors:
    acc16 sums = 0;
    {
        const acc16 powers = power;
        for (; i + 16 <= n; i += 16) {
            const acc16 v = vload16(0, g + i), a = ${term.replace("power)", "powers)")}, b = sums;
            sums = ${combine};
        }
    }
    acc lanes[16];
    vstore16(sums, 0, lanes);
    for (int l = 0; l < 16; ++l) {
        const acc a = lanes[l], b = sum;
        sum = ${combine};
    }
%   endif
    for (; i < n; i += ${WG}) {
        const acc v = LOAD(g, i), a = ${term}, b = sum;
        sum = ${combine};
    }
    return sum;
}

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void norm(
% for k in range(slots):
    __global const real *restrict g${k}, const index_t e${k},
% endfor
    __global norm_t *restrict partial, ${values}, const index_t start, const index_t chunk, const int slot)
{
    ${reduce.scratch("scratch", "acc", WG)}
    acc sum = 0;
    <%self:walk writes="${writes}">
        const acc a = run(g, n, power), b = sum;
        sum = ${combine};
    </%self:walk>
    ${reduce.group("sum", "scratch", combine, WG)}
    if (${lid} == 0)
        partial[slot + get_group_id(0)] = (norm_t)sum;
}
% elif job == "finish":
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void finish(__global const norm_t *restrict partial, __global norm_t *restrict y, ${values}, const int n)
{
    ${reduce.scratch("scratch", "acc", WG)}
    acc sum = 0;
    for (int i = ${lid}; i < n; i += ${WG}) {
        const acc a = sum, b = partial[i];
        sum = ${combine};
    }
    ${reduce.group("sum", "scratch", combine, WG)}
    if (${lid} == 0)
        y[0] = ${"sqrt(sum)" if "two" in options else "pow(sum, 1 / power)" if "power" in options else "sum"};
}
% else:
<%def name="element(type, get, put)">
% if job in ("scale", "clip"):
        const ${type} d = ${get("g")};
% else:
        const ${type} w = ${get("p")};
        ${type} d = sign * ${get("g")};
        if (weight_decay != 0)
            d += weight_decay * w;
% endif
% if job == "sgd":
%   if state:
        const ${type} b = momentum * ${get("buffer")} + rest * d;
        ${put("buffer", "b")};
        d = ${"d + momentum * b" if "nesterov" in options else "b"};
%   endif
        ${put("p", "w - lr * d")};
% elif job == "adam":
        ${type} m = ${get("mean")};
        m += rest1 * (d - m);
        ${put("mean", "m")};
        ${type} v = beta2 * ${get("square")} + rest2 * d * d;
        ${put("square", "v")};
%   if "largest" in state:
        const ${type} top = ${get("largest")};
        v = isnan(v) || v > top ? v : top;
        ${put("largest", "v")};
%   endif
        ${put("p", "shrink * w - step_size * m / (sqrt(v) * root_factor + eps)")};
% elif job == "rmsprop":
        ${type} v = alpha * ${get("square")} + rest * d * d;
        ${put("square", "v")};
%   if "mean" in state:
        ${type} m = ${get("mean")};
        m += rest * (d - m);
        ${put("mean", "m")};
        v -= m * m;
%   endif
        d /= sqrt(v) + eps;
%   if "buffer" in state:
        d += momentum * ${get("buffer")};
        ${put("buffer", "d")};
%   endif
        ${put("p", "w - lr * d")};
% elif job == "scale":
        ${put("p", "d * max_norm")};
% elif job == "clip":
        const ${type} high = bound, low = -high;
        ${put("p", "d < low ? low : d > high ? high : d")};
% endif
</%def>

/* The loop is a function of its own: a compiler believes `restrict` of arguments, not of locals. */
static void run(__global real *restrict p, __global const real *restrict g,
% for s in state:
    __global acc *restrict ${s},
% endfor
    const index_t n, ${values})
{
    index_t i = ${lid};
% if vectors:
    for (; i + 16 <= n; i += 16) {
        ${element(**many)}
    }
% endif
    for (; i < n; i += ${WG}) {
        ${element(**one)}
    }
}

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ${job}(
% for k in range(slots):
    __global real *restrict p${k}, __global const real *restrict g${k}, const index_t e${k},
% endfor
% for s in state:
    __global acc *restrict ${s},
% endfor
% if job == "scale":
    __global const norm_t *restrict norm,
% endif
    ${values}, const index_t start, const index_t chunk)
{
% if job == "scale":
    const acc ratio = max_norm / ((acc)norm[0] + C(1e-6));
    const acc factor = ratio > 1 ? 1 : ratio;
% endif
    <%self:walk writes="${writes}">
        run(p, g, ${"".join(f"{s} + at, " for s in state)}n, ${"factor" if job == "scale" else ", ".join(scalars)});
    </%self:walk>
}
% endif

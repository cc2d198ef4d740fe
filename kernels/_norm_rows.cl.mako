/* norm_rows — rows by their own statistics, and the gradient by them.
 *
 * Notes     What a row is, and the defines, are those of norm. Sums run in several chains, for additions wait for each other.
 *           Where a channel has neighbouring elements (runs), V > 1 takes a row channel by channel: the sums that the gradients of
 *           w and b need then are on the way to that of x
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%namespace name="sums" file="_norm_sums.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    moments = ["mean", "inverse"] if centred else ["inverse"]
    affine = ["w"] * weight + ["b"] * bias

    def vector(v):
        return f"{base}{V}" if v else "acc"

    def load(p, i, v, code=dtype):
        return f"{'loadv' if v else 'load'}_{code}({p}, {i})"

    def store(p, i, value, v):
        return f"{'storev' if v else 'store'}_{dtype}({p}, {i}, {value});"
    by_channel = runs and V > 1
    CHAINS = 4
    chain = sums.module.chain
    # the channel of element t, or (unless runs) the first of the lanes'
    channel_of = f"channel + t{' / L' if runs else ''}"
%>\

${row_norm() if kernel == "row_norm" else row_norm_grad()}

## Elements t to `end` in vectors, and then one by one; the body is given the suffix of the chain, "" for one element.
<%def name="along(end, chains=1)">
% if V > 1:
%   if chains > 1:
            for (; t + ${chains * V} <= ${end};) {
%     for u in range(chains):
                {
${caller.body(chain(u))}
                }
                t += ${V};
%     endfor
            }
%   endif
            for (; t + ${V} <= ${end}; t += ${V}) {
${caller.body("_v")}
            }
% endif
            for (; t < ${end}; t += ${WG}) {
${caller.body("")}
            }
</%def>

<%def name="row_arguments(arrays)">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1))) __attribute__((vec_type_hint(${f"{base}{V}" if V > 1 else base})))
void ${kernel}(${", ".join(arrays)}, const index_t rows, const index_t chunk, const index_t G, const index_t M, const index_t L, const acc eps)
{
${reduce.scratch("scratch", "acc", WG)}
    const int lid = (int)get_local_id(0);
    const index_t n = M * L, top = min(((index_t)get_group_id(0) + 1) * chunk, rows);
    for (index_t r = (index_t)get_group_id(0) * chunk; r < top; ++r) {
        const index_t channel = r % G * M;
        __global const real *p = x + r * n;
</%def>

<%def name="row_norm()">
${row_arguments(["__global const real *restrict x", *(f"__global const {param}_t *restrict {a}" for a in affine),
                 "__global real *restrict y", *(f"__global acc *restrict {m}s" for m in moments)])}
        index_t t = lid;
% if centred:
${sums.declare("sum", chains=CHAINS)}
<%call expr="along('n', CHAINS)" args="v">\
                sum${v} += ${load("p", "t", v)};\
</%call>
${sums.collect("sum", chains=CHAINS)}
        const acc guess = sum / (acc)n;
% else:
        const acc guess = 0;
% endif
${sums.declare("rest", "squares", chains=CHAINS)}
        t = lid;
<%call expr="along('n', CHAINS)" args="v">\
                const ${vector(v)} d = ${load("p", "t", v)} - guess;
                rest${v} += d;
                squares${v} += d * d;\
</%call>
% if centred:
${sums.collect("rest", "squares", chains=CHAINS)}
        const acc mean = guess + rest / (acc)n, var = (squares - rest * (rest / (acc)n)) / (acc)n;
% else:
${sums.collect("squares", chains=CHAINS)}
        const acc mean = 0, var = squares / (acc)n;
% endif
        const acc inverse = 1 / sqrt(var + eps);
        __global real *q = y + r * n;
        t = lid;
% if by_channel:
        for (index_t k = 0; k < M; ++k) {
            const acc scale = inverse${f" * load_{param}(w, channel + k)" if weight else ""}, shift = ${f"load_{param}(b, channel + k)" if bias else "0"};
            const index_t end = (k + 1) * L;
<%call expr="along('end')" args="v">\
                ${store("q", "t", f"({load('p', 't', v)} - mean) * scale + shift", v)}\
</%call>
        }
% else:
<%call expr="along('n')" args="v">\
                ${vector(v)} value = (${load("p", "t", v)} - mean) * inverse;
% for name, operator in (("w", "*"), ("b", "+")):
%   if name in affine:
                value = value ${operator} ${load(name, channel_of, v, param)};
%   endif
% endfor
                ${store("q", "t", "value", v)}\
</%call>
% endif
        if (lid == 0) {
% for m in moments:
            ${m}s[r] = ${m};
% endfor
        }
    }
}
</%def>

<%def name="row_norm_grad()">
${row_arguments(["__global const real *restrict g", "__global const real *restrict x", *(f"__global const acc *restrict {m}s" for m in moments),
                 *(f"__global const {param}_t *restrict {a}" for a in affine), "__global real *restrict y",
                 *(f"__global acc *restrict {t}" for t in ["projections", "totals"][:partial * (1 + centred)])])}
        __global const real *h = g + r * n;
        __global real *q = y + r * n;
        const acc mean = ${"means[r]" if centred else "0"}, inverse = inverses[r];
        index_t t = lid;
% if by_channel:
        acc total = 0, projected = 0;
        for (index_t k = 0; k < M; ++k) {
${sums.declare("here", "along", chains=CHAINS)}
            const index_t end = (k + 1) * L;
<%call expr="along('end', CHAINS)" args="v">\
                const ${vector(v)} gt = ${load("h", "t", v)};
                here${v} += gt;
                along${v} += gt * (${load("p", "t", v)} - mean);\
</%call>
${sums.collect("here", "along", chains=CHAINS)}
            along *= inverse;
%   if partial:
            projections[r * M + k] = along;
%     if centred:
            totals[r * M + k] = here;
%     endif
%   endif
            total += here${f" * load_{param}(w, channel + k)" if weight else ""};
            projected += along${f" * load_{param}(w, channel + k)" if weight else ""};
        }
        const acc shift = ${"total / (acc)n * inverse" if centred else "0"}, slope = projected / (acc)n * inverse * inverse;
        t = 0;
        for (index_t k = 0; k < M; ++k) {
            const acc scale = inverse${f" * load_{param}(w, channel + k)" if weight else ""};
            const index_t end = (k + 1) * L;
<%call expr="along('end')" args="v">\
                ${store("q", "t", f"{load('h', 't', v)} * scale - shift - ({load('p', 't', v)} - mean) * slope", v)}\
</%call>
        }
% else:
<%def name="values(v)">\
                const ${vector(v)} xhat = (${load("p", "t", v)} - mean) * inverse;
                ## not a plain product: of two loads, PoCL's compiler makes pairs of lanes
                const ${vector(v)} gw = ${f"fma({load('h', 't', v)}, {load('w', channel_of, v, param)}, ({vector(v)})0)" if weight else load("h", "t", v)};
</%def>
${sums.declare("total", "projected", chains=CHAINS)}
<%call expr="along('n', CHAINS)" args="v">\
${values(v)}\
                total${v} += gw;
                projected${v} += gw * xhat;\
</%call>
${sums.collect("total", "projected", chains=CHAINS)}
        const acc shift = ${"total / (acc)n" if centred else "0"}, along = projected / (acc)n;
        t = lid;
<%call expr="along('n')" args="v">\
${values(v)}\
                ${store("q", "t", "(gw - shift - xhat * along) * inverse", v)}\
</%call>
% endif
    }
}
</%def>

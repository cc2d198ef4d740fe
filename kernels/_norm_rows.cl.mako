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
        if v and streamed:
            return f"stream({value}, {p} + ({i}));"
        return f"{'storev' if v else 'store'}_{dtype}({p}, {i}, {value});"
    grad_arrays = ["__global const real *restrict g", "__global const real *restrict x", *(f"__global const acc *restrict {m}s" for m in moments),
                   *(f"__global const {param}_t *restrict {a}" for a in affine), "__global real *restrict y",
                   *(f"__global acc *restrict {t}" for t in ["projections", "totals"][:partial * (1 + centred)])]
    summed = ["projected", "total"][:1 + centred]
    by_channel = runs and V > 1
    CHAINS = 4
    chain = sums.module.chain
    # the channel of element t, or (unless runs) the first of the lanes'
    channel_of = f"channel + t{' / L' if runs else ''}" if not partial or runs else "t"
%>\

${row_norm() if kernel == "row_norm" else row_norm_grad_summed() if partial and not runs else row_norm_grad()}

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

<%def name="signature(arrays)">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1))) __attribute__((vec_type_hint(${f"{base}{V}" if V > 1 else base})))
void ${kernel}(${", ".join(arrays)}, const index_t rows, const index_t chunk, const index_t G, const index_t M, const index_t L, const acc eps)
</%def>
<%def name="row_arguments(arrays)">
${signature(arrays)}
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
                ${store("q", "t", "value", v)}
                ${"AHEAD(p + n + t);" if v else ""}\
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

## One group per sample. Rows in pairs, so that the sums of the channels, which wait in memory, are visited half as often.
<%def name="row_norm_grad_summed()">
${signature(grad_arrays)}
{
    const int lid = 0;
    const index_t n = M, group = (index_t)get_group_id(0), top = min((group + 1) * chunk, rows);
    __global acc *projected_here = projections + group * n${", *total_here = totals + group * n" if centred else ""};
    index_t t = 0;
<%call expr="along('n')" args="v">\
% for s in summed:
                ${f"vstore{V}((%s)0, 0, {s}_here + t)" % vector(v) if v else f"{s}_here[t] = 0"};
% endfor
</%call>
    index_t r = group * chunk;
    for (; r + 2 <= top; r += 2) {
${rows_summed(2)}
    }
    for (; r < top; ++r) {
${rows_summed(1)}
    }
}
</%def>
<%def name="rows_summed(count)">
% for u in range(count):
        __global const real *h${u} = g + (r + ${u}) * n, *p${u} = x + (r + ${u}) * n;
        __global real *q${u} = y + (r + ${u}) * n;
        const acc mean${u} = ${f"means[r + {u}]" if centred else "0"}, inverse${u} = inverses[r + ${u}];
${sums.declare(f"total{u}", f"projected{u}", chains=CHAINS)}
        t = 0;
<%call expr="along('n', CHAINS)" args="v">\
${values(v, u)}\
                total${u}${v} += gw${u};
                projected${u}${v} += gw${u} * xhat${u};\
</%call>
${sums.collect(f"total{u}", f"projected{u}", chains=CHAINS)}
        const acc shift${u} = ${f"total{u} / (acc)n" if centred else "0"}, along${u} = projected${u} / (acc)n;
% endfor
        t = 0;
<%call expr="along('n')" args="v">\
% for s in summed:
                ${vector(v)} ${s} = ${f"vload{V}(0, {s}_here + t)" if v else f"{s}_here[t]"};
% endfor
% for u in range(count):
${values(v, u)}\
                projected += ${load(f"h{u}", "t", v)} * xhat${u};
%   if centred:
                total += ${load(f"h{u}", "t", v)};
%   endif
                ${store(f"q{u}", "t", f"(gw{u} - shift{u} - xhat{u} * along{u}) * inverse{u}", v)}
                ${f"AHEAD(h{u} + {count} * n + t); AHEAD(p{u} + {count} * n + t);" if v else ""}
% endfor
% for s in summed:
                ${f"vstore{V}({s}, 0, {s}_here + t)" if v else f"{s}_here[t] = {s}"};
% endfor
</%call>
</%def>
<%def name="values(v, u='')">\
                const ${vector(v)} xhat${u} = (${load(f"p{u}", "t", v)} - mean${u}) * inverse${u};
                ## not a plain product: of two loads, PoCL's compiler makes pairs of lanes
                const ${vector(v)} gw${u} = ${f"fma({load(f'h{u}', 't', v)}, {load('w', channel_of, v, param)}, ({vector(v)})0)" if weight else load(f"h{u}", "t", v)};
</%def>

<%def name="row_norm_grad()">
${row_arguments(grad_arrays)}
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

/* cross_entropy — the loss of class indices from scores or log-probabilities; nothing of their size in memory.
 *
 * Computes  rows          lse[s] = log sum_c exp x[s,c];  loss[s] = w[t] (lse[s] - x[s,t]) for the target t of s, or
 *                         smoothed with e: (1-e) w[t] (lse[s] - x[s,t]) + e/C sum_c w[c] (lse[s] - x[s,c])
 *           columns       the same for x[n,c,d], s = (n,d)
 *           pick          loss[s] = -w[t] x[n,t,d]
 *           finish        loss = sum_s loss[s], divided by sum_s w[t] if `mean`; that sum is totals[0]
 *           grad_rows, grad_columns
 *                         gx[n,c,d] = g[s] (((1-e) w[t] + e/C sum w) p - (1-e) w[t] [c == t] - e/C w[c]) with
 *                         p = exp(x[n,c,d] - lse[s]); without logits only the middle term, for e = 0
 * Layout    x, gx (N, C, D) row-major, D = 1 in rows and grad_rows; target, lse, loss (N, D). Sums come as parts: the
 *           loss of every group, then its weight. totals[1] = sum_c w[c]. A target equal to `ignore` counts 0;
 *           another one outside of [0, C) is never followed and gives NaN
 * Defines   stage    the kernel                   dtype  of x          index  code of the target
 *           weighted, smooth, logits, mean (bool)
 *           each     whether losses are stored one by one and g has one per sample
 *           streamed whether the gradient is stored past the caches
 * Tunables  WG; V (classes, or neighbouring samples, of a work-item at a time); W (vectors of samples that a work-item takes
 *           through all classes, whose rows it so reads as they lie; 1 on GPUs); some (an argument: classes of a work-item in
 *           grad_columns)
 *           chunk (an argument): rows of a group in rows; blocks of V samples of a work-item in columns; samples or
 *           elements of a work-item in pick and grad_rows
 * Launch    group (WG); finish is one group, the grid of the others covers all chunks
 * Notes     byte floor: x is read once (the second visit of a row is in cache; columns with smoothing are read twice), gx written once, 8 to 20 bytes per sample
 * Source    Blanchard, Higham, Higham, "Accurately computing the log-sum-exp and softmax functions", 2021
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%namespace name="vector" file="_vector.cl.mako"/>\
<%namespace name="past" file="_stream.cl.mako"/>\
<%namespace name="exponent" file="_exp.cl.mako"/>\
<%
    ctype = "double" if dtype == "f64" else "float"
    real_in, acc_in = "__global const real *restrict ", "__global const acc *restrict "
    forward = stage in ("rows", "columns", "pick")
    args = [real_in + ("x" if forward else "g")]
    args += [real_in + "x", acc_in + "lse"] if logits and not forward else []
    args += [f"__global const {index}_t *restrict target"] + ([real_in + "weight"] if weighted else [])
    args += [f"__global {'real' if each else 'acc'} *restrict loss"] if forward else []
    args += ["__global acc *restrict lse"] if logits and forward else []
    args += ["__global acc *restrict totals"] if forward else [acc_in + "totals", "__global real *restrict gx"]
    args += ["const long ignore", "const acc smoothing", "const index_t N", "const index_t C", "const index_t D"]
    args += ["const index_t chunk"]
    lane = lambda a: f"vload{V}(0, {a} + k)" if V > 1 else f"{a}[k]"
    head = f"__kernel __attribute__((reqd_work_group_size({WG}, 1, 1)))\nvoid {stage}"
%>\
## The loss v and the weight w of sample s, whose class t is at `at` in x.
<%def name="choose(at, log_sum)">\
        acc v = 0, w = 0;
        const long t = load_${index}(target, s);
        if (t >= 0 && t < C && t != ignore) {
            w = WEIGHT(t);
            v = w * (${log_sum} - LOAD(x, ${at}));
        } else if (t != ignore)
            v = w = NAN;
</%def>\
## The same with log_sum = log sum exp x, m the largest x and q = sum_c w[c] (m - x[c]).
<%def name="smoothed(at)">\
${choose(at, "log_sum")}\
% if smooth:
        if (t != ignore)
            v = (1 - smoothing) * v + smoothing / C * (q + (log_sum - m) * all);
% endif
        lse[s] = log_sum;
${keep()}\
</%def>\
<%def name="keep()">\
% if each:
        STORE(loss, s, v);
% else:
        losses += v;
        weights += w;
% endif
</%def>\
<%def name="part(spread)">\
% if not each:
%   if spread:
${reduce.group("losses", "scratch", "a + b", WG)}
${reduce.group("weights", "scratch", "a + b", WG)}
%   endif
    if (get_local_id(0) == 0) {
        loss[get_group_id(0)] = losses;
        loss[get_num_groups(0) + get_group_id(0)] = weights;
    }
% endif
</%def>\
## What sample s gives each class: soft * p, less hot where it is the chosen one, less even * its weight.
<%def name="slopes()">\
            const long t = load_${index}(target, s);
            const acc own = LOAD(g, ${"s" if each else "0"})${" / totals[0]" if mean else ""};
            const int known = t >= 0 && t < C && t != ignore;
            const index_t chosen = known ? (index_t)t : -1;
            const acc rest = known || t == ignore ? 0 : NAN;
            const acc hot = known ? own * WEIGHT(t)${" * (1 - smoothing)" if smooth else ""} : rest;
% if smooth:
            const acc even = t == ignore ? 0 : own * smoothing / C;
            const acc soft = hot + even * totals[1];
% elif logits:
            const acc soft = hot;
% endif
</%def>\
## Take the classes c .. c + many of block k into the maximum and the sum; while that is -inf, nothing is added.
<%def name="visit(many)">\
<%  at = "x + (n * C + c + {}) * D + (begin + k) * " + str(V) %>\
%   for r in range(many):
                const T v${r} = some_${dtype}(${at.format(r)}, D - (begin + k) * ${V}, 0);
%     if many > 1 and V > 1:
                AHEAD(${at.format(r)} + ahead);
%     endif
%   endfor
                const T old = tops_[k];
                T new = old;
%   for r in range(many):
                new = v${r} > new ? v${r} : new;
%   endfor
                const T shift = new == -INFINITY ? (T)0 : new;
                exps_[k] = exps_[k] * exp_below(old - shift) + ${" + ".join(f"exp_below(v{r} - shift)" for r in range(many))};
                tops_[k] = new;
</%def>\
% if stage != "finish":
#define WEIGHT(c) ${"LOAD(weight, c)" if weighted else "(acc)1"}
${vector.types(ctype, V)}\
${vector.load(dtype, ctype, V)}\
${exponent.below("exp_below", ctype, V, rough=forward)}\
% endif
% if stage in ("rows", "columns", "grad_columns"):
${past.ahead()}\
% endif
% if stage == "rows":
${vector.fold("sum", ctype, "a + b", V)}\
${vector.fold("largest", ctype, "a > b ? a : b", V)}\
${head}(${", ".join(args)})
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t lane = (index_t)get_local_id(0) * ${V};
    const index_t lo = (index_t)get_group_id(0) * chunk;
    const index_t hi = min(lo + chunk, N);
    acc losses = 0, weights = 0;
% if smooth:
    acc all = 0;
    for (index_t c = (index_t)get_local_id(0); c < C; c += ${WG})
        all += WEIGHT(c);
${reduce.group("all", "scratch", "a + b", WG)}
    if (get_global_id(0) == 0)
        totals[1] = all;
% endif
    for (index_t s = lo; s < hi; ++s) {
        __global const real *row = x + s * C;
        T tops = (T)-INFINITY;
        index_t c = lane;
% if V > 1:
        T ${", ".join(f"tops{k} = tops" for k in (1, 2, 3))};
        for (; c + ${4 * V} <= C; c += ${4 * V}) {
%   for k in range(4):
            const T v${k} = loadv_${dtype}(row + c, ${k * V});
            tops${k or ""} = v${k} > tops${k or ""} ? v${k} : tops${k or ""};
%   endfor
        }
%   for k in (1, 2, 3):
        tops = tops${k} > tops ? tops${k} : tops;
%   endfor
% endif
        for (; c < C; c += ${WG * V}) {
            const T v = some_${dtype}(row + c, C - c, -INFINITY);
            tops = v > tops ? v : tops;
        }
        acc m = largest(tops);
${reduce.group("m", "scratch", "a > b ? a : b", WG)}
        T exps = (T)0${", far = (T)0" if smooth else ""};
        c = lane;
% if V > 1 and not smooth:
        T exps1 = exps;
        for (; c + ${2 * V} <= C; c += ${2 * V}) {
            exps += exp_below(loadv_${dtype}(row + c, 0) - m);
            exps1 += exp_below(loadv_${dtype}(row + c, ${V}) - m);
            AHEAD(row + C + c);
            AHEAD(row + C + c + ${V});
        }
        exps += exps1;
% endif
        for (; c < C; c += ${WG * V}) {
            exps += exp_below(some_${dtype}(row + c, C - c, -INFINITY) - m);
% if V > 1:
            AHEAD(row + C + c);
% endif
% if smooth:
            far -= ${f"some_{dtype}(weight + c, C - c, 0) * " if weighted else ""}(some_${dtype}(row + c, C - c, m) - m);
% endif
        }
        acc log_sum = sum(exps);
${reduce.group("log_sum", "scratch", "a + b", WG)}
        log_sum = m + log(log_sum);
% if smooth:
        acc q = sum(far);
${reduce.group("q", "scratch", "a + b", WG)}
% endif
        if (get_local_id(0) == 0) {
${smoothed("s * C + t")}\
        }
    }
${part(False)}\
}
% elif stage == "columns":
${head}(${", ".join(args)})
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t blocks = (D + ${V - 1}) / ${V};
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, N * blocks);
    acc losses = 0, weights = 0;
% if smooth:
    acc all = 0;
    for (index_t c = 0; c < C; ++c)
        all += WEIGHT(c);
    if (get_global_id(0) == 0)
        totals[1] = all;
% endif
    for (index_t b = lo; b < hi;) {
        const index_t n = b / blocks, begin = b - n * blocks, count = min(min((index_t)${W}, blocks - begin), hi - b);
        T tops_[${W}], exps_[${W}];
        for (index_t k = 0; k < count; ++k) {
            tops_[k] = (T)-INFINITY;
            exps_[k] = (T)0;
        }
        index_t c = 0;
        for (; c + 4 <= C; c += 4) {
% if V > 1:
            const index_t ahead = min((index_t)8, C - 4 - c) * D; /* rows lie in pages of their own */
% endif
            for (index_t k = 0; k < count; ++k) {
${visit(4)}\
            }
        }
        for (; c < C; ++c)
            for (index_t k = 0; k < count; ++k) {
${visit(1)}\
            }
        for (index_t k = 0; k < count; ++k) {
        const index_t d = (begin + k) * ${V};
        const index_t first = n * C * D + d;
        const T tops = tops_[k], exps = exps_[k];
% if smooth:
        T far = (T)0;
        for (index_t c = 0; c < C; ++c)
            far -= WEIGHT(c) * (some_${dtype}(x + first + c * D, D - d, 0) - tops);
% endif
        const T log_sums = tops + log(exps);
% if V > 1:
        acc found[${V}], top[${V}]${f", q_[{V}]" if smooth else ""};
        vstore${V}(log_sums, 0, found);
        vstore${V}(tops, 0, top);
%   if smooth:
        vstore${V}(far, 0, q_);
%   endif
        for (int l = 0; l < ${V} && d + l < D; ++l) {
            const acc m = top[l], log_sum = found[l]${", q = q_[l]" if smooth else ""};
% else:
        {
            const int l = 0;
            const acc m = tops, log_sum = log_sums${", q = far" if smooth else ""};
% endif
            const index_t s = n * D + d + l;
${smoothed("first + l + t * D")}\
        }
        }
        b += count;
    }
${part(True)}\
}
% elif stage == "pick":
${head}(${", ".join(args)})
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, N * D);
    acc losses = 0, weights = 0;
    for (index_t s = lo; s < hi; ++s) {
        const index_t n = s / D;
${choose("(n * C + t) * D + (s - n * D)", "0")}\
${keep()}\
    }
${part(True)}\
}
% elif stage == "finish":
${head}(${acc_in}parts, __global real *restrict loss, __global acc *restrict totals, const index_t groups)
{
${reduce.scratch("scratch", "acc", WG)}
    acc losses = 0, weights = 0;
    for (index_t k = (index_t)get_local_id(0); k < groups; k += ${WG}) {
        losses += parts[k];
        weights += parts[groups + k];
    }
${reduce.group("losses", "scratch", "a + b", WG)}
${reduce.group("weights", "scratch", "a + b", WG)}
    if (get_local_id(0) == 0) {
        totals[0] = weights;
        STORE(loss, 0, losses${" / weights" if mean else ""});
    }
}
% elif stage == "grad_rows":
${vector.store(dtype, ctype, V, streamed)}\
${head}(${", ".join(args)})
{
    const index_t hi = min((index_t)(get_global_id(0) + 1) * chunk, N * C);
    for (index_t at = (index_t)get_global_id(0) * chunk; at < hi;) {
        const index_t s = at / C, row = s * C;
        const index_t end = min(row + C, hi);
${slopes()}\
        for (index_t i = at; i < end; i += ${V}) {
            const index_t m = end - i;
            put_${dtype}(gx + i, m, ${"soft * exp_below(some_%s(x + i, m, 0) - lse[s])" % dtype if logits else "(T)rest"}${
                " - even * " + (f"some_{dtype}(weight + (i - row), m, 0)" if weighted else "1") if smooth else ""});
        }
        if (chosen >= at - row && chosen < end - row)
            STORE(gx, row + chosen, ${"soft * exp(LOAD(x, row + chosen) - lse[s])" if logits else "0"} - hot${
                " - even * WEIGHT(chosen)" if smooth else ""});
        at = end;
    }
}
% else:
${vector.store(dtype, ctype, V, streamed)}\
${vector.load("f64" if dtype == "f64" else "f32", ctype, V) if dtype not in ("f32", "f64") else ""}\
<%  acc_code = "f64" if dtype == "f64" else "f32" %>\
typedef ${"long" if dtype == "f64" else "int"}${V if V > 1 else ""} I;
${head}(${", ".join(args)}, const index_t some)
{
    const index_t blocks = (D + ${W * V - 1}) / ${W * V}, parts = (C + some - 1) / some;
    const index_t hi = min((index_t)(get_global_id(0) + 1) * chunk, N * parts * blocks);
    ${ctype} softs[${W * V}], hots[${W * V}]${f", evens[{W * V}]" if smooth else ""};
    ${"long" if dtype == "f64" else "int"} classes[${W * V}];
    for (int l = 0; l < ${W * V}; ++l) {
        softs[l] = hots[l] = ${"evens[l] = " if smooth else ""}0;
        classes[l] = -1;
    }
    for (index_t b = (index_t)get_global_id(0) * chunk; b < hi; ++b) {
        const index_t d = b % blocks * ${W * V}, n = b / blocks / parts, width = min((index_t)${W * V}, D - d);
        const index_t from = b / blocks % parts * some, to = min(from + some, C);
        for (index_t k = 0; k < width; ++k) {
            const index_t s = n * D + d + k;
${slopes()}\
            softs[k] = ${"soft" if logits else "rest"};
            hots[k] = hot;
            classes[k] = chosen;
% if smooth:
            evens[k] = even;
% endif
        }
        for (index_t c = from; c < to; ++c)
            for (index_t k = 0; k < width; k += ${V}) {
                const index_t at = (n * C + c) * D + d + k, m = width - k;
% if V > 1 and logits:
                AHEAD(x + at + min((index_t)8, to - 1 - c) * D);
% endif
                const T soft = ${lane("softs")}, hot = ${lane("hots")};
                const I match = ${lane("classes")} == (I)c;
% if logits:
                const T p = soft * exp_below(some_${dtype}(x + at, m, 0) - some_${acc_code}(lse + n * D + d + k, m, 0));
% else:
                const T p = soft;
% endif
                put_${dtype}(gx + at, m, ${"(match ? %s - hot : p)" % ("p" if logits else "(T)0")}${f" - {lane('evens')} * WEIGHT(c)" if smooth else ""});
            }
    }
}
% endif

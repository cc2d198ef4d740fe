/* reduce — one value from many, over any axes: sums, extremes and where they are, statistics, norms.
 *
 * Computes  y[kept] = finish(join over reduced of first(x[kept, reduced])), where var, logsumexp and arg go over each
 *           cached piece a second time, knowing its mean, maximum or extreme; pieces merge as states (a, b, n)
 * Layout    x row-major. The host merges neighbouring axes that are alike (kept or reduced), drops those of size 1,
 *           and passes size and stride of the others. `slices` > 1 cuts the reduction: the states of slice s go
 *           to planes of `n` elements, and combine merges them in order of s
 * Defines   dtype; op; compute (code values are reduced in); outs (codes of the outputs); kept, reduced (numbers of
 *           merged axes); states (members of a state); partial (store the states, not the results); planes (codes of states)
 *           engine  vector  last axis reduced: a work-item per output, 16 lanes along the axis (CPUs)
 *                   group   last axis reduced: `span` work-items per output; flat if runs are shorter than that
 *                   lanes   a work-item per W neighbouring outputs; for W = 1 any axis may be last
 *                   combine a work-group per output merges its slices
 * Tunables  WG; span (a power of two); W; chunk (an argument: outputs, or blocks of W, that a work-item owns; 1 on GPUs)
 * Launch    vector, lanes: grid ceil(n * slices / W / chunk).   combine: a group per output
 *           group: WG / span outputs (or slices of one) per group; work-items past the last one repeat it and store
 *           nothing, for all must reach the barriers
 * Notes     byte floor: every element of x is read from memory once (the second visit finds it in the first-level
 *           cache), every result written once; slices add 2/4096 of x at most. Sums go through accumulators that
 *           are emptied every piece, so their error grows with n / 4096, not with n
 * Source    Higham, "The accuracy of floating point summation", 1993
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%namespace name="narrow" file="_narrow.cl.mako"/>
<%namespace name="known" file="_reduce_states.cl.mako"/>
<%namespace name="across" file="_reduce_columns.cl.mako"/>
<%namespace name="exponent" file="_exp.cl.mako"/>
<%namespace name="lanes" file="_lanes.cl.mako"/>
<%namespace name="past" file="_stream.cl.mako"/>
<%
    floating = compute in ("f32", "f64")
    ctype = {"f64": "double", "f32": "float", "i64": "long", "i32": "int"}[compute]
    least, most = ("-INFINITY", "INFINITY") if floating else (ctype.upper() + "_MIN", ctype.upper() + "_MAX")
    larger, smaller = ("((a > b) | (a != a)) ? a : b", "((a < b) | (a != a)) ? a : b") if floating else ("max(a, b)", "min(a, b)")
    kind = {"max": "arg", "min": "arg", "argmax": "arg", "argmin": "arg", "std": "var", "shares": "logsumexp"}.get(op, op)
    two = kind in ("var", "logsumexp", "arg") or (kind in ("prod", "amax", "amin") and states > 1)
    down = op in ("min", "argmin")

    # what becomes of an element of type t; the neutral element; how two are joined
    FIRST = {
        "sum": (lambda t: "x", "0", "a + b"),
        "mean": (lambda t: "x", "0", "a + b"),
        "prod": (lambda t: f"x != ({t})(0) ? x : ({t})(1)" if two else "x", "1", "a * b"),
        "amax": (lambda t: "x", least, larger),
        "amin": (lambda t: "x", most, smaller),
        "any": (lambda t: f"x != ({t})(0) ? ({t})(1) : ({t})(0)", "0", "max(a, b)"),
        "all": (lambda t: f"x != ({t})(0) ? ({t})(1) : ({t})(0)", "1", "min(a, b)"),
        "norm0": (lambda t: f"x != ({t})(0) ? ({t})(1) : ({t})(0)", "0", "a + b"),
        "norm1": (lambda t: "fabs(x)", "0", "a + b"),
        "norm2": (lambda t: "x * x", "0", "a + b"),
        "normp": (lambda t: f"pow(fabs(x), ({t})(u))", "0", "a + b"),
        "var": (lambda t: "x", "0", "a + b"),
        "logsumexp": (lambda t: "x", least, larger),
        "arg": (lambda t: "x", most if down else least, smaller if down else larger),
    }
    # the second visit, knowing a: the same three things, for a result of type R
    SECOND = {
        "prod": (lambda t: f"x == ({t})(0) ? ({t})(1) : ({t})(0)", "0", "a + b"),
        "amax": (lambda t: f"x == a ? ({t})(1) : ({t})(0)", "0", "a + b"),
        "amin": (lambda t: f"x == a ? ({t})(1) : ({t})(0)", "0", "a + b"),
        "var": (lambda t: f"(x - a) * (x - a)", "0", "a + b"),
        "logsumexp": (lambda t: f"{'exp_below' if t == 'TV' else 'exp'}(x - a)", "0", "a + b"),
        "arg": (lambda t: f"((x == a) | (x != x)) ? at : ({t.replace('T', 'I')})(NOWHERE)", "NOWHERE", "min(a, b)"),
    }
    first, zero, combine = FIRST[kind]
    second, zero2, combine2 = SECOND[kind] if two else (None, None, None)
    members = ["a", "b", "n"][:states]
    mask, index = "long" if ctype in ("double", "long") else "int", "long" if wide else "int"
    neutral = [zero, index.upper() + "_MAX" if kind == "arg" else "0", "0"]
    fields = list(zip(members, ["T", "B", "T"], neutral))
    RESULTS = {
        "prod": [f"s.b > 0 ? {'(isfinite(s.a) ? 0 : NAN)' if floating else 0} : s.a", "s.a", "s.b"] if two else ["s.a"], "amax": [f"s.{m}" for m in members], "amin": [f"s.{m}" for m in members],
        "mean": ["s.a / u"], "norm2": ["sqrt(s.a)"], "normp": [f"pow(s.a, 1 / u)"], "max": ["s.a", "s.b"],
        "min": ["s.a", "s.b"], "argmax": ["s.b"], "argmin": ["s.b"], "var": ["s.b / u", "s.a"],
        "std": ["sqrt(s.b / u)", "s.a"], "shares": ["s.a", "s.b"], "logsumexp": ["fabs(s.a) == INFINITY ? s.a : s.a + log(s.b)"],
    }
    results = [f"s.{m}" for m in members] if partial else RESULTS.get(op, ["s.a"])
    axes = [f"{p}{d}" for d in range(kept) for p in ("kn", "ks")] + [f"{p}{d}" for d in range(reduced) for p in ("rn", "rs")]
    stores = [f"__global {code}_t *restrict y{k}" for k, code in enumerate(outs)]
    tail = [f"const {ctype} u", "const index_t n", "const index_t slices", "const index_t chunk"]
    arguments = [*stores, *tail, "const index_t count"] + [f"const index_t {a}" for a in axes]
    PIECE = (64 if engine == "lanes" else 2048) if two else (512 if engine == "lanes" else 4096)
%>
typedef ${ctype} T;
typedef ${mask} I;
% if kind == "arg":
#define NOWHERE ${"LONG_MAX" if ctype in ("double", "long") else "INT_MAX"}
typedef index_t B;
typedef I R;
% else:
typedef T B;
typedef T R;
% endif

<%def name="functions(suffix, t, i, r)">
static ${t} first${suffix}(const ${t} x, const T u) { return ${first(t)}; }
static ${t} join${suffix}(const ${t} a, const ${t} b) { return ${combine}; }
static ${t} shift${suffix}(const ${t} a) { return ${f"a == -INFINITY ? ({t})(0) : a" if kind == "logsumexp" else "a"}; }
% if two:
static ${r} second${suffix}(const ${t} x, const ${t} a, const ${i} at) { return ${second(t)}; }
static ${r} join2${suffix}(const ${r} a, const ${r} b) { return ${combine2}; }
% endif
${known.toward(suffix, t) if kind == "var" else ""}\
</%def>
${functions("", "T", "I", "R")}
${known.states("", "T", "I", "B", "R", kind, two, members, down, mask, index)}
% if engine == "vector" or W > 1:
<%  r = "IV" if kind == "arg" else "TV" %>\
${reduce.vectors(dtype, ctype)}
%   if kind == "logsumexp":
${exponent.below("exp_below", ctype, 16, "TV", rough=True)}
%   endif
typedef ${f"{index}16" if kind == "arg" else "TV"} BV;
${functions("_v", "TV", "IV", r)}
%   if engine == "combine":
${known.states("_v", "TV", "IV", "BV", r, kind, two, members, down, mask, index)}
%   endif
% endif
% if engine == "vector":
${reduce.folding("folded", ctype, combine)}
%   if two:
${past.ahead()}
${reduce.folding("folded2", mask if kind == "arg" else ctype, combine2)}
%   endif
% endif

/* The state of no elements. */
static state nothing(void)
{
    const state s = {${", ".join(neutral[:states])}};
    return s;
}

% for name, axis_count in (("k", kept), ("r", reduced)):
<%      own = [a for a in axes if a[0] == name] %>\
static index_t ${name}_at(index_t i${"".join(f", const index_t {a}" for a in own)})
{
    index_t at = 0;
%   for d in reversed(range(axis_count)):
    at += ${f"i % {name}n{d}" if d else "i"} * ${name}s${d};
%     if d:
    i /= ${name}n${d};
%     endif
%   endfor
    return at;
}
#define ${"KEPT" if name == "k" else "REDUCED"}(i) ${name}_at(${", ".join(["i", *own])})
% endfor

<%def name="store(q)">
% for k, (code, value) in enumerate(zip(outs, results)):
        store_${code}(y${k}, ${q}, ${value});
% endfor
</%def>

## Walk the pieces [r, r + m) of a slice; p points at the first element, `body` is emitted for each.
<%def name="pieces(base, slice)">
        const index_t per = (count + slices - 1) / slices;
        const index_t begin = min(${slice} * per, count), end = begin + min(per, count - begin);
        for (index_t r = begin; r < end;) {
% if engine == "group" and flat:
            const index_t m = min(end - r, (index_t)${PIECE});
            __global const real *p = x + ${base};
% else:
            const index_t m = min(min(rn${reduced - 1} - r % rn${reduced - 1}, end - r), (index_t)${PIECE});
            __global const real *p = x + ${base} + REDUCED(r);
% endif
            ${caller.body()}
            r += m;
        }
</%def>

% if engine == "combine" and W > 1:
${across.combine(members, planes, [*stores, *tail], outs, results)}
% elif engine == "combine":
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void combine(${", ".join(f"__global const {c}_t *restrict p{k}" for k, c in enumerate(planes))}, ${", ".join([*stores, *tail])})
{
${reduce.scratch("scratch", "state", WG)}
    const int lid = (int)get_local_id(0);
    const index_t from = (index_t)get_group_id(0) * chunk;
    const index_t to = min(from + chunk, n);
    for (index_t o = from; o < to; ++o) {
        state s = nothing();
        for (index_t k = lid; k < slices; k += ${WG}) {
            const state t = {${", ".join(f"p{k}[k * n + o]" for k in range(len(planes)))}};
            s = merge(s, t);
        }
${reduce.group("s", "scratch", "merge(a, b)", WG, "state")}
        if (lid == 0) {
${store("o")}
        }
    }
}
% elif engine == "vector":
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void vector(__global const real *restrict x, ${", ".join(arguments)})
{
    const index_t from = (index_t)get_global_id(0) * chunk;
    const index_t to = min(from + chunk, n * slices);
    for (index_t q = from; q < to; ++q) {
        const index_t base = KEPT(q % n);
        state s = nothing();
<%call expr="pieces('base', 'q / n')">
            index_t t = 0;
            T a = ${zero};
            if (m >= 16) {
                TV ${", ".join(f"a{k} = (TV)({zero})" for k in range(4))};
                for (; t + 64 <= m; t += 64) {
% for k in range(4):
                    a${k} = join_v(a${k}, first_v(VLOAD(p + t + ${16 * k}), u));
% endfor
                }
                for (; t + 16 <= m; t += 16)
                    a0 = join_v(a0, first_v(VLOAD(p + t), u));
                a = folded(join_v(join_v(a0, a1), join_v(a2, a3)));
            }
            for (; t < m; ++t)
                a = join(a, first((T)LOAD(p, t), u));
% if not two:
            s.a = join(s.a, a);
% else:
%   if kind == "var":
            a /= (T)m;
%   endif
            const T known = shift(a);
            R b = ${zero2};
            t = 0;
            if (m >= 16) {
<%              v, visited = "IV" if kind == "arg" else "TV", "join2_v({}, second_v(VLOAD(p + t + {}), (TV)(known), lane + (IV)((I)t + {})))" %>\
                const IV lane = (IV)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                ${v} ${", ".join(f"b{k} = ({v})({zero2})" for k in range(4))};
                for (; t + 64 <= m; t += 64) {
% for k in range(4):
                    b${k} = ${visited.format(f"b{k}", 16 * k, 16 * k)};
%   if kind == "logsumexp":
                    AHEAD(p + t + m + ${16 * k});
%   endif
% endfor
                }
                for (; t + 16 <= m; t += 16)
                    b0 = ${visited.format("b0", 0, 0)};
                b = folded2(join2_v(join2_v(b0, b1), join2_v(b2, b3)));
            }
            for (; t < m; ++t)
                b = join2(b, second((T)LOAD(p, t), known, (I)t));
            s = merge(s, piece(a, b, r, m));
% endif
</%call>
${store("q")}
    }
}
% elif engine == "group":
<%  at = "REDUCED(r + {})" if flat else "{}" %>\
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))${narrow.attribute()}
void group(__global const real *restrict x, ${", ".join(arguments)})
{
${reduce.scratch("scratch", "state", WG)}
    const int lid = (int)get_local_id(0) & ${span - 1};
    const index_t mine = (index_t)get_group_id(0) * ${WG // span} + (index_t)get_local_id(0) / ${span};
    const index_t q = min(mine, n * slices - 1), base = KEPT(q % n);
    state s = nothing();
<%call expr="pieces('base', 'q / n')">
            T a = ${zero};
            index_t t = lid;
            for (; t + ${3 * span} < m; t += ${4 * span})
                a = join(a, join(join(first((T)LOAD(p, ${at.format("t")}), u), first((T)LOAD(p, ${at.format(f"t + {span}")}), u)),
                                 join(first((T)LOAD(p, ${at.format(f"t + {2 * span}")}), u), first((T)LOAD(p, ${at.format(f"t + {3 * span}")}), u))));
            for (; t < m; t += ${span})
                a = join(a, first((T)LOAD(p, ${at.format("t")}), u));
% if not two:
            s.a = join(s.a, a);
% else:
            if (lid < m) {
                const index_t mine = (m - lid + ${span - 1}) / ${span};
%   if kind == "var":
                a /= (T)mine;
%   endif
                const T known = shift(a);
                R b = ${zero2};
                for (t = lid; t < m; t += ${span})
                    b = join2(b, second((T)LOAD(p, ${at.format("t")}), known, (I)t));
                s = merge(s, piece(a, b, r, mine));
            }
% endif
</%call>
${reduce.group("s", "scratch", "merge(a, b)", WG, "state", span)}
    if (lid == 0 && mine < n * slices) {
${store("q")}
    }
}
% elif two and W > 1:
${lanes.fetch()}
${across.kernel(kind, members, neutral, arguments, kept, reduced, W, index, outs, results)}
% else:
## Visit the W neighbours 16 at a time, then one by one; the body is emitted for each with its suffix.
<%def name="columns()">
                int l = 0;
%   if W > 1:
                for (; l + 16 <= width; l += 16) {
${caller.body("_v")}
                }
%   endif
                for (; l < width; ++l) {
${caller.body("")}
                }
</%def>
#define ELEMENT(i) ((T)LOAD(p, i))
#define GET(a) ((a)[l])
#define PUT(a, v) ((a)[l] = (v))
#define ELEMENT_v(i) VLOAD(p + (i))
#define GET_v(a) vload16(0, (a) + l)
#define PUT_v(a, v) vstore16(v, 0, (a) + l)
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void lanes(__global const real *restrict x, ${", ".join(arguments)})
{
    const index_t inner = ${f"kn{kept - 1}" if kept else "1"}, outer = n / inner;
    const index_t blocks = (inner + ${W - 1}) / ${W};
    const index_t from = (index_t)get_global_id(0) * chunk;
    const index_t to = min(from + chunk, blocks * outer * slices);
    for (index_t q = from; q < to; ++q) {
        const index_t column = q % blocks * ${W}, slice = q / blocks / outer;
        const index_t o = q / blocks % outer * inner + column;
        const int width = ${f"(int)min((index_t){W}, inner - column)" if W > 1 else "1"};
        const index_t base = KEPT(o), step = rs${reduced - 1};
% for name, type, value in fields:
        ${type} s_${name}[${W}];
% endfor
        for (int l = 0; l < ${W}; ++l) {
% for name, type, value in fields:
            s_${name}[l] = ${value};
% endfor
        }
<%call expr="pieces('base', 'slice')">
            T a[${W}];
            for (int l = 0; l < ${W}; ++l)
                a[l] = ${zero};
            index_t t = 0;
            for (; t + 8 <= m; t += 8) {
<%call expr="columns()" args="v">
<%
    x = [f"first{v}(ELEMENT{v}((t + {k}) * step + l), u)" for k in range(8)]
    while len(x) > 1:
        x = [f"join{v}({a}, {b})" for a, b in zip(x[::2], x[1::2])]
%>\
                    PUT${v}(a, join${v}(GET${v}(a), ${x[0]}));
</%call>
            }
            for (; t < m; ++t) {
<%call expr="columns()" args="v">
                    PUT${v}(a, join${v}(GET${v}(a), first${v}(ELEMENT${v}(t * step + l), u)));
</%call>
            }
% if not two:
<%call expr="columns()" args="v">
                    PUT${v}(s_a, join${v}(GET${v}(s_a), GET${v}(a)));
</%call>
% else:
            T known[${W}];
            R b[${W}];
            for (int l = 0; l < ${W}; ++l) {
%   if kind == "var":
                a[l] /= (T)m;
%   endif
                known[l] = shift(a[l]);
                b[l] = ${zero2};
            }
            t = 0;
            for (; t + 8 <= m; t += 8) {
<%call expr="columns()" args="v">
<%
    x = [f"second{v}(ELEMENT{v}((t + {k}) * step + l), GET{v}(known), (I)t + {k})" for k in range(8)]
    while len(x) > 1:
        x = [f"join2{v}({a}, {b})" for a, b in zip(x[::2], x[1::2])]
%>\
                    PUT${v}(b, join2${v}(GET${v}(b), ${x[0]}));
</%call>
            }
            for (; t < m; ++t) {
<%call expr="columns()" args="v">
                    PUT${v}(b, join2${v}(GET${v}(b), second${v}(ELEMENT${v}(t * step + l), GET${v}(known), (I)t)));
</%call>
            }
<%call expr="columns()" args="v">
                    const state${v} all = {${", ".join(f"GET{v}(s_{name})" for name, *_ in fields)}};
                    const state${v} both = merge${v}(all, piece${v}(GET${v}(a), GET${v}(b), r, m));
%   for name, *_ in fields:
                    PUT${v}(s_${name}, both.${name});
%   endfor
</%call>
% endif
</%call>
        const index_t to_q = slice * n + o;
        for (int l = 0; l < width; ++l) {
            const state s = {${", ".join(f"s_{name}[l]" for name, *_ in fields)}};
${store("to_q + l")}
        }
    }
}
% endif

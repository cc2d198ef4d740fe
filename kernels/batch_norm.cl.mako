/* batch_norm — whole channels, one after another: all of a batch norm, or all of its gradient, in one launch.
 *
 * Computes  channel_norm       y = act((x - mean) * inverse * w + b + residual), inverse = 1 / sqrt(var + eps);
 *                              running = (1 - momentum) running + momentum (mean or squares / (n - correction))
 *           channel_norm_grad  dx = inverse * w * (h - (total + xhat * projected) / n), h = back(g, y): g before the
 *                              activation, xhat = (x - mean) * inverse, projected = sum(h * xhat), total = sum(h)
 * Layout    x, y, residual, g, h, dx (N, C, L), row-major; all else (C,)
 * Defines   dtype, kernel (one of the two), param (code of w and b), running (code of running statistics, or None)
 *           weight, bias, residual (bools; in the gradient: whether h is stored), act (C expression of v), back (C
 *           expression of g and y, or None: h is g)
 * Tunables  WG, V (lanes of a work-item; V > 1 only if WG = 1), chunk (an argument: channels of a group)
 * Launch    group (WG), a group per `chunk` channels
 * Notes     byte floor: operands read once, results written once, as long as a channel stays in the cache until it is
 *           visited again. A channel is cut into pieces of `outer` samples by `inner` elements. The first piece gets its
 *           moments in two passes, each later one in one pass about the mean so far: how far that is off is part of
 *           the variance, so nothing cancels that matters
 * Source    Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>
<%namespace name="vector" file="_vector.cl.mako"/>
<%
    base = "double" if dtype == "f64" else "float"
    codes = [c for c in dict.fromkeys([dtype]) if c]
    grad = kernel == "channel_norm_grad"

    def load(p, form):
        if form == "short":
            return f"some_{dtype}({p} + i, m, 0)"
        return f"{'loadv' if V > 1 else 'load'}_{dtype}({p}, i)"

    def there(value, form):
        return {"whole": value, "tail": f"(there ? {value} : (T)0)", "short": f"keep({value}, m)"}[form]

    def store(p, value, form):
        if form == "short":
            return f"put_{dtype}({p} + i, m, {value});"
        return f"{'storev' if V > 1 else 'store'}_{dtype}({p}, i, {value});"

    def undone(form):
        return f"undo({load('g', form)}, {load('y', form)})" if back else load("g", form)
%>
${vector.types(base, V)}
${vector.load(dtype, base, V)}
${vector.store(dtype, base, V)}
${vector.fold("folded", base, "a + b", V)}
% if "(" in (act + (back or "")).replace("(T)", ""):
<%include file="_math.cl.mako"/>
% endif
% if V > 1:
typedef ${"long" if dtype == "f64" else "int"}${V} I;
#define LANES (I)(${", ".join(map(str, range(V)))})
% endif

## The elements of samples [first, last) of channel c from column `from` on, `width` of them. The body is emitted for
## whole vectors, for the last of a run, which overlaps (`there`: its new lanes), and for runs shorter than a vector.
<%def name="visit(first, last, begin, width)">
% if V > 1:
        for (index_t r = ${first}; r < ${last}; ++r) {
            const index_t end = (r * C + c) * L + ${begin} + ${width};
            index_t i = end - ${width};
            for (; i + ${V} <= end; i += ${V}) {
${caller.body("whole")}
            }
            if (i < end && ${width} >= ${V}) {
                const I there = LANES >= (I)(${V} - (int)(end - i));
                i = end - ${V};
${caller.body("tail")}
            } else if (i < end) {
                const index_t m = end - i;
${caller.body("short")}
            }
        }
% else:
        for (index_t e = (index_t)get_local_id(0); e < (${last} - ${first}) * ${width}; e += ${WG}) {
            const index_t i = ((${first} + e / ${width}) * C + c) * L + ${begin} + e % ${width};
${caller.body("whole")}
        }
% endif
</%def>

## Every piece of a channel in turn.
<%def name="pieces()">
        for (index_t first = 0; first < N; first += outer)
            for (index_t from = 0; from < L; from += inner) {
                const index_t last = min(first + outer, N), width = min(inner, L - from);
${caller.body()}
            }
</%def>

<%def name="total(name, of)">
                acc ${name} = folded(${of});
${reduce.group(name, "scratch", "a + b", WG)}
</%def>

% if act != "v":
static T ending(const T v) { return ${act}; }
% endif
% if back:
static T undo(const T g, const T y) { return ${back}; }
% endif

% if not grad:
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void channel_norm(__global const real *restrict x,
% for name in ["w"] * weight + ["b"] * bias:
    __global const ${param}_t *restrict ${name},
% endfor
% if running:
    __global const ${running}_t *restrict old_mean, __global const ${running}_t *restrict old_var,
% endif
% if residual:
    __global const real *restrict residual,
% endif
    __global real *restrict y, __global acc *restrict means, __global acc *restrict inverses,
% if running:
    __global ${running}_t *restrict new_mean, __global ${running}_t *restrict new_var,
% endif
    const index_t N, const index_t C, const index_t L, const index_t outer, const index_t inner, const index_t chunk,
    const acc eps, const acc momentum, const acc correction)
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t top = min(((index_t)get_group_id(0) + 1) * chunk, C);
    for (index_t c = (index_t)get_group_id(0) * chunk; c < top; ++c) {
        acc mean = 0, squared = 0, count = 0;
<%call expr="pieces()">
                const acc n = (acc)((last - first) * width);
                acc guess = mean;
                if (count == 0) {
                    T sums = 0;
<%call expr="visit('first', 'last', 'from', 'width')" args="form">\
                    sums += ${there(load("x", form), form)};\
</%call>
${total("sum", "sums")}
                    guess = sum / n;
                }
                T rests = 0, squares = 0;
<%call expr="visit('first', 'last', 'from', 'width')" args="form">\
                const T d = ${there(f"({load('x', form)} - guess)", form)};
                rests += d;
                squares += d * d;\
</%call>
${total("rest", "rests")}
${total("square", "squares")}
                const acc off = rest / n, delta = guess + off - mean, share = n / (count + n);
                squared += square - rest * off + delta * delta * count * share;
                mean += delta * share;
                count += n;
</%call>
        const acc inverse = 1 / sqrt((count > 0 ? squared / count : 0) + eps);
        const acc scale = inverse${f" * load_{param}(w, c)" if weight else ""};
        const acc shift = ${f"load_{param}(b, c)" if bias else "0"};
<%call expr="visit('0', 'N', '0', 'L')" args="form">\
<%  value = f"({load('x', form)} - mean) * scale + shift" + (f" + {load('residual', form)}" if residual else "") %>\
                ${store("y", value if act == "v" else f"ending({value})", form)}\
</%call>
        if (get_local_id(0) == 0) {
            means[c] = mean;
            inverses[c] = inverse;
% if running:
            store_${running}(new_mean, c, (1 - momentum) * load_${running}(old_mean, c) + momentum * mean);
            store_${running}(new_var, c, (1 - momentum) * load_${running}(old_var, c) + momentum * (squared / max(count - correction, (acc)1)));
% endif
        }
    }
}
% else:
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void channel_norm_grad(__global const real *restrict g, __global const real *restrict x,
    __global const acc *restrict means, __global const acc *restrict inverses,
% if weight:
    __global const ${param}_t *restrict w,
% endif
% if back:
    __global const real *restrict y,
% endif
    __global real *restrict dx, __global acc *restrict projections, __global acc *restrict totals,
% if residual:
    __global real *restrict h,
% endif
    const index_t N, const index_t C, const index_t L, const index_t outer, const index_t inner, const index_t chunk)
{
${reduce.scratch("scratch", "acc", WG)}
    const index_t top = min(((index_t)get_group_id(0) + 1) * chunk, C);
    for (index_t c = (index_t)get_group_id(0) * chunk; c < top; ++c) {
        const acc mean = means[c], inverse = inverses[c], n = (acc)(N * L);
        acc projected = 0, whole = 0;
<%call expr="pieces()">
                T along = 0, sums = 0;
<%call expr="visit('first', 'last', 'from', 'width')" args="form">\
                const T here = ${there(undone(form), form)};
                along += here * (${load("x", form)} - mean);
                sums += here;\
</%call>
${total("product", "along")}
${total("sum", "sums")}
                projected += product;
                whole += sum;
</%call>
        projected *= inverse;
        const acc slope = inverse * projected / n, shift = whole / n;
        const acc scale = inverse${f" * load_{param}(w, c)" if weight else ""};
<%call expr="visit('0', 'N', '0', 'L')" args="form">\
                const T here = ${undone(form)};
                ${store("dx", f"(here - shift - ({load('x', form)} - mean) * slope) * scale", form)}
% if residual:
                ${store("h", "here", form)}
% endif
</%call>
        if (get_local_id(0) == 0) {
            projections[c] = projected;
            totals[c] = whole;
        }
    }
}
% endif

/* rnn_cell — what a recurrent cell makes of the products with its weights: V units of one row in one step.
 *
 * Computes  forward   finish(product, row, j, ...): the states from units j on, and the residuals
 *           backward  finish(product, row, j, ...): the gradients of the gates, and what goes on to the step before
 *           begin(product, row, j, ...) before it, for a gru_before: its step has two products, the other of what this leaves
 * Layout    gates, states, residuals (steps, N, units), row-major; hidden (2, N, P), cell, carry (N, P), dg (2, N, G * H),
 *           middle (2, N, P): r h and z, are kept in acc; product: V of each gate, gates VP apart
 * Defines   none of its own: those of rnn
 * Notes     loads and stores stop at H; P, the pitch of what is carried, is a multiple of V
 */
<%namespace name="vector" file="_vector.cl.mako"/>\
<%!
    from typing import NamedTuple

    GATES = {"lstm": 4, "gru": 3, "gru_before": 3}

    class Part(NamedTuple):
        """A product of a step: `gates` of them from `first` on, of the rows of `left`, `pitch` apart."""

        end: str  # the function that takes it
        first: int
        gates: int
        left: str
        pitch: str
        there: str  # whether it is not zero for all rows
        t: str  # the step that makes it zero for rows past their end

    def parts(mode, stage):
        """The products of a step, one after the other."""
        G = GATES.get(mode, 1)
        now = "reverse ? steps - 1 - s : s" if stage == "forward" else "reverse ? s : steps - 1 - s"
        if stage == "forward":
            state = "s > 0 ? hidden + (index_t)(s & 1) * N * P : h0", "s > 0 ? P : H", "1", now
            own = "middle", "P", "1", now
        else:
            state = f"dg + (index_t)(~s & 1) * N * {G} * H", f"{G} * H", "s > 0", "reverse ? s - 1 : steps - s"
            own = "dg + (index_t)(s & 1) * N * 3 * H + 2 * H", "3 * H", "1", now
        if mode != "gru_before":
            return [Part("finish", 0, G, *state)]
        return [Part("begin", 0, 2, *state), Part("finish", 2, 1, *own)]

    def operands(mode, stage, keep, bias, lengths, engine):
        """(type, name) of every argument of a kernel."""
        lstm, gru, before = mode == "lstm", mode in ("gru", "gru_before"), mode == "gru_before"
        put = "__global real *"
        take = "__global const real *"
        wide = "__global acc *"
        weight = "__global const acc *" if engine == "simd" else take
        if stage == "forward":
            found = [(take, "gates"), ("__global const acc *", "h0"), *[(take, "c0")] * lstm, (weight, "w"),
                     *[(take, "bias")] * bias, *[(f"__global const {lengths}_t *", "lengths")] * bool(lengths),
                     (put, "states"), *[(put, "cs")] * (lstm and keep), *[(put, "acts")] * ((lstm or gru) and keep),
                     (wide, "hidden"), *[(wide, "cell")] * lstm, *[(wide, "middle")] * before]
        else:
            found = [(take, "g"), (take, "states"), *[(take, "acts")] * (lstm or gru), *[(take, "first")] * (lstm or gru),
                     (weight, "w"), *[(f"__global const {lengths}_t *", "lengths")] * bool(lengths), (put, "dx"),
                     *[(put, "dproduct")] * (mode == "gru"), (put, "dh0"), *[(put, "dc0")] * lstm, (wide, "carry"),
                     *[(wide, "cell")] * lstm, (wide, "dg")]
        return found + [("const int ", n) for n in ("steps", "N", "H", "P", "reverse")]
%>
<%def name="parameters(restrict=True)">${", ".join(f"{kind}{'restrict ' if restrict and '*' in kind else ''}{name}" for kind, name in operands(mode, stage, keep, bias, lengths, engine))}</%def>
<%def name="arguments()">${", ".join(name for _, name in operands(mode, stage, keep, bias, lengths, engine))}</%def>

## Whether a row is not past its end in step t.
<%def name="live(row, t)">${f"({t}) < (int)lengths[{row}]" if lengths else "1"}</%def>

## The state that a step starts from, and on the way back what it started from: for an lstm the c.
<%def name="state(wide)">s > 0 ? VECTOR(hidden + ((index_t)(s & 1) * N + row) * P + j) : some_${wide}(h0 + (index_t)row * H + j, m, 0)</%def>
<%def name="before()">\
        const int start = reverse ? t == steps - 1${" || t + 1 >= (int)lengths[row]" if lengths and mode != "lstm" else ""} : t == 0;
        const T before = start ? some_${dtype}(first + (index_t)row * H + j, m, 0)
                               : some_${dtype}(states + (reverse ? at + N : at - N) * H + j, m, 0);\
</%def>

<%def name="functions()">
<%
    base, code = ("double", "f64") if dtype == "f64" else ("float", "f32")
%>\
${vector.types(base, V)}
% for kind in dict.fromkeys((dtype, code)):
${vector.load(kind, base, V)}
${vector.store(kind, base, V)}
% endfor
% if V > 1:
#define VECTOR(p) vload${V}(0, p)
#define KEEP(v, p) vstore${V}(v, 0, p)
% else:
#define VECTOR(p) (*(p))
#define KEEP(v, p) (*(p) = (v))
% endif
static T sigmoid(const T x) { return 1 / (1 + exp(-x)); }
% if dtype == "f64":
#define squash tanh
% else:
/* tanh within 6 ulp, in half the time: its series below 1/4, where the difference would lose digits. */
static T squash(const T x)
{
    const T u = x * x;
    const T near = x + x * u * (-0.33333333f + u * (0.13333333f + u * (-0.053968254f + u * 0.021869489f)));
    return fabs(x) < 0.25f ? near : copysign(1 - 2 / (1 + exp(2 * fabs(x))), x);
}
% endif
% if mode == "gru_before":
${forward_before(code) if stage == "forward" else backward_before(code)}
% else:
${forward(code) if stage == "forward" else backward(code)}
% endif
</%def>

<%def name="forward(wide)">
<%  G, saved = GATES.get(mode, 1), 4 if mode in GATES else 0 %>\
static void finish(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? steps - 1 - s : s;
    const index_t at = (index_t)t * N + row;
    T h = ${state(wide)};
% if mode == "lstm":
    T c = s > 0 ? VECTOR(cell + (index_t)row * P + j) : some_${dtype}(c0 + (index_t)row * H + j, m, 0);
% endif
% if saved and keep:
    T a0 = 0, a1 = 0, a2 = 0, a3 = 0;
% endif
    const int valid = ${live("row", "t")};
    if (valid) {
        __global const real *x = gates + at * (${G} * H) + j;
% for k in range(G):
        const T p${k} = VECTOR(product + ${k} * ${VP})${f" + some_{dtype}(bias + {k} * H + j, m, 0)" if bias else ""};
        const T x${k} = some_${dtype}(x + ${k} * H, m, 0);
% endfor
% if mode == "tanh":
        h = squash(x0 + p0);
% elif mode == "relu":
        const T y = x0 + p0;
        h = y < 0 ? (T)0 : y;
% elif mode == "lstm":
        const T i = sigmoid(x0 + p0), f = sigmoid(x1 + p1), u = squash(x2 + p2), o = sigmoid(x3 + p3);
        c = f * c + i * u;
        h = o * squash(c);
% else:
        const T r = sigmoid(x0 + p0), z = sigmoid(x1 + p1), u = squash(x2 + r * p2);
        h = (1 - z) * u + z * h;
% endif
% if saved and keep:
        a0 = ${"i" if mode == "lstm" else "r"}, a1 = ${"f" if mode == "lstm" else "z"}, a2 = u, a3 = ${"o" if mode == "lstm" else "p2"};
% endif
    }
    KEEP(h, hidden + ((index_t)(~s & 1) * N + row) * P + j);
    put_${dtype}(states + at * H + j, m, valid ? h : (T)0);
% if mode == "lstm":
    KEEP(c, cell + (index_t)row * P + j);
%   if keep:
    put_${dtype}(cs + at * H + j, m, c);
%   endif
% endif
% if saved and keep:
%   for k in range(4):
    put_${dtype}(acts + at * (4 * H) + ${k} * H + j, m, a${k});
%   endfor
% endif
    if (s == steps - 1) {
        put_${dtype}(states + ((index_t)steps * N + row) * H + j, m, h);
% if mode == "lstm":
        put_${dtype}(states + ((index_t)(steps + 1) * N + row) * H + j, m, c);
% endif
    }
}
</%def>

<%def name="backward(wide)">
<%  G = GATES.get(mode, 1) %>\
static void finish(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? s : steps - 1 - s;
    const index_t at = (index_t)t * N + row, here = (index_t)row * P + j;
    T carried = s > 0 ? VECTOR(carry + here) + VECTOR(product) : some_${dtype}(g + ((index_t)steps * N + row) * H + j, m, 0);
% if mode == "lstm":
    T dc = s > 0 ? VECTOR(cell + here) : some_${dtype}(g + ((index_t)(steps + 1) * N + row) * H + j, m, 0);
% endif
    if (s == steps) {
        put_${dtype}(dh0 + (index_t)row * H + j, m, carried);
% if mode == "lstm":
        put_${dtype}(dc0 + (index_t)row * H + j, m, dc);
% endif
        return;
    }
    T ${", ".join(f"d{k} = 0" for k in range(4 if mode == "gru" else G))};
    if (${live("row", "t")}) {
        const T dh = carried + some_${dtype}(g + at * H + j, m, 0);
        carried = 0;
% if mode in GATES:
        __global const real *a = acts + at * (4 * H) + j;
        const T a0 = some_${dtype}(a, m, 0), a1 = some_${dtype}(a + H, m, 0), a2 = some_${dtype}(a + 2 * H, m, 0), a3 = some_${dtype}(a + 3 * H, m, 0);
${before()}
% else:
        const T y = some_${dtype}(states + at * H + j, m, 0);
% endif
% if mode == "tanh":
        d0 = dh * (1 - y * y);
% elif mode == "relu":
        d0 = y > 0 ? dh : (T)0;
% elif mode == "lstm":
        const T tc = squash(some_${dtype}(states + at * H + j, m, 0)), inner = dc + dh * a3 * (1 - tc * tc);
        d0 = inner * a2 * a0 * (1 - a0);
        d1 = inner * before * a1 * (1 - a1);
        d2 = inner * a0 * (1 - a2 * a2);
        d3 = dh * tc * a3 * (1 - a3);
        dc = inner * a1;
% else:
        d1 = dh * (before - a2) * a1 * (1 - a1);
        d3 = dh * (1 - a1) * (1 - a2 * a2);
        d0 = d3 * a3 * a0 * (1 - a0);
        d2 = d3 * a0;
        carried = dh * a1;
% endif
    }
    KEEP(carried, carry + here);
% if mode == "lstm":
    KEEP(dc, cell + here);
% endif
% for k in range(G):
    put_${wide}(dg + ((index_t)(s & 1) * N + row) * (${G} * H) + ${k} * H + j, m, d${k});
    put_${dtype}(dx + at * (${G} * H) + ${k} * H + j, m, d${3 if mode == "gru" and k == 2 else k});
%   if mode == "gru":
    put_${dtype}(dproduct + at * (3 * H) + ${k} * H + j, m, d${k});
%   endif
% endfor
}
</%def>

<%def name="forward_before(wide)">
static void begin(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? steps - 1 - s : s;
    const index_t at = (index_t)t * N + row, here = (index_t)row * P + j;
    T r = 0, z = 0, scaled = 0;
    if (${live("row", "t")}) {
        __global const real *x = gates + at * (3 * H) + j;
        const T h = ${state(wide)};
        r = sigmoid(some_${dtype}(x, m, 0) + VECTOR(product)${f" + some_{dtype}(bias + j, m, 0)" if bias else ""});
        z = sigmoid(some_${dtype}(x + H, m, 0) + VECTOR(product + ${VP})${f" + some_{dtype}(bias + H + j, m, 0)" if bias else ""});
        scaled = r * h;
    }
    KEEP(scaled, middle + here);
    KEEP(z, middle + (index_t)N * P + here);
% if keep:
    put_${dtype}(acts + at * (4 * H) + j, m, r);
    put_${dtype}(acts + at * (4 * H) + H + j, m, z);
    put_${dtype}(acts + at * (4 * H) + 3 * H + j, m, scaled);
% endif
}

static void finish(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? steps - 1 - s : s;
    const index_t at = (index_t)t * N + row;
    T h = ${state(wide)}, u = 0;
    const int valid = ${live("row", "t")};
    if (valid) {
        const T z = VECTOR(middle + ((index_t)N + row) * P + j);
        u = squash(some_${dtype}(gates + at * (3 * H) + 2 * H + j, m, 0) + VECTOR(product)${f" + some_{dtype}(bias + 2 * H + j, m, 0)" if bias else ""});
        h = (1 - z) * u + z * h;
    }
    KEEP(h, hidden + ((index_t)(~s & 1) * N + row) * P + j);
    put_${dtype}(states + at * H + j, m, valid ? h : (T)0);
% if keep:
    put_${dtype}(acts + at * (4 * H) + 2 * H + j, m, u);
% endif
    if (s == steps - 1)
        put_${dtype}(states + ((index_t)steps * N + row) * H + j, m, h);
}
</%def>

<%def name="backward_before(wide)">
static void begin(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? s : steps - 1 - s;
    const index_t at = (index_t)t * N + row, here = (index_t)row * P + j;
    T carried = s > 0 ? VECTOR(carry + here) + VECTOR(product) : some_${dtype}(g + ((index_t)steps * N + row) * H + j, m, 0);
    if (s == steps) {
        put_${dtype}(dh0 + (index_t)row * H + j, m, carried);
        return;
    }
    T d1 = 0, d2 = 0;
    if (${live("row", "t")}) {
        const T dh = carried + some_${dtype}(g + at * H + j, m, 0);
        const T z = some_${dtype}(acts + at * (4 * H) + H + j, m, 0), u = some_${dtype}(acts + at * (4 * H) + 2 * H + j, m, 0);
${before()}
        d1 = dh * (before - u) * z * (1 - z);
        d2 = dh * (1 - z) * (1 - u * u);
        carried = dh * z;
    }
    KEEP(carried, carry + here);
% for k in (1, 2):
    put_${wide}(dg + ((index_t)(s & 1) * N + row) * (3 * H) + ${k} * H + j, m, d${k});
    put_${dtype}(dx + at * (3 * H) + ${k} * H + j, m, d${k});
% endfor
}

static void finish(const acc *product, const int row, const int j, const int s, ${parameters(False)})
{
    const int m = H - j, t = reverse ? s : steps - 1 - s;
    const index_t at = (index_t)t * N + row, here = (index_t)row * P + j;
    T d0 = 0;
    if (${live("row", "t")}) {
        const T r = some_${dtype}(acts + at * (4 * H) + j, m, 0), by = VECTOR(product);
        d0 = by * some_${dtype}(acts + at * (4 * H) + 3 * H + j, m, 0) * (1 - r);
        KEEP(VECTOR(carry + here) + by * r, carry + here);
    }
    put_${wide}(dg + ((index_t)(s & 1) * N + row) * (3 * H) + j, m, d0);
    put_${dtype}(dx + at * (3 * H) + j, m, d0);
}
</%def>

/* winograd_transform — the one-dimensional transforms of minimal filtering, as C statements over names.
 *
 * Computes  image   t = B' d: M + 2 inputs to M + 2 points        points   t = G g: a filter of `taps` to M + 2 points
 *           result  y = A' t: M + 2 points to `outputs` results, the transpose of the Vandermonde matrix of the points
 * Layout    none: operands are names or expressions of scalars or vectors, read once per use
 * Defines   M (2 or 4: the points are those of tiles of M, whatever taps and outputs are, with taps + outputs = M + 3)
 * Source    Toom, Cook; see winograd. The points +-p share the even and the odd part of a polynomial
 */
<%!
PAIRS = {2: (1.0,), 4: (0.625, 1.5)}  # exact in binary, and so are their products


def number(x):
    """A factor in the precision of acc."""
    return f"C({float(x)!r})"


def combine(terms):
    """The sum of factor * name as C, one fma per factor that is not 1."""
    text = ""
    for factor, name in sorted(((f, n) for f, n in terms if f), key=lambda t: t[0] != 1):
        if not text:
            text = name if factor == 1 else f"{number(factor)} * {name}"
        else:
            text = f"{text} + {name}" if factor == 1 else f"fma(VEC({number(factor)}), {name}, {text})"
    return text


def image(M, out, d):
    """Statements that declare out[i] = (B' d)[i]."""
    pairs = PAIRS[M]
    lines = []
    for k, (first, names) in enumerate(((0, d[0::2]), (M + 1, d[1::2]))):  # zero, and infinity a step further
        if M == 2:
            terms = [(-1.0, names[0]), (1, names[1])]
        else:
            a2, b2 = (p * p for p in pairs)
            terms = [(a2 * b2, names[0]), (-a2 - b2, names[1]), (1, names[2])]
        lines.append(f"const vec {out[first]} = {combine(terms)};")
    for k, p in enumerate(pairs):
        plus, minus = out[1 + 2 * k], out[2 + 2 * k]
        if M == 2:
            even, odd = d[2], d[1]
        else:
            other = pairs[1 - k] ** 2
            even, odd = f"even_{plus}", f"odd_{plus}"
            lines.append(f"const vec {even} = {combine([(-other, d[2]), (1, d[4])])};")
            lines.append(f"const vec {odd} = {combine([(-other, d[1]), (1, d[3])])};")
        lines.append(f"const vec {plus} = {combine([(p, odd), (1, even)])};")
        lines.append(f"const vec {minus} = {combine([(-p, odd), (1, even)])};")
    return "\n".join(lines)


def points(M, out, g):
    """Statements that declare out[i] = (G g)[i]."""
    pairs = PAIRS[M]
    zero = 1.0
    for p in pairs:
        zero *= -p * p
    lines = [f"const vec {out[0]} = {combine([(1 / zero, g[0])])};", f"const vec {out[M + 1]} = {g[-1]};"]
    for k, p in enumerate(pairs):
        plus, minus = out[1 + 2 * k], out[2 + 2 * k]
        scale = 2 * p * p
        for q in pairs:
            scale *= p * p - q * q if q != p else 1
        for name, parity in ((f"even_{plus}", 0), (f"odd_{plus}", 1)):
            terms = [(p**i / scale, n) for i, n in enumerate(g) if i % 2 == parity]
            lines.append(f"const vec {name} = {combine(terms)};")
        lines.append(f"const vec {plus} = even_{plus} + odd_{plus};")
        lines.append(f"const vec {minus} = even_{plus} - odd_{plus};")
    return "\n".join(lines)


def result(M, out, t):
    """Statements that declare out[i] = (A' t)[i]."""
    pairs = PAIRS[M]
    lines = []
    for k in range(len(pairs)):
        plus, minus = t[1 + 2 * k], t[2 + 2 * k]
        lines.append(f"const vec sum{k}_{out[0]} = {plus} + {minus};")
        lines.append(f"const vec dif{k}_{out[0]} = {plus} - {minus};")
    for i, name in enumerate(out):
        part = "dif" if i % 2 else "sum"
        terms = [(p**i, f"{part}{k}_{out[0]}") for k, p in enumerate(pairs)]
        terms += [(1, t[0])] * (i == 0) + [(1, t[M + 1])] * (i == len(out) - 1)
        lines.append(f"const vec {name} = {combine(terms)};")
    return "\n".join(lines)
%>
<%def name="define_image(out, d)">${image(M, out, d)}</%def>
<%def name="define_points(out, g)">${points(M, out, g)}</%def>
<%def name="define_result(out, t)">${result(M, out, t)}</%def>

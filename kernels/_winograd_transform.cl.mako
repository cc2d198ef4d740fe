/* winograd_transform — the one-dimensional transforms of minimal filtering, as C statements over names.
 *
 * Computes  image   t = B' d: inputs of a tile to points        points   t = G g: a filter of `taps` to points
 *           result  y = A' t: points to `outputs` results, the transpose of the Vandermonde matrix of the points
 *           "same": stride 1, of M + 2 points, taps + outputs = M + 3.  "halve": stride 2 and 3 taps. The even inputs meet two
 *           taps, in M + 1 points, and those between them one, which are points as they are.  "double": its data gradient, where
 *           odd outputs (of an odd padding) meet two taps and the even ones between them one
 * Layout    none: operands are names or expressions of scalars or vectors, read once per use
 * Defines   M, form
 * Source    Toom, Cook; see winograd. The points +-p share the even and the odd part of a polynomial
 */
<%!
PAIRS = {2: (1.0,), 3: (0.5, 1.25), 4: (0.625, 1.5)}  # of M + 2 points; exact in binary, and so are their products


def tile(M, form):
    """Along one axis: inputs of a tile, how far it is to the next one's, points, outputs."""
    return {
        "same": (M + 2, M, M + 2, M),
        "halve": (2 * M + 1, 2 * M, 2 * M + 1, M),
        "double": (M + 1, M, 2 * M + 1, 2 * M),
    }[form]


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


def annihilate(pairs, d):
    """Terms of the polynomial that is zero at +-p of all pairs, on every second of d."""
    if len(pairs) == 1:
        return [(-(pairs[0] ** 2), d[0]), (1, d[2])]
    a2, b2 = (p * p for p in pairs)
    return [(a2 * b2, d[0]), (-a2 - b2, d[2]), (1, d[4])]


def image(M, out, d):
    """Statements that declare out[i] = (B' d)[i]: zero, if M is even, the pairs, infinity."""
    pairs, zero = PAIRS[M], 1 - M % 2
    lines = [f"const vec {out[0]} = {combine(annihilate(pairs, d))};"] * zero
    lines.append(f"const vec {out[M + 1]} = {combine(annihilate(pairs, d[zero:]))};")
    for k, p in enumerate(pairs):
        plus, minus = out[zero + 2 * k], out[zero + 1 + 2 * k]
        even, odd = f"even_{plus}", f"odd_{plus}"
        rest = pairs[:k] + pairs[k + 1 :]
        for name, at in ((even, 1), (odd, 0)):
            of = d[zero + at :]
            terms = annihilate(rest, of) if rest else [(1, of[0])]
            lines.append(f"const vec {name} = {combine(terms)};")
        lines.append(f"const vec {plus} = {combine([(p, odd), (1, even)])};")
        lines.append(f"const vec {minus} = {combine([(-p, odd), (1, even)])};")
    return "\n".join(lines)


def points(M, out, g):
    """Statements that declare out[i] = (G g)[i]."""
    pairs, zero = PAIRS[M], 1 - M % 2
    product = 1.0
    for p in pairs:
        product *= -p * p
    lines = [f"const vec {out[0]} = {combine([(1 / product, g[0])])};"] * zero
    lines.append(f"const vec {out[M + 1]} = {g[-1]};")
    for k, p in enumerate(pairs):
        plus, minus = out[zero + 2 * k], out[zero + 1 + 2 * k]
        scale = 2 * p ** (1 + zero)
        for q in pairs:
            scale *= p * p - q * q if q != p else 1
        for name, parity in ((f"even_{plus}", 0), (f"odd_{plus}", 1)):
            terms = [(p**i / scale, n) for i, n in enumerate(g) if i % 2 == parity]
            lines.append(f"const vec {name} = {combine(terms)};")
        lines.append(f"const vec {plus} = even_{plus} + odd_{plus};")
        lines.append(f"const vec {minus} = {f'even_{plus} - odd_{plus}' if zero else f'odd_{plus} - even_{plus}'};")
    return "\n".join(lines)


def result(M, out, t):
    """Statements that declare out[i] = (A' t)[i]."""
    pairs, zero = PAIRS[M], 1 - M % 2
    lines = []
    for k in range(len(pairs)):
        plus, minus = t[zero + 2 * k], t[zero + 1 + 2 * k]
        lines.append(f"const vec sum{k}_{out[0]} = {plus} + {minus};")
        lines.append(f"const vec dif{k}_{out[0]} = {plus} - {minus};")
    for i, name in enumerate(out):
        part = "dif" if i % 2 else "sum"
        terms = [(p**i, f"{part}{k}_{out[0]}") for k, p in enumerate(pairs)]
        terms += [(1, t[0])] * (zero and i == 0) + [(1, t[M + 1])] * (i == len(out) - 1)
        lines.append(f"const vec {name} = {combine(terms)};")
    return "\n".join(lines)


def formed(of, M, form, out, d):
    """`of` for the form of a tile."""
    if form == "same":
        return of(M, out, d)
    two = M + 1  # points that meet two taps
    same = lambda to, what: "\n".join(f"const vec {a} = {b};" for a, b in zip(to, what, strict=True))
    if of is image:
        met, between = (d[::2], d[1::2]) if form == "halve" else (d, d[:-1])
        return image(M - 1, out[:two], met) + "\n" + same(out[two:], between)
    if of is points:  # of a filter of 3 taps, whose last point all those between meet, or of M
        met, between = (d[::2], d[1::2]) if len(out) == M + 2 else (d, d)
        return points(M - 1, out[:two], met) + "\n" + same(out[two:], between)
    if form == "double":
        return result(M - 1, out[1::2], d[:two]) + "\n" + same(out[::2], d[two:])
    if len(out) == 3:
        return result(M - 1, out[::2], d[:two]) + f"\nconst vec {out[1]} = {' + '.join(d[two:])};"
    met = [f"met_{name}" for name in out]
    return result(M - 1, met, d[:two]) + "\n" + same(out, [f"{a} + {b}" for a, b in zip(met, d[two:], strict=True)])
%>
<%def name="define_image(out, d)">${formed(image, M, form, out, d)}</%def>
<%def name="define_points(out, g)">${formed(points, M, form, out, g)}</%def>
<%def name="define_result(out, t)">${formed(result, M, form, out, t)}</%def>

/* depthwise_images — the convolution and its data gradient: blocks of outputs below each other, each input row loaded once.
 *
 * Notes     A plane is an image of one channel. The defines, the grid and the layout are those of depthwise
 */
<%namespace name="parts" file="_depthwise.cl.mako"/>\
<%!
    from itertools import product

    def meet_back(R, taps, S, D, phase):
        """The same for a gradient, where (j, a, b) is column b of row a in the j-th block of stride x stride."""
        at = {}
        for j, a, b, r, s in product(range(R), range(S[0]), range(S[1]), range(taps[0]), range(taps[1])):
            h, w = a + phase[0] - r * D[0], b + phase[1] - s * D[1]
            if h % S[0] == 0 and w % S[1] == 0:
                at.setdefault(j + h // S[0], {}).setdefault(w // S[1], []).append(((j, a, b), r * taps[1] + s))
        return at

    def sum_of(output):
        return "sum{}_{}_{}".format(*output)

%>\
${parts.common()}
${images()}

<%def name="images()">\
<%
    grad = what == "input_grad"
    taps = (1, K[1]) if tall else K
    reach = meet_back(R, taps, S, D, phase) if grad else parts.module.meet(R, taps, S, D)
    XS, (A, B) = (1, S) if grad else (S[1], (1, 1))
    stride = 1 if grad else S[0]
    rows, cols = sorted(reach), parts.module.columns(reach)
    sums = [sum_of(s) for s in product(range(R), range(A), range(B))]
    ends = ("__global const real *restrict bias, " if bias else "") + ("__global const real *restrict residual, " if residual else "")
%>\
% if "(" in act.replace("(T)", ""):
<%include file="_math.cl.mako"/>
% endif
/* The epilogue of the first m lanes. */
static void finish(${"__global const real *residual, " if residual else ""}__global real *y, const index_t at, const int m, const acc extra, const T sum)
{
    const T v = sum${" + (T)extra" if bias else ""}${f" + some_{dtype}(residual + at, m, 0)" if residual else ""};
    put_${dtype}(y + at, m, ${act});
}
% if V > 1:
/* The sum of one output, where vectors would leave the buffer; rare, so not worth unrolling. */
static acc single(__global const real *x, __global const real *filter, const index_t start, const int ins, const int outs, const int XH,
                  const int XW, const int h, const int w, const int top, const int left)
{
    acc sum = 0;
    for (int c = 0; c < ins; ++c)
        #pragma unroll 1
        for (int r = 0; r < ${K[0]}; ++r)
            #pragma unroll 1
            for (int s = 0; s < ${K[1]}; ++s) {
%   if grad:
                const int u = h + top * ${S[0]} + ${phase[0]} - r * ${D[0]}, v = w + left * ${S[1]} + ${phase[1]} - s * ${D[1]};
                const int row = u / ${S[0]}, col = v / ${S[1]}, whole = row * ${S[0]} == u && col * ${S[1]} == v;
%   else:
                const int row = h * ${S[0]} + r * ${D[0]} + top, col = w * ${S[1]} + s * ${D[1]} + left, whole = 1;
%   endif
                if (whole && row >= 0 && row < XH && col >= 0 && col < XW)
                    sum += LOAD(x, start + ((index_t)c * XH + row) * XW + col) * LOAD(filter, (c${" * outs" if grad else ""} * ${K[0]} + r) * ${K[1]} + s);
            }
    return sum;
}
% endif

/* Block (i, j) of a plane of outputs is rows i*${A} and columns j*${B} on; it meets the input from (i*${1 if grad else S[0]} + top, j*${XS} + left) on. */
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
__attribute__((vec_type_hint(T)))
void ${what}(__global const real *restrict x, __global const real *restrict w, ${ends}__global real *restrict y,
     const index_t planes, const int each, const index_t total, const int channels, const int outs, const int ins,
     const int XH, const int XW, const int YH, const int YW, const int I0, const int J0, const int top, const int left)
{
% if V == 1:
    const index_t id = (index_t)get_global_id(0), plane = id / J0 / ((I0 + ${R - 1}) / ${R});
    const int j = id % J0, i = id / J0 % ((I0 + ${R - 1}) / ${R}) * ${R}, last = YH;
    if (plane < planes) {
% else:
    const index_t begin = (index_t)get_global_id(0) * each, end = min(begin + each, planes);
    const int spans = get_global_size(1), span = get_global_id(1);
    const int from_i = (long)I0 * span / spans, to_i = (long)I0 * (span + 1) / spans, last = min(to_i * ${A}, YH);
    for (index_t plane = begin; plane < end; ++plane) {
% endif
        const index_t n = plane / channels;
        const int channel = plane - n * channels, group = channel / outs, k = channel - group * outs;
        const index_t start = (n * (channels / outs) + group) * ins * XH * XW, to = plane * YH * YW;
        __global const real *filter = w + ((index_t)group * outs * ins + k${"" if grad else " * ins"}) * ${K[0] * K[1]};
        const acc extra = ${"LOAD(bias, channel)" if bias else "0"};
% if not deep and not tall:
${filters("filter", taps)}\
% endif
% if V == 1:
        const int col = j * ${XS} + left, top_row = i * ${stride} + top;
        T ${", ".join(f"{v} = 0" for v in sums)};
${accumulate(reach, grad, taps, XS)}\
%   for j, a, b in product(range(R), range(A), range(B)):
        if (${f"(i + {j}) * {A} + {a} < YH" if R * A > 1 else "1"}${f" && j * {B} + {b} < YW" if b else ""})
            finish(${"residual, " if residual else ""}y, to + (index_t)((i + ${j}) * ${A} + ${a}) * YW + j * ${B} + ${b}, 1, extra, ${sum_of((j, a, b))});
%   endfor
% else:
        // what a store of a whole vector runs over is stored again, as long as it is this work-item's
        const index_t limit = spans == 1 ? (index_t)end * YH * YW : to + (index_t)last * YW;
        for (int i = from_i; i < to_i; i += ${R})
            for (int next = 0; next < J0; next += ${V}) {
                const int j = max(min(next, J0 - ${V}), 0), col = j * ${XS} + left, top_row = i * ${stride} + top;
                const index_t lowest = start + (index_t)max(top_row + ${rows[0]}, 0) * XW + col + ${cols[0]};
                const index_t highest = start + ((index_t)(ins - 1) * XH + min(top_row + ${rows[-1]}, XH - 1)) * XW + col + ${cols[-1] + parts.module.span(XS, V)};
                const index_t at = to + (index_t)i * ${A} * YW + j * ${B};
                const int together = (J0 <= ${V} || YW - j * ${B} >= ${B * V}) && (i + ${R}) * ${A} <= last
                    && at + (index_t)${R * A - 1} * YW + ${B * V} <= limit;
                acc out[${R * A * B * V}];
                if (lowest < 0 || highest > total) {
                    #pragma unroll 1
                    for (int h = 0; h < ${R * A}; ++h)
                        #pragma unroll 1
                        for (int l = 0; l < ${B * V}; ++l)
                            out[h * ${B * V} + l] = single(x, filter, start, ins, outs, XH, XW, i * ${A} + h, j * ${B} + l, top, left);
                } else {
                    T ${", ".join(f"{v} = 0" for v in sums)};
${accumulate(reach, grad, taps, XS)}\
%   if "(" not in act.replace("(T)", ""):
                    if (together) {
%     for h, b in product(range(R * A), range(B)):
                        finish(${"residual, " if residual else ""}y, at + (index_t)${h} * YW + ${b * V}, ${V}, extra, ${side_by_side(h, b, A, B)});
%     endfor
                        continue;
                    }
%   endif
%   for h, b in product(range(R * A), range(B)):
                    vstore${V}(${side_by_side(h, b, A, B)}, ${h * B + b}, out);
%   endfor
                }
                #pragma unroll 1
                for (int h = 0; h < ${R * A} && i * ${A} + h < last; ++h) {
                    const index_t here = at + (index_t)h * YW;
                    const int m = J0 <= ${V} && here + ${B * V} <= limit ? ${B * V} : YW - j * ${B};
                    for (int b = 0; b < ${B} && b * ${V} < m; ++b)
                        finish(${"residual, " if residual else ""}y, here + b * ${V}, m - b * ${V}, extra, vload${V}(h * ${B} + b, out));
                }
            }
% endif
    }
}
</%def>

<%def name="filters(name, taps)">\
% for t in range(taps[0] * taps[1]):
        const T w${t} = (T)LOAD(${name}, ${t});
% endfor
</%def>

## What a block sums, from the input at top_row and col.
<%def name="accumulate(reach, grad, taps, XS)">\
<%
    channel = f" + c{' * outs' if grad else ''} * {K[0] * K[1]}" if deep else ""
    tap_row = f" + r * {K[1]}" if tall else ""
%>\
% if deep:
        for (int c = 0; c < ins; ++c)
% endif
% if tall:
        for (int r = 0; r < ${K[0]}; ++r)
% endif
        {
% if deep or tall:
            __global const real *taps = filter${channel}${tap_row};
${filters("taps", taps)}\
% endif
            const index_t from = start${" + (index_t)c * XH * XW" if deep else ""};
            const int row = top_row${f" {'-' if grad else '+'} r * {D[0]}" if tall else ""};
<%call expr="parts.visit(reach, XS)" args="x, meets">\
% for s, t in meets:
                ${sum_of(s)} = fma(${x}, w${t}, ${sum_of(s)});
% endfor
</%call>\
        }
</%def>

## Lanes b*V to (b+1)*V of output row h of a block, whose columns take turns.
<%def name="side_by_side(h, b, A, B)"><%
    lanes = [f"sum{h // A}_{h % A}_{l % B}.s{l // B:x}" for l in range(b * V, b * V + V)]
%>${f"(T)({', '.join(lanes)})" if B > 1 else sum_of((h // A, h % A, 0))}</%def>

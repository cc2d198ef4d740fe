/* depthwise_weights — the weight gradient: all taps of a filter, or a tile of them, are summed at once from one read of both images.
 *
 * Notes     The defines, the grid and the layout are those of depthwise
 */
<%namespace name="parts" file="_depthwise.cl.mako"/>\
<%namespace name="vector" file="_vector.cl.mako"/>\
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%!
    from itertools import product
%>\
${parts.common()}
${weights()}

<%def name="weights()">\
<%  n = taps[0] * taps[1] %>\
% if V > 1:
${vector.fold("fold", "double" if dtype == "f64" else "float", "a + b", V)}
/* What one tap sums over R rows and m columns, where vectors would leave the buffer; rare, so not worth unrolling. */
static acc single(__global const real *g, __global const real *x, const int R, const int m, const int Q, const int XH, const int XW,
                  const int row, const int col)
{
    acc sum = 0;
    #pragma unroll 1
    for (int j = 0; j < R; ++j)
        for (int l = 0; l < m; ++l) {
            const int h = row + j * ${S[0]}, w = col + l * ${S[1]};
            if (h >= 0 && h < XH && w >= 0 && w < XW)
                sum += LOAD(g, (index_t)j * Q + l) * LOAD(x, (index_t)h * XW + w);
        }
    return sum;
}
% endif

/* A tile of taps of filters (o, c): rows are those of g in all images. */
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
__attribute__((vec_type_hint(T)))
void weight_grad(__global const real *restrict g, __global const real *restrict x, __global acc *restrict dw,
     const int count, const int each, const index_t total, const index_t grads, const int channels, const int outs, const int ins,
     const int rows, const int depth, const int XH, const int XW, const int P, const int Q, const int top, const int left)
{
    const int across = ${(K[1] + taps[1] - 1) // taps[1]}, slice = get_global_id(1);
    const int r0 = (int)get_global_id(2) / across * ${taps[0]}, s0 = (int)get_global_id(2) % across * ${taps[1]};
    const int begin = slice * depth, stop = min(begin + depth, rows);
% if V == 1:
${reduce.scratch("scratch", "acc", WG)}
    const int id = get_local_id(0), filter = get_group_id(0);
    {
% else:
    const int first = (int)get_global_id(0) * each;
    for (int filter = first; filter < min(first + each, count); ++filter) {
% endif
        const int o = filter / ins, c = filter - o * ins, group = o / outs;
        T ${", ".join(f"d{t} = 0" for t in range(n))};
% if V == 1:
        const index_t pixels = (index_t)(stop - begin) * Q;
        for (index_t at = id; at < pixels; at += ${WG}) {
            const int line = begin + at / Q, q = at % Q, n = line / P, p = line - n * P;
            const index_t from = (((index_t)n * (channels / outs) + group) * ins + c) * XH * XW;
            const index_t to = (((index_t)n * channels + o) * P + p) * Q;
            const int col = q * ${S[1]} + left + s0 * ${D[1]}, row = p * ${S[0]} + top + r0 * ${D[0]};
${tile(1)}\
        }
% for t in range(n):
${reduce.group(f"d{t}", "scratch", "a + b", WG)}
% endfor
% else:
        for (int line = begin; line < stop;) {
            const int n = line / P, p0 = line - n * P, end = min(P, p0 + stop - line);
            const index_t from = (((index_t)n * (channels / outs) + group) * ins + c) * XH * XW;
            const index_t plane = ((index_t)n * channels + o) * P * Q;
            int p = p0;
% if R > 1:
            for (; p + ${R} <= end; p += ${R})
${row_block(R)}\
% endif
            for (; p < end; ++p)
${row_block(1)}\
            line += end - p0;
        }
% endif
        const size_t at = ((size_t)slice * count + filter) * ${K[0] * K[1]};
% for r, s in product(range(taps[0]), range(taps[1])):
<%
    sum = f"d{r * taps[1] + s}"
    sum = f"fold({sum})" if V > 1 else sum
    tap = f"(r0 + {r}) * {K[1]} + s0 + {s}"
    guards = (["id == 0"] if V == 1 else []) + ([f"r0 + {r} < {K[0]} && s0 + {s} < {K[1]}"] if taps != K else [])
%>\
        ${f"if ({' && '.join(guards)}) " if guards else ""}dw[at + ${tap}] = ${sum};
% endfor
    }
}
</%def>

## What R rows of g from p on add to the taps.
<%def name="row_block(R)">\
<%  n, wide = taps[0] * taps[1], (taps[1] - 1) * D[1] + parts.module.span(S[1], V) %>\
                for (int q = 0; q < Q; q += ${V}) {
                    const index_t to = plane + (index_t)p * Q;
                    const int m = min(Q - q, ${V}), col = q * ${S[1]} + left + s0 * ${D[1]}, row = p * ${S[0]} + top + r0 * ${D[0]};
                    const index_t lowest = from + (index_t)max(row, 0) * XW + col;
                    const index_t highest = from + (index_t)min(row + ${(R - 1) * S[0] + (taps[0] - 1) * D[0]}, XH - 1) * XW + col + ${wide};
                    if (lowest < 0 || highest > total || to + (index_t)${R - 1} * Q + q + ${V} > grads) {
                        acc extra[${n}];
                        #pragma unroll 1
                        for (int t = 0; t < ${n}; ++t)
                            extra[t] = single(g + to + q, x + from, ${R}, m, Q, XH, XW, row + t / ${taps[1]} * ${D[0]}, col + t % ${taps[1]} * ${D[1]});
%     for t in range(n):
                        d${t}.s0 += extra[${t}];
%     endfor
                    } else {
${tile(R)}\
                    }
                }
</%def>

<%def name="tile(R)">\
% if V > 1:
            const I kept = within(q, 1, Q);
% endif
% for j in range(R):
<%  at = f"to + (index_t){j} * Q + q" %>\
%   if V == 1:
            const T g${j} = LOAD(g, ${at});
%   else:
            const T g${j} = only(kept, loadv_${dtype}(g, ${at}));
%   endif
% endfor
<%call expr="parts.visit(parts.module.meet(R, taps, S, D), S[1], 'XW' if V == 1 else f'min(XW, col + {{}} + m * {S[1]})')" args="x, meets">\
%   for (j, _, _), t in meets:
            d${t} = fma(${x}, g${j}, d${t});
%   endfor
</%call>\
</%def>

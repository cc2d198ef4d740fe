/* softmax_columns — softmax along any axis but the last, and along short rows: neighbouring columns in the lanes.
 *
 * Computes  what softmax does, column by column of (n, inner)
 *           kernel: engine columns, a block of `per` vectors of 16 columns at a time, row after row. stash "own": the block is kept
 *           and visited there; "": operands are read twice, and maximum and sum found in one visit of 4 rows in registers
 *           short: 16 rows of a few elements at a time, a row per lane
 * Layout    as in softmax. The last vector of a block ends where the columns end, over some of the one before; alone it has
 *           lanes to spare
 * Defines   none of its own: arguments of the defs, and what softmax.cl.mako declares before
 * Tunables  W (columns there is room for), STASH (elements of a kept operand); per and chunk (arguments)
 * Launch    group (1), for CPUs; grid ceil(blocks / chunk)
 * Notes     rows of a block are contiguous, so no stride, however round, makes its lines compete for one set of a cache. Byte floor:
 *           operands once, result once; not kept, operands twice
 * Source    Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018
 */
<%! ROWS, SHORT = 4, 16 %>\
<%def name="kernel(op, dtype, ctype, arrays, out, pointers, stash, W, STASH)">\
<%
    grad = op.endswith("_grad")
    last = "e * sum" if op == "softmax" and stash else f"last({', '.join(arrays)}, most, sum)"
%>\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void columns(${pointers}, const index_t outer, const index_t n, const index_t inner, const index_t per, const index_t chunk)
{
    const index_t pitch = per * 16 + 16; /* not a power of two: rows of a column would meet in few sets of a cache */
    const index_t vectors = (inner + 15) / 16, blocks = (vectors + per - 1) / per;
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, outer * blocks);
    ${ctype} top[${W}], s[${W}];
% if stash:
%   for a in arrays:
    ${ctype} kept_${a}[${STASH}];
%   endfor
% endif
    for (index_t q = from; q < to; ++q) {
        const index_t first = q % blocks * per, width = min(per, vectors - first) * 16;
        const index_t at = q / blocks * n * inner + first * 16;
        const index_t m = width > 16 ? 16 : inner - first * 16, end = width > 16 ? inner - first * 16 - 16 : 0;
        for (index_t k = 0; k < width; k += 16) {
            vstore16((T)(-INFINITY), 0, top + k);
            vstore16((T)(0), 0, s + k);
        }
% if stash:
        for (index_t i = 0; i < n; ++i)
            for (index_t k = 0; k < width; k += 16) {
%   for a in arrays:
                const T ${a} = some_${dtype}(p_${a} + at + i * inner + min(k, end), m, 0);
                vstore16(${a}, 0, kept_${a} + i * pitch + k);
%   endfor
%   if grad:
                vstore16(vload16(0, s + k) + term(${", ".join(arrays)}, (T)(0)), 0, s + k);
%   endif
            }
        const index_t r = min(q + 1, to - 1), next = r / blocks * n * inner + r % blocks * per * 16;
%   if not grad:
        for (index_t k = 0; k < width; k += 16) {
            T most = -INFINITY, sum = 0;
            for (index_t i = 0; i < n; ++i)
                most = larger(most, vload16(0, kept_x + i * pitch + k));
            for (index_t i = 0; i < n; ++i) {
                const T e = term(vload16(0, kept_x + i * pitch + k), most);
%     if op == "softmax":
                vstore16(e, 0, kept_x + i * pitch + k);
%     endif
                sum += e;
                AHEAD(p_x + next + i * inner + min(k, end));
            }
            vstore16(most, 0, top + k);
            vstore16(sum, 0, s + k);
        }
%   endif
% else:
        index_t i = 0;
        for (; i + ${ROWS} <= n; i += ${ROWS})
            for (index_t k = 0; k < width; k += 16) {
${visit(ROWS, op, dtype, arrays)}\
            }
        for (; i < n; ++i)
            for (index_t k = 0; k < width; k += 16) {
${visit(1, op, dtype, arrays)}\
            }
% endif
        for (index_t k = 0; k < width; k += 16) {
            const T sum = vload16(0, s + k);
            vstore16(settle(sum), 0, s + k);
        }
        for (index_t i = 0; i < n; ++i)
            for (index_t k = 0; k < width; k += 16) {
                const T most = vload16(0, top + k), sum = vload16(0, s + k);
% for a in arrays:
%   if stash:
                const T ${"e" if op == "softmax" else a} = vload16(0, kept_${a} + i * pitch + k);
%     if grad:
                AHEAD(p_${a} + next + i * inner + min(k, end));
%     endif
%   else:
                const T ${a} = some_${dtype}(p_${a} + at + i * inner + min(k, end), m, 0);
%   endif
% endfor
                put_${dtype}(p_${out} + at + i * inner + min(k, end), m, ${last});
            }
    }
}
</%def>\
## Take `rows` rows of vector k into the maximum and the sum; while that is -inf, nothing is added.
<%def name="visit(rows, op, dtype, arrays)">\
%   for r in range(rows):
%     for a in arrays:
                const T ${a}${r} = some_${dtype}(p_${a} + at + (i + ${r}) * inner + min(k, end), m, 0);
%     endfor
%   endfor
%   if op.endswith("_grad"):
                const T sum = ${" + ".join(f"term({', '.join(f'{a}{r}' for a in arrays)}, (T)(0))" for r in range(rows))};
                vstore16(vload16(0, s + k) + sum, 0, s + k);
%   else:
                const T old = vload16(0, top + k);
                T new = old;
%     for r in range(rows):
                new = larger(new, x${r});
%     endfor
                const T shift = new == -INFINITY ? (T)(0) : new;
                const T sum = ${" + ".join(f"exp_below(x{r} - shift)" for r in range(rows))};
                vstore16(vload16(0, s + k) * exp_below(old - shift) + sum, 0, s + k);
                vstore16(new, 0, top + k);
%   endif
</%def>\
<%def name="short(op, ctype, arrays, out, pointers)">\
<%  last = "x * (T)(sum)" if op == "softmax" else f"last({', '.join(arrays)}, top, sum)" %>\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void columns(${pointers}, const index_t rows, const index_t n, const index_t inner, const index_t per, const index_t chunk)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, (rows + 15) / 16);
% for a in arrays:
    ${ctype} kept_${a}[${16 * SHORT}];
    for (int k = 0; k < ${SHORT}; ++k)
        vstore16((T)(0), k, kept_${a});
% endfor
    for (index_t q = from; q < to; ++q) {
        const index_t at = q * 16 * n;
        const int lanes = (int)min((index_t)16, rows - q * 16);
        for (int l = 0; l < lanes; ++l)
            for (int k = 0; k < n; ++k) {
% for a in arrays:
                kept_${a}[k * 16 + l] = LOAD(p_${a}, at + l * n + k);
% endfor
            }
        T top = -INFINITY, sum = 0;
% if not op.endswith("_grad"):
        for (int k = 0; k < n; ++k)
            top = larger(top, vload16(k, kept_x));
% endif
        for (int k = 0; k < n; ++k) {
            const T e = term(${", ".join(f"vload16(k, kept_{a})" for a in arrays)}, top);
% if op == "softmax":
            vstore16(e, k, kept_x);
% endif
            sum += e;
        }
        sum = settle(sum);
        for (int k = 0; k < n; ++k) {
% for a in arrays:
            const T ${a} = vload16(k, kept_${a});
% endfor
            vstore16(${last}, k, kept_${arrays[0]});
        }
        for (int l = 0; l < lanes; ++l)
            for (int k = 0; k < n; ++k)
                STORE(p_${out}, at + l * n + k, kept_${arrays[0]}[k * 16 + l]);
    }
}
</%def>

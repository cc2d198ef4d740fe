/* softmax_columns — softmax along any axis but the last, and along short rows: neighbouring columns in the lanes.
 *
 * Computes  what softmax does, column by column of (n, inner)
 *           kernel: engine columns, a block of `per` vectors of 16 columns at a time, row after row; maximum and sum are found in
 *           one visit of 8 rows in registers, and the rows read once more for the result
 *           cached: softmax and log_softmax of blocks that stay in the second-level cache: maximum, sum and result in a visit each
 *           spread: the last of the sweeps, which writes
 *           short: 16 rows of a few elements at a time, a row per lane
 * Layout    as in softmax. The last vector of a block ends where the columns end, over some of the one before; alone it has
 *           lanes to spare
 * Defines   none of its own: arguments of the defs, and what softmax.cl.mako declares before
 * Tunables  W (columns there is room for); STASH (elements of a block, cached); per and chunk (arguments)
 * Launch    group (1), for CPUs; grid ceil(blocks / chunk)
 * Notes     byte floor: operands once where a block stays in cache until its second visit, else twice; result once. Rows lie in
 *           pages of their own, where no cache reads ahead by itself
 * Source    Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018
 */
<%! ROWS, AHEAD, SHORT = 4, 8, 16 %>\
<%def name="kernel(op, dtype, ctype, arrays, out, pointers, W)">\
<%
    grad = op.endswith("_grad")
    last = f"last({', '.join(arrays)}, top[k], s[k])"
%>\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void columns(${pointers}, const index_t outer, const index_t n, const index_t inner, const index_t per, const index_t chunk)
{
    const index_t vectors = (inner + 15) / 16, blocks = (vectors + per - 1) / per;
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, outer * blocks);
    T top[${W // 16}], s[${W // 16}];
    for (index_t q = from; q < to; ++q) {
        const index_t first = q % blocks * per;
        const int width = (int)min(per, vectors - first);
        const index_t at = q / blocks * n * inner + first * 16;
        const index_t r = min(q + 1, to - 1), next = r / blocks * n * inner + r % blocks * per * 16;
        const index_t m = width > 1 ? 16 : inner - first * 16, end = width > 1 ? inner - first * 16 - 16 : 0;
        for (int k = 0; k < width; ++k) {
            top[k] = (T)(-INFINITY);
            s[k] = (T)(0);
        }
        index_t i = 0;
        for (; i + ${ROWS} <= n; i += ${ROWS}) {
            const index_t ahead = min((index_t)${AHEAD}, n - ${ROWS} - i) * inner;
            for (int k = 0; k < width; ++k) {
${visit(ROWS, op, dtype, arrays)}\
            }
        }
        for (; i < n; ++i)
            for (int k = 0; k < width; ++k) {
${visit(1, op, dtype, arrays)}\
            }
        for (int k = 0; k < width; ++k)
            s[k] = settle(s[k]);
        for (i = 0; i < n; ++i) {
            const index_t later = i + ${AHEAD};
            const index_t ahead = later < n ? at + later * inner : next + min(later - n, n - 1) * inner;
            for (int k = 0; k < width; ++k) {
                const index_t c = min((index_t)k * 16, end), j = at + i * inner + c;
% for a in arrays:
                const T ${a} = some_${dtype}(p_${a} + j, m, 0);
                AHEAD(p_${a} + ahead + c);
% endfor
                put_${dtype}(p_${out} + j, m, ${last});
            }
        }
    }
}
</%def>\
## One exponential for each element: it waits for its sum in `stash`, while the next block is fetched.
<%def name="cached(op, dtype, ctype, out, pointers, W, STASH)">\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void columns(${pointers}, const index_t outer, const index_t n, const index_t inner, const index_t per, const index_t chunk)
{
    const index_t vectors = (inner + 15) / 16, blocks = (vectors + per - 1) / per;
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, outer * blocks);
    T top[${W // 16}], s[${W // 16}];
% if op == "softmax":
    ${ctype} stash[${STASH}];
% endif
    for (index_t q = from; q < to; ++q) {
        const index_t first = q % blocks * per;
        const int width = (int)min(per, vectors - first);
        const index_t at = q / blocks * n * inner + first * 16;
        const index_t r = min(q + 1, to - 1), next = r / blocks * n * inner + r % blocks * per * 16;
        const index_t m = width > 1 ? 16 : inner - first * 16, end = width > 1 ? inner - first * 16 - 16 : 0;
        for (int k = 0; k < width; ++k) {
            top[k] = (T)(-INFINITY);
            s[k] = (T)(0);
        }
        index_t i;
${rows(largest, dtype)}
${rows(summed, dtype, op)}
        for (int k = 0; k < width; ++k)
            s[k] = settle(s[k]);
${rows(written, dtype, op, out)}
    }
}
</%def>\
## The rows of a block, a few at a time and then one by one, and its vectors.
<%def name="rows(visit, *more)">\
        i = 0;
% for step, count in ((f"i + {ROWS} <= n", ROWS), ("i < n", 1)):
        for (; ${step}; i += ${count})
            for (int k = 0; k < width; ++k) {
                const index_t c = min((index_t)k * 16, end), j = at + i * inner + c;
${visit(count, *more)}\
            }
% endfor
</%def>\
<%def name="largest(count, dtype)">\
                T above = top[k];
% for r in range(count):
                above = larger(some_${dtype}(p_x + j + ${r} * inner, m, 0), above);
% endfor
                top[k] = above;
</%def>\
<%def name="summed(count, dtype, op)">\
% for r in range(count):
                const T e${r} = term(some_${dtype}(p_x + j + ${r} * inner, m, 0), top[k]);
                FETCH(p_x + next + (i + ${r}) * inner + c);
%   if op == "softmax":
                vstore16(e${r}, (i + ${r}) * width + k, stash);
%   endif
% endfor
                s[k] += ${" + ".join(f"e{r}" for r in range(count))};
</%def>\
<%def name="written(count, dtype, op, out)">\
% for r in range(count):
<%  value = f"vload16((i + {r}) * width + k, stash) * s[k]" if op == "softmax" else f"last(some_{dtype}(p_x + j + {r} * inner, m, 0), top[k], s[k])" %>\
                put_${dtype}(p_${out} + j + ${r} * inner, m, ${value});
% endfor
</%def>\
## The results of `per` rows, of all columns W at a time, from what reduce knows of these; the rows read last come first.
<%def name="spread(op, dtype, ctype, out, pointers, W)">\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void spread(${pointers}, __global const acc *restrict tops, __global const acc *restrict sums, const index_t outer, const index_t n,
            const index_t inner, const index_t per)
{
    const index_t parts = (n + per - 1) / per, part = outer * parts - 1 - (index_t)get_global_id(0);
    const index_t from = part % parts * per, to = min(from + per, n), o = part / parts * inner;
    T s[${W // 16}];
    for (index_t first = 0; first < inner; first += ${W}) {
        const index_t left = inner - first;
        for (index_t c = 0; c < min(left, (index_t)${W}); c += 16)
            s[c / 16] = settle(some_acc(sums + o + first + c, left - c));
        for (index_t i = from; i < to; ++i) {
            const index_t at = o * n + i * inner + first;
            for (index_t c = 0; c < min(left, (index_t)${W}); c += 16) {
                const T x = some_${dtype}(p_x + at + c, left - c, 0), top = some_acc(tops + o + first + c, left - c);
                FETCH(p_x + at + inner + c);
                put_${dtype}(p_${out} + at + c, left - c, last(x, top, s[c / 16]));
            }
        }
    }
}
</%def>\
## Take `rows` rows of vector k into the maximum and the sum; while that is -inf, nothing is added.
<%def name="visit(rows, op, dtype, arrays)">\
                const index_t j = at + i * inner + min((index_t)k * 16, end);
%   for r in range(rows):
%     for a in arrays:
                const T ${a}${r} = some_${dtype}(p_${a} + j + ${r} * inner, m, 0);
%       if rows > 1:
                AHEAD(p_${a} + j + ${r} * inner + ahead);
%       endif
%     endfor
%   endfor
%   if op.endswith("_grad"):
                s[k] += ${" + ".join(f"term({', '.join(f'{a}{r}' for a in arrays)}, (T)(0))" for r in range(rows))};
%   else:
                const T old = top[k];
                T new = old;
%     for r in range(rows):
                new = larger(x${r}, new);
%     endfor
                const T shift = new == -INFINITY ? (T)(0) : new;
                s[k] = s[k] * exp_below(old - shift) + ${" + ".join(f"exp_below(x{r} - shift)" for r in range(rows))};
                top[k] = new;
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
            top = larger(vload16(k, kept_x), top);
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

/* spatial — windows laid out as columns, and images at another size.
 *
 * Computes  unfold   y[b, t, p, q] = x[b, p*SH + i*DH - PH, q*SW + j*DW - PW], 0 outside, for tap t = i*KW + j
 *           fold     y[b, h, w] = sum of g[b, t, p, q] over the taps and places that unfold reads from (h, w)
 *           resample       y[b, p, q] = sum_k,l a_k(p) a_l(q) x[b, at_k(p), at_l(q)], k, l in {0, 1}
 *           resample_grad  y[b, h, w] = sum over p in [first(h), end(h)), q alike, of the weights above times g[b, p, q]
 * Layout    planes b = (n, c), row-major. Per axis the host gives, for resampling, at_0, at_1 per output place,
 *           first, end per input place, and the weight of at_1 (that of at_0 is 1 minus it)
 * Defines   kind    which kernel          size   bytes of an element, which unfold and nearest resample move as they are
 *           dtype   of fold and linear resampling          linear  (bool) of resampling, else nearest
 *           K, S, D (rows, columns) of kernel, stride and dilation
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements of y a work-item walks; 1 on GPUs)
 * Launch    group (WG), grid ceil(n / chunk) rounded up to WG
 * Source    textbook; the gradients are sums per element of y, so nothing is added to concurrently
 */
% if size:
typedef ${{1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}[size]} item;
% endif

${{"unfold": unfold, "fold": fold, "resample": resample, "resample_grad": resample_grad}[kind]()}

## The walk over elements of y by rows of `width`: inside, row is the number of the row, column and end bound a part of it.
<%def name="walk(width)">
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, total);
    index_t column = lo % ${width};
    index_t row = lo / ${width};
    for (index_t e = lo; e < hi; ++row, column = 0) {
        const index_t end = min(${width}, column + hi - e);
        ${caller.body()}
        e += end - column;
    }
</%def>

<%def name="unfold()">
<% KH, KW = K %>\
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void unfold(__global const item *restrict x, __global item *restrict y, const index_t total, const index_t chunk,
            const index_t H, const index_t W, const index_t OH, const index_t OW, const int PH, const int PW)
{
<%self:walk width="OW">
        const index_t tap = row / OH % ${KH * KW};
        const index_t h = row % OH * ${S[0]} + tap / ${KW} * ${D[0]} - PH;
        const index_t shift = tap % ${KW} * ${D[1]} - PW;
        const int inside = h >= 0 && h < H;
        /* places [first, last) of the row read from inside of x */
        const index_t first = shift < 0 ? (${S[1] - 1} - shift) / ${S[1]} : 0;
        const index_t last = W > shift ? (W - shift + ${S[1] - 1}) / ${S[1]} : 0;
        const index_t from = inside ? min(max(column, first), end) : end;
        const index_t to = inside ? max(min(end, last), from) : end;
        __global item *out = y + row * OW;
        __global const item *in = x + (row / OH / ${KH * KW} * H + (inside ? h : 0)) * W;
        for (index_t q = column; q < from; ++q)
            out[q] = 0;
        for (index_t q = from; q < to; ++q)
            out[q] = in[q * ${S[1]} + shift];
        for (index_t q = to; q < end; ++q)
            out[q] = 0;
</%self:walk>
}
</%def>

<%def name="fold()">
<% KH, KW = K %>\
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void fold(__global const real *restrict g, __global real *restrict y, const index_t total, const index_t chunk,
          const index_t H, const index_t W, const index_t OH, const index_t OW, const int PH, const int PW)
{
<%self:walk width="W">
        const index_t h = row % H + PH;
        __global const real *planes = g + row / H * (${KH * KW} * OH * OW);
        for (index_t w = column; w < end; ++w) {
            acc sum = 0;
            for (int i = 0; i < ${KH}; ++i) {
                const index_t p = (h - i * ${D[0]}) / ${S[0]};
                if (p * ${S[0]} != h - i * ${D[0]} || p < 0 || p >= OH)
                    continue;
                for (int j = 0; j < ${KW}; ++j) {
                    const index_t at = w + PW - j * ${D[1]};
                    const index_t q = at / ${S[1]};
                    if (q * ${S[1]} == at && q >= 0 && q < OW)
                        sum += LOAD(planes, ((i * ${KW} + j) * OH + p) * OW + q);
                }
            }
            STORE(y, row * W + w, sum);
        }
</%self:walk>
}
</%def>

<%def name="resample()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
% if linear:
void resample(__global const real *restrict x, __global const int *restrict ph, __global const int *restrict pw,
              __global const acc *restrict ah, __global const acc *restrict aw, __global real *restrict y,
% else:
void resample(__global const item *restrict x, __global const int *restrict ph, __global const int *restrict pw,
              __global item *restrict y,
% endif
              const index_t total, const index_t chunk, const index_t H, const index_t W, const index_t OH, const index_t OW)
{
<%self:walk width="OW">
        const index_t p = row % OH;
% if linear:
        __global const real *upper = x + (row / OH * H + ph[p]) * W;
        __global const real *lower = x + (row / OH * H + ph[OH + p]) * W;
        const acc v = ah[p];
        for (index_t q = column; q < end; ++q) {
            const index_t left = pw[q];
            const index_t right = pw[OW + q];
            const acc u = aw[q];
            const acc above = LOAD(upper, left) * (1 - u) + LOAD(upper, right) * u;
            const acc below = LOAD(lower, left) * (1 - u) + LOAD(lower, right) * u;
            STORE(y, row * OW + q, above * (1 - v) + below * v);
        }
% else:
        __global const item *from = x + (row / OH * H + ph[p]) * W;
        for (index_t q = column; q < end; ++q)
            y[row * OW + q] = from[pw[q]];
% endif
</%self:walk>
}
</%def>

<%def name="resample_grad()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void resample_grad(__global const real *restrict g, __global const int *restrict ph, __global const int *restrict pw,
% if linear:
                   __global const acc *restrict ah, __global const acc *restrict aw,
% endif
                   __global real *restrict y, const index_t total, const index_t chunk,
                   const index_t H, const index_t W, const index_t OH, const index_t OW)
{
<%self:walk width="W">
        const index_t h = row % H;
        __global const real *plane = g + row / H * OH * OW;
        for (index_t w = column; w < end; ++w) {
            acc sum = 0;
            for (index_t p = ph[2 * OH + h]; p < ph[2 * OH + H + h]; ++p) {
                acc part = 0;
                for (index_t q = pw[2 * OW + w]; q < pw[2 * OW + W + w]; ++q)
% if linear:
                    part += ((pw[q] == w ? 1 - aw[q] : 0) + (pw[OW + q] == w ? aw[q] : 0)) * LOAD(plane, p * OW + q);
                sum += ((ph[p] == h ? 1 - ah[p] : 0) + (ph[OH + p] == h ? ah[p] : 0)) * part;
% else:
                    part += LOAD(plane, p * OW + q);
                sum += part;
% endif
            }
            STORE(y, row * W + w, sum);
        }
</%self:walk>
}
</%def>

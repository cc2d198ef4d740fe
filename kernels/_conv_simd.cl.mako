/* conv_simd — the convolution for CPUs: panels of pixels laid out in cache, filters broadcast from packed blocks.
 *
 * Computes  conv2d  rows are output channels, lanes output pixels of all images, k the channels and taps of one
 *                   group. A work-item lays x of its pixels out in local memory, k by k, and multiplies that with
 *                   its filters. input_grad is the same kernel on g: per phase of the stride the taps that meet it,
 *                   at the pixels they meet (the host describes both)
 * Layout    x and filters as _conv_simd_layout leaves them; partial, for sums deeper than local memory, is
 *           (item, rows of blocks, MR, NR)
 * Defines   dtype, bias, residual (bool), act (see _gemm)
 *           STEP  elements of x between the pixels of a row: 1, 2, or 0 for whatever they are;  YSTEP  of y: 1 or 2
 * Tunables  V, MR, NV (see _gemm_simd)   SPACE (elements of local memory)   each, rows (panels and blocks of an item)
 * Launch    group (1), grid (spans of panels, spans of blocks, groups)
 * Source    Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008
 *           Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014 (windows laid out in cache)
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    NR = NV * V
    ROWS = 4 if V == 16 else 2  # of an image, that the lanes of a vector may come from
%>\
typedef ${base}${V} vec;
typedef ${"long" if dtype == "f64" else "int"}${V} mask;
${lanes.io(dtype, base, V)}
${gemm.epilogue()}
static vec epilogue_lanes(const vec v)
{
% if "(" in act.replace("(T)", ""):
    acc t[${V}];
    vstore${V}(v, 0, t);
    for (int l = 0; l < ${V}; ++l)
        t[l] = epilogue(t[l]);
    return vload${V}(0, t);
% else:
    return ${act.replace("(T)", "(vec)")};
% endif
}

/* Where pixels m, m + 1, .. lie; beyond the last one, where that does. */
static void places(__local index_t *to, const index_t m, const index_t M, const int P, const int Q,
                   const index_t xn, const index_t xp, const index_t xq)
{
    const index_t first = min(m, M - 1);
    int q = first % Q, p = first / Q % P;
    index_t at = first / Q / P * xn + p * xp + q * xq;
    for (int l = 0; l < ${NR}; ++l) {
        to[l] = at;
        if (m + l + 1 >= M)
            continue;
        at += xq;
        if (++q == Q) {
            q = 0;
            at += xp - Q * xq;
            if (++p == P) {
                p = 0;
                at += xn - P * xp;
            }
        }
    }
}

/* Lanes in a row of y, YSTEP apart; what lies between belongs to other phases, and to no other work-item. */
static vec get(__global const real *y)
{
% if YSTEP == 1:
    return loadv_${dtype}(y, 0);
% else:
    return (vec)(loadv_${dtype}(y, 0).even, loadv_${dtype}(y, ${V - 1}).odd);
% endif
}
static void put(__global real *y, const vec v)
{
% if YSTEP == 1:
    storev_${dtype}(y, 0, v);
% else:
    vec low = loadv_${dtype}(y, 0), high = loadv_${dtype}(y, ${V - 1});
    low.even = v.lo;
    high.odd = v.hi;
    storev_${dtype}(y, 0, low);
    storev_${dtype}(y, ${V - 1}, high);
% endif
}

% if STEP:
/* Pixels of a row, beside each other in y and STEP apart in x. */
static vec pixels(__global const acc *x)
{
%   if STEP == 1:
    return vload${V}(0, x);
%   else:
    return (vec)(vload${V}(0, x).even, vload${V}(0, x + ${V - 1}).odd);
%   endif
}
% endif

/* Channels and taps k0 .. end of the pixels m .. m + V, NR apart. */
static void fill(__global const acc *restrict x, __local acc *restrict to, __local index_t *where, const index_t m,
                 const index_t M, const int k0, const int end, const int R, const int S, const int P, const int Q, const index_t xn,
                 const index_t xc, const index_t xp, const index_t xq, const index_t xr, const index_t xs)
{
% if STEP:
    const int q0 = m % Q, p0 = m / Q % P, n0 = m / Q / P;
    __global const acc *from0 = x + n0 * xn + p0 * xp + q0 * xq;
    if (m + ${V} <= M && Q - q0 >= ${V}) {
${taps(f"vstore{V}(pixels(from0 + at), 0, to);")}
        return;
    }
    /* Loads that reach beyond a row stay between the first and the last one. */
    if (m + ${V} <= M && q0 + ${V} <= ${ROWS} * Q && xp >= Q * xq && xn - (P - 1) * xp >= Q * xq) {
%   for i in range(1, ROWS):
        const int next${i} = ${i} * Q - q0 < ${V} ? ${i} * Q - q0 : 0, wraps${i} = (p0 + ${i}) / P;
        __global const acc *from${i} = from0;
        if (next${i})
            from${i} = x + (n0 + wraps${i}) * xn + (p0 + ${i} - wraps${i} * P) * xp - next${i} * xq;
        const mask lane${i} = next${i} ? (mask)(${", ".join(map(str, range(V)))}) >= (mask)(next${i}) : (mask)(0);
%   endfor
        if (2 * Q - q0 >= ${V}) {
${taps(f"vstore{V}(lane1 ? pixels(from1 + at) : pixels(from0 + at), 0, to);")}
        } else {
%   if ROWS > 2:
${taps(f"vstore{V}({''.join(f'lane{i} ? pixels(from{i} + at) : ' for i in range(ROWS - 1, 0, -1))}pixels(from0 + at), 0, to);")}
%   endif
        }
        return;
    }
% endif
    places(where, m, M, P, Q, xn, xp, xq);
${taps(" ".join(f"to[{l}] = x[where[{l}] + at];" for l in range(V)))}
}

/* Pixel (n, p, q) reads windows at x0 + n*xn + group*xg + p*xp + q*xq and writes at n*yn + o*yo + p*yp + q*yq + y0. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(${base}${V})))
void conv2d(__global const acc *restrict x, __global const acc *restrict filters, __global acc *restrict partial,
            ${gemm.ends()}__global real *restrict y, const index_t M, const int K, const int O, const int R, const int S,
            const int P, const int Q, const index_t xn, const index_t xg, const index_t xc, const index_t xp,
            const index_t xq, const index_t xr, const index_t xs, const index_t x0, const index_t yn, const index_t yo,
            const index_t yp, const index_t yq, const index_t y0, const int each, const int rows, const int chunk)
{
    __local acc panels[${SPACE}];
    __local index_t where[${PANELS * NR}], from[${NR}];
    const int group = get_global_id(2), blocks = (O + ${MR - 1}) / ${MR};
    const int row = get_global_id(1) * rows, below = min(row + rows, blocks);
    const index_t first = (index_t)get_global_id(0) * each * ${NR}, last = min(first + each * ${NR}, M);
    const int wide = min(min(each, ${PANELS}), ${SPACE // NR} / chunk);
    x += (size_t)group * xg + x0;
    y += (size_t)group * O * yo + y0;
    filters += (size_t)group * blocks * K * ${MR};
    partial += ((group * get_global_size(1) + get_global_id(1)) * get_global_size(0) + get_global_id(0)) * rows * ${MR * NR};
% if bias:
    bias += group * O;
% endif
% if residual:
    residual += (size_t)group * O * yo + y0;
% endif
    for (index_t start = first; start < last; start += wide * ${NR}) { /* K is 0 where no tap meets a phase */
        const int count = min((index_t)wide, (last - start + ${NR - 1}) / ${NR});
        for (int t = 0; t < count; ++t)
            places(where + t * ${NR}, start + t * ${NR}, M, P, Q, yn, yp, yq);
        for (int k0 = 0; k0 == 0 || k0 < K; k0 += chunk) {
            const int end = min(K, k0 + chunk), depth = end - k0;
            for (int t = 0; t < count;) {
                const index_t m = start + t * ${NR};
                __local acc *to = panels + t * depth * ${NR};
% if STEP:
                const int run = min((index_t)(count - t), (Q - m % Q) / ${NR}); /* panels whose pixels are in a row */
                if (run > 0) {
                    __global const acc *base = x + m / Q / P * xn + m / Q % P * xp + m % Q * xq;
${taps(f"for (int u = 0; u < run; ++u) {{ " + " ".join(f"vstore{V}(pixels(base + at + (u * {NR} + {j * V}) * {STEP}), {j}, to + u * depth * {NR});" for j in range(NV)) + " }")}
                    t += run;
                    continue;
                }
% endif
                for (int j = 0; j < ${NV}; ++j)
                    fill(x, to + j * ${V}, from, m + j * ${V}, M, k0, end, R, S, P, Q, xn, xc, xp, xq, xr, xs);
                ++t;
            }
            for (int b = row; b < below; ++b)
                for (int t = 0; t < count; ++t) {
                    const index_t m = start + t * ${NR};
                    __local const index_t *to = where + t * ${NR};
                    __global const acc *a = filters + ((size_t)b * K + k0) * ${MR};
                    __local const acc *v = panels + t * depth * ${NR};
                    __global acc *kept = partial + (size_t)(b - row) * ${MR * NR};
% for i in range(MR):
%   for j in range(NV):
                    vec c${i}_${j} = k0 ? vload${V}(${i * NV + j}, kept) : (vec)(0);
%   endfor
% endfor
                    for (int k = 0; k < depth; ++k, a += ${MR}, v += ${NR}) {
% for j in range(NV):
                        const vec v${j} = vload${V}(${j}, v);
% endfor
% for i in range(MR):
                        {
                            const vec f = (vec)(a[${i}]);
%   for j in range(NV):
                            c${i}_${j} = fma(f, v${j}, c${i}_${j});
%   endfor
                        }
% endfor
                    }
                    if (end < K) {
% for i in range(MR):
%   for j in range(NV):
                        vstore${V}(c${i}_${j}, ${i * NV + j}, kept);
%   endfor
% endfor
                        continue;
                    }
                    const int some = min(${MR}, O - b * ${MR});
                    const index_t at = b * ${MR} * yo;
% for j in range(NV):
%   if YSTEP == 1:
                    if (m + ${j * V + V} <= M && to[${j * V + V - 1}] - to[${j * V}] == ${V - 1}) {
%   else:
                    if (m + ${j * V + V} <= M && (m + ${j * V}) % Q + ${V} <= Q) {
%   endif
                        const index_t beside = at + to[${j * V}];
%   for i in range(MR):
                        if (${i} < some)
                            put(y + beside + ${i} * yo, epilogue_lanes(c${i}_${j}${f" + (acc)LOAD(bias, b * {MR} + {i})" if bias else ""}${f" + get(residual + beside + {i} * yo)" if residual else ""}));
%   endfor
                    } else {
                        acc tile[${MR * V}];
%   for i in range(MR):
                        vstore${V}(c${i}_${j}, ${i}, tile);
%   endfor
                        const int present = clamp(M - m - ${j * V}, (index_t)0, (index_t)${V});
                        for (int o = 0; o < some; ++o)
                            for (int l = 0; l < present; ++l) {
                                const index_t i = at + o * yo + to[${j * V} + l];
                                STORE(y, i, epilogue(tile[o * ${V} + l]${f" + LOAD(bias, b * {MR} + o)" if bias else ""}${" + LOAD(residual, i)" if residual else ""}));
                            }
                    }
% endfor
                }
        }
    }
}

## For every k of a panel: `value` stores the pixels of what lies `at` from them.
<%def name="taps(value)">\
        index_t at = k0 / S / R * xc + k0 / S % R * xr + k0 % S * xs;
        for (int k = k0, r = k0 / S % R, s = k0 % S; k < end; ++k, to += ${NR}) {
            ${value}
            at += xs;
            if (++s == S) {
                s = 0;
                at += xr - S * xs;
                if (++r == R) {
                    r = 0;
                    at += xc - R * xr;
                }
            }
        }
</%def>

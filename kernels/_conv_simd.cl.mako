/* conv_simd — the convolution for CPUs: panels of pixels laid out in cache, filters broadcast from packed blocks.
 *
 * Computes  conv2d  rows are output channels, lanes output pixels of all images, k the channels and taps of one
 *                   group. A work-item lays x of its pixels out in local memory, k by k, and multiplies that with
 *                   its filters. input_grad is the same kernel on g, where rows are the channels of every phase of
 *                   the stride, one phase after the other, and each block keeps to the taps its phases meet
 * Layout    x and filters as _conv_simd_layout leaves them; y (image, group, row, pixel); partial, for sums deeper
 *           than local memory, is (item, rows of blocks, MR, NR)
 * Defines   dtype, bias, residual (bool), act (see _gemm)
 *           STEP  elements of x between the pixels of a row: 1, 2, or 0 for whatever they are
 *           FEW  whether rows are so few that pixels of 1 x 1 may be read where they lie, if a panel's are in a row
 *           PHASES  runs of the window's taps that each phase of a gradient meets, (first, end); () for a convolution
 * Tunables  V, MR, NV (see _gemm_simd)   SPACE (elements of local memory)   each, rows (panels and blocks of an item)
 *           past (whether whole vectors of results pass the caches by)   direct (with FEW: whether pixels are so read)
 * Launch    group (1), grid (spans of panels, spans of blocks, groups)
 * Source    Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008
 *           Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014 (windows laid out in cache)
 *           Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016 (phases as channels)
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%namespace name="stream" file="_stream.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    NR = NV * V
    WHOLE = dtype in ("f32", "f64")
    WIDTHS = [w for w in (16, 8, 4, 2) if w <= V]
    ROWS = 4 if V == 16 else 2  # of an image, that the lanes of a vector may come from
%>\
typedef ${base}${V} vec;
typedef ${"long" if dtype == "f64" else "int"}${V} mask;
${lanes.io(dtype, base, V)}
${gemm.epilogue()}
${lanes.fetch()}
${stream.stores(base, V, True)}
% for w in WIDTHS if residual and WHOLE else [V]:
static ${base}${w} epilogue_${w}(const ${base}${w} v)
{
%   if "(" in act.replace("(T)", ""):
    acc t[${w}];
    vstore${w}(v, 0, t);
    for (int l = 0; l < ${w}; ++l)
        t[l] = epilogue(t[l]);
    return vload${w}(0, t);
%   else:
    return ${act.replace("(T)", f"({base}{w})")};
%   endif
}
% endfor

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

/* A vector's first `count` lanes, which end where an image does: from memory, for lanes cannot be told apart there. */
static void put_some(__global real *y, const acc *v, const int count)
{
% if WHOLE:
%   for w in WIDTHS[1:]:
    if (count >= ${w}) { /* two that overlap */
        vstore${w}(vload${w}(0, v), 0, y);
        vstore${w}(vload${w}(0, v + count - ${w}), 0, y + count - ${w});
        return;
    }
%   endfor
% endif
    for (int l = 0; l < count; ++l)
        STORE(y, l, v[l]);
}
% if residual:
static void put_ended(__global real *y, const acc *v, const int count, __global const real *residual)
{
%   if WHOLE:
%     for w in WIDTHS[1:]:
    if (count >= ${w}) {
        vstore${w}(epilogue_${w}(vload${w}(0, v) + vload${w}(0, residual)), 0, y);
        vstore${w}(epilogue_${w}(vload${w}(0, v + count - ${w}) + vload${w}(0, residual + count - ${w})), 0, y + count - ${w});
        return;
    }
%     endfor
%   endif
    for (int l = 0; l < count; ++l)
        STORE(y, l, epilogue(v[l] + LOAD(residual, l)));
}
% endif

/* The lines of a row's results, wanted soon. */
static void await(__global const real *row, const int image, const int some)
{
    for (int i = 0; i < some; ++i, row += image) {
% for l in range(0, NR, 16):
        FETCH(row + ${l});
% endfor
        FETCH(row + ${NR - 1});
    }
}
% if PHASES:
__constant int met[][2] = {${", ".join("{%d, %d}" % run for runs in PHASES for run in runs) or "{0, 0}"}};
__constant int begin[] = {${", ".join(str(sum(map(len, PHASES[:i]))) for i in range(len(PHASES) + 1))}};
% endif

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

/* Pixel (n, p, q) reads windows at x0 + n*xn + group*xg + p*xp + q*xq, whose k is (c, r, s) of steps xc, xr, xs. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(${base}${V})))
void conv2d(__global const acc *restrict x, __global const acc *restrict filters, __global acc *restrict partial,
            ${gemm.ends()}__global real *restrict y, const index_t M, const int K, const int O, const int R, const int S,
            const int P, const int Q, const index_t xn, const index_t xg, const index_t xc, const index_t xp,
            const index_t xq, const index_t xr, const index_t xs, const index_t x0, const int each, const int rows,
            const int chunk, const int past${", const int direct" if FEW else ""})
{
    __local acc panels[${SPACE}];
    __local index_t from[${NR}];
    index_t numbers[${PANELS}], starts[${PANELS}], soons[${PANELS}]; /* of a panel: image, first pixel, and where the next one begins */
    const int group = get_global_id(2), channels = O${f" / {len(PHASES)}" if PHASES else ""}, image = P * Q;
    const int each_phase = (channels + ${MR - 1}) / ${MR}, blocks = each_phase${f" * {len(PHASES)}" if PHASES else ""};
    const int row = get_global_id(1) * rows, below = min(row + rows, blocks);
    const index_t first = (index_t)get_global_id(0) * each * ${NR}, last = min(first + each * ${NR}, M);
    const int wide = min(min(each, ${PANELS}), ${SPACE // NR} / chunk);
    const index_t yn = (index_t)get_global_size(2) * O * image;
    x += (size_t)group * xg + x0;
    y += (size_t)group * O * image;
    filters += (size_t)group * blocks * K * ${MR};
    partial += ((group * get_global_size(1) + get_global_id(1)) * get_global_size(0) + get_global_id(0)) * rows * ${MR * NR};
% if bias:
    bias += group * channels;
% endif
% if residual:
    residual += (size_t)group * O * image;
% endif
    for (index_t start = first; start < last; start += wide * ${NR}) {
        const int count = min((index_t)wide, (last - start + ${NR - 1}) / ${NR});
        for (int k0 = 0; k0 == 0 || k0 < K; k0 += chunk) {
            const int end = min(K, k0 + chunk), depth = end - k0;
            const int deeper = end < K, ahead = R * S == 1 && (deeper || start + wide * ${NR} < last);
            __global const acc *next = x + (deeper ? end * xc : 0);
            for (int t = 0; t < count; ++t) {
                const index_t m = start + t * ${NR}, then = min(m + (deeper ? 0 : wide * ${NR}), M - 1);
                numbers[t] = m / image;
                starts[t] = m - numbers[t] * image;
                soons[t] = then / Q / P * xn + then / Q % P * xp + then % Q * xq;
            }
            for (int t = 0; t < count;) {
                const index_t m = start + t * ${NR};
                __local acc *to = panels + t * depth * ${NR};
% if STEP:
                const int run = min((index_t)(count - t), (Q - m % Q) / ${NR}); /* panels whose pixels are in a row */
%   if FEW:
                if (direct && run > 0) {
                    ++t;
                    continue;
                }
%   else:
                if (run > 0) {
                    __global const acc *base = x + m / Q / P * xn + m / Q % P * xp + m % Q * xq;
${taps(f"for (int u = 0; u < run; ++u) {{ " + " ".join(f"vstore{V}(pixels(base + at + (u * {NR} + {j * V}) * {STEP}), {j}, to + u * depth * {NR});" for j in range(NV)) + " }")}
                    t += run;
                    continue;
                }
%   endif
% endif
                for (int j = 0; j < ${NV}; ++j)
                    fill(x, to + j * ${V}, from, m + j * ${V}, M, k0, end, R, S, P, Q, xn, xc, xp, xq, xr, xs);
                ++t;
            }
            /* Pixels of 1 x 1 that come next are fetched meanwhile: channel by channel, a line per block of rows; and then filters. */
            for (int b = row; b < below; ++b) {
                const int phase = ${"b / each_phase" if PHASES else "0"}, row0 = (b - phase * each_phase) * ${MR}, some = min(${MR}, channels - row0);
                for (int t = 0; t < count; ++t) {
                    const index_t m = start + t * ${NR};
                    const int fetch = ahead && (b - row) * 16 < ${NR};
                    const index_t hop = fetch ? xc : ${MR};
                    __global const acc *soon = fetch ? next + soons[t] + (b - row) * 16 * xq
                                                     : filters + ((size_t)min(b + 1, below - 1) * K + k0) * ${MR};
                    __global acc *kept = partial + (size_t)(b - row) * ${MR * NR};
                    if (end == K${"" if residual else " && !past"}) {
                        const index_t at = numbers[t] * yn + (index_t)(phase * channels + row0) * image + starts[t];
% if residual:
                        await(residual + at, image, some);
                        if (!past)
% endif
                            await(y + at, image, some);
                    }
% if NV > 1:
                    if (M - m <= ${NV // 2 * V}) {
${multiply(NV // 2)}
                        continue;
                    }
% endif
% if FEW:
                    if (direct && Q - m % Q >= ${NR}) {
${multiply(NV, near=True)}
                        continue;
                    }
% endif
${multiply(NV)}
                }
            }
        }
    }
}

## A block of rows by the first n vectors of a panel, or of its pixels where they lie.
<%def name="multiply(n, near=False)">\
<%  bias_of = lambda i: f" + (acc)LOAD(bias, row0 + {i})" if bias else "" %>\
% for i in range(MR):
%   for j in range(n):
                    vec c${i}_${j} = k0 ? vload${V}(${i * NV + j}, kept) : (vec)(0);
%   endfor
% endfor
% if PHASES:
                    for (int i = begin[phase]; i < begin[phase + 1]; ++i) {
                        const int here = max(k0, met[i][0] * S), stop = min(end, met[i][1] * S);
% else:
                    {
                        const int here = k0, stop = end;
% endif
                        __global const acc *a = filters + ((size_t)b * K + here) * ${MR};
% if near:
                        __global const acc *v = x + numbers[t] * xn + starts[t] / Q * xp + starts[t] % Q + here * xc;
% else:
                        __local const acc *v = panels + (t * depth + here - k0) * ${NR};
% endif
                        for (int k = here; k < stop; ++k, a += ${MR}, v += ${"xc" if near else NR}, soon += hop) {
                            FETCH(soon);
% for j in range(n):
                            const vec v${j} = vload${V}(${j}, v);
% endfor
% for i in range(MR):
                            {
                                const vec f = (vec)(a[${i}]);
%   for j in range(n):
                                c${i}_${j} = fma(f, v${j}, c${i}_${j});
%   endfor
                            }
% endfor
                        }
                    }
                    if (end < K) {
% for i in range(MR):
%   for j in range(n):
                        vstore${V}(c${i}_${j}, ${i * NV + j}, kept);
%   endfor
% endfor
                    } else {
% for j in range(n):
                        {
                            const int present = clamp(M - m - ${j * V}, (index_t)0, (index_t)${V});
                            index_t n = numbers[t], pixel = starts[t] + ${j * V};
                            for (; pixel >= image; pixel -= image)
                                ++n;
                            index_t at = n * yn + (index_t)(phase * channels + row0) * image + pixel;
                            if (present == ${V} && pixel + ${V} <= image) {
%   for i in range(MR):
                                if (${i} < some) {
                                    const vec ended = epilogue_${V}(c${i}_${j}${bias_of(i)}${f" + loadv_{dtype}(residual, at + {i} * (index_t)image)" if residual else ""});
%     if WHOLE:
                                    if (past)
                                        stream(ended, y + at + ${i} * (index_t)image);
                                    else
%     endif
                                        storev_${dtype}(y, at + ${i} * (index_t)image, ended);
                                }
%   endfor
                            } else { /* an image ends within */
                                acc tile[${MR * V}];
%   for i in range(MR):
                                vstore${V}(${f"c{i}_{j}{bias_of(f'min({i}, some - 1)')}" if residual else f"epilogue_{V}(c{i}_{j}{bias_of(f'min({i}, some - 1)')})"}, ${i}, tile);
%   endfor
                                for (int l = 0; l < present; pixel = 0, at = ++n * yn + (index_t)(phase * channels + row0) * image) {
                                    const int run = min((index_t)(present - l), image - pixel);
                                    for (int o = 0; o < some; ++o, at += image)
                                        ${"put_ended" if residual else "put_some"}(y + at, tile + o * ${V} + l, run${", residual + at" if residual else ""});
                                    l += run;
                                }
                            }
                        }
% endfor
                    }
</%def>

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

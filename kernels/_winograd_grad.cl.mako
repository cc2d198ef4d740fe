/* winograd_grad — the weight gradient on CPUs: its 3 x 3 results are the outputs of a tile, M x M of the gradient the filter.
 *
 * Computes  weight_grad  per slice of the rows of tiles and block of channels and outputs: chunks of x and g transformed, a
 *                        GEMM per point over the tiles of a chunk added to the sums, these transformed back
 *           reduce       adds the slices in their order
 * Layout    a work-item's own: lines (see _winograd_tiles), points (point, tile, channel), grads (point, panel, tile, NR),
 *           sums (point, panel, channel, NR = NV * V);  partial (slice, block of V outputs, channel, 9, V)
 * Defines   dtype, M, form
 * Tunables  V, MR (a divisor of V), NV; tiles of a chunk, `share` (blocks of V channels), `own` (panels of outputs)
 * Launch    group (1). weight_grad: any grid, each work-item does some of the (slice, channels, outputs)   reduce: grid
 *           (spans of channels, blocks of V outputs)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%namespace name="results" file="_winograd_results.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<% IN, hop, T, OUT = transform.module.tile(M, form); NR = NV * V %>\
${tiles.types()}
${tiles.lines()}
${tiles.kernel()}weight_grad(__global const real *restrict g, __global const real *restrict x, __global acc *restrict partial,
                 __global acc *restrict all_lines, __global acc *restrict all_points, __global acc *restrict all_grads,
                 __global acc *restrict all_sums, const int N, const int C, const int H, const int W, const int O, const int P, const int Q,
                 const int top, const int left, const int wide, const int segments, const int each, const int share, const int own, const int slices)
{
    const int down = (P + ${M - 1}) / ${M}, rows = N * down * segments, pitch = (wide * ${hop} + ${IN - hop} + ${V}) * ${V};
    const int across = (C + share * ${V} - 1) / (share * ${V}), jobs = slices * across * ((O + own * ${NR} - 1) / (own * ${NR}));
    const size_t item = get_global_id(0), items = get_global_size(0), most = each * wide;
    const size_t point_step = most * share * ${V} + ${V}, grad_step = most * own * ${NR} + ${V}, sum_step = (size_t)share * own * ${V * NR} + ${V};
    __global acc *lines = all_lines + item * pitch * ${IN + 2 + T}, *edges = lines + (size_t)pitch * ${IN + 2};
    __global acc *points = all_points + item * point_step * ${T * T};
    __global acc *grads = all_grads + item * grad_step * ${T * T};
    __global acc *sums = all_sums + item * sum_step * ${T * T};
    for (int job = (long)jobs * item / items; job < (long)jobs * (item + 1) / items; ++job) {
        const int slice = job % slices, first_c = job / slices % across * share * ${V}, first_o = job / slices / across * own * ${NR};
        const int begin = (long)rows * slice / slices, end = (long)rows * (slice + 1) / slices;
        for (int chunk = begin; chunk < end; chunk += each) {
            const int count = min(each, end - chunk), tiles = count * wide;
${tiles.cut("image", "x", "C", "first_c", "share", "H", "W", "top", "left", f"points + ((size_t)t * share + cb) * {V}", "point_step")}\
${tiles.cut("points", "g", "O", "first_o", f"own * {NV}", "P", "Q", "0", "0", f"grads + ((size_t)(cb / {NV}) * most + t) * {NR} + cb % {NV} * {V}", "grad_step")}\
            for (int f = 0; f < ${T * T}; ++f)
                for (int p = 0; p < own; ++p)
                    for (int c = 0; c < share * ${V}; c += ${MR}) {
                        __global const acc *a = points + f * point_step + c, *b = grads + f * grad_step + p * most * ${NR};
                        __global acc *to = sums + f * sum_step + ((size_t)p * share * ${V} + c) * ${NR};
% for i in range(MR):
%   for j in range(NV):
                        vec c${i}_${j} = chunk == begin ? VEC(0) : vload${V}(${i * NV + j}, to);
%   endfor
% endfor
                        for (int t = 0; t < tiles; ++t) {
% for j in range(NV):
                            const vec b${j} = vload${V}(${j}, b);
% endfor
% for i in range(MR):
                            {
                                const vec v = VEC(a[${i}]);
%   for j in range(NV):
                                c${i}_${j} = fma(v, b${j}, c${i}_${j});
%   endfor
                            }
% endfor
                            a += share * ${V};
                            b += ${NR};
                        }
% for i in range(MR):
%   for j in range(NV):
                        vstore${V}(c${i}_${j}, ${i * NV + j}, to);
%   endfor
% endfor
                    }
        }
        for (int ob = 0; ob < own * ${NV} && first_o + ob * ${V} < O; ++ob)
            for (int c = 0; c < share * ${V} && first_c + c < C; ++c) {
                __global const acc *from = sums + ((size_t)(ob / ${NV}) * share * ${V} + c) * ${NR} + ob % ${NV} * ${V};
                __global acc *to = partial + (((size_t)slice * ((O + ${V - 1}) / ${V}) + first_o / ${V} + ob) * C + first_c + c) * ${9 * V};
${results.taps("from", "sum_step", "to")}
            }
    }
}

/* Adds the slices of V outputs in their order. A store of V values ends in those of the next channel, which come later. */
${tiles.kernel()}reduce(__global const acc *restrict partial, __global real *restrict dw, const int C, const int O, const int slices,
            const int each)
{
    const int ob = get_global_id(1), lanes = O - ob * ${V}, end = min(C, ((int)get_global_id(0) + 1) * each);
    const size_t step = (size_t)((O + ${V - 1}) / ${V}) * C * ${9 * V};
    for (int c = get_global_id(0) * each; c < end; ++c) {
        __global const acc *from = partial + ((size_t)ob * C + c) * ${9 * V};
        __global real *to = dw + ((size_t)ob * ${V} * C + c) * 9;
% for t in range(9):
        vec r${t} = vload${V}(${t}, from);
% endfor
        for (int s = 1; s < slices; ++s) {
            from += step;
% for t in range(9):
            r${t} += vload${V}(${t}, from);
% endfor
        }
% if dtype in ("f32", "f64") and V == 16:
        if (lanes >= ${V} && c + 1 < end) {
%   for t in range(9, 16):
            const vec r${t} = VEC(0);
%   endfor
${tiles.transpose()}
%   for l in range(V):
            vstore16(t${l}, 0, to + ${l} * (size_t)C * 9);
%   endfor
        } else
% endif
        {
            acc taps[${9 * V}] __attribute__((aligned(64)));
% for t in range(9):
            vstore${V}(r${t}, ${t}, taps);
% endfor
            for (int l = 0; l < min(${V}, lanes); ++l)
                for (int t = 0; t < 9; ++t)
                    STORE(to, (size_t)l * C * 9 + t, taps[t * ${V} + l]);
        }
    }
}

/* winograd_filters — the points of filters, V outputs in the lanes; for the kernels of winograd on CPUs.
 *
 * Offers    functions  transform_block: V x V filters, lane l of depth k from w[l * lane_step + k * depth_step + tap], taps
 *                      backwards where `flip`, to (point, depth, lane) in steps of `step` and NR
 *           met        the filter's point that point f of a tile meets
 * Layout    as winograd_simd
 * Defines   dtype, M, form, V, NV, flip
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="tiles" file="_winograd_tiles.cl.mako"/>\
<%def name="functions()">
<% U = M + 2; NR = NV * V %>\
/* Filters of the outputs from `first` on, at the depths from k0 on; zero outside of the O outputs and K depths. */
static void transform_block(__global const real *restrict w, const int O, const int K, const int lane_step, const int depth_step, const int size,
                            const int first, const int k0, __global acc *restrict to, const size_t step)
{
    const int lanes = O - first;
    const size_t at = (size_t)first * lane_step + (size_t)k0 * depth_step;
    acc taps[${9 * V * V}] __attribute__((aligned(64)));
% if not flip:
    if (lanes >= ${V} && k0 + ${V} <= K) {  // the taps of all depths are neighbours
        for (int g = 0; g < ${9 * V}; g += ${V}) {
%   for l in range(V):
            const vec r${l} = loadv_${dtype}(w, at + ${l} * (size_t)lane_step + g);
%   endfor
${tiles.transpose()}
%   for l in range(V):
            vstore${V}(t${l}, g + ${l}, taps);
%   endfor
        }
    } else
% endif
        for (int k = 0; k < ${V}; ++k) {
            const size_t here = at + (size_t)k * depth_step;
% if flip and V >= 9:
            if (k0 + k < K && lanes >= ${V} && here + ${V - 1} * (size_t)lane_step + ${V} <= size) {
%   for l in range(V):
                const vec r${l} = loadv_${dtype}(w, here + ${l} * (size_t)lane_step);
%   endfor
${tiles.transpose()}
%   for t in range(9):
                vstore${V}(t${t}, k * 9 + ${t}, taps);
%   endfor
                continue;
            }
% endif
            for (int t = 0; t < 9; ++t)
                for (int l = 0; l < ${V}; ++l)
                    taps[(k * 9 + t) * ${V} + l] = k0 + k < K && l < lanes ? LOAD(w, here + (size_t)l * lane_step + t) : 0;
        }
    for (int k = 0; k < ${V}; ++k, to += ${NR}) {
% for s in range(3):
%   for r in range(3):
        const vec g${r}_${s} = vload${V}(k * 9 + ${8 - 3 * r - s if flip else 3 * r + s}, taps);
%   endfor
${transform.define_points([f"e{i}_{s}" for i in range(U)], [f"g{r}_{s}" for r in range(3)])}
% endfor
% for i in range(U):
${transform.define_points([f"p{i}_{j}" for j in range(U)], [f"e{i}_{s}" for s in range(3)])}
%   for j in range(U):
        vstore${V}(p${i}_${j}, 0, to + ${i * U + j} * step);
%   endfor
% endfor
    }
}
</%def>

<%def name="met()"><% IN, hop, T, OUT = transform.module.tile(M, form) %>${"f" if form == "same" else f"(min(f / {T}, {M + 1}) * {M + 2} + min(f % {T}, {M + 1}))"}</%def>

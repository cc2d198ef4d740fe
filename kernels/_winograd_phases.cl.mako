/* winograd_phases — the engine for GPUs: transforms with tiles along the lanes, and matmul between them, one product per point.
 *
 * Computes  filters (the points of w, taps backwards where `flip`), image and gradient (the points of x and g), output (back to
 *           y, ended by bias, residual, activation), weights (back to dw); products of points are matmul's
 * Layout    filters (point, output, input), image (point, input, tile), gradient (point, output, tile); sums of
 *           output (point, output, tile), of weights (point, output, input): all acc
 * Defines   dtype, M, flip, bias, residual, act
 * Launch    any group, no local memory; filters, weights: grid (inputs, outputs)   others: grid (tiles, channels)
 */
<%namespace name="transform" file="_winograd_transform.cl.mako"/>\
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<% T = M + 2 %>\
typedef acc vec;
#define VEC(v) (v)
${gemm.epilogue()}
__kernel void filters(__global const real *restrict w, __global acc *restrict points, const int C, const int O, const int out_step,
                      const int in_step)
{
    const int c = get_global_id(0), o = get_global_id(1);
    if (c >= C || o >= O)
        return;
    const size_t at = (size_t)o * out_step + (size_t)c * in_step, step = (size_t)C * O;
    __global acc *to = points + (size_t)o * C + c;
% for s in range(3):
%   for r in range(3):
    const acc g${r}${s} = LOAD(w, at + ${8 - r * 3 - s if flip else r * 3 + s});
%   endfor
${transform.define_points([f"e{i}{s}" for i in range(T)], [f"g{r}{s}" for r in range(3)])}
% endfor
% for i in range(T):
${transform.define_points([f"p{i}{j}" for j in range(T)], [f"e{i}{s}" for s in range(3)])}
%   for j in range(T):
    to[${i * T + j} * step] = p${i}${j};
%   endfor
% endfor
}

% for name, what, deep in (("image", "image", T), ("gradient", "points", M)):
/* Tile (n, p, q) of channel c starts at (p * M - top, q * M - left); zero outside of H x W. */
__kernel void ${name}(__global const real *restrict x, __global acc *restrict points, const int C, const int H, const int W,
                      const int down, const int across, const int top, const int left, const int tiles)
{
    const int t = get_global_id(0), c = get_global_id(1);
    if (t >= tiles || c >= C)
        return;
    const int h = t / across % down * ${M} - top, v = t % across * ${M} - left, n = t / across / down;
    __global const real *from = x + ((size_t)n * C + c) * H * W;
    __global acc *to = points + (size_t)c * tiles + t;
    const size_t step = (size_t)C * tiles;
%   for j in range(deep):
%     for i in range(deep):
    const acc d${i}${j} = h + ${i} >= 0 && h + ${i} < H && v + ${j} >= 0 && v + ${j} < W ? LOAD(from, (h + ${i}) * W + v + ${j}) : 0;
%     endfor
${getattr(transform, "define_" + what)([f"e{i}{j}" for i in range(T)], [f"d{i}{j}" for i in range(deep)])}
%   endfor
%   for i in range(T):
${getattr(transform, "define_" + what)([f"p{i}{j}" for j in range(T)], [f"e{i}{j}" for j in range(deep)])}
%     for j in range(T):
    to[${i * T + j} * step] = p${i}${j};
%     endfor
%   endfor
}

% endfor
<%def name="back(outputs)">\
% for j in range(T):
%   for i in range(T):
    const acc d${i}${j} = from[${i * T + j} * step];
%   endfor
${transform.define_result([f"e{i}{j}" for i in range(outputs)], [f"d{i}{j}" for i in range(T)])}
% endfor
% for i in range(outputs):
${transform.define_result([f"y{i}{j}" for j in range(outputs)], [f"e{i}{j}" for j in range(T)])}
% endfor
</%def>\
__kernel void output(__global const acc *restrict sums, ${gemm.ends()}__global real *restrict y, const int O, const int P, const int Q,
                     const int down, const int across, const int tiles)
{
    const int t = get_global_id(0), o = get_global_id(1);
    if (t >= tiles || o >= O)
        return;
    const int p = t / across % down * ${M}, q = t % across * ${M}, n = t / across / down;
    __global const acc *from = sums + (size_t)o * tiles + t;
    const size_t step = (size_t)O * tiles, at = (((size_t)n * O + o) * P + p) * Q + q;
${back(M)}\
% for i in range(M):
%   for j in range(M):
    if (p + ${i} < P && q + ${j} < Q)
        STORE(y, at + ${i} * Q + ${j}, epilogue(y${i}${j}${gemm.extra("o", f"at + {i} * Q + {j}")}));
%   endfor
% endfor
}

__kernel void weights(__global const acc *restrict sums, __global real *restrict dw, const int C, const int O)
{
    const int c = get_global_id(0), o = get_global_id(1);
    if (c >= C || o >= O)
        return;
    const size_t at = (size_t)o * C + c, step = (size_t)C * O;
    __global const acc *from = sums + at;
${back(3)}\
% for i in range(3):
%   for j in range(3):
    STORE(dw, at * 9 + ${i * 3 + j}, y${i}${j});
%   endfor
% endfor
}

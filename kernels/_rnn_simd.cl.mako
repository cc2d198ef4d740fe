/* rnn_simd — recurrent layers on CPUs: rows of a work-item in named vectors, lanes along the units.
 *
 * Computes  forward, backward: products from .. to of `rows` rows and `blocks` blocks of units per work-item, one or for a
 *           gru_before two a step; all where an item has all units of its rows, else one at a time
 *           pack  the weights in panels: of a block of NB units, for each k the NV vectors that are multiplied by it
 * Layout    w: (blocks, depth, NV * V) in acc. forward: vectors are gates x units of the block, depth H. backward: units of
 *           the block, depth G * H
 * Defines   those of rnn; NV (vectors of a block), NB (units of a block), MR (rows that are in registers at once)
 * Launch    group (1, 1), grid (spans of rows, spans of blocks). pack: (blocks, 1)
 * Source    _gemm_simd.cl.mako: the same sums
 */
<%namespace name="core" file="_gemm_simd.cl.mako"/>\
<%namespace name="cell" file="_rnn_cell.cl.mako"/>\
<%
    G = cell.module.GATES.get(mode, 1)
    forward = stage == "forward"
    counts = [r for r in (12, 8, 6, 4, 3, 2, 1) if r <= MR and r in (MR, 4, 2, 1)]
    units = NB // V
%>\
% if stage == "pack":
${pack()}
% else:
${steps(counts, G, forward, units)}
% endif

<%def name="steps(counts, G, forward, units)">
${cell.functions()}
${core.simd_kernel()}${stage}(${cell.parameters()}, const int rows, const int blocks, const int from, const int to)
{
    const int n0 = get_global_id(0) * rows, n1 = min(n0 + rows, N);
    const int b0 = get_global_id(1) * blocks, b1 = min(b0 + blocks, (H + ${NB - 1}) / ${NB});
    const int depth = ${"H" if forward else f"{G} * H"}, bs = ${NV * V};
    acc tile[${MR * NV * V}];
<%  parts = cell.module.parts(mode, stage) %>\
    for (int part = from; part < to; ++part) {
        const int s = part${f" / {len(parts)}" if len(parts) > 1 else ""};
% for part in parts:
<%  count = NV * part.gates // G if forward else NV %>\
        ${f"if (part % {len(parts)} == {loop.index}) " if len(parts) > 1 else ""}{
        const int t = ${part.t}, pitch = ${part.pitch}, kc = ${"H" if forward else f"{part.gates} * H"};
        __global const acc *left = ${part.left};
        for (int block = b0; block < b1; ++block)
            for (int n = n0; n < n1; n += ${MR}) {
                const int here = min(n1 - n, ${MR});
                int any = ${"0" if lengths else part.there};
% if lengths:
                for (int i = 0; i < here; ++i)
                    any |= ${cell.live("n + i", "t")} && ${part.there};
% endif
                __global const acc *b = w + (index_t)block * depth * bs${f" + {part.first} * {V if forward else 'H * bs'}" if part.first else ""};
                if (!any) {
                    for (int i = 0; i < ${MR * count * V}; ++i)
                        tile[i] = 0;
% for r in counts:
                } else ${f"if (here > {counts[loop.index + 1]})" if not loop.last else ""} {
%   for i in range(r):
                    __global const acc *a${i} = left + (index_t)${f"min(n + {i}, n1 - 1)" if i else "n"} * pitch;
%   endfor
${core.sums("k", r, vectors=count)}
%   for i in range(r):
%     for j in range(count):
                    vstore${V}(c${i}_${j}, ${i * count + j}, tile);
%     endfor
%   endfor
% endfor
                }
                for (int i = 0; i < here; ++i)
                    for (int u = 0; u < ${units} && block * ${NB} + u * ${V} < H; ++u)
                        ${part.end}(tile + (i * ${count} + u) * ${V}, n + i, block * ${NB} + u * ${V}, s, ${cell.arguments()});
            }
        }
% endfor
    }
}
</%def>

<%def name="pack()">
<%namespace name="lanes" file="_vector.cl.mako"/>\
<%  base = "double" if dtype == "f64" else "float" %>\
${lanes.types(base, V)}
${lanes.load(dtype, base, V)}
${core.packing(vectors=True)}
${core.simd_kernel()}pack(__global const real *restrict w, __global acc *restrict packed, const int H)
{
    const int block = get_global_id(0);
% if backwards:
    __global acc *to = packed + (size_t)block * ${G} * H * ${NV * V};
    for (int v = 0; v < ${NV * V}; v += ${V})
        pack_rows(w + block * ${NB} + v, H, H - block * ${NB} - v, ${G} * H, to + v, ${NV * V});
% else:
    __global acc *to = packed + (size_t)block * H * ${NV * V};
    for (int g = 0; g < ${G}; ++g)
        for (int j = block * ${NB}; j < block * ${NB} + ${NB}; j += ${V}, to += ${V})
            pack_columns(w + ((size_t)g * H + j) * H, H, H - j, ${V}, H, to, ${NV * V});
% endif
}
</%def>

/* rnn_tile — recurrent layers where there is a launch per step: tiles in local memory, or every unit by itself.
 *
 * Computes  forward, backward: product `part` of step s of TR * RM rows and TU units per work-group; with RM = 0 of one row and one unit per
 *           work-item, without local memory
 * Layout    w: weight_hh as it is
 * Defines   those of rnn; part (0; of a gru_before also 1), TU, TR, RM, TK (depth of a tile)
 * Launch    group (TU * TR, 1); grid (ceil(H / TU) groups, ceil(N / (TR * RM)) groups). RM = 0: any group, grid (H, N)
 * Source    _gemm_tile.cl.mako: the same idea; textbook
 */
<%namespace name="cell" file="_rnn_cell.cl.mako"/>\
<%namespace name="narrow" file="_narrow.cl.mako"/>\
<%
    G = cell.module.GATES.get(mode, 1)
    forward = stage == "forward"
    it = cell.module.parts(mode, stage)[part]
    B = it.gates if forward else 1  # products of a unit
    skip = f"{it.first} * H + " if it.first else ""
%>\
${cell.functions()}
__kernel ${f"__attribute__((reqd_work_group_size({TU * TR}, 1, 1)))" if RM else ""}${narrow.attribute()}
void ${stage}(${cell.parameters()}, const int s)
{
    const int depth = ${"H" if forward else f"{it.gates} * H"}, pitch = ${it.pitch};
    __global const acc *left = ${it.left};
    const int end = ${"depth" if it.there == "1" else f"{it.there} ? depth : 0"};
    acc product[${B}];
% if RM:
    __local acc a[${TK}][${TR * RM + 1}], b[${B}][${TK}][${TU + 1}];
    const int lid = get_local_id(0), u = lid % ${TU}, r = lid / ${TU};
    const int j0 = get_group_id(0) * ${TU}, n0 = get_group_id(1) * ${TR * RM};
%   for i in range(RM):
%     for q in range(B):
    acc c${i}_${q} = 0;
%     endfor
%   endfor
    for (int k0 = 0; k0 < end; k0 += ${TK}) {
        for (int e = lid; e < ${TR * RM * TK}; e += ${TU * TR}) {
            const int k = k0 + e % ${TK}, n = n0 + e / ${TK};
            a[e % ${TK}][e / ${TK}] = k < depth && n < N ? left[(index_t)n * pitch + k] : 0;
        }
        for (int e = lid; e < ${B * TU * TK}; e += ${TU * TR}) {
%   if forward:
            const int k = k0 + e % ${TK}, j = e / ${TK} % ${TU}, q = e / ${TU * TK};
            b[q][e % ${TK}][j] = k < depth && j0 + j < H ? LOAD(w, ((index_t)${skip}q * H + j0 + j) * H + k) : 0;
%   else:
            const int k = k0 + e / ${TU}, j = e % ${TU};
            b[0][e / ${TU}][j] = k < depth && j0 + j < H ? LOAD(w, ((index_t)${skip}k) * H + j0 + j) : 0;
%   endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < ${TK}; ++k) {
%   for q in range(B):
            const acc b${q} = b[${q}][k][u];
%   endfor
%   for i in range(RM):
            const acc a${i} = a[k][r + ${i * TR}];
%     for q in range(B):
            c${i}_${q} = fma(a${i}, b${q}, c${i}_${q});
%     endfor
%   endfor
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const int j = j0 + u;
%   for i in range(RM):
    if (j < H && n0 + r + ${i * TR} < N) {
%     for q in range(B):
        product[${q}] = c${i}_${q};
%     endfor
        ${it.end}(product, n0 + r + ${i * TR}, j, s, ${cell.arguments()});
    }
%   endfor
% else:
    const int j = get_global_id(0), n = get_global_id(1);
    for (int q = 0; q < ${B}; ++q) {
        acc sum = 0;
        for (int k = 0; k < end; ++k)
            sum = fma(left[(index_t)n * pitch + k], (acc)LOAD(w, ${f"((index_t){skip}q * H + j) * H + k" if forward else f"((index_t){skip}k) * H + j"}), sum);
        product[q] = sum;
    }
    ${it.end}(product, n, j, s, ${cell.arguments()});
% endif
}

/* gemm_tile — the GEMM core on GPUs: tiles of both operands in local memory, a block of C in registers.
 *
 * Layout    both operands staged k-major in local memory, pitch one above the tile against bank conflicts
 * Tunables  TM, TN, TK (tile held by a work-group, 16-128), RM, RN (outputs per work-item)
 * Launch    group (TN/RN, TM/RM), a multiple of TK; a group per tile along the first axis; no return before a
 *           barrier; rows and columns outside load a clamped neighbour, k outside loads zero
 * Source    Volkov, Demmel, "Benchmarking GPUs to Tune Dense Linear Algebra", 2008
 */
## At function scope, where OpenCL wants local arrays; (i0, j0) is the tile of the group in the M x N product.
<%def name="tile_memory()">
    __local acc staged_a[${TK * (TM + 1)}], staged_b[${TK * (TN + 1)}];
    const int tx = get_local_id(0), ty = get_local_id(1), lane = ty * ${TN // RN} + tx;
    const index_t across = (N + ${TN - 1}) / ${TN}, number = get_group_id(0);
    const index_t i0 = number / across * ${TM}, j0 = number % across * ${TN};
</%def>

## Each lane fetches `count` elements of a tile of `rows` rows; which index runs along the lanes (`major`: "k" or
## "row") is the one that is contiguous in memory. base is an expression in i, offset in k.
<%def name="stage_bases(name, rows, limit, first, major, base)">
<%  lanes = TM // RM * (TN // RN) %>\
% for n in range(rows * TK // lanes if major == "k" else max(1, rows // lanes)):
        size_t ${name}_base${n};
        {
            const index_t i = min((index_t)(${first} + ${f"lane / {TK} + {n * lanes // TK}" if major == "k" else f"lane % {rows} + {n * lanes}"}), (index_t)(${limit} - 1));
            ${name}_base${n} = ${base};
        }
% endfor
</%def>

<%def name="fetch(name, operand, rows, major, offset)">
<%  lanes = TM // RM * (TN // RN) %>\
% for n in range(rows * TK // lanes):
        {
<%      per = max(1, rows // lanes) %>\
            const index_t k = k0 + ${f"lane % {TK}" if major == "k" else f"lane / {rows} + {n // per * max(1, lanes // rows)}"};
            ${name}${n} = k < k_end ? LOAD(${operand}, ${name}_base${n if major == "k" else n % per} + ${offset}) : 0;
        }
% endfor
</%def>

<%def name="put(name, rows, major)">
<%  lanes = TM // RM * (TN // RN); per = max(1, rows // lanes) %>\
% for n in range(rows * TK // lanes):
% if major == "k":
            staged_${name}[lane % ${TK} * ${rows + 1} + lane / ${TK} + ${n * lanes // TK}] = ${name}${n};
% else:
            staged_${name}[(lane / ${rows} + ${n // per * max(1, lanes // rows)}) * ${rows + 1} + lane % ${rows} + ${n % per * lanes}] = ${name}${n};
% endif
% endfor
</%def>

## C tile at (i0, j0) of M x N over k in [k_begin, k_end); the body stores v at (i, j).
<%def name="tile(a, b, a_base, a_offset, b_base, b_offset, a_major, b_major)">
<%  lanes = TM // RM * (TN // RN) %>\
${stage_bases("a", TM, "M", "i0", a_major, a_base)}\
${stage_bases("b", TN, "N", "j0", b_major, b_base)}\
        acc ${", ".join(f"c{r}_{s} = 0" for r in range(RM) for s in range(RN))};
        acc ${", ".join(f"a{n} = 0" for n in range(TM * TK // lanes))}, ${", ".join(f"b{n} = 0" for n in range(TN * TK // lanes))};
        index_t k0 = k_begin;
${fetch("a", a, TM, a_major, a_offset)}\
${fetch("b", b, TN, b_major, b_offset)}\
        while (k0 < k_end) {
${put("a", TM, a_major)}\
${put("b", TN, b_major)}\
            barrier(CLK_LOCAL_MEM_FENCE);
            k0 += ${TK};  // the next tile is under way while this one is multiplied
${fetch("a", a, TM, a_major, a_offset)}\
${fetch("b", b, TN, b_major, b_offset)}\
            for (int k = 0; k < ${TK}; ++k) {
% for r in range(RM):
                const acc x${r} = staged_a[k * ${TM + 1} + ty + ${r * (TM // RM)}];
% endfor
% for s in range(RN):
                const acc z${s} = staged_b[k * ${TN + 1} + tx + ${s * (TN // RN)}];
% endfor
% for r in range(RM):
%   for s in range(RN):
                c${r}_${s} = fma(x${r}, z${s}, c${r}_${s});
%   endfor
% endfor
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
% for r in range(RM):
%   for s in range(RN):
        {
            const index_t i = i0 + ty + ${r * (TM // RM)}, j = j0 + tx + ${s * (TN // RN)};
            if (i < M && j < N) {
                acc v = c${r}_${s};
                ${caller.body()}
            }
        }
%   endfor
% endfor
</%def>

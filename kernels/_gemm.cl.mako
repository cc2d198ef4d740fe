/* gemm — the one GEMM core: matmul and every convolution are built from its parts.
 *
 * Computes  C[i,j] = epilogue(sum_k A[base(i) + offset(k)] * B(k,j)): the caller says what base and offset are,
 *           so an operand is a matrix, its transpose, or the windows of an image read in place
 * Layout    simd: B in panels, k-major, MR x NR (= NV * V) micro-tiles of C leave in the private array `tile`
 *           tile: both operands staged k-major in local memory, pitch one above the tile against bank conflicts
 * Defines   dtype, act (C expression of v: what the epilogue makes of a sum)
 * Tunables  V (lanes of a vector), MR (rows), NV (vectors) of the simd micro-tile
 *           TM, TN, TK (tile held by a work-group, 16-128), RM, RN (outputs per work-item)
 * Launch    simd: group (1); the work-item is the thread.   tile: group (TN/RN, TM/RM), a multiple of TK; a group per tile along the first axis; no
 *           return before a barrier; rows and columns outside load a clamped neighbour, k outside loads zero
 * Source    simd: Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008
 *           tile: Volkov, Demmel, "Benchmarking GPUs to Tune Dense Linear Algebra", 2008
 */

## What ends every sum: `act` is a C expression of v.
<%def name="epilogue()">\
static acc epilogue(acc v)
{
    return ${act};
}
</%def>

<%def name="vec()">${"double" if dtype == "f64" else "float"}${V}</%def>

<%def name="simd_kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(${vec()})))
void \
</%def>

## Rows a0.., panel b with pitch bs, depth kc -> tile. The accumulators are names: arrays of vectors would spill.
<%def name="micro(offset)">
% for i in range(MR):
%   for j in range(NV):
        ${vec()} c${i}_${j} = (${vec()})(0);
%   endfor
% endfor
        for (int k = 0; k < kc; ++k) {
            const index_t at = ${offset};
% for j in range(NV):
            const ${vec()} b${j} = vload${V}(${j}, b);
% endfor
% for i in range(MR):
            {
                const ${vec()} x = (${vec()})(a${i}[at]);
%   for j in range(NV):
                c${i}_${j} = fma(x, b${j}, c${i}_${j});
%   endfor
            }
% endfor
            b += bs;
        }
        acc tile[${MR * NV * V}];
% for i in range(MR):
%   for j in range(NV):
        vstore${V}(c${i}_${j}, ${i * NV + j}, tile);
%   endfor
% endfor
</%def>

## Functions that lay operands out for the micro-kernel.
<%def name="packing()">
/* to[k * pitch + l] = from[k * ld + l] for l < V; lanes not below `lanes` are zero. */
static void pack_rows(__global const real *from, const size_t ld, const int lanes, const int depth,
                      __global acc *to, const int pitch)
{
    for (int k = 0; k < depth; ++k, from += ld, to += pitch)
% if dtype in ("f32", "f64"):
        if (lanes >= ${V})
            vstore${V}(vload${V}(0, from), 0, to);
        else
% endif
            for (int l = 0; l < ${V}; ++l)
                to[l] = l < lanes ? LOAD(from, l) : 0;
}

/* to[k * pitch + l] = from[l * ld + k] for l < width; lanes not below `lanes` are zero. */
static void pack_columns(__global const real *from, const size_t ld, const int lanes, const int width,
                         const int depth, __global acc *to, const size_t pitch)
{
    int k = 0;
% if dtype in ("f32", "f64"):
    if (lanes >= ${V})
        for (; k + ${V} <= depth; k += ${V}) {
%   for l in range(V):
            const ${vec()} r${V}_${l} = vload${V}(0, from + ${l} * ld + k);
%   endfor
<%          d = V // 2 %>\
%   while d:
%     for l in range(V):
<%
            low, high = f"r{2 * d}_{l & ~d}", f"r{2 * d}_{l | d}"
            pick = [f"{high}.s{n if l & d else n - d:x}" if n & d else f"{low}.s{n + d if l & d else n:x}"
                    for n in range(V)]
%>\
            const ${vec()} r${d}_${l} = (${vec()})(${", ".join(pick)});
%     endfor
<%          d //= 2 %>\
%   endwhile
%   for l in range(V):
            vstore${V}(r1_${l}, 0, to + (size_t)(k + ${l}) * pitch);
%   endfor
        }
% endif
    for (; k < depth; ++k)
        for (int l = 0; l < width; ++l)
            to[(size_t)k * pitch + l] = l < lanes ? LOAD(from, (size_t)l * ld + k) : 0;
}
</%def>

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

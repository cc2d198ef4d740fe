/* gemm_simd — the GEMM core on CPUs: explicit vectors with lanes along j, A broadcast in place, B in panels.
 *
 * Layout    B in panels, k-major, MR x NR (= NV * V) micro-tiles of C in named vectors
 * Tunables  V (lanes of a vector), MR (rows), NV (vectors) of the micro-tile
 * Launch    group (1); the work-item is the thread
 * Source    Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008
 */
<%def name="vec()">${"double" if dtype == "f64" else "float"}${V}</%def>

<%def name="simd_kernel()">
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) __attribute__((vec_type_hint(${vec()})))
void \
</%def>

## Sums c<i>_<j> of `rows` rows (MR unless given) a0.. (or what `element` says of row i) and panel b with pitch bs,
## over depth kc. They are names: arrays of vectors would spill.
<%def name="sums(offset, rows=None, element='a{}[at]', vectors=None)">
<%  R, count = rows or MR, vectors or NV %>\
% for i in range(R):
%   for j in range(count):
        ${vec()} c${i}_${j} = (${vec()})(0);
%   endfor
% endfor
        for (int k = 0; k < kc; ++k) {
            const index_t at = ${offset};
% for j in range(count):
            const ${vec()} b${j} = vload${V}(${j}, b);
% endfor
% for i in range(R):
            {
                const ${vec()} x = (${vec()})(${element.format(i)});
%   for j in range(count):
                c${i}_${j} = fma(x, b${j}, c${i}_${j});
%   endfor
            }
% endfor
            b += bs;
        }
</%def>

## The same sums in the private array `tile`.
<%def name="micro(offset, rows=None, element='a{}[at]')">
<%  R = rows or MR %>\
${sums(offset, rows, element)}
        acc tile[${R * NV * V}];
% for i in range(R):
%   for j in range(NV):
        vstore${V}(c${i}_${j}, ${i * NV + j}, tile);
%   endfor
% endfor
</%def>

## Functions that lay operands out for the micro-kernel. `vectors`: whether loadv_<dtype> is there for the half types.
<%def name="packing(vectors=False)">
<%
    exact = dtype in ("f32", "f64")
    load = lambda p: f"vload{V}(0, {p})" if exact else f"loadv_{dtype}({p}, 0)"
%>\
/* to[k * pitch + l] = from[k * ld + l] for l < V; lanes not below `lanes` are zero. */
static void pack_rows(__global const real *from, const size_t ld, const int lanes, const int depth,
                      __global acc *to, const int pitch)
{
    for (int k = 0; k < depth; ++k, from += ld, to += pitch)
% if exact or vectors:
        if (lanes >= ${V})
            vstore${V}(${load("from")}, 0, to);
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
% if exact or vectors:
    if (lanes >= ${V})
        for (; k + ${V} <= depth; k += ${V}) {
%   for l in range(V):
            const ${vec()} r${V}_${l} = ${load(f"from + {l} * ld + k")};
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

/* matmul_skinny — products of one large matrix with at most 16 rows or columns: the large one is read once, at full width.
 *
 * Computes  matmul  C = act(A * B + bias + residual), see matmul; f counts the few rows of A (few = "m") or columns of B ("n"),
 *           j the rows or columns of the large matrix. With `split` the sums of one slice of K, unfinished (see _matmul_split)
 * Layout    see matmul; the large matrix is k-contiguous, or j-contiguous
 * Defines   those of matmul; few, split;  F  few rounded up to a power of two;  vw, vx  1 or 4: whether the contiguous axis of the
 *           large and k of the small operand come in multiples of 4
 * Tunables  WG (work-items of a group), LK (how many of them share a sum)
 * Launch    group WG; grid (groups of WG/LK*JC columns j, slices, batches: strides over them). Each item sums every LK-th piece of K,
 *           and a tree in local memory adds the LK sums
 * Source    textbook
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="tiles" file="_gemm_tile.cl.mako"/>\
<%namespace name="walk" file="_matmul_batch.cl.mako"/>\
<%
    along_k = tb if few == "m" else not ta   # how the large matrix lies
    small_k = not ta if few == "m" else tb
    large, small, J = ("B", "A", "N") if few == "m" else ("A", "B", "M")
    LJ = WG // LK
    JC = min(4, 32 // F) if along_k else vw
    sums = [(f, c) for f in range(F) for c in range(JC)]
    v = vw if along_k else 1                  # elements of k at once
    acc_k = "acc4" if v == 4 else "acc"
    chunk = 8
%>\
${gemm.epilogue()}
${tiles.types()}
${tiles.kernel(WG)}
% if split:
void matmul(__global const real *restrict A_all, __global const real *restrict B_all, __global acc *restrict partial,
            const int depth, ${walk.sizes()})
% else:
void matmul(__global const real *restrict A_all, __global const real *restrict B_all, ${gemm.ends()}__global real *restrict C,
            ${walk.sizes()})
% endif
{
    __local acc scratch[${min(chunk, len(sums)) * WG}];
    const int lane = get_local_id(0);
% if along_k:
    const int lk = lane % ${LK}, lj = lane / ${LK};
% else:
    const int lk = lane / ${LJ}, lj = lane % ${LJ};
% endif
    const int few = ${"M" if few == "m" else "N"}, J = ${J}, j0 = (get_group_id(0) * ${LJ} + lj) * ${JC};
% if split:
    const int k_begin = get_group_id(1) * depth, k_end = min(k_begin + depth, K);
% else:
    const int k_begin = 0, k_end = K;
% endif
    for (int z = get_global_id(2); z < batches; z += get_global_size(2)) {
${walk.batch()}\
        __global const real *A = A_all + za, *B = B_all + zb;
% for f in range(F):
        const index_t x${f} = min(${f}, few - 1)${" * (index_t)K" if small_k else ""};
% endfor
% if along_k:
%   for c in range(JC):
        const index_t w${c} = min(j0 + ${c}, J - 1) * (index_t)K;
        acc ${", ".join(f"s{f}_{c} = 0" for f in range(F))};
%   endfor
        for (int k = k_begin + lk * ${v}; k < k_end; k += ${LK * v}) {
%   for c in range(JC):
            const ${acc_k} l${c} = ${"LOAD4" if v == 4 else "LOAD"}(${large}, w${c} + k);
%   endfor
%   for f in range(F):
            {
%     if v == 4 and vx == 4:
                const acc4 x = LOAD4(${small}, x${f} + k);
%     elif v == 4:
                const acc4 x = (acc4)(${", ".join(f"LOAD({small}, x{f} + {f'(k + {e})' if small_k else f'(k + {e}) * (index_t)few'})" for e in range(4))});
%     else:
                const acc x = LOAD(${small}, x${f} + ${"k" if small_k else "k * (index_t)few"});
%     endif
%     for c in range(JC):
%       if v == 4:
                s${f}_${c} = ${"".join(f"fma(x.s{e}, l{c}.s{e}, " for e in range(4))}s${f}_${c}${")" * 4};
%       else:
                s${f}_${c} = fma(x, l${c}, s${f}_${c});
%       endif
%     endfor
            }
%   endfor
        }
% else:
        const index_t w = ${"max(0, min(j0, J - 4))" if vw == 4 else "min(j0, J - 1)"};
        ${"acc4" if vw == 4 else "acc"} ${", ".join(f"s{f} = 0" for f in range(F))};
        #pragma unroll 4
        for (int k = k_begin + lk; k < k_end; k += ${LK}) {
            const ${"acc4" if vw == 4 else "acc"} l = ${"LOAD4" if vw == 4 else "LOAD"}(${large}, w + k * (index_t)J);
%   for f in range(F):
            s${f} = fma(${"(acc4)" if vw == 4 else ""}(LOAD(${small}, x${f} + ${"k" if small_k else "k * (index_t)few"})), l, s${f});
%   endfor
        }
%   for f, c in sums:
        acc s${f}_${c} = s${f}${f".s{c}" if vw == 4 else ""};
%   endfor
% endif
% for first in range(0, len(sums), chunk):
<%  part = sums[first : first + chunk] %>\
%   for n, (f, c) in enumerate(part):
        scratch[${n * WG} + lane] = s${f}_${c};
%   endfor
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int half_way = ${LK // 2}; half_way > 0; half_way /= 2) {
            if (lk < half_way) {
%   for n in range(len(part)):
                scratch[${n * WG} + lane] += scratch[${n * WG} + lane + half_way${"" if along_k else f" * {LJ}"}];
%   endfor
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        for (int n = lk; n < ${len(part)}; n += ${LK}) {
            const int f = ${f"({first} + n) / {JC}"}, j = j0 + ${f"({first} + n) % {JC}"};
            if (f < few && j < J) {
                const index_t to = ((index_t)z * M + ${"f" if few == "m" else "j"}) * N + ${"j" if few == "m" else "f"};
                const acc sum = scratch[n * ${WG} + lane - lk${"" if along_k else f" * {LJ}"}];
% if split:
                partial[(index_t)get_group_id(1) * batches * M * N + to] = sum;
% else:
                ${tiles.end("C", 1, "j" if few == "m" else "f")("sum")}
% endif
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
% endfor
    }
}

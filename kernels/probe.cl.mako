/* probe — what the device can do at most: multiply-adds from registers, and a copy through memory.
 *
 * Computes  fma: y[i] = sum over lanes and chains of CHAINS independent recurrences a = fma(a, x, y), n times
 *           copy: y[i] = x[i]
 * Layout    flat vectors
 * Defines   V (lanes: 16 on CPUs, where a vector must be explicit; on GPUs 1 for fma, 4 for copy)
 * Tunables  CHAINS (12 chains of 16 lanes fill two pipes of latency 4 of 256 bits, and fit 32 registers of 512 or
 *           two of 256 bits each), WG
 * Launch    group (WG). fma: any number of work-items. copy: item i walks `chunk` vectors of its group, WG apart
 * Notes     x and y are arguments and the sum is stored, or a compiler would compute nothing at all
 * Source    textbook
 */
<%
    CHAINS = 12
    T = f"float{V}" if V > 1 else "float"
    lid = "0" if WG == 1 else "(index_t)get_local_id(0)"
%>
% if job == "fma":
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void fma_peak(__global float *restrict out, const float x, const float y, const int n)
{
    const ${T} vx = x, vy = y;
% for k in range(CHAINS):
    ${T} a${k} = ${k}.0f + x;
% endfor
    for (int i = 0; i < n; ++i) {
% for k in range(CHAINS):
        a${k} = fma(a${k}, vx, vy);
% endfor
    }
    const ${T} sum = ${" + ".join(f"a{k}" for k in range(CHAINS))};
    out[get_global_id(0)] = ${" + ".join(f"sum.s{k:x}" for k in range(V)) if V > 1 else "sum"};
}
% else:
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void copy_peak(__global const float *restrict x, __global float *restrict y, const index_t vectors, const index_t chunk)
{
    const index_t begin = (index_t)get_group_id(0) * chunk, end = min(begin + chunk, vectors);
    for (index_t i = begin + ${lid}; i < end; i += ${WG})
        vstore${V}(vload${V}(i, x), i, y);
}
% endif

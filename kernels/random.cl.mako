/* random — fills arrays with random numbers, drops elements at random, permutes at random.
 *
 * Computes  fill      y[i] = a number made of word i % 4 of Philox block offset + i / 4, where draw is
 *                     uniform  low + width * u                 u = the word's top bits, as many as y holds
 *                     normal   mean + std * Box-Muller         of the words of a pair, both results used
 *                     integer  low + (64 bits) mod span        the second word from c2 = 1
 *                     dropout  word < threshold ? 0 : x[i] * scale
 *           permute   y[i] = p(i), p a permutation of 0..n-1: a Feistel network over the bits of n - 1 whose
 *                     round function is Philox, repeated until the result is below n
 * Layout    flat; a work-item makes whole blocks of four neighbours
 * Defines   dtype   code of y (and x)      WG   work-group size (1 on CPUs)
 *           draw    as above, or "permutation" for permute
 * Tunables  chunk (an argument: blocks, or elements, a work-item walks; 1 on GPUs)
 * Launch    group (WG), grid ceil(blocks / chunk) rounded up to WG
 * Source    Salmon et al., SC 2011 (Philox); Box and Muller 1958; Luby and Rackoff 1988 (Feistel networks);
 *           Black and Rogaway 2002 (cycle walking)
 */
<%include file="_philox.cl.mako"/>
/* Fused multiply-adds would make the last bit depend on the device. */
#pragma OPENCL FP_CONTRACT OFF
% if draw != "permutation":
<%
    bits = {"f64": 53, "f16": 11, "bf16": 8}.get(dtype, 24)
    double = draw == "integer" or (dtype == "f64" and draw != "dropout")
    args = {
        "uniform": "const acc low, const acc width",
        "normal": "const acc mean, const acc std",
        "integer": "const long low, const ulong span",
        "dropout": "__global const real *restrict x, const uint threshold, const acc scale",
    }.get(draw)
    lanes = "xyzw"
%>
% if dtype == "f64":
#define UNIT(a, b) (((a) >> 5) * 0x1p-27 + ((b) >> 6) * 0x1p-53)
#define UNIT_ABOVE_0(a, b) (UNIT(a, b) + 0x1p-54)
% else:
#define UNIT(a, b) ((float)((a) >> ${32 - bits}) * 0x1p-${bits}f)
#define UNIT_ABOVE_0(a, b) ((float)(a) * 0x1p-32f + 0x1p-33f)
#define ANGLE(a, b) ((float)((a) >> 8) * 0x1p-24f)
% endif

<%def name="block(at, guard)">
        const uint4 v = philox(offset + (ulong)${at}, 0, 0, seed);
% if double:
        const uint4 e = philox(offset + (ulong)${at}, 1, 0, seed);
% else:
        const uint4 e = v;
% endif
% if draw == "normal":
% for a, b in ("xy", "zw"):
        const acc r${a} = sqrt(C(-2.0) * log(UNIT_ABOVE_0(v.${a}, e.${a})));
        const acc t${a} = C(2.0) * ${"UNIT" if dtype == "f64" else "ANGLE"}(v.${b}, e.${b});
% endfor
% endif
% for k, c in enumerate(lanes):
        ${"if (%d < n %% 4) " % k if guard else ""}{
            const index_t i = 4 * (index_t)${at} + ${k};
% if draw == "uniform":
            STORE(y, i, low + width * UNIT(v.${c}, e.${c}));
% elif draw == "normal":
            STORE(y, i, mean + std * (r${lanes[k - k % 2]} * ${"sinpi" if k % 2 else "cospi"}(t${lanes[k - k % 2]})));
% elif draw == "integer":
            STORE(y, i, low + (long)((((ulong)v.${c} << 32) | e.${c}) % span));
% else:
            STORE(y, i, v.${c} < threshold ? C(0.0) : LOAD(x, i) * scale);
% endif
        }
% endfor
</%def>
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void fill(${args}, __global real *restrict y, const index_t n, const index_t chunk, const ulong seed,
          const ulong offset)
{
    const index_t whole = n / 4;
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, whole);
    for (index_t b = lo; b < hi; ++b) {
${block("b", False)}
    }
    if (lo <= whole && whole < lo + chunk && n % 4) {
${block("whole", True)}
    }
}
% else:
#define ROUNDS 12

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void permute(__global real *restrict y, const index_t n, const index_t chunk, const ulong seed, const ulong offset,
             const uint left_bits, const uint right_bits)
{
    const uint left_mask = 0xffffffffu >> (32 - left_bits), right_mask = 0xffffffffu >> (32 - right_bits);
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    for (index_t i = lo; i < hi; ++i) {
        ulong at = i;
        do {
            uint left = (uint)(at >> right_bits), right = (uint)at & right_mask;
            for (uint r = 0; r < ROUNDS; r += 2) {
                left ^= philox(offset, right, r + 1, seed).x & left_mask;
                right ^= philox(offset, left, r + 2, seed).x & right_mask;
            }
            at = (ulong)left << right_bits | right;
        } while (at >= (ulong)n);
        STORE(y, i, (long)at);
    }
}
% endif

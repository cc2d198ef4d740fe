/* philox — a counter-based random number generator: the n-th number without the n-1 before it.
 *
 * Offers    philox(block, c2, c3, seed): the four 32-bit words of counter (block low, block high, c2, c3)
 *           under key (seed low, seed high)
 * Notes     Philox-4x32 with ten rounds. A call that draws n numbers takes the blocks offset + i / 4 with
 *           c2 = 0 (c2 = 1 has 32 more bits for each), so a number depends on (seed, offset, i) alone: not
 *           on the device, the work-group size or how work is cut up. c3 > 0 is left to permutations.
 * Source    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 */
static uint4 philox(ulong block, uint c2, uint c3, ulong seed)
{
    uint c0 = (uint)block, c1 = (uint)(block >> 32), k0 = (uint)seed, k1 = (uint)(seed >> 32);
% for _ in range(10):
    {
        const ulong a = (ulong)c0 * 0xD2511F53u, b = (ulong)c2 * 0xCD9E8D57u;
        c0 = (uint)(b >> 32) ^ c1 ^ k0;
        c1 = (uint)b;
        c2 = (uint)(a >> 32) ^ c3 ^ k1;
        c3 = (uint)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
% endfor
    return (uint4)(c0, c1, c2, c3);
}

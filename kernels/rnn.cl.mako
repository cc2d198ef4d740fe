/* rnn — the steps of a recurrent layer in one direction, and the way back through them.
 *
 * Computes  forward   tanh, relu: h[t] = act(gates[t] + W h[t-1])
 *                     lstm: i, f, u, o = gates[t] + W h[t-1]; c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(u),
 *                     h[t] = sigmoid(o) tanh(c[t])
 *                     gru: p = W h[t-1] + bias; r, z = sigmoid(gates[t] + p), u = tanh(gates[t] + r p),
 *                     h[t] = (1 - z) u + z h[t-1]
 *                     gru_before: r, z so, u = tanh(gates[t] + W (r h[t-1]) + bias)
 *           backward  the gradients by gates[t] (of a gru also by p), by h0 and c0, from those by every h[t] and the last state
 *           previous  the state that each step started from
 *           widen     h0 in the accumulator's type
 * Layout    gates (steps, N, G * H), w (G * H, H), states (steps + 1, N, H), the last h after all others; for lstm
 *           (steps + 2, N, H), then the last c. Residuals: cs (steps, N, H), acts (steps, N, 4 * H): gates after their
 *           functions; of a gru r, z, u, p of u; of a gru_before r, z, u, r h. backward: `states` are cs for lstm, `first` is c0 or h0
 * Defines   dtype, mode (tanh, relu, lstm, gru, gru_before), stage (forward, backward, previous, widen, pack), keep (bool: write the residuals)
 *           bias (bool), lengths (None, i32 or i64: code of the ends of rows), engine (simd, tile, copy), V (lanes), VP (from gate to
 *           gate of a product)
 * Tunables  MR, NV: see _rnn_simd.   TU, TR, RM, TK: see _rnn_tile
 * Launch    see the engines: simd has all steps in one launch or one product of a step per launch, tile the latter.
 *           previous, widen: grid (items), each with `chunk` elements
 * Notes     flops: 2 N G H^2 a step, each way. Bytes: w once per work-group and step. Rows do not depend on each other
 * Source    Hochreiter, Schmidhuber, "Long short-term memory", 1997; Cho et al., 2014; Werbos, "Backpropagation through
 *           time", 1990
 */
% if engine == "copy":
${copies()}
% elif engine == "simd":
<%include file="_rnn_simd.cl.mako"/>
% else:
<%include file="_rnn_tile.cl.mako"/>
% endif

<%def name="copies()">
% if stage == "previous":
__kernel void previous(__global const real *restrict states, __global const real *restrict h0, ${f"__global const {lengths}_t *restrict lengths, " if lengths else ""}__global real *restrict out,
                       const index_t count, const int steps, const int N, const int H, const int reverse, const int chunk)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, count);
    for (index_t row = from; row < to; ++row) {
        const int t = row / N, n = row - (index_t)t * N;
        const int start = reverse ? t == steps - 1${" || t + 1 >= (int)lengths[n]" if lengths else ""} : t == 0;
        __global const real *source = start ? h0 + (index_t)n * H : states + (reverse ? row + N : row - N) * H;
        for (int j = 0; j < H; ++j)
            out[row * H + j] = source[j];
    }
}
% else:
__kernel void widen(__global const real *restrict x, __global acc *restrict out, const index_t count, const int chunk)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, count);
    for (index_t i = from; i < to; ++i)
        out[i] = LOAD(x, i);
}
% endif
</%def>

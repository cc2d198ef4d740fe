/* activation — the gated linear unit; the other activations are expressions of elementwise.cl.mako.
 *
 * Computes  glu       y[o,i] = x[o,i] * sigmoid(x[o,n+i])
 *           glu_grad  gx[o,i] = g[o,i] * s,  gx[o,n+i] = g[o,i] * x[o,i] * s * (1 - s),  s = sigmoid(x[o,n+i])
 * Layout    row-major; y and g (outer, n), x and gx (outer, 2n), where n counts the elements from the split
 *           axis on
 * Defines   dtype
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements of y a work-item walks)
 * Launch    group (WG), grid ceil(size / chunk) rounded up to WG
 * Source    Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016
 */
static acc gate(const acc x) { return 1 / (1 + exp(-x)); }

<%def name="kernel(name, operands)">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ${name}(${operands}, const index_t size, const index_t n, const index_t chunk)
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, size);
    for (index_t at = lo; at < hi;) {
        const index_t row = at / n;
        const index_t m = min((row + 1) * n - at, hi - at);
        const index_t first = at + row * n;
        for (index_t t = 0; t < m; ++t) {
            ${caller.body()}
        }
        at += m;
    }
}
</%def>\
<%self:kernel name="glu" operands="__global const real *restrict x, __global real *restrict y">\
STORE(y, at + t, LOAD(x, first + t) * gate(LOAD(x, first + n + t)));\
</%self:kernel>\
<%self:kernel name="glu_grad" operands="__global const real *restrict g, __global const real *restrict x, __global real *restrict gx">\
const acc s = gate(LOAD(x, first + n + t));
            const acc gs = LOAD(g, at + t) * s;
            STORE(gx, first + t, gs);
            STORE(gx, first + n + t, gs * LOAD(x, first + t) * (1 - s));\
</%self:kernel>

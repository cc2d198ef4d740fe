/* gemm — the one GEMM core: matmul and every convolution are built from its parts, in engines of their own files.
 *
 * Computes  C[i,j] = act(sum_k A[base(i) + offset(k)] * B(k,j) + bias + residual[i,j]): the caller says what base and
 *           offset are, so an operand is a matrix, its transpose, or the windows of an image read in place
 * Engines   _gemm_simd: CPUs, explicit vectors.   _gemm_tile: GPUs, tiles in local memory.   mma: tensor cores, to come;
 *           it takes the operands and ends of _gemm_tile, with an instruction where that has fma
 * Defines   dtype, act (C expression of v), bias, residual (bool)
 */
## What ends every sum: `act` is a C expression of v, which may call functions of _math. `vector`: T is there, and v is one.
<%def name="epilogue(vector=False)">\
% if act != "v" and not vector:
typedef acc T;
% endif
% if "(" in act.replace("(T)", ""):
<%include file="_math.cl.mako"/>
% endif
static ${"T" if vector else "acc"} epilogue(const ${"T" if vector else "acc"} v)
{
    return ${act};
}
</%def>

## The operands of the epilogue as arguments of a kernel, and as they are added to a sum: bias is one of `b` per
## row or column, residual lies at `at` of where the result goes.
<%def name="ends()">${"__global const real *restrict bias, " if bias else ""}${"__global const real *restrict residual, " if residual else ""}</%def>\
<%def name="extra(b, at)">${f" + LOAD(bias, {b})" if bias else ""}${f" + LOAD(residual, {at})" if residual else ""}</%def>\

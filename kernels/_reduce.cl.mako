/* reduce — the one work-group reduction, and vectors of 16 for the work-items of CPUs.
 *
 * Computes  group: v = v_0 (+) v_1 (+) ... (+) v_(WG-1) on every work-item, for an associative expression in a, b
 *           vectors: the types TV and IV (masks and indices of TV), VLOAD(p) of 16 elements as TV and, for floats,
 *           VSTORE(v, p) back
 *           folding: a function that gives the same (+) over the 16 lanes of one vector
 * Layout    one slot of local memory per work-item, declared by scratch() at the top of the kernel
 * Defines   none of its own: arguments of the defs
 * Tunables  WG (work-group size, any from 1; 1 expands to nothing: no local memory, no barrier)
 * Launch    every work-item of the group reaches group(): no return before it, no divergent branch around it
 * Notes     a fixed tree, so results repeat bit for bit; the last barrier frees the scratch for the next call
 * Source    Harris, "Optimizing Parallel Reduction in CUDA", 2007 (sequential addressing)
 */

<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%def name="scratch(name, type, WG)">
% if WG > 1:
    __local ${type} ${name}[${WG}];
% endif
</%def>

## span, a power of two: the reduction of every `span` neighbouring work-items instead, left in all of them.
<%def name="group(v, scratch, combine, WG, type='acc', span=None)">
% if (span or WG) > 1:
    {
        const int lid = (int)get_local_id(0);
        ${scratch}[lid] = ${v};
        barrier(CLK_LOCAL_MEM_FENCE);
<%    n = span or WG %>\
%   while n > 1:
<%      half = (n + 1) // 2 %>\
        if (${f"(lid & {span - 1})" if span else "lid"} < ${n - half}) {
            const ${type} a = ${scratch}[lid], b = ${scratch}[lid + ${half}];
            ${scratch}[lid] = ${combine};
        }
        barrier(CLK_LOCAL_MEM_FENCE);
<%      n = half %>\
%   endwhile
        ${v} = ${scratch}[${f"lid & ~{span - 1}" if span else "0"}];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
% endif
</%def>

<%def name="vectors(dtype, ctype)">
typedef ${ctype}16 TV;
typedef ${"long" if ctype in ("double", "long") else "int"}16 IV;
<%
    load = {"f16": "vload_half16(0, (__global const half *)(p))",
            "bf16": "as_float16(convert_uint16(vload16(0, p)) << 16)"}.get(dtype, "vload16(0, p)")
    same = dtype in ("f16", "bf16") or {"f32": "float", "f64": "double", "i32": "int", "i64": "long"}.get(dtype) == ctype
%>\
#define VLOAD(p) ${load if same else f"convert_{ctype}16({load})"}
% if dtype == "bf16":
${lanes.bf16("to_bf16_v", 16)}\
% endif
#define VSTORE(v, p) ${{"f16": "vstore_half16_rte(v, 0, (__global half *)(p))", "bf16": "vstore16(to_bf16_v(v), 0, p)"}.get(dtype, "vstore16(v, 0, p)")}
</%def>

## `combine` is an expression in a, b that reads alike for vectors and scalars.
<%def name="folding(name, ctype, combine)">
static ${ctype} ${name}(const ${ctype}16 v)
{
% for n in (8, 4, 2, 1):
<%  part, kind = (f"half{2 * n}" if n < 8 else "v"), f"{ctype}{n if n > 1 else ''}" %>\
    ${kind} half${n};
    {
        const ${kind} a = ${part}.lo, b = ${part}.hi;
        half${n} = ${combine};
    }
% endfor
    return half1;
}
</%def>

/* lanes — loads and stores of V neighbouring elements of any dtype, for work-items of CPUs.
 *
 * Computes  io: loadv_<code>(p, i), p[i .. i + V) as `base`V, and storev_<code>(p, i, v), rounded to nearest even
 *           bf16: a function that rounds V floats to nearest even, as to_bf16 does one
 *           fetch: FETCH(p), a hint that memory is needed soon
 * Layout    no alignment beyond the element's
 * Defines   none of its own: code, base ("float", "double", "int" or "long": what is computed in) and V (2, 4, 8,
 *           16) are arguments
 * Notes     storev_b8 takes any vector, also what a comparison gives
 * Source    _prelude.cl.mako, whose scalar loads and stores these repeat for vectors
 */
<%def name="bf16(name, V)">\
static ushort${V} ${name}(const float${V} v)
{
    const uint${V} u = as_uint${V}(v);
    return convert_ushort${V}(select((u + 0x7fffu + ((u >> 16) & 1u)) >> 16, (u >> 16) | 0x40u, isnan(v)));
}
</%def>\
<%def name="io(code, base, V)">
<%
    kinds = {"f64": "double", "i32": "int", "i64": "long", "u8": "uchar", "b8": "uchar"}
    kind = kinds.get(code, "float")
    v = "v" if kind == base else f"convert_{kind}{V}({f'convert_int{V}(v)' if code == 'u8' else 'v'})"
    load, store = {
        "f16": ("half_lanes((p) + (i))", f"vstore{V}(to_half_lanes({v}), 0, (p) + (i))"),
        "bf16": (f"as_float{V}(convert_uint{V}(vload{V}(0, (p) + (i))) << 16)", f"vstore{V}(to_bf16_lanes({v}), 0, (p) + (i))"),
        "b8": (f"vload{V}(0, (p) + (i))", f"vstore{V}(convert_uchar{V}((v) != 0) & (uchar)1, 0, (p) + (i))"),
    }.get(code, (f"vload{V}(0, (p) + (i))", f"vstore{V}({v}, 0, (p) + (i))"))
%>
% if code == "bf16":
${bf16("to_bf16_lanes", V)}\
% endif
% if code == "f16":
/* Through aligned private memory: PoCL's vload_half and vstore_half of vectors fault on odd addresses. */
static float${V} half_lanes(__global const ushort *p)
{
    ushort t[${V}] __attribute__((aligned(64)));
    vstore${V}(vload${V}(0, p), 0, t);
    return vload_half${V}(0, (const half *)t);
}
static ushort${V} to_half_lanes(const float${V} v)
{
    ushort t[${V}] __attribute__((aligned(64)));
    vstore_half${V}_rte(v, 0, (half *)t);
    return vload${V}(0, t);
}
% endif
#define loadv_${code}(p, i) ${load if kind == base else f"convert_{base}{V}({load})"}
#define storev_${code}(p, i, v) ${store}
</%def>

## FETCH(p) brings what p points at to the second-level cache, where compilers can say so (OpenCL's own prefetch is empty there).
<%def name="fetch()">
#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch)
#define FETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2)
#endif
#endif
#ifndef FETCH
#define FETCH(p) (void)(p)
#endif
</%def>

/* loss — the sum of a loss per element, which never reaches memory; the losses are expressions, as in elementwise.
 *
 * Computes  y[group] = sum_i expr(a0[i], a1[i], ..., settings) / count, over the group's slice of the elements
 * Layout    contiguous operands of one shape; y has one element per group, so a second launch with expr "a0" on one
 *           group ends the sum
 * Defines   expr      C expression of type T in a0.., the settings and the functions of _math
 *           dtype, compute  code of the sums (f32 or f64)     out  code of y
 *           inputs    code per operand                        settings  names of further arguments
 * Tunables  WG; V (elements of a work-item at a time); chunk (an argument: elements of a group)
 * Launch    group (WG), a group per chunk
 * Notes     byte floor: the operands are read once, nothing but 1 / chunk of that is written
 * Source    blocked summation: Higham, "The accuracy of floating point summation", 1993
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%namespace name="vector" file="_vector.cl.mako"/>\
<%
    ctype = "double" if compute == "f64" else "float"
    args = [f"__global const {code}_t *restrict p{k}" for k, code in enumerate(inputs)]
    args += [f"__global {out}_t *restrict y", *(f"const acc s{k}" for k in range(len(settings)))]
    args += ["const acc count", "const index_t n", "const index_t chunk"]
%>\
${vector.types(ctype, V)}\
% for code in sorted(set(inputs)):
${vector.load(code, ctype, V)}\
% endfor
${vector.fold("sum", ctype, "a + b", V)}\
<%include file="_math.cl.mako" args="lanes=V"/>

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void total(${", ".join(args)})
{
${reduce.scratch("scratch", "acc", WG)}
% for k, name in enumerate(settings):
    const T ${name} = (T)s${k};
% endfor
    const index_t lo = (index_t)get_group_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    T sums = (T)0;
    for (index_t first = lo; first < hi; first += ${64 * WG * V}) {
        const index_t end = min(first + ${64 * WG * V}, hi);
        T piece = (T)0; /* emptied often, so that errors do not grow with chunk */
        for (index_t i = first + (index_t)get_local_id(0) * ${V}; i < end; i += ${WG * V}) {
% for k, code in enumerate(inputs):
            const T a${k} = some_${code}(p${k} + i, end - i, 0);
% endfor
            const T v = ${expr};
            piece += end - i < ${V} ? keep(v, end - i) : v;
        }
        sums += piece;
    }
    acc v = sum(sums);
${reduce.group("v", "scratch", "a + b", WG)}
    if (get_local_id(0) == 0)
        store_${out}(y, get_group_id(0), v / count);
}

/* movement — copies between two strided views of memory: permute, slices, flips, expand, cat, padding.
 *
 * Computes  copy       y[y0 + sum_d i_d * t_d] = x[x0 + sum_d i_d * s_d], or a constant, for all i_d < n_d
 * Layout    any strides, in elements; negative ones flip, zero ones repeat. The host merges axes that are
 *           adjacent in both views, so a contiguous copy has one axis.
 * Defines   size     bytes of an element: values are moved as they are, whatever they mean
 *           rank     merged axes; sizes and strides are arguments
 *           inner    (x stride, y stride) of the last axis where 0 or 1, else None: an argument
 *           constant whether `x` is a value's bits instead of an array
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements a work-item walks; 1 on GPUs)
 * Launch    group (WG), grid ceil(n / chunk) rounded up to WG
 * Source    textbook
 */
<%
    item = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}[size]
%>
typedef ${item} item;

<%
    last = rank - 1
    source = "const ulong x" if constant else "__global const item *restrict x, const index_t x0"
    args = [source, "__global item *restrict y", "const index_t y0", "const index_t n", "const index_t chunk"]
    args += [f"const index_t n{d}" for d in range(rank)]
    if not constant:
        args += [f"const index_t s{d}" for d in range(rank)]
    args += [f"const index_t t{d}" for d in range(rank)]
    step = lambda k, name: "0" if inner[k] == 0 else "k" if inner[k] == 1 else f"k * {name}{last}"
%>
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void copy(${", ".join(args)})
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    index_t rest = lo;
% for d in reversed(range(1, rank)):
    index_t i${d} = rest % n${d};
    rest /= n${d};
% endfor
    index_t i0 = rest;
% if not constant:
    index_t from = x0${"".join(f" + i{d} * s{d}" for d in range(last))};
% endif
    index_t to = y0${"".join(f" + i{d} * t{d}" for d in range(last))};
    for (index_t at = lo; at < hi;) {
        const index_t end = min(n${last}, i${last} + hi - at);
        at += end - i${last};
        for (index_t k = i${last}; k < end; ++k)
            y[to + ${step(1, "t")}] = ${"(item)x" if constant else f"x[from + {step(0, 's')}]"};
        i${last} = 0;
% for d in reversed(range(last)):
        ${"" if constant else f"from += s{d}; "}to += t${d};
        if (++i${d} < n${d})
            continue;
        ${"" if constant else f"from -= n{d} * s{d}; "}to -= n${d} * t${d};
        i${d} = 0;
% endfor
    }
}

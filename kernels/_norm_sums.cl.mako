/* norm_sums — sums over the lanes and work-items of a loop: declared, added to inside of it, then everywhere in `name`.
 *
 * Computes  declare(name): the sums of a loop; a vector at hand adds to name_v, or with several chains to name_v, name_v1, ...
 *           which do not wait for each other; a scalar adds to name.   collect(name): all of these
 * Defines   those of norm, which has sum_of(v), the sum of the lanes of a vector
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>\
<%!
    def chain(u):
        return f"_v{u or ''}"
%>\
<%def name="declare(*names, chains=1)">
        acc ${", ".join(f"{n} = 0" for n in names)};
% if V > 1:
        ${"double" if dtype == "f64" else "float"}${V} ${", ".join(f"{n}{chain(u)} = 0" for n in names for u in range(chains))};
% endif
</%def>
<%def name="collect(*names, chains=1)">
% for n in names:
%   if V > 1:
        ${n} += sum_of(${" + ".join(f"{n}{chain(u)}" for u in range(chains))});
%   endif
${reduce.group(n, "scratch", "a + b", WG)}
% endfor
</%def>

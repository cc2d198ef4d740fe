/* stream — stores past the caches, for results that no cache would hold until they are read, and reads ahead.
 *
 * Computes  stores: stream(v, p), a vector of V elements to p; ordinary stores unless `on`, where p is not aligned to the
 *           vector, and where the compiler knows no better.   ahead: AHEAD(p), the line at p is wanted soon
 * Layout    contiguous elements
 * Defines   none of its own: ctype ("float" or "double"), V and on are arguments
 * Notes     an ordinary store reads the line that it writes to first: a third of what a copy moves
 * Source    Intel, "64 and IA-32 Architectures Optimization Reference Manual", on non-temporal stores
 */
<%def name="stores(ctype, V, on)">
static void stream(const ${ctype}${V} v, __global ${ctype} *p)
{
% if on:
#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
    if (((size_t)p & (sizeof(v) - 1)) == 0) {
        __builtin_nontemporal_store(v, (__global ${ctype}${V} *)p);
        return;
    }
#endif
#endif
% endif
    vstore${V}(v, 0, p);
}
</%def>

<%def name="ahead()">
#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch)
#define AHEAD(p) __builtin_prefetch(p)
#endif
#endif
#ifndef AHEAD
#define AHEAD(p) ((void)0)
#endif
</%def>

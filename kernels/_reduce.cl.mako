/* _reduce — the one work-group reduction: every kernel whose work-items share a result uses it.
 *
 * Computes  v = v_0 (+) v_1 (+) ... (+) v_(WG-1) on every work-item, for any associative expression in a and b
 * Layout    one slot of local memory per work-item, declared by scratch() at the top of the kernel
 * Defines   none
 * Tunables  WG (work-group size, any from 1; 1 expands to nothing: no local memory, no barrier)
 * Launch    every work-item of the group reaches the call: no return before it, no divergent branch around it
 * Notes     a fixed tree, so results repeat bit for bit; the last barrier frees the scratch for the next call
 * Source    Harris, "Optimizing Parallel Reduction in CUDA", 2007 (sequential addressing)
 */

<%def name="scratch(name, type, WG)">
% if WG > 1:
    __local ${type} ${name}[${WG}];
% endif
</%def>

<%def name="group(v, scratch, combine, WG, type='acc')">
% if WG > 1:
    {
        const int lid = (int)get_local_id(0);
        ${scratch}[lid] = ${v};
        barrier(CLK_LOCAL_MEM_FENCE);
<%    n = WG %>
%   while n > 1:
<%      half = (n + 1) // 2 %>
        if (lid < ${n - half}) {
            const ${type} a = ${scratch}[lid], b = ${scratch}[lid + ${half}];
            ${scratch}[lid] = ${combine};
        }
        barrier(CLK_LOCAL_MEM_FENCE);
<%      n = half %>
%   endwhile
        ${v} = ${scratch}[0];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
% endif
</%def>

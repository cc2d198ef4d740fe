/* narrow — how many work-items share a thread of Intel's GPUs, where its compiler would take too many.
 *
 * Computes  attribute: what stands between a kernel's other attributes and its name; nothing on all other devices
 * Layout    none
 * Launch    groups are multiples of 16 work-items, or smaller
 * Notes     Intel's GPUs with 128 KB of local memory have registers of 64 bytes: 16 work-items that hold much fill those of
 *           a thread, and 32, the compiler's first choice, spill
 */
<%!
    def wide_registers(device):
        return device.kind == "gpu" and "intel" in device.vendor.lower() and device.local_mem > 65536
%>\
<%def name="attribute()">${" __attribute__((intel_reqd_sub_group_size(16)))" if wide_registers(device) else ""}</%def>

/* capability — small kernels that use one feature of a device each, to see whether it works.
 *
 * Computes  half_math:  y = a * b + c in half
 *           double:     y = a * b + c in double, bits of doubles in longs
 *           half_store: h = float16 of x, to nearest even; y = what is read back
 *           long:       y = a * b + (a >> 7) - (b << 3)
 *           group:      y = x in reverse within each work-group, through local memory
 *           local:      every element of local memory of SIZE floats is written by one work-item and read by another
 *           sub_group:  y = the sum of ones over the sub-group of the work-item
 *           image:      y = 2 x, x an image of floats
 * Layout    flat vectors; the image has 8 columns
 * Defines   job (what to compute), WG (work-items of a group), SIZE (floats of local memory)
 * Launch    group: (WG), one or two groups; local: one group of (WG); else any grid
 * Source    textbook
 */
% if job == "half_math":
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
__kernel void half_math(__global const half *a, __global const half *b, __global const half *c, __global half *y)
{
    const int i = get_global_id(0);
    y[i] = a[i] * b[i] + c[i];
}
% elif job == "double":
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
__kernel void double_math(__global const long *a, __global const long *b, __global const long *c, __global long *y)
{
    const int i = get_global_id(0);
    y[i] = as_long(as_double(a[i]) * as_double(b[i]) + as_double(c[i]));
}
% elif job == "half_store":
__kernel void half_store(__global const float *x, __global f16_t *h, __global float *y)
{
    const int i = get_global_id(0);
    store_f16(h, i, x[i]);
    y[i] = load_f16(h, i);
}
% elif job == "long":
__kernel void long_math(__global const long *a, __global const long *b, __global long *y)
{
    const int i = get_global_id(0);
    y[i] = a[i] * b[i] + (a[i] >> 7) - (b[i] << 3);
}
% elif job == "group":
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void group_reverse(__global const float *x, __global float *y)
{
    __local float scratch[${WG}];
    const int l = get_local_id(0), i = get_global_id(0);
    scratch[l] = x[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    y[i] = scratch[${WG} - 1 - l];
}
% elif job == "local":
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void local_reverse(__global const float *x, __global float *y)
{
    __local float scratch[${SIZE}];
    const int l = get_local_id(0);
    for (int i = l; i < ${SIZE}; i += ${WG})
        scratch[i] = x[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = l; i < ${SIZE}; i += ${WG})
        y[i] = scratch[${SIZE} - 1 - i];
}
% elif job == "sub_group":
#ifdef cl_khr_subgroups
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#endif
#ifdef cl_intel_subgroups
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
#endif
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void sub_group_sum(__global int *y)
{
    y[get_global_id(0)] = sub_group_reduce_add(1) - (int)get_sub_group_size();
}
% else:
__kernel void image_read(__read_only image2d_t x, __global float *y)
{
    const sampler_t nearest = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP_TO_EDGE | CLK_FILTER_NEAREST;
    const int i = get_global_id(0);
    vstore4(2.0f * read_imagef(x, nearest, (int2)(i % 8, i / 8)), i, y);
}
% endif

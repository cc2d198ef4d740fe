/* prelude — element types, loads and stores; emitted before every family.
 *
 * Codes     f32 f64 f16 bf16 i32 i64 u8 b8 (bool). For each: <code>_t in memory, load_<code>(p, i) to the
 *           compute type (float for f16 and bf16, int for u8 and b8) and store_<code>(p, i, v) from any number.
 * Defines   dtype (or None): gives real (= <dtype>_t), acc (what sums are kept in), LOAD, STORE
 *           compute (code, f32 or f64 with the precision of dtype unless given): what _math computes in
 *           wide (bool): index_t is long, for operands of 2^30 elements or more
 * Notes     float16 goes through vload_half, bfloat16 through a shift: both are core OpenCL 1.2, so every
 *           device stores them. C(x) is a floating literal in the precision of acc.
 */
% if device.fp64:
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
% endif
typedef ${"long" if wide else "int"} index_t;

typedef float f32_t;
typedef ushort f16_t;
typedef ushort bf16_t;
typedef int i32_t;
typedef long i64_t;
typedef uchar u8_t;
typedef uchar b8_t;

#define load_f32(p, i) ((p)[i])
#define load_f16(p, i) vload_half((size_t)(i), (__global const half *)(p))
#define load_bf16(p, i) as_float((uint)(p)[i] << 16)
#define load_i32(p, i) ((p)[i])
#define load_i64(p, i) ((p)[i])
#define load_u8(p, i) ((int)(p)[i])
#define load_b8(p, i) ((int)(p)[i])

#define store_f32(p, i, v) ((p)[i] = (float)(v))
#define store_f16(p, i, v) vstore_half_rte((float)(v), (size_t)(i), (__global half *)(p))
#define store_bf16(p, i, v) ((p)[i] = to_bf16((float)(v)))
#define store_i32(p, i, v) ((p)[i] = (int)(v))
#define store_i64(p, i, v) ((p)[i] = (long)(v))
#define store_u8(p, i, v) ((p)[i] = (uchar)(int)(v))
#define store_b8(p, i, v) ((p)[i] = (uchar)((v) != 0))

% if device.fp64:
typedef double f64_t;
#define load_f64(p, i) ((p)[i])
#define store_f64(p, i, v) ((p)[i] = (double)(v))
% endif

/* Round to nearest even; a NaN keeps a mantissa bit, or it would become infinity. */
static ushort to_bf16(float v)
{
    const uint u = as_uint(v);
    return isnan(v) ? (ushort)((u >> 16) | 0x40u) : (ushort)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

% if dtype is not None:
typedef ${dtype}_t real;
typedef ${{"f64": "double", "i64": "long", "i32": "int", "u8": "int", "b8": "int"}.get(dtype, "float")} acc;
#define LOAD(p, i) load_${dtype}(p, i)
#define STORE(p, i, v) store_${dtype}(p, i, v)
#define C(x) ${"x" if dtype == "f64" else "x##f"}
% endif

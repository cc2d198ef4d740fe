/* gemm_tile — the GEMM core on GPUs: tiles of both operands in local memory, a block of C in registers.
 *
 * Layout    both operands k-major in local memory, twice: one tile is multiplied while the next arrives through registers,
 *           so a step along K has one barrier. A work-item owns blocks of 4 x 4, TM/RM*4 rows and TN/RN*4 columns apart, so
 *           that its reads are 16 bytes wide; rows are padded by 4 against bank conflicts
 * Tunables  TM, TN (tile held by a work-group, 32-128), TK (8, 16), RM, RN (outputs per work-item: 4, 8)
 * Launch    group TM/RM * TN/RN along the first axis (a multiple of 32), a group per tile; no return before a barrier
 *           Rows and columns outside load a clamped neighbour. The first tile of k is the ragged one: k outside loads
 *           zero there, and no later step asks
 * Source    Volkov, Demmel, "Benchmarking GPUs to Tune Dense Linear Algebra", 2008; Nath, Tomov, Dongarra, "An Improved MAGMA
 *           GEMM for Fermi GPUs", 2010 (registers as the second buffer)
 */
<%namespace name="narrow" file="_narrow.cl.mako"/>\
<%namespace name="lanes" file="_lanes.cl.mako"/>\
## Vectors of 4 in memory: addresses are multiples of 4 elements.
<%def name="types()">\
typedef ${"double4" if dtype == "f64" else "float4"} acc4;
% if dtype == "f16":
#define LOAD4(p, i) vloada_half4(0, (__global const half *)(p) + (i))
#define STORE4(p, i, v) vstorea_half4_rte(v, 0, (__global half *)(p) + (i))
% elif dtype == "bf16":
#define LOAD4(p, i) as_float4(convert_uint4(*(__global const ushort4 *)((p) + (i))) << 16)
/* Four at once: rounded one by one, 64 results want more registers than Intel's GPUs have. */
${lanes.bf16("to_bf16_4", 4)}\
#define STORE4(p, i, v) (*(__global ushort4 *)((p) + (i)) = to_bf16_4(v))
% else:
#define LOAD4(p, i) (*(__global const acc4 *)((p) + (i)))
#define STORE4(p, i, v) (*(__global acc4 *)((p) + (i)) = (v))
% endif
</%def>

## What stands before a kernel of so many work-items.
<%def name="kernel(items)">\
__kernel __attribute__((reqd_work_group_size(${items}, 1, 1)))${narrow.attribute()}\
</%def>

## At function scope, where OpenCL wants local arrays. Tiles follow each other down bands of 8 tiles, so that groups that run
## together read the same of both operands; lanes of 8 x 4 work-items read 8 and 4 pieces of them.
<%def name="place()">\
<%  wide = TN // RN // 8 %>\
    __local acc4 staged_a[${2 * TK * (TM + 4) // 4}], staged_b[${2 * TK * (TN + 4) // 4}];
    const int lane = get_local_id(0);
    const int tx = lane / 32 % ${wide} * 8 + lane / 2 % 8, ty = lane / ${32 * wide} * 4 + lane % 32 / 16 * 2 + lane % 2;
    const index_t across = (N + ${TN - 1}) / ${TN}, number = get_group_id(0), band = number / (8 * across);
    const index_t height = min((index_t)8, (M + ${TM - 1}) / ${TM} - 8 * band), within = number - 8 * across * band;
    const index_t i0 = (8 * band + within % height) * ${TM}, j0 = within / height * ${TN};
</%def>

## How the lanes share out the tile of operand x, a dict: name, rows ("M" or "N"), memory (a pointer), major (which index
## is contiguous: "k" or "row"), vector (1 or 4: elements loaded at once along it), base (an expression in i), offset (in k),
## limit (rows there are in memory, if not M or N).
## Gives pieces per lane, lanes that have any, and the row and k of piece n.
<%def name="share(x)"><%
    size, lanes, v = {"M": TM, "N": TN}[x["rows"]], TM // RM * (TN // RN), x["vector"]
    along = (TK if x["major"] == "k" else size) // v  # pieces along the contiguous axis
    pieces = size * TK // v
    count, busy = max(1, pieces // lanes), min(lanes, pieces)
    if along <= lanes:
        first = [f"lane % {along} * {v}"] * count
        second = [f"lane / {along} + {n * lanes // along}" for n in range(count)]
    else:
        per = along // lanes
        first = [f"(lane + {n % per * lanes}) * {v}" for n in range(count)]
        second = [str(n // per) for n in range(count)]
    row, k = (second, first) if x["major"] == "k" else (first, second)
    x |= {"size": size, "count": count, "busy": busy if busy < lanes else None, "row": row, "k": k,
          "start": {"M": "i0", "N": "j0"}[x["rows"]],
          "limit": x.get("limit", x["rows"]), "bases": list(dict.fromkeys(row))}
%></%def>

<%def name="bases(x)">\
% for n, row in enumerate(x["bases"]):
        index_t ${x["name"]}_base${n};
        {
            const index_t i = max((index_t)0, min(${x["start"]} + ${row}, (index_t)${x["limit"]} - ${x["vector"] if x["major"] == "row" else 1}));
            ${x["name"]}_base${n} = ${x["base"]};
        }
% endfor
        acc${4 if x["vector"] == 4 else ""} ${", ".join(f"{x['name']}{n} = 0" for n in range(x["count"]))};
</%def>

<%def name="fetch(x, ragged)">\
<%  load, zero = ("LOAD4", "(acc4)(0)") if x["vector"] == 4 else ("LOAD", "0") %>\
${f"if (lane < {x['busy']}) " if x["busy"] else ""}{
% for n in range(x["count"]):
                {
                    const index_t k = k0 + ${x["k"][n]};
                    ${x["name"]}${n} = ${f"k >= k_head ? {zero} : " if ragged else ""}${load}(${x["memory"]}, ${x["name"]}_base${x["bases"].index(x["row"][n])} + ${x["offset"]});
                }
% endfor
            }
</%def>

<%def name="put(x)">\
<%  staged, pitch = f"staged_{x['name']}", x["size"] + 4 %>\
${f"if (lane < {x['busy']}) " if x["busy"] else ""}{
% for n in range(x["count"]):
<%      row, k, v = x["row"][n], x["k"][n], f"{x['name']}{n}" %>\
% if x["vector"] == 1:
                ((__local acc *)${staged})[next * ${TK * pitch} + (${k}) * ${pitch} + ${row}] = ${v};
% elif x["major"] == "row":
                ${staged}[next * ${TK * pitch // 4} + (${k}) * ${pitch // 4} + (${row}) / 4] = ${v};
% else:
% for e in range(4):
                ((__local acc *)${staged})[next * ${TK * pitch} + (${k} + ${e}) * ${pitch} + ${row}] = ${v}.s${e};
% endfor
% endif
% endfor
            }
</%def>

<%def name="unroll()"><%
    # AMD's compiler loads ahead all that an unrolled loop reads, and spills what it has no registers for
    return TK if "nvidia" in device.platform.lower() else 2 if dtype == "f64" else 4
%></%def>

## The sums over k in [k_begin, k_end) of the tile at (i0, j0), left in c<row>_<block of columns>. `seek` finds a place along k
## (statements in k0), `step` moves it by TK; operands whose offset is a function of k alone need neither.
<%def name="product(a, b, seek='', step='')">\
<%  share(a); share(b) %>\
${bases(a)}${bases(b)}\
        acc4 ${", ".join(f"c{r}_{s} = 0" for r in range(RM) for s in range(RN // 4))};
        index_t k0 = k_begin;
        const index_t k_head = k_end > k_begin ? k_begin + (k_end - k_begin - 1) % ${TK} + 1 : k_begin;
        const index_t steps = (k_end - k_head) / ${TK};
        {
            const int next = 0;
            ${seek}
            ${fetch(a, True)}            ${fetch(b, True)}            ${put(a)}            ${put(b)}        }
        barrier(CLK_LOCAL_MEM_FENCE);
        k0 = k_head;
        ${seek}
        for (index_t at = 0; at <= steps; ++at) {
            const int now = at & 1, next = 1 - now;
            if (at < steps) {  // the next tile is under way while this one is multiplied
                ${fetch(a, False)}                ${fetch(b, False)}                ${step}
            }
            __local const acc4 *from_a = staged_a + now * ${TK * (TM + 4) // 4} + ty;
            __local const acc4 *from_b = staged_b + now * ${TK * (TN + 4) // 4} + tx;
            #pragma unroll ${unroll()}
            for (int k = 0; k < ${TK}; ++k) {
% if narrow.module.wide_registers(device) and RM * RN == 64:
                if (k == ${TK // 2})
                    mem_fence(CLK_LOCAL_MEM_FENCE);  // its compiler unrolls anyhow, loads ahead, and spills
% endif
% for r in range(RM // 4):
                const acc4 x${r} = from_a[k * ${(TM + 4) // 4} + ${r * (TM // RM)}];
% endfor
% for s in range(RN // 4):
                const acc4 z${s} = from_b[k * ${(TN + 4) // 4} + ${s * (TN // RN)}];
% endfor
% for r in range(RM):
%   for s in range(RN // 4):
                c${r}_${s} = fma((acc4)(x${r // 4}.s${r % 4}), z${s}, c${r}_${s});
%   endfor
% endfor
            }
            if (at < steps) {
                ${put(a)}                ${put(b)}
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            k0 += ${TK};
        }
</%def>

## Stores what `product` left at row(i) + column(j), two expressions; `vector` (1 or 4) columns lie side by side. What is stored is
## value(v, i, j, to, w), C with v<w> for a vector of w.
<%def name="store(row, column, vector, value)">\
% for s in range(RN // 4):
%   for e in range(0, 4, vector):
        {
            const index_t j = j0 + tx * 4 + ${s * (TN // RN) * 4 + e};
            if (j < N) {
                const index_t across_to = ${column};
%     for r in range(RM):
                {
                    const index_t i = i0 + ty * 4 + ${r // 4 * (TM // RM) * 4 + r % 4};
                    if (i < M) {
                        const index_t to = ${row} + across_to;
                        ${value(f"c{r}_{s}" if vector == 4 else f"c{r}_{s}.s{e}")}
                    }
                }
%     endfor
            }
        }
%   endfor
% endfor
</%def>

## The statement that ends a sum and stores it at `to` of `out`; bias is one per row ("i") or column ("j").
<%def name="end(out, vector, by)"><%
    def finish(v):
        extra = (f" + LOAD(bias, {by})" if bias else "") + (f" + LOAD(residual, to)" if residual else "")
        if vector == 1:
            return f"STORE({out}, to, epilogue({v}{extra}));"
        b = ("" if not bias else " + LOAD4(bias, j)" if by == "j" else " + LOAD(bias, i)")
        return (f"const acc4 v = {v}{b}{' + LOAD4(residual, to)' if residual else ''};"
                f" STORE4({out}, to, ((acc4)({', '.join(f'epilogue(v.s{e})' for e in range(4))})));")
    return finish
%></%def>

/* matmul_thin — products on CPUs with so few rows or columns that the large operand is read once, at memory's speed.
 *
 * Computes  dots  C[p,q] = sum_k X[p,k] * Y[q,k]; lanes are k, four rows of X at a time
 *           sums  C[q,p] = sum_k Y[q,k] * X[k,p]; lanes are p, four or eight rows of X at a time, C waits in private memory
 * Layout    X is the large operand, Y[q,k] at q*yq + k*yk (k together in dots), C[p,q] at p*cp + q*cq
 * Defines   dtype, bias, residual, act (see matmul)   split (bool: the group's second index is a slice of k; C is partial)
 *           flip (bool: X is A, and bias is one per q)   W (columns of a work-item of sums, a multiple of V)
 * Tunables  V
 * Launch    group (1), grid (spans of P, slices). sums: Q <= 4
 * Source    textbook
 */
<%namespace name="gemm" file="_gemm.cl.mako"/>\
<%namespace name="core" file="_gemm_simd.cl.mako"/>\
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%namespace name="vector" file="_vector.cl.mako"/>\
<%
    base = "double" if dtype == "f64" else "float"
    out = "f32" if split and dtype not in ("f32", "f64") else dtype
%>\
${dots() if engine == "dots" else sums()}

## PR x QR sums at (p, q); lanes first hold every V-th k, then are added in pairs.
<%def name="tile(QR)">\
<%  halves = [V >> n for n in range(V.bit_length())] %>\
            {
% for i in range(4):
                __global const real *x${i} = X + (size_t)min(p + ${i}, last - 1) * K;
%   for j in range(QR):
                ${core.vec()} s${i}_${j} = (${core.vec()})(0);
%   endfor
% endfor
% for j in range(QR):
                __global const real *y${j} = Y + (size_t)min(q + ${j}, Q - 1) * yq;
% endfor
                int k = begin;
                for (; k + ${V} <= end; k += ${V}) {
% for j in range(QR):
                    const ${core.vec()} v${j} = loadv_${dtype}(y${j}, k);
% endfor
% for i in range(4):
                    {
                        const ${core.vec()} x = loadv_${dtype}(x${i}, k);
%   for j in range(QR):
                        s${i}_${j} = fma(x, v${j}, s${i}_${j});
%   endfor
                    }
% endfor
                }
                acc sum[${4 * QR}];
% for i in range(4):
%   for j in range(QR):
                {
%     for h in halves[1:]:
                    const ${base}${h if h > 1 else ""} t${h} = ${f"s{i}_{j}" if h == V // 2 else f"t{2 * h}"}.lo + ${f"s{i}_{j}" if h == V // 2 else f"t{2 * h}"}.hi;
%     endfor
                    sum[${i * QR + j}] = t1;
                }
%   endfor
% endfor
                for (; k < end; ++k) {
% for i in range(4):
%   for j in range(QR):
                    sum[${i * QR + j}] += LOAD(x${i}, k) * LOAD(y${j}, k);
%   endfor
% endfor
                }
                for (int i = 0; i < min(4, last - p); ++i)
                    for (int j = 0; j < min(${QR}, Q - q); ++j) {
                        const size_t at = (size_t)(p + i) * cp + (size_t)(q + j) * cq;
                        const acc v = sum[i * ${QR} + j];
% if split:
                        C[at] = v;
% else:
                        STORE(C, at, epilogue(v${gemm.extra("q + j" if flip else "p + i", "at")}));
% endif
                    }
                q += ${QR};
            }
</%def>

<%def name="dots()">\
% if not split:
${gemm.epilogue()}
% endif
${lanes.io(dtype, base, V)}
${core.simd_kernel()}dots(__global const real *restrict X, __global const real *restrict Y, ${"" if split else capture(gemm.ends)}__global ${out}_t *restrict C,
          const int P, const int Q, const int K, const int yq, const int cp, const int cq, const int rows, const int depth)
{
    const int first = get_global_id(0) * rows, last = min(first + rows, P);
    const int begin = get_global_id(1) * depth, end = min(begin + depth, K);
% if split:
    C += (size_t)get_global_id(1) * P * Q;
% endif
    for (int p = first; p < last; p += 4)
        for (int q = 0; q < Q;)
            if (Q - q > 1)
${tile(4)}\
            else
${tile(1)}\
}
</%def>

## Adds n rows of X from k on to the first QR sums; of those there are Q.
<%def name="rows(n, QR)">\
        {
% for q in range(QR):
%   for i in range(n):
            const T y${q}_${i} = (T)LOAD(Y, (size_t)min(${q}, Q - 1) * yq + (size_t)(k + ${i}) * yk);
%   endfor
% endfor
            int j = 0;
            for (; j < whole; j += ${V}) {
% for q in range(QR):
                T v${q} = vload${V}(0, total + ${q} * ${W} + j);
% endfor
% for i in range(n):
                {
                    const T x = loadv_${dtype}(X + (size_t)P * ${i}, j);
%   for q in range(QR):
                    v${q} = fma(x, y${q}_${i}, v${q});
%   endfor
                }
% endfor
% for q in range(QR):
                vstore${V}(v${q}, 0, total + ${q} * ${W} + j);
% endfor
            }
            if (j < width) {
% for i in range(n):
                const T x${i} = some_${dtype}(X + (size_t)P * ${i} + j, width - j, 0);
% endfor
% for q in range(QR):
                T v${q} = vload${V}(0, total + ${q} * ${W} + j);
%   for i in range(n):
                v${q} = fma(x${i}, y${q}_${i}, v${q});
%   endfor
                vstore${V}(v${q}, 0, total + ${q} * ${W} + j);
% endfor
            }
            X += (size_t)P * ${n};
        }
</%def>

<%def name="sums()">\
${vector.types(base, V)}
${vector.load(dtype, base, V)}
${vector.store(dtype, base, V)}
% if out != dtype:
${vector.load(out, base, V)}
${vector.store(out, base, V)}
% endif
% if not split:
${gemm.epilogue(vector=True)}
% endif
${core.simd_kernel()}sums(__global const real *restrict X, __global const real *restrict Y, ${"" if split else capture(gemm.ends)}__global ${out}_t *restrict C,
          const int P, const int Q, const int K, const int yq, const int yk, const int depth)
{
    const int left = get_global_id(0) * ${W}, width = min(${W}, P - left), whole = width / ${V} * ${V};
    const int begin = get_global_id(1) * depth, end = min(begin + depth, K);
    acc total[${4 * W}];
    for (int i = 0; i < ${4 * W}; i += ${V})
        vstore${V}((T)0, 0, total + i);
    X += (size_t)begin * P + left;
    int k = begin;
    if (Q == 1)
        for (; k + 8 <= end; k += 8)
${rows(8, 1)}\
    else if (Q == 2)
        for (; k + 8 <= end; k += 8)
${rows(8, 2)}\
    else
        for (; k + 4 <= end; k += 4)
${rows(4, 4)}\
    for (; k < end; ++k)
${rows(1, 4)}\
    for (int q = 0; q < Q; ++q)
        for (int j = 0; j < width; j += ${V}) {
            const int here = width - j;
            const T v = vload${V}(0, total + q * ${W} + j);
            const size_t at = ${"((size_t)get_global_id(1) * Q + q)" if split else "(size_t)q"} * P + left + j;
% if split:
            put_${out}(C + at, here, v);
% else:
            put_${dtype}(C + at, here, epilogue(v${(" + (T)LOAD(bias, q)" if flip else f" + some_{dtype}(bias + left + j, here, 0)") if bias else ""}${f" + some_{dtype}(residual + at, here, 0)" if residual else ""}));
% endif
        }
}
</%def>

/* matmul_batch — how the kernels of matmul walk a batch.
 *
 * Layout    batches are `rank` merged axes of sizes n<d>, over which A moves by a<d> and B by b<d> elements (0 where it
 *           is broadcast), so no operand is ever repeated in memory
 * Defines   rank
 */
<%def name="sizes()">const int M, const int N, const int K, const int batches${"".join(f", const int n{d}, const index_t a{d}, const index_t b{d}" for d in range(rank))}</%def>\

## The offsets za, zb of batch z.
<%def name="batch()">\
        size_t za = 0, zb = 0;
% if rank:
        {
            int rest = z;
%   for d in reversed(range(rank)):
            za += (size_t)(rest % n${d}) * a${d};
            zb += (size_t)(rest % n${d}) * b${d};
            rest /= n${d};
%   endfor
        }
% endif
</%def>

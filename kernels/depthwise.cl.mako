/* depthwise — convolution with few channels in a group, directly: lanes lie along the image row, taps are unrolled.
 *
 * Computes  what = "conv2d"       y[n,o,p,q]  = sum_{c,r,s} x[n, c, p*SH+r*DH-PH, q*SW+s*DW-PW] * w[o,c,r,s], then the epilogue
 *           what = "input_grad"   dx[n,c,h,w] = sum_{o,r,s} g[n, o, (h+PH-r*DH)/SH, (w+PW-s*DW)/SW] * w[o,c,r,s], whole quotients
 *           what = "weight_grad"  dw[o,c,r,s] = sum_{n,p,q} g[n,o,p,q] * x[n, c, p*SH+r*DH-PH, q*SW+s*DW-PW], in slices of the
 *           rows and without rounding; what = "sum" adds these in their order.   The epilogue is act(v + bias[channel] + residual)
 * Layout    x NCHW, w OIHW (I = channels of a group), y NOPQ; row-major
 * Defines   dtype, K, S, D (rows, columns of kernel, stride, dilation), bias, residual (bool), act (C expression of v)
 *           phase  (PH % SH, PW % SW) of input_grad: which taps meet which outputs
 *           deep   bool: more than one channel is summed over.   tall (bool): tap rows in a loop, not unrolled
 *           taps   (rows, columns) of the taps a work-item of weight_grad sums.
 * Tunables  V (lanes, 1 to 16), R (rows of a block, 1 to 8), WG; each (planes, or filters, of a work-item), an argument
 * Launch    V = 1 (GPUs): group (WG); a work-item per block of R outputs below each other, a group per filter of weight_grad
 *           V > 1 (CPUs): group (1); grid (planes / each, spans of rows), (filters / each, slices, tiles of taps)
 *           sum: a work-item per element
 * Notes     lanes whose taps fall outside of the image are masked; outputs are summed one by one only where a vector would leave
 *           the buffer. Rows narrower than V are stored whole, each before the next overwrites it
 * Source    textbook
 */
% if what == "sum":
__kernel void sum(__global const acc *restrict partial, __global real *restrict dw, const int n, const int slices)
{
    const int i = get_global_id(0);
    if (i >= n)
        return;
    acc v = 0;
    for (int s = 0; s < slices; ++s)
        v += partial[(size_t)s * n + i];
    STORE(dw, i, v);
}
% elif what == "weight_grad":
<%include file="_depthwise_weights.cl.mako"/>
% else:
<%include file="_depthwise_images.cl.mako"/>
% endif

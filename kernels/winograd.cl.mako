/* winograd — 3x3 convolutions of stride 1 or 2 by minimal filtering: tiles of the image and filters are transformed, multiplied
 * point by point (which over channels is a GEMM per point) and transformed back.
 *
 * Computes  Y = A' [ sum_c (G w G') * (B' x B) ] A per tile of M x M outputs, from (M + 2) x (M + 2) inputs, at the points
 *           0, +-1 and infinity (M = 2) or 0, +-5/8, +-3/2 and infinity (M = 4, of a third of the error of 0, +-1, +-2)
 *           Of stride 2, with pixels in two phases, tiles and points are those of _winograd_transform
 *           conv2d: y = act(conv2d(x, w) + bias + residual); the data gradient is the same on flipped filters
 *           weight_grad: the outputs of a tile are the filter's 3 x 3, the filter is the M x M of the output gradient
 * Layout    x NCHW, y NOPQ; the rest by engine
 * Defines   dtype, engine: "simd", "grad", "deep", "deep_grad" or "phases" (_winograd_<engine>), M, form, and those of the engine
 * Tunables  those of the engine
 * Launch    see the engine
 * Source    Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; the points: Barabasz, Anderson, Soodhalter,
 *           Gregg, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020
 */
<%include file="_winograd_${engine}.cl.mako"/>

// The three products of a convolution, and its bias.
//
//   forward           y(B,P,Q,N)  from x(B,H,W,C) and w(R,R,C,N)    reference.py (1)
//   backward_weight   dw(R,R,C,N) from x and dy                     reference.py (2)
//   backward_input    dx(B,H,W,C) from dy and w                     reference.py (3), (4)
//
// A row of the left operand is a patch of an image: what the taps of the kernel meet in one place.
//
//        x, one image                    left                  right          y
//      + - - - - - - - - -             K = (r,s,c)             N columns
//      | a  b  c  d  .  .        +------------------+          +-----+     +-----+
//      | e  f  g  h  .  .        | patch at (0,0,0) |          |     |     |     |
//      | i  j  k  l  .  .        | patch at (0,0,1) |     x    |  w  |  =  |     |   a row for each (b,p,q)
//      | .  .  .  .              |        ...       |          |     |     |     |
//                                +------------------+          +-----+     +-----+
//
// With a kernel of 3 x 3 and a stride of 1, the first patch is a b c e f g i j k, the second b c d f g h j k l:
// most of a patch lies in others too.  Written out, left would be R^2 / stride^2 times as large as x, so it
// never is: whoever needs an element of left computes where in the image it is.  That is an implicit GEMM.
//
// All three are such products, as dense/cuda.cu has them; the sizes of tiles (ROWS, ...) are its own too.

#include "patches.cuh"

#include "naive.cuh"  // the formula, one thread per element
#include "tiles.cuh"
#include "implicit_gemm.cuh"  // tiles; the gather is the load of the left operand
#include "split_k.cuh"        // where these are too few to fill a GPU: small ones, whose K warps share
#include "tensor_core.cuh"    // the tensor cores multiply

#include "bias.cuh"

// The three products of a dense layer, and the gradient of its bias.
//
//   forward           y(M,N)  = x(M,K)  w(K,N) + b      sum over K   reference.py (1)
//   backward_input    dx(M,K) = dy(M,N) w(K,N)^T        over N       reference.py (2)
//   backward_weight   dw(K,N) = x(M,K)^T dy(M,N)        over M       reference.py (3)
//
// All three are out(i,j) = sum over k of left(i,k) right(k,j), with one operand perhaps read transposed; so
// each version is one function, and the passes differ in what they hand it.  In it rows, columns and K are what
// the literature on products calls M, N and K; in the kernels' arguments these letters are the layer's sizes.
// The sizes of tiles (TILE, ROWS, ...) come from the contract, __init__.py, as the launch does.

#include "operands.cuh"

// The ladder: seven versions, of which each adds one idea to the one before it.  All compute the same bits.
#include "uncoalesced.cuh"      // the formula, one thread per element
#include "naive.cuh"            // the lanes of a warp take neighbouring columns
#include "tiled.cuh"            // a block shares in shared memory what it fetches
#include "register_tiled.cuh"   // a thread reuses in registers what it reads there
#include "vectorised.cuh"       // four elements per access
#include "warp_tiled.cuh"       // larger tiles: of the block, of each warp and of each thread
#include "double_buffered.cuh"  // the next K-tile is fetched while this one is multiplied

// Two branches.
#include "split_k.cuh"      // few rows are too few tiles to fill a GPU: the warps of a block share K
#include "tensor_core.cuh"  // the tensor cores multiply, factors that are rounded or taken apart

#include "bias.cuh"

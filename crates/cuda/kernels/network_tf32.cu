#include "convolution.cuh"
#include "pointwise.cuh"

CONVOLUTIONS(Tf32, convolution_tf32)
KERNEL_OF(256, standardise_tf32, Standardise) { standardise<Tf32>(args); }
KERNEL_OF(256, pool_tf32, Pool) { pool<Tf32>(args); }

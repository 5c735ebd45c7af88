#include "convolution.cuh"
#include "pointwise.cuh"

CONVOLUTIONS(Bf16, convolution_bf16)
KERNEL_OF(256, standardise_bf16, Standardise) { standardise<Bf16>(args); }
KERNEL_OF(256, pool_bf16, Pool) { pool<Bf16>(args); }

#include "convolution.cuh"
#include "pointwise.cuh"

CONVOLUTIONS(F16, convolution_f16)
KERNEL_OF(256, standardise_f16, Standardise) { standardise<F16>(args); }
KERNEL_OF(256, pool_f16, Pool) { pool<F16>(args); }

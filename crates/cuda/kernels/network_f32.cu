#include "convolution.cuh"
#include "pointwise.cuh"

CONVOLUTIONS(F32, convolution_f32)
KERNEL_OF(256, standardise_f32, Standardise) { standardise<F32>(args); }
KERNEL_OF(256, pool_f32, Pool) { pool<F32>(args); }

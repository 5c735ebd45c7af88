// Every kernel of src/cuda/kernels, for the CPU.
#define EMULATED
#include "emulator.h"

#include "../../src/cuda/kernels/network_f16.cu"
#include "../../src/cuda/kernels/network_bf16.cu"
#include "../../src/cuda/kernels/network_tf32.cu"
#include "../../src/cuda/kernels/network_f32.cu"
#include "../../src/cuda/kernels/head.cu"
#include "../../src/cuda/kernels/pairs.cu"

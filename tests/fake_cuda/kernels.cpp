// Every kernel of crates/cuda/kernels, for the CPU.
#define EMULATED
#include "emulator.h"

#include "../../crates/cuda/kernels/network_f16.cu"
#include "../../crates/cuda/kernels/network_bf16.cu"
#include "../../crates/cuda/kernels/network_tf32.cu"
#include "../../crates/cuda/kernels/network_f32.cu"
#include "../../crates/cuda/kernels/head.cu"
#include "../../crates/cuda/kernels/pairs.cu"

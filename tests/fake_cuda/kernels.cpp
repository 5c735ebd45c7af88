// Every kernel of src/cuda/kernels, for the CPU.
#define EMULATED
#include "emulator.h"

#include "network_f16.cu"
#include "network_bf16.cu"
#include "network_tf32.cu"
#include "network_f32.cu"
#include "head.cu"

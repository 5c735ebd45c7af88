// What kernels take from the GPU beyond C++: cp.async, ldmatrix, mma (PTX ISA 7.8, compute capability 8.0 and later).
// A test compiles the same kernels for the CPU, with tests/fake_cuda/emulator.h before this.
#pragma once

#ifndef EMULATED

typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

// A kernel takes one plain struct, `args`; at most `threads` of a block.
#define KERNEL_OF(threads, name, Args) \
  extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ Args args)
#define KERNEL(name, Args) extern "C" __global__ void name(const __grid_constant__ Args args)

extern __shared__ __align__(128) char dynamic_shared[];

// The dynamic shared memory of the launch.
__device__ __forceinline__ char* shared_memory() { return dynamic_shared; }

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

// 16 bytes, global → shared, in the background; zeros unless `there`.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)), "l"(from),
               "r"(there ? 16 : 0));
}
// Ends a group of copies.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;\n"); }
// Waits until at most OPEN groups of this thread's copies are on their way.
template <int OPEN> __device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(OPEN) : "memory");
}

// Four 8 × 16-byte matrices; lane l brings the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(uint32_t (&out)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
}

#define MMA(shape, type)                                                                             \
  asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 "                       \
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"                             \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                      \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// c += a · b: 16 × 8, 32 bytes of k.
__device__ __forceinline__ void mma_f16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA("m16n8k16", "f16");
}
__device__ __forceinline__ void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA("m16n8k16", "bf16");
}
__device__ __forceinline__ void mma_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA("m16n8k8", "tf32");
}

__device__ __forceinline__ uint32_t pack_f16(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;\n" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
__device__ __forceinline__ float2 unpack_f16(uint32_t bits) {
  float low, high;
  asm("{.reg .f16 l, h;\n mov.b32 {l, h}, %2;\n cvt.f32.f16 %0, l;\n cvt.f32.f16 %1, h;\n}\n"
      : "=f"(low), "=f"(high)
      : "r"(bits));
  return make_float2(low, high);
}
__device__ __forceinline__ float2 unpack_bf16(uint32_t bits) {
  return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
}

#endif

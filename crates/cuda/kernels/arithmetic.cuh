// The precisions: how numbers are kept, and how a tensor core multiplies them. Sums are f32 in all of them.
#pragma once
#include "device.cuh"

// Numbers of 2 bytes, two to a register.
struct F16 {
  static constexpr int BYTES = 2;
  static __device__ __forceinline__ uint32_t pack(float low, float high) { return pack_f16(low, high); }
  static __device__ __forceinline__ float2 unpack(uint32_t bits) { return unpack_f16(bits); }
  static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_f16(c, a, b);
  }
};

struct Bf16 {
  static constexpr int BYTES = 2;
  static __device__ __forceinline__ uint32_t pack(float low, float high) { return pack_bf16(low, high); }
  static __device__ __forceinline__ float2 unpack(uint32_t bits) { return unpack_bf16(bits); }
  static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_bf16(c, a, b);
  }
};

// The nearest number with 10 bits of mantissa, ties away from zero, in the bits that a tensor core looks at: it takes no
// notice of the 13 lowest. cvt.rna.tf32 does the same in three times the instructions, in the innermost loop.
__device__ __forceinline__ uint32_t nearest_tf32(uint32_t bits) { return bits + 0x1000; }

// f32 in memory, 10 bits of mantissa in a product. The weights are rounded before they come here.
struct Tf32 {
  static constexpr int BYTES = 4;
  static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    uint32_t rounded[4];
    for (int i = 0; i < 4; ++i) rounded[i] = nearest_tf32(a[i]);
    mma_tf32(c, rounded, b);
  }
};

// f32: each number as the sum of two of tf32, and the three products that matter (Ootomo and Yokota 2022, arXiv
// 2203.03341; CUTLASS' 3xTF32). What is left out is below 2⁻²¹ of a product. Smallest first.
struct F32 {
  static constexpr int BYTES = 4;
  static __device__ __forceinline__ void split(uint32_t bits, uint32_t& high, uint32_t& low) {
    high = nearest_tf32(bits) & 0xffffe000u;
    low = nearest_tf32(__float_as_uint(__uint_as_float(bits) - __uint_as_float(high)));
  }
  static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    uint32_t high_a[4], low_a[4], high_b[2], low_b[2];
    for (int i = 0; i < 4; ++i) split(a[i], high_a[i], low_a[i]);
    for (int i = 0; i < 2; ++i) split(b[i], high_b[i], low_b[i]);
    mma_tf32(c, low_a, high_b);
    mma_tf32(c, high_a, low_b);
    mma_tf32(c, high_a, high_b);
  }
};

// 16 bytes of memory as numbers.
template <typename T, int BYTES = T::BYTES> struct Chunk;

template <typename T> struct Chunk<T, 2> {
  static constexpr int NUMBERS = 8;
  static __device__ __forceinline__ void load(const void* from, float (&out)[8]) {
    uint4 bits = *static_cast<const uint4*>(from);
    uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
    for (int i = 0; i < 4; ++i) {
      float2 two = T::unpack(words[i]);
      out[2 * i] = two.x;
      out[2 * i + 1] = two.y;
    }
  }
  static __device__ __forceinline__ void store(void* to, const float (&in)[8]) {
    *static_cast<uint4*>(to) =
        make_uint4(T::pack(in[0], in[1]), T::pack(in[2], in[3]), T::pack(in[4], in[5]), T::pack(in[6], in[7]));
  }
};

template <typename T> struct Chunk<T, 4> {
  static constexpr int NUMBERS = 4;
  static __device__ __forceinline__ void load(const void* from, float (&out)[4]) {
    float4 four = *static_cast<const float4*>(from);
    out[0] = four.x;
    out[1] = four.y;
    out[2] = four.z;
    out[3] = four.w;
  }
  static __device__ __forceinline__ void store(void* to, const float (&in)[4]) {
    *static_cast<float4*>(to) = make_float4(in[0], in[1], in[2], in[3]);
  }
};

// What is not a product: bytes → network input, 3×3 maximum, mean over the pixels, unit vectors.
#pragma once
#include "arithmetic.cuh"

struct Standardise {
  const unsigned char* pixels;  // Faces, interleaved RGB.
  const float* values;          // Network input of each byte.
  char* out;                    // A chunk a pixel: red, green, blue, zeros.
  long long count;              // Pixels.
};

template <typename T> __device__ __forceinline__ void standardise(const Standardise& args) {
  long long pixel = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pixel >= args.count) return;
  float values[Chunk<T>::NUMBERS];
#pragma unroll
  for (int i = 0; i < Chunk<T>::NUMBERS; ++i) values[i] = i < 3 ? __ldg(args.values + args.pixels[pixel * 3 + i]) : 0.0f;
  Chunk<T>::store(args.out + pixel * 16, values);
}

struct Pool {
  const char* input;
  char* out;
  int input_height, input_width, input_pixel;
  int output_height, output_width, output_pixel;
  int chunks;       // Of 16 bytes, of a pixel of the input.
  long long count;  // Chunks of the output, all images.
};

template <typename T> __device__ __forceinline__ void pool(const Pool& args) {
  long long place = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (place >= args.count) return;
  int chunk = place % args.chunks;
  long long pixel = place / args.chunks;
  int x = pixel % args.output_width;
  long long rest = pixel / args.output_width;
  int y = rest % args.output_height;
  long long image = rest / args.output_height;
  const char* window =
      args.input + ((image * args.input_height + 2 * y) * args.input_width + 2 * x) * args.input_pixel + chunk * 16;
  float most[Chunk<T>::NUMBERS];
  Chunk<T>::load(window, most);
#pragma unroll
  for (int tap = 1; tap < 9; ++tap) {
    float value[Chunk<T>::NUMBERS];
    Chunk<T>::load(window + (tap / 3 * args.input_width + tap % 3) * static_cast<long long>(args.input_pixel), value);
#pragma unroll
    for (int i = 0; i < Chunk<T>::NUMBERS; ++i) most[i] = value[i] > most[i] ? value[i] : most[i];
  }
  Chunk<T>::store(args.out + pixel * args.output_pixel + chunk * 16, most);
}

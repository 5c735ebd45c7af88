// The end of the network, f32 whatever the precision.
#include "convolution.cuh"

KERNEL_OF(128, convolution_head, Convolution) { convolve<F32, 64, 64, 32, 32>(args); }

struct Mean {
  const float* input;  // Images × pixels × channels.
  float* out;          // Images × channels.
  int pixels, channels;
  long long count;     // Of the output.
};

KERNEL_OF(256, mean, Mean) {
  long long place = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (place >= args.count) return;
  long long image = place / args.channels;
  const float* from = args.input + image * args.pixels * args.channels + place % args.channels;
  float sum = 0.0f;
  for (int pixel = 0; pixel < args.pixels; ++pixel) sum += from[static_cast<long long>(pixel) * args.channels];
  args.out[place] = sum / static_cast<float>(args.pixels);
}

struct Normalise {
  const float* input;  // Rows, `stride` apart.
  float* out;          // Rows × dimension.
  int rows, dimension, stride;
};

// A warp a row. The norm is bounded from below so that a zero vector stays zero (torch.nn.functional.normalize).
KERNEL_OF(256, normalise, Normalise) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  const float* from = args.input + static_cast<long long>(row) * args.stride;
  double sum = 0.0;
  if (row < args.rows)
    for (int i = lane; i < args.dimension; i += 32) sum += static_cast<double>(from[i]) * from[i];
  for (int apart = 16; apart > 0; apart /= 2) sum += __shfl_xor_sync(~0u, sum, apart);
  double norm = sqrt(sum);
  if (!(norm > 1e-12)) norm = norm == norm ? 1e-12 : norm;
  if (row < args.rows)
    for (int i = lane; i < args.dimension; i += 32)
      args.out[static_cast<long long>(row) * args.dimension + i] = static_cast<float>(from[i] / norm);
}

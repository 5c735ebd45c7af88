// A convolution as one matrix product that is never written down (implicit GEMM): rows are pixels of the output, columns
// its channels, k runs over taps and input channels. Channels last; BatchNorm lies in weights and bias. Bias, residual and
// ReLU happen before the result leaves the chip, and each range of channels goes to its own map: no concatenation.
//
// Every output is one sum over k in ascending order whatever the tile, so neither the tile nor the batch changes a bit.
#pragma once
#include "arithmetic.cuh"

// Where a range of output channels goes.
struct Segment {
  char* out;             // Of pixel 0, the range's first channel.
  const char* residual;  // Likewise; what is added, or null.
  int end;               // First channel behind the range.
  int out_pixel;         // Bytes from pixel to pixel.
  int residual_pixel;
  int wide;              // The output is f32 whatever the precision.
};

constexpr int SEGMENTS = 4;

struct Convolution {
  const char* input;    // Pixels × bytes, of image 0.
  const char* weights;  // Channels × k, k padded to whole steps with zeros.
  const float* bias;    // Of each channel.
  const int2* taps;     // Of each 16 bytes of k: offset from a pixel's window, bytes; ky | kx << 16.
  Segment segments[SEGMENTS];
  int rows;             // Pixels of the output, all images.
  int channels;         // Of the output, padding included.
  int steps;            // Of 64 bytes of k.
  int input_height, input_width, input_pixel;
  int output_height, output_width;
  int stride, padding_y, padding_x;
  int relu;
};

// Outside every picture: what fills k up to a whole step.
constexpr int NO_TAP = 0x4000;

constexpr int STEP = 64;  // Bytes of k of a step.
constexpr int STAGES = 4; // Steps in shared memory: one in use, the others on their way.

// 16-byte column `column` of row `row` of a tile. Eight rows of one column lie in eight different groups of banks.
__device__ __forceinline__ int swizzled(int row, int column) {
  return row * STEP + ((column ^ (row >> 1 & 3)) << 4);
}

// BM × BN outputs by warps of WM × WN.
template <typename T, int BM, int BN, int WM, int WN> __device__ __forceinline__ void convolve(const Convolution& args) {
  constexpr int WARPS_M = BM / WM, WARPS_N = BN / WN, THREADS = 32 * WARPS_M * WARPS_N;
  constexpr int TILE = (BM + BN) * STEP;
  constexpr int ROWS_A = BM * 4 / THREADS, ROWS_B = BN * 4 / THREADS, APART = THREADS / 4;
  constexpr int MM = WM / 16, NN = WN / 8;
  static_assert(BM * 4 % THREADS == 0 && BN * 4 % THREADS == 0 && WM % 16 == 0 && WN % 16 == 0, "tiles do not fit");

  char* shared = shared_memory();
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
  // One line of blocks, channels fastest: the grid's other axes end at 65,535.
  const int across = (args.channels + BN - 1) / BN, block = blockIdx.x;
  const int first_row = block / across * BM, first_channel = block % across * BN;

  // Each thread copies one 16-byte column of some rows.
  const int column = thread & 3, top = thread >> 2;
  const char* from_a[ROWS_A];
  int from_y[ROWS_A], from_x[ROWS_A];
#pragma unroll
  for (int i = 0; i < ROWS_A; ++i) {
    int row = first_row + top + i * APART;
    bool there = row < args.rows;
    int x = row % args.output_width, rest = row / args.output_width;
    int y = rest % args.output_height, image = rest / args.output_height;
    from_y[i] = there ? y * args.stride - args.padding_y : -NO_TAP;
    from_x[i] = x * args.stride - args.padding_x;
    long long pixel = (static_cast<long long>(image) * args.input_height + from_y[i]) * args.input_width + from_x[i];
    from_a[i] = args.input + (there ? pixel * args.input_pixel : 0);
  }
  const char* from_b = args.weights + static_cast<long long>(first_channel + top) * args.steps * STEP + column * 16;
  const long long apart_b = static_cast<long long>(APART) * args.steps * STEP;

  auto fetch = [&](int step) {
    char* a = shared + step % STAGES * TILE;
    char* b = a + BM * STEP;
    int2 tap = __ldg(args.taps + step * 4 + column);
    int ky = tap.y & 0xffff, kx = tap.y >> 16;
#pragma unroll
    for (int i = 0; i < ROWS_A; ++i) {
      bool there = static_cast<unsigned>(from_y[i] + ky) < static_cast<unsigned>(args.input_height) &&
                   static_cast<unsigned>(from_x[i] + kx) < static_cast<unsigned>(args.input_width);
      copy_async(a + swizzled(top + i * APART, column), there ? from_a[i] + tap.x : args.input, there);
    }
#pragma unroll
    for (int i = 0; i < ROWS_B; ++i) {
      bool there = first_channel + top + i * APART < args.channels;
      copy_async(b + swizzled(top + i * APART, column), there ? from_b + i * apart_b + step * STEP : args.weights, there);
    }
  };

  float sums[MM][NN][4];
#pragma unroll
  for (int i = 0; i < MM; ++i)
#pragma unroll
    for (int j = 0; j < NN; ++j)
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[i][j][k] = 0.0f;

  for (int step = 0; step < STAGES - 1; ++step) {
    if (step < args.steps) fetch(step);
    commit_copies();
  }

  const int warp_m = warp / WARPS_N * WM, warp_n = warp % WARPS_N * WN;
  // ldmatrix: lanes 0–7 bring the rows of the first matrix, 8–15 of the second, and so on. Of a, rows 0–7 and 8–15 of the
  // left 16 bytes, then of the right; of b, left and right 16 bytes of channels 0–7, then of channels 8–15.
  const int row_a = warp_m + lane % 16, right_a = lane / 16;
  const int row_b = warp_n + lane % 8 + lane / 16 * 8, right_b = lane / 8 % 2;

  for (int step = 0; step < args.steps; ++step) {
    wait_copies<STAGES - 2>();
    // What was fetched is there for all, and nobody reads any more what is overwritten next.
    __syncthreads();
    if (step + STAGES - 1 < args.steps) fetch(step + STAGES - 1);
    commit_copies();
    const char* a = shared + step % STAGES * TILE;
    const char* b = a + BM * STEP;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t left[MM][4], right[NN / 2][4];
#pragma unroll
      for (int i = 0; i < MM; ++i) load_matrices(left[i], a + swizzled(row_a + i * 16, half * 2 + right_a));
#pragma unroll
      for (int j = 0; j < NN / 2; ++j) load_matrices(right[j], b + swizzled(row_b + j * 16, half * 2 + right_b));
#pragma unroll
      for (int i = 0; i < MM; ++i)
#pragma unroll
        for (int j = 0; j < NN; ++j) {
          const uint32_t two[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
          T::mma(sums[i][j], left[i], two);
        }
    }
  }

  // Through shared memory, so that whole chunks of channels are written. Eight floats more a row spread the banks.
  constexpr int LINE = BN + 8;
  float* lines = reinterpret_cast<float*>(shared);
  wait_copies<0>();
  __syncthreads();
#pragma unroll
  for (int i = 0; i < MM; ++i)
#pragma unroll
    for (int j = 0; j < NN; ++j)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        int row = warp_m + i * 16 + lane / 4 + k * 8, at = warp_n + j * 8 + lane % 4 * 2;
        *reinterpret_cast<float2*>(lines + row * LINE + at) = make_float2(sums[i][j][2 * k], sums[i][j][2 * k + 1]);
      }
  __syncthreads();

  constexpr int NUMBERS = Chunk<T>::NUMBERS, CHUNKS = BN / NUMBERS;
  for (int place = thread; place < BM * CHUNKS; place += THREADS) {
    int line = place / CHUNKS, at = place % CHUNKS * NUMBERS;
    int row = first_row + line, channel = first_channel + at;
    if (row >= args.rows || channel >= args.channels) continue;
    float values[NUMBERS];
#pragma unroll
    for (int i = 0; i < NUMBERS; ++i) values[i] = lines[line * LINE + at + i] + __ldg(args.bias + channel + i);
    int which = 0, begin = 0;
#pragma unroll
    for (int i = 0; i < SEGMENTS - 1; ++i)
      if (channel >= args.segments[i].end) {
        which = i + 1;
        begin = args.segments[i].end;
      }
    const Segment& segment = args.segments[which];
    if (segment.residual) {
      float residual[NUMBERS];
      Chunk<T>::load(segment.residual + static_cast<long long>(row) * segment.residual_pixel +
                         (channel - begin) * T::BYTES, residual);
#pragma unroll
      for (int i = 0; i < NUMBERS; ++i) values[i] += residual[i];
    }
    if (args.relu)
#pragma unroll
      for (int i = 0; i < NUMBERS; ++i) values[i] = values[i] < 0.0f ? 0.0f : values[i];  // NaN stays.
    char* out = segment.out + static_cast<long long>(row) * segment.out_pixel;
    if (segment.wide) {
#pragma unroll
      for (int i = 0; i < NUMBERS; ++i) reinterpret_cast<float*>(out)[channel - begin + i] = values[i];
    } else {
      Chunk<T>::store(out + (channel - begin) * T::BYTES, values);
    }
  }
}

// The tiles that a layer can choose from; crates/nn/src/gpu/tile.rs knows them by these names.
#define CONVOLUTIONS(T, name)                                                                                    \
  KERNEL_OF(256, name##_128x128, Convolution) { convolve<T, 128, 128, 64, 32>(args); }                           \
  KERNEL_OF(128, name##_128x96, Convolution) { convolve<T, 128, 96, 32, 96>(args); }                             \
  KERNEL_OF(128, name##_128x64, Convolution) { convolve<T, 128, 64, 64, 32>(args); }                             \
  KERNEL_OF(128, name##_128x32, Convolution) { convolve<T, 128, 32, 32, 32>(args); }                             \
  KERNEL_OF(128, name##_64x64, Convolution) { convolve<T, 64, 64, 32, 32>(args); }                               \
  KERNEL_OF(128, name##_64x128, Convolution) { convolve<T, 64, 128, 32, 64>(args); }

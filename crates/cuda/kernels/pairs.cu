// All pairs of two ranges of faces: their cosines, and what is counted of them.
//
// A product is one chain of fused multiply-adds over the components, first to last, as on the CPU: the bits are the same,
// and all that is kept of them are integers, so their order does not matter. Rows come in panels of 128: component 0 of
// each, component 1 of each, ..., then what decides which pairs are compared.
//
// A block of 256 threads holds a panel on the left against up to GROUP panels on the right, one after the other. Each
// thread has 8 x 8 pairs of a tile of 128 x 128; slices of 16 components stream through shared memory, the next one
// on its way while one is multiplied. Counts of the bins where most pairs fall are kept in shared memory and handed over
// at the end.

#include "device.cuh"

// Two blocks to a multiprocessor: one counts while the other multiplies.
#define PAIR_THREADS 256, 2

namespace pair {

constexpr unsigned THREADS = 256, PANEL = 128, GROUP = 8, SLICE = 16, BINS = 65536;

// What decides whether two faces are compared. Positions are counted from 1.
struct alignas(16) Keys {
  unsigned identity, image, content, position;
};

// Sums over pairs. `least` and `greatest` are the extremes as numbers in the order of the cosines, `least` upside down,
// so that both grow from 0.
struct Totals {
  unsigned long long count, sum, magnitudes, squares;
  unsigned least, greatest, hits, unused;
};

// A pair in the tail, counted from the first rows.
struct alignas(8) Hit {
  unsigned rows;
  float cosine;
};

struct Args {
  const float* left;
  const float* right;
  unsigned* counts;
  Totals* totals;
  Hit* hits;
  unsigned dimension, left_rows, right_rows, room;
  float tail;
  // Bins that are counted in shared memory: the first, and how many.
  unsigned window, window_bins;
  unsigned unused;
};

// A number that is in the order of the cosines.
__device__ __forceinline__ unsigned ordered(float value) {
  unsigned bits = __float_as_uint(value);
  return bits ^ ((bits >> 31) ? 0xffffffffu : 0x80000000u);
}

// A product as a cosine: rounding may leave -1..1. What is no number becomes -1.
__device__ __forceinline__ float cosine_of(float product) {
  float larger = product > -1.0f ? product : -1.0f;
  return larger < 1.0f ? larger : 1.0f;
}

// Row of a tile that number `place` of a thread's eight is, `thread` of 16.
__device__ __forceinline__ unsigned row_of(unsigned thread, unsigned place) {
  return (place / 4) * 64 + thread * 4 + place % 4;
}

}  // namespace pair

KERNEL_OF(PAIR_THREADS, pairs, pair::Args) {
  using namespace pair;
  float* shared = (float*)shared_memory();
  const unsigned slice_floats = 2 * PANEL * SLICE;
  unsigned* window = (unsigned*)(shared + 2 * slice_floats);

  const unsigned thread = threadIdx.x;
  // 4 x 8 threads of a warp: what they read of shared memory together is little and lies side by side.
  const unsigned lane = thread % 32, warp = thread / 32;
  const unsigned ty = (warp / 2) * 4 + lane / 8, tx = (warp % 2) * 8 + lane % 8;

  const unsigned dimension = args.dimension;
  const size_t panel_floats = (size_t)(dimension + 4) * PANEL;
  const float* left = args.left + blockIdx.x * panel_floats;
  const unsigned first = blockIdx.y * GROUP;
  const unsigned panels = min((args.right_rows + PANEL - 1) / PANEL - first, GROUP);
  const float* right = args.right + first * panel_floats;
  const unsigned slices = (dimension + SLICE - 1) / SLICE;

  for (unsigned bin = thread; bin < args.window_bins; bin += THREADS) window[bin] = 0;

  // Sends a slice of the left panel and of one on the right on its way; rows of 128 floats, 16 bytes a thread and step.
  auto load = [&](unsigned panel, unsigned slice, float* to) {
    const unsigned components = min(dimension - slice * SLICE, SLICE);
    const float* from_left = left + (size_t)slice * SLICE * PANEL;
    const float* from_right = right + panel * panel_floats + (size_t)slice * SLICE * PANEL;
    for (unsigned step = 0; step < SLICE * PANEL / 4 / THREADS; step++) {
      unsigned at = (step * THREADS + thread) * 4;
      bool there = at < components * PANEL;
      copy_async(to + at, there ? from_left + at : left, there);
      copy_async(to + SLICE * PANEL + at, there ? from_right + at : left, there);
    }
    commit_copies();
  };

  float acc[8][8];
  for (unsigned i = 0; i < 8; i++)
    for (unsigned j = 0; j < 8; j++) acc[i][j] = 0.0f;

  unsigned count = 0;
  float least = 1.0f, greatest = -1.0f;
  long long sum = 0;
  unsigned long long magnitudes = 0, squares = 0;

  load(0, 0, shared);
  for (unsigned panel = 0, slice = 0, stage = 0; panel < panels; stage ^= 1) {
    // Everything is here, and everybody is through with the other half.
    wait_copies<0>();
    __syncthreads();
    const bool last = slice + 1 == slices;
    if (!last)
      load(panel, slice + 1, shared + (stage ^ 1) * slice_floats);
    else if (panel + 1 < panels)
      load(panel + 1, 0, shared + (stage ^ 1) * slice_floats);

    const float* a = shared + stage * slice_floats + ty * 4;
    const float* b = shared + stage * slice_floats + SLICE * PANEL + tx * 4;
    auto step = [&](unsigned k) {
      float4 rows[2] = {*(const float4*)(a + k * PANEL), *(const float4*)(a + k * PANEL + 64)};
      float4 columns[2] = {*(const float4*)(b + k * PANEL), *(const float4*)(b + k * PANEL + 64)};
      const float row[8] = {rows[0].x, rows[0].y, rows[0].z, rows[0].w, rows[1].x, rows[1].y, rows[1].z, rows[1].w};
      const float column[8] = {columns[0].x, columns[0].y, columns[0].z, columns[0].w,
                               columns[1].x, columns[1].y, columns[1].z, columns[1].w};
#pragma unroll
      for (unsigned i = 0; i < 8; i++)
#pragma unroll
        for (unsigned j = 0; j < 8; j++) acc[i][j] = __fmaf_rn(row[i], column[j], acc[i][j]);
    };
    const unsigned components = min(dimension - slice * SLICE, SLICE);
    if (components == SLICE) {
#pragma unroll
      for (unsigned k = 0; k < SLICE; k++) step(k);
    } else {
      // Not filled up with zeros: a multiply-add of zeros would make +0 of a sum that is -0.
#pragma unroll 1
      for (unsigned k = 0; k < components; k++) step(k);
    }
    if (!last) {
      slice++;
      continue;
    }

    // The tile is multiplied: count it.
    const unsigned top = blockIdx.x * PANEL, start = (first + panel) * PANEL;
    const Keys* left_keys = (const Keys*)(left + (size_t)dimension * PANEL);
    const Keys* right_keys = (const Keys*)(right + panel * panel_floats + (size_t)dimension * PANEL);
    unsigned long long hits = 0;
    count += 64;
    // Four columns at a time: the keys of eight would take too many registers.
#pragma unroll
    for (unsigned half = 0; half < 8; half += 4) {
      Keys theirs[4];
#pragma unroll
      for (unsigned j = 0; j < 4; j++) {
        unsigned row = row_of(tx, half + j);
        theirs[j] = right_keys[row];
        // Nothing comes before it.
        if (start + row >= args.right_rows) theirs[j].position = 0;
      }
#pragma unroll
      for (unsigned i = 0; i < 8; i++) {
        unsigned row = row_of(ty, i);
        Keys mine = left_keys[row];
        // It comes before nothing.
        if (top + row >= args.left_rows) mine.position = 0xffffffffu;
#pragma unroll
        for (unsigned j = 0; j < 4; j++) {
          if (!(mine.position < theirs[j].position && mine.identity != theirs[j].identity &&
                mine.image != theirs[j].image && mine.content != theirs[j].content)) {
            count--;
            continue;
          }
          const float cosine = cosine_of(acc[i][half + j]);
          // Both products are exact: powers of two.
          const unsigned bin = min(__float2int_rd(cosine * (BINS / 2)) + int(BINS / 2), int(BINS - 1));
          const int steps = __float2int_rz(cosine * 1073741824.0f);
          const unsigned long long magnitude = (unsigned)abs(steps);
          sum += steps;
          magnitudes += magnitude;
          squares += magnitude * magnitude >> 20;
          least = fminf(least, cosine);
          greatest = fmaxf(greatest, cosine);
          if (bin - args.window < args.window_bins)
            atomicAdd(window + (bin - args.window), 1u);
          else
            atomicAdd(args.counts + bin, 1u);
          if (cosine >= args.tail) hits |= 1ull << (i * 8 + half + j);
        }
      }
    }

    // A place for each thread's hits, with one addition to the block's number a warp.
    const unsigned mine = __popcll(hits);
    unsigned before = mine;
    for (unsigned distance = 1; distance < 32; distance *= 2) {
      unsigned other = __shfl_up_sync(0xffffffffu, before, distance);
      if (lane >= distance) before += other;
    }
    unsigned base = 0;
    if (lane == 31 && before) base = atomicAdd(&args.totals->hits, before);
    base = __shfl_sync(0xffffffffu, base, 31) + before - mine;
#pragma unroll
    for (unsigned i = 0; i < 8; i++)
#pragma unroll
      for (unsigned j = 0; j < 8; j++) {
        if (hits >> (i * 8 + j) & 1) {
          // Whoever reads the number sees that there were more than there is room for.
          if (base < args.room) {
            unsigned rows = (top + row_of(ty, i)) << 16 | (start + row_of(tx, j));
            args.hits[base] = Hit{rows, cosine_of(acc[i][j])};
          }
          base++;
        }
        acc[i][j] = 0.0f;
      }
    slice = 0;
    panel++;
  }

  for (unsigned distance = 16; distance; distance /= 2) {
    count += __shfl_down_sync(0xffffffffu, count, distance);
    sum += __shfl_down_sync(0xffffffffu, sum, distance);
    magnitudes += __shfl_down_sync(0xffffffffu, magnitudes, distance);
    squares += __shfl_down_sync(0xffffffffu, squares, distance);
    least = fminf(least, __shfl_down_sync(0xffffffffu, least, distance));
    greatest = fmaxf(greatest, __shfl_down_sync(0xffffffffu, greatest, distance));
  }
  if (lane == 0 && count) {
    atomicAdd(&args.totals->count, (unsigned long long)count);
    // Two's complement: adding is the same.
    atomicAdd(&args.totals->sum, (unsigned long long)sum);
    atomicAdd(&args.totals->magnitudes, magnitudes);
    atomicAdd(&args.totals->squares, squares);
    atomicMax(&args.totals->least, ~ordered(least));
    atomicMax(&args.totals->greatest, ordered(greatest));
  }
  __syncthreads();
  for (unsigned bin = thread; bin < args.window_bins; bin += THREADS)
    if (window[bin]) atomicAdd(args.counts + args.window + bin, window[bin]);
}

// Runs CUDA kernels on the CPU, from the sources that the GPU's are made of: what crates/cuda/kernels/device.cuh takes from
// the compiler or the PTX ISA on a card, it takes from here in a test.
//
// Each CUDA thread is a fiber. A fiber runs until it has to wait for others (__syncthreads, a warp's collective), so a
// block is deterministic. Memory that nobody wrote is NaN. cp.async copies late, when it is waited for (or, with
// EMULATE_ASYNC=early, at once): a kernel that does not wait reads old bytes, one that waits too long overwrites what
// others still read.
//
// Fragment layouts: PTX ISA, "Matrix multiply-accumulate operation using mma instruction" and "ldmatrix".
#pragma once

#include <csetjmp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <deque>
#include <memory>
#include <vector>

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct int2 { int x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace emulator {

constexpr unsigned WARP = 32;
constexpr size_t STACK = 96 << 10;

struct Meeting {
  unsigned arrived = 0;
  uint64_t round = 0;
};

struct Copy {
  void* to;
  const void* from;
  unsigned bytes, total;
};

struct Warp {
  Meeting meeting;
  const void* in[WARP];
  void* out[WARP];
  uint64_t value[WARP];
};

struct Fiber {
  ucontext_t start;
  jmp_buf here;
  std::unique_ptr<char[]> stack;
  bool started = false, done = false;
  // The meeting whose end it waits for, and its round.
  const Meeting* waits = nullptr;
  uint64_t round = 0;
  // Groups of copies that were committed and not waited for; the last one is open.
  std::deque<std::vector<Copy>> copies;

  bool can_run() const { return !done && !(waits && waits->round == round); }
};

struct Block {
  const void* args = nullptr;
  void (*body)(const void*) = nullptr;
  dim3 index, grid;
  unsigned threads = 0;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Meeting meeting;
  std::vector<char> shared;
  unsigned live = 0;
  size_t current = 0;
  jmp_buf scheduler;
};

inline thread_local Block* block = nullptr;
// A call, so that no compiler keeps the address of a fiber over a switch.
__attribute__((noinline)) inline Fiber& fiber() { return block->fibers[block->current]; }
inline Warp& warp() { return block->warps[block->current / WARP]; }
inline unsigned lane() { return block->current % WARP; }
inline unsigned lanes() {
  unsigned first = block->current / WARP * WARP;
  return block->threads - first < WARP ? block->threads - first : WARP;
}

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulator: %s (block %u %u %u, thread %zu)\n", what, block->index.x, block->index.y,
               block->index.z, block->current);
  std::abort();
}

// Hands over to the next fiber that can run; `run_block` starts those that have no stack yet.
[[noreturn]] inline void go_on() {
  Block& b = *block;
  for (unsigned tried = 0; tried < b.threads; ++tried) {
    b.current = b.current + 1 == b.threads ? 0 : b.current + 1;
    Fiber& next = b.fibers[b.current];
    if (next.can_run()) _longjmp(next.started ? next.here : b.scheduler, 1);
  }
  fail("threads wait for each other for ever");
}

// Waits until `size` threads have come here.
__attribute__((noinline)) inline void meet(Meeting& meeting, unsigned size) {
  if (++meeting.arrived == size) {
    meeting.arrived = 0;
    ++meeting.round;
    return;
  }
  Fiber& self = fiber();
  self.waits = &meeting;
  self.round = meeting.round;
  if (_setjmp(self.here) == 0) go_on();
  fiber().waits = nullptr;
}

// A fiber keeps its stack from block to block.
inline void main_of_fiber() {
  for (;;) {
    block->body(block->args);
    Fiber& self = fiber();
    self.done = true;
    --block->live;
    if (_setjmp(self.here) != 0) continue;
    if (block->live) go_on();
    _longjmp(block->scheduler, 1);
  }
}

inline void run_block(Block& b) {
  b.live = b.threads;
  b.warps.assign((b.threads + WARP - 1) / WARP, Warp{});
  b.meeting = Meeting{};
  std::memset(b.shared.data(), 0xff, b.shared.size());
  for (Fiber& f : b.fibers) {
    f.done = false;
    f.copies.clear();
    f.copies.emplace_back();
  }
  b.current = 0;
  _setjmp(b.scheduler);
  if (b.live == 0) return;
  Fiber& next = b.fibers[b.current];
  if (next.started) _longjmp(next.here, 1);
  next.started = true;
  getcontext(&next.start);
  next.start.uc_stack.ss_sp = next.stack.get();
  next.start.uc_stack.ss_size = STACK;
  next.start.uc_link = nullptr;
  makecontext(&next.start, main_of_fiber, 0);
  setcontext(&next.start);
}

// The whole grid, block by block.
inline void launch(void (*body)(const void*), const void* args, dim3 grid, unsigned threads, unsigned shared) {
  Block b;
  b.args = args;
  b.body = body;
  b.grid = grid;
  b.threads = threads;
  b.fibers = std::vector<Fiber>(threads);
  for (Fiber& f : b.fibers) f.stack.reset(new char[STACK]);
  b.shared.resize(shared + 128);
  block = &b;
  for (b.index.z = 0; b.index.z < grid.z; ++b.index.z)
    for (b.index.y = 0; b.index.y < grid.y; ++b.index.y)
      for (b.index.x = 0; b.index.x < grid.x; ++b.index.x) run_block(b);
  block = nullptr;
}

inline void* shared_memory() {
  uintptr_t at = reinterpret_cast<uintptr_t>(block->shared.data());
  return reinterpret_cast<void*>((at + 127) & ~uintptr_t(127));
}

inline bool in_shared(const void* p, size_t bytes) {
  const char* begin = static_cast<const char*>(shared_memory());
  const char* end = block->shared.data() + block->shared.size();
  return p >= begin && static_cast<const char*>(p) + bytes <= end;
}

// All lanes bring `in` and take what `f(warp)` puts at their `out`.
template <typename F> inline void together(const void* in, void* out, F f) {
  Warp& w = warp();
  w.in[lane()] = in;
  w.out[lane()] = out;
  if (w.meeting.arrived + 1 == lanes()) f(w);
  meet(w.meeting, lanes());
}

inline void copy(const Copy& c) {
  std::memcpy(c.to, c.from, c.bytes);
  std::memset(static_cast<char*>(c.to) + c.bytes, 0, c.total - c.bytes);
}

inline bool copies_early() {
  static const bool early = [] {
    const char* mode = std::getenv("EMULATE_ASYNC");
    return mode && std::strcmp(mode, "early") == 0;
  }();
  return early;
}

// Bits of a half, IEEE binary16, rounded to nearest even.
inline uint16_t half_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7fff;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    float tiny;
    std::memcpy(&tiny, &magnitude, 4);
    return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(tiny, 24)));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

inline float of_half(uint16_t half) {
  uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
  float value;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    uint32_t bits = exponent == 31 ? 0x7f800000 | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13;
    std::memcpy(&value, &bits, 4);
  }
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits |= sign;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline uint16_t brain_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float of_brain(uint16_t brain) {
  uint32_t bits = static_cast<uint32_t>(brain) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline float of_tf32(uint32_t bits) {
  bits &= 0xffffe000;  // What the tensor core looks at.
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

struct Fragments {
  const uint32_t* a;
  const uint32_t* b;
  float* c;
};

// d = a · b + c for one warp: m16n8, 32 bytes of k. ELEMENTS to a 32-bit register, DECODE(register, which).
template <int ELEMENTS, typename DECODE> inline void mma(float* c, const uint32_t* a, const uint32_t* b, DECODE decode) {
  Fragments mine{a, b, c};
  together(&mine, nullptr, [&](Warp& w) {
    constexpr int K = 8 * ELEMENTS;
    static thread_local float A[16][K], B[K][8];
    for (unsigned l = 0; l < WARP; ++l) {
      const Fragments& f = *static_cast<const Fragments*>(w.in[l]);
      unsigned group = l / 4, t = l % 4;
      for (int r = 0; r < 4; ++r)
        for (int e = 0; e < ELEMENTS; ++e)
          A[group + (r & 1) * 8][(t + (r >> 1) * 4) * ELEMENTS + e] = decode(f.a[r], e);
      for (int r = 0; r < 2; ++r)
        for (int e = 0; e < ELEMENTS; ++e) B[(t + r * 4) * ELEMENTS + e][group] = decode(f.b[r], e);
    }
    float D[16][8] = {};
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < K; ++k)
        for (int j = 0; j < 8; ++j) D[i][j] += A[i][k] * B[k][j];
    for (unsigned l = 0; l < WARP; ++l) {
      const Fragments& f = *static_cast<const Fragments*>(w.in[l]);
      unsigned group = l / 4, t = l % 4;
      for (int r = 0; r < 4; ++r) f.c[r] += D[group + (r >> 1) * 8][t * 2 + (r & 1)];
    }
  });
}

}  // namespace emulator

#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static thread_local
#define threadIdx (dim3{static_cast<unsigned>(emulator::block->current), 0, 0})
#define blockIdx (emulator::block->index)
#define blockDim (dim3{emulator::block->threads, 1, 1})
#define gridDim (emulator::block->grid)

inline void __syncthreads() { emulator::meet(emulator::block->meeting, emulator::block->threads); }
inline void __syncwarp(unsigned = ~0u) { emulator::meet(emulator::warp().meeting, emulator::lanes()); }

template <typename T> inline T shuffle(T value, unsigned from) {
  emulator::Warp& w = emulator::warp();
  T got;
  emulator::together(&value, &got, [](emulator::Warp&) {});
  // All have met: every lane's value is still on its stack until the second meeting.
  std::memcpy(&got, w.in[from % emulator::WARP], sizeof(T));
  __syncwarp();
  return got;
}
template <typename T> inline T __shfl_sync(unsigned, T value, int from) { return shuffle(value, from); }
template <typename T> inline T __shfl_xor_sync(unsigned, T value, int mask) {
  return shuffle(value, emulator::lane() ^ mask);
}
template <typename T> inline T __shfl_down_sync(unsigned, T value, unsigned delta) {
  unsigned from = emulator::lane() + delta;
  return shuffle(value, from < emulator::WARP ? from : emulator::lane());
}
template <typename T> inline T __shfl_up_sync(unsigned, T value, unsigned delta) {
  unsigned lane = emulator::lane();
  return shuffle(value, lane >= delta ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned, bool predicate) {
  unsigned bits = 0;
  for (unsigned l = 0; l < emulator::WARP; ++l) bits |= static_cast<unsigned>(shuffle(predicate ? 1u : 0u, l)) << l;
  return bits;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __float2int_rd(float value) { return static_cast<int>(std::floor(value)); }
inline int __float2int_rz(float value) { return static_cast<int>(value); }

template <typename T> inline T atomicAdd(T* at, T value) { T old = *at; *at = old + value; return old; }
template <typename T> inline T atomicMax(T* at, T value) { T old = *at; if (value > old) *at = value; return old; }
template <typename T> inline T atomicMin(T* at, T value) { T old = *at; if (value < old) *at = value; return old; }
template <typename T> inline T atomicCAS(T* at, T expected, T value) { T old = *at; if (old == expected) *at = value; return old; }
inline float __fmaf_rn(float a, float b, float c) { return std::fmaf(a, b, c); }
inline float __int_as_float(int bits) { float value; std::memcpy(&value, &bits, 4); return value; }
inline int __float_as_int(float value) { int bits; std::memcpy(&bits, &value, 4); return bits; }
inline unsigned __float_as_uint(float value) { unsigned bits; std::memcpy(&bits, &value, 4); return bits; }
inline float __uint_as_float(unsigned bits) { float value; std::memcpy(&value, &bits, 4); return value; }
template <typename T> inline T __ldg(const T* at) { return *at; }
inline int min(int a, int b) { return a < b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

// What a test knows of a kernel.
struct EmulatedKernel {
  const char* name;
  size_t args_size;
  void (*run)(const void* args, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block, unsigned shared);
};

inline std::vector<EmulatedKernel>& kernels() {
  static std::vector<EmulatedKernel> all;
  return all;
}

extern "C" __attribute__((used)) inline const EmulatedKernel* find_kernel(const char* name) {
  for (const EmulatedKernel& kernel : kernels())
    if (std::strcmp(kernel.name, name) == 0) return &kernel;
  return nullptr;
}

#define KERNEL_OF(threads, name, Args)                                                                              \
  static void name##_body(const Args& args);                                                                        \
  static void name##_run(const void* args, unsigned x, unsigned y, unsigned z, unsigned block, unsigned shared) {   \
    emulator::launch([](const void* args) { name##_body(*static_cast<const Args*>(args)); }, args, dim3{x, y, z},   \
                     block, shared);                                                                                \
  }                                                                                                                 \
  static const bool name##_known = (kernels().push_back({#name, sizeof(Args), name##_run}), true);                  \
  static void name##_body(const Args& args)
#define KERNEL(name, Args) KERNEL_OF(1024, name, Args)

// The PTX instructions of device.cuh.
inline char* shared_memory() { return static_cast<char*>(emulator::shared_memory()); }

inline void copy_async(void* to, const void* from, bool there) {
  if (!emulator::in_shared(to, 16) || reinterpret_cast<uintptr_t>(to) % 16) emulator::fail("cp.async to a wrong place");
  if (there && reinterpret_cast<uintptr_t>(from) % 16) emulator::fail("cp.async from an address that is no multiple of 16");
  emulator::Copy copy{to, from, there ? 16u : 0u, 16};
  if (emulator::copies_early()) emulator::copy(copy);
  else emulator::fiber().copies.back().push_back(copy);
}
inline void commit_copies() { emulator::fiber().copies.emplace_back(); }
template <int OPEN> inline void wait_copies() {
  auto& copies = emulator::fiber().copies;
  while (copies.size() > OPEN + 1) {
    for (const emulator::Copy& copy : copies.front()) emulator::copy(copy);
    copies.pop_front();
  }
}

inline void load_matrices(uint32_t (&out)[4], const void* row) {
  if (!emulator::in_shared(row, 16) || reinterpret_cast<uintptr_t>(row) % 16) emulator::fail("ldmatrix from a wrong place");
  emulator::together(row, &out[0], [](emulator::Warp& w) {
    for (unsigned l = 0; l < emulator::WARP; ++l)
      for (unsigned m = 0; m < 4; ++m)
        std::memcpy(static_cast<uint32_t*>(w.out[l]) + m, static_cast<const char*>(w.in[m * 8 + l / 4]) + l % 4 * 4, 4);
  });
}

inline void mma_f16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulator::mma<2>(c, a, b, [](uint32_t r, int e) { return emulator::of_half(static_cast<uint16_t>(r >> 16 * e)); });
}
inline void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulator::mma<2>(c, a, b, [](uint32_t r, int e) { return emulator::of_brain(static_cast<uint16_t>(r >> 16 * e)); });
}
inline void mma_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulator::mma<1>(c, a, b, [](uint32_t r, int) { return emulator::of_tf32(r); });
}
inline uint32_t pack_f16(float low, float high) {
  return emulator::half_of(low) | static_cast<uint32_t>(emulator::half_of(high)) << 16;
}
inline uint32_t pack_bf16(float low, float high) {
  return emulator::brain_of(low) | static_cast<uint32_t>(emulator::brain_of(high)) << 16;
}
inline float2 unpack_f16(uint32_t bits) {
  return {emulator::of_half(static_cast<uint16_t>(bits)), emulator::of_half(static_cast<uint16_t>(bits >> 16))};
}
inline float2 unpack_bf16(uint32_t bits) {
  return {emulator::of_brain(static_cast<uint16_t>(bits)), emulator::of_brain(static_cast<uint16_t>(bits >> 16))};
}

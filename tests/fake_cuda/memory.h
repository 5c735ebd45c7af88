// Memory of the fake devices: pages of this process with forbidden ones around, so that a kernel which leaves its memory
// is caught where it does so.
#pragma once

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include "settings.h"

// The kernel that runs, for reports.
inline const char* running = nullptr;

struct Allocation {
  uint64_t address;
  size_t bytes;
  int device;  // -1: pinned memory of the host
  bool freed = false;
  char* pages = nullptr;
  size_t pages_bytes = 0;
};

class Memory {
 public:
  static constexpr size_t ALIGNMENT = 256;
  static constexpr unsigned char UNKNOWN = 0xFF;  // fresh memory: no number in f32, f16 and bf16
  static constexpr size_t FILLED = 256 << 20;     // of it, so that a large allocation takes no more of the machine
  static constexpr unsigned char BEHIND = 0xA5;   // between the end of an allocation and the next forbidden page

  // The end lies at a forbidden page, as near as the alignment lets it.
  Allocation* allocate(size_t bytes, int device) {
    size_t page = size_t(sysconf(_SC_PAGESIZE)), room = round_up(bytes, ALIGNMENT), inner = round_up(room, page);
    void* pages = mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return nullptr;
    char* first = static_cast<char*>(pages) + page;
    mprotect(first, inner, PROT_READ | PROT_WRITE);
    char* start = first + inner - room;
    std::memset(start, UNKNOWN, std::min(bytes, FILLED));
    std::memset(start + bytes, BEHIND, room - bytes);
    Allocation allocation{reinterpret_cast<uint64_t>(start), bytes, device};
    allocation.pages = static_cast<char*>(pages);
    allocation.pages_bytes = inner + 2 * page;
    return &(all[allocation.address] = allocation);
  }

  // The address stays forbidden for ever, so that a later use is noticed.
  Code release(uint64_t address, bool pinned) {
    auto found = all.find(address);
    if (found == all.end() || (found->second.device < 0) != pinned)
      return misuse(INVALID_VALUE, "freeing %#llx, where no memory begins", (unsigned long long)address);
    Allocation& allocation = found->second;
    if (allocation.freed) return misuse(INVALID_VALUE, "freeing %#llx twice", (unsigned long long)address);
    Code code = behind(allocation, "freeing");
    allocation.freed = true;
    mprotect(allocation.pages, allocation.pages_bytes, PROT_NONE);
    madvise(allocation.pages, allocation.pages_bytes, MADV_DONTNEED);
    return code;
  }

  // Whether `bytes` bytes at `address` lie in one allocation that lives.
  Code inside(uint64_t address, size_t bytes, const char* what) {
    const Allocation* allocation = around(address);
    if (!allocation || address >= allocation->address + allocation->bytes)
      return misuse(ILLEGAL_ADDRESS, "%s at %#llx, where no memory is", what, (unsigned long long)address);
    if (allocation->freed) return misuse(ILLEGAL_ADDRESS, "%s in memory that was freed", what);
    size_t offset = address - allocation->address;
    if (bytes > allocation->bytes - offset)
      return misuse(ILLEGAL_ADDRESS, "%s of %zu bytes at offset %zu of an allocation of %zu", what, bytes, offset,
                    allocation->bytes);
    return OK;
  }

  bool is_pinned(const void* host, size_t bytes) {
    uint64_t address = reinterpret_cast<uint64_t>(host);
    const Allocation* allocation = around(address);
    return allocation && allocation->device < 0 && !allocation->freed &&
           address + bytes <= allocation->address + allocation->bytes;
  }

  size_t used(int device) const {
    size_t sum = 0;
    for (const auto& [address, allocation] : all)
      if (!allocation.freed && allocation.device == device) sum += allocation.bytes;
    return sum;
  }

  // After a kernel: whether one wrote behind an allocation without reaching the next page.
  Code check(const char* kernel) {
    Code code = OK;
    for (auto& [address, allocation] : all)
      if (!allocation.freed)
        if (Code wrong = behind(allocation, kernel)) code = wrong;
    return code;
  }

  // The allocation that begins last at or before `address`, or the first behind it where that is nearer.
  const Allocation* around(uint64_t address) const {
    auto next = all.upper_bound(address);
    if (next == all.begin()) return nullptr;
    return &std::prev(next)->second;
  }

  static void report_faults(Memory* memory) {
    watched = memory;
    struct sigaction action = {};
    action.sa_sigaction = faulted;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
    sigaction(SIGSEGV, &action, nullptr);
  }

 private:
  std::map<uint64_t, Allocation> all;
  static inline Memory* watched = nullptr;

  static size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

  static Code behind(Allocation& allocation, const char* who) {
    auto* end = reinterpret_cast<unsigned char*>(allocation.address) + allocation.bytes;
    size_t count = round_up(allocation.bytes, ALIGNMENT) - allocation.bytes;
    for (size_t i = 0; i < count; i++)
      if (end[i] != BEHIND) {
        std::memset(end, BEHIND, count);
        return misuse(ILLEGAL_ADDRESS, "%s: something was written %zu bytes behind an allocation of %zu", who, i,
                      allocation.bytes);
      }
    return OK;
  }

  // Says which memory a kernel left; the process then dies of the signal, as without this.
  static void faulted(int, siginfo_t* info, void*) {
    uint64_t address = reinterpret_cast<uint64_t>(info->si_addr);
    const Allocation* allocation = watched->around(address);
    const Allocation* next = watched->around(address + uint64_t(sysconf(_SC_PAGESIZE)));
    if (next && next->address > address) allocation = next;
    if (running && allocation)
      misuse(ILLEGAL_ADDRESS, "kernel %s reached offset %lld of an allocation of %zu bytes%s", running,
             (long long)(address - allocation->address), allocation->bytes, allocation->freed ? " that was freed" : "");
    else if (running)
      misuse(ILLEGAL_ADDRESS, "kernel %s reached %#llx, where no memory is", running, (unsigned long long)address);
  }
};

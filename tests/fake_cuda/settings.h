// What the environment asks of the fake driver, and what it tells about itself. Read at cuInit.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

// CUresult, as far as it is used.
enum Code : unsigned {
  OK = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_PTX = 218,
  UNSUPPORTED_PTX_VERSION = 222,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_FAILED = 719,
  SYSTEM_DRIVER_MISMATCH = 803,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_UNMATCHED = 903,
  CAPTURE_UNJOINED = 904,
  CAPTURE_WRONG_THREAD = 908,
};

struct Meaning {
  const char* name;
  const char* text;
};

inline const std::map<unsigned, Meaning> MEANINGS = {
    {OK, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {NO_BINARY_FOR_GPU, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
    {INVALID_PTX, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
    {UNSUPPORTED_PTX_VERSION,
     {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."}},
    {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {NOT_READY, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {ILLEGAL_ADDRESS, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
    {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
    {SYSTEM_DRIVER_MISMATCH,
     {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"}},
    {CAPTURE_UNSUPPORTED,
     {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
    {CAPTURE_INVALIDATED,
     {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"}},
    {CAPTURE_UNMATCHED, {"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"}},
    {CAPTURE_UNJOINED,
     {"CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"}},
    {CAPTURE_WRONG_THREAD,
     {"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"}},
};

// Writes what the caller did wrong, or what a kernel did, to the standard error output.
inline Code misuse(Code code, const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::fputs("fake_cuda: ", stderr);
  std::vfprintf(stderr, format, values);
  std::fputc('\n', stderr);
  va_end(values);
  return code;
}

struct Fault {
  long call;  // which one fails, counted from 1
  unsigned code;
};

struct Settings {
  int devices = 1;                        // FAKE_CUDA_DEVICES
  int version = 12010;                    // FAKE_CUDA_VERSION: 1000 × major + 10 × minor
  int compute = 90;                       // FAKE_CUDA_COMPUTE: 10 × major + minor
  int multiprocessors = 4;                // FAKE_CUDA_MULTIPROCESSORS
  size_t memory = size_t(8) << 30;        // FAKE_CUDA_MEMORY: bytes a device
  std::vector<std::string> names;         // FAKE_CUDA_NAMES: by comma; alike without
  std::map<std::string, Fault> faults;    // FAKE_CUDA_FAIL: call:n or call:n:code, by comma
  std::string log;                        // FAKE_CUDA_LOG: a file that gets a line a call
  std::map<std::string, long> calls;      // so far

  static Settings read() {
    Settings settings;
    auto number = [](const char* name, auto& value) {
      if (const char* text = std::getenv(name)) value = std::strtoull(text, nullptr, 10);
    };
    number("FAKE_CUDA_DEVICES", settings.devices);
    number("FAKE_CUDA_VERSION", settings.version);
    number("FAKE_CUDA_COMPUTE", settings.compute);
    number("FAKE_CUDA_MULTIPROCESSORS", settings.multiprocessors);
    number("FAKE_CUDA_MEMORY", settings.memory);
    settings.names = split("FAKE_CUDA_NAMES");
    for (const std::string& fault : split("FAKE_CUDA_FAIL")) {
      char call[64] = "";
      Fault value{1, LAUNCH_FAILED};
      std::sscanf(fault.c_str(), "%63[^:]:%ld:%u", call, &value.call, &value.code);
      settings.faults[call] = value;
    }
    if (const char* log = std::getenv("FAKE_CUDA_LOG")) settings.log = log;
    return settings;
  }

  // Counts a call and logs it with `detail`; what it must fail with.
  Code enter(const char* call, const std::string& detail) {
    if (!log.empty()) {
      if (FILE* file = std::fopen(log.c_str(), "a")) {
        std::fprintf(file, "%s%s%s\n", call, detail.empty() ? "" : " ", detail.c_str());
        std::fclose(file);
      }
    }
    long count = ++calls[call];
    auto fault = faults.find(call);
    return fault != faults.end() && fault->second.call == count ? Code(fault->second.code) : OK;
  }

  size_t shared_per_block() const {
    switch (compute) {
      case 80: case 87: return 166912;
      case 86: case 89: case 120: return 101376;
      default: return compute >= 90 ? 232448 : 65536;
    }
  }

 private:
  static std::vector<std::string> split(const char* name) {
    std::vector<std::string> parts;
    const char* text = std::getenv(name);
    std::stringstream stream(text ? text : "");
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    return parts;
  }
};

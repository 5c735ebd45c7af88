// A libcuda.so.1 without a card: the functions of NVIDIA's driver that FaceVault calls, over memory of this process.
// Kernels are run by the emulator (emulator.h), compiled from the same sources as the PTX. What a real driver would
// tolerate, or punish much later, is refused here with an error code and a line that begins with `fake_cuda:`.
//
//   g++ -std=c++17 -O2 -shared -fPIC -I ../../crates/cuda/kernels -o libcuda.so.1 driver.cpp kernels.cpp
//
// settings.h lists the environment variables that steer it.

#include <mutex>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "queue.h"

extern "C" __attribute__((weak)) const EmulatedKernel* find_kernel(const char* name);

namespace {

// A kernel for the tests of the layer above: adds a number to each of an array.
struct AddArgs {
  uint64_t data;
  uint32_t count;
  uint32_t value;
};

void add(const void* raw, unsigned grid_x, unsigned, unsigned, unsigned block, unsigned) {
  AddArgs args;
  std::memcpy(&args, raw, sizeof args);
  for (uint32_t i = 0; i < std::min(args.count, grid_x * block); i++) reinterpret_cast<uint32_t*>(args.data)[i] += args.value;
}

const EmulatedKernel ADD = {"fake_cuda_add", sizeof(AddArgs), add};

const EmulatedKernel* find(const std::string& name) {
  if (name == ADD.name) return &ADD;
  return find_kernel ? find_kernel(name.c_str()) : nullptr;
}

// What the PTX tells about a kernel.
struct Entry {
  std::optional<size_t> args_size;
  unsigned threads = 1024;  // a block's, at most
};

struct Module {
  Context* context;
  std::map<std::string, Entry> entries;
};

struct Function {
  Context* context;
  std::string name;
  const EmulatedKernel* kernel;
  unsigned threads;
  size_t shared = 48 << 10;
};

// One lock for all: calls of several threads take their turns, kernels included.
std::recursive_mutex lock;
bool initialised = false;
Settings settings;
Memory memory;
std::vector<Context> contexts;
std::map<Stream*, std::unique_ptr<Stream>> streams;
std::map<Event*, std::shared_ptr<Event>> events;
std::map<Module*, std::unique_ptr<Module>> modules;
std::map<Function*, std::unique_ptr<Function>> functions;
std::map<Graph*, std::unique_ptr<Graph>> graphs;
std::map<GraphExec*, std::unique_ptr<GraphExec>> executables;
std::vector<std::unique_ptr<Graph>> captures;  // going on
thread_local Context* current = nullptr;

// Begins each function: lock, log, injected fault.
#define ENTER_WITH(detail)                               \
  std::lock_guard<std::recursive_mutex> guard(lock);     \
  if (Code fault = settings.enter(__func__, detail)) return fault; \
  if (!initialised) return NOT_INITIALIZED
#define ENTER() ENTER_WITH("")

// Asks for a context that is current on this thread and was not given back.
#define NEED_CONTEXT() \
  if (!current || !current->users) return misuse(INVALID_CONTEXT, "%s without a current context", __func__)

#define NEED(map, handle)                                                                     \
  if (!map.count(handle)) return misuse(INVALID_HANDLE, "%s: no " #handle " lives there", __func__); \
  if (handle->context != current) return misuse(INVALID_CONTEXT, "%s: the " #handle " is another context's", __func__)

#define TRY(call) \
  if (Code failure = (call)) return failure

Graph* capture_of_this_thread() {
  for (auto& capture : captures)
    if (capture->thread == std::this_thread::get_id()) return capture.get();
  return nullptr;
}

// What may not be done while this thread captures: it would wait for work that is not done.
#define NOT_IN_CAPTURE()                                                                      \
  if (Graph* capture = capture_of_this_thread()) {                                            \
    capture->invalid = true;                                                                  \
    return misuse(CAPTURE_UNSUPPORTED, "%s inside a capture", __func__);                      \
  }

Code push(Stream* stream, Operation operation) {
  if (stream->captured) {
    if (stream->captured->invalid) return CAPTURE_INVALIDATED;
    stream->captured->operations.push_back(std::move(operation));
    stream->unjoined = true;
  } else {
    stream->queue.push_back(std::move(operation));
  }
  return OK;
}

void finish_all() {
  for (auto& [handle, stream] : streams) stream->finish();
}

template <typename T>
T* keep(std::map<T*, std::unique_ptr<T>>& map, T value) {
  auto owned = std::make_unique<T>(std::move(value));
  T* handle = owned.get();
  map[handle] = std::move(owned);
  return handle;
}

// The names behind `.entry`, the size of a struct that is the only parameter, and `.maxntid`.
std::map<std::string, Entry> entries(const std::string& ptx) {
  std::map<std::string, Entry> found;
  for (size_t at = 0; (at = ptx.find(".entry", at)) != std::string::npos;) {
    at = ptx.find_first_not_of(" \t\r\n", at + 6);
    size_t end = ptx.find_first_of(" \t\r\n({", at);
    if (end == std::string::npos) break;
    size_t close = ptx.find(')', end), open = ptx.rfind('[', close);
    Entry entry;
    if (open != std::string::npos && open > end) entry.args_size = std::strtoull(ptx.c_str() + open + 1, nullptr, 10);
    size_t limit = ptx.find(".maxntid", close);
    if (limit < ptx.find('{', close)) entry.threads = unsigned(std::strtoul(ptx.c_str() + limit + 8, nullptr, 10));
    found[ptx.substr(at, end - at)] = entry;
    at = end;
  }
  return found;
}

struct Refused {
  Code code;
  std::string log;
};

// What ptxas looks at first.
std::optional<Refused> refuse(const std::string& ptx) {
  int major = 0, minor = 0, target = 0;
  size_t version = ptx.find(".version"), architecture = ptx.find(".target");
  if (version == std::string::npos || std::sscanf(ptx.c_str() + version, ".version %d.%d", &major, &minor) != 2)
    return Refused{INVALID_PTX, "ptxas application ptx input, line 1; fatal   : Missing .version directive at start of file"};
  // CUDA 12.x took PTX 8.x up to 12.5; later ones are younger than what is asked here.
  int newest = 10 * (settings.version / 1000 - 4) + settings.version % 1000 / 10;
  if (10 * major + minor > newest)
    return Refused{UNSUPPORTED_PTX_VERSION, "ptxas application ptx input, line 1; fatal   : Unsupported .version " +
                                                std::to_string(major) + "." + std::to_string(minor)};
  if (architecture == std::string::npos || std::sscanf(ptx.c_str() + architecture, ".target sm_%d", &target) != 1)
    return Refused{INVALID_PTX, "ptxas application ptx input, line 2; fatal   : Missing .target directive"};
  if (target > settings.compute) return Refused{NO_BINARY_FOR_GPU, ""};
  if (entries(ptx).empty()) return Refused{INVALID_PTX, "ptxas fatal   : no .entry in the input"};
  return std::nullopt;
}

}  // namespace

using Handle = void*;

extern "C" {

unsigned cuInit(unsigned flags) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  settings = Settings::read();
  TRY(settings.enter(__func__, ""));
  if (flags) return INVALID_VALUE;
  if (settings.devices <= 0) return NO_DEVICE;
  if (contexts.empty()) {
    for (int device = 0; device < settings.devices; device++) contexts.push_back({device});
    Memory::report_faults(&memory);
  }
  initialised = true;
  return OK;
}

unsigned cuGetErrorName(unsigned code, const char** name) {
  auto meaning = MEANINGS.find(code);
  *name = meaning == MEANINGS.end() ? nullptr : meaning->second.name;
  return *name ? OK : INVALID_VALUE;
}

unsigned cuGetErrorString(unsigned code, const char** text) {
  auto meaning = MEANINGS.find(code);
  *text = meaning == MEANINGS.end() ? nullptr : meaning->second.text;
  return *text ? OK : INVALID_VALUE;
}

unsigned cuDriverGetVersion(int* version) {
  *version = Settings::read().version;
  return OK;
}

unsigned cuDeviceGetCount(int* count) {
  ENTER();
  *count = settings.devices;
  return OK;
}

unsigned cuDeviceGet(int* device, int ordinal) {
  ENTER();
  if (ordinal < 0 || ordinal >= settings.devices) return INVALID_DEVICE;
  *device = ordinal;
  return OK;
}

unsigned cuDeviceGetName(char* name, int bytes, int device) {
  ENTER();
  size_t index = size_t(device);
  std::string text = index < settings.names.size() ? settings.names[index] : "Emulated GPU";
  std::snprintf(name, size_t(bytes), "%s", text.c_str());
  return OK;
}

unsigned cuDeviceGetPCIBusId(char* id, int bytes, int device) {
  ENTER();
  std::snprintf(id, size_t(bytes), "0000:%02X:00.0", device + 1);
  return OK;
}

unsigned cuDeviceGetAttribute(int* value, int attribute, int) {
  ENTER();
  switch (attribute) {
    case 16: *value = settings.multiprocessors; return OK;
    case 75: *value = settings.compute / 10; return OK;
    case 76: *value = settings.compute % 10; return OK;
    case 97: *value = int(settings.shared_per_block()); return OK;
    default: return misuse(INVALID_VALUE, "cuDeviceGetAttribute of %d, which nobody asked for so far", attribute);
  }
}

unsigned cuDevicePrimaryCtxRetain(Context** context, int device) {
  ENTER();
  if (device < 0 || device >= settings.devices) return INVALID_DEVICE;
  *context = &contexts[size_t(device)];
  (*context)->users++;
  return OK;
}

unsigned cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER();
  Context& context = contexts[size_t(device)];
  if (!context.users) return misuse(INVALID_CONTEXT, "the context of device %d was given back too often", device);
  if (--context.users == 0 && memory.used(device))
    misuse(OK, "device %d was given back with %zu bytes allocated", device, memory.used(device));
  return OK;
}

unsigned cuCtxSetCurrent(Context* context) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  if (context && !context->users) return misuse(INVALID_CONTEXT, "cuCtxSetCurrent to a context that was given back");
  current = context;
  return OK;
}

unsigned cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER();
  NEED_CONTEXT();
  *free = settings.memory - std::min(settings.memory, memory.used(current->device));
  *total = settings.memory;
  return OK;
}

unsigned cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  ENTER_WITH(std::to_string(bytes));
  NEED_CONTEXT();
  NOT_IN_CAPTURE();
  if (!bytes) return INVALID_VALUE;
  if (bytes > settings.memory - std::min(settings.memory, memory.used(current->device))) return OUT_OF_MEMORY;
  Allocation* allocation = memory.allocate(bytes, current->device);
  if (!allocation) return OUT_OF_MEMORY;
  *address = allocation->address;
  return OK;
}

unsigned cuMemFree_v2(uint64_t address) {
  ENTER();
  NEED_CONTEXT();
  NOT_IN_CAPTURE();
  finish_all();
  return memory.release(address, false);
}

unsigned cuMemHostAlloc(void** host, size_t bytes, unsigned) {
  ENTER_WITH(std::to_string(bytes));
  NEED_CONTEXT();
  NOT_IN_CAPTURE();
  if (!bytes) return INVALID_VALUE;
  Allocation* allocation = memory.allocate(bytes, -1);
  if (!allocation) return OUT_OF_MEMORY;
  *host = reinterpret_cast<void*>(allocation->address);
  return OK;
}

unsigned cuMemFreeHost(void* host) {
  ENTER();
  NEED_CONTEXT();
  NOT_IN_CAPTURE();
  const Allocation* allocation = memory.around(reinterpret_cast<uint64_t>(host));
  for (auto& [handle, stream] : streams)
    for (const Operation& operation : stream->queue)
      if (operation.host && allocation && operation.host >= host &&
          static_cast<const char*>(operation.host) < static_cast<const char*>(host) + allocation->bytes)
        return misuse(INVALID_VALUE, "pinned memory is freed while a copy of it is queued");
  return memory.release(reinterpret_cast<uint64_t>(host), true);
}

unsigned cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream) {
  ENTER_WITH(std::to_string(bytes));
  NEED_CONTEXT();
  NEED(streams, stream);
  TRY(memory.inside(to, bytes, "a copy to the device"));
  if (memory.is_pinned(from, bytes))
    return push(stream, {[=] {
      TRY(memory.inside(to, bytes, "a copy to the device"));
      std::memcpy(reinterpret_cast<void*>(to), from, bytes);
      return OK;
    }, from, bytes});
  if (stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a copy from memory that is not pinned inside a capture");
  // A driver has read such memory when it returns.
  auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  return push(stream, {[=] {
    TRY(memory.inside(to, bytes, "a copy to the device"));
    std::memcpy(reinterpret_cast<void*>(to), staged->data(), bytes);
    return OK;
  }});
}

unsigned cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
  ENTER_WITH(std::to_string(bytes));
  NEED_CONTEXT();
  NEED(streams, stream);
  TRY(memory.inside(from, bytes, "a copy from the device"));
  bool pinned = memory.is_pinned(to, bytes);
  if (!pinned && stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a copy to memory that is not pinned inside a capture");
  TRY(push(stream, {[=] {
    TRY(memory.inside(from, bytes, "a copy from the device"));
    std::memcpy(to, reinterpret_cast<void*>(from), bytes);
    return OK;
  }, pinned ? to : nullptr, bytes}));
  // A driver has written such memory when it returns.
  return pinned ? OK : stream->finish();
}

unsigned cuMemsetD8Async(uint64_t to, unsigned char byte, size_t bytes, Stream* stream) {
  ENTER_WITH(std::to_string(bytes));
  NEED_CONTEXT();
  NEED(streams, stream);
  TRY(memory.inside(to, bytes, "a fill"));
  return push(stream, {[=] {
    TRY(memory.inside(to, bytes, "a fill"));
    std::memset(reinterpret_cast<void*>(to), byte, bytes);
    return OK;
  }});
}

unsigned cuStreamCreate(Stream** stream, unsigned) {
  ENTER();
  NEED_CONTEXT();
  *stream = keep(streams, Stream{current});
  return OK;
}

unsigned cuStreamDestroy_v2(Stream* stream) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  if (stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a stream is destroyed inside a capture");
  stream->finish();
  for (auto& [handle, event] : events)
    if (event->stream == stream) event->stream = nullptr;
  streams.erase(stream);
  return OK;
}

unsigned cuStreamSynchronize(Stream* stream) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  NOT_IN_CAPTURE();
  if (stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a stream that captures is waited for");
  return stream->finish();
}

unsigned cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  if (!events.count(event)) return misuse(INVALID_HANDLE, "cuStreamWaitEvent: no event lives there");
  if (event->captured) {
    // Work is captured in the order of the calls, which already does what this asks for.
    if (stream->captured && stream->captured != event->captured) return CAPTURE_UNMATCHED;
    stream->captured = event->captured;
    stream->captured->members.insert(stream);
    if (event->stream != stream) event->stream->unjoined = false;
    return OK;
  }
  if (stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a capture waits for work outside of it");
  auto shared = events[event];
  long number = event->recorded;
  return push(stream, {[=] { return shared->finish(number); }});
}

unsigned cuEventCreate(Event** event, unsigned) {
  ENTER();
  NEED_CONTEXT();
  auto shared = std::make_shared<Event>();
  shared->context = current;
  *event = shared.get();
  events[*event] = shared;
  return OK;
}

unsigned cuEventDestroy_v2(Event* event) {
  ENTER();
  NEED_CONTEXT();
  NEED(events, event);
  events.erase(event);
  return OK;
}

unsigned cuEventRecord(Event* event, Stream* stream) {
  ENTER();
  NEED_CONTEXT();
  NEED(events, event);
  NEED(streams, stream);
  event->stream = stream;
  event->captured = stream->captured;
  if (stream->captured) return OK;
  auto shared = events[event];
  long number = ++event->recorded;
  return push(stream, {[=] {
    shared->passed = std::max(shared->passed, number);
    shared->time = std::chrono::steady_clock::now();
    return OK;
  }});
}

unsigned cuEventSynchronize(Event* event) {
  ENTER();
  NEED_CONTEXT();
  NEED(events, event);
  NOT_IN_CAPTURE();
  if (event->captured) return misuse(CAPTURE_UNSUPPORTED, "an event of a capture is waited for");
  return event->finish(event->recorded);
}

// Time goes by: each question finds one more piece of work done.
unsigned cuEventQuery(Event* event) {
  ENTER();
  NEED_CONTEXT();
  NEED(events, event);
  NOT_IN_CAPTURE();
  if (event->captured) return misuse(CAPTURE_UNSUPPORTED, "an event of a capture is asked");
  if (event->passed >= event->recorded) return event->stream ? event->stream->failed : OK;
  if (event->stream && !event->stream->queue.empty()) event->stream->step();
  return NOT_READY;
}

unsigned cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  ENTER();
  NEED_CONTEXT();
  NEED(events, start);
  NEED(events, end);
  if (!start->recorded || !end->recorded) return misuse(INVALID_HANDLE, "time between events that were not recorded");
  if (start->passed < start->recorded || end->passed < end->recorded) return NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return OK;
}

unsigned cuModuleLoadDataEx(Module** module, const void* image, unsigned count, int* options, void** values) {
  ENTER();
  NEED_CONTEXT();
  NOT_IN_CAPTURE();
  std::string ptx = static_cast<const char*>(image);
  if (auto refused = refuse(ptx)) {
    char* place = nullptr;
    size_t room = 0;
    for (unsigned i = 0; i < count; i++) {
      if (options[i] == 5) place = static_cast<char*>(values[i]);
      if (options[i] == 6) room = reinterpret_cast<size_t>(values[i]);
    }
    if (place && room) std::snprintf(place, room, "%s", refused->log.c_str());
    return refused->code;
  }
  *module = keep(modules, Module{current, entries(ptx)});
  return OK;
}

unsigned cuModuleUnload(Module* module) {
  ENTER();
  NEED_CONTEXT();
  NEED(modules, module);
  finish_all();
  modules.erase(module);
  return OK;
}

unsigned cuModuleGetFunction(Function** function, Module* module, const char* name) {
  ENTER_WITH(name);
  NEED_CONTEXT();
  NEED(modules, module);
  auto entry = module->entries.find(name);
  if (entry == module->entries.end()) return NOT_FOUND;
  const EmulatedKernel* kernel = find(name);
  if (!kernel) return misuse(NOT_FOUND, "the PTX has a kernel %s, the emulator has none", name);
  if (auto size = entry->second.args_size; size && *size != kernel->args_size)
    return misuse(INVALID_VALUE, "%s takes %zu bytes of arguments in the PTX and %zu in its source", name, *size,
                  kernel->args_size);
  *function = keep(functions, Function{current, name, kernel, entry->second.threads});
  return OK;
}

unsigned cuFuncSetAttribute(Function* function, int attribute, int value) {
  ENTER();
  NEED_CONTEXT();
  NEED(functions, function);
  if (attribute != 8 || value < 0 || size_t(value) > settings.shared_per_block()) return INVALID_VALUE;
  function->shared = std::max(size_t(48 << 10), size_t(value));
  return OK;
}

unsigned cuFuncGetAttribute(int* value, int attribute, Function* function) {
  ENTER();
  NEED_CONTEXT();
  NEED(functions, function);
  if (attribute != 4) return misuse(INVALID_VALUE, "cuFuncGetAttribute of %d, which nobody asked for so far", attribute);
  *value = 32;
  return OK;
}

unsigned cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared, Stream* stream, void** arguments, void** extra) {
  std::ostringstream detail;
  {
    std::lock_guard<std::recursive_mutex> guard(lock);
    detail << (functions.count(function) ? function->name : "?") << " grid " << grid_x << "," << grid_y << "," << grid_z
           << " block " << block_x << " shared " << shared;
  }
  ENTER_WITH(detail.str());
  NEED_CONTEXT();
  NEED(functions, function);
  NEED(streams, stream);
  const char* name = function->name.c_str();
  if (!grid_x || !grid_y || !grid_z || !block_x || block_y != 1 || block_z != 1 || !arguments || extra)
    return misuse(INVALID_VALUE, "%s is launched with an empty grid or block, or not as FaceVault does it", name);
  if (grid_x > 0x7FFFFFFF || grid_y > 65535 || grid_z > 65535 || block_x > function->threads)
    return misuse(INVALID_VALUE, "the grid or the block is too large: %s", detail.str().c_str());
  if (shared > function->shared)
    return misuse(INVALID_VALUE, "%s is launched with %u bytes of shared memory, %zu were asked for", name, shared,
                  function->shared);
  const EmulatedKernel* kernel = function->kernel;
  auto* bytes = static_cast<const char*>(arguments[0]);
  auto args = std::make_shared<std::vector<char>>(bytes, bytes + kernel->args_size);
  return push(stream, {[=] {
    running = kernel->name;
    kernel->run(args->data(), grid_x, grid_y, grid_z, block_x, shared);
    running = nullptr;
    return memory.check(kernel->name);
  }});
}

unsigned cuStreamBeginCapture_v2(Stream* stream, int mode) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  if (mode != 1 || stream->captured) return misuse(INVALID_VALUE, "a capture begins in a stream that captures, or not thread-local");
  captures.push_back(std::make_unique<Graph>());
  Graph* graph = captures.back().get();
  graph->origin = stream;
  graph->thread = std::this_thread::get_id();
  graph->members = {stream};
  stream->captured = graph;
  return OK;
}

unsigned cuStreamEndCapture(Stream* stream, Graph** graph) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  *graph = nullptr;
  Graph* capture = stream->captured;
  if (!capture || capture->origin != stream) return misuse(CAPTURE_UNMATCHED, "no capture began in this stream");
  if (capture->thread != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
  Code code = capture->invalid ? CAPTURE_INVALIDATED : OK;
  for (Stream* member : capture->members) {
    if (member != stream && member->unjoined && !code) code = misuse(CAPTURE_UNJOINED, "captured work is not waited for");
    member->captured = nullptr;
    member->unjoined = false;
  }
  for (auto& [handle, event] : events)
    if (event->captured == capture) event->captured = nullptr, event->stream = nullptr;
  auto place = std::find_if(captures.begin(), captures.end(), [&](auto& other) { return other.get() == capture; });
  if (!code) {
    *graph = capture;
    graphs[capture] = std::move(*place);
  }
  captures.erase(place);
  return code;
}

unsigned cuGraphInstantiateWithFlags(GraphExec** executable, Graph* graph, unsigned long long) {
  ENTER();
  NEED_CONTEXT();
  if (!graphs.count(graph)) return misuse(INVALID_HANDLE, "cuGraphInstantiateWithFlags: no graph lives there");
  *executable = keep(executables, GraphExec{graph->operations});
  return OK;
}

unsigned cuGraphLaunch(GraphExec* executable, Stream* stream) {
  ENTER();
  NEED_CONTEXT();
  NEED(streams, stream);
  if (!executables.count(executable)) return misuse(INVALID_HANDLE, "cuGraphLaunch: no graph lives there");
  if (stream->captured) return misuse(CAPTURE_UNSUPPORTED, "a graph is launched inside a capture");
  for (const Operation& operation : executable->operations) TRY(push(stream, operation));
  return OK;
}

unsigned cuGraphExecDestroy(GraphExec* executable) {
  ENTER();
  NEED_CONTEXT();
  return executables.erase(executable) ? OK : misuse(INVALID_HANDLE, "cuGraphExecDestroy: no graph lives there");
}

unsigned cuGraphDestroy(Graph* graph) {
  ENTER();
  NEED_CONTEXT();
  return graphs.erase(graph) ? OK : misuse(INVALID_HANDLE, "cuGraphDestroy: no graph lives there");
}

}  // extern "C"

// Streams, events and graphs. Work is put off until somebody waits for it: a result that is read too early, or a buffer
// that is filled again too early, is so always wrong, and not once in a thousand runs.
#pragma once

#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "memory.h"

// The same as in emulator.h.
struct EmulatedKernel {
  const char* name;
  size_t args_size;
  void (*run)(const void* args, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block, unsigned shared_bytes);
};

struct Context {
  int device;
  int users = 0;
};

struct Event;
struct Graph;

// What a stream does at one place in its queue.
struct Operation {
  std::function<Code()> run;
  const void* host = nullptr;  // pinned memory that it needs
  size_t host_bytes = 0;
};

struct Stream {
  Context* context;
  std::deque<Operation> queue = {};
  Graph* captured = nullptr;  // where its work goes instead
  bool unjoined = false;      // its captured work is waited for by nobody yet
  Code failed = OK;           // the first error of its work; told when it is waited for

  // Does the next piece of work.
  void step() {
    Operation operation = std::move(queue.front());
    queue.pop_front();
    if (Code code = operation.run(); code && !failed) failed = code;
  }

  Code finish() {
    while (!queue.empty()) step();
    return failed;
  }
};

struct Event {
  Context* context;
  Stream* stream = nullptr;     // where it was recorded last
  Graph* captured = nullptr;    // or the graph that it is part of
  long recorded = 0, passed = 0;  // how often
  std::chrono::steady_clock::time_point time;

  // Works until the mark of that number is passed.
  Code finish(long number) {
    while (passed < number && stream && !stream->queue.empty()) stream->step();
    return stream ? stream->failed : OK;
  }
};

struct Graph {
  Stream* origin;
  std::thread::id thread;
  std::vector<Operation> operations;
  std::set<Stream*> members;
  bool invalid = false;
};

struct GraphExec {
  std::vector<Operation> operations;
};

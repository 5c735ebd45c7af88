// A fake libnvidia-ml.so.1 beside the fake driver: one card at PCI bus id 0000:01:00.0 whose energy counter grows by 250 J
// at every reading, so that a test knows what it must find.
//
// FAKE_CUDA_NVML: `no-energy` is a card that does not count, `lost` one that falls off the bus after two readings.

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum Answer { ok = 0, not_supported = 3, not_found = 6, lost = 15 };

int card;
unsigned readings = 0;

bool set_to(const char *what) {
  const char *setting = std::getenv("FAKE_CUDA_NVML");
  return setting && std::strcmp(setting, what) == 0;
}

int number(unsigned *out, unsigned value) {
  *out = value;
  return ok;
}

int text(char *out, unsigned length, const char *value) {
  std::snprintf(out, length, "%s", value);
  return ok;
}

struct Memory {
  unsigned version;
  unsigned long long total, reserved, free, used;
};

struct Utilization {
  unsigned gpu, memory;
};

}  // namespace

extern "C" {

int nvmlInit_v2() { return ok; }
int nvmlShutdown() { return ok; }

int nvmlDeviceGetHandleByPciBusId_v2(const char *id, void **device) {
  if (std::strcmp(id, "0000:01:00.0") != 0) return not_found;
  if (set_to("lost") && readings >= 2) return lost;
  *device = &card;
  return ok;
}

int nvmlDeviceGetTotalEnergyConsumption(void *, unsigned long long *millijoules) {
  if (set_to("no-energy")) return not_supported;
  *millijoules = 7000000ull + 250000ull * readings++;
  return ok;
}

int nvmlDeviceGetMemoryInfo_v2(void *, Memory *memory) {
  memory->total = 80ull << 30, memory->used = 3ull << 30;
  memory->reserved = 0, memory->free = memory->total - memory->used;
  return ok;
}

int nvmlDeviceGetUtilizationRates(void *, Utilization *rates) {
  rates->gpu = 97, rates->memory = 40;
  return ok;
}

int nvmlSystemGetDriverVersion(char *out, unsigned length) { return text(out, length, "535.1"); }
int nvmlDeviceGetName(void *, char *out, unsigned length) { return text(out, length, "Fake card"); }
int nvmlDeviceGetMaxClockInfo(void *, int, unsigned *mhz) { return number(mhz, 1980); }
int nvmlDeviceGetClockInfo(void *, int, unsigned *mhz) { return number(mhz, 1700); }
int nvmlDeviceGetEnforcedPowerLimit(void *, unsigned *milliwatts) { return number(milliwatts, 700000); }
int nvmlDeviceGetPowerUsage(void *, unsigned *milliwatts) { return number(milliwatts, 512500); }
int nvmlDeviceGetTemperature(void *, int, unsigned *celsius) { return number(celsius, 61); }

int nvmlDeviceGetCurrentClocksThrottleReasons(void *, unsigned long long *reasons) {
  *reasons = 1 | 4;  // idle, software power cap
  return ok;
}

}

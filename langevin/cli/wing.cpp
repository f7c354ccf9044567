#include "langevin/cli/wing.h"

#include <dlfcn.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <system_error>

#include "langevin/cli/installed.h"
#include "langevin/core/names.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "liblangevin_torch.so";
constexpr const char* kVariable = "ATEN_CPU_CAPABILITY";
constexpr const char* kBlas = "OPENBLAS_CORETYPE";

bool processor_has(int64_t target) { return (hwy::SupportedTargets() & target) != 0; }

/// OpenBLAS knows processors by their model numbers and takes kernels of 2004 (SSE2) for those that are newer
/// than itself: training DDPM's U-Net takes 1.4 times as long with them. What a user has set stays.
void choose_blas_kernels(const std::string& capability) {
  if (capability == "avx512") ::setenv(kBlas, "SKYLAKEX", 0);
  if (capability == "avx2") ::setenv(kBlas, "HASWELL", 0);
}

/// libtorch reads the variable once, while it loads: it must stand before.
void choose_capability(const std::string& capability) {
  const std::string wanted = resolve_capability(capability);
  if (capability == "auto" && std::getenv(kVariable) != nullptr) return choose_blas_kernels(wanted);
  const bool lacks =
      (wanted == "avx512" && !processor_has(HWY_AVX3)) || (wanted == "avx2" && !processor_has(HWY_AVX2));
  if (lacks) {
    fail(
        "train.capability: this processor has no {}; --set train.capability={} (results differ in the last "
        "bits)",
        wanted, best_capability());
  }
  ::setenv(kVariable, wanted.c_str(), 1);
  choose_blas_kernels(wanted);
}

const TorchWing& load(const std::string& capability) {
  const fs::path path = installed_file(kLibrary, "lib");
  if (path.empty()) {
    fail(
        "built without libtorch: {} is absent, and training and GPUs need it; install libtorch-dev and build "
        "with -DLANGEVIN_TORCH=ON",
        kLibrary);
  }
  choose_capability(capability);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    fail("{} does not load: {}", path.string(), one_line(reason == nullptr ? "unknown reason" : reason));
  }
  using Entry = const TorchWing* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "langevin_torch_wing"));
  check(entry != nullptr, path.string(), "is not the libtorch wing of langevin; build again");
  const TorchWing* wing = entry();
  check(wing->version == TorchWing::current, path.string(),
        "has version {}, the command {}; build both again", wing->version, TorchWing::current);
  return *wing;
}

}  // namespace

bool has_torch_wing() { return !installed_file(kLibrary, "lib").empty(); }

std::string resolve_capability(const std::string& capability) {
  if (capability != "auto") return capability;
  const char* users = std::getenv(kVariable);
  if (users == nullptr) return best_capability();
  const std::string value = users;
  return value == "default" || value == "avx2" || value == "avx512" ? value
                                                                    : "auto";  // else libtorch decides
}

std::string best_capability() {
  if (processor_has(HWY_AVX3)) return "avx512";
  if (processor_has(HWY_AVX2)) return "avx2";
  return "default";
}

const TorchWing& torch_wing(const std::string& capability) {
  static const TorchWing& wing = load(capability);
  return wing;
}

}  // namespace langevin

// libFuzzer over the configuration files of peers: any text gives a configuration or an Error of one line.
#include <cstdint>
#include <string>
#include <string_view>

#include "langevin/core/json_file.h"
#include "langevin/model/peer_network.h"
#include "langevin/model/peer_scheduler.h"

namespace {

template <class F>
void expect_value_or_error(F&& f) {
  try {
    f();
  } catch (const langevin::Error& e) {
    if (std::string_view(e.what()).find('\n') != std::string_view::npos) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace langevin;
  nlohmann::json config;
  bool valid = false;
  expect_value_or_error([&] {
    config = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    valid = true;
  });
  if (!valid) return 0;
  expect_value_or_error([&] {
    ModelSpec spec;
    apply_peer_scheduler(config, "fuzz", "", spec);
  });
  for (const PeerNetwork& peer : peer_networks())
    expect_value_or_error([&] { peer.write(peer.read(config, "fuzz", TensorSet())); });
  return 0;
}

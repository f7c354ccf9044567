#include <algorithm>

#include "langevin/core/check.h"
#include "langevin/core/checksum.h"
#include "langevin/data/open.h"

namespace langevin {

std::string fingerprint(const std::vector<ExamplePrint>& examples) {
  Xxh3 hash;
  for (const ExamplePrint& e : examples) {
    hash.update(fmt::format("{}:{}:{}:{}:{}\n", e.name.size(), e.name, e.label, e.size, e.content));
  }
  return hash.hex();
}

nlohmann::json to_json(const DatasetSummary& summary) {
  auto classes = nlohmann::json::array();
  for (const auto& [name, count] : summary.classes) classes.push_back({{"name", name}, {"count", count}});
  auto skipped = nlohmann::json::array();
  for (const auto& [name, reason] : summary.skipped) skipped.push_back({{"name", name}, {"reason", reason}});
  return {{"path", summary.path},
          {"kind", summary.kind},
          {"count", summary.count},
          {"channels", summary.spec.channels},
          {"height", summary.spec.height},
          {"width", summary.spec.width},
          {"classes", classes},
          {"captions", summary.captions},
          {"source_bytes", summary.source_bytes},
          {"memory_bytes", summary.memory_bytes},
          {"mixed_sizes", summary.mixed_sizes},
          {"resized", summary.resized},
          {"skipped", skipped},
          {"hash", summary.hash}};
}

std::string to_string(const DatasetSummary& summary) {
  constexpr size_t kShown = 20;
  std::string text = fmt::format("{}: {}, {} images of {}\n", summary.path, summary.kind, summary.count,
                                 to_string(summary.spec));
  if (summary.mixed_sizes) text += "originals of different sizes\n";
  if (!summary.classes.empty()) {
    text += fmt::format("{} classes:", summary.classes.size());
    for (size_t i = 0; i < std::min(kShown, summary.classes.size()); ++i) {
      text +=
          fmt::format("{} {} ({})", i == 0 ? "" : ",", summary.classes[i].first, summary.classes[i].second);
    }
    text += summary.classes.size() > kShown ? ", ...\n" : "\n";
  }
  if (summary.captions > 0) text += fmt::format("{} captions\n", summary.captions);
  text += fmt::format(
      "{} stored, {}\n", format_bytes(static_cast<double>(summary.source_bytes)),
      summary.memory_bytes > 0
          ? fmt::format("{} decoded in memory", format_bytes(static_cast<double>(summary.memory_bytes)))
          : std::string("decoded while training"));
  if (!summary.skipped.empty()) {
    text += fmt::format("{} skipped; first: {}: {}\n", summary.skipped.size(), summary.skipped[0].first,
                        summary.skipped[0].second);
  }
  return text + fmt::format("hash {}\n", summary.hash);
}

}  // namespace langevin

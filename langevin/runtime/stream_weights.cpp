#include "langevin/runtime/stream_weights.h"

#include "langevin/core/check.h"
#include "langevin/kernels/threads.h"

namespace langevin::runtime {

void StreamWeights::declare(const std::string& key, const std::vector<int64_t>& unit_bytes,
                            std::function<void(int unit, std::byte* to)> fill) {
  const auto [it, is_new] = entries_.try_emplace(key);
  if (!is_new) return;
  it->second.unit_bytes = unit_bytes;
  it->second.fill = std::move(fill);
  waiting_.push_back(&it->second);
}

void StreamWeights::pack(const Team& team) {
  int64_t total = 0;
  for (const Entry* e : waiting_) {
    for (int64_t bytes : e->unit_bytes) total += (bytes + 63) / 64 * 64;
  }
  if (waiting_.empty()) return;
  std::byte* base = pages_.take(static_cast<size_t>(total));
  struct Job {
    Entry* entry;
    int unit;
  };
  std::vector<Job> jobs;
  int64_t at = 0;
  for (Entry* e : waiting_) e->units.resize(e->unit_bytes.size());
  for (int thread = 0; thread < team.threads(); ++thread) {
    for (Entry* e : waiting_) {
      const auto share = team.share(static_cast<int>(e->unit_bytes.size()), thread);
      for (int u = share.begin; u < share.end; ++u) {
        e->units[static_cast<size_t>(u)] = base + at;
        at += (e->unit_bytes[static_cast<size_t>(u)] + 63) / 64 * 64;
        jobs.push_back({e, u});
      }
    }
  }
  parallel_for(static_cast<int64_t>(jobs.size()), max_threads(), [&](int64_t i, int) {
    const Job& job = jobs[static_cast<size_t>(i)];
    job.entry->fill(job.unit, job.entry->units[static_cast<size_t>(job.unit)]);
  });
  for (Entry* e : waiting_) e->fill = nullptr;
  waiting_.clear();
  bytes_ += total;
}

const std::byte* StreamWeights::unit(const std::string& key, int unit) const {
  const auto it = entries_.find(key);
  check(it != entries_.end() && static_cast<size_t>(unit) < it->second.units.size(), "StreamWeights",
        "{} is not packed", key);
  return it->second.units[static_cast<size_t>(unit)];
}

}  // namespace langevin::runtime

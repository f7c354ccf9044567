// What a parallel loop needs around its body: things that one thread at a time may use, and a bar that all
// may move.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/console.h"

namespace langevin {

/// Lends objects that are dear to make (open fonts): each is used by one thread at a time, none is made
/// without need.
template <class T>
class WorkerPool {
 public:
  explicit WorkerPool(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  /// use(object) on an object that nobody else has meanwhile.
  template <class F>
  auto with(F&& use) {
    std::unique_ptr<T> object = take();
    struct Return {
      WorkerPool& pool;
      std::unique_ptr<T>& object;
      ~Return() { pool.give(std::move(object)); }
    } back{*this, object};
    return use(*object);
  }

 private:
  std::unique_ptr<T> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<T> object = std::move(idle_.back());
        idle_.pop_back();
        return object;
      }
    }
    return make_();
  }
  void give(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(object));
  }

  std::function<std::unique_ptr<T>()> make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

/// A Progress that counts single items from any thread.
class SharedProgress {
 public:
  SharedProgress(Console& console, std::string label, std::string unit, int64_t total)
      : progress_(console, std::move(label), std::move(unit), total) {}
  void add_one() {
    const std::lock_guard lock(mutex_);
    ++done_;
    progress_.update(done_, done_);
  }
  void finish() { progress_.finish(); }

 private:
  std::mutex mutex_;
  int64_t done_ = 0;
  Progress progress_;
};

}  // namespace langevin

#include "langevin/eval/inception.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/kernels/threads.h"
#include "langevin/model/check_tensors.h"
#include "langevin/nn/inception_v3.h"
#include "langevin/runtime/network.h"
#include "langevin/runtime/plan.h"
#include "langevin/runtime/recorder.h"

namespace langevin {
namespace {

runtime::Graph record_features(int64_t batch) {
  runtime::Recorder recorder;
  const auto x = recorder.input(runtime::Op::image, {batch, 3, nn::inception_size, nn::inception_size});
  recorder.input(runtime::Op::timesteps, {batch});
  return recorder.take(nn::inception_v3_features(recorder, x));
}

class InceptionNetwork final : public FeatureNetwork {
 public:
  InceptionNetwork(const std::filesystem::path& path, int64_t threads)
      : tensors_(open_inception(path)),
        weights_(tensors_),
        conditioning_(record_features(1), weights_),
        threads_(runtime::resolve_threads(threads)),
        last_(tensors_.to_float("fc.weight")) {
    info_ = {"Inception-v3 " + path.string(),
             tensors_hash(tensors_),
             nn::inception_features,
             nn::inception_classes,
             nn::inception_size,
             nn::inception_size,
             3};
  }
  const FeatureNetworkInfo& info() const override { return info_; }

  FeatureBatch operator()(const std::vector<Image>& pictures) override {
    const auto n = static_cast<int64_t>(pictures.size());
    const int64_t size = nn::inception_size, pixels = size * size;
    HostArrayF x({n, 3, size, size});
    for (int64_t i = 0; i < n; ++i) {
      const Image picture = to_channels(pictures[static_cast<size_t>(i)], 3);
      for (int c = 0; c < 3; ++c)
        bilinear(picture, c, size, size,
                 x.sample(i).subspan(static_cast<size_t>(c * pixels), static_cast<size_t>(pixels)));
    }
    for (float& value : x.data()) value = value / 127.5F - 1;
    FeatureBatch batch;
    batch.features = features(x);
    batch.probabilities = last_layer(batch.features, last_, {});
    softmax_rows(batch.probabilities);
    return batch;
  }

 private:
  HostArrayF features(const HostArrayF& x) {
    try {
      const ThreadLimit limit(threads_);
      if (!plan_ || plan_->output_shape()[0] != x.batch()) {
        plan_.reset();  // two arenas need not fit
        plan_ = std::make_unique<runtime::Plan>(record_features(x.batch()), runtime::Type::fp32,
                                                runtime::PlanShares{conditioning_, weights_});
      }
      HostArrayF out(plan_->output_shape());
      plan_->run({x.data().data(), std::vector<double>(static_cast<size_t>(x.batch())), {}},
                 out.data().data());
      return out;
    } catch (const dnnl::error& e) {
      fail("oneDNN: {} (status {})", e.what(), static_cast<int>(e.status));
    }
  }

  TensorSet tensors_;
  runtime::Weights weights_;
  runtime::Conditioning conditioning_;
  int threads_;
  HostArrayF last_;
  FeatureNetworkInfo info_;
  std::unique_ptr<runtime::Plan> plan_;  // of the last batch size
};

/// Where a pixel of the result falls among `from` pixels: two neighbours and the share of the second.
struct Place {
  int64_t low = 0, high = 0;
  float share = 0;
};

std::vector<Place> places(int64_t from, int64_t to) {
  std::vector<Place> all;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (int64_t i = 0; i < to; ++i) {
    const float at = std::max(0.0F, (static_cast<float>(i) + 0.5F) * scale - 0.5F);
    const auto low = std::min(static_cast<int64_t>(at), from - 1);
    all.push_back({low, std::min(low + 1, from - 1), at - static_cast<float>(low)});
  }
  return all;
}

}  // namespace

TensorSet open_inception(const std::filesystem::path& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  verify_checksum(file);
  TensorSet tensors = TensorSet::of_file(std::move(file));
  for (const std::string& name : tensors.names()) {
    if (name.ends_with(".num_batches_tracked")) tensors.remove(name);
  }
  check_tensors(tensors, nn::inception_v3_cost().parameters());
  return tensors;
}

std::unique_ptr<FeatureNetwork> inception_network(const std::filesystem::path& weights, int64_t threads) {
  return std::make_unique<InceptionNetwork>(weights, threads);
}

void bilinear(const Image& picture, int channel, int64_t h, int64_t w, std::span<float> out) {
  const std::vector<Place> ys = places(picture.height, h), xs = places(picture.width, w);
  const auto at = [&](int64_t y, int64_t x) {
    return static_cast<float>(picture.at(static_cast<int>(x), static_cast<int>(y), channel));
  };
  size_t next = 0;
  for (const Place& y : ys) {
    for (const Place& x : xs) {
      const float top = at(y.low, x.low) * (1 - x.share) + at(y.low, x.high) * x.share,
                  bottom = at(y.high, x.low) * (1 - x.share) + at(y.high, x.high) * x.share;
      out[next++] = top * (1 - y.share) + bottom * y.share;
    }
  }
}

}  // namespace langevin

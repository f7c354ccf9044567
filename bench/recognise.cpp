// How many of a model's class-conditional digits are recognised as the class that was asked for. An
// independent judge: a small convolutional network is trained here on real digits and tested on held-out
// ones, then shown the samples.
//
//   recognise MNIST_FOLDER SAMPLES.npz       (arr_0 uint8 (N,28,28,1), arr_1 int64 labels: `langevin sample
//   --out x.npz`)
#include <cmath>
#include <cstring>
#include <iostream>

#include "langevin/core/console.h"
#include "langevin/data/loader.h"
#include "langevin/io/npz.h"
#include "langevin/torch/device.h"
#include "langevin/torch/torch_array.h"

namespace langevin {
namespace {

/// conv 3x3 (32) - pool - conv 3x3 (64) - pool - linear 128 - linear 10, ReLU between; plain Adam.
class Judge {
 public:
  Judge() {
    add({32, 1, 3, 3}, 9);
    add({64, 32, 3, 3}, 288);
    add({128, 64 * 7 * 7}, 64 * 49);
    add({10, 128}, 128);
  }

  at::Tensor logits(const at::Tensor& x) const {
    const std::array<int64_t, 2> one{1, 1}, two{2, 2};
    const auto conv = [&](const at::Tensor& in, size_t i) {
      const at::Tensor y =
          at::conv2d(in, weights_[2 * i], weights_[2 * i + 1], at::IntArrayRef(one), at::IntArrayRef(one));
      return at::max_pool2d(at::relu(y), two, two);
    };
    const at::Tensor features = conv(conv(x, 0), 1).flatten(1);
    const at::Tensor hidden = at::relu(at::linear(features, weights_[4], weights_[5]));
    return at::linear(hidden, weights_[6], weights_[7]);
  }

  void train_step(const at::Tensor& x, const at::Tensor& labels, double lr) {
    const at::Tensor loss = at::nll_loss(at::log_softmax(logits(x), 1), labels);
    loss.backward();
    const at::NoGradGuard no_grad;
    ++step_;
    for (size_t i = 0; i < weights_.size(); ++i) {
      at::Tensor g = weights_[i].grad();
      m_[i].mul_(0.9).add_(g, 0.1);
      v_[i].mul_(0.999).addcmul_(g, g, 0.001);
      const double b1 = 1 - std::pow(0.9, step_), b2 = 1 - std::pow(0.999, step_);
      weights_[i].data().addcdiv_(m_[i], (v_[i] / b2).sqrt_().add_(1e-8), -lr / b1);
      weights_[i].mutable_grad() = at::Tensor();
    }
  }

 private:
  void add(const Shape& shape, int64_t fan_in) {
    HostArrayF values(Shape{1, element_count(shape)});
    values = noise_like(values, NoiseKey{7, weights_.size(), Purpose::weight_init, 0});
    const double scale = std::sqrt(2.0 / static_cast<double>(fan_in));
    weights_.push_back((to_torch(values).value.view(sizes(shape)) * scale).detach().requires_grad_());
    weights_.push_back(at::zeros({shape[0]}).requires_grad_());
    for (size_t i = weights_.size() - 2; i < weights_.size(); ++i) {
      m_.push_back(at::zeros_like(weights_[i]));
      v_.push_back(at::zeros_like(weights_[i]));
    }
  }
  std::vector<at::Tensor> weights_, m_, v_;
  int64_t step_ = 0;
};

at::Tensor labels_of(const std::vector<int64_t>& labels) {
  return at::tensor(at::ArrayRef<int64_t>(labels), at::kLong);
}

/// Small random shifts: a judge that has seen digits a little off centre is not fooled by them.
at::Tensor shifted(const at::Tensor& x, RandomStream& stream) {
  return at::roll(x, {static_cast<int64_t>(stream.below(5)) - 2, static_cast<int64_t>(stream.below(5)) - 2},
                  {2, 3});
}

double accuracy(const Judge& judge, const at::Tensor& x, const std::vector<int64_t>& labels) {
  const at::NoGradGuard no_grad;
  return (judge.logits(x).argmax(1) == labels_of(labels)).to(at::kDouble).mean().item<double>();
}

int run(const std::string& digits, const std::string& samples) {
  set_threads(0);
  Console console(Console::Level::quiet);
  DataOptions options;
  options.split = "train";
  const auto train = open_dataset(digits, options, console);
  options.split = "test";
  const auto test = open_dataset(digits, options, console);

  Judge judge;
  Loader loader(train, LoaderOptions{.batch = 64, .seed = 3});
  RandomStream stream(NoiseKey{3, 0, Purpose::test, 0});
  const int64_t steps = 15 * train->size() / 64;
  for (int64_t i = 0; i < steps; ++i) {
    const Batch batch = loader.next();
    const double lr =
        1e-3 * (0.5 + 0.5 * std::cos(3.14159265 * static_cast<double>(i) / static_cast<double>(steps)));
    judge.train_step(shifted(to_torch(batch.images).value, stream), labels_of(batch.labels), lr);
  }
  LoaderOptions whole{.batch = test->size(), .shuffle = false};
  const Batch held_out = Loader(test, whole).next();
  const double real = accuracy(judge, to_torch(held_out.images).value, held_out.labels);

  const NpyArray images = read_npz(samples, "arr_0", size_t{1} << 32),
                 wanted = read_npz(samples, "arr_1", size_t{1} << 28);
  check(images.shape.size() == 4 && images.shape[1] == 28 && images.shape[2] == 28 && images.shape[3] == 1,
        samples, "arr_0 is {}, the judge needs (N, 28, 28, 1)", to_string(images.shape));
  const int64_t n = images.shape[0];
  HostArrayF x = images.to_float();
  for (float& value : x.data()) value = value / 127.5F - 1;
  std::vector<int64_t> labels(static_cast<size_t>(n));
  std::memcpy(labels.data(), wanted.bytes.data(), labels.size() * sizeof(int64_t));
  const at::Tensor pictures = to_torch(x).value.view({n, 1, 28, 28});
  fmt::print("recognised {:.4f} of {} samples as the digit asked for; {:.4f} of {} held-out real digits\n",
             accuracy(judge, pictures, labels), n, real, test->size());
  const at::NoGradGuard no_grad;
  const at::Tensor said = judge.logits(pictures).argmax(1);
  for (int64_t digit = 0; digit < 10; ++digit) {
    const at::Tensor of_digit = labels_of(labels) == digit;
    const auto total = of_digit.sum().item<int64_t>();
    if (total == 0) continue;
    fmt::print("  {}: {:.3f}\n", digit,
               static_cast<double>(at::logical_and(said == digit, of_digit).sum().item<int64_t>()) /
                   static_cast<double>(total));
  }
  return 0;
}

}  // namespace
}  // namespace langevin

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: recognise MNIST_FOLDER SAMPLES.npz\n";
    return 2;
  }
  try {
    return langevin::run(argv[1], argv[2]);
  } catch (const std::exception& e) {
    std::cerr << "recognise: " << e.what() << "\n";
    return 1;
  }
}

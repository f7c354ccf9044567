// Folders of diffusers: each layout opens as the same model, and what does not fit is refused in one line.
#include "langevin/model/diffusers_folder.h"

#include <gtest/gtest.h>

#include "diffusers_samples.h"
#include "langevin/core/atomic_folder.h"
#include "langevin/core/json_file.h"
#include "langevin/model/diffusers_export.h"
#include "langevin/model/recipe.h"

namespace langevin {
namespace {

using namespace samples;

class DiffusersFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("diffusers_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string error_of(const fs::path& path) {
    try {
      open_model(path);
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
      return e.what();
    }
    return "";
  }
  void expect_error(const fs::path& path, const std::string& part) {
    const std::string message = error_of(path);
    EXPECT_NE(message.find(part), std::string::npos) << "message: \"" << message << '"';
  }
  /// The weights file of a bare network that is written anew, edited.
  template <class F>
  void with_weights(F edit) {
    Weights weights(small_unet());
    edit(weights);
    put(folder_ / "config.json", small_unet());
    weights.write(folder_ / "diffusion_pytorch_model.safetensors");
  }

  fs::path folder_;
};

TEST_F(DiffusersFolderTest, APipelineIsAModelWithItsScheduler) {
  write_pipeline(folder_);
  const ModelFile model = open_model(folder_);
  EXPECT_TRUE(model.foreign);
  EXPECT_TRUE(model.notes.empty());
  EXPECT_EQ(model.spec.schedule.timesteps, 20);
  EXPECT_EQ(model.spec.prediction, PredictionType::epsilon);
  ASSERT_TRUE(model.spec.sampling);
  EXPECT_EQ(model.spec.sampling->sampler.name, "ddpm");
  EXPECT_EQ(model.spec.sampling->sampler.variance, "fixed_large");
  EXPECT_EQ(model.spec.sampling->sampler.spacing, "leading");
  EXPECT_EQ(model.spec.sampling->threshold.kind, "clip");
  EXPECT_EQ(model.tensor("conv_in.bias")[1], Weights(small_unet()).at("conv_in.bias")[1]);
  // Any file of it names it too.
  EXPECT_EQ(open_model(folder_ / "unet" / "diffusion_pytorch_model.safetensors").weights.names(),
            model.weights.names());
}

TEST_F(DiffusersFolderTest, EveryLayoutIsTheSameModel) {
  write_pipeline(folder_ / "nested");
  const auto names = open_model(folder_ / "nested").weights.names();
  // google/ddpm-cifar10-32: all in one folder.
  const fs::path flat = folder_ / "flat";
  fs::create_directories(flat);
  fs::copy(folder_ / "nested" / "model_index.json", flat / "model_index.json");
  fs::copy(folder_ / "nested" / "unet", flat);
  fs::copy(folder_ / "nested" / "scheduler", flat);
  EXPECT_EQ(open_model(flat).weights.names(), names);
  EXPECT_EQ(open_model(flat).spec.schedule.timesteps, 20);
  fs::remove(flat / "model_index.json");
  EXPECT_EQ(open_model(flat).spec.schedule.timesteps, 20);
  // A network by itself.
  fs::remove(flat / "scheduler_config.json");
  const ModelFile bare = open_model(flat);
  EXPECT_EQ(bare.spec.schedule.timesteps, 1000);
  ASSERT_EQ(bare.notes.size(), 1U);
  EXPECT_NE(bare.notes[0].find("no scheduler beside the network"), std::string::npos);
  // unet/ without a model_index.json.
  fs::remove(folder_ / "nested" / "model_index.json");
  EXPECT_EQ(open_model(folder_ / "nested").spec.schedule.timesteps, 20);
}

TEST_F(DiffusersFolderTest, DdimPipelineMakesADdimSchedulerOfAny) {
  write_pipeline(folder_);
  put(folder_ / "model_index.json", {{"_class_name", "DDIMPipeline"},
                                     {"unet", {"diffusers", "UNet2DModel"}},
                                     {"scheduler", {"diffusers", "DDPMScheduler"}}});
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(model.spec.sampling->sampler.name, "ddim");
  EXPECT_TRUE(model.spec.sampling->sampler.compat_diffusers);
  ASSERT_EQ(model.notes.size(), 1U);  // variance_type is ddpm's
  EXPECT_NE(model.notes[0].find("variance_type"), std::string::npos);
}

TEST_F(DiffusersFolderTest, AnAutoencoderNeedsNoSchedulerAndItsAttentionMayHaveTheOldNames) {
  Weights weights(nn::autoencoder_kl_config_from_json(small_vae(), "sample"));
  for (auto& [name, values] : weights.tensors) {
    for (const auto& [now, old] : std::vector<std::pair<std::string, std::string>>{
             {"to_q.", "query."}, {"to_k.", "key."}, {"to_v.", "value."}, {"to_out.0.", "proj_attn."}}) {
      const size_t at = name.find(now);
      if (at != std::string::npos) name.replace(at, now.size(), old);
    }
  }
  const fs::path vae = folder_ / "vae";
  fs::create_directories(vae);
  put(vae / "config.json", small_vae());
  weights.write(vae / "diffusion_pytorch_model.safetensors");
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(nn::type_name(model.spec.network), "autoencoder_kl");
  EXPECT_TRUE(model.notes.empty());
  EXPECT_TRUE(model.weights.contains("encoder.mid_block.attentions.0.to_out.0.weight"));
  // With a U-Net beside it nobody knows which is meant.
  fs::create_directories(folder_ / "unet");
  put(folder_ / "unet" / "config.json", small_unet());
  Weights(small_unet()).write(folder_ / "unet" / "diffusion_pytorch_model.safetensors");
  expect_error(folder_, "holds unet and vae; give the folder of one of them");
  EXPECT_EQ(nn::type_name(open_model(vae).spec.network), "autoencoder_kl");
}

TEST_F(DiffusersFolderTest, ReadsShards) {
  write_pipeline(folder_);
  const Weights weights(small_unet());
  const fs::path unet = folder_ / "unet";
  fs::remove(unet / "diffusion_pytorch_model.safetensors");
  const size_t half = weights.tensors.size() / 2;
  const std::string one = "diffusion_pytorch_model-00001-of-00002.safetensors",
                    two = "diffusion_pytorch_model-00002-of-00002.safetensors";
  weights.write(unet / one, 0, half);
  weights.write(unet / two, half, weights.tensors.size());
  json index{{"metadata", {{"total_size", 0}}}};
  int64_t bytes = 0;
  for (size_t i = 0; i < weights.tensors.size(); ++i) {
    index["weight_map"][weights.tensors[i].first] = i < half ? one : two;
    bytes += weights.tensors[i].second.size() * 4;
  }
  index["metadata"]["total_size"] = bytes;
  put(unet / "diffusion_pytorch_model.safetensors.index.json", index);
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(model.weights.names().size(), weights.tensors.size());
  EXPECT_EQ(model.tensor("conv_out.bias")[0], weights.tensors.back().second[0]);
  fs::remove(unet / two);
  expect_error(folder_, "the shard '" + two + "' is missing");
}

TEST_F(DiffusersFolderTest, OldNamesOfAttentionAreRead) {
  with_weights([](Weights& weights) {
    for (auto& [name, values] : weights.tensors) {
      const auto rename = [&, &name = name](const std::string& from, const std::string& to) {
        const size_t at = name.find("." + from + ".");
        if (at != std::string::npos) name = name.substr(0, at) + "." + to + name.substr(at + from.size() + 1);
      };
      rename("to_q", "query");
      rename("to_k", "key");
      rename("to_v", "value");
      rename("to_out.0", "proj_attn");
    }
  });
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(model.tensor("mid_block.attentions.0.to_out.0.bias")[3],
            Weights(small_unet()).at("mid_block.attentions.0.to_out.0.bias")[3]);
}

TEST_F(DiffusersFolderTest, BothNamesOfOneTensorAreRefused) {
  with_weights([](Weights& weights) {
    weights.tensors.emplace_back("mid_block.attentions.0.query.bias", HostArrayF({16}));
  });
  expect_error(folder_, "two tensors are 'mid_block.attentions.0.to_q.bias'");
}

TEST_F(DiffusersFolderTest, WeightsThatDoNotFitAreNamed) {
  with_weights([](Weights& weights) { weights.tensors.pop_back(); });
  expect_error(folder_, "the network needs tensor 'conv_out.bias' (1,)");
  with_weights([](Weights& weights) { weights.tensors.emplace_back("extra.weight", HostArrayF({2})); });
  expect_error(folder_, "tensor 'extra.weight' belongs to no part");
  with_weights([](Weights& weights) { weights.at("conv_in.bias") = HostArrayF({9}); });
  expect_error(folder_, "tensor 'conv_in.bias' is (9,) in the file, the network needs (8,)");
}

TEST_F(DiffusersFolderTest, WeightsOfIntegersAreRefused) {
  put(folder_ / "config.json", small_unet());
  const Weights weights(small_unet());
  std::vector<TensorOut> out;
  for (const auto& [name, values] : weights.tensors) {
    const DType type = name == "conv_in.bias" ? DType::i32 : DType::f32;
    out.push_back({name, type, values.shape(), std::as_bytes(values.data())});
  }
  write_safetensors(folder_ / "diffusion_pytorch_model.safetensors", out, {});
  expect_error(folder_, "tensor 'conv_in.bias' holds i32");
}

TEST_F(DiffusersFolderTest, WeightsAreFoundByTheirNames) {
  put(folder_ / "config.json", small_unet());
  expect_error(folder_, "holds no weights (*.safetensors)");
  std::ofstream(folder_ / "diffusion_pytorch_model.bin") << "x";
  expect_error(folder_, "its .bin is a Python pickle");
  Weights(small_unet()).write(folder_ / "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_FALSE(open_model(folder_).weights.names().empty());  // the only one
  Weights(small_unet()).write(folder_ / "diffusion_pytorch_model.non_ema.safetensors");
  expect_error(folder_, "holds 2 files of weights and none is called diffusion_pytorch_model.safetensors");
  Weights(small_unet()).write(folder_ / "diffusion_pytorch_model.safetensors");
  EXPECT_FALSE(open_model(folder_).weights.names().empty());
}

TEST_F(DiffusersFolderTest, WhatItCannotDoIsNamed) {
  write_pipeline(folder_);
  const fs::path index = folder_ / "model_index.json";
  put(index, {{"_class_name", "KandinskyPipeline"}, {"unet", {"diffusers", "UNet2DModel"}}});
  expect_error(folder_, "unknown pipeline 'KandinskyPipeline'");
  put(index, {{"_class_name", "DDPMPipeline"},
              {"unet", {"diffusers", "UNet2DModel"}},
              {"scheduler", {"diffusers", "DDPMScheduler"}},
              {"vqvae", {"diffusers", "VQModel"}}});
  expect_error(folder_, "unknown key 'vqvae'");
  put(index, {{"_class_name", "DDPMPipeline"},
              {"unet", {"my_module", "UNet2DModel"}},
              {"scheduler", {"diffusers", "DDPMScheduler"}}});
  expect_error(folder_, "unet is of the library \"my_module\"");
  put(index, {{"_class_name", "DDPMPipeline"},
              {"unet", {"diffusers", "UNet3DConditionModel"}},
              {"scheduler", {"diffusers", "DDPMScheduler"}}});
  expect_error(folder_, "is of the class UNet2DModel, model_index.json says UNet3DConditionModel");
  put(index, {{"_class_name", "DDPMPipeline"}, {"unet", "UNet2DModel"}});
  expect_error(folder_, "unet is not [library, class]");
  fs::remove(index);

  json config = small_unet();
  config["_class_name"] = "UNet2DModle";
  put(folder_ / "unet" / "config.json", config);
  expect_error(folder_, "unknown class of networks 'UNet2DModle'; did you mean 'UNet2DModel'?");
  config = small_unet();
  config["downsampel_padding"] = 1;
  put(folder_ / "unet" / "config.json", config);
  expect_error(folder_, "unknown key 'downsampel_padding' = 1");
  std::ofstream(folder_ / "unet" / "config.json") << "{\"_class_name\": \"UNet2DModel\"";
  EXPECT_NE(error_of(folder_), "");
}

TEST_F(DiffusersFolderTest, ASchedulerThatIsAbsentIsNamed) {
  write_pipeline(folder_);
  fs::remove_all(folder_ / "scheduler");
  expect_error(folder_, "there is no ");
}

TEST_F(DiffusersFolderTest, ImportedItIsAModelOfOurs) {
  json config = small_unet();
  config["num_class_embeds"] = 3;
  write_pipeline(folder_ / "theirs", config);
  const ModelFile theirs = open_model(folder_ / "theirs");
  EXPECT_EQ(theirs.spec.labels, (std::vector<std::string>{"0", "1", "2"}));
  std::vector<TensorOut> tensors;
  for (const std::string& name : theirs.weights.names()) {
    const TensorView& view = theirs.weights.at(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  write_model(folder_ / "ours.safetensors", theirs.spec, tensors);
  const ModelFile ours = open_model(folder_ / "ours.safetensors");
  EXPECT_FALSE(ours.foreign);
  EXPECT_EQ(to_json(ours.spec), to_json(theirs.spec));
  ASSERT_TRUE(ours.spec.sampling);
  EXPECT_EQ(ours.spec.sampling->sampler, theirs.spec.sampling->sampler);
  EXPECT_EQ(ours.spec.sampling->threshold, theirs.spec.sampling->threshold);
}

/// A model of ours, of which a recipe is made.
ModelFile trained(const fs::path& folder, int64_t size, bool scale_shift) {
  Recipe recipe = preset("tiny");
  recipe.network.scale_shift = scale_shift;
  ModelSpec spec;
  spec.network = make_network(recipe, 1, size, size, 2);
  spec.schedule = recipe.schedule;
  spec.prediction = PredictionType::v_prediction;
  spec.labels = {"cat", "dog"};
  spec.null_class = true;
  spec.licence = "CC0";
  std::vector<HostArrayF> memory;
  std::vector<TensorOut> tensors;
  const nn::CostInterpreter cost = nn::cost_of(spec.network);
  memory.reserve(cost.parameters().size());
  for (const auto& p : cost.parameters()) {
    fill_normal(memory.emplace_back(p.shape).data(), {1, memory.size(), Purpose::test, 0});
    tensors.push_back({p.name, DType::f32, p.shape, std::as_bytes(memory.back().data())});
  }
  write_model(folder / "model.safetensors", spec, tensors);
  return open_model(folder / "model.safetensors");
}

void export_to(const ModelFile& model, const fs::path& folder) {
  AtomicFolder target(folder);
  write_diffusers_folder(model, target.path());
  target.commit();
}

TEST_F(DiffusersFolderTest, WhatIsExportedIsTheSameModelHere) {
  for (const bool scale_shift : {false, true}) {
    const fs::path folder = folder_ / (scale_shift ? "b" : "a");
    const ModelFile model = trained(folder, 16, scale_shift);
    export_to(model, folder / "exported");
    const ModelFile again = open_model(folder / "exported");
    EXPECT_TRUE(again.notes.empty());
    EXPECT_EQ(to_json(again.spec), to_json(model.spec));
    ASSERT_EQ(again.weights.names(), model.weights.names());
    for (const std::string& name : model.weights.names()) {
      const auto a = model.weights.at(name).bytes, b = again.weights.at(name).bytes;
      ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << name;
    }
    const json config = read_json(folder / "exported" / "unet" / "config.json");
    EXPECT_EQ(config["_class_name"], "UNet2DModel");
    EXPECT_EQ(config["num_class_embeds"], 3);
    EXPECT_FALSE(config.contains("type"));
    const json index = read_json(folder / "exported" / "model_index.json");
    EXPECT_EQ(index["_class_name"], "DDIMPipeline");
    EXPECT_EQ(index["unet"], json({"diffusers", "UNet2DModel"}));
  }
}

// Another program may write the weights anew, without our metadata: the folder says enough by itself.
TEST_F(DiffusersFolderTest, WhatIsExportedNeedsNoDescriptionOfOurs) {
  const ModelFile model = trained(folder_, 16, true);
  export_to(model, folder_ / "exported");
  std::vector<TensorOut> tensors;
  for (const std::string& name : model.weights.names()) {
    const TensorView& view = model.weights.at(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  write_safetensors(folder_ / "exported/unet/diffusion_pytorch_model.safetensors", tensors,
                    {{"format", "pt"}});
  const ModelFile again = open_model(folder_ / "exported");
  EXPECT_EQ(nn::to_json(again.spec.network), nn::to_json(model.spec.network));
  EXPECT_EQ(again.spec.prediction, model.spec.prediction);
  EXPECT_EQ(again.spec.sampling->sampler.name, "ddim");
}

TEST_F(DiffusersFolderTest, AnExportThatWasChangedIsNoticed) {
  const ModelFile model = trained(folder_, 16, false);
  export_to(model, folder_ / "exported");
  const fs::path file = folder_ / "exported" / "scheduler" / "scheduler_config.json";
  json scheduler = read_json(file);
  scheduler["timestep_spacing"] = "leading";
  put(file, scheduler);
  const ModelFile changed = open_model(folder_ / "exported");
  ASSERT_EQ(changed.notes.size(), 1U);
  EXPECT_NE(changed.notes[0].find("was changed since the export"), std::string::npos);
  EXPECT_EQ(changed.spec.sampling->sampler.spacing, "leading");
  EXPECT_EQ(changed.spec.labels, model.spec.labels);

  const fs::path network = folder_ / "exported" / "unet" / "config.json";
  json config = read_json(network);
  config["norm_eps"] = 1e-4;
  put(network, config);
  expect_error(folder_ / "exported", "describes another network than config.json");
}

TEST_F(DiffusersFolderTest, WhatHasNoCounterpartThereIsRefused) {
  const ModelFile model = trained(folder_, 15, false);
  EXPECT_THROW(export_to(model, folder_ / "exported"), Error);
  EXPECT_FALSE(fs::exists(folder_ / "exported"));
  try {
    check_exportable(model);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("cannot run this network on 15 x 15 pictures"), std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace langevin

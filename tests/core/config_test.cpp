#include "langevin/core/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Settings {
  int64_t steps = 1000;
  double lr = 2e-4;
  double clip = kInfinity;
  bool flip = true;
  std::string name = "a \"quoted\" \\ name\twith\nlines \x7f and é";
  std::string kind = "linear";
  std::vector<int64_t> channels{64, 128, 256};
  std::vector<double> betas{0.9, 0.999};
  std::vector<std::string> spacings{"leading", "trailing"};

  Schema schema() {
    Schema s;
    s.field("schedule.kind", kind, "shape of the noise schedule", {"linear", "cosine", "sigmoid"})
        .field("steps", steps, "training steps", {1, 1e9})
        .field("optimizer.lr", lr, "learning rate", {0, 1})
        .field("optimizer.clip", clip, "largest gradient norm", {0, kInfinity})
        .field("optimizer.adam.betas", betas, "decay of the moments", {0, 1})
        .field("data.flip", flip, "mirror pictures at random")
        .field("data.name", name, "what the set is called\nin logs")
        .field("net.channels", channels, "channels of each stage", {1, 4096})
        .field("net.spacings", spacings, "grids", {"leading", "trailing", "linspace"});
    return s;
  }
  bool operator==(const Settings&) const = default;
};

Settings other_settings() { return {7, 1.0 / 3, 1e-300, false, "", "cosine", {1}, {}, {"linspace"}}; }

template <class E = UsageError, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "(no error)";
}

std::string set_error(const std::string& assignment) {
  Settings settings;
  Schema schema = settings.schema();
  const std::string message = message_of([&] { schema.set(assignment); });
  EXPECT_EQ(settings, Settings()) << "changed by " << assignment;
  return message;
}

std::string toml_error(const std::string& text) {
  Settings settings;
  Schema schema = settings.schema();
  const std::string message = message_of([&] { schema.load_toml(text, "c.toml"); });
  EXPECT_EQ(settings, Settings()) << "changed by " << text;
  return message;
}

std::string json_error(const std::string& text) {
  Settings settings;
  Schema schema = settings.schema();
  const std::string message =
      message_of<Error>([&] { schema.from_json(nlohmann::json::parse(text), "m.safetensors"); });
  EXPECT_EQ(settings, Settings()) << "changed by " << text;
  return message;
}

TEST(Config, TomlRoundTripIsExact) {
  for (Settings written : {Settings(), other_settings()}) {
    const std::string text = written.schema().to_toml();
    Settings read;
    read.lr = 0.123;
    read.schema().load_toml(text, "written");
    EXPECT_EQ(read, written) << text;
  }
}

TEST(Config, JsonRoundTripIsExactAlsoAsText) {
  for (Settings written : {Settings(), other_settings()}) {
    Settings read;
    read.lr = 0.123;
    read.schema().from_json(nlohmann::json::parse(written.schema().to_json().dump()), "written");
    EXPECT_EQ(read, written);
  }
  Settings settings;
  EXPECT_EQ(settings.schema().to_json()["optimizer"]["adam"]["betas"], nlohmann::json({0.9, 0.999}));
}

TEST(Config, TomlReadsWell) {
  Settings settings;
  settings.name = std::string(1, 'x');
  EXPECT_EQ(settings.schema().to_toml(),
            "steps = 1000  # training steps\n"
            "\n[schedule]\n"
            "kind = \"linear\"  # shape of the noise schedule\n"
            "\n[optimizer]\n"
            "lr = 0.0002  # learning rate\n"
            "clip = inf  # largest gradient norm\n"
            "\n[optimizer.adam]\n"
            "betas = [0.9, 0.999]  # decay of the moments\n"
            "\n[data]\n"
            "flip = true  # mirror pictures at random\n"
            "name = \"x\"  # what the set is called in logs\n"
            "\n[net]\n"
            "channels = [64, 128, 256]  # channels of each stage\n"
            "spacings = [\"leading\", \"trailing\"]  # grids\n");
}

TEST(Config, AbsentKeysKeepTheirValue) {
  Settings settings;
  settings.schema().load_toml("optimizer.lr = 1\n", "c.toml");
  Settings expected;
  expected.lr = 1;
  EXPECT_EQ(settings, expected);
}

TEST(Config, SetTakesBareWordsAndLists) {
  Settings settings;
  Schema schema = settings.schema();
  schema.set("schedule.kind=cosine");
  EXPECT_EQ(settings.kind, "cosine");
  schema.set(" steps = 2e3 ");
  EXPECT_EQ(settings.steps, 2000);
  schema.set("optimizer.lr=1");
  EXPECT_EQ(settings.lr, 1.0);
  schema.set("data.flip=false");
  EXPECT_FALSE(settings.flip);
  for (const char* text : {"data.name=007", "data.name='007'", "data.name=\"007\""}) {
    settings.name = "";
    schema.set(text);
    EXPECT_EQ(settings.name, "007") << text;
  }
  schema.set("data.name=/a b/c=d#e");
  EXPECT_EQ(settings.name, "/a b/c=d#e");
  schema.set("data.name=");
  EXPECT_EQ(settings.name, "");
  for (const char* text : {"net.channels=[32, 64]", "net.channels=32,64"}) {
    settings.channels.clear();
    schema.set(text);
    EXPECT_EQ(settings.channels, (std::vector<int64_t>{32, 64})) << text;
  }
  schema.set("net.channels=8");
  EXPECT_EQ(settings.channels, (std::vector<int64_t>{8}));
  for (const char* text : {"net.spacings=[linspace, leading]", "net.spacings=linspace,leading",
                           "net.spacings=['linspace', \"leading\"]"}) {
    settings.spacings.clear();
    schema.set(text);
    EXPECT_EQ(settings.spacings, (std::vector<std::string>{"linspace", "leading"})) << text;
  }
  schema.set("optimizer.adam.betas=");
  EXPECT_TRUE(settings.betas.empty());
}

TEST(Config, SetErrors) {
  EXPECT_EQ(set_error("optimizer.lr"), "'optimizer.lr' is not of the form key=value");
  EXPECT_EQ(set_error("optimiser.lr=1"), "unknown key 'optimiser.lr'; did you mean 'optimizer.lr'?");
  EXPECT_EQ(set_error("lr=1"), "unknown key 'lr'; did you mean 'optimizer.lr'?");
  EXPECT_EQ(set_error("zebra.crossing=1"), "unknown key 'zebra.crossing'; --keys lists the known ones");
  EXPECT_EQ(set_error("=1"), "unknown key ''; --keys lists the known ones");
  EXPECT_EQ(set_error("optimizer=1"),
            "optimizer is a table, not a value; set a key in it, such as optimizer.lr");
  EXPECT_EQ(set_error("optimizer.lr=fast"), "optimizer.lr must be a number, got \"fast\"");
  EXPECT_EQ(set_error("optimizer.lr="), "optimizer.lr must be a number, got \"\"");
  EXPECT_EQ(set_error("optimizer.lr=nan"), "optimizer.lr must be a number, got nan");
  EXPECT_EQ(set_error("optimizer.lr=2"), "optimizer.lr must be in [0, 1], got 2");
  EXPECT_EQ(set_error("optimizer.lr=0.1\nsteps=3"), "optimizer.lr must be a number, got \"0.1\\nsteps=3\"");
  EXPECT_EQ(set_error("optimizer.clip=-1"), "optimizer.clip must be at least 0, got -1");
  EXPECT_EQ(set_error("steps=0"), "steps must be in [1, 1000000000], got 0");
  EXPECT_EQ(set_error("steps=1.5"), "steps must be an integer, got 1.5");
  EXPECT_EQ(set_error("steps=1e300"), "steps must be an integer, got 1e+300");
  EXPECT_EQ(set_error("data.flip=yes"), "data.flip must be true or false, got \"yes\"");
  EXPECT_EQ(set_error("data.name=\"open"), "data.name: the quotes of \"open do not match");
  EXPECT_EQ(set_error("data.name=\xff"), "data.name must be text, got \"\xef\xbf\xbd\"");
  EXPECT_EQ(set_error("schedule.kind=Cosin"),
            "schedule.kind must be one of linear, cosine, sigmoid; got 'Cosin', did you mean 'cosine'?");
  EXPECT_EQ(set_error("schedule.kind=zzzzz"),
            "schedule.kind must be one of linear, cosine, sigmoid; got 'zzzzz'");
  EXPECT_EQ(set_error("net.channels=[64, 0]"), "net.channels must be in [1, 4096], got 0");
  EXPECT_EQ(set_error("net.channels=64,wide"), "net.channels must be a list of integers, got [64,\"wide\"]");
  EXPECT_EQ(
      set_error("net.spacings=tailing"),
      "net.spacings must be one of leading, trailing, linspace; got 'tailing', did you mean 'trailing'?");
}

TEST(Config, TomlErrorsNameThePlace) {
  EXPECT_EQ(toml_error("steps = 5\n\n[optimizer]\n  lrr = 1\n"),
            "c.toml:4:3: unknown key 'optimizer.lrr'; did you mean 'optimizer.lr'?");
  EXPECT_EQ(toml_error("steps = 5\n[optimizer]\nlr = 'fast'\n"),
            "c.toml:3:6: optimizer.lr must be a number, got \"fast\"");
  EXPECT_EQ(toml_error("steps = 5\n[optimizer]\nlr = 7.5\n"),
            "c.toml:3:6: optimizer.lr must be in [0, 1], got 7.5");
  EXPECT_EQ(toml_error("optimizer = 3\n"),
            "c.toml:1:1: optimizer is a table, not a value; set a key in it, such as optimizer.lr");
  EXPECT_EQ(toml_error("[steps]\nx = 1\n"), "c.toml:1:1: steps must be an integer, got {\"x\":1}");
  EXPECT_EQ(toml_error("data.name = 1979-05-27\n"),
            "c.toml:1:13: dates and times have no use here; put text in quotes");
  EXPECT_EQ(toml_error("[[net]]\nchannels = [1]\n").substr(0, 14), "c.toml:1:3: ne");
  const std::string syntax = toml_error("steps = 5\nlr == 3\n");
  EXPECT_EQ(syntax.substr(0, 10), "c.toml:2:5") << syntax;
  EXPECT_EQ(toml_error("steps = 5\nsteps = 6\n").substr(0, 9), "c.toml:2:");
  EXPECT_EQ(toml_error(std::string("steps = 5\n\0", 11)).substr(0, 7), "c.toml:");
  EXPECT_EQ(toml_error("net.channels = " + std::string(100'000, '[')).substr(0, 7), "c.toml:");
}

TEST(Config, JsonErrorsNameTheSource) {
  EXPECT_EQ(json_error(R"({"steps": 5, "optimizer": {"lrr": 1}})"),
            "m.safetensors: unknown key 'optimizer.lrr'; did you mean 'optimizer.lr'?");
  EXPECT_EQ(json_error(R"({"steps": null})"), "m.safetensors: steps must be an integer, got null");
  EXPECT_EQ(json_error(R"({"steps": 18446744073709551615})"),
            "m.safetensors: steps must be an integer, got 18446744073709551615");
  EXPECT_EQ(json_error(R"({"steps": true})"), "m.safetensors: steps must be an integer, got true");
  EXPECT_EQ(json_error(R"({"data": {"flip": 1}})"), "m.safetensors: data.flip must be true or false, got 1");
  EXPECT_EQ(json_error("[1]"), "m.safetensors: must be a JSON object, got [1]");
  Settings settings;
  try {
    settings.schema().from_json({{"x", 1}}, "m");
    FAIL();
  } catch (const UsageError&) {
    FAIL() << "a bad file is not a wrong use of the command";
  } catch (const Error&) {
  }
}

TEST(Config, KeysListEverything) {
  Settings settings;
  const std::string text = settings.schema().describe();
  for (const char* part :
       {"schedule.kind", "\"linear\"", "linear|cosine|sigmoid", "shape of the noise schedule",
        "an integer in [1, 1000000000]", "a number at least 0", "[0.9, 0.999]"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 9);
}

TEST(Config, BadRegistrationIsFound) {
  int64_t value = 0;
  Schema schema;
  schema.field("a.b", value, "");
  EXPECT_THROW(schema.field("a.b", value, ""), Error);
  EXPECT_THROW(schema.field("a", value, ""), Error);
  EXPECT_THROW(schema.field("a.b.c", value, ""), Error);
  EXPECT_THROW(schema.field("a key", value, ""), Error);
  EXPECT_THROW(schema.field("a..c", value, ""), Error);
}

TEST(Names, Nearest) {
  const std::vector<std::string> known{"linear", "cosine", "sigmoid", "scaled_linear"};
  EXPECT_EQ(nearest("consine", known), "cosine");  // one letter too many
  EXPECT_EQ(nearest("cosnie", known), "cosine");   // two swapped
  EXPECT_EQ(nearest("LINEAR", known), "linear");
  EXPECT_EQ(nearest("scaled-linear", known), "scaled_linear");
  EXPECT_EQ(nearest("quadratic", known), "");
  EXPECT_EQ(nearest("x", known), "");
  EXPECT_EQ(nearest("a", {"b"}), "");
  EXPECT_EQ(nearest("ab", {"ba"}), "ba");  // a swap counts once
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(1'000'000, 'a'), known), "");
  EXPECT_EQ(unknown_name("schedule", "cosin", known), "unknown schedule 'cosin'; did you mean 'cosine'?");
  EXPECT_EQ(unknown_name("schedule", "q\n", {"a", "b"}), "unknown schedule 'q?'; known: a, b");
}

TEST(Names, OneLineNeverCutsACharacter) {
  const std::string text = one_line(std::string(79, 'a') + "é\n" + std::string(20, 'b'));
  EXPECT_EQ(text, std::string(79, 'a') + "...");
  EXPECT_EQ(one_line("a\x1b[2Jb"), "a?[2Jb");
}

}  // namespace
}  // namespace langevin

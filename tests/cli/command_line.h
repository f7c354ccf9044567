// Runs the command as a user does, and looks at all it says.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace langevin::testing {

namespace fs = std::filesystem;

/// A folder of its own for each test, gone afterwards.
class CommandLine : public ::testing::Test {
 protected:
  struct Result {
    int status = -1;  // 128 + signal if one ended it
    std::string out, err;
    nlohmann::json json() const { return nlohmann::json::parse(out); }
  };

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "langevin-cli-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string bin() { return (fs::path(LANGEVIN_BIN) / "langevin").string(); }
  static bool has_torch() { return fs::exists(fs::path(LANGEVIN_BIN) / "liblangevin_torch.so"); }

  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static void write(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }

  /// A shell's command line, with `langevin` standing for the program.
  Result shell(const std::string& prefix, const std::vector<std::string>& arguments) const {
    std::string line = prefix + " '" + bin() + "'";
    for (const std::string& argument : arguments) line += " '" + argument + "'";
    line += " >'" + path("stdout.txt") + "' 2>'" + path("stderr.txt") + "' </dev/null";
    const int raw = std::system(line.c_str());
    return {WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw), read(path("stdout.txt")),
            read(path("stderr.txt"))};
  }
  Result langevin(const std::vector<std::string>& arguments) const { return shell("", arguments); }

  /// Failure says: this status, one line on stderr that names the verb and holds all of `words`, nothing on
  /// stdout.
  void expect_error(const std::vector<std::string>& arguments, int status,
                    const std::vector<std::string>& words) const {
    const Result r = langevin(arguments);
    EXPECT_EQ(r.status, status) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    EXPECT_EQ(r.err.rfind("langevin " + arguments.at(0) + ": ", 0), 0u) << r.err;
    for (const std::string& word : words)
      EXPECT_NE(r.err.find(word), std::string::npos) << word << " in: " << r.err;
  }

  /// Ten classes of gray 28 x 28 pictures.
  std::string digits(int count = 60) const {
    const std::string out = path("digits");
    const Result r = langevin({"data", "digits", "--out", out, "--count", std::to_string(count), "--quiet"});
    EXPECT_EQ(r.status, 0) << r.err;
    return out;
  }

  fs::path folder_;
};

}  // namespace langevin::testing

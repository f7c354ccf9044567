// What all verbs share: parsing with one-line errors, --json, --quiet.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/check.h"
#include "langevin/core/console.h"
#include "langevin/model/model_file.h"

namespace langevin::cli {

using Arguments = std::vector<std::string>;

/// A verb reads its own arguments (without its name). It returns when its work is done and throws UsageError
/// or Error otherwise; main turns these into one line and the exit status 2 or 1.
using VerbFunction = void (*)(const Arguments& arguments);

void train_verb(const Arguments& arguments);
void sample_verb(const Arguments& arguments);
void invert_verb(const Arguments& arguments);
void interpolate_verb(const Arguments& arguments);
void forward_verb(const Arguments& arguments);
void reconstruct_verb(const Arguments& arguments);
void inspect_verb(const Arguments& arguments);
void eval_verb(const Arguments& arguments);
void ema_verb(const Arguments& arguments);
void import_verb(const Arguments& arguments);
void export_verb(const Arguments& arguments);
void quantize_verb(const Arguments& arguments);
void data_verb(const Arguments& arguments);
void bench_verb(const Arguments& arguments);
void verify_verb(const Arguments& arguments);

/// A failure that has found something out: under --json its object, with `error` and `status` beside, is the
/// one that main prints.
class ReportedError : public Error {
 public:
  ReportedError(const std::string& message, nlohmann::json found) : Error(message), json(std::move(found)) {}
  nlohmann::json json;  // an object
};

struct CommonOptions {
  bool json = false;
  bool quiet = false;
  Console::Level level() const { return quiet ? Console::Level::quiet : Console::Level::normal; }
};
/// Adds --json and --quiet.
void add_common(CLI::App& app, CommonOptions& options);

/// False when help was asked for: it is printed then, and there is nothing more to do. UsageError on what
/// does not parse, naming the nearest option to an unknown one.
bool parse(CLI::App& app, const Arguments& arguments);

/// The one object that --json promises, on a line of its own on stdout. Text that is not UTF-8 is made so.
void print_json(const nlohmann::json& json);
/// Text for people on stdout.
void print(const std::string& text);

/// Of --seed: a whole number from 0 to 2^64 - 1; what is beyond must not become another seed.
CLI::Validator seed_range();

/// open_model, telling what it notes.
ModelFile open_named_model(const std::string& model, Console& console);

}  // namespace langevin::cli

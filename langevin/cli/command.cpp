#include "langevin/cli/command.h"

#include <charconv>
#include <cstdio>

#include "langevin/core/names.h"

namespace langevin::cli {
namespace {

void write_out(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) fail("cannot write to the standard output");
}

/// The long options that an app and the subcommand in use know.
void collect_options(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* subcommand : app.get_subcommands()) collect_options(*subcommand, names);
}

std::string explain_extras(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  const std::string word = extras.empty() ? "" : extras.front();
  if (word.rfind('-', 0) != 0) return fmt::format("unexpected argument '{}'; see --help", one_line(word));
  std::vector<std::string> names;
  collect_options(app, names);
  const std::string near = nearest(word.substr(0, word.find('=')), names);
  return fmt::format("unknown option '{}'; {}", one_line(word),
                     near.empty() ? "see --help" : fmt::format("did you mean '{}'?", near));
}

}  // namespace

void add_common(CLI::App& app, CommonOptions& options) {
  app.add_flag("--json", options.json, "print one JSON object on stdout, and nothing else there");
  app.add_flag("--quiet", options.quiet, "no progress and no remarks on stderr; warnings stay");
}

bool parse(CLI::App& app, const Arguments& arguments) {
  app.get_formatter()->column_width(34);
  Arguments reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
    return true;
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    return false;
  } catch (const CLI::ExtrasError&) {
    fail_usage("{}", explain_extras(app));
  } catch (const CLI::ParseError& e) {
    fail_usage("{}; see --help", one_line(e.what()));
  }
}

CLI::Validator seed_range() {
  const auto refuse = [](std::string& text) -> std::string {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = error == std::errc() && end == text.data() + text.size();
    return good ? "" : "needs a whole number from 0 to 18446744073709551615, got " + text;
  };
  return {refuse, "", "seed"};
}

ModelFile open_named_model(const std::string& model, Console& console) {
  ModelFile file = open_model(model);
  for (const std::string& line : file.notes) console.warn(line);
  return file;
}

void print_json(const nlohmann::json& json) {
  write_out(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void print(const std::string& text) { write_out(text); }

}  // namespace langevin::cli

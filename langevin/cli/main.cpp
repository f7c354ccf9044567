// The command `langevin`: finds the verb, calls it, and turns what it throws into one line and an exit
// status.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <new>

#include "langevin/cli/command.h"
#include "langevin/core/names.h"

namespace {

using namespace langevin;
using namespace langevin::cli;

struct Verb {
  const char* name;
  const char* summary;
  VerbFunction run;
};

constexpr std::array kVerbs{
    Verb{"train", "train a model on pictures", train_verb},
    Verb{"sample", "make new pictures with a model", sample_verb},
    Verb{"invert", "find the noise that a picture is made of", invert_verb},
    Verb{"interpolate", "go from one picture to another", interpolate_verb},
    Verb{"forward", "one call of a model's network on given tensors", forward_verb},
    Verb{"reconstruct", "send pictures through an autoencoder and back", reconstruct_verb},
    Verb{"inspect", "say what a model or a data set is", inspect_verb},
    Verb{"eval", "measure how good a model or a set of samples is", eval_verb},
    Verb{"ema", "average a run's weights over a length chosen after training", ema_verb},
    Verb{"import", "read a model of another project into one file", import_verb},
    Verb{"export", "write a model in another project's format", export_verb},
    Verb{"quantize", "prepare a model for sampling in int8", quantize_verb},
    Verb{"data", "make or fetch a data set: emoji, digits, get", data_verb},
    Verb{"bench", "measure training, sampling and the machine", bench_verb},
    Verb{"verify", "check the samplers' mathematics on this machine", verify_verb},
};

std::string overview() {
  std::string text = "langevin " LANGEVIN_VERSION
                     ": diffusion models in native C++\n\n"
                     "Usage: langevin VERB [options]\n\nVerbs:\n";
  for (const Verb& verb : kVerbs) text += fmt::format("  {:<11} {}\n", verb.name, verb.summary);
  return text +
         "\nlangevin VERB --help explains a verb; langevin --version prints the version.\n\n"
         "A first try:\n"
         "  langevin data emoji --out data/emoji\n"
         "  langevin train --data data/emoji --out runs/a --preset small --minutes 5\n"
         "  langevin sample runs/a -n 64 --out out --grid grid.png\n\n"
         "Every verb takes --json: one JSON object on stdout, {\"error\": ...} if it failed.\n"
         "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";
}

const Verb& find_verb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return verb;
    names.emplace_back(verb.name);
  }
  fail_usage("{}", unknown_name("verb", name, names));
}

/// "help", "--help", "--version" and verbs; `name` becomes the verb, for messages.
void dispatch(const Arguments& arguments, std::string& name) {
  if (arguments.empty()) fail_usage("needs a verb; langevin help lists them");
  const std::string& first = arguments[0];
  if (first == "--version" || first == "version") return print("langevin " LANGEVIN_VERSION "\n");
  if (first == "--help" || first == "-h" || (first == "help" && arguments.size() == 1))
    return print(overview());
  if (first == "help") {
    name = find_verb(arguments[1]).name;
    Arguments rest(arguments.begin() + 2, arguments.end());
    rest.emplace_back("--help");
    return find_verb(name).run(rest);
  }
  const Verb& verb = find_verb(first);
  name = verb.name;
  verb.run(Arguments(arguments.begin() + 1, arguments.end()));
}

int report(const Arguments& arguments, const std::string& name, const std::string& message, int status,
           nlohmann::json json = nlohmann::json::object()) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  const std::string where = name.empty() ? "langevin" : "langevin " + name;
  std::fputs(fmt::format("{}: {}\n", where, line).c_str(), stderr);  // fmt::print throws on a full disk
  if (std::find(arguments.begin(), arguments.end(), "--json") != arguments.end()) {
    try {
      json.update({{"error", line}, {"status", status}});
      print_json(json);
    } catch (const std::exception&) {
      return status;  // nobody reads: the status says it all
    }
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of the write, with a line that says so
#endif
  const Arguments arguments(argv + 1, argv + std::max(argc, 1));
  std::string name;
  try {
    dispatch(arguments, name);
    return 0;
  } catch (const UsageError& e) {
    return report(arguments, name, e.what(), 2);
  } catch (const ReportedError& e) {
    return report(arguments, name, e.what(), 1, e.json);
  } catch (const std::bad_alloc&) {
    return report(arguments, name, "out of memory; try a smaller --batch", 1);
  } catch (const std::exception& e) {
    return report(arguments, name, e.what(), 1);
  }
}

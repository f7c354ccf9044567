#include "langevin/cli/installed.h"

#include <system_error>

namespace langevin {

namespace fs = std::filesystem;

fs::path installed_file(const std::string& name, const std::string& folder) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return name;  // no such link on this system: where a loader or the caller looks by itself
  const fs::path beside = self.parent_path() / name;
  if (fs::exists(beside, error)) return beside;
  const fs::path installed = self.parent_path().parent_path() / folder / name;
  return fs::exists(installed, error) ? installed : fs::path();
}

}  // namespace langevin

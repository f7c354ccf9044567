#include "langevin/sample/sampler_info.h"

#include <array>

#include "langevin/core/check.h"
#include "langevin/core/names.h"

namespace langevin {
namespace {

constexpr std::string_view kChurn = " s_churn s_tmin s_tmax s_noise",
                           kMultistep = " order solver lower_order_final";

constexpr std::array kInfos{
    SamplerInfo{"ddpm", "1", "-", true, true, false, " variance", "arXiv:2006.11239"},
    SamplerInfo{"ddim", "1", "1", false, true, false, " eta", "arXiv:2010.02502"},
    SamplerInfo{"euler", "1", "1", false, true, true, kChurn, "arXiv:2206.00364"},
    SamplerInfo{"euler_ancestral", "1", "-", true, true, true, " eta", "arXiv:2011.13456"},
    SamplerInfo{"heun", "2", "2", false, true, true, kChurn, "arXiv:2206.00364"},
    SamplerInfo{"kdpm2", "2", "2", false, true, true, "", "arXiv:2206.00364"},
    SamplerInfo{"kdpm2_ancestral", "2", "-", true, true, true, " eta", "arXiv:2206.00364"},
    SamplerInfo{"lms", "1", "1 to 4 (4)", false, false, true, " order", "Adams-Bashforth"},
    SamplerInfo{"pndm", "1", "2", false, false, true, " skip_prk_steps", "arXiv:2202.09778"},
    SamplerInfo{"deis", "1", "1 to 3 (3)", false, false, true, kMultistep, "arXiv:2204.13902"},
    SamplerInfo{"dpmsolver", "1", "1 to 3 (2)", false, false, true, kMultistep, "arXiv:2206.00927"},
    SamplerInfo{"dpmsolver++", "1", "1 to 3 (2)", false, false, true, kMultistep, "arXiv:2211.01095"},
    SamplerInfo{"sde_dpmsolver++", "1", "-", true, false, true, kMultistep, "arXiv:2211.01095"},
    SamplerInfo{"dpmsolver_single", "its order", "1 to 3 (2)", false, true, true, " order",
                "arXiv:2206.00927"},
    SamplerInfo{"dpmsolver++_single", "its order", "1 to 3 (2)", false, true, true, " order",
                "arXiv:2211.01095"},
    SamplerInfo{"unipc", "1", "2 to 4 (3)", false, false, true, kMultistep, "arXiv:2302.04867"},
    SamplerInfo{"lcm", "1", "-", true, false, false, " original_steps", "arXiv:2310.04378"},
    SamplerInfo{"flow_euler", "1", "1", false, true, true, "", "arXiv:2210.02747"},
    SamplerInfo{"flow_heun", "2", "2", false, true, true, "", "arXiv:2210.02747"},
};

}  // namespace

std::span<const SamplerInfo> sampler_infos() { return kInfos; }

const SamplerInfo& sampler_info(const std::string& name) {
  std::vector<std::string> names;
  for (const SamplerInfo& info : kInfos) {
    if (info.name == name) return info;
    names.emplace_back(info.name);
  }
  throw Error(unknown_name("sampler", name, names));
}

bool sampler_takes(const SamplerInfo& info, std::string_view field) {
  const std::string listed = std::string(info.fields) + " ";
  return listed.find(" " + std::string(field) + " ") != std::string::npos;
}

std::vector<std::string> samplers_taking(std::string_view field) {
  std::vector<std::string> names;
  for (const SamplerInfo& info : kInfos) {
    if (sampler_takes(info, field)) names.emplace_back(info.name);
  }
  return names;
}

void check_alone(const std::string& name) {
  if (sampler_info(name).alone) return;
  std::vector<std::string_view> others;
  for (const SamplerInfo& info : kInfos) {
    if (info.alone) others.push_back(info.name);
  }
  fail("sampler: steps of {} lean on earlier ones, so it cannot go back up; use {}", name,
       fmt::join(others, ", "));
}

}  // namespace langevin

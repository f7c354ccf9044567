#include "langevin/runtime/primitive.h"

namespace langevin::runtime {

void Prepared::constant(int argument, const dnnl::memory& memory) {
  constants_.push_back(memory);
  arguments_.push_back({argument, constants_.back().get()});
}

void Prepared::buffer(int argument, const dnnl::memory::desc& desc, const dnnl::engine& engine, Place place) {
  parts(argument, desc, engine, {place, 0}, 0);
}

void Prepared::parts(int argument, const dnnl::memory::desc& desc, const dnnl::engine& engine,
                     PartedPlace where, int64_t offset) {
  where.place.base += offset;
  moving_.push_back({dnnl::memory(desc, engine, where.place.base), where.place, where.sample_bytes});
  arguments_.push_back({argument, moving_.back().memory.get()});
}

void Prepared::run(const dnnl::stream& stream, int64_t first, int64_t part) {
  for (Moving& m : moving_) {
    if (m.place.stride != 0 || m.part_bytes != 0)
      m.memory.set_data_handle(m.place.at(first) + part * m.part_bytes);
  }
  dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream.get(),
                                                 static_cast<int>(arguments_.size()), arguments_.data()),
                          "a primitive failed to run");
}

}  // namespace langevin::runtime

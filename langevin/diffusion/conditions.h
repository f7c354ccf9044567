// The names of what a network may be conditioned on, apart from class labels: structs that hold one of each
// (arrays, handles, shapes) are walked through here, so that a new condition is added in one place.
#pragma once

#include <utility>

namespace langevin {

/// What they are called here; a network may have the peer's name for it (nn::Condition).
struct ConditionNames {
  const char *global_cond = "global_cond", *context = "context", *class_vectors = "class_vectors",
             *text_embeds = "text_embeds", *time_ids = "time_ids", *timestep_cond = "timestep_cond";
};

/// f(of each condition, in every struct at once): each_condition([](auto& to, auto& from) {...}, to, from).
///   global_cond (N,D), context (N,S,D), class_vectors (N,D), text_embeds (N,D), time_ids (N,K),
///   timestep_cond (N,D); nn/vocabulary.h says what they are.
template <class F, class... Structs>
void each_condition(F&& f, Structs&&... of) {
  f(of.global_cond...);
  f(of.context...);
  f(of.class_vectors...);
  f(of.text_embeds...);
  f(of.time_ids...);
  f(of.timestep_cond...);
}

}  // namespace langevin

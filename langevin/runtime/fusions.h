// Which operators of a graph are carried along by a neighbour instead of being steps of their own.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "langevin/model/calibration.h"
#include "langevin/runtime/graph.h"
#include "langevin/runtime/stream_chains.h"

namespace langevin::runtime {

/// By node.
struct Fusions {
  std::vector<int> same_as;       // a node whose bytes these are; -1: its own
  std::map<int, int> residual;    // product -> what is added to it
  std::map<int, int> added_row;   // group_norm -> the row added before it
  std::map<int, int> together;    // linear -> the attention that it is computed for, in one product
  std::set<int> doubled;          // convolutions of a picture that is doubled first
  std::set<int> gelu;             // linears whose result goes through GELU
  std::map<int, int> gated;       // geglu -> the linear that it is of
  std::set<int> inside_gate;      // those linears
  std::map<int, int> stores_for;  // group_norm -> the int8 product that it stores bytes for

  /// The node whose bytes are those of node i.
  int origin(int i) const {
    while (same_as[static_cast<size_t>(i)] >= 0) i = same_as[static_cast<size_t>(i)];
    return i;
  }
};

/// `chains` are left alone; `int8` says which products read bytes, null: none. Error: an operator that can
/// only be part of another and is not.
Fusions find_fusions(const Graph& graph, const StreamChains& chains, const Calibration* int8);

}  // namespace langevin::runtime

// Which operators of a graph become one streamed step: a product and what follows it as its value's only
// reader.
//
//   product -> group_norm -> silu or mish -> film or add_channels -> add        each but the first may be
//   absent
//
// A second product that only the sum reads comes along. Concatenations that only such products read are not
// made: the products take their parts beside each other.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "langevin/runtime/graph.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// Nodes; -1: absent.
struct StreamChain {
  int product = -1, norm = -1, activation = -1, film = -1;
  int sum = -1, side = -1, residual = -1;  // side: the second product; residual: another value that is added
  int end = -1;
};

struct StreamChains {
  std::map<int, StreamChain> by_end;
  std::set<int> inside;  // nodes of chains but their ends, and concatenations that are not made
  bool covers(int node) const { return inside.count(node) != 0 || by_end.count(node) != 0; }
};

/// Whether calls of this size are faster with streamed weights: those of networks of sequences are.
bool suits_streaming(const Graph& graph, Type asked);

StreamChains stream_chains(const Graph& graph);

}  // namespace langevin::runtime

// Names that come from people: what they may have meant, and how to quote them in a one-line message.
#pragma once

#include <string>
#include <vector>

namespace langevin {

/// The candidate nearest to `word` in edit distance, or "" when none is near enough to be a slip of the
/// keyboard.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// "unknown X 'word'; did you mean 'y'?" or "...; known: a, b, c": one phrase for all "no such name" errors.
std::string unknown_name(const std::string& what, const std::string& word,
                         const std::vector<std::string>& known);

/// Text from outside as part of a one-line message: control characters become '?', the rest is cut at 80
/// bytes.
std::string one_line(std::string text);

}  // namespace langevin

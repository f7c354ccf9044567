#include "langevin/core/names.h"

#include <algorithm>

#include "langevin/core/check.h"

namespace langevin {

namespace {

// Edits between two words: insertion, deletion, substitution, and transposition of neighbours (Damerau 1964),
// each pair of letters edited at most once.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 128;  // no slip of the keyboard, and the cost is the product of the lengths
  if (word.empty() || word.size() > kLongest) return "";
  std::string best;
  // A third of the letters may be wrong, one of them at least, but never all.
  size_t least = std::min(std::max<size_t>(word.size() / 3, 1), word.size() - 1) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const size_t distance = edit_distance(lower(word), lower(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string unknown_name(const std::string& what, const std::string& word,
                         const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  if (!near.empty()) return fmt::format("unknown {} '{}'; did you mean '{}'?", what, one_line(word), near);
  return fmt::format("unknown {} '{}'; known: {}", what, one_line(word),
                     known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

std::string one_line(std::string text) {
  constexpr size_t kLongest = 80;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (text.size() <= kLongest) return text;
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;  // not inside a UTF-8 character
  return text.substr(0, end) + "...";
}

}  // namespace langevin

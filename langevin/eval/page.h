// A page of results that stands alone: one HTML file with its pictures inside, for readers who have never
// seen this project.
#pragma once

#include <string>
#include <vector>

#include "langevin/io/image.h"

namespace langevin {

/// A part of the page. `body` is HTML; what comes from outside must have gone through html_escaped().
struct PageSection {
  std::string title;  // text
  std::string intro;  // text: what the reader sees, in plain words
  std::string body;
};

struct Page {
  std::string title, intro;  // text
  std::vector<PageSection> sections;
  std::string footer;  // text
};

/// Nothing in it points elsewhere: no scripts, no fonts, no links.
std::string render_page(const Page& page);

/// &, <, >, quotes and control characters made harmless; what is no UTF-8 becomes a replacement character.
std::string html_escaped(const std::string& text);
std::string base64(const std::vector<std::byte>& bytes);

/// <img> with the picture as PNG inside; small pictures are shown enlarged, pixel by pixel, to about `width`
/// pixels.
std::string picture_html(const Image& image, const std::string& description, int width);
/// <figure> around HTML of a picture or an SVG, with a caption (text).
std::string figure_html(const std::string& inside, const std::string& caption);

/// A row of a table with text cells; `head` makes them headings.
std::string row_html(const std::vector<std::string>& cells, bool head = false);

/// A value as a dot with its error as a line, and a tick where `reference` lies, from 0 to `most`: an inline
/// SVG. A negative error or reference is absent.
std::string error_bar_svg(double value, double error, double reference, double most);

}  // namespace langevin

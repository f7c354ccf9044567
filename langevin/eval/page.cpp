#include "langevin/eval/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "langevin/io/grid.h"
#include "langevin/io/png.h"

namespace langevin {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --line: #d9dee6; --paper: #ffffff; --card: #f5f7fa; --mark: #2f7fe6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --line: #323a46; --paper: #14181f; --card: #1c222b; --mark: #5c9ff0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 40px 20px 60px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 44px 0 6px; padding-top: 18px; border-top: 1px solid var(--line); }
p { margin: 0 0 14px; max-width: 68ch; }
.intro, figcaption, footer, td.note { color: var(--soft); }
figure { margin: 0 0 20px; }
figcaption { font-size: 14px; margin-top: 4px; }
img, svg { max-width: 100%; height: auto; display: block; }
img { image-rendering: pixelated; }
td svg { max-width: none; }
.side { display: flex; flex-wrap: wrap; gap: 24px; }
.side figure { flex: 1 1 340px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
th { font-size: 14px; font-weight: 600; color: var(--soft); }
.warning { background: var(--card); border-left: 4px solid #e8710a; padding: 10px 14px; margin: 0 0 12px; }
footer { margin-top: 48px; font-size: 14px; overflow-wrap: anywhere; }
)";

std::string section_html(const PageSection& section) {
  std::string html = fmt::format("<section>\n<h2>{}</h2>\n", html_escaped(section.title));
  if (!section.intro.empty()) html += fmt::format("<p class=\"intro\">{}</p>\n", html_escaped(section.intro));
  return html + section.body + "\n</section>\n";
}

}  // namespace

std::string html_escaped(const std::string& text) {
  // The JSON writer knows what is UTF-8; between its quotes is the text again.
  const std::string clean = nlohmann::json::parse(
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::string out;
  for (const char c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
  }
  return out;
}

std::string base64(const std::vector<std::byte>& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < left ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string picture_html(const Image& image, const std::string& description, int width) {
  const int factor = std::max(1, width / std::max(1, image.width));
  return fmt::format("<img src=\"data:image/png;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\">",
                     base64(encode_png(image)), image.width * factor, image.height * factor,
                     html_escaped(description));
}

std::string figure_html(const std::string& inside, const std::string& caption) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", inside, html_escaped(caption));
}

std::string row_html(const std::vector<std::string>& cells, bool head) {
  std::string html = "<tr>";
  for (const std::string& cell : cells) html += fmt::format("<{0}>{1}</{0}>", head ? "th" : "td", cell);
  return html + "</tr>\n";
}

std::string error_bar_svg(double value, double error, double reference, double most) {
  constexpr double kWidth = 130, kHeight = 22, kEdge = 6;
  const auto x = [&](double v) {
    return kEdge + (kWidth - 2 * kEdge) * std::clamp(most > 0 ? v / most : 0, 0.0, 1.0);
  };
  std::string svg =
      fmt::format("<svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">", kWidth, kHeight);
  svg += fmt::format("<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"11\" y2=\"11\" stroke=\"var(--line)\"/>", kEdge,
                     kWidth - kEdge);
  if (reference >= 0)
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"3\" y2=\"19\" stroke=\"var(--soft)\" stroke-width=\"2\"/>",
        x(reference));
  if (error >= 0)
    svg += fmt::format(
        "<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"11\" y2=\"11\" stroke=\"var(--mark)\" stroke-width=\"4\"/>",
        x(value - error), x(value + error));
  return svg +
         fmt::format("<circle cx=\"{:.1f}\" cy=\"11\" r=\"4.5\" fill=\"var(--mark)\"/></svg>", x(value));
}

std::string render_page(const Page& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>\n</head>\n"
      "<body>\n<main>\n<h1>{0}</h1>\n<p class=\"intro\">{2}</p>\n",
      html_escaped(page.title), kStyle, html_escaped(page.intro));
  for (const PageSection& section : page.sections) html += section_html(section);
  return html + fmt::format("<footer>{}</footer>\n</main>\n</body>\n</html>\n", html_escaped(page.footer));
}

}  // namespace langevin

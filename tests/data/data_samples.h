// What the tests of data sets share: temporary folders, pictures with known pixels, archives, a console that
// listens.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/core/console.h"
#include "langevin/data/open.h"
#include "langevin/io/jpeg.h"
#include "langevin/io/png.h"
#include "langevin/io/webp.h"

namespace langevin::test {

namespace fs = std::filesystem;

/// A fresh folder, gone at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "langevin-data-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// A console whose lines can be read back.
class Listener {
 public:
  Listener() : file_(std::tmpfile()), console(Console::Level::normal, file_) {}
  ~Listener() { std::fclose(file_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::string heard() {
    std::fflush(file_);
    std::rewind(file_);
    std::string text;
    for (int c; (c = std::fgetc(file_)) != EOF;) text += static_cast<char>(c);
    return text;
  }

 private:
  std::FILE* file_;

 public:
  Console console;
};

/// A picture whose every value is a hash of `seed` and the place.
inline Image noise_image(int height, int width, int channels, unsigned seed) {
  Image image = make_image(width, height, channels);
  unsigned state = seed * 2654435761U + 12345U;
  for (uint8_t& p : image.pixels) {
    state = state * 1664525U + 1013904223U;
    p = static_cast<uint8_t>(state >> 24);
  }
  return image;
}

inline std::string as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string png(const Image& image) { return as_text(encode_png(image)); }

using Files = std::vector<std::pair<std::string, std::string>>;  // path, content

inline void write_folder(const fs::path& root, const Files& files) {
  for (const auto& [name, content] : files) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << content;
  }
}

enum class Pack { tar, tar_gz, zip };

inline void write_archive(const fs::path& path, Pack pack, const Files& files) {
  archive* a = archive_write_new();
  if (pack == Pack::zip) {
    archive_write_set_format_zip(a);
  } else {
    archive_write_set_format_ustar(a);
  }
  if (pack == Pack::tar_gz) archive_write_add_filter_gzip(a);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(a, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
    archive_entry_free(entry);
  }
  archive_write_close(a);
  archive_write_free(a);
}

/// The message of the Error that `call` throws; fails the test if it throws none.
template <class F>
std::string error_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << "an error is one line: " << text;
    return text;
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline std::shared_ptr<PreparedSet> open_quietly(const fs::path& path, const DataOptions& options = {}) {
  Console console(Console::Level::quiet);
  return open_dataset(path, options, console);
}

}  // namespace langevin::test

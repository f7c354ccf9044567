// Archives as other programs write them, through libarchive's writer.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "scratch.h"

namespace langevin::scratch {

using Members = std::vector<std::pair<std::string, Bytes>>;

inline void make_zip(const fs::path& path, const Members& members, bool deflate) {
  archive* a = archive_write_new();
  ASSERT_EQ(archive_write_set_format_zip(a), ARCHIVE_OK);
  ASSERT_EQ(
      deflate ? archive_write_zip_set_compression_deflate(a) : archive_write_zip_set_compression_store(a),
      ARCHIVE_OK);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, bytes] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(a, bytes.data(), bytes.size()), static_cast<la_ssize_t>(bytes.size()));
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_free(a), ARCHIVE_OK);
}

}  // namespace langevin::scratch

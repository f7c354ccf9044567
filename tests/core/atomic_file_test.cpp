#include "langevin/core/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "langevin/core/check.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::string pattern = (fs::temp_directory_path() / "langevin-core-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw Error("no temporary folder");
    folder = pattern;
  }
  ~AtomicFileTest() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
  fs::path folder;
};

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

TEST_F(AtomicFileTest, WritesWholeFiles) {
  const fs::path path = folder / "a" / "b" / "file";
  write_file(path, "one");
  EXPECT_EQ(read_file(path, 100), "one");
  write_file(path, std::string_view());
  EXPECT_EQ(read_file(path, 0), "");
  const std::string binary("a\0b\n\xff", 5);
  write_file(path, std::as_bytes(std::span(binary)));
  EXPECT_EQ(read_file(path, 5), binary);
  EXPECT_EQ(read_bytes(path, 5).at(4), std::byte{0xff});
}

TEST_F(AtomicFileTest, TargetIsUntouchedUntilCommit) {
  const fs::path path = folder / "file";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new ");
    EXPECT_EQ(read_file(path, 100), "old");
    file.write("text");
    file.commit();
    EXPECT_EQ(read_file(path, 100), "new text");
    EXPECT_THROW(file.write("more"), Error);
    EXPECT_THROW(file.commit(), Error);
  }
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFileTest, WithoutCommitNothingRemains) {
  write_file(folder / "file", "old");
  { AtomicFile(folder / "file").write("new"); }
  { AtomicFile(folder / "absent").write("new"); }
  EXPECT_EQ(read_file(folder / "file", 100), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFileTest, TwoWritersOfOneFile) {
  AtomicFile a(folder / "file"), b(folder / "file");
  a.write("aa");
  b.write("b");
  a.commit();
  b.commit();
  EXPECT_EQ(read_file(folder / "file", 100), "b");
  EXPECT_EQ(entries(), 1u);
}

// A limit on the size of files stands in for the full disk: the write stops in the middle of the data.
TEST_F(AtomicFileTest, WriteThatStopsHalfwayLeavesTheOldFile) {
  const fs::path path = folder / "file";
  write_file(path, "old");
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = 100'000;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message = message_of([&] { write_file(path, std::string(1'000'000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(message, "cannot write " + path.string() +
                         ": File too large; raise the file size limit (ulimit -f) and run again");
  EXPECT_EQ(read_file(path, 100), "old");
  EXPECT_EQ(entries(), 1u);
}

// The kernel's always-full device, reached through the name that the temporary file is about to take.
TEST_F(AtomicFileTest, FullDiskIsOneClearLine) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  const fs::path path = folder / "file";
  write_file(path, "old");
  {
    AtomicFile file(path);
    int full = -1;  // the writer's descriptor is the one that points at the temporary file
    for (int fd = 3; fd < 256 && full < 0; ++fd) {
      struct stat one {};
      if (::fstat(fd, &one) != 0 || !S_ISREG(one.st_mode)) continue;
      for (const auto& entry : fs::directory_iterator(folder)) {
        struct stat two {};
        if (entry.path() != path && ::stat(entry.path().c_str(), &two) == 0 && one.st_ino == two.st_ino)
          full = fd;
      }
    }
    ASSERT_GE(full, 0);
    const int device = ::open("/dev/full", O_WRONLY);
    ASSERT_GE(device, 0);
    ::dup2(device, full);
    ::close(device);
    EXPECT_EQ(message_of([&] { file.write("new"); }),
              "cannot write " + path.string() + ": No space left on device; free some space and run again");
  }
  EXPECT_EQ(read_file(path, 100), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFileTest, KilledWriterLeavesTheOldFileAndItsRestIsRemoved) {
  const fs::path path = folder / "file";
  write_file(path, "old");
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(path);
    file.write("half");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(path, 100), "old");
  EXPECT_EQ(entries(), 2u);
  std::ofstream(folder / "file.partial-mine") << "a user's file";
  std::ofstream(folder / "x.partial-1-2-3") << "a user's file";
  fs::create_directory(folder / "d.partial-1-1");
  {
    AtomicFile alive(folder / "other");
    alive.write("still ");
    remove_stale_temporaries(folder);
    alive.write("here");
    alive.commit();
  }
  EXPECT_EQ(read_file(folder / "other", 100), "still here");
  EXPECT_EQ(entries(), 5u);  // file, other, and the three that are not ours
  remove_stale_temporaries(folder / "absent");
}

TEST_F(AtomicFileTest, ErrorsSayWhatAndWhere) {
  write_file(folder / "file", "text");
  EXPECT_EQ(message_of([&] { read_file(folder / "absent", 9); }),
            "cannot read " + (folder / "absent").string() +
                ": No such file or directory; check the path and its permissions");
  EXPECT_EQ(message_of([&] { read_file(folder / "file", 3); }),
            "cannot read " + (folder / "file").string() +
                ": it has 4 bytes, at most 3 are expected; check that it is the right file");
  EXPECT_EQ(message_of([&] { read_file(folder, 9); }),
            "cannot read " + folder.string() + ": Is a directory; check the path and its permissions");
  EXPECT_EQ(message_of([&] { write_file(folder / "file" / "below", "x"); }).substr(0, 12), "cannot write");
  EXPECT_EQ(message_of([&] { write_file(folder, "x"); }),
            "cannot write " + folder.string() + ": Is a directory; check the path and its permissions");
  EXPECT_EQ(message_of([&] { write_file("", "x"); }), "cannot write '': not a file name; give a file");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { read_file(folder / "pipe", 9); }),
            "cannot read " + (folder / "pipe").string() + ": not a regular file; give a file");
}

}  // namespace
}  // namespace langevin

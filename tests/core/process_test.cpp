// Signals, checksums and the console: what a process says and hears.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <thread>

#include "langevin/core/check.h"
#include "langevin/core/checksum.h"
#include "langevin/core/console.h"
#include "langevin/core/signals.h"

namespace langevin {
namespace {

class Signals : public testing::Test {
 protected:
  // The test may itself have been started with these signals ignored.
  void SetUp() override {
    interrupt_ = std::signal(SIGINT, SIG_DFL);
    terminate_ = std::signal(SIGTERM, SIG_DFL);
  }
  void TearDown() override {
    std::signal(SIGINT, interrupt_);
    std::signal(SIGTERM, terminate_);
  }

 private:
  void (*interrupt_)(int) = SIG_DFL;
  void (*terminate_)(int) = SIG_DFL;
};

TEST_F(Signals, OneSetsTheFlagOnly) {
  for (const int number : {SIGINT, SIGTERM}) {
    StopSignal stop;
    EXPECT_FALSE(stop.requested());
    std::raise(number);
    EXPECT_TRUE(stop.requested());
    EXPECT_EQ(stop.signal(), number);
    std::raise(SIGINT);  // an echo of the first
    EXPECT_EQ(stop.signal(), number);
  }
}

TEST_F(Signals, OldHandlersComeBack) {
  static volatile std::sig_atomic_t called;
  called = 0;
  std::signal(SIGINT, [](int) { called = 1; });
  { StopSignal stop; }
  std::raise(SIGINT);
  EXPECT_EQ(called, 1);
}

TEST_F(Signals, IgnoredStaysIgnored) {
  std::signal(SIGINT, SIG_IGN);
  StopSignal stop;
  std::raise(SIGINT);
  EXPECT_FALSE(stop.requested());
}

TEST_F(Signals, OnlyOneAtATime) {
  StopSignal stop;
  EXPECT_THROW(StopSignal(), Error);
  std::raise(SIGINT);  // the failed one left the first in place
  EXPECT_TRUE(stop.requested());
}

TEST_F(Signals, SecondOneKills) {
  const pid_t child = ::fork();
  if (child == 0) {
    StopSignal stop;
    std::raise(SIGINT);
    if (!stop.requested()) ::_exit(1);
    ::usleep(400'000);
    std::raise(SIGINT);
    ::_exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

// FIPS 180-4's examples (NIST, "SHA256.pdf"), and the digest of nothing.
TEST(Checksum, Sha256) {
  Sha256 sha;
  EXPECT_EQ(sha.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  sha.update("a");
  sha.update(std::string_view());
  EXPECT_EQ(sha.hex(), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
  sha.update("bc");  // hex() did not end the stream
  EXPECT_EQ(sha.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.update(std::string(1000, 'a'));
  const Sha256 moved = std::move(million);
  EXPECT_EQ(moved.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// `printf '' | xxh128sum` and `printf abc | xxh128sum` of Debian's xxhash 0.8.1.
TEST(Checksum, Xxh3) {
  Xxh3 xxh;
  EXPECT_EQ(xxh.hex(), "99aa06d3014798d86001c324468d497f");
  xxh.update("a");
  xxh.update("bc");
  EXPECT_EQ(xxh.hex(), "06b05ab6733a618578af5f94892f3950");
}

std::string text_of(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  return text;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// A log on a full disk must not end the work.
TEST(Console, AStreamThatTakesNothingIsNoError) {
  std::FILE* full = std::fopen("/dev/full", "w");
  if (full == nullptr) GTEST_SKIP() << "no /dev/full here";
  std::setvbuf(full, nullptr, _IONBF, 0);
  {
    Console console(Console::Level::normal, full);
    EXPECT_NO_THROW(console.info("x"));
    EXPECT_NO_THROW(console.warn("x"));
    Progress progress(console, "a", "b", 2);
    EXPECT_NO_THROW(progress.update(1, 1));
    EXPECT_NO_THROW(progress.finish());
  }
  std::fclose(full);
}

TEST(Console, LinesAndWarnings) {
  const File file(std::tmpfile());
  Console console(Console::Level::normal, file.get());
  EXPECT_FALSE(console.terminal());
  console.info("hello");
  console.warn("file \x1b[2J.png");
  Console quiet(Console::Level::quiet, file.get());
  quiet.info("not said");
  quiet.warn("said");
  EXPECT_EQ(text_of(file.get()), "hello\nwarning: file ?[2J.png\nwarning: said\n");
}

TEST(Console, ProgressOffATerminalIsFewPlainLines) {
  const File file(std::tmpfile());
  Console console(Console::Level::normal, file.get());
  {
    Progress progress(console, "train", "images", 200);
    for (int64_t step = 100; step <= 200; ++step) progress.update(step, step * 64, "loss 0.5");
    progress.finish();
  }
  const std::string text = text_of(file.get());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_EQ(text.substr(0, 41), "train 100% [====================] 200/200");
  EXPECT_NE(text.find("images/s"), std::string::npos) << text;
  EXPECT_NE(text.find("loss 0.5"), std::string::npos) << text;
}

// A run resumed at step 1000 of 2000 has its rate from what it did itself.
TEST(Console, ResumedProgressIsNotFasterThanItIs) {
  const File file(std::tmpfile());
  Console console(Console::Level::normal, file.get());
  {
    Progress progress(console, "train", "images", 2000);
    progress.update(1000, 1'000'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    progress.update(1001, 1'000'001);
  }
  const std::string text = text_of(file.get());
  EXPECT_NE(text.find(" 50% ["), std::string::npos) << text;
  const double rate = std::stod(text.substr(text.find(", ") + 2));
  EXPECT_GT(rate, 0.1);
  EXPECT_LE(rate, 20.0);
}

TEST(Console, Units) {
  EXPECT_EQ(format_duration(12), "12 s");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(245), "4:05");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(12'345'678), "12.3 MB");
  EXPECT_EQ(format_bytes(999'960), "1.0 MB");
}

}  // namespace
}  // namespace langevin

// `langevin data get` against a small server on loopback that breaks in every way a real one does.
#include "langevin/data/get.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/core/checksum.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

// How the server answers one path.
struct Route {
  std::string body;
  int status = 200;
  bool ranges = true;    // honours Range
  bool length = true;    // sends Content-Length
  int cuts = 0;          // the first so many answers ...
  size_t cut_after = 0;  // ... end after so many bytes of the body
  bool stall = false;    // sends nothing after the headers
  int64_t shift = 0;     // answers a Range request with bytes from so much later
  std::string location;  // for a redirect
};

class Server {
 public:
  Server() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no loopback server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  Route& operator[](const std::string& name) { return routes_["/" + name]; }
  /// Range header of each request, "" for none.
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  bool readable(int socket) const {
    pollfd poll_for{socket, POLLIN, 0};
    return ::poll(&poll_for, 1, 20) == 1;
  }
  void serve() {
    while (!stop_) {
      if (!readable(listener_)) continue;
      const int client = ::accept(listener_, nullptr, nullptr);
      answer(client);
      ::close(client);
    }
  }
  void send_all(int client, const std::string& text) const {
    for (size_t at = 0; at < text.size();) {
      const ssize_t sent = ::send(client, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return;
      at += static_cast<size_t>(sent);
    }
  }
  void answer(int client) {
    std::string request;
    while (!stop_ && request.find("\r\n\r\n") == std::string::npos) {
      std::array<char, 4096> block{};
      if (!readable(client)) continue;
      const ssize_t got = ::recv(client, block.data(), block.size(), 0);
      if (got <= 0) return;
      request.append(block.data(), static_cast<size_t>(got));
    }
    const size_t at = request.find("Range: bytes=");
    const std::string range =
        at == std::string::npos ? "" : request.substr(at + 13, request.find("\r\n", at) - at - 13);
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(range);
    }
    const auto found = routes_.find(path);
    if (found == routes_.end()) {
      send_all(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot here\n");
    } else {
      reply(client, found->second, range);
    }
  }
  void reply(int client, Route& route, const std::string& range) {
    std::string body = route.body, head;
    if (!route.location.empty()) {
      send_all(client, "HTTP/1.1 302 Found\r\nLocation: " + route.location +
                           "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    int status = route.status;
    if (status == 200 && !range.empty() && route.ranges) {
      const size_t from = std::stoul(range) + static_cast<size_t>(route.shift);
      status = from < body.size() ? 206 : 416;
      head = "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(body.size() - 1) + "/" +
             std::to_string(body.size()) + "\r\n";
      body = status == 206 ? body.substr(from) : "";
    }
    if (route.length) head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send_all(client, "HTTP/1.1 " + std::to_string(status) + " X\r\nConnection: close\r\n" + head + "\r\n");
    if (route.cuts > 0) {
      --route.cuts;
      body = body.substr(0, route.cut_after);
    }
    if (!route.stall) return send_all(client, body);
    while (!stop_ && !readable(client)) {
    }
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::map<std::string, Route> routes_;
  std::vector<std::string> requests_;
  std::mutex mutex_;
  std::atomic<bool> stop_{false};
  std::jthread thread_;
};

std::string some_bytes(size_t count, uint32_t state = 1) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.update(text);
  return hash.hex();
}

class Get : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* proxy : {"http_proxy", "all_proxy", "ALL_PROXY"}) ::unsetenv(proxy);
    out = fs::path(::testing::TempDir()) / ("get-" + std::to_string(::getpid()) + "-" +
                                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(out);
    options.out = out;
    options.connect_timeout_s = 5;
    options.stall_timeout_s = 1;
    options.mirrors = {server.url()};
  }
  void TearDown() override { fs::remove_all(out); }

  RemoteSet one_file(const std::string& body) const {
    return {"test", "", "", {}, {{"a.bin", static_cast<int64_t>(body.size()), sha256(body), ""}}};
  }
  void put(const std::string& name, const std::string& text) const { write_file(out / name, text); }
  std::string file(const std::string& name) const { return read_file(out / name, 1 << 24); }
  GetSummary get(const RemoteSet& set) { return get_remote(set, options, console); }
  std::string error_of(const RemoteSet& set) {
    try {
      get(set);
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos);
      return text;
    }
    ADD_FAILURE() << "no error";
    return "";
  }
  void expect_only_file(const std::string& body) const {
    EXPECT_TRUE(file("a.bin") == body);
    EXPECT_FALSE(fs::exists(out / "a.bin.part"));
  }

  const std::string body = some_bytes(300'000);
  const size_t half = 150'000;
  Server server, second;
  fs::path out;
  GetOptions options;
  Console console{Console::Level::quiet, std::tmpfile()};
};

TEST_F(Get, FetchesChecksAndThenKeeps) {
  server["a.bin"].body = body;
  server["b.bin"].body = "abc";
  RemoteSet set = one_file(body);
  // FIPS 180-2, appendix B.1: the digest of "abc".
  set.files.push_back({"b.bin", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ""});
  const GetSummary first = get(set);
  expect_only_file(body);
  EXPECT_EQ(file("b.bin"), "abc");
  EXPECT_EQ(first.downloaded, 300'003);
  EXPECT_EQ(first.kept, 0);
  ASSERT_EQ(first.files.size(), 2u);

  const GetSummary again = get(set);
  EXPECT_EQ(again.kept, 2);
  EXPECT_EQ(again.downloaded, 0);
  EXPECT_EQ(again.files.size(), 2u);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(Get, Md5WhereNothingElseIsPublished) {
  server["b.bin"].body = "abc";
  // RFC 1321, appendix A.5: the digest of "abc".
  RemoteSet set{"test", "", "", {}, {{"b.bin", 3, "", "900150983cd24fb0d6963f7d28e17f72"}}};
  get(set);
  EXPECT_EQ(file("b.bin"), "abc");
  server["b.bin"].body = "abd";
  fs::remove(out / "b.bin");
  EXPECT_NE(error_of(set).find("MD5"), std::string::npos);
  EXPECT_FALSE(fs::exists(out / "b.bin"));
}

TEST_F(Get, ContinuesAnEarlierPart) {
  server["a.bin"].body = body;
  put("a.bin.part", body.substr(0, half));
  const GetSummary summary = get(one_file(body));
  expect_only_file(body);
  EXPECT_EQ(server.requests(), std::vector<std::string>{"150000-"});
  EXPECT_EQ(summary.downloaded, 150'000);
  EXPECT_EQ(summary.resumed, 150'000);
}

TEST_F(Get, ContinuesWhenTheConnectionBreaks) {
  Route& route = server["a.bin"];
  route.body = body;
  route.cuts = 2;
  route.cut_after = 100'000;
  get(one_file(body));
  expect_only_file(body);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"", "100000-", "200000-"}));
}

TEST_F(Get, KeepsThePartForTheNextRun) {
  Route& route = server["a.bin"];
  route.body = body;
  route.cuts = 3;
  route.cut_after = 10'000;
  error_of(one_file(body));
  EXPECT_FALSE(fs::exists(out / "a.bin"));
  EXPECT_TRUE(file("a.bin.part") == body.substr(0, 30'000));
  const GetSummary summary = get(one_file(body));
  expect_only_file(body);
  EXPECT_EQ(summary.resumed, 30'000);
}

TEST_F(Get, ATransferWithoutLengthThatEndsEarlyIsNoFile) {
  Route& route = server["a.bin"];
  route.body = body;
  route.length = false;
  route.cuts = 9;
  route.cut_after = 5'000;
  EXPECT_NE(error_of(one_file(body)).find("of 300000 bytes"), std::string::npos);
  EXPECT_FALSE(fs::exists(out / "a.bin"));
}

TEST_F(Get, AServerWithoutRangesStartsOver) {
  server["a.bin"].body = body;
  server["a.bin"].ranges = false;
  put("a.bin.part", some_bytes(half, 7));
  const GetSummary summary = get(one_file(body));
  expect_only_file(body);
  EXPECT_EQ(summary.downloaded, 300'000);
  EXPECT_EQ(summary.resumed, 0);
}

TEST_F(Get, AnotherRangeThanAskedForIsRefused) {
  server["a.bin"].body = body;
  server["a.bin"].shift = 10;
  put("a.bin.part", body.substr(0, half));
  EXPECT_NE(error_of(one_file(body)).find("another part"), std::string::npos);
  EXPECT_TRUE(file("a.bin.part") == body.substr(0, half));
}

TEST_F(Get, ADamagedPartIsFetchedAgain) {
  server["a.bin"].body = body;
  for (const size_t size : {half, body.size(), body.size() + 5}) {
    fs::remove(out / "a.bin");
    put("a.bin.part", some_bytes(size, 7));
    get(one_file(body));
    expect_only_file(body);
  }
}

TEST_F(Get, WrongBytesAreThrownAwayAndTheNextMirrorAsked) {
  server["a.bin"].body = some_bytes(body.size(), 9);
  second["a.bin"].body = body;
  const std::string error = error_of(one_file(body));
  EXPECT_NE(error.find("SHA-256"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(out));
  options.mirrors = {server.url(), second.url()};
  get(one_file(body));
  expect_only_file(body);
}

TEST_F(Get, WhatTheFirstMirrorBroughtTheSecondCompletes) {
  Route& route = server["a.bin"];
  route.body = body;
  route.cuts = 3;
  route.cut_after = 20'000;
  second["a.bin"].body = body;
  options.mirrors = {server.url(), second.url()};
  get(one_file(body));
  expect_only_file(body);
  EXPECT_EQ(second.requests(), std::vector<std::string>{"60000-"});
}

TEST_F(Get, HttpErrorsAreNamedAndTheNextMirrorAsked) {
  EXPECT_NE(error_of(one_file(body)).find("404"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(out));
  server["a.bin"].body = body;
  server["a.bin"].status = 503;
  EXPECT_NE(error_of(one_file(body)).find("503"), std::string::npos);
  second["a.bin"].body = body;
  options.mirrors = {server.url(), second.url()};
  get(one_file(body));
  expect_only_file(body);
}

TEST_F(Get, AnotherLengthIsRefusedBeforeAndWhileItComes) {
  server["a.bin"].body = some_bytes(5'000'000);
  EXPECT_NE(error_of(one_file(body)).find("has 5000000 bytes"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(out));
  server["a.bin"].length = false;
  EXPECT_NE(error_of(one_file(body)).find("more than"), std::string::npos);
  EXPECT_LE(fs::file_size(out / "a.bin.part"), body.size());
}

TEST_F(Get, AStalledMirrorIsGivenUp) {
  server["a.bin"].body = body;
  server["a.bin"].stall = true;
  second["a.bin"].body = body;
  options.mirrors = {server.url(), second.url()};
  const auto start = std::chrono::steady_clock::now();
  get(one_file(body));
  expect_only_file(body);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

TEST_F(Get, RedirectsAreFollowedButNotForeverNorToFiles) {
  server["a.bin"].location = second.url() + "moved";
  second["moved"].body = body;
  get(one_file(body));
  expect_only_file(body);
  fs::remove(out / "a.bin");
  server["a.bin"].location = server.url() + "a.bin";
  error_of(one_file(body));
  EXPECT_LT(server.requests().size(), 12u);
  server["a.bin"].location = "file:///etc/hostname";
  error_of(one_file(body));
  EXPECT_TRUE(fs::is_empty(out));
}

TEST_F(Get, NoServerIsOneClearLine) {
  options.mirrors = {"http://127.0.0.1:1/", "http://127.0.0.1:2/x"};
  const std::string error = error_of(one_file(body));
  EXPECT_NE(error.find("http://127.0.0.1:1/"), std::string::npos);
  EXPECT_NE(error.find("http://127.0.0.1:2/x"), std::string::npos);
  EXPECT_NE(error.find("network"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(out));
}

TEST_F(Get, AWrongFileStaysUntilTheRightOneIsThere) {
  put("a.bin", "something else");
  error_of(one_file(body));
  EXPECT_EQ(file("a.bin"), "something else");
  server["a.bin"].body = body;
  get(one_file(body));
  expect_only_file(body);
}

TEST_F(Get, TwoProcessesDoNotWriteOneFile) {
  put("a.bin.part", "x");
  const int other = ::open((out / "a.bin.part").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_NE(error_of(one_file(body)).find("another process"), std::string::npos);
  EXPECT_EQ(file("a.bin.part"), "x");
  ::close(other);
}

TEST_F(Get, UnknownSetNamesTheNearest) {
  options.name = "cifar1O";
  try {
    get_dataset(options, console);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("cifar10"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(Get, AKnownSetAsksForItsFilesAtTheMirrorsGiven) {
  options.name = "cifar10";
  server["cifar-10-binary.tar.gz"].body = "not it";
  try {
    get_dataset(options, console);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("has 6 bytes instead of 170052171"), std::string::npos);
  }
}

TEST(RemoteSets, TableIsComplete) {
  std::vector<std::string> names;
  for (const RemoteSet& set : remote_sets()) {
    names.push_back(set.name);
    EXPECT_GE(set.mirrors.size(), 2u);
    EXPECT_FALSE(set.licence.empty());
    for (const std::string& mirror : set.mirrors)
      EXPECT_TRUE(mirror.starts_with("http") && mirror.ends_with("/"));
    for (const RemoteFile& file : set.files) {
      EXPECT_GT(file.bytes, 0);
      EXPECT_EQ(file.sha256.size(), 64u) << file.name;
      EXPECT_EQ(file.md5.size(), 32u) << file.name;
      EXPECT_EQ((file.sha256 + file.md5).find_first_not_of("0123456789abcdef"), std::string::npos);
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"mnist", "fashion-mnist", "cifar10", "cifar100"}));
}

}  // namespace
}  // namespace langevin

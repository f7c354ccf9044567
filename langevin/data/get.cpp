#include "langevin/data/get.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <system_error>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/core/checksum.h"
#include "langevin/core/config.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr int tries_per_mirror = 3;
constexpr long redirects_limit = 5;
constexpr long slow_bytes_per_second = 1024;

std::string reason_of(int error) { return std::generic_category().message(error); }

// NAME.part, open for this process alone.
class PartFile {
 public:
  explicit PartFile(const fs::path& target) : path_(target.string() + ".part") {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0) fail("{}: cannot be opened for writing: {}", path_.string(), reason_of(errno));
    struct stat ours {
    }, there{};
    const bool regular = ::fstat(fd_, &ours) == 0 && S_ISREG(ours.st_mode);
    const bool locked = regular && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    // Another process may have finished between our open and our lock: then the name is gone or another
    // file's.
    if (!locked || ::stat(path_.c_str(), &there) != 0 || there.st_ino != ours.st_ino) {
      ::close(fd_);
      if (!regular) fail("{}: is no regular file; remove it", path_.string());
      fail("{}: another process is fetching this file; wait for it to end", path_.string());
    }
  }
  ~PartFile() {
    if (size() == 0) ::unlink(path_.c_str());
    ::close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  int64_t size() const {
    struct stat info {};
    return ::fstat(fd_, &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
  }
  // 0, or the reason; appends.
  int append(const char* data, size_t bytes) {
    off_t at = static_cast<off_t>(size());
    while (bytes > 0) {
      const ssize_t wrote = ::pwrite(fd_, data, bytes, at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return errno;
      data += wrote;
      bytes -= static_cast<size_t>(wrote);
      at += wrote;
    }
    return 0;
  }
  void clear() {
    if (::ftruncate(fd_, 0) != 0) fail("{}: cannot be emptied: {}", path_.string(), reason_of(errno));
  }
  // Makes it durable under its name.
  void become(const fs::path& target) {
    if (::fsync(fd_) != 0) fail("{}: cannot be written: {}", path_.string(), reason_of(errno));
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      fail("{}: cannot be put in place: {}", target.string(), reason_of(errno));
    }
    const int folder = ::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
      ::fsync(folder);
      ::close(folder);
    }
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
};

class Md5 {
 public:
  Md5() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr) != 1) {
      fail("this machine's OpenSSL refuses MD5, the only checksum known for this file");
    }
  }
  void update(std::span<const std::byte> bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &length);
    std::string text;
    for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

template <class Hash>
std::string hash_file(const fs::path& path) {
  Hash hash;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) fail("{}: cannot be read: {}", path.string(), reason_of(errno));
  std::vector<std::byte> block(size_t{1} << 20);
  for (size_t got; (got = std::fread(block.data(), 1, block.size(), file.get())) > 0;) {
    hash.update(std::span(block.data(), got));
  }
  if (std::ferror(file.get()) != 0) fail("{}: cannot be read: {}", path.string(), reason_of(errno));
  return hash.hex();
}

// Nothing, or what is wrong with the file.
std::optional<std::string> defect(const fs::path& path, const RemoteFile& file) {
  std::error_code error;
  const auto bytes = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return error.message();
  if (bytes != file.bytes) return fmt::format("has {} bytes instead of {}", bytes, file.bytes);
  const bool sha = !file.sha256.empty();
  const std::string found = sha ? hash_file<Sha256>(path) : hash_file<Md5>(path);
  const std::string& known = sha ? file.sha256 : file.md5;
  if (found == known) return std::nullopt;
  return fmt::format("its {} is {} instead of {}", sha ? "SHA-256" : "MD5", found, known);
}

// One request: what libcurl's callbacks share.
struct Transfer {
  CURL* curl;
  PartFile& part;
  const RemoteFile& file;
  Progress& progress;
  int64_t offset;            // bytes asked to be left out
  int64_t range_start = -1;  // of the answer's Content-Range
  int64_t received = 0;
  bool begun = false;
  int disk_error = 0;
  std::string refusal;  // why we ended it
};

// "Content-Range: bytes 100-199/200": remembers 100.
size_t on_header(char* data, size_t, size_t bytes, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, bytes), key = "content-range:";
  if (line.starts_with("HTTP/")) transfer.range_start = -1;  // the answer after a redirect
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  if (bytes < key.size() ||
      !std::equal(key.begin(), key.end(), line.begin(), [&](char k, char l) { return same(l, k); })) {
    return bytes;
  }
  const size_t digits = line.find_first_of("0123456789");
  if (digits != std::string_view::npos) {
    std::from_chars(line.data() + digits, line.data() + line.size(), transfer.range_start);
  }
  return bytes;
}

// Decides, at the first byte, whether the answer continues our file, replaces it, or is no use.
bool begin(Transfer& transfer) {
  transfer.begun = true;
  long status = 0;
  curl_off_t length = -1;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(transfer.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (status == 206 && transfer.range_start != transfer.offset) {
    transfer.refusal = fmt::format("answers with another part of the file than asked for (from byte {})",
                                   transfer.range_start);
    return false;
  }
  if (status != 206 && transfer.offset > 0) {  // a server without ranges sends all of it
    transfer.part.clear();
    transfer.offset = 0;
  }
  if (length >= 0 && transfer.offset + length != transfer.file.bytes) {
    transfer.refusal =
        fmt::format("has {} bytes instead of {}", transfer.offset + length, transfer.file.bytes);
    return false;
  }
  return true;
}

size_t on_body(char* data, size_t, size_t bytes, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (!transfer.begun && !begin(transfer)) return 0;
  } catch (const Error& error) {  // no exception may pass through libcurl
    transfer.refusal = error.what();
    return 0;
  }
  const int64_t done = transfer.offset + transfer.received + static_cast<int64_t>(bytes);
  if (done > transfer.file.bytes) {
    transfer.refusal = fmt::format("sends more than the file's {} bytes", transfer.file.bytes);
    return 0;
  }
  transfer.disk_error = transfer.part.append(data, bytes);
  if (transfer.disk_error != 0) return 0;
  transfer.received += static_cast<int64_t>(bytes);
  transfer.progress.update(done / 1000, done / 1000);
  return bytes;
}

enum class Outcome { complete, retry, next_mirror };

struct Attempt {
  Outcome outcome = Outcome::next_mirror;
  std::string reason;
  int64_t received = 0;
};

void set_options(CURL* curl, const std::string& url, const GetOptions& options, Transfer& transfer,
                 char* error) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "langevin");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // What was asked for encrypted may not be sent on in the clear.
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, url.starts_with("https:") ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, redirects_limit);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout_s));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, slow_bytes_per_second);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout_s));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  if (transfer.offset > 0) {
    curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-", transfer.offset).c_str());
  }
}

// What the end of a request means for the next one.
Attempt judge(CURLcode code, const Transfer& transfer, const char* error) {
  if (transfer.disk_error != 0) {
    fail("{}: cannot be written: {}; the part that came is kept", transfer.part.path().string(),
         reason_of(transfer.disk_error));
  }
  Attempt attempt{Outcome::next_mirror, transfer.refusal, transfer.received};
  if (!transfer.refusal.empty()) return attempt;
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK && transfer.part.size() == transfer.file.bytes)
    return {Outcome::complete, "", transfer.received};
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    attempt.reason = fmt::format("HTTP status {}", status);
    if (status == 416 && transfer.offset > 0) attempt.outcome = Outcome::retry;
    return attempt;
  }
  attempt.reason = code == CURLE_OK
                       ? fmt::format("ended after {} of {} bytes", transfer.part.size(), transfer.file.bytes)
                   : error[0] != '\0' ? std::string(error)
                                      : std::string(curl_easy_strerror(code));
  // A connection that broke on the way is worth another try; one that brought nothing is not.
  if (transfer.received > 0 && code != CURLE_OPERATION_TIMEDOUT) attempt.outcome = Outcome::retry;
  return attempt;
}

Attempt request(const std::string& url, const GetOptions& options, const RemoteFile& file, PartFile& part,
                Progress& progress) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) fail("get: libcurl cannot be started: out of memory?");
  Transfer transfer{curl.get(), part, file, progress, part.size(), -1, 0, false, 0, ""};
  std::array<char, CURL_ERROR_SIZE> error{};
  set_options(curl.get(), url, options, transfer, error.data());
  const CURLcode code = curl_easy_perform(curl.get());
  Attempt attempt = judge(code, transfer, error.data());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (attempt.outcome == Outcome::retry && status == 416) part.clear();
  return attempt;
}

// Tries one mirror until the file is right, or says why it is given up.
std::optional<std::string> fetch_from(const std::string& mirror, const GetOptions& options,
                                      const RemoteFile& file, PartFile& part, Progress& progress,
                                      GetSummary& summary) {
  const std::string url = mirror + (mirror.ends_with('/') ? "" : "/") + file.name;
  std::string reason;
  for (int attempt = 0; attempt < tries_per_mirror; ++attempt) {
    const int64_t had = part.size();
    if (had > file.bytes) part.clear();
    Attempt result{Outcome::complete, "", 0};
    if (part.size() < file.bytes) result = request(url, options, file, part, progress);
    summary.downloaded += result.received;
    if (result.outcome == Outcome::complete) {
      const std::optional<std::string> wrong = defect(part.path(), file);
      if (!wrong) {
        summary.resumed += file.bytes - result.received;
        return std::nullopt;
      }
      part.clear();
      reason = *wrong;
      if (result.received < file.bytes)
        continue;  // the earlier part may be to blame: once more from the start
      return reason;
    }
    reason = result.reason;
    if (result.outcome == Outcome::next_mirror) return reason;
  }
  return reason;
}

void fetch(const RemoteFile& file, const std::vector<std::string>& mirrors, const fs::path& target,
           const GetOptions& options, GetSummary& summary, Console& console) {
  PartFile part(target);
  const int64_t before = part.size();
  if (before > 0 && before <= file.bytes)
    console.info(fmt::format("{}: continuing at byte {}", file.name, before));
  std::string reasons;
  for (const std::string& mirror : mirrors) {
    Progress progress(console, file.name, "kB", file.bytes / 1000);
    const std::optional<std::string> reason = fetch_from(mirror, options, file, part, progress, summary);
    if (!reason) {
      progress.finish();
      part.become(target);
      return;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", mirror, *reason);
    if (&mirror != &mirrors.back())
      console.warn(fmt::format("{}{}: {}; trying the next mirror", mirror, file.name, *reason));
  }
  fail("get: {} could not be fetched ({}); check the network and run again, or put the file into {} by hand",
       file.name, reasons, target.parent_path().string());
}

void check_file(const RemoteFile& file) {
  const bool plain = !file.name.empty() && file.name.find('/') == std::string::npos && file.name[0] != '.';
  check(plain, "get_remote", "file name must be plain, got '{}'", file.name);
  check(file.bytes > 0, "get_remote", "{} needs its size", file.name);
  check(!file.sha256.empty() || !file.md5.empty(), "get_remote", "{} needs a checksum", file.name);
}

// libcurl counts these calls; the first starts it and the last ends it.
struct CurlLibrary {
  CurlLibrary() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) fail("get: libcurl cannot be started");
  }
  ~CurlLibrary() { curl_global_cleanup(); }
};

}  // namespace

GetSummary get_remote(const RemoteSet& set, const GetOptions& options, Console& console) {
  if (options.out.empty()) fail_usage("get: --out is needed");
  const std::vector<std::string>& mirrors = options.mirrors.empty() ? set.mirrors : options.mirrors;
  check(!mirrors.empty(), "get_remote", "{} has no mirror", set.name);
  make_folders(options.out);
  std::error_code error;

  const CurlLibrary library;
  GetSummary summary;
  for (const RemoteFile& file : set.files) {
    check_file(file);
    const fs::path target = options.out / file.name;
    if (fs::exists(target, error)) {
      const std::optional<std::string> wrong = defect(target, file);
      if (!wrong) {
        ++summary.kept;
        summary.files.push_back(target);
        continue;
      }
      console.warn(fmt::format("{}: {}; fetching it anew", target.string(), *wrong));
    }
    fetch(file, mirrors, target, options, summary, console);
    summary.files.push_back(target);
  }
  return summary;
}

GetSummary get_dataset(const GetOptions& options, Console& console) {
  std::vector<std::string> known;
  for (const RemoteSet& set : remote_sets()) {
    if (set.name == options.name) return get_remote(set, options, console);
    known.push_back(set.name);
  }
  throw UsageError(unknown_name("data set", options.name, known));
}

}  // namespace langevin

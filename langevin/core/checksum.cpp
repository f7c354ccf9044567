#include "langevin/core/checksum.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>

#include "langevin/core/check.h"

namespace langevin {
namespace {

std::string to_hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

struct FreeXxh {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

struct FreeEvp {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

struct Xxh3::State {
  std::unique_ptr<XXH3_state_t, FreeXxh> xxh{XXH3_createState()};
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {
  check(state_->xxh && XXH3_128bits_reset(state_->xxh.get()) == XXH_OK, "Xxh3",
        "cannot start; out of memory");
}
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const bool ok = XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size()) == XXH_OK;
  check(ok, "Xxh3", "libxxhash refused {} bytes", bytes.size());
}

std::string Xxh3::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh.get()));
  return to_hex(canonical.digest);
}

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, FreeEvp> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_MD_CTX* context = state_->context.get();
  check(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1, "Sha256",
        "OpenSSL has no SHA-256 here; check its configuration");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const bool ok = EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1;
  check(ok, "Sha256", "OpenSSL refused {} bytes", bytes.size());
}

std::string Sha256::hex() const {
  // Finishing destroys the state: finish a copy, so that more bytes may follow.
  const std::unique_ptr<EVP_MD_CTX, FreeEvp> copy(EVP_MD_CTX_new());
  std::array<unsigned char, 32> digest{};
  check(copy && EVP_MD_CTX_copy_ex(copy.get(), state_->context.get()) == 1 &&
            EVP_DigestFinal_ex(copy.get(), digest.data(), nullptr) == 1,
        "Sha256", "OpenSSL cannot finish the digest; out of memory");
  return to_hex(digest);
}

}  // namespace langevin

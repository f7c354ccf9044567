#include "langevin/io/safetensors.h"

#include <cstring>

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;

Bytes file_of(std::string_view header, size_t data_bytes, std::string_view data = "") {
  const uint64_t length = header.size();
  Bytes bytes(8);
  std::memcpy(bytes.data(), &length, 8);
  const Bytes text = as_bytes(header), rest = as_bytes(data);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  bytes.resize(8 + header.size() + data_bytes);
  return bytes;
}

SafetensorsFile parse(const Bytes& bytes) { return SafetensorsFile::parse(bytes, "test"); }

template <class T>
std::span<const std::byte> raw(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// A file with every kind of thing in it, small enough to damage exhaustively.
Bytes small_file(const Folder& folder) {
  const std::vector<float> weight{1.5f, -2.0f};
  const std::vector<uint8_t> bytes{7, 8, 9};
  write_safetensors(folder / "small.safetensors",
                    {{"a", DType::f32, {2, 1}, raw(weight)}, {"b", DType::u8, {3}, raw(bytes)}},
                    {{"k", "v\"x\\"}, {"z", "Z"}});
  return get(folder / "small.safetensors");
}

// The example of the format's description, byte by byte.
TEST(Safetensors, ReadsTheFormat) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},)"
      R"("i":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}   )";
  const Bytes bytes = file_of(header, 12, std::string_view("\x00\x3c\x00\xc0\x05\0\0\0\0\0\0\0", 12));
  const SafetensorsFile file = parse(bytes);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"w", "i"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(file.at("w").dtype, DType::f16);
  EXPECT_EQ(file.at("w").shape, (Shape{1, 2}));
  const HostArrayF values = file.to_float("w");
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -2.0f);
  EXPECT_EQ(file.at("i").bytes[0], std::byte{5});
  EXPECT_TRUE(file.contains("i"));
  EXPECT_FALSE(file.contains("__metadata__"));
  EXPECT_ERROR(file.at("v"), "test: it has no tensor 'v'");
  EXPECT_ERROR(file.to_float("i"), "tensor 'i' holds i64");
  verify_checksum(file);  // carries none
}

TEST(Safetensors, ReadsWhatWasWritten) {
  Folder folder;
  const std::vector<float> f{1, 2, 3, 4};
  const std::vector<double> d{0.1};
  const std::vector<uint16_t> h{0x3f80, 0x4049, 0xbf80};
  const std::vector<uint8_t> none;
  const std::map<std::string, std::string> metadata{{"langevin", R"({"a": "ä\n"})"}, {"", "empty key"}};
  std::vector<TensorOut> tensors{{"f", DType::f32, {2, 2}, raw(f)},
                                 {"d \"quoted\"", DType::f64, {}, raw(d)},
                                 {"h", DType::bf16, {3}, raw(h)},
                                 {"none", DType::u8, {4, 0}, raw(none)}};
  write_safetensors(folder / "a.safetensors", tensors, metadata);
  SafetensorsFile opened = SafetensorsFile::open(folder / "a.safetensors");
  const SafetensorsFile file = std::move(opened);  // views survive the move
  verify_checksum(file);
  EXPECT_EQ(file.header().size() % 8, 0u);
  for (const TensorOut& tensor : tensors) {
    const TensorView& view = file.at(tensor.name);
    EXPECT_EQ(view.dtype, tensor.dtype);
    EXPECT_EQ(view.shape, tensor.shape);
    EXPECT_EQ(as_string(view.bytes), as_string(tensor.bytes));
    if (!view.bytes.empty()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(view.bytes.data()) % dtype_size(view.dtype), 0u) << tensor.name;
    }
  }
  EXPECT_EQ(file.to_float("h")[1], 3.140625f);
  EXPECT_EQ(file.to_float("d \"quoted\"")[0], 0.1f);
  EXPECT_EQ(file.to_float("f")[3], 4.0f);
  EXPECT_EQ(file.metadata().at("langevin"), metadata.at("langevin"));
  EXPECT_EQ(file.metadata().at("xxh3").size(), 32u);
  EXPECT_EQ(file.metadata().size(), 3u);

  std::swap(tensors[0], tensors[3]);  // the order given does not show
  write_safetensors(folder / "b.safetensors", tensors, metadata);
  EXPECT_EQ(as_string(get(folder / "a.safetensors")), as_string(get(folder / "b.safetensors")));
}

TEST(Safetensors, AFileOfNothingIsAFile) {
  Folder folder;
  write_safetensors(folder / "none.safetensors", {}, {});
  const SafetensorsFile file = SafetensorsFile::open(folder / "none.safetensors");
  verify_checksum(file);
  EXPECT_TRUE(file.names().empty());
  EXPECT_TRUE(parse(file_of("{}", 0)).names().empty());
}

TEST(Safetensors, AFullDiskLeavesWhatWasThere) {
  Folder folder;
  const Bytes before = small_file(folder), large = random_bytes(100'000, 1);
  {
    const FullDisk full(50'000);
    EXPECT_ERROR(write_safetensors(folder / "small.safetensors", {{"a", DType::u8, {100'000}, large}}, {}),
                 "cannot write");
  }
  EXPECT_EQ(get(folder / "small.safetensors"), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  Folder folder;
  const std::vector<float> f{1};
  const fs::path path = folder / "x.safetensors";
  EXPECT_ERROR(write_safetensors(path, {{"", DType::f32, {1}, raw(f)}}, {}), "no name for a tensor");
  EXPECT_ERROR(write_safetensors(path, {{"__metadata__", DType::f32, {1}, raw(f)}}, {}),
               "no name for a tensor");
  EXPECT_ERROR(write_safetensors(path, {{"a", DType::f32, {2}, raw(f)}}, {}), "does not fit");
  EXPECT_ERROR(write_safetensors(path, {{"a", DType::f32, {-1}, raw(f)}}, {}), "does not fit");
  EXPECT_ERROR(write_safetensors(path, {{"a", DType::f32, {1}, raw(f)}, {"a", DType::f32, {1}, raw(f)}}, {}),
               "twice");
  EXPECT_ERROR(write_safetensors(path, {{"\xff", DType::f32, {1}, raw(f)}}, {}), "not UTF-8");
  EXPECT_FALSE(fs::exists(path));
}

TEST(Safetensors, RefusesHeadersThatLie) {
  struct Case {
    const char* header;
    size_t data;
    const char* message;
  };
  const std::string deep = std::string(100'000, '[');
  const std::vector<Case> cases = {
      {"", 0, "no JSON object"},
      {"[]", 0, "no JSON object"},
      {" {}", 0, "no JSON object"},
      {"{", 0, "no JSON"},
      {"{} x", 0, "no JSON"},
      {"{}{}", 0, "no JSON"},
      {"{\"a\":1}", 0, "a number"},
      {"{\"a\":null}", 0, "null"},
      {"{\"a\":[]}", 0, "a list"},
      {"{\"a\":{}}", 0, "lacks"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown field"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "field twice"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, "not supported"},
      {R"({"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}})", 4, "a list"},
      {R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "text"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "a list"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "no integer"},
      {R"({"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}})", 4, "no integer"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4, "too large"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4, "does not fit"},
      {R"({"a":{"dtype":"F32","shape":[65536,65536,65536,65536],"data_offsets":[0,0]}})", 0, "does not fit"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "does not fit"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "lies at bytes 4 to 0"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "two numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 8, "a number"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "lies at"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "belong to none"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})", 5, "lies at"},
      {R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "an empty name"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "twice"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "lies at"},  // overlap
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "lies at"},  // hole
      {R"({"__metadata__":{"a":1}})", 0, "a number"},
      {R"({"__metadata__":{"a":{}}})", 0, "an object"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
      {"{\"\xff\":1}", 0, "no JSON"},
      {deep.c_str(), 0, "no JSON object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.header);
    EXPECT_ERROR(parse(file_of(c.header, c.data)), c.message);
    EXPECT_ERROR(parse(file_of(c.header, c.data)), "test: ");
  }
  EXPECT_ERROR(parse(file_of("{\"a\":" + deep, 0)), "a list");
  EXPECT_ERROR(parse(file_of(std::string_view("{}\0\0", 4), 0)), "no JSON object");
  EXPECT_ERROR(parse(as_bytes("1234567")), "too few");
}

TEST(Safetensors, AHeaderLengthThatLiesTakesNoMemory) {
  const int64_t before = peak_memory();
  for (const uint64_t length :
       {uint64_t{3}, uint64_t{100'000'000}, uint64_t{100'000'001}, uint64_t{1} << 40, UINT64_MAX}) {
    Bytes bytes = file_of("{}", 0);
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_ERROR(parse(bytes), "does not fit a file of 10");
  }
  EXPECT_LT(peak_memory() - before, int64_t{64} << 20);
}

// Not only every flipped bit: every byte replaced by every other.
TEST(Safetensors, TheChecksumCatchesEveryChangedByte) {
  Folder folder;
  Bytes bytes = small_file(folder);
  verify_checksum(parse(bytes));
  for (size_t at = 0; at < bytes.size(); ++at) {
    const std::byte original = bytes[at];
    for (int change = 1; change < 256; ++change) {
      bytes[at] = original ^ static_cast<std::byte>(change);
      const std::string message = error_of([&] { verify_checksum(parse(bytes)); });
      ASSERT_NE(message, "") << "byte " << at << " changed to " << static_cast<int>(bytes[at]);
    }
    bytes[at] = original;
  }
  bytes.back() ^= std::byte{1};
  EXPECT_ERROR(verify_checksum(parse(bytes)), "test: checksum does not match (the file is damaged)");
}

TEST(Safetensors, EveryCutIsNoticed) {
  Folder folder;
  const Bytes bytes = small_file(folder);
  for (size_t size = 0; size < bytes.size(); ++size) {
    put(folder / "cut.safetensors", std::span(bytes).first(size));
    EXPECT_ERROR(SafetensorsFile::open(folder / "cut.safetensors"), "cut.safetensors");
  }
  EXPECT_ERROR(SafetensorsFile::open(folder / "absent.safetensors"), "absent.safetensors");
  EXPECT_ERROR(SafetensorsFile::open(folder.path()), "not a regular file");
}

TEST(Safetensors, DamageNeverCrashes) {
  Folder folder;
  const Bytes bytes = small_file(folder);
  int refused = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    const Bytes damaged = mutate(bytes, seed);
    refused += error_of([&] {
                 const SafetensorsFile file = parse(damaged);
                 for (const std::string& name : file.names()) {
                   if (file.at(name).dtype == DType::f32) file.to_float(name);
                 }
                 verify_checksum(file);
               }) != "";
  }
  EXPECT_GT(refused, 4900);
}

// Files made by the reference implementation in Python.
TEST(Safetensors, ReadsThePeersFiles) {
  const fs::path path =
      fs::path(LANGEVIN_SHARED) / "parity/unet2d-ddpm/unet/diffusion_pytorch_model.safetensors";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not here";
  const SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_TRUE(file.contains("conv_in.weight"));
  EXPECT_EQ(file.at("conv_in.weight").shape.size(), 4u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  for (const std::string& name : file.names()) {
    const HostArrayF values = file.to_float(name);
    for (const float value : values.data()) ASSERT_LT(std::abs(value), 1e3f) << name;
  }
  verify_checksum(file);
}

}  // namespace
}  // namespace langevin

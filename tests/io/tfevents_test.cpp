#include "langevin/io/tfevents.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;

// RFC 3720, B.4, and the check value of the CRC catalogue for "123456789".
TEST(TfEvents, Crc32cHasItsKnownValues) {
  Bytes up(32), down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<std::byte>(i);
    down[i] = static_cast<std::byte>(31 - i);
  }
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0})), 0x8a9136aau);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0xff})), 0x62a8ab43u);
  EXPECT_EQ(crc32c(up), 0x46dd794eu);
  EXPECT_EQ(crc32c(down), 0x113fdb5cu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

// A reader of its own, from the descriptions of TFRecord and Protocol Buffers.
struct Message {
  std::map<uint64_t, std::string> bytes;
  std::map<uint64_t, uint64_t> numbers;  // varint, fixed32, fixed64
};

Message parse_message(std::string_view text) {
  Message message;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(text.at(0));
      text.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (!text.empty()) {
    const uint64_t key = varint();
    const uint64_t wire = key & 7;
    uint64_t value = 0;
    if (wire == 0) {
      value = varint();
    } else if (wire == 2) {
      const uint64_t length = varint();
      message.bytes[key >> 3] = std::string(text.substr(0, length));
      text.remove_prefix(length);
      continue;
    } else {
      const size_t size = wire == 5 ? 4 : 8;
      std::memcpy(&value, text.substr(0, size).data(), size);
      text.remove_prefix(size);
    }
    message.numbers[key >> 3] = value;
  }
  return message;
}

uint32_t masked(std::string_view text) {
  const uint32_t crc = crc32c(std::as_bytes(std::span(text)));
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

std::vector<Message> parse_file(const fs::path& path) {
  const std::string file = as_string(get(path));
  std::string_view text = file;
  std::vector<Message> events;
  while (!text.empty()) {
    uint64_t length = 0;
    uint32_t front = 0, back = 0;
    std::memcpy(&length, text.substr(0, 8).data(), 8);
    std::memcpy(&front, text.substr(8, 4).data(), 4);
    EXPECT_EQ(front, masked(text.substr(0, 8)));
    const std::string_view payload = text.substr(12, length);
    std::memcpy(&back, text.substr(12 + length, 4).data(), 4);
    EXPECT_EQ(back, masked(payload));
    events.push_back(parse_message(payload));
    text.remove_prefix(16 + length);
  }
  return events;
}

Message value_of(const Message& event) { return parse_message(parse_message(event.bytes.at(5)).bytes.at(1)); }

TEST(TfEvents, WritesWhatTensorBoardReads) {
  Folder folder;
  const fs::path path = folder / "events.out.tfevents.1";
  const Bytes png = random_bytes(300, 1);
  {
    EventWriter writer(path, false);
    writer.scalar("loss", 7, 0.25);
    writer.scalar("loss", int64_t{1} << 40, std::nan(""));
    writer.image("samples", 8, 64, 32, 3, png);
    writer.flush();
  }
  const std::vector<Message> events = parse_file(path);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].bytes.at(3), "brain.Event:2");
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const Message& event : events) EXPECT_NEAR(std::bit_cast<double>(event.numbers.at(1)), now, 60);

  EXPECT_EQ(events[1].numbers.at(2), 7u);
  const Message loss = value_of(events[1]);
  EXPECT_EQ(loss.bytes.at(1), "loss");
  EXPECT_EQ(std::bit_cast<float>(static_cast<uint32_t>(loss.numbers.at(2))), 0.25f);
  EXPECT_EQ(events[2].numbers.at(2), uint64_t{1} << 40);
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(static_cast<uint32_t>(value_of(events[2]).numbers.at(2)))));

  const Message value = value_of(events[3]);
  EXPECT_EQ(value.bytes.at(1), "samples");
  const Message image = parse_message(value.bytes.at(4));
  EXPECT_EQ(image.numbers.at(1), 32u);  // height
  EXPECT_EQ(image.numbers.at(2), 64u);  // width
  EXPECT_EQ(image.numbers.at(3), 3u);
  EXPECT_EQ(image.bytes.at(4), as_string(png));
}

TEST(TfEvents, ARestartSaysWhatCountsNoLonger) {
  Folder folder;
  EventWriter(folder / "a", false).restart(51);
  const std::vector<Message> events = parse_file(folder / "a");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].numbers.at(2), 51u);
  EXPECT_EQ(parse_message(events[1].bytes.at(7)).numbers.at(1),
            1u);  // SessionLog.START, as event.proto has it
}

// A process killed in the middle of a record leaves half of it; what follows must still be readable.
TEST(TfEvents, AppendsBehindTheLastWholeRecord) {
  Folder folder;
  {
    EventWriter writer(folder / "a", false);
    writer.scalar("x", 1, 1);
  }
  const Bytes whole = get(folder / "a");
  { EventWriter(folder / "a", true).scalar("x", 2, 2); }
  const Bytes longer = get(folder / "a");
  for (size_t size = whole.size(); size <= longer.size(); ++size) {
    put(folder / "b", std::span(longer).first(size));
    { EventWriter(folder / "b", true).scalar("x", 3, 3); }
    const std::vector<Message> events = parse_file(folder / "b");
    ASSERT_EQ(events.size(), size == longer.size() ? 4u : 3u) << "cut to " << size;
    EXPECT_EQ(events.back().numbers.at(2), 3u);
  }
  { EventWriter(folder / "new", true).scalar("x", 1, 1); }
  EXPECT_EQ(parse_file(folder / "new").size(), 2u);
  { EventWriter(folder / "b", false).scalar("x", 1, 1); }
  EXPECT_EQ(parse_file(folder / "b").size(), 2u);  // anew
}

TEST(TfEvents, AFullDiskLeavesNoHalfRecord) {
  Folder folder;
  EventWriter writer(folder / "a", false);
  writer.scalar("x", 1, 1);
  {
    const FullDisk full(fs::file_size(folder / "a") + 100);
    EXPECT_ERROR(writer.image("x", 2, 8, 8, 3, random_bytes(1000, 1)), "cannot write");
  }
  writer.scalar("x", 3, 3);
  EXPECT_EQ(parse_file(folder / "a").size(), 3u);
}

TEST(TfEvents, LeavesOtherFilesAlone) {
  Folder folder;
  put(folder / "thesis.txt", "four years of work");
  EXPECT_ERROR(EventWriter(folder / "thesis.txt", true), "no event file");
  EXPECT_EQ(as_string(get(folder / "thesis.txt")), "four years of work");
  for (uint64_t seed = 0; seed < 300; ++seed) {
    { EventWriter(folder / "e", false).scalar("x", 1, 1); }
    put(folder / "m", mutate(get(folder / "e"), seed));
    error_of([&] { EventWriter(folder / "m", true).scalar("x", 2, 2); });
  }
  EXPECT_ERROR(EventWriter(folder.path(), false), "cannot write");
}

}  // namespace
}  // namespace langevin

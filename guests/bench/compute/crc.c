// about: a table indexed by bytes, and bit by bit: CRC-32
#include "../common/bench.h"

static u32 bitwise(u32 crc, u8 byte) {
  crc ^= byte;
  for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ crc >> 1 : crc >> 1;
  return crc;
}

u64 bench_crc(u64 percent) {
  u32 *table = (u32 *)arena;
  u8 *data = arena + 4096;
  const u64 size = 64 << 10;
  u64 state = 99;
  for (u32 i = 0; i < 256; i++) table[i] = bitwise(i, 0);
  for (u64 i = 0; i < size; i++) data[i] = (u8)next_random(&state);
  u32 fast = ~0u, slow = ~0u;
  for (u64 round = rounds(700, percent); round > 0; round--) {
    for (u64 i = 0; i < size; i++) fast = table[(fast ^ data[i]) & 255] ^ fast >> 8;
    for (u64 i = 0; i < size / 16; i++) slow = bitwise(slow, data[i]);
  }
  return (u64)fast << 32 | slow;
}

// What the explorers share: a hash of a state and a set of the hashes seen.
//
// States are told apart by a 64-bit hash. With 10^9 states the chance that any two collide is about 3 %, and
// a collision only hides one state's successors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

/** Hash of `size` bytes, chained from `seed`. */
inline uint64_t hashBytes(const void *data, size_t size, uint64_t seed) {
  const uint8_t *bytes = static_cast<const uint8_t *>(data);
  uint64_t h = seed ^ 0x9E3779B97F4A7C15ull;
  while (size >= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
    bytes += 8;
    size -= 8;
  }
  while (size--)
    h = (h ^ *bytes++) * 0x100000001b3ull;
  h ^= h >> 29;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 32;
}

/** Open-addressing set of hashes, 16 bytes an element on average. */
class HashSet {
public:
  /** True if `h` was not there. */
  bool insert(uint64_t h) {
    if (h == 0)
      h = 1;
    if ((used + 1) * 2 > table.size())
      grow();
    if (!place(h))
      return false;
    used++;
    return true;
  }
  void clear() {
    table.assign(1 << 12, 0);
    used = 0;
  }

private:
  std::vector<uint64_t> table = std::vector<uint64_t>(1 << 12);
  size_t used = 0;

  bool place(uint64_t h) {
    size_t mask = table.size() - 1;
    size_t i = h & mask;
    while (table[i] != 0) {
      if (table[i] == h)
        return false;
      i = (i + 1) & mask;
    }
    table[i] = h;
    return true;
  }
  void grow() {
    std::vector<uint64_t> before(table.size() * 2);
    before.swap(table);
    for (uint64_t h : before)
      if (h != 0)
        place(h);
  }
};

/*
 * Drives the exports of c/bancos.c over damaged files, to be built with AddressSanitizer and UBSan.
 *
 *     harness SEED SECONDS FILE...     mutants of the files until the time is over
 *     libFuzzer (-DLIBFUZZER)          the input is a file, and behind it the calls
 *
 * The file and the scratch buffer lie in memory of exactly their size: what the bounds checks let through is
 * found. Half of the time that is memory before a page that may not be touched, since the sanitizers do not
 * see what a string instruction reads.
 */
#ifndef SOURCE
#define SOURCE "../../../c/bancos.c"
#endif
#include SOURCE

/* After it, since their macros have the names of its enumerations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096
#define H 1

/* Where the choices come from: bytes of the input, then a generator. */
static const u8 *input;
static size_t input_left;
static u64 state = 1;

static u32 word(void) {
  if (input_left >= 4) {
    u32 v = peek32(input);
    input += 4;
    input_left -= 4;
    return v;
  }
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (u32)(state >> 33);
}
static u32 below(u32 n) { return n ? word() % n : 0; }

/* A block that ends with its last byte. */
typedef struct {
  u8 *bytes;
  u8 *mapped;
  size_t pages;
} block;

static block block_of(const u8 *from, size_t size, int guarded) {
  block b = {0, 0, 0};
  if (guarded) {
    b.pages = (size + PAGE - 1) / PAGE + 1;
    b.mapped = mmap(0, b.pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | 0x20 /* anonymous */, -1, 0);
    mprotect(b.mapped + (b.pages - 1) * PAGE, PAGE, 0);
    /* Words must stay aligned: the last bytes before the guard may be slack. */
    b.bytes = b.mapped + (((b.pages - 1) * PAGE - size) & ~(size_t)7);
  } else {
    b.bytes = malloc(size ? size : 1);
  }
  if (from)
    memcpy(b.bytes, from, size);
  else
    memset(b.bytes, 0, size);
  return b;
}

static void release(block b) {
  if (b.mapped)
    munmap(b.mapped, b.pages * PAGE);
  else
    free(b.bytes);
}

static u64 limit;
static u64 scratch_bytes;

/* A cell: one that a word of the file names, one near the end, or anything. */
static i32 some_cell(void) {
  switch (below(6)) {
  case 0:
    return (i32)word();
  case 1:
    return (i32)(limit / 8 - below(200));
  case 2:
    return (i32)below((u32)(limit / 8) + 1);
  default:
    return bancos_load32(H, (i32)below((u32)(limit / 8) + 1), below(2) * 4);
  }
}
static i32 some_handle(void) { return below(40) ? H : (i32)word(); }
static i32 some_offset(u32 align) {
  u32 v = below(12) ? below(2200) : word();
  return (i32)(v & ~(align - 1));
}
static i32 some_scratch(u32 size) {
  u32 v = below(12) ? below((u32)scratch_bytes) : word();
  return (i32)(size > 1 ? v & ~(size - 1) : v);
}
static i32 some_length(void) {
  switch (below(5)) {
  case 0:
    return (i32)word();
  case 1:
    return (i32)below((u32)scratch_bytes + 100);
  default:
    return (i32)below(1200);
  }
}
static i32 some_count(void) { return below(12) ? (i32)below(300) : (i32)word(); }
/* A stride of 0 over all counts there are is no finding, only slow. */
static i32 some_stride(u32 align, i32 count) {
  i32 stride = some_offset(align);
  return stride || count < 1000 ? stride : (i32)align;
}
static f64 some_double(void) {
  double_bits d;
  d.bits = below(3) ? word() : (u64)word() << 32 | word();
  return d.value;
}

/* What is stored must not be lost on the way: the compiler may not leave out the calls. */
static volatile f64 sink;

/* The descent of a reader, as src/rowex/place.ts does it, and its batches. */
static void descend(void) {
  i32 node = bancos_load32(H, 0, 28);
  i32 tag = bancos_load32(H, node, 0);
  for (i32 steps = 0; steps < 64; steps++) {
    u32 kind = TAG_KIND((u32)tag);
    if (kind == 5) {
      i32 digits = (i32)LEAF_KEY_LENGTH((u32)tag);
      i32 at = (LEAF_KEY + digits + 3) & ~3;
      i32 length = bancos_load32(H, node, at);
      sink += bancos_compareBytes(H, node, LEAF_KEY, 20, digits);
      sink +=
          bancos_leafIsSound(H, node, tag, (i32)word(), length < 0 ? length : (at + 4) + (length & 0xffffff));
      sink += bancos_copyOut(H, node, at + 4, 0, length);
      bancos_copyOut(H, node, LEAF_KEY, 20, digits);
      sink += bancos_findLeaf(H, node, 20, digits, 8400, (i32)word(), 1);
      sink += bancos_hashLeaves(H, node & ~(i32)(SLAB_UNITS - 1), 40, 409, 50000, 512);
      return;
    }
    if (below(3) == 0) {
      i32 n = bancos_listChildren(H, node, tag, 8448);
      if (n <= 0)
        return;
      /* The children as a batch of leaves, whatever they are. */
      u8 *cells = scratch(H, 8448, 1024);
      if (cells)
        for (i32 i = 0; i < n && (u64)(40000 + n * 8) < scratch_bytes; i++)
          poke32(handles[H].scratch + 40000 + i * 4, peek32(cells + i * 4));
      sink +=
          bancos_gather(H, 40000, n, 50000, some_length(), below(2) ? -1 : 30000, (i32)word(), (i32)below(8));
    }
    i32 child = bancos_childOf(H, node, tag, (i32)word(), 8256);
    if (!child)
      return;
    node = child;
    tag = bancos_load32(H, node, 0);
  }
}

/* A walk from the root or from anywhere, with whatever is known of it, and its batch. */
static void walk_on(void) {
  u8 *state = scratch(H, 1024, WALK_STACK + 8);
  u32 entries = 1 + below(8);
  if (!state)
    return;
  poke32(state + WALK_HEIGHT, below(20) ? entries : word());
  poke32(state + WALK_LEAVES, below(20) ? 0 : word());
  poke32(state + WALK_EMPTY, 0);
  for (u32 i = 0; i < entries; i++) {
    poke32(state + WALK_STACK + i * 8, (u32)(below(3) ? bancos_load32(H, 0, 28) : some_cell()));
    poke32(state + WALK_STACK + i * 8 + 4, below(3) ? 0 : below(2) ? WALK_REST | below(600) << WALK_FROM : word());
  }
  for (u32 calls = 0; calls < 4; calls++) {
    i32 n = bancos_walk(H, 1024, 80000, 1 + (i32)below(500), (i32)below(4));
    if (n <= 0)
      return;
    sink += bancos_gather(H, 80000, n, 85000, some_length(), -1, (i32)word(), (i32)below(8));
  }
}

static void one_call(void) {
  i32 h = some_handle(), c = some_cell(), v = (i32)word(), n;
  switch (below(47)) {
  case 0:
    sink += bancos_load8(h, c, some_offset(1));
    break;
  case 1:
    sink += bancos_load16(h, c, some_offset(2));
    break;
  case 2:
    sink += bancos_load32(h, c, some_offset(4));
    break;
  case 3:
    sink += bancos_load64(h, c, some_offset(8));
    break;
  case 4:
    sink += bancos_loadF64(h, c, some_offset(8)) != 0;
    break;
  case 5:
    bancos_store8(h, c, some_offset(1), v);
    break;
  case 6:
    bancos_store16(h, c, some_offset(2), v);
    break;
  case 7:
    bancos_store32(h, c, some_offset(4), v);
    break;
  case 8:
    bancos_store64(h, c, some_offset(8), some_double());
    break;
  case 9:
    bancos_storeF64(h, c, some_offset(8), some_double());
    break;
  case 10:
    bancos_storePair(h, c, some_offset(8), v, v);
    break;
  case 11:
    sink += bancos_fetchAdd32(h, c, some_offset(4), v) + bancos_fetchSub16(h, c, some_offset(2), v);
    break;
  case 12:
    sink += bancos_fetchAdd64(h, c, some_offset(8), some_double());
    break;
  case 13:
    sink += bancos_fetchOr8(h, c, some_offset(1), v) + bancos_fetchOr64(h, c, some_offset(8), 3);
    break;
  case 14:
    sink += bancos_cas32(h, c, some_offset(4), v, v) + bancos_casWeak8(h, c, some_offset(1), 0, 1);
    break;
  case 15:
    sink += bancos_cas64(h, c, some_offset(8), some_double(), some_double());
    break;
  case 16:
    sink += bancos_exchange32(h, c, some_offset(4), v) + bancos_exchange64(h, c, some_offset(8), v);
    break;
  case 17:
    sink += bancos_enterEpoch(h, some_cell(), some_offset(4), c, some_offset(4));
    break;
  case 18:
    bancos_movnt32(h, c, some_offset(4), v);
    break;
  case 19:
    bancos_movnt64(h, c, some_offset(8), v, v);
    break;
  case 20:
    bancos_setN48Key(h, c, some_offset(1), v);
    break;
  case 21:
    bancos_persist(h, c, some_offset(1), some_length());
    break;
  case 22:
    sink += bancos_findByte16(h, c, some_offset(1), some_count(), v);
    break;
  case 23:
    n = some_count();
    sink += bancos_findWord(h, c, some_offset(4), some_stride(4, n), n, v, v);
    break;
  case 24:
    sink += bancos_findEntry(h, c, some_offset(4), 16, some_count(), 15, v, some_offset(4), v);
    break;
  case 25:
    n = some_count();
    if (below(8) == 0)
      bancos_fillWord(h, c, some_offset(4), some_stride(4, n), n, v);
    break;
  case 26:
    n = some_count();
    sink += bancos_sum64(h, c, some_offset(8), some_stride(8, n), n);
    break;
  case 27:
    sink += bancos_compareBytes(h, c, some_offset(1), some_scratch(1), some_length());
    break;
  case 28:
    sink += bancos_copyIn(h, c, some_offset(1), some_scratch(1), some_length());
    break;
  case 29:
    sink += bancos_copyOut(h, c, some_offset(1), some_scratch(1), some_length());
    break;
  case 30:
    sink += bancos_copyWithin(h, c, some_offset(1), some_cell(), some_offset(1), some_length());
    break;
  case 31:
    sink += bancos_load16Bytes(h, c, some_offset(1), some_scratch(1));
    break;
  case 32:
    sink += bancos_loadWords(h, c, some_offset(4), some_scratch(4), some_count());
    break;
  case 33:
    sink += bancos_storeWords(h, c, some_offset(4), some_scratch(4), some_count());
    break;
  case 34:
    sink += bancos_childOf(h, c, v, (i32)word(), below(3) ? some_scratch(4) : -1);
    break;
  case 35:
    sink += bancos_listChildren(h, c, bancos_load32(h, c, 0), some_scratch(4));
    break;
  case 36:
    sink += bancos_leafIsSound(h, c, bancos_load32(h, c, 0), v, some_length());
    sink += bancos_findLeaf(h, c, some_scratch(1), some_length(), below(2) ? -1 : some_scratch(8), v,
                            (i32)below(2));
    n = some_count();
    sink += bancos_hashLeaves(h, c, some_stride(8, n), n, some_scratch(4), some_length());
    break;
  case 37:
    sink += bancos_hash(h, c, some_offset(1), some_length(), v);
    break;
  case 38:
    sink += bancos_hashScratch(h, some_scratch(1), some_length(), v);
    break;
  case 39:
    sink += bancos_gather(h, some_scratch(4), some_count(), some_scratch(1), some_length(),
                          below(2) ? -1 : some_scratch(8), v, (i32)below(8));
    break;
  case 40:
    bancos_prefetch(h, c);
    break;
  case 41: {
    /* A buffer of JavaScript, whose length the caller has checked. */
    i32 length = (i32)below(600);
    u8 *buffer = malloc((size_t)length + 1);
    memset(buffer, v, (size_t)length);
    sink += bancos_copyInFrom(h, c, some_offset(1), buffer, length);
    sink += bancos_copyOutTo(h, c, some_offset(1), buffer, length) + bancos_hashFrom(buffer, length, v);
    static u8 wide[1 << 19];
    u32 from = below(sizeof wide);
    bancos_prefault(wide + from, below(2) ? (f64)below(sizeof wide - from + 1) : -1 - (f64)below(1 << 30));
    free(buffer);
    break;
  }
  case 42: {
    /* Handles of no file. */
    i32 other = bancos_newHandle(-1);
    sink += bancos_setLimit(other, some_double()) + bancos_map(other, some_double(), (i32)below(5));
    sink += bancos_handleInfo((i32)word(), (i32)below(6)) + bancos_load32(other, c, 0);
    sink += bancos_syncRange(other, some_double(), some_double());
    bancos_letGo(other, c, (i32)word());
    bancos_writeBack(other, c, (i32)word());
    sink += bancos_unmap(other);
    break;
  }
  case 43:
    sink += bancos_walk(h, some_scratch(8), some_scratch(4), some_count(), (i32)below(4));
    break;
  case 44:
  case 45:
    walk_on();
    break;
  default:
    descend();
  }
}

/* Nothing at all, of a handle that has no file and no buffer: random arguments seldom say both. */
static void nothing_of_nothing(void) {
  static const i32 empty[] = {0, 2, 1023, -1};
  for (u32 i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    i32 h = empty[i];
    sink +=
        bancos_copyIn(h, 0, 0, 0, 0) + bancos_copyOut(h, 0, 0, 0, 0) + bancos_copyWithin(h, 0, 0, 0, 0, 0);
    sink += bancos_copyInFrom(h, 0, 0, (u8 *)"", 0) + bancos_compareBytes(h, 0, 0, 0, 0);
    sink += bancos_loadWords(h, 0, 0, 0, 0) + bancos_storeWords(h, 0, 0, 0, 0);
    sink += bancos_hash(h, 0, 0, 0, 1) + bancos_hashScratch(h, 0, 0, 1) + bancos_sum64(h, 0, 0, 8, 0);
    sink += bancos_findByte16(h, 0, 0, 0, 1) + bancos_findWord(h, 0, 0, 4, 0, 1, 1);
    sink += bancos_gather(h, 0, 0, 0, 0, 0, 0, 0);
    sink += bancos_findLeaf(h, 0, 0, 0, 0, 0, 1) + bancos_hashLeaves(h, 0, 8, 0, 0, 0);
    bancos_persist(h, 0, 0, 0);
    bancos_fillWord(h, 0, 0, 4, 0, 1);
  }
}

static void run(const u8 *file, size_t size, u32 calls) {
  block image = block_of(file, size, word() & 1);
  block own = block_of(0, 120000 + below(300), word() & 1);
  scratch_bytes = 120000;
  limit = size;
  handle *e = &handles[H];
  e->base = image.bytes;
  e->limit = size;
  e->writable = word() % 8 ? size : 0;
  e->reserved = size;
  e->scratch = own.bytes;
  e->scratch_size = scratch_bytes;
  e->used = 1;
  e->fd = -1;
  for (u32 i = 0; i < calls; i++)
    one_call();
  memset(e, 0, sizeof *e);
  release(image);
  release(own);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size) {
  size_t file = size / 2 & ~(size_t)7;
  input = data + file;
  input_left = size - file;
  state = size;
  nothing_of_nothing();
  run(data, file, 64);
  return 0;
}

#ifndef LIBFUZZER

static void mutate(u8 *file, size_t size) {
  for (u32 n = 1 + below(12); n > 0; n--) {
    size_t at = (size_t)word() % size;
    switch (below(6)) {
    case 0:
      file[at] ^= (u8)(1 << below(8));
      break;
    case 1:
      file[at] = (u8)word();
      break;
    case 2: {
      /* A word from elsewhere: pointers, tags, lengths. */
      size_t to = at & ~(size_t)3, from = (size_t)word() % size & ~(size_t)3;
      if (to + 4 <= size && from + 4 <= size)
        memmove(file + to, file + from, 4);
      break;
    }
    case 3: {
      size_t to = at & ~(size_t)(PAGE - 1), from = (size_t)word() % size & ~(size_t)(PAGE - 1);
      if (to + PAGE <= size && from + PAGE <= size)
        memmove(file + to, file + from, PAGE);
      break;
    }
    default:
      if ((at & ~(size_t)3) + 4 <= size)
        poke32(file + (at & ~(size_t)3), below(2) ? word() : below(1000));
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 4)
    return 2;
  state = strtoull(argv[1], 0, 10) | 1;
  time_t until = time(0) + atoi(argv[2]);
  unsigned long rounds = 0, calls = 0;
  nothing_of_nothing();
  for (int f = 3;; f = f + 1 < argc ? f + 1 : 3) {
    FILE *in = fopen(argv[f], "rb");
    if (!in)
      return 3;
    fseek(in, 0, SEEK_END);
    size_t size = (size_t)ftell(in);
    rewind(in);
    u8 *file = malloc(size);
    u8 *copy_of = malloc(size);
    if (fread(file, 1, size, in) != size)
      return 3;
    fclose(in);
    for (int i = 0; i < 64; i++, rounds++) {
      memcpy(copy_of, file, size);
      mutate(copy_of, size);
      u32 n = 100 + below(400);
      calls += n;
      /* Cut short at any place. */
      run(copy_of, word() % 4 ? size : (size_t)word() % size, n);
    }
    free(file);
    free(copy_of);
    if (time(0) >= until)
      break;
  }
  printf("%lu mutants, %lu calls\n", rounds, calls);
  return 0;
}

#endif

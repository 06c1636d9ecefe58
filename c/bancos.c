/*
 * bancos.c: what JavaScript cannot do, and the few steps over many words that would be slow there.
 *
 * One freestanding file, no header, no libc symbol, so the same library loads under glibc and musl. It is
 * built ahead of time by gcc or clang, or at first use by TinyCC through bun:ffi's cc(). TinyCC has no
 * __atomic builtins, so on x86-64 the read-modify-writes have a second form in inline assembly; the exports
 * are the same.
 *
 * Addressing. A table of HANDLES entries says which mapping a handle stands for. Every shared access takes
 * (handle, cell, offset): the byte address is base + cell * 8 + offset, both numbers taken as unsigned 32
 * bits. Every access compares that with the entry's limit: out of range, loads give 0, stores do nothing and
 * read-modify-writes give 0. So neither a damaged pointer in the file nor a use after close can fault.
 * An entry has two limits, since a store to a read-only mapping would fault as well.
 *
 * Numbers. 32-bit values cross as signed int; 64-bit values cross as double, exact to 2^53.
 * System calls give -errno where they fail.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef double f64;

/* Raised with every change of an export; src/memory/native.ts holds the same number. */
#define ABI_VERSION 12

#if defined(__x86_64__)
#define X86 1
#elif defined(__aarch64__) && !defined(__TINYC__)
#define X86 0
/* Outlined atomics are calls into libgcc, which a library without any dependency has not got. */
#ifndef __clang__
#pragma GCC target("no-outline-atomics")
#endif
#else
#error "bancos: x86-64 or arm64 only (arm64 not with TinyCC)"
#endif
#if !defined(__linux__)
#error "bancos: Linux only"
#endif

/* ---- Words: the atomic operations, once for compilers with builtins, once for TinyCC ---- */

#ifndef __TINYC__

#define UNUSED __attribute__((unused))
#define DEFINE_ATOMICS(BITS, T)                                                                              \
  static inline T get##BITS(void *p) { return __atomic_load_n((T *)p, __ATOMIC_ACQUIRE); }                   \
  static inline void put##BITS(void *p, T v) { __atomic_store_n((T *)p, v, __ATOMIC_RELEASE); }              \
  static inline UNUSED T swap##BITS(void *p, T v) {                                                          \
    return __atomic_exchange_n((T *)p, v, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                          \
  static inline T add##BITS(void *p, T v) { return __atomic_fetch_add((T *)p, v, __ATOMIC_SEQ_CST); }        \
  static inline T or ##BITS(void *p, T v) { return __atomic_fetch_or((T *)p, v, __ATOMIC_SEQ_CST); }         \
  static inline i32 cas##BITS(void *p, T e, T d) {                                                           \
    return __atomic_compare_exchange_n((T *)p, &e, d, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);                \
  }                                                                                                          \
  static inline i32 weak##BITS(void *p, T e, T d) {                                                          \
    return __atomic_compare_exchange_n((T *)p, &e, d, 1, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);                \
  }
DEFINE_ATOMICS(8, u8)
DEFINE_ATOMICS(16, u16)
DEFINE_ATOMICS(32, u32)
DEFINE_ATOMICS(64, u64)

#else

/*
 * TinyCC neither reorders nor merges memory accesses, and an x86-64 mov is an acquire load or a release
 * store. Macros, here and below, where a call would cost more than its work: TinyCC does not inline.
 * Registers are fixed by hand because its choice of them is weak for byte operands.
 */
#define get8(p) (*(volatile u8 *)(p))
#define get16(p) (*(volatile u16 *)(p))
#define get32(p) (*(volatile u32 *)(p))
#define get64(p) (*(volatile u64 *)(p))
#define put8(p, v) (void)(*(volatile u8 *)(p) = (v))
#define put16(p, v) (void)(*(volatile u16 *)(p) = (v))
#define put32(p, v) (void)(*(volatile u32 *)(p) = (v))
#define put64(p, v) (void)(*(volatile u64 *)(p) = (v))
#define DEFINE_ATOMICS(BITS, T, SUFFIX, A, D)                                                                \
  static T swap##BITS(void *p, T v) {                                                                        \
    __asm__ volatile("xchg" SUFFIX " %%" A ", (%%rcx)" : "=a"(v) : "a"(v), "c"(p) : "memory");               \
    return v;                                                                                                \
  }                                                                                                          \
  static T add##BITS(void *p, T v) {                                                                         \
    __asm__ volatile("lock\n xadd" SUFFIX " %%" A ", (%%rcx)" : "=a"(v) : "a"(v), "c"(p) : "memory");        \
    return v;                                                                                                \
  }                                                                                                          \
  static i32 cas##BITS(void *p, T e, T d) {                                                                  \
    T old;                                                                                                   \
    __asm__ volatile("lock\n cmpxchg" SUFFIX " %%" D ", (%%rcx)"                                             \
                     : "=a"(old)                                                                             \
                     : "a"(e), "d"(d), "c"(p)                                                                \
                     : "memory");                                                                            \
    return old == e;                                                                                         \
  }                                                                                                          \
  static i32 weak##BITS(void *p, T e, T d) { return cas##BITS(p, e, d); }                                    \
  static T or ##BITS(void *p, T v) {                                                                         \
    T old;                                                                                                   \
    do                                                                                                       \
      old = get##BITS(p);                                                                                    \
    while (!cas##BITS(p, old, old | v));                                                                     \
    return old;                                                                                              \
  }
DEFINE_ATOMICS(8, u8, "b", "al", "dl")
DEFINE_ATOMICS(16, u16, "w", "ax", "dx")
DEFINE_ATOMICS(32, u32, "l", "eax", "edx")
DEFINE_ATOMICS(64, u64, "q", "rax", "rdx")

#endif

/* mfence and not a locked instruction: it also orders non-temporal stores and cache-line write-backs. */
static inline void full_fence(void) {
#if X86
  __asm__ volatile("mfence" : : : "memory");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* A word at any address, read or written by exactly one instruction, whatever type is stored there. */
typedef struct __attribute__((packed, may_alias)) {
  u64 v;
} word64;
typedef struct __attribute__((packed, may_alias)) {
  u32 v;
} word32;
#define peek64(p) (((const volatile word64 *)(p))->v)
#define poke64(p, value) (void)(((volatile word64 *)(p))->v = (value))
#define peek32(p) (((const volatile word32 *)(p))->v)
#define poke32(p, value) (void)(((volatile word32 *)(p))->v = (value))
#define peek8(p) (*(const volatile u8 *)(p))
#define poke8(p, value) (void)(*(volatile u8 *)(p) = (value))

/* Number of zero bits below the lowest one; `x` is not 0. */
static inline u32 trailing_zeros(u64 x) {
#ifdef __TINYC__
  u64 n;
  __asm__ volatile("bsfq %%rcx, %%rax" : "=a"(n) : "c"(x));
  return (u32)n;
#else
  return (u32)__builtin_ctzll(x);
#endif
}

/* A double outside the range of int64, or NaN, counts as 0: the cast alone would be undefined. */
static inline i64 to_i64(f64 v) {
  return v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (i64)v : 0;
}
static inline u64 from_double(f64 v) { return (u64)to_i64(v); }
static inline f64 to_double(u64 v) { return (f64)(i64)v; }

/* From how many bytes on the string instruction, which takes some time to start, copies faster than a loop.
 */
#ifdef __TINYC__
#define REPEAT_FROM 64
#else
#define REPEAT_FROM 512
#endif

static void copy(u8 *to, const u8 *from, u64 len) {
#if X86
  if (len >= REPEAT_FROM) {
    __asm__ volatile("cld\n rep\n movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
    return;
  }
#endif
  u64 i = 0;
  for (; i + 8 <= len; i += 8)
    poke64(to + i, peek64(from + i));
  for (; i < len; i++)
    poke8(to + i, peek8(from + i));
}

/* The last `len % 8` of `len` bytes, not none, as the low bytes of a word. A loop over so few bytes costs a
 * wrong guess of the processor at its end, several times what is done here. */
static inline u64 peek_last(const u8 *p, u64 len) {
  u64 rest = len & 7;
  if (len >= 8)
    return peek64(p + len - 8) >> (64 - 8 * rest);
  if (rest >= 4)
    return peek32(p) | (u64)peek32(p + rest - 4) << 8 * (rest - 4);
  return peek8(p) | (u64)peek8(p + rest / 2) << 8 * (rest / 2) | (u64)peek8(p + rest - 1) << 8 * (rest - 1);
}

static void copy_backwards(u8 *to, const u8 *from, u64 len) {
  while (len >= 8) {
    len -= 8;
    poke64(to + len, peek64(from + len));
  }
  while (len > 0) {
    len--;
    poke8(to + len, peek8(from + len));
  }
}

/* ---- Handles ---- */

#define HANDLES 1024
#define CLAIMING 2

typedef struct {
  u8 *base;
  u64 limit;    /* bytes that may be read: those of the file that are backed by blocks */
  u64 writable; /* bytes that may be written: `limit`, or 0 on a read-only mapping */
  u64 reserved; /* bytes of address space */
  u8 *scratch;
  u64 scratch_size;
  i32 fd;
  i32 tid;
  u32 used; /* 0 free, 1 claimed, 2 being claimed */
  i32 mode;
} handle;

/* One 64-byte entry each, in zeroed memory that costs nothing until it is touched. Entry 0 is never claimed.
 */
static handle handles[HANDLES] __attribute__((aligned(64)));

#define entry(h) (&handles[(u32)(h) & (HANDLES - 1)])

/* cell * 8 + off is below 2^36, and sizes below are at most 2^62, so the sums cannot wrap. */
#define place(cell, off) ((u64)(u32)(cell)*8 + (u32)(off))

/* By integers: a handle without a file or a buffer has the base 0, to which C adds nothing, not even 0. */
static inline u8 *past(u8 *base, u64 bytes) { return (u8 *)((u64)base + bytes); }

static inline u8 *readable(i32 h, i32 cell, i32 off, u64 size) {
  handle *e = entry(h);
  u64 at = place(cell, off);
  return at + size <= e->limit ? past(e->base, at) : (u8 *)0;
}

static inline u8 *writable(i32 h, i32 cell, i32 off, u64 size) {
  handle *e = entry(h);
  u64 at = place(cell, off);
  return at + size <= e->writable ? past(e->base, at) : (u8 *)0;
}

static inline u8 *scratch(i32 h, i32 off, u64 size) {
  handle *e = entry(h);
  return (u64)(u32)off + size <= e->scratch_size ? past(e->scratch, (u32)off) : (u8 *)0;
}

/* Bytes from the first of `count` words, `stride` bytes apart, to the end of the last; 0 if there is none. */
static inline u64 span(i32 stride, i32 count, u64 width) {
  return stride < 0 || count <= 0 ? 0 : (u64)stride * ((u64)count - 1) + width;
}

i32 bancos_abi(void) { return ABI_VERSION; }

const char *bancos_compiler(void) {
#if defined(__TINYC__)
  return "tinycc";
#elif defined(__clang__)
  return __VERSION__;
#else
  return "gcc " __VERSION__;
#endif
}

/* ---- Loads, stores and read-modify-writes of 8, 16, 32 and 64 bits ---- */

#define DEFINE_EXPORTS(BITS, T, ARG, IN, OUT)                                                                \
  ARG bancos_load##BITS(i32 h, i32 cell, i32 off) {                                                          \
    u8 *p = readable(h, cell, off, sizeof(T));                                                               \
    return p ? OUT(get##BITS(p)) : 0;                                                                        \
  }                                                                                                          \
  void bancos_store##BITS(i32 h, i32 cell, i32 off, ARG v) {                                                 \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    if (p)                                                                                                   \
      put##BITS(p, IN(v));                                                                                   \
  }                                                                                                          \
  ARG bancos_fetchAdd##BITS(i32 h, i32 cell, i32 off, ARG v) {                                               \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    return p ? OUT(add##BITS(p, IN(v))) : 0;                                                                 \
  }                                                                                                          \
  ARG bancos_fetchSub##BITS(i32 h, i32 cell, i32 off, ARG v) {                                               \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    return p ? OUT(add##BITS(p, (T)(0 - IN(v)))) : 0;                                                        \
  }                                                                                                          \
  ARG bancos_fetchOr##BITS(i32 h, i32 cell, i32 off, ARG v) {                                                \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    return p ? OUT(or ##BITS(p, IN(v))) : 0;                                                                 \
  }                                                                                                          \
  i32 bancos_cas##BITS(i32 h, i32 cell, i32 off, ARG expected, ARG desired) {                                \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    return p ? cas##BITS(p, IN(expected), IN(desired)) : 0;                                                  \
  }                                                                                                          \
  i32 bancos_casWeak##BITS(i32 h, i32 cell, i32 off, ARG expected, ARG desired) {                            \
    u8 *p = writable(h, cell, off, sizeof(T));                                                               \
    return p ? weak##BITS(p, IN(expected), IN(desired)) : 0;                                                 \
  }
#define IN8(v) ((u8)(v))
#define IN16(v) ((u16)(v))
#define IN32(v) ((u32)(v))
#define OUT32(v) ((i32)(v))
DEFINE_EXPORTS(8, u8, i32, IN8, OUT32)
DEFINE_EXPORTS(16, u16, i32, IN16, OUT32)
DEFINE_EXPORTS(32, u32, i32, IN32, OUT32)
DEFINE_EXPORTS(64, u64, f64, from_double, to_double)

/* On arm64 an exchange orders what comes before it, but later loads could still move up between its two
 * halves. */
i32 bancos_exchange32(i32 h, i32 cell, i32 off, i32 v) {
  u8 *p = writable(h, cell, off, 4);
  if (!p)
    return 0;
  i32 old = (i32)swap32(p, (u32)v);
  if (!X86)
    full_fence();
  return old;
}

f64 bancos_exchange64(i32 h, i32 cell, i32 off, f64 v) {
  u8 *p = writable(h, cell, off, 8);
  if (!p)
    return 0;
  f64 old = to_double(swap64(p, from_double(v)));
  if (!X86)
    full_fence();
  return old;
}

void bancos_storePair(i32 h, i32 cell, i32 off, i32 lo, i32 hi) {
  u8 *p = writable(h, cell, off, 8);
  if (p)
    put64(p, (u64)(u32)hi << 32 | (u32)lo);
}

typedef union {
  u64 bits;
  f64 value;
} double_bits;

f64 bancos_loadF64(i32 h, i32 cell, i32 off) {
  double_bits d;
  u8 *p = readable(h, cell, off, 8);
  d.bits = p ? get64(p) : 0;
  return d.value;
}

void bancos_storeF64(i32 h, i32 cell, i32 off, f64 v) {
  double_bits d;
  u8 *p = writable(h, cell, off, 8);
  d.value = v;
  if (p)
    put64(p, d.bits);
}

/* ---- Order ---- */

/*
 * Has the kernel promised this process that whoever calls bancos_fenceOthers has all its threads pass a full
 * fence? Then who announces an epoch needs none of his own (`membarrier`, since Linux 4.16).
 */
static u32 fenced_by_others;

/*
 * Announces the epoch that was read. A fence, or that of who looks at the announcements, keeps the reads of
 * the tree behind it.
 */
i32 bancos_enterEpoch(i32 h, i32 fromCell, i32 fromOff, i32 toCell, i32 toOff) {
  u8 *from = readable(h, fromCell, fromOff, 4);
  u8 *to = writable(h, toCell, toOff, 4);
  if (!from || !to)
    return 0;
  u32 epoch = get32(from);
  if (get32(&fenced_by_others)) {
    put32(to, epoch);
    return (i32)epoch;
  }
  swap32(to, epoch); /* on x86-64 a full fence by itself */
  if (!X86)
    full_fence();
  return (i32)epoch;
}

void bancos_fence(void) { full_fence(); }

void bancos_acquireFence(void) {
#ifdef __TINYC__
  __asm__ volatile("" : : : "memory");
#else
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

void bancos_pause(i32 n) {
  for (i32 i = 0; i < n; i++)
#if X86
    __asm__ volatile("rep\n nop" : : : "memory");
#else
    __asm__ volatile("yield" : : : "memory");
#endif
}

/* The lock-free readers of the tree know which cells come next before they need them. */
static inline void prefetch(const u8 *p) {
#ifdef __TINYC__
  __asm__ volatile(".byte 0x0f, 0x18, 0x08" : : "a"(p)); /* prefetcht0 (%rax) */
#else
  __builtin_prefetch(p);
#endif
}

/* A small node or leaf may begin at the end of one cache line and go on in the next. */
#define SMALL_CELL 40
static inline void prefetch_cell(const u8 *p) {
  prefetch(p);
  prefetch(p + SMALL_CELL);
}

void bancos_prefetch(i32 h, i32 cell) {
  u8 *p = readable(h, cell, 0, 8);
  if (p)
    prefetch_cell(p);
}

/* ---- Non-temporal stores and write-back, for a file in persistent memory ---- */

static inline void stream32(u8 *p, u32 v) {
#if X86
  __asm__ volatile("movnti %%eax, (%%rcx)" : : "a"(v), "c"(p) : "memory");
#else
  put32(p, v);
#endif
}

static inline void stream64(u8 *p, u64 v) {
#if X86
  __asm__ volatile(".byte 0x48, 0x0f, 0xc3, 0x01" : : "a"(v), "c"(p) : "memory"); /* movnti %rax, (%rcx) */
#else
  put64(p, v);
#endif
}

void bancos_movnt32(i32 h, i32 cell, i32 off, i32 v) {
  u8 *p = writable(h, cell, off, 4);
  if (p)
    stream32(p, (u32)v);
}

void bancos_movnt64(i32 h, i32 cell, i32 off, i32 lo, i32 hi) {
  u8 *p = writable(h, cell, off, 8);
  if (p)
    stream64(p, (u64)(u32)hi << 32 | (u32)lo);
}

/* There is no non-temporal store of one byte; the caller holds the node's lock, so its word may be rewritten.
 */
void bancos_setN48Key(i32 h, i32 cell, i32 off, i32 byte) {
  u32 shift = ((u32)off & 7) * 8;
  u8 *p = writable(h, cell, (i32)((u32)off & ~7u), 8);
  if (p)
    stream64(p, (get64(p) & ~((u64)0xff << shift)) | (u64)(byte & 0xff) << shift);
}

enum { FLUSH_UNKNOWN = 0, FLUSH_CLWB = 1, FLUSH_CLFLUSHOPT = 2, FLUSH_CLFLUSH = 3, FLUSH_DC_CVAC = 4 };

/* CPUID traps into the hypervisor of a virtual machine, so it is asked once; threads that race find the same.
 */
static u32 flush_kind;

static u32 find_flush_kind(void) {
#if X86
  u32 a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
  if (a < 7)
    return FLUSH_CLFLUSH;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
  return b >> 24 & 1 ? FLUSH_CLWB : b >> 23 & 1 ? FLUSH_CLFLUSHOPT : FLUSH_CLFLUSH;
#else
  return FLUSH_DC_CVAC;
#endif
}

i32 bancos_cpuFeature(void) {
  u32 kind = get32(&flush_kind);
  if (kind == FLUSH_UNKNOWN) {
    kind = find_flush_kind();
    put32(&flush_kind, kind);
  }
  return (i32)kind;
}

static void write_back(u8 *from, u8 *end, i32 kind) {
#if X86
  u8 *line = (u8 *)((unsigned long)from & ~63ul);
  for (; line < end; line += 64) {
    if (kind == FLUSH_CLWB)
      __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0x30" : : "a"(line) : "memory"); /* clwb (%rax) */
    else if (kind == FLUSH_CLFLUSHOPT)
      __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0x38" : : "a"(line) : "memory"); /* clflushopt (%rax) */
    else
      __asm__ volatile(".byte 0x0f, 0xae, 0x38" : : "a"(line) : "memory"); /* clflush (%rax) */
  }
  __asm__ volatile("sfence" : : : "memory");
#else
  (void)kind;
  u64 type;
  __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
  u64 size = (u64)4 << (type >> 16 & 15); /* DminLine: log2 of the smallest data line, in words */
  for (u8 *line = (u8 *)((u64)from & ~(size - 1)); line < end; line += size)
    __asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
  __asm__ volatile("dsb sy" : : : "memory");
#endif
}

void bancos_persist(i32 h, i32 cell, i32 off, i32 len) {
  u8 *p = len > 0 ? readable(h, cell, off, (u64)len) : (u8 *)0;
  if (p)
    write_back(p, p + len, bancos_cpuFeature());
}

/* ---- Steps over many words, which a word at a time would make slow ---- */

#ifdef __TINYC__
/* Marks with 0x80 each byte of `x` that is zero, and no other. */
static inline u64 zero_bytes(u64 x) {
  u64 low7 = 0x7f7f7f7f7f7f7f7full;
  return ~(((x & low7) + low7) | x | low7);
}
#endif

i32 bancos_findByte16(i32 h, i32 cell, i32 off, i32 count, i32 byte) {
  if (count <= 0)
    return -1;
  if (count > 16)
    count = 16;
  u8 *p = readable(h, cell, off, (u64)count);
  if (!p)
    return -1;
  if (!readable(h, cell, off, 16)) { /* the last bytes before the limit */
    for (i32 i = 0; i < count; i++)
      if (peek8(p + i) == (u8)byte)
        return i;
    return -1;
  }
  i32 found;
#if X86 && !defined(__TINYC__)
  typedef char bytes16 __attribute__((vector_size(16)));
  bytes16 keys;
  char wanted = (char)byte;
  __builtin_memcpy(&keys, p, 16);
  bytes16 all = {wanted, wanted, wanted, wanted, wanted, wanted, wanted, wanted,
                 wanted, wanted, wanted, wanted, wanted, wanted, wanted, wanted};
  u32 equal = (u32)__builtin_ia32_pmovmskb128((bytes16)(keys == all));
  if (!equal)
    return -1;
  found = (i32)trailing_zeros(equal);
#elif !X86
  u64 equal; /* four bits a byte */
  __asm__("ldr q0, [%1]\n dup v1.16b, %w2\n cmeq v0.16b, v0.16b, v1.16b\n"
          "shrn v0.8b, v0.8h, #4\n fmov %0, d0"
          : "=r"(equal)
          : "r"(p), "r"(byte)
          : "v0", "v1", "memory");
  if (!equal)
    return -1;
  found = (i32)(trailing_zeros(equal) >> 2);
#else
  u64 all = (u64)(u8)byte * 0x0101010101010101ull;
  u64 equal = zero_bytes(peek64(p) ^ all);
  if (equal) {
    found = (i32)(trailing_zeros(equal) >> 3);
  } else {
    equal = zero_bytes(peek64(p + 8) ^ all);
    if (!equal)
      return -1;
    found = 8 + (i32)(trailing_zeros(equal) >> 3);
  }
#endif
  return found < count ? found : -1;
}

i32 bancos_findWord(i32 h, i32 cell, i32 off, i32 stride, i32 count, i32 mask, i32 value) {
  u64 size = span(stride, count, 4);
  u8 *p = size ? readable(h, cell, off, size) : (u8 *)0;
  if (!p)
    return -1;
  for (i32 i = 0; i < count; i++, p += stride)
    if ((get32(p) & (u32)mask) == (u32)value)
      return i;
  return -1;
}

i32 bancos_findEntry(i32 h, i32 cell, i32 off, i32 stride, i32 count, i32 mask, i32 value, i32 off2,
                     i32 min) {
  u64 size = span(stride, count, 4);
  u8 *p = size ? readable(h, cell, off, size) : (u8 *)0;
  u8 *q = size ? readable(h, cell, off2, size) : (u8 *)0;
  if (!p || !q)
    return -1;
  for (i32 i = 0; i < count; i++, p += stride, q += stride)
    if ((get32(p) & (u32)mask) == (u32)value && get32(q) >= (u32)min)
      return i;
  return -1;
}

void bancos_fillWord(i32 h, i32 cell, i32 off, i32 stride, i32 count, i32 value) {
  u64 size = span(stride, count, 4);
  u8 *p = size ? writable(h, cell, off, size) : (u8 *)0;
  if (p)
    for (i32 i = 0; i < count; i++, p += stride)
      put32(p, (u32)value);
}

f64 bancos_sum64(i32 h, i32 cell, i32 off, i32 stride, i32 count) {
  u64 size = span(stride, count, 8);
  u8 *p = size ? readable(h, cell, off, size) : (u8 *)0;
  u64 sum = 0;
  if (p)
    for (i32 i = 0; i < count; i++, p += stride)
      sum += get64(p);
  return to_double(sum);
}

i32 bancos_compareBytes(i32 h, i32 cell, i32 off, i32 scratchOff, i32 len) {
  if (len < 0)
    return 0;
  u8 *a = readable(h, cell, off, (u64)len);
  u8 *b = scratch(h, scratchOff, (u64)len);
  if (!a || !b)
    return 0;
  i32 i = 0;
  for (; i <= len - 8; i += 8) {
    u64 differs = peek64(a + i) ^ peek64(b + i);
    if (differs)
      return i + (i32)(trailing_zeros(differs) >> 3);
  }
  if (i == len)
    return -1;
  u64 differs = peek_last(a, (u64)len) ^ peek_last(b, (u64)len);
  return differs ? i + (i32)(trailing_zeros(differs) >> 3) : -1;
}

i32 bancos_copyIn(i32 h, i32 cell, i32 off, i32 scratchOff, i32 len) {
  u8 *to = len < 0 ? (u8 *)0 : writable(h, cell, off, (u64)len);
  u8 *from = len < 0 ? (u8 *)0 : scratch(h, scratchOff, (u64)len);
  if (!to || !from)
    return 0;
  copy(to, from, (u64)len);
  return 1;
}

i32 bancos_copyOut(i32 h, i32 cell, i32 off, i32 scratchOff, i32 len) {
  u8 *from = len < 0 ? (u8 *)0 : readable(h, cell, off, (u64)len);
  u8 *to = len < 0 ? (u8 *)0 : scratch(h, scratchOff, (u64)len);
  if (!to || !from)
    return 0;
  copy(to, from, (u64)len);
  return 1;
}

i32 bancos_copyInFrom(i32 h, i32 cell, i32 off, const u8 *from, i32 len) {
  u8 *to = len < 0 ? (u8 *)0 : writable(h, cell, off, (u64)len);
  if (!to || (!from && len))
    return 0;
  copy(to, from, (u64)len);
  return 1;
}

i32 bancos_copyOutTo(i32 h, i32 cell, i32 off, u8 *to, i32 len) {
  u8 *from = len < 0 ? (u8 *)0 : readable(h, cell, off, (u64)len);
  if (!from || (!to && len))
    return 0;
  copy(to, from, (u64)len);
  return 1;
}

i32 bancos_copyWithin(i32 h, i32 toCell, i32 toOff, i32 fromCell, i32 fromOff, i32 len) {
  u8 *to = len < 0 ? (u8 *)0 : writable(h, toCell, toOff, (u64)len);
  u8 *from = len < 0 ? (u8 *)0 : readable(h, fromCell, fromOff, (u64)len);
  if (!to || !from)
    return 0;
  if (to > from && to < from + len)
    copy_backwards(to, from, (u64)len);
  else
    copy(to, from, (u64)len);
  return 1;
}

i32 bancos_load16Bytes(i32 h, i32 cell, i32 off, i32 scratchOff) {
  u8 *from = readable(h, cell, off, 16);
  u8 *to = scratch(h, scratchOff, 16);
  if (!to || !from)
    return 0;
  poke64(to, peek64(from));
  poke64(to + 8, peek64(from + 8));
  return 1;
}

/* A node at one moment: word by word, lowest address first, each an acquire load. */
i32 bancos_loadWords(i32 h, i32 cell, i32 off, i32 scratchOff, i32 count) {
  u64 size = span(4, count, 4);
  u8 *from = size ? readable(h, cell, off, size) : (u8 *)0;
  u8 *to = from ? scratch(h, scratchOff, size) : (u8 *)0;
  if (!to)
    return 0;
  for (i32 i = 0; i < count; i++, from += 4, to += 4)
    poke32(to, get32(from));
  return 1;
}

/* A record, word by word, lowest address first, each a release store. */
i32 bancos_storeWords(i32 h, i32 cell, i32 off, i32 scratchOff, i32 count) {
  u64 size = span(4, count, 4);
  u8 *to = size ? writable(h, cell, off, size) : (u8 *)0;
  u8 *from = to ? scratch(h, scratchOff, size) : (u8 *)0;
  if (!from)
    return 0;
  for (i32 i = 0; i < count; i++, from += 4, to += 4)
    put32(to, peek32(from));
  return 1;
}

/*
 * Nodes; src/memory/layout.ts says the same. A tag's lowest 3 bits are the kind, and the low byte of the
 * second word is how many slots of a Node4 or Node16 are in use.
 */
enum { NODE4 = 1, NODE16 = 2, NODE48 = 3, NODE256 = 4 };
#define TAG_KIND(tag) ((tag)&7)
#define TAG_AUX 15 /* from this bit on a node's depth */
#define REACHABLE (2u << 3)
#define NODE_COUNTS 4
#define NODE_DIGITS 8
#define NODE4_CHILDREN 12
#define NODE16_CHILDREN 24
#define NODE48_CHILDREN 264
#define NODE256_CHILDREN 8
/* The slab table, and slabs of leaves in it. */
#define SLAB_SHIFT 11
#define REGION_SLABS 1024u
#define FIRST_TABLE_SLAB 1u
#define ENTRY_BYTES 16
#define SLAB_CELLS 2u
#define SLAB_RUN 3u
#define FIRST_LEAF_CLASS 8u
#define FINE_CLASSES 14u
#define FIRST_DATA_SLAB 18u
#define SLAB_BYTES 16384u
#define SLAB_UNITS (SLAB_BYTES / 8)
#define SLABS_FREED 904
#define LEAF 5
enum { STATE_PRIVATE = 1, STATE_LIVE = 2 };
/* Kind leaf, state LIVE: what stands for the tag of a leaf that was not read. LEAF_MASK: what a leaf that can
 * be reached has of it, LIVE or RETIRED. */
#define LEAF_FOUND (5u | 2u << 3)
#define LEAF_MASK (7u | 2u << 3)
/* And of one that is LIVE and that nobody has locked. */
#define LEAF_MASK_LOCKED (7u | 3u << 3 | 0x3ffu << 5)

/* The node's bytes if all of them are in the file. */
static inline u8 *node_bytes(i32 h, i32 node, u32 kind) {
  u64 size = kind == NODE4 ? 32 : kind == NODE16 ? 88 : kind == NODE48 ? 456 : 1032;
  return kind >= NODE4 && kind <= NODE256 ? readable(h, node, 0, size) : (u8 *)0;
}

/* Slots in use of a Node4 or Node16: count first, then what it covers. */
static inline u32 slots_in_use(u8 *p, u32 most) {
  u32 used = get32(p + NODE_COUNTS) & 0xff;
  return used < most ? used : most;
}

/*
 * The child of `digit` in a node with tag `tag`, or 0. Its own tag goes to `tagOff` of the scratch; if that
 * is negative the child is only asked for, and the caller does other work while it comes.
 */
i32 bancos_childOf(i32 h, i32 node, i32 tag, i32 digit, i32 tagOff) {
  u32 kind = TAG_KIND((u32)tag);
  u8 *p = node_bytes(h, node, kind);
  u8 *out = tagOff < 0 ? (u8 *)0 : scratch(h, tagOff, 4);
  u32 child = 0;
  if (!p || (tagOff >= 0 && !out))
    return 0;
  if (kind == NODE256) {
    child = get32(p + NODE256_CHILDREN + (u32)(digit & 255) * 4);
  } else if (kind == NODE48) {
    u32 index = get8(p + NODE_DIGITS + (digit & 255));
    /* A damaged index leads to a slot of this node all the same. */
    if (index)
      child = get32(p + NODE48_CHILDREN + (index - 1) % 48 * 4);
  } else if (kind == NODE16) {
    i32 i = bancos_findByte16(h, node, NODE_DIGITS, (i32)slots_in_use(p, 16), digit);
    if (i >= 0)
      child = get32(p + NODE16_CHILDREN + i * 4);
  } else {
    u32 used = slots_in_use(p, 4);
    u32 digits = get32(p + NODE_DIGITS);
    for (u32 i = 0; i < used; i++, digits >>= 8) {
      if ((digits & 0xff) == (u32)(digit & 255)) {
        child = get32(p + NODE4_CHILDREN + i * 4);
        break;
      }
    }
  }
  if (child) {
    u8 *c = readable(h, (i32)child, 0, 4);
    /* What lies behind the tag comes while the tag does. */
    if (c)
      prefetch_cell(c);
    if (out)
      poke32(out, c ? get32(c) : 0);
  }
  return (i32)child;
}

/* What the slab table says of a slab; 0 beyond the file. */
static inline u8 *slab_entry(i32 h, u32 slab) {
  u32 table = slab < REGION_SLABS ? FIRST_TABLE_SLAB : slab & ~(REGION_SLABS - 1);
  return readable(h, (i32)(table << SLAB_SHIFT), (i32)((slab & (REGION_SLABS - 1)) * ENTRY_BYTES), 4);
}

/*
 * Does the cell lie in a slab that is cut into leaves, or in a run, which is one? As the slab table says, a
 * few words for many cells, so that it stays in the processor's cache where the cells do not. A cell that can
 * be reached keeps its slab as it is.
 */
static inline u32 in_leaf_slab(i32 h, i32 cell) {
  u8 *entry = slab_entry(h, (u32)cell >> SLAB_SHIFT);
  u32 word = entry ? get32(entry) : 0;
  u32 kind = word & 0xf;
  return kind == SLAB_RUN || (kind == SLAB_CELLS && (word >> 4 & 0xff) >= FIRST_LEAF_CLASS);
}

/*
 * All children of a node in order of their digits, each read once. At `outOff` of the scratch up to 256
 * cells, 1,024 bytes further their digits, a byte each. Returns how many, or -1 for what is no node.
 */
i32 bancos_listChildren(i32 h, i32 node, i32 tag, i32 outOff) {
  u32 kind = TAG_KIND((u32)tag);
  u8 *p = node_bytes(h, node, kind);
  u8 *cells = scratch(h, outOff, 1280);
  if (!p || !cells)
    return -1;
  u8 *digits = cells + 1024;
  i32 count = 0;
  if (kind == NODE256 || kind == NODE48) {
    for (u32 digit = 0; digit < 256; digit++) {
      u32 child;
      if (kind == NODE256) {
        child = get32(p + NODE256_CHILDREN + digit * 4);
      } else {
        u32 index = get8(p + NODE_DIGITS + digit);
        child = index ? get32(p + NODE48_CHILDREN + (index - 1) % 48 * 4) : 0;
      }
      if (!child)
        continue;
      poke32(cells + count * 4, child);
      poke8(digits + count, (u8)digit);
      count++;
    }
  } else {
    u32 used = slots_in_use(p, kind == NODE4 ? 4 : 16);
    u8 *children = p + (kind == NODE4 ? NODE4_CHILDREN : NODE16_CHILDREN);
    for (u32 i = 0; i < used; i++) {
      u32 child = get32(children + i * 4);
      if (!child)
        continue;
      u8 digit = get8(p + NODE_DIGITS + i);
      /* Insertion into what is sorted already: at most sixteen, and mostly in order. */
      i32 j = count++;
      for (; j > 0 && peek8(digits + j - 1) > digit; j--) {
        poke8(digits + j, peek8(digits + j - 1));
        poke32(cells + j * 4, peek32(cells + (j - 1) * 4));
      }
      poke8(digits + j, digit);
      poke32(cells + j * 4, child);
    }
  }
  return count;
}

/*
 * The walk over leaves in the order of their keys, or backwards. A place is a digit in the order of the walk:
 * `turn` is 0 forwards and 255 backwards, and the digit d has the place d ^ turn.
 *
 * What is still to be walked over waits on a stack, the next on top, 8 bytes each: a cell, and what is known
 * of it. A node that comes near the top gives way to its children, not only when it is on top: so many cells
 * are asked for at a time, and each is read some time after it was asked for.
 */
enum { WALK_REVERSE = 1, WALK_CELLS = 2 };
enum { WALK_NO_NODE = -1, WALK_NOT_DEEPER = -2, WALK_BARREN = -3, WALK_UNREACHABLE = -4, WALK_REFUSED = -5 };
/* What is known: it is a leaf; only what comes from a place on; from bit WALK_FROM the place, from bit
 * WALK_DEPTH 1 + the depth of the node above, or 0. */
enum { WALK_LEAF = 1, WALK_REST = 2, WALK_FROM = 4, WALK_DEPTH = 13 };
/* Before the stack: its height, leaves written, nodes without children, the cell that stopped the walk. */
enum { WALK_HEIGHT = 0, WALK_LEAVES = 4, WALK_EMPTY = 8, WALK_CELL = 12, WALK_STACK = 16 };
/* No key has more digits, so no node is deeper and no path longer. src/memory/scratch.ts says the same. */
#define MOST_DIGITS 8192
#define MOST_NODES 8200
/* On a stack that is higher than this a node takes one place, for what is left of it, and one child the
 * other: then it grows by one for each node of a path. */
#define STACK_LISTED 1024
#define STACK_HIGHEST (STACK_LISTED + MOST_NODES)
#define STACK_SPARE 16
/* So many leaves the walk looks ahead, as far as it can guess: below a node there are NODE_LEAVES. */
#define LEAVES_NEAR 24
#define NODE_LEAVES 4
/* Children of a large node that are listed at a time. */
#define LARGE_LISTED 8
/* A node without children is one that is being taken apart. So many are met only where a damaged file leads
 * to the same few again and again. */
#define MOST_BARREN 100000

typedef struct {
  u8 *stack;
  u32 height;
  u32 turn;
  u32 empty;
  i32 only_cells;
} walker;

static inline void push(walker *w, u32 cell, u32 known) {
  poke64(w->stack + w->height * 8, (u64)known << 32 | cell);
  w->height++;
}

/* What is known of a child of a node that is `above`, 1 + its depth; the child is asked for. */
static inline u32 ask(i32 h, walker *w, u32 child, u32 above) {
  u8 *c = readable(h, (i32)child, 0, 4);
  u32 leaf = c && in_leaf_slab(h, (i32)child);
  if (c && !(leaf && w->only_cells))
    prefetch_cell(c);
  return above << WALK_DEPTH | leaf;
}

/* Lists the children of a small node at place `from` and behind it, the first on top; returns how many. An
 * empty slot counts as none, though it is on the stack. */
static u32 list_small(i32 h, walker *w, u8 *p, u32 kind, u32 from, u32 above) {
  u32 used = slots_in_use(p, kind == NODE4 ? 4 : 16);
  u8 *children = p + (kind == NODE4 ? NODE4_CHILDREN : NODE16_CHILDREN);
  u8 *top = w->stack + w->height * 8 + used * 8;
  u8 places[16], before[16];
  u32 i, j, listed = 0;
  for (i = 0; i < 16; i++)
    before[i] = 1;
  for (i = 0; i < used; i++) {
    places[i] = (u8)(get8(p + NODE_DIGITS + i) ^ w->turn);
    w->height += places[i] >= from;
    /* Where two digits are the same, in a damaged node, one place stays empty. */
    poke64(top - (i + 1) * 8, 0);
  }
  /* How many come before each: no jumps, which the processor could not guess, and many at once. */
  for (j = 0; j < used; j++)
    for (i = 0; i < 16; i++)
      before[i] += places[i] > places[j];
  /* What comes before `from` lies above the new top. */
  for (i = 0; i < used; i++) {
    u32 child = get32(children + i * 4);
    listed += child && places[i] >= from;
    poke64(top - before[i] * 8, (u64)ask(h, w, child, above) << 32 | child);
  }
  return listed;
}

/* The child in slot `place` of a large node, or 0; `*skip` is 1, or how many slots are empty at once. */
static inline u32 child_at(u8 *p, u32 kind, u32 turn, u32 place, u32 *skip) {
  u32 digit = place ^ turn;
  *skip = 1;
  if (kind == NODE256)
    return get32(p + NODE256_CHILDREN + digit * 4);
  if (!(place & 7) && !get64(p + NODE_DIGITS + (digit & ~7u))) {
    *skip = 8;
    return 0;
  }
  u32 index = get8(p + NODE_DIGITS + digit);
  return index ? get32(p + NODE48_CHILDREN + (index - 1) % 48 * 4) : 0;
}

/* Lists up to `most` of the children of any node, from place `from` on, over what is left of it; returns how
 * many. */
static u32 list_some(i32 h, walker *w, u32 node, u8 *p, u32 kind, u32 from, u32 above, u32 most) {
  u32 found[LARGE_LISTED], n = 0, skip;
  if (kind <= NODE16) {
    /* The first one. */
    u32 used = slots_in_use(p, kind == NODE4 ? 4 : 16), least = 256;
    u8 *children = p + (kind == NODE4 ? NODE4_CHILDREN : NODE16_CHILDREN);
    for (u32 i = 0; i < used; i++) {
      u32 place = get8(p + NODE_DIGITS + i) ^ w->turn, child = get32(children + i * 4);
      if (child && place >= from && place < least) {
        least = place;
        found[0] = child;
        n = 1;
      }
    }
    from = least + 1;
  } else {
    for (; from < 256 && n < most; from += skip)
      if ((found[n] = child_at(p, kind, w->turn, from, &skip)))
        n++;
  }
  if (n && from < 256)
    push(w, node, WALK_REST | from << WALK_FROM);
  for (u32 i = n; i--;)
    push(w, found[i], ask(h, w, found[i], above));
  return n;
}

/* Puts on the stack what comes of a cell that is not known to be a leaf; below 0: why not. */
static i32 expand(i32 h, walker *w, u32 cell, u32 known) {
  u8 *p = readable(h, (i32)cell, 0, 4);
  u32 tag = p ? get32(p) : 0, kind = TAG_KIND(tag), depth = tag >> TAG_AUX;
  if (!(tag & REACHABLE))
    return WALK_UNREACHABLE;
  if ((tag & LEAF_MASK) == LEAF_FOUND) {
    push(w, cell, WALK_LEAF);
    return 0;
  }
  if (!node_bytes(h, (i32)cell, kind))
    return WALK_NO_NODE;
  /* A damaged file must not lead round in circles. */
  u32 rest = known & WALK_REST, listed;
  if (depth > MOST_DIGITS || (!rest && depth < known >> WALK_DEPTH))
    return WALK_NOT_DEEPER;
  u32 from = rest ? known >> WALK_FROM & 511 : 0;
  if (w->height > STACK_LISTED)
    listed = list_some(h, w, cell, p, kind, from, depth + 1, 1);
  else if (kind <= NODE16)
    listed = list_small(h, w, p, kind, from, depth + 1);
  else
    listed = list_some(h, w, cell, p, kind, from, depth + 1, LARGE_LISTED);
  return !listed && !rest && ++w->empty > MOST_BARREN ? WALK_BARREN : 0;
}

/*
 * Writes the cells of leaves, in the order of the walk, to `listOff` of the scratch, up to `most` with those
 * that are there; returns how many. Fewer: there are no more. The stack is at `stackOff`, behind the words
 * that say how high it is and how many leaves there are; the walk leaves both so that it can go on.
 *
 * Each child of a node is read once. A leaf is not read if the slab table says that it is one. Below 0: what
 * stopped the walk, a damaged file or a cell in blocks that another process has added; the caller knows, and
 * may go on.
 */
i32 bancos_walk(i32 h, i32 stackOff, i32 listOff, i32 most, i32 how) {
  u8 *state = scratch(h, stackOff, WALK_STACK + (STACK_HIGHEST + STACK_SPARE) * 8);
  u8 *list = most <= 0 ? (u8 *)0 : scratch(h, listOff, (u64)most * 4);
  if (!state || !list)
    return WALK_REFUSED;
  walker w;
  w.stack = state + WALK_STACK;
  w.height = peek32(state + WALK_HEIGHT);
  w.empty = peek32(state + WALK_EMPTY);
  w.turn = how & WALK_REVERSE ? 255 : 0;
  w.only_cells = how & WALK_CELLS;
  u32 n = peek32(state + WALK_LEAVES);
  if (w.height > STACK_HIGHEST || n > (u32)most)
    return WALK_REFUSED;
  i32 stopped = 0;
  u64 near[LEAVES_NEAR];
  while (!stopped && n < (u32)most && w.height) {
    u64 entry = peek64(w.stack + (w.height - 1) * 8);
    if (entry >> 32 & WALK_LEAF) {
      poke32(list + n++ * 4, (u32)entry);
      w.height--;
      continue;
    }
    if (w.height > STACK_HIGHEST) {
      stopped = WALK_NOT_DEEPER;
      poke32(state + WALK_CELL, (u32)entry);
      break;
    }
    u32 high = w.height > STACK_LISTED;
    u32 leaves = 0, count = 0, wanted = (u32)most - n;
    if (wanted > LEAVES_NEAR)
      wanted = LEAVES_NEAR;
    do {
      entry = peek64(w.stack + --w.height * 8);
      near[count++] = entry;
      leaves += entry >> 32 & WALK_LEAF ? 1 : NODE_LEAVES;
    } while (leaves < wanted && w.height && !(entry >> 32 & WALK_REST) && !high);
    while (count--) {
      u32 cell = (u32)near[count], known = (u32)(near[count] >> 32);
      i32 failed = 0;
      if (!cell)
        continue;
      if (!(known & WALK_LEAF) && !(failed = expand(h, &w, cell, known)))
        continue;
      /* What is wrong with a cell matters when its turn comes. */
      push(&w, cell, known);
      if (failed && !count) {
        stopped = failed;
        poke32(state + WALK_CELL, cell);
      }
    }
  }
  poke32(state + WALK_HEIGHT, w.height);
  poke32(state + WALK_EMPTY, w.empty);
  poke32(state + WALK_LEAVES, n);
  return stopped ? stopped : (i32)n;
}

/*
 * The checksum. The state is 64 bits; one round folds in a word w:
 *
 *     s = s ^ w;  s = s * K1;  s = s ^ (s >> 29);  s = s * K2;  s = s ^ (s >> 32)
 *
 * Each step can be undone, so a round loses nothing. A multiplication carries a changed bit only upwards,
 * hence the shift down between the two: with one multiplication a change of the top bit would reach fixed
 * places, which the next word could cancel. The last 1 to 7 bytes come as one word, filled with zeros; the
 * length is in the start value, so a run of zeros differs from a shorter one. Two more rounds of zero words
 * and both halves folded into one give the 32 bits. Nothing here depends on the alignment of the bytes.
 */
#define HASH_K1 0x9e6c63d0876a9a35ull
#define HASH_K2 0xd1b54a32d192ed03ull

static inline u64 hash_round(u64 s, u64 w) {
  s = (s ^ w) * HASH_K1;
  s = (s ^ s >> 29) * HASH_K2;
  return s ^ s >> 32;
}

/* `last` is what peek_last gives, anything if the length is a multiple of 8. */
static inline i32 hash_words(const u8 *p, u64 len, u64 last, i32 seed) {
  u64 s = hash_round((u64)(u32)seed << 32 | 0x6b616e63u, len);
  for (u64 i = 0; i + 8 <= len; i += 8)
    s = hash_round(s, peek64(p + i));
  if (len & 7)
    s = hash_round(s, last);
  s = hash_round(hash_round(s, 0), 0);
  return (i32)(u32)(s ^ s >> 32);
}

static i32 hash_bytes(const u8 *p, u64 len, i32 seed) {
  return hash_words(p, len, len & 7 ? peek_last(p, len) : 0, seed);
}

i32 bancos_hash(i32 h, i32 cell, i32 off, i32 len, i32 seed) {
  u8 *p = len < 0 ? (u8 *)0 : readable(h, cell, off, (u64)len);
  return p ? hash_bytes(p, (u64)len, seed) : 0;
}

i32 bancos_hashScratch(i32 h, i32 scratchOff, i32 len, i32 seed) {
  u8 *p = len < 0 ? (u8 *)0 : scratch(h, scratchOff, (u64)len);
  return p ? hash_bytes(p, (u64)len, seed) : 0;
}

i32 bancos_hashFrom(const u8 *p, i32 len, i32 seed) {
  return len < 0 || (!p && len) ? 0 : hash_bytes(p, (u64)len, seed);
}

/* src/memory/mix.ts says the same. */
static inline u32 mix32(u32 state, u32 word) {
  u32 x = state * 0x9e3779b1u ^ word;
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

/* Leaves; src/memory/layout.ts and src/node/leaf.ts say the same. */
#define LEAF_CHECKSUM 4
#define LEAF_MARK_HIGH 12
#define LEAF_SEQ 16
#define LEAF_KEY 20
#define LEAF_KEY_LENGTH(tag) ((tag) >> 15 & 16383)
#define LEAF_TYPE(tag) ((tag) >> 29)
#define MARK_SEQ_SHIFT 12
#define TYPE_FLOAT64 1
#define NUMBER_OFFSET(digits) ((LEAF_KEY + (digits) + 7) & ~7u)
#define SECTOR_BYTES 512

/* As peek_last, but 0 for none, of a leaf's bytes from the key on: without jumps, since its header comes
 * before. */
static inline u64 peek_last_of_leaf(const u8 *p, u64 len) {
  u64 rest = len & 7;
  return rest ? peek64(p + len - 8) >> (64 - 8 * rest) : 0;
}

static inline u32 leaf_seed(u32 salt, u32 cell, u32 type, u32 len) {
  return mix32(mix32(salt, cell), type << 16 | len);
}

/* A leaf's checksum from the hash of its content. */
static inline u32 finish_checksum(const u8 *leaf, u32 sum) {
  return mix32(mix32(sum, peek32(leaf + LEAF_SEQ)), peek32(leaf + LEAF_MARK_HIGH) >> MARK_SEQ_SHIFT);
}

/* The leaf's checksum over its bytes from the key up to `end`. */
static inline u32 leaf_checksum(const u8 *leaf, u32 cell, u32 tag, u32 salt, u64 end) {
  u32 seed = leaf_seed(salt, cell, LEAF_TYPE(tag), LEAF_KEY_LENGTH(tag));
  u64 len = end - LEAF_KEY;
  u64 last = peek_last_of_leaf(leaf + LEAF_KEY, len);
  return finish_checksum(leaf, (u32)hash_words(leaf + LEAF_KEY, len, last, (i32)seed));
}

/* Is the checksum of a leaf that lies in one piece the one it carries? `end` is where its checksum ends. */
i32 bancos_leafIsSound(i32 h, i32 cell, i32 tag, i32 salt, i32 end) {
  u8 *leaf = end < LEAF_KEY ? (u8 *)0 : readable(h, cell, 0, (u64)end);
  return leaf &&
         leaf_checksum(leaf, (u32)cell, (u32)tag, (u32)salt, (u64)end) == peek32(leaf + LEAF_CHECKSUM);
}

/* Bytes of a cell of a leaf class, 0 if there is no such class; src/memory/classes.ts says the same. */
static inline u32 leaf_cell_bytes(u32 size_class) {
  static const u8 per_slab[] = {106, 89, 73, 62, 52, 43, 36, 30, 25, 21, 18,
                                15,  13, 11, 9,  8,  7,  6,  5,  4,  3,  2};
  u32 i = size_class - FIRST_LEAF_CLASS;
  if (size_class < FIRST_LEAF_CLASS || i >= FINE_CLASSES + sizeof per_slab)
    return 0;
  return i < FINE_CLASSES ? 24 + 8 * i : SLAB_BYTES / per_slab[i - FINE_CLASSES] & ~7u;
}

/*
 * The tag of the leaf that begins at `cell`, 0 if none does, for who knows nothing of that cell: as tagOfCell
 * of src/memory/slabs.ts, which says why this is enough.
 */
static inline u32 leaf_tag(i32 h, i32 cell) {
  u32 slab = (u32)cell >> SLAB_SHIFT;
  u32 units = (u32)cell & (SLAB_UNITS - 1);
  u8 *leaf = readable(h, cell, 0, LEAF_KEY);
  u8 *freed = readable(h, 0, SLABS_FREED, 4);
  u8 *entry = slab_entry(h, slab);
  if (slab < FIRST_DATA_SLAB || !leaf || !freed || !entry)
    return 0;
  u32 count = get32(freed);
  u32 word = get32(entry);
  if ((word & 0xf) == SLAB_CELLS) {
    u32 size = leaf_cell_bytes(word >> 4 & 0xff) / 8;
    if (!size || units % size || units + size > SLAB_UNITS)
      return 0;
  } else if ((word & 0xf) != SLAB_RUN || units) {
    return 0;
  }
  u32 tag = get32(leaf);
  return TAG_KIND(tag) == LEAF && get32(entry) == word && get32(freed) == count ? tag : 0;
}

/* The hash that src/rowex/hints.ts makes of a key. */
static inline u32 hint_hash(const u8 *p, u32 len) {
  u32 hash = len;
  u32 i = 0;
  for (; i + 4 <= len; i += 4) {
    hash = (hash ^ peek32(p + i)) * 0x9e3779b1u;
    hash ^= hash >> 15;
  }
  if (i < len) {
    u32 rest = 0;
    for (u32 at = 0; i + at < len; at++)
      rest |= (u32)peek8(p + i + at) << 8 * at;
    hash = (hash ^ rest) * 0x9e3779b1u;
    hash ^= hash >> 15;
  }
  hash *= 0x85ebca6bu;
  return hash ^ hash >> 13;
}

/*
 * The leaves among `count` cells of `stride` bytes that are in the tree or may come into it (PRIVATE or
 * LIVE), and have at most `most` digits: at `outOff` of the scratch, in pairs, the cell and the hash of its
 * key. Returns how many. What is in a cell that is written meanwhile may have any hash.
 */
i32 bancos_hashLeaves(i32 h, i32 cell, i32 stride, i32 count, i32 outOff, i32 most) {
  u64 size = stride & 7 ? 0 : span(stride, count, LEAF_KEY);
  u8 *p = size ? readable(h, cell, 0, size) : (u8 *)0;
  u8 *out = p ? scratch(h, outOff, (u64)count * 8) : (u8 *)0;
  if (!out)
    return 0;
  i32 n = 0;
  for (i32 i = 0; i < count; i++, p += stride) {
    u32 tag = get32(p);
    u32 state = tag >> 3 & 3;
    u32 len = LEAF_KEY_LENGTH(tag);
    u32 at = (u32)cell + (u32)i * ((u32)stride / 8);
    if (TAG_KIND(tag) != LEAF || state < STATE_PRIVATE || state > STATE_LIVE || len > (u32)most ||
        !readable(h, (i32)at, LEAF_KEY, len))
      continue;
    poke32(out + n * 8, at);
    poke32(out + n * 8 + 4, hint_hash(p + LEAF_KEY, len));
    n++;
  }
  return n;
}

/* How many leaves of a batch are on their way while one is read. */
#define LEAVES_AHEAD 16

/* What a batch is checked for. */
enum { CHECK_SUMS = 1, CHECK_ASCENDING = 2, CHECK_DESCENDING = 4 };

/* Does the value of a float64 leaf lie in one sector with its header? Then the checksum does not cover it. */
static inline u32 in_one_sector(u32 cell, u32 len) {
  return (cell << 3 & (SECTOR_BYTES - 1)) + NUMBER_OFFSET(len) + 8 <= SECTOR_BYTES;
}

/*
 * The tag of the leaf at `cell` if it is in the tree, nobody has it locked, and it has the key of `len`
 * digits at `scratchOff`; else 0. If it is a float64 whose checksum is right, or need not be (`checks`), its
 * value goes to `valueOff` of the scratch and the cell to the word behind it, else 0 goes there; unless
 * `valueOff` is negative.
 *
 * The checksum is made of the key that is looked for, which is the leaf's: so the processor is through with
 * it when the leaf comes out of memory.
 */
i32 bancos_findLeaf(i32 h, i32 cell, i32 scratchOff, i32 len, i32 valueOff, i32 salt, i32 checks) {
  u8 *key = len < 0 ? (u8 *)0 : scratch(h, scratchOff, (u64)len);
  u8 *out = valueOff < 0 ? (u8 *)0 : scratch(h, valueOff, 12);
  u8 *begin = readable(h, cell, 0, LEAF_KEY);
  if (!key || !begin)
    return 0;
  prefetch_cell(begin);
  u32 keys_sum = 0;
  if (out && (checks & CHECK_SUMS))
    keys_sum = (u32)hash_bytes(key, (u64)len, (i32)leaf_seed((u32)salt, (u32)cell, TYPE_FLOAT64, (u32)len));
  u32 tag = leaf_tag(h, cell);
  if ((tag & LEAF_MASK_LOCKED) != LEAF_FOUND || LEAF_KEY_LENGTH(tag) != (u32)len ||
      bancos_compareBytes(h, cell, LEAF_KEY, scratchOff, len) >= 0)
    return 0;
  if (!out)
    return (i32)tag;
  u8 *leaf = readable(h, cell, 0, (u64)NUMBER_OFFSET((u32)len) + 8);
  u32 found = LEAF_TYPE(tag) == TYPE_FLOAT64 && leaf;
  if (found) {
    poke64(out, get64(leaf + NUMBER_OFFSET((u32)len)));
    if (checks & CHECK_SUMS) {
      u32 sum = in_one_sector((u32)cell, (u32)len)
                    ? finish_checksum(leaf, keys_sum)
                    : leaf_checksum(leaf, (u32)cell, tag, (u32)salt, NUMBER_OFFSET((u32)len) + 8);
      found = sum == peek32(leaf + LEAF_CHECKSUM);
    }
  }
  poke32(out + 8, found ? (u32)cell : 0);
  return (i32)tag;
}

/* The order of two words that differ, as text. */
static inline i32 compare_words(u64 a, u64 b) {
  u32 shift = trailing_zeros(a ^ b) & ~7u;
  return (a >> shift & 0xff) < (b >> shift & 0xff) ? -1 : 1;
}

/* Below 0, 0 or above 0 as key `a` comes before, is, or comes after key `b`. */
static i32 compare_keys(const u8 *a, u64 a_len, const u8 *b, u64 b_len) {
  u64 len = a_len < b_len ? a_len : b_len;
  u64 i = 0;
  u64 differs = 0;
  for (; i + 8 <= len && !differs; i += 8)
    differs = peek64(a + i) ^ peek64(b + i);
  if (differs)
    i -= 8;
  else if (i < len)
    differs = peek_last(a, i + (len & 7)) ^ peek_last(b, i + (len & 7));
  if (differs) {
    i += trailing_zeros(differs) >> 3;
    return peek8(a + i) < peek8(b + i) ? -1 : 1;
  }
  return a_len < b_len ? -1 : a_len > b_len;
}

/* Copies whole words, with up to 8 bytes that are written next. `last` is what peek_last gives, or 0. */
static inline void copy_key(u8 *to, const u8 *from, u64 len, u64 last) {
  u64 i = 0;
  for (; i + 8 <= len; i += 8)
    poke64(to + i, peek64(from + i));
  poke64(to + i, last);
}

/*
 * Reads a batch of `n` leaves, whose cells the caller put at `listOff` of the scratch. Behind the cells, at
 * listOff + (n + i) * 4, goes each one's tag; to `outOff` the keys back to back; to `valuesOff` (if it is not
 * negative) a float64's value, 8 bytes each, its checksum verified with CHECK_SUMS. With CHECK_ASCENDING
 * or CHECK_DESCENDING each key must come behind the one before it: in a damaged file a walk may come round
 * again. All leaves are asked for before the first is read, so their cache misses overlap. A leaf out of
 * bounds, with a wrong checksum or out of order gives tag 0 and no bytes. Returns how many keys fitted into
 * `outSize` bytes.
 */
i32 bancos_gather(i32 h, i32 listOff, i32 n, i32 outOff, i32 outSize, i32 valuesOff, i32 salt, i32 checks) {
  if (n <= 0 || outSize < 0)
    return 0;
  u8 *list = scratch(h, listOff, (u64)n * 8);
  u8 *out = scratch(h, outOff, (u64)outSize);
  u8 *values = valuesOff < 0 ? (u8 *)0 : scratch(h, valuesOff, (u64)n * 8);
  if (!list || !out || (valuesOff >= 0 && !values))
    return 0;
  u8 *tags = list + (u64)n * 4;
  handle *e = entry(h);
  u8 *base = e->base;
  u64 limit = e->limit, room = (u64)outSize, previous_first = 0, previous_len = 0;
  u8 *previous = (u8 *)0;
  for (i32 i = -LEAVES_AHEAD; i < n; i++) {
    if (i + LEAVES_AHEAD < n) {
      u64 next = place(peek32(list + (u64)(i + LEAVES_AHEAD) * 4), 0);
      if (next < limit)
        prefetch_cell(past(base, next));
    }
    if (i < 0)
      continue;
    u32 cell = peek32(list + (u64)i * 4);
    u64 begins = place(cell, 0);
    u8 *leaf = past(base, begins);
    u32 tag = begins + LEAF_KEY <= limit ? get32(leaf) : 0;
    u64 len = LEAF_KEY_LENGTH(tag);
    if ((tag & LEAF_MASK) != LEAF_FOUND || begins + LEAF_KEY + len > limit)
      tag = 0;
    if (values && LEAF_TYPE(tag) == TYPE_FLOAT64) {
      u32 at = NUMBER_OFFSET((u32)len);
      if (begins + at + 8 > limit ||
          ((checks & CHECK_SUMS) && leaf_checksum(leaf, cell, tag, (u32)salt,
                                                  in_one_sector(cell, (u32)len) ? LEAF_KEY + len : at + 8) !=
                                        peek32(leaf + LEAF_CHECKSUM)))
        tag = 0;
      else
        poke64(values + (u64)i * 8, get64(leaf + at));
    }
    poke32(tags + (u64)i * 4, tag);
    if (!tag)
      continue;
    if (len > room)
      return i;
    u8 *key = leaf + LEAF_KEY;
    u64 last = peek_last_of_leaf(key, len), first = len < 8 ? last : peek64(key);
    if (room - len >= 8)
      copy_key(out, key, len, last);
    else
      copy(out, key, len);
    if (previous && (checks & (CHECK_ASCENDING | CHECK_DESCENDING))) {
      i32 order = first == previous_first ? compare_keys(previous, previous_len, key, len)
                                          : compare_words(previous_first, first);
      if (checks & CHECK_ASCENDING ? order >= 0 : order <= 0) {
        poke32(tags + (u64)i * 4, 0);
        continue;
      }
    }
    previous = out;
    previous_len = len;
    previous_first = first;
    out += len;
    room -= len;
  }
  return n;
}

/* ---- System calls ---- */

#if X86
enum {
  SYS_close = 3,
  SYS_mmap = 9,
  SYS_munmap = 11,
  SYS_sched_yield = 24,
  SYS_msync = 26,
  SYS_madvise = 28,
  SYS_nanosleep = 35,
  SYS_fcntl = 72,
  SYS_fdatasync = 75,
  SYS_ftruncate = 77,
  SYS_gettid = 186,
  SYS_futex = 202,
  SYS_clock_gettime = 228,
  SYS_openat = 257,
  SYS_sync_file_range = 277,
  SYS_fallocate = 285,
  SYS_membarrier = 324,
  SYS_statx = 332
};
#else
enum {
  SYS_fcntl = 25,
  SYS_ftruncate = 46,
  SYS_fallocate = 47,
  SYS_openat = 56,
  SYS_close = 57,
  SYS_fdatasync = 83,
  SYS_sync_file_range = 84,
  SYS_futex = 98,
  SYS_nanosleep = 101,
  SYS_clock_gettime = 113,
  SYS_sched_yield = 124,
  SYS_gettid = 178,
  SYS_munmap = 215,
  SYS_mmap = 222,
  SYS_msync = 227,
  SYS_madvise = 233,
  SYS_membarrier = 283,
  SYS_statx = 291
};
#endif

enum { EPERM = 1, EINTR = 4, EAGAIN = 11, EACCES = 13, EINVAL = 22, EMFILE = 24, ESPIPE = 29, ENOSYS = 38 };

static i64 call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
#if X86
  i64 rest[3];
  i64 result;
  rest[0] = d;
  rest[1] = e;
  rest[2] = f;
  /* Through memory, since TinyCC cannot bind a variable to r10, r8 or r9. */
  __asm__ volatile("movq (%%rbx), %%r10\n movq 8(%%rbx), %%r8\n movq 16(%%rbx), %%r9\n syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "b"(rest)
                   : "rcx", "r8", "r9", "r10", "r11", "memory");
  return result;
#else
  register i64 x8 __asm__("x8") = number;
  register i64 x0 __asm__("x0") = a;
  register i64 x1 __asm__("x1") = b;
  register i64 x2 __asm__("x2") = c;
  register i64 x3 __asm__("x3") = d;
  register i64 x4 __asm__("x4") = e;
  register i64 x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

static i64 pointer(void *p) { return (i64)(unsigned long)p; }

enum { OPEN_WRITE = 1, OPEN_CREATE = 2, OPEN_EXCLUSIVE = 4, OPEN_DSYNC = 8 };
enum {
  O_RDWR = 2,
  O_CREAT = 0x40,
  O_EXCL = 0x80,
  O_DSYNC = 0x1000,
  O_CLOEXEC = 0x80000,
  AT_FDCWD = -100,
  AT_EMPTY_PATH = 0x1000
};

i32 bancos_open(u8 *path, i32 flags, i32 mode) {
  if (!path)
    return -EINVAL;
  i32 how = O_CLOEXEC | (flags & OPEN_WRITE ? O_RDWR : 0) | (flags & OPEN_CREATE ? O_CREAT : 0) |
            (flags & OPEN_EXCLUSIVE ? O_EXCL : 0) | (flags & OPEN_DSYNC ? O_DSYNC : 0);
  i64 r;
  do
    r = call(SYS_openat, AT_FDCWD, pointer(path), how, mode, 0, 0);
  while (r == -EINTR);
  return (i32)r;
}

/* Not repeated on EINTR: Linux has closed the descriptor by then, and its number may belong to another
 * thread. */
i32 bancos_close(i32 fd) {
  i64 r = call(SYS_close, fd, 0, 0, 0, 0, 0);
  return r == -EINTR ? 0 : (i32)r;
}

/* The kernel's struct statx, as far as it is read. */
typedef struct {
  u32 mask;
  u32 blksize;
  u64 attributes;
  u32 nlink, uid, gid;
  u16 mode, pad0;
  u64 ino, size, blocks, attributes_mask;
  i64 atime_s;
  u64 atime_ns;
  i64 btime_s;
  u32 btime_ns, pad1;
  u64 ctime[2], mtime[2];
  u32 rdev_major, rdev_minor, dev_major, dev_minor;
  u64 spare[14];
} statx_buffer;

/* Into out[]: size, bytes of blocks, device, inode, time of birth in ns or 0. */
i32 bancos_stat(i32 fd, f64 *out) {
  statx_buffer s;
  if (!out)
    return -EINVAL;
  i64 r = call(SYS_statx, fd, pointer(""), AT_EMPTY_PATH, 0xfff, pointer(&s), 0);
  if (r < 0)
    return (i32)r;
  out[0] = to_double(s.size);
  out[1] = to_double(s.blocks * 512);
  out[2] = (f64)s.dev_major * 4294967296.0 + (f64)s.dev_minor;
  out[3] = to_double(s.ino);
  out[4] = s.mask & 0x800 ? (f64)s.btime_s * 1e9 + (f64)s.btime_ns : 0;
  return 0;
}

/* The raw call: libc's posix_fallocate would write zeros over a filesystem that cannot reserve. */
i32 bancos_allocate(i32 fd, f64 off, f64 len) {
  i64 r;
  do
    r = call(SYS_fallocate, fd, 0, to_i64(off), to_i64(len), 0, 0);
  while (r == -EINTR);
  return (i32)r;
}

i32 bancos_truncate(i32 fd, f64 len) {
  i64 r;
  do
    r = call(SYS_ftruncate, fd, to_i64(len), 0, 0, 0, 0);
  while (r == -EINTR);
  return (i32)r;
}

i32 bancos_syncFile(i32 fd) {
  i64 r;
  do
    r = call(SYS_fdatasync, fd, 0, 0, 0, 0, 0);
  while (r == -EINTR);
  return (i32)r;
}

/* Open-file-description locks: they belong to the descriptor, so two opens in one process conflict as well.
 */
enum { F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_OFD_SETLKW = 38 };
enum { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 };

typedef struct {
  u16 type, whence;
  u32 pad0;
  i64 start, len;
  i32 pid, pad1; /* pid must be 0 for these locks */
} file_lock;

static i64 lock_call(i32 fd, i32 command, f64 byte, f64 length, i32 type, file_lock *lock) {
  i64 r;
  do {
    lock->type = (u16)type;
    lock->whence = 0;
    lock->pad0 = 0;
    lock->start = to_i64(byte);
    lock->len = to_i64(length);
    lock->pid = 0;
    lock->pad1 = 0;
    r = call(SYS_fcntl, fd, command, pointer(lock), 0, 0, 0);
  } while (r == -EINTR);
  return r;
}

/* 1 locked, 0 another description holds it, below 0 an error. `write` chooses the kind. */
i32 bancos_lock(i32 fd, f64 byte, i32 write, i32 wait) {
  file_lock lock;
  i64 r = lock_call(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, byte, 1, write ? F_WRLCK : F_RDLCK, &lock);
  return r == -EAGAIN || r == -EACCES ? 0 : r < 0 ? (i32)r : 1;
}

i32 bancos_unlock(i32 fd, f64 byte) {
  file_lock lock;
  return (i32)lock_call(fd, F_OFD_SETLK, byte, 1, F_UNLCK, &lock);
}

/* A read lock is asked about, since only a write lock stands in its way. */
i32 bancos_lockHeld(i32 fd, f64 byte) {
  file_lock lock;
  i64 r = lock_call(fd, F_OFD_GETLK, byte, 1, F_RDLCK, &lock);
  return r < 0 ? (i32)r : lock.type != F_UNLCK;
}

/* Write-locks `length` bytes, which say who did. 1 locked, 0 another has some of them, below 0 an error. */
i32 bancos_lockRange(i32 fd, f64 byte, f64 length) {
  file_lock lock;
  i64 r = lock_call(fd, F_OFD_SETLK, byte, length, F_WRLCK, &lock);
  return r == -EAGAIN || r == -EACCES ? 0 : r < 0 ? (i32)r : 1;
}

i32 bancos_unlockRange(i32 fd, f64 byte, f64 length) {
  file_lock lock;
  return (i32)lock_call(fd, F_OFD_SETLK, byte, length, F_UNLCK, &lock);
}

/* The length of another description's write lock that holds the byte; 0 if there is none, below 0 an error.
 */
f64 bancos_rangeHeld(i32 fd, f64 byte) {
  file_lock lock;
  i64 r = lock_call(fd, F_OFD_GETLK, byte, 1, F_RDLCK, &lock);
  return r < 0 ? (f64)r : lock.type == F_UNLCK ? 0 : (f64)lock.len;
}

/* ---- Handles: claim, map, limit, unmap ---- */

i32 bancos_threadId(void) { return (i32)call(SYS_gettid, 0, 0, 0, 0, 0, 0); }

i32 bancos_newHandle(i32 fd) {
  for (i32 h = 1; h < HANDLES; h++) {
    handle *e = entry(h);
    if (get32(&e->used) == 0 && cas32(&e->used, 0, CLAIMING)) {
      e->fd = fd;
      e->tid = bancos_threadId();
      /* Whoever looks through the table sees an entry that is filled in. */
      put32(&e->used, 1);
      return h;
    }
  }
  return -EMFILE;
}

static i32 claimed(i32 h) { return h > 0 && h < HANDLES && get32(&handles[h].used) == 1; }

enum { MODE_SHARED = 0, MODE_READ_ONLY = 1, MODE_PRIVATE = 2, MODE_SYNC = 3 };
enum { PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_SHARED_VALIDATE = 3, MAP_NORESERVE = 0x4000, MAP_SYNC = 0x80000 };

/*
 * Reserves address space over the file from offset 0; nothing may be touched before setLimit. A handle that
 * is mapped already moves to a larger mapping, under the same number and with its limit; what was handed out
 * of it is stale.
 */
i32 bancos_map(i32 h, f64 reserved, i32 mode) {
  i64 size = to_i64(reserved);
  if (!claimed(h) || size <= 0 || (handles[h].base && (u64)size <= handles[h].reserved))
    return -EINVAL;
  handle *e = entry(h);
  u8 *old = e->base;
  u64 old_size = e->reserved;
  i64 flags = MAP_NORESERVE | (mode == MODE_PRIVATE ? MAP_PRIVATE
                               : mode == MODE_SYNC  ? MAP_SHARED_VALIDATE | MAP_SYNC
                                                    : MAP_SHARED);
  i64 access = mode == MODE_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
  i64 r = call(SYS_mmap, 0, size, access, flags, e->fd, 0);
  if (r < 0 && r > -4096)
    return (i32)r;
  e->base = (u8 *)(unsigned long)r;
  e->reserved = (u64)size;
  e->mode = mode;
  if (old)
    call(SYS_munmap, pointer(old), (i64)old_size, 0, 0, 0, 0);
  return 0;
}

i32 bancos_setLimit(i32 h, f64 bytes) {
  i64 limit = to_i64(bytes);
  if (!claimed(h) || limit < 0 || (u64)limit > handles[h].reserved)
    return -EINVAL;
  handle *e = entry(h);
  e->limit = (u64)limit;
  e->writable = e->mode == MODE_READ_ONLY ? 0 : (u64)limit;
  return 0;
}

i32 bancos_bindScratch(i32 h, u8 *bytes, f64 size) {
  i64 length = to_i64(size);
  if (!claimed(h) || length < 0 || (!bytes && length))
    return -EINVAL;
  handle *e = entry(h);
  e->scratch_size = 0;
  e->scratch = bytes;
  e->scratch_size = (u64)length;
  return 0;
}

static i32 free_entry(handle *e, i32 close_too) {
  i64 r = 0;
  e->limit = 0;
  e->writable = 0;
  e->scratch_size = 0;
  e->scratch = 0;
  if (e->base)
    r = call(SYS_munmap, pointer(e->base), (i64)e->reserved, 0, 0, 0, 0);
  if (close_too)
    bancos_close(e->fd);
  e->base = 0;
  e->reserved = 0;
  e->mode = MODE_SHARED;
  e->fd = 0;
  e->tid = 0;
  put32(&e->used, 0);
  return (i32)r;
}

i32 bancos_unmap(i32 h) { return claimed(h) ? free_entry(entry(h), 0) : -EINVAL; }

/*
 * Unmaps, closes the descriptor and frees the entry in one call: a Worker that is terminated stops before or
 * after it, so that no descriptor is left that no entry names.
 */
i32 bancos_closeHandle(i32 h) { return claimed(h) ? free_entry(entry(h), 1) : -EINVAL; }

/* Makes an entry of thread `tid`, which is gone, our own. Of several who try, one does. */
i32 bancos_takeHandle(i32 h, i32 tid) {
  return claimed(h) && cas32(&entry(h)->tid, (u32)tid, (u32)bancos_threadId());
}

/* `what`: 0 whether it is claimed, 1 descriptor, 2 thread that claimed it, 3 limit, 4 reserved bytes. */
f64 bancos_handleInfo(i32 h, i32 what) {
  if (!claimed(h))
    return 0;
  handle *e = entry(h);
  switch (what) {
  case 0:
    return 1;
  case 1:
    return e->fd;
  case 2:
    return e->tid;
  case 3:
    return to_double(e->limit);
  default:
    return to_double(e->reserved);
  }
}

enum { MS_SYNC = 4 };

/* msync wants the start of a page. Pages are 4 to 64 KiB, and the mapping starts with one. */
i32 bancos_syncRange(i32 h, f64 off, f64 len) {
  i64 from = to_i64(off), size = to_i64(len);
  if (!claimed(h) || from < 0 || size < 0 || (u64)from + (u64)size > handles[h].reserved)
    return -EINVAL;
  i64 base = pointer(handles[h].base);
  i64 start = (base + from) & ~(i64)65535;
  if (start < base)
    start = base;
  i64 r;
  do
    r = call(SYS_msync, start, base + from + size - start, MS_SYNC, 0, 0, 0);
  while (r == -EINTR);
  return (i32)r;
}

enum { MADV_POPULATE_WRITE = 23 };

/*
 * Pages that are about to be written, all of them: one call instead of a fault for each. Changes no byte.
 * Before Linux 5.14 there is no such call, and the faults come one by one.
 */
void bancos_populate(i32 h, i32 cell, i32 len) {
  if (!claimed(h) || len < 0 || (u64)(u32)cell * 8 + (u64)len > handles[h].limit)
    return;
  call(SYS_madvise, pointer(handles[h].base) + (i64)(u32)cell * 8, len, MADV_POPULATE_WRITE, 0, 0, 0);
}

enum { WIDEST_PAGE = 65536 };

/* The same for memory of the caller's own, but for what is less than the widest page at either end. */
void bancos_prefault(u8 *bytes, f64 size) {
  i64 from = (pointer(bytes) + WIDEST_PAGE - 1) & ~(i64)(WIDEST_PAGE - 1);
  i64 to = (pointer(bytes) + to_i64(size)) & ~(i64)(WIDEST_PAGE - 1);
  if (!bytes || to_i64(size) < 0 || from >= to)
    return;
  call(SYS_madvise, from, to - from, MADV_POPULATE_WRITE, 0, 0, 0);
}

enum { MADV_DONTNEED = 4, SYNC_FILE_RANGE_WAIT_BEFORE = 1, SYNC_FILE_RANGE_WRITE = 2 };

/*
 * Gives the pages of a shared mapping back to the file, by one call for all of them: what was stored in them
 * stays in the file, and who touches one again finds it there. Not for a private mapping, whose changes would
 * be lost.
 */
void bancos_letGo(i32 h, i32 cell, i32 len) {
  if (!claimed(h) || handles[h].mode != MODE_SHARED || len < 0 ||
      (u64)(u32)cell * 8 + (u64)len > handles[h].limit)
    return;
  call(SYS_madvise, pointer(handles[h].base) + (i64)(u32)cell * 8, len, MADV_DONTNEED, 0, 0, 0);
}

/* Begins to write a range of the file to the disk, where the kernel can. Promises nothing: that takes a sync.
 */
void bancos_writeBack(i32 h, i32 cell, i32 len) {
  if (claimed(h) && len >= 0)
    call(SYS_sync_file_range, handles[h].fd, (i64)(u32)cell * 8, len, SYNC_FILE_RANGE_WRITE, 0, 0);
}

/*
 * Has the disk failed to write a page of this file, and nobody was told by way of this descriptor? The error,
 * once, or 0. Waits for nothing: where it looks no file has pages. 0 as well where the kernel can't say
 * (overlayfs).
 */
i32 bancos_writeError(i32 fd) {
  i64 r = call(SYS_sync_file_range, fd, 1ll << 40, 4096, SYNC_FILE_RANGE_WAIT_BEFORE, 0, 0);
  /* Any other is one of the disk, and of those there are many. */
  return r >= 0 || r == -EINVAL || r == -ENOSYS || r == -EPERM || r == -EACCES || r == -ESPIPE ? 0 : (i32)r;
}

/* ---- Fences of others, clock, sleep, futex ---- */

enum { MEMBARRIER_GLOBAL_EXPEDITED = 2, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4 };

/* From here on this process announces epochs without a fence; 0: the kernel can't, or may not, fence others.
 */
i32 bancos_letOthersFence(void) {
  if (get32(&fenced_by_others))
    return 1;
  if (call(SYS_membarrier, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED, 0, 0, 0, 0, 0) < 0)
    return 0;
  put32(&fenced_by_others, 1);
  return 1;
}

/* A full fence, here and in all threads of all processes that have let others fence; 0: only here. */
i32 bancos_fenceOthers(void) {
  full_fence();
  return call(SYS_membarrier, MEMBARRIER_GLOBAL_EXPEDITED, 0, 0, 0, 0, 0) >= 0;
}

typedef struct {
  i64 s, ns;
} timespec;

static void to_timespec(f64 ms, timespec *t) {
  i64 ns = to_i64(ms * 1e6);
  if (ns < 0)
    ns = 0;
  t->s = ns / 1000000000;
  t->ns = ns % 1000000000;
}

f64 bancos_monotonicNs(void) {
  timespec t;
  t.s = 0;
  t.ns = 0;
  call(SYS_clock_gettime, 1, pointer(&t), 0, 0, 0, 0);
  return (f64)t.s * 1e9 + (f64)t.ns;
}

void bancos_yieldThread(void) { call(SYS_sched_yield, 0, 0, 0, 0, 0, 0); }

/* Cut short by a signal, it goes on with what is left. */
void bancos_sleepMs(f64 ms) {
  timespec t;
  to_timespec(ms, &t);
  while (call(SYS_nanosleep, pointer(&t), pointer(&t), 0, 0, 0, 0) == -EINTR)
    ;
}

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 }; /* shared between processes: not the private variants */

/* A negative time waits for ever. 0 when woken, -EAGAIN if the word had another value, -ETIMEDOUT, -EINTR. */
i32 bancos_futexWait(i32 h, i32 cell, i32 off, i32 expected, f64 timeoutMs) {
  timespec t;
  u8 *p = readable(h, cell, off, 4);
  if (!p)
    return -EINVAL;
  to_timespec(timeoutMs, &t);
  return (i32)call(SYS_futex, pointer(p), FUTEX_WAIT, expected, timeoutMs < 0 ? 0 : pointer(&t), 0, 0);
}

/* How many were woken. */
i32 bancos_futexWake(i32 h, i32 cell, i32 off, i32 count) {
  u8 *p = readable(h, cell, off, 4);
  return p ? (i32)call(SYS_futex, pointer(p), FUTEX_WAKE, count, 0, 0, 0) : -EINVAL;
}

// Exhaustive check of what a power failure may leave: every schedule of writers, a syncer, deaths and a
// backup on a few cells, and at every state every order in which the stores may have reached the disk.
//
// What is modelled
//   A cell is a set of *units*. Stores to one unit reach the disk in order; different units in any order.
//   With `layout=header` a cell has two units {tag, mark, seq, checksum} and {key, value}; with
//   `layout=words` it has four {tag}, {mark}, {seq, checksum}, {key, value}: what a header across a sector
//   boundary gives. The word W of page 0 is one more unit. Everything else (Q, S, lastStart, done, Wdisk,
//   free lists, limbo) is memory: it survives the death of a process, not a power failure, after which it is
//   rebuilt. A sync that completes makes durable every store made before its msync began.
//
// What is checked at every state, for every image the disk may hold: rebuild it; each key must have a value
// that it had at or after the start of the last completed sync, or the value of the operation under way. With
// `rb` also: fail again in the middle of that rebuild, after any subset of its stores, and rebuild: the
// result must be the same. With `cont` go on working after the rebuild.
//
// Sequential consistency. Numbers are small integers. See README.md for the flags and the results.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "search.hpp"

namespace {

// ---------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------

constexpr int MAX_CELLS = 4;
constexpr int MAX_KEYS = 2;
constexpr int MAX_UNITS = 5;
constexpr int MAX_VERSIONS = 20;
constexpr int MAX_HISTORY = 12;
constexpr int MAX_SYNCS = 2;              // under way at a time
constexpr int SETTLE = MAX_SYNCS;         // the msync of page 0
constexpr int MAX_MSYNCS = MAX_SYNCS + 1; // that may run
constexpr uint8_t EVERYTHING = 255; // lastStart = MAX: every leaf counts as promised

struct Options {
  int cells = 3;
  int keys = 1;
  int operations = 4;
  int syncs = 2;
  int deaths = 1;     // of a writer
  int syncDeaths = 0; // of a syncer; another starts again at step 2
  int backups = 0;
  int settles = 0; // W of a sync that has ended is put on the disk by itself
  bool oneCounter = false;  // the page as it is: marks, tickets and seq all from Q
  bool bothWriters = false; // operations on different keys at the same time
  bool numbers = false;     // in-place updates
  bool rebuildTwice = false;
  bool continueAfter = false;
  bool wordLayout = false;
  bool valueApart = false;  // the value is a unit of its own, outside the checksum (a number)
  bool valueBeside = false; // the value is in the header's unit, outside the checksum
  bool markCheck = false;   // the mark names the incarnation it belongs to
  // Letters, one step each: W page-0 W = done; M lastStart = MAX; S fetch_add(S) (tickets and marks); Q
  // fetch_add(Q); L lastStart = G; F msync begins; D msync has ended, done = S's old value; X Wdisk = W.
  std::string sync = "WMSQLFDX";
  // U page-0 W = done; V msync of page 0 begins; Y it has ended, Wdisk = W. Mutation: u W = S, of a sync that may not
  // have ended.
  std::string settle = "UVY";
  // Two syncs under way. The lock is held for the start alone (up to L), so that one may start, and end, while another is at
  // the disk, and W may be put there by itself at any time; done, W and Wdisk only rise. Steps: A load done; W W = that.
  bool overlap = false;
  // Mutations
  bool plainDone = false;  // done = S's old value, whatever it is
  bool plainW = false;     // W = what was loaded
  bool plainWDisk = false; // Wdisk = what this sync has put there
  bool plainStart = false; // no lock for the start
  bool hasOldBeforeSeq = false;
  bool noHasOld = false;           // remove looks at seq alone
  bool hasOldNotInherited = false; // hasOld = L.seq <= lastStart, without L.hasOld
  bool lastStartBeforeCommit = false;
  bool markBeforeCommitNumber = false; // replace loads its m before [C]
  bool deleteMarkLate = false;         // delete marks after [C]
  bool voidAlways = false;             // remove always uses VOID
  bool reuseAtDone = false;            // reuse when m <= done: W may be in memory only
  bool reuseAnySync = false;           // reuse after a sync that only ended after the retirement
  bool reuseAtOnce = false;
  bool highestDeadIsAbsent = false;  // rebuild: SUP is absent whatever W
  bool supIgnored = false;           // rebuild: superseded leaves are dropped, next highest decides
  bool rebuildFrees = false;         // rebuild frees absent deciders in place
  bool rebuildLeavesFree = false;    // rebuild leaves the marks of cells it does not believe
  bool rebuildStoresW = false;       // rebuild raises W before its msync has ended, as the page can be read
  bool rebuildKeepsCounters = false; // S = 1, done = W = 0 after a rebuild
  bool rebuildLowSeq = false;        // Q = 1 after a rebuild
  bool rebuildLowStart = false;      // lastStart = 0 after a rebuild
  bool backupOneNumber = false;      // backup compares marks with Q's number
  bool backupIgnoresSup = false;     // the page's words: absent only if DEL(m <= B)
  bool backupNoMax = false;          // backup leaves lastStart as it is
  bool backupReuses = false;         // reuse goes on during a backup (no violation was found)
  bool gateBeforeIntent = false;     // writers load the gate, then announce
  bool backupUngated = false;        // backup takes its numbers while intents are active
  bool breadthFirst = false;         // shortest trace, more memory
  uint64_t limit = 400000000;
};
Options opt;

// ---------------------------------------------------------------------------------------------------------
// State
// ---------------------------------------------------------------------------------------------------------

enum Tag : uint8_t { FREE, PRIVATE, LIVE };
enum Mark : uint8_t { NONE, SUP, DEL, VOID };
enum Where : uint8_t { IS_FREE, IN_USE, IN_LIMBO };
enum OpKind : uint8_t { SET, REMOVE, NUMBER };

/** The fields of one leaf. `headId` and `bodyId` stand for the checksum: the leaf is valid if they agree. */
struct Leaf {
  uint8_t tag, mark, m, check, seq, headId, key, value, bodyId;
};

/** Versions of a unit that may be on disk: [0] is durable, the last is in memory. */
struct Unit {
  uint8_t count;
  uint8_t snapshot[MAX_MSYNCS]; // index of the version that each running msync must write
  uint32_t version[MAX_VERSIONS];

  uint32_t now() const { return version[count - 1]; }
  void store(uint32_t value) {
    if (value == now())
      return;
    if (count >= MAX_VERSIONS) {
      fprintf(stderr, "version overflow\n");
      exit(2);
    }
    version[count++] = value;
  }
  void begin(int msync) { snapshot[msync] = count - 1; }
  void written(int msync) {
    uint8_t gone = snapshot[msync];
    int left = count - gone;
    memmove(version, version + gone, sizeof(uint32_t) * left);
    memset(version + left, 0, sizeof(uint32_t) * (MAX_VERSIONS - left));
    count = static_cast<uint8_t>(left);
    for (uint8_t &other : snapshot)
      other = other > gone ? other - gone : 0;
  }
};

/** Values a key may have after a power failure: all since the last completed sync began. 0 is absent. */
struct History {
  uint8_t count, snapshot[MAX_SYNCS];
  uint8_t value[MAX_HISTORY];

  void push(uint8_t v) {
    if (count >= MAX_HISTORY) {
      fprintf(stderr, "history overflow\n");
      exit(2);
    }
    value[count++] = v;
  }
  void begin(int sync) { snapshot[sync] = count - 1; }
  void promise(int sync) {
    uint8_t gone = snapshot[sync];
    int left = count - gone;
    memmove(value, value + gone, left);
    memset(value + left, 0, MAX_HISTORY - left);
    count = static_cast<uint8_t>(left);
    for (uint8_t &other : snapshot)
      other = other > gone ? other - gone : 0;
  }
};

struct Operation {
  uint8_t active, kind, key, step, cell, value, seq, markKind, m;
  uint8_t gate; // 0 not yet there, 1 intent announced (or gate found open, in the mutation), 2 both
  int8_t old;
};

/** A sync under way: its next step, and what its steps have found. */
struct Syncer {
  uint8_t at, g, s, w, durable;
};

struct State {
  // The disk.
  Unit unit[MAX_CELLS][MAX_UNITS];
  Unit w;
  History history[MAX_KEYS];
  // Shared memory.
  uint8_t where[MAX_CELLS], limboMark[MAX_CELLS], limboM[MAX_CELLS], hasOld[MAX_CELLS];
  int8_t current[MAX_KEYS];
  uint8_t q, s, lastStart, done, wDisk;
  Syncer sync[MAX_SYNCS];
  uint8_t settleAt, settleW;
  Operation op[MAX_KEYS];
  // The backup: 0 none, 1 + n: n cells scanned.
  uint8_t gateClosed, backup, backupQ, backupS, backupExpected[MAX_KEYS], backupSeq[MAX_KEYS],
      backupValue[MAX_KEYS];
  // What has been used up.
  uint8_t operations, syncs, settles, ids, deaths, syncDeaths, failures, backups;
};

State st;

int unitsPerCell() { return (opt.wordLayout ? 4 : 2) + (opt.valueApart ? 1 : 0); }

/** The units of a leaf; a unit is written to disk as a whole. */
void pack(const Leaf &leaf, uint32_t *out) {
  uint32_t mark = leaf.mark | leaf.m << 2;
  uint32_t head = leaf.seq | leaf.headId << 6;
  bool inBody = !opt.valueApart && !opt.valueBeside;
  uint32_t body = leaf.key | (inBody ? leaf.value << 2 : 0) | leaf.bodyId << 8;
  if (opt.wordLayout) {
    out[0] = leaf.tag;
    out[1] = mark | (opt.markCheck ? leaf.check << 8 : 0);
    out[2] = head;
    out[3] = body;
  } else {
    out[0] = leaf.tag | mark << 2 | head << 10 | (opt.valueBeside ? leaf.value << 24 : 0);
    out[1] = body;
  }
  if (opt.valueApart)
    out[unitsPerCell() - 1] = leaf.value;
}

Leaf unpack(const uint32_t *in) {
  uint32_t mark, head, body;
  Leaf leaf{};
  if (opt.wordLayout) {
    leaf.tag = static_cast<uint8_t>(in[0]);
    mark = in[1];
    head = in[2];
    body = in[3];
  } else {
    leaf.tag = in[0] & 3;
    mark = in[0] >> 2 & 255;
    head = in[0] >> 10 & 0x3fff;
    body = in[1];
  }
  leaf.mark = mark & 3;
  leaf.m = mark >> 2 & 63;
  leaf.check = static_cast<uint8_t>(mark >> 8);
  leaf.seq = head & 63;
  leaf.headId = static_cast<uint8_t>(head >> 6);
  leaf.key = body & 3;
  leaf.value = body >> 2 & 63;
  leaf.bodyId = static_cast<uint8_t>(body >> 8);
  if (opt.valueApart)
    leaf.value = static_cast<uint8_t>(in[unitsPerCell() - 1]);
  if (opt.valueBeside)
    leaf.value = static_cast<uint8_t>(in[0] >> 24);
  return leaf;
}

Leaf leafNow(int cell) {
  uint32_t words[MAX_UNITS] = {};
  for (int u = 0; u < unitsPerCell(); u++)
    words[u] = st.unit[cell][u].now();
  return unpack(words);
}

void storeLeaf(int cell, const Leaf &leaf) {
  uint32_t words[MAX_UNITS] = {};
  pack(leaf, words);
  for (int u = 0; u < unitsPerCell(); u++)
    st.unit[cell][u].store(words[u]);
}

// ---------------------------------------------------------------------------------------------------------
// Rebuild
// ---------------------------------------------------------------------------------------------------------

struct Image {
  Leaf leaf[MAX_CELLS];
  uint8_t w;
};

/** What a rebuild finds for one key: the leaf with the highest seq that is not VOID, and the key's value. */
struct Verdict {
  int decider;
  uint8_t value; // 0 absent
};

bool believed(const Leaf &leaf) {
  if (leaf.headId == 0 || leaf.headId != leaf.bodyId || leaf.tag != LIVE)
    return false;
  return !(opt.wordLayout && opt.markCheck) || leaf.check == (leaf.headId & 63);
}

Verdict decide(const Image &image, int key) {
  int best = -1;
  for (int c = 0; c < opt.cells; c++) {
    const Leaf &leaf = image.leaf[c];
    if (!believed(leaf) || leaf.key != key || leaf.mark == VOID)
      continue;
    if (opt.supIgnored && leaf.mark != NONE)
      continue;
    if (best < 0 || leaf.seq > image.leaf[best].seq)
      best = c;
  }
  if (best < 0)
    return {-1, 0};
  const Leaf &leaf = image.leaf[best];
  bool absent = leaf.mark == DEL || (leaf.mark == SUP && (leaf.m <= image.w || opt.highestDeadIsAbsent));
  return {best, absent ? uint8_t(0) : leaf.value};
}

struct Rebuilt {
  Image image;
  Verdict verdict[MAX_KEYS];
  uint8_t highestSeq, highestM;
};

Rebuilt rebuild(const Image &image) {
  Rebuilt r{};
  r.image = image;
  for (int k = 0; k < opt.keys; k++)
    r.verdict[k] = decide(image, k);
  r.highestM = image.w;
  for (int c = 0; c < opt.cells; c++) {
    Leaf &leaf = r.image.leaf[c];
    if (!believed(leaf)) {
      // Whole but for its tag: the tag of the cell's next life, torn from the rest, would bring it back.
      if (opt.markCheck && !opt.rebuildLeavesFree)
        leaf.mark = VOID;
      continue;
    }
    if (leaf.seq > r.highestSeq)
      r.highestSeq = leaf.seq;
    if (leaf.mark != NONE && leaf.mark != VOID && leaf.m > r.highestM)
      r.highestM = leaf.m;
    bool decider = false;
    bool present = false;
    for (int k = 0; k < opt.keys; k++) {
      if (r.verdict[k].decider == c) {
        decider = true;
        present = r.verdict[k].value != 0;
      }
    }
    if (present) {
      leaf.mark = NONE;
      leaf.m = 0;
    } else if (!decider) {
      leaf.mark = VOID;
      leaf.m = 0;
    } else if (opt.rebuildFrees) {
      leaf.tag = FREE;
    }
  }
  uint8_t number = opt.oneCounter ? std::max(r.highestSeq, r.highestM) : r.highestM;
  if (opt.rebuildStoresW)
    r.image.w = static_cast<uint8_t>(number + (opt.oneCounter ? 1 : 0));
  return r;
}

// ---------------------------------------------------------------------------------------------------------
// Visited states
// ---------------------------------------------------------------------------------------------------------

HashSet visited;
HashSet imagesTried;
uint64_t states = 0;
uint64_t powerFailures = 0;

uint64_t hashUnit(const Unit &unit, bool withSnapshot, uint64_t h) {
  uint64_t head = unit.count;
  for (int i = 0; withSnapshot && i < MAX_MSYNCS; i++)
    head |= uint64_t(unit.snapshot[i]) << (8 * (i + 1));
  h = (h ^ head) * 0xff51afd7ed558ccdull;
  return hashBytes(unit.version, unit.count * sizeof(uint32_t), h);
}

uint64_t hashDisk(bool withSnapshots, uint64_t h) {
  for (int c = 0; c < opt.cells; c++)
    for (int u = 0; u < unitsPerCell(); u++)
      h = hashUnit(st.unit[c][u], withSnapshots, h);
  h = hashUnit(st.w, withSnapshots, h);
  return h;
}

uint64_t hashState() {
  uint64_t h = hashDisk(true, 7);
  return hashBytes(st.history, sizeof(State) - offsetof(State, history), h);
}

// ---------------------------------------------------------------------------------------------------------
// Violations
// ---------------------------------------------------------------------------------------------------------

/** One step of a schedule, described only when it is printed. */
struct Step {
  char what; // letter of the sync, or one of the names below
  uint8_t a, b, c, d;
};
std::vector<Step> trace;
bool violated = false;

const char *const markNames[] = {"none", "SUP", "DEL", "VOID"};
const char *const tagNames[] = {"FREE", "PRIVATE", "LIVE"};
const char *const setSteps[] = {"private leaf written", "locked, checked",
                                "seq = fetch_add(Q)",   "hasOld, leaf finished",
                                "tag = LIVE",           "[C] published",
                                "lastStart read",       "m loaded",
                                "old leaf marked",      "old leaf in limbo, unlocked"};
const char *const removeSteps[] = {"locked, checked", "lastStart read",   "m loaded",
                                   "leaf marked",     "[C] slot cleared", "leaf in limbo, unlocked"};

void printStep(const Step &s) {
  switch (s.what) {
  case 'b':
    if (s.a == SET)
      printf("   begin set key %d = %d in cell %d\n", s.b, s.c, s.d);
    else if (s.a == REMOVE)
      printf("   begin remove key %d\n", s.b);
    else
      printf("   in place key %d = %d\n", s.b, s.c);
    break;
  case 'o':
    printf("     key %d: %s\n", s.b, s.a == SET ? setSteps[s.c] : removeSteps[s.c]);
    break;
  case 'g':
    printf("     key %d: intent and gate %d -> %d\n", s.b, s.c, s.d);
    break;
  case 'N':
    printf("   BACKUP sees no intent: lastStart = MAX, Q number %d\n", s.a);
    break;
  case 'G':
    printf("   BACKUP closes the gate\n");
    break;
  case 'r':
    printf("   writer of key %d dies before state 2; recovery frees its leaf\n", s.b);
    break;
  case 'R':
    printf("   writer of key %d dies; recovery redoes from step \"%s\"\n", s.b,
           s.a == SET ? setSteps[s.c] : removeSteps[s.c]);
    break;
  case 'A':
  case 'T':
    printf("       SYNC%d loads done = %d\n", s.d, s.a);
    break;
  case 'W':
    printf("       SYNC%d W = done = %d (memory)\n", s.d, s.a);
    break;
  case 'M':
    printf("       SYNC%d lastStart = MAX\n", s.d);
    break;
  case 'S':
    printf("       SYNC%d S: old value %d\n", s.d, s.a);
    break;
  case 'Q':
    printf("       SYNC%d G = fetch_add(Q) = %d\n", s.d, s.a);
    break;
  case 'L':
    printf("       SYNC%d lastStart = G = %d\n", s.d, s.a);
    break;
  case 'F':
    printf("       SYNC%d msync begins\n", s.d);
    break;
  case 'D':
    printf("       SYNC%d msync ended, done = %d\n", s.d, s.a);
    break;
  case 'X':
    printf("       SYNC%d Wdisk = %d\n", s.d, s.a);
    break;
  case 'U':
  case 'u':
    printf("       SETTLE W = %d (memory)\n", s.a);
    break;
  case 'V':
    printf("       SETTLE msync of page 0 begins\n");
    break;
  case 'Y':
    printf("       SETTLE msync of page 0 ended, Wdisk = %d\n", s.a);
    break;
  case 'K':
    printf("       SYNCER%d DIES\n", s.d);
    break;
  case 'B':
    printf("   BACKUP S number %d (Q number %d), gate open\n", s.b, s.a);
    break;
  case 'C':
    printf("   BACKUP reads cell %d\n", s.a);
    break;
  case 'E':
    printf("   BACKUP ends\n");
    break;
  case 'P':
    printf("   POWER FAILURE and rebuild\n");
    break;
  }
}

void printImage(const Image &image) {
  for (int c = 0; c < opt.cells; c++) {
    const Leaf &l = image.leaf[c];
    printf("     on disk, cell %d: %s mark %s(%d) seq %d key %d value %d%s\n", c, tagNames[l.tag],
           markNames[l.mark], l.m, l.seq, l.key, l.value,
           l.headId == 0 || l.headId != l.bodyId ? " (checksum wrong)" : "");
  }
  printf("     on disk, W = %d\n", image.w);
}

void violation(const char *what, int key, int value, const Image *image) {
  violated = true;
  printf("VIOLATION (%s): key %d is %d, allowed:", what, key, value);
  for (int i = 0; i < st.history[key].count; i++)
    printf(" %d", st.history[key].value[i]);
  printf("\n");
  if (!opt.breadthFirst)
    for (const Step &s : trace)
      printStep(s);
  if (image)
    printImage(*image);
}

// ---------------------------------------------------------------------------------------------------------
// Power failures
// ---------------------------------------------------------------------------------------------------------

/** The value of the key's operation under way, if a power failure may show it; -1 otherwise. */
int underWay(int key) {
  for (const Operation &op : st.op)
    if (op.active && op.key == key)
      return op.kind == REMOVE ? 0 : op.value;
  return -1;
}

bool allowed(int key, int value) {
  const History &h = st.history[key];
  for (int i = 0; i < h.count; i++)
    if (h.value[i] == value)
      return true;
  return value == underWay(key);
}

/** Calls `visit` with every image the disk may hold; stops when it returns false. */
template <class Visit> void everyImage(Visit visit) {
  int units = unitsPerCell();
  int dimensions = opt.cells * units + 1;
  uint8_t index[MAX_CELLS * MAX_UNITS + 1] = {};
  uint8_t size[MAX_CELLS * MAX_UNITS + 1];
  for (int c = 0; c < opt.cells; c++)
    for (int u = 0; u < units; u++)
      size[c * units + u] = st.unit[c][u].count;
  size[dimensions - 1] = st.w.count;
  State before = st;
  for (;;) {
    Image image{};
    for (int c = 0; c < opt.cells; c++) {
      uint32_t words[MAX_UNITS] = {};
      for (int u = 0; u < units; u++)
        words[u] = before.unit[c][u].version[index[c * units + u]];
      image.leaf[c] = unpack(words);
    }
    image.w = static_cast<uint8_t>(before.w.version[index[dimensions - 1]]);
    if (!visit(image))
      return;
    int i = 0;
    while (i < dimensions && ++index[i] == size[i])
      index[i++] = 0;
    if (i == dimensions)
      return;
  }
}

/** Fails again in the middle of the rebuild of `image`: any subset of what it stores may be on disk. */
bool tryHalfRebuilds(const Image &image) {
  Rebuilt target = rebuild(image);
  int changed[MAX_CELLS + 1];
  int n = 0;
  for (int c = 0; c < opt.cells; c++)
    if (memcmp(&image.leaf[c], &target.image.leaf[c], sizeof(Leaf)) != 0)
      changed[n++] = c;
  if (target.image.w != image.w)
    changed[n++] = MAX_CELLS;
  for (int subset = 1; subset < 1 << n; subset++) {
    Image half = image;
    for (int i = 0; i < n; i++) {
      if (!(subset >> i & 1))
        continue;
      if (changed[i] == MAX_CELLS)
        half.w = target.image.w;
      else
        half.leaf[changed[i]] = target.image.leaf[changed[i]];
    }
    for (int k = 0; k < opt.keys; k++) {
      Verdict again = decide(half, k);
      if (again.value != target.verdict[k].value) {
        violation("second power failure, in the middle of the rebuild", k, again.value, &half);
        return false;
      }
    }
  }
  return true;
}

void powerFailure() {
  uint64_t h = hashDisk(false, 11);
  for (int k = 0; k < opt.keys; k++) {
    h = hashBytes(st.history[k].value, st.history[k].count, h);
    h = (h ^ static_cast<uint64_t>(underWay(k) + 1)) * 0xff51afd7ed558ccdull;
  }
  if (!imagesTried.insert(h))
    return;
  everyImage([](const Image &image) {
    powerFailures++;
    for (int k = 0; k < opt.keys; k++) {
      Verdict v = decide(image, k);
      if (!allowed(k, v.value)) {
        violation("power failure", k, v.value, &image);
        return false;
      }
    }
    return !opt.rebuildTwice || tryHalfRebuilds(image);
  });
}

// ---------------------------------------------------------------------------------------------------------
// Steps
// ---------------------------------------------------------------------------------------------------------

uint8_t markNumber() { return opt.oneCounter ? st.q : st.s; }

/** True if no flush has promised this leaf (nor is one under way that may). */
bool unpromised(int cell) { return leafNow(cell).seq > st.lastStart; }

void markOld(int cell, uint8_t kind, uint8_t m) {
  Leaf leaf = leafNow(cell);
  leaf.mark = kind;
  leaf.m = kind == VOID ? 0 : m;
  storeLeaf(cell, leaf);
}

void toLimbo(const Operation &op) {
  st.where[op.old] = IN_LIMBO;
  st.limboMark[op.old] = op.markKind;
  st.limboM[op.old] = op.m;
}

bool reusable(int cell) {
  if (st.where[cell] == IS_FREE)
    return true;
  if (st.where[cell] != IN_LIMBO || (st.backup && !opt.backupReuses))
    return false;
  if (st.limboMark[cell] == VOID || opt.reuseAtOnce)
    return true;
  if (opt.reuseAnySync)
    return st.done + 1 >= st.limboM[cell] && st.syncs > 0 && !st.sync[0].at;
  return st.limboM[cell] <= (opt.reuseAtDone ? st.done : st.wDisk);
}

/** Steps of a set; `step` is the one to make next. */
void setStep(Operation &op) {
  switch (op.step) {
  case 0: { // no lock: a private leaf
    Leaf leaf = leafNow(op.cell);
    leaf.tag = PRIVATE;
    if (!opt.markCheck)
      leaf.mark = leaf.m = 0;
    leaf.seq = leaf.headId = 0; // no checksum yet
    leaf.key = op.key;
    leaf.value = op.value;
    leaf.bodyId = ++st.ids;
    storeLeaf(op.cell, leaf);
    break;
  }
  case 1: // lock, check
    op.old = st.current[op.key];
    if (opt.hasOldBeforeSeq && op.old >= 0)
      st.hasOld[op.cell] = st.hasOld[op.old] || !unpromised(op.old);
    break;
  case 2:
    op.seq = st.q++;
    break;
  case 3: { // lastStart is loaded after the seq was taken
    Leaf leaf = leafNow(op.cell);
    leaf.seq = op.seq;
    leaf.headId = leaf.bodyId;
    storeLeaf(op.cell, leaf);
    if (!opt.hasOldBeforeSeq) {
      st.hasOld[op.cell] = 0;
      if (op.old >= 0)
        st.hasOld[op.cell] = (!opt.hasOldNotInherited && st.hasOld[op.old]) || !unpromised(op.old);
    }
    if (opt.lastStartBeforeCommit && op.old >= 0)
      op.markKind = unpromised(op.old) ? VOID : SUP;
    if (opt.markBeforeCommitNumber)
      op.m = markNumber();
    break;
  }
  case 4: { // state 2 lies before this step
    Leaf leaf = leafNow(op.cell);
    leaf.tag = LIVE;
    leaf.mark = leaf.m = 0;
    leaf.check = leaf.headId & 63;
    storeLeaf(op.cell, leaf);
    break;
  }
  case 5:
    st.current[op.key] = static_cast<int8_t>(op.cell);
    st.history[op.key].push(op.value);
    if (op.old < 0) {
      op = Operation{};
      return;
    }
    break;
  case 6:
    if (!opt.lastStartBeforeCommit)
      op.markKind = unpromised(op.old) ? VOID : SUP;
    break;
  case 7:
    if (!opt.markBeforeCommitNumber)
      op.m = markNumber();
    break;
  case 8:
    markOld(op.old, op.markKind, op.m);
    break;
  case 9:
    toLimbo(op);
    op = Operation{};
    return;
  }
  op.step++;
  if (op.step == 7 && op.markKind == VOID)
    op.step = 8; // VOID needs no number
}

void removeStep(Operation &op) {
  switch (op.step) {
  case 0:
    op.old = st.current[op.key];
    break;
  case 1:
    op.markKind = unpromised(op.old) && (opt.noHasOld || !st.hasOld[op.old]) ? VOID : DEL;
    if (opt.voidAlways)
      op.markKind = VOID;
    break;
  case 2:
    op.m = markNumber();
    break;
  case 3:
    if (!opt.deleteMarkLate) {
      markOld(op.old, op.markKind, op.m);
      break;
    }
    st.current[op.key] = -1;
    st.history[op.key].push(0);
    break;
  case 4:
    if (opt.deleteMarkLate) {
      markOld(op.old, op.markKind, op.m);
      break;
    }
    st.current[op.key] = -1;
    st.history[op.key].push(0);
    break;
  case 5:
    toLimbo(op);
    op = Operation{};
    return;
  }
  op.step++;
  if (op.step == 2 && op.markKind == VOID)
    op.step = 3;
}

/** Stores a word that only rises, unless a mutation has it stored as it is. */
void raise(uint8_t &word, uint8_t value, bool plain) {
  if (plain || !opt.overlap || word < value)
    word = value;
}

void raiseW(uint8_t value) {
  if (opt.plainW || !opt.overlap || st.w.now() < value)
    st.w.store(value);
}

void syncStep(int i, char letter, Step &step) {
  Syncer &sync = st.sync[i];
  switch (letter) {
  case 'A':
    sync.w = st.done;
    step.a = sync.w;
    break;
  case 'W':
    if (!opt.overlap)
      sync.w = st.done;
    raiseW(sync.w);
    step.a = sync.w;
    break;
  case 'M':
    st.lastStart = EVERYTHING;
    break;
  case 'S': // a flush called before this is satisfied by this sync: what is visible now is promised
    sync.s = st.s++;
    step.a = sync.s;
    for (int k = 0; k < opt.keys; k++)
      st.history[k].begin(i);
    break;
  case 'Q':
    sync.g = st.q++;
    step.a = sync.g;
    if (opt.oneCounter) {
      sync.s = sync.g;
      for (int k = 0; k < opt.keys; k++)
        st.history[k].begin(i);
    }
    break;
  case 'L':
    st.lastStart = sync.g;
    step.a = sync.g;
    break;
  case 'F':
    for (int c = 0; c < opt.cells; c++)
      for (int u = 0; u < unitsPerCell(); u++)
        st.unit[c][u].begin(i);
    st.w.begin(i);
    break;
  case 'D':
  case 'X':
    if (!sync.durable) { // msync has returned: never later than the first store that relies on it
      sync.durable = 1;
      for (int c = 0; c < opt.cells; c++)
        for (int u = 0; u < unitsPerCell(); u++)
          st.unit[c][u].written(i);
      st.w.written(i);
    }
    if (letter == 'D') {
      raise(st.done, sync.s, opt.plainDone);
      for (int k = 0; k < opt.keys; k++)
        st.history[k].promise(i);
      step.a = st.done;
    } else {
      raise(st.wDisk, sync.w, opt.plainWDisk);
      step.a = st.wDisk;
    }
    break;
  }
}

/** W is put on the disk, and nothing else. */
void settleStep(char letter, Step &step) {
  switch (letter) {
  case 'T':
    st.settleW = st.done;
    break;
  case 'U':
  case 'u':
    if (!opt.overlap)
      st.settleW = letter == 'U' ? st.done : static_cast<uint8_t>(st.s - 1);
    raiseW(st.settleW);
    break;
  case 'V':
    st.w.begin(SETTLE);
    break;
  case 'Y':
    st.w.written(SETTLE);
    raise(st.wDisk, st.settleW, opt.plainWDisk);
    break;
  }
  step.a = st.settleW;
}

/** It has ended, or died: nobody waits for its msync any more. */
void endSync(int i) {
  st.sync[i] = Syncer{};
  for (int c = 0; c < opt.cells; c++)
    for (int u = 0; u < unitsPerCell(); u++)
      st.unit[c][u].snapshot[i] = 0;
  st.w.snapshot[i] = 0;
  for (int k = 0; k < opt.keys; k++)
    st.history[k].snapshot[i] = 0;
}

void endSettling() {
  st.settleAt = st.settleW = 0;
  st.w.snapshot[SETTLE] = 0;
}

/** Is the lock of the syncs held? With `overlap` for the start of one, otherwise for all of it, or for W by itself. */
bool syncLocked() {
  for (const Syncer &sync : st.sync)
    if (sync.at > 0 && (!opt.overlap || sync.at <= opt.sync.find('L')))
      return true;
  return st.settleAt > 0 && !opt.overlap;
}

// ---------------------------------------------------------------------------------------------------------
// Successors
// ---------------------------------------------------------------------------------------------------------

bool anyActive() {
  for (const Operation &op : st.op)
    if (op.active)
      return true;
  return false;
}

/** An operation that has announced its intent (step 5); its private leaf may be written before. */
bool anyIntent() {
  for (const Operation &op : st.op)
    if (op.active && op.gate >= (opt.gateBeforeIntent ? 2 : 1))
      return true;
  return false;
}

/** True if the next step of the operation lies behind the gate, which it has not passed. */
bool atGate(const Operation &op) {
  return opt.backups > 0 && op.step == (op.kind == SET ? 1 : 0) && op.gate < 2;
}

/** Step 5 with a backup's gate: announce the intent, then load the gate; closed: withdraw, wait. */
void gateStep(Operation &op) {
  bool loads = (op.gate == 0) == opt.gateBeforeIntent;
  if (loads && st.gateClosed)
    op.gate = 0;
  else
    op.gate++;
}

bool keyBusy(int key) {
  for (const Operation &op : st.op)
    if (op.active && op.key == key)
      return true;
  return false;
}

/** Calls `go(step)` for each successor, with `st` set to it; `st` is restored afterwards. */
template <class Go> void successors(Go go) {
  const State before = st;
  auto take = [&](Step step) {
    go(step);
    st = before;
    return !violated;
  };

  // Operations under way.
  for (int i = 0; i < MAX_KEYS; i++) {
    Operation &op = st.op[i];
    if (!op.active)
      continue;
    uint8_t kind = op.kind, key = op.key, at = op.step;
    if (atGate(op)) {
      if (op.gate == 0 && st.gateClosed)
        continue; // it would only wait
      uint8_t gate = op.gate;
      gateStep(op);
      if (!take({'g', kind, key, gate, op.gate}))
        return;
      continue;
    }
    if (kind == SET)
      setStep(op);
    else
      removeStep(op);
    if (!take({'o', kind, key, at, 0}))
      return;
    if (before.deaths < opt.deaths) {
      st.deaths++;
      if (kind == SET && at <= 4) { // about to make step 4: state 2 may not be reached
        Leaf leaf = leafNow(op.cell);
        leaf.tag = FREE;
        storeLeaf(op.cell, leaf);
        st.where[op.cell] = IS_FREE;
        op = Operation{};
        if (!take({'r', kind, key, 0, 0}))
          return;
      } else if (kind == SET && (at == 7 || at == 8)) {
        // the mark is still NONE: recovery decides its kind and number anew
        op.step = 6;
        if (!take({'R', kind, key, op.step, 0}))
          return;
      } else if (kind == REMOVE && at == 3) {
        op.step = 2; // the kind stands in the redo record
        if (op.markKind == VOID)
          op.step = 3;
        if (op.step != at && !take({'R', kind, key, 2, 0}))
          return;
      }
      st = before;
    }
  }

  // New operations.
  bool free = opt.bothWriters || !anyActive();
  if (free && st.operations < opt.operations) {
    int slot = 0;
    while (st.op[slot].active)
      slot++;
    for (int k = 0; k < opt.keys; k++) {
      if (keyBusy(k))
        continue;
      bool freshTried = false;
      for (int c = 0; c < opt.cells; c++) {
        if (!reusable(c))
          continue;
        bool fresh = st.where[c] == IS_FREE && st.unit[c][0].count == 1 && st.unit[c][0].now() == 0;
        if (fresh && freshTried)
          continue; // cells never used are alike
        freshTried |= fresh;
        Operation &op = st.op[slot];
        op = Operation{};
        op.active = 1;
        op.kind = SET;
        op.key = static_cast<uint8_t>(k);
        op.cell = static_cast<uint8_t>(c);
        op.value = ++st.operations;
        op.old = -1;
        st.where[c] = IN_USE;
        uint8_t value = op.value;
        setStep(op);
        if (!take({'b', SET, static_cast<uint8_t>(k), value, static_cast<uint8_t>(c)}))
          return;
      }
      if (st.current[k] < 0)
        continue;
      {
        Operation &op = st.op[slot];
        op = Operation{};
        op.active = 1;
        op.kind = REMOVE;
        op.key = static_cast<uint8_t>(k);
        st.operations++;
        if (!atGate(op))
          removeStep(op);
        if (!take({'b', REMOVE, static_cast<uint8_t>(k), 0, 0}))
          return;
      }
      if (opt.numbers && !st.backup && !st.gateClosed) {
        uint8_t value = ++st.operations;
        Leaf leaf = leafNow(st.current[k]);
        leaf.value = value;
        storeLeaf(st.current[k], leaf);
        st.history[k].push(value);
        if (!take({'b', NUMBER, static_cast<uint8_t>(k), value, 0}))
          return;
      }
    }
  }

  // The syncs. One that is past its start goes on during a backup.
  for (int i = 0; i < (opt.overlap ? MAX_SYNCS : 1); i++) {
    Syncer &sync = st.sync[i];
    if (sync.at == 0) {
      bool first = i == 0 || st.sync[0].at > 0; // they are alike
      if (!first || st.backup || st.gateClosed || st.syncs >= opt.syncs || (syncLocked() && !opt.plainStart))
        continue;
      st.syncs++;
    } else if (!opt.overlap && (st.backup || st.gateClosed)) {
      continue;
    }
    char letter = opt.sync[sync.at++];
    Step step{letter, 0, 0, 0, static_cast<uint8_t>(i)};
    syncStep(i, letter, step);
    if (sync.at == opt.sync.size())
      endSync(i);
    if (!take(step))
      return;
  }
  for (int i = 0; i < MAX_SYNCS; i++) {
    if (st.sync[i].at == 0 || st.syncDeaths >= opt.syncDeaths)
      continue;
    endSync(i);
    st.syncDeaths++;
    Step death{'K', 0, 0, 0, static_cast<uint8_t>(i)};
    if (opt.overlap) {
      // The lock is free if it was held, and whoever syncs next begins at the first step.
      st.syncs--;
      if (!take(death))
        return;
      continue;
    }
    // the next to take the lock may have another purpose
    if (opt.settles > 0) {
      const State left = st;
      if (!take(death))
        return;
      st = left;
    }
    // whoever takes over starts again at the first step
    st.sync[i].at = 1;
    Step step{opt.sync[0], 0, 0, 0, 0};
    syncStep(i, opt.sync[0], step);
    if (!take(death))
      return;
  }

  // W by itself, under the sync lock as well, unless syncs overlap.
  if ((opt.overlap || (!st.backup && !st.gateClosed && st.sync[0].at == 0)) &&
      (st.settleAt > 0 || (st.settles < opt.settles && !st.backup && !st.gateClosed))) {
    char letter = opt.settle[st.settleAt];
    if (st.settleAt == 0)
      st.settles++;
    st.settleAt++;
    Step step{letter, 0, 0, 0, 0};
    settleStep(letter, step);
    if (st.settleAt == opt.settle.size())
      endSettling();
    if (!take(step))
      return;
  }
  if (st.settleAt > 0 && st.syncDeaths < opt.syncDeaths) {
    endSettling();
    st.syncDeaths++;
    if (!take({'K', 0, 0, 0, 0}))
      return;
  }

  // The backup: close the gate, wait until no intent is active, take the numbers, open the gate.
  if (st.backup == 0 && !st.gateClosed && st.backups < opt.backups && !syncLocked()) {
    st.backups++;
    st.gateClosed = 1;
    if (!take({'G', 0, 0, 0, 0}))
      return;
  } else if (st.gateClosed == 1 && (opt.backupUngated || !anyIntent())) {
    st.gateClosed = 2;
    if (!opt.backupNoMax)
      st.lastStart = EVERYTHING;
    st.backupQ = st.q++;
    for (int k = 0; k < opt.keys; k++)
      st.backupExpected[k] = st.current[k] < 0 ? 0 : leafNow(st.current[k]).value;
    if (!take({'N', st.backupQ, 0, 0, 0}))
      return;
  } else if (st.gateClosed == 2) {
    st.gateClosed = 0;
    st.backup = 1;
    st.backupS = opt.oneCounter ? st.backupQ : st.s++;
    if (opt.backupOneNumber)
      st.backupS = st.backupQ;
    if (!take({'B', st.backupQ, st.backupS, 0, 0}))
      return;
  } else if (st.backup > 0 && st.backup <= opt.cells) {
    int cell = st.backup - 1;
    Leaf leaf = leafNow(cell);
    if (believed(leaf) && leaf.mark != VOID && leaf.seq <= st.backupQ && leaf.seq >= st.backupSeq[leaf.key]) {
      bool dead = leaf.mark == DEL || (leaf.mark == SUP && !opt.backupIgnoresSup);
      st.backupSeq[leaf.key] = leaf.seq;
      st.backupValue[leaf.key] = dead && leaf.m <= st.backupS ? 0 : leaf.value;
    }
    st.backup++;
    if (!take({'C', static_cast<uint8_t>(cell), 0, 0, 0}))
      return;
  } else if (st.backup > opt.cells) {
    for (int k = 0; k < opt.keys; k++) {
      if (st.backupValue[k] != st.backupExpected[k]) {
        violated = true;
        printf("VIOLATION (backup): key %d is %d, was %d when the backup began\n", k, st.backupValue[k],
               st.backupExpected[k]);
        if (!opt.breadthFirst)
          for (const Step &s : trace)
            printStep(s);
        return;
      }
    }
    if (!opt.backupNoMax)
      st.lastStart = st.backupQ;
    st.backup = st.backupQ = st.backupS = 0;
    memset(st.backupExpected, 0, sizeof st.backupExpected);
    memset(st.backupSeq, 0, sizeof st.backupSeq);
    memset(st.backupValue, 0, sizeof st.backupValue);
    if (!take({'E', 0, 0, 0, 0}))
      return;
  }

  // Power failure, rebuild, and on.
  if (opt.continueAfter && st.failures == 0) {
    std::vector<Image> images;
    everyImage([&](const Image &image) {
      images.push_back(image);
      return true;
    });
    for (const Image &image : images) {
      Rebuilt r = rebuild(image);
      State next{};
      next.ids = st.ids;
      next.operations = st.operations;
      next.syncs = st.syncs;
      next.settles = st.settles;
      next.deaths = st.deaths;
      next.syncDeaths = st.syncDeaths;
      next.backups = st.backups;
      next.failures = 1;
      st = next;
      uint8_t highest = std::max(r.highestSeq, opt.oneCounter ? r.highestM : uint8_t(0));
      uint8_t number = opt.oneCounter ? uint8_t(highest + 1) : r.highestM;
      for (int c = 0; c < MAX_CELLS; c++) {
        Leaf leaf = c < opt.cells ? r.image.leaf[c] : Leaf{};
        uint32_t words[MAX_UNITS] = {};
        pack(leaf, words);
        for (int u = 0; u < MAX_UNITS; u++) {
          st.unit[c][u].count = 1;
          st.unit[c][u].version[0] = words[u];
        }
        st.where[c] = IS_FREE; // rebuild's one msync made every decision durable
      }
      for (int k = 0; k < MAX_KEYS; k++) {
        st.current[k] = -1;
        st.history[k].count = 1;
        if (k >= opt.keys)
          continue;
        st.history[k].value[0] = r.verdict[k].value;
        if (r.verdict[k].value != 0) {
          st.current[k] = static_cast<int8_t>(r.verdict[k].decider);
          st.where[st.current[k]] = IN_USE;
        }
      }
      st.w.count = 1;
      st.q = static_cast<uint8_t>(highest + 2);
      st.lastStart = st.q - 1;
      st.s = static_cast<uint8_t>(number + 1);
      st.done = st.wDisk = number;
      st.w.version[0] = number;
      if (opt.rebuildKeepsCounters) {
        st.s = 1;
        st.done = st.wDisk = 0;
        st.w.version[0] = 0;
      }
      if (opt.rebuildLowSeq)
        st.q = 1;
      if (opt.rebuildLowStart)
        st.lastStart = 0;
      if (!take({'P', 0, 0, 0, 0}))
        return;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Search
// ---------------------------------------------------------------------------------------------------------

void depthFirst() {
  if (states >= opt.limit || !visited.insert(hashState()))
    return;
  states++;
  powerFailure();
  if (violated)
    return;
  successors([](const Step &step) {
    trace.push_back(step);
    depthFirst();
    if (!violated)
      trace.pop_back();
  });
}

/** Finds a shortest schedule. */
void breadthFirst() {
  struct Node {
    State state;
    uint32_t parent;
    Step step;
  };
  std::vector<Node> nodes;
  visited.insert(hashState());
  nodes.push_back({st, 0, {}});
  for (size_t i = 0; i < nodes.size() && !violated && i < opt.limit; i++) {
    st = nodes[i].state;
    states++;
    powerFailure();
    if (!violated)
      successors([&](const Step &step) {
        if (visited.insert(hashState()))
          nodes.push_back({st, static_cast<uint32_t>(i), step});
      });
    if (violated) {
      std::vector<Step> steps;
      for (size_t n = i; n != 0; n = nodes[n].parent)
        steps.push_back(nodes[n].step);
      for (size_t n = steps.size(); n-- > 0;)
        printStep(steps[n]);
    }
  }
}

struct Flag {
  const char *name;
  bool Options::*field;
};
const Flag flags[] = {
    {"one", &Options::oneCounter},
    {"both", &Options::bothWriters},
    {"num", &Options::numbers},
    {"rb", &Options::rebuildTwice},
    {"cont", &Options::continueAfter},
    {"layout=words", &Options::wordLayout},
    {"value=apart", &Options::valueApart},
    {"value=beside", &Options::valueBeside},
    {"markcheck", &Options::markCheck},
    {"hasold-before-seq", &Options::hasOldBeforeSeq},
    {"no-hasold", &Options::noHasOld},
    {"hasold-not-inherited", &Options::hasOldNotInherited},
    {"laststart-before-commit", &Options::lastStartBeforeCommit},
    {"m-before-commit", &Options::markBeforeCommitNumber},
    {"delete-mark-late", &Options::deleteMarkLate},
    {"void-always", &Options::voidAlways},
    {"reuse-at-done", &Options::reuseAtDone},
    {"reuse-any-sync", &Options::reuseAnySync},
    {"reuse-at-once", &Options::reuseAtOnce},
    {"dead-is-absent", &Options::highestDeadIsAbsent},
    {"sup-ignored", &Options::supIgnored},
    {"rebuild-frees", &Options::rebuildFrees},
    {"rebuild-leaves-free", &Options::rebuildLeavesFree},
    {"rebuild-stores-w", &Options::rebuildStoresW},
    {"rebuild-keeps-counters", &Options::rebuildKeepsCounters},
    {"rebuild-low-seq", &Options::rebuildLowSeq},
    {"rebuild-low-start", &Options::rebuildLowStart},
    {"backup-one-number", &Options::backupOneNumber},
    {"backup-ignores-sup", &Options::backupIgnoresSup},
    {"backup-no-max", &Options::backupNoMax},
    {"backup-reuses", &Options::backupReuses},
    {"gate-before-intent", &Options::gateBeforeIntent},
    {"backup-ungated", &Options::backupUngated},
    {"overlap", &Options::overlap},
    {"plain-done", &Options::plainDone},
    {"plain-w", &Options::plainW},
    {"plain-wdisk", &Options::plainWDisk},
    {"plain-start", &Options::plainStart},
    {"bfs", &Options::breadthFirst},
};

bool parse(const std::string &word) {
  for (const Flag &flag : flags) {
    if (word == flag.name) {
      opt.*flag.field = true;
      return true;
    }
  }
  auto number = [&](const char *prefix, int &field) {
    size_t n = strlen(prefix);
    if (word.compare(0, n, prefix) != 0 || word.size() == n || !isdigit(word[n]))
      return false;
    field = atoi(word.c_str() + n);
    return true;
  };
  if (word.compare(0, 5, "sync=") == 0) {
    opt.sync = word.substr(5);
    return true;
  }
  if (word.compare(0, 7, "settle=") == 0) {
    opt.settle = word.substr(7);
    return true;
  }
  int limit = 0;
  if (number("limit=", limit)) {
    opt.limit = static_cast<uint64_t>(limit) * 1000000;
    return true;
  }
  return number("c", opt.cells) || number("k", opt.keys) || number("o", opt.operations) ||
         number("s", opt.syncs) || number("deaths=", opt.deaths) || number("syncdeaths=", opt.syncDeaths) ||
         number("backups=", opt.backups) || number("settles=", opt.settles);
}

} // namespace

int main(int argc, char **argv) {
  std::string name;
  for (int i = 1; i < argc; i++) {
    name += std::string(" ") + argv[i];
    if (!parse(argv[i])) {
      fprintf(stderr, "disk: unknown word %s\n", argv[i]);
      return 2;
    }
  }
  if (opt.valueBeside && (opt.wordLayout || opt.valueApart)) {
    fprintf(stderr, "disk: value=beside is for layout=header\n");
    return 2;
  }
  if (opt.oneCounter && opt.sync == "WMSQLFDX")
    opt.sync = "WMQLFDX";
  if (opt.overlap && opt.sync[0] != 'A')
    opt.sync = "A" + opt.sync;
  if (opt.overlap && opt.settle[0] != 'T')
    opt.settle = "T" + opt.settle;
  for (auto &cell : st.unit)
    for (Unit &unit : cell)
      unit.count = 1;
  st.w.count = 1;
  st.q = st.s = 1;
  for (int k = 0; k < MAX_KEYS; k++) {
    st.current[k] = -1;
    st.history[k].count = 1;
  }
  if (opt.breadthFirst)
    breadthFirst();
  else
    depthFirst();
  printf("disk%s: %llu states, %llu power failures, %s\n", name.c_str(),
         static_cast<unsigned long long>(states), static_cast<unsigned long long>(powerFailures),
         violated ? "VIOLATED" : (states >= opt.limit ? "CUT" : "ok"));
  return violated ? 1 : 0;
}

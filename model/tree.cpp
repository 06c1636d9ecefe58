// Exhaustive interleaving of two writers, a reader and up to two recoverers on small trees.
//
// What is modelled
//   Keys of three digits 0-3. Node kinds: small (like Node4/16: digits and children beside a count) and
//   indexed (like Node48: an index byte a digit, a used count), which hold 3 children; direct (like Node256),
//   which holds 4. New nodes are small, or indexed with the flag `indexed`; full ones are copied to direct.
//   The word COUNTS of a node holds the used and the live count. Writers follow the protocol page step by
//   step: descent without locks, intent 1, locks, checks, the stores that the committing store uncovers,
//   intent 2, LIVE, [C], intent 3, live count and key count, load of the epoch, RETIRED, limbo, unlock,
//   intent 0. Every shared access is one step; every order of the steps is tried. With `crash` the first
//   writer may die before any step and is recovered; with `double` the recoverer may die too and another
//   starts again. With `epoch` cells are really reused. In the modes `hint`, `hinttwo`, `hintpairs` a read
//   begins at the leaf that the key had when it was met before, a change at the node which that hung from, as
//   src/rowex/hints.ts does. A new leaf has its writer's slot in its tag until the tree has it; who takes one
//   out locks it, after the nodes. With `inplace` a set of a key that is there locks its leaf, and no node, and
//   stores the value; a replace makes a new leaf. With `leaf-hints` it begins at the leaf that a hint names.
//
// What is checked
//   Linearizability of every result and of the final tree; the shape of the tree, depths and prefixes,
//   counts, locks; no cell leaked, retired twice, or freed while somebody holds it; iteration in order and
//   complete; no deadlock. With `in-tree`, in every state: what is LIVE and held by nobody is in the tree.
//
// How it runs
//   An operation is ordinary code, run again from its beginning for each step: the results of the steps it
//   has made are in its log and are replayed, then one more step is made, then it stops (longjmp) at the
//   next.
//
// Sequential consistency. See README.md for the flags and the results.
#include <algorithm>
#include <cctype>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "search.hpp"

namespace {

// ---------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------

struct Options {
  bool indexed = false; // nodes of up to 3 children are indexed, not small
  bool crash = false;
  bool doubleCrash = false;
  bool epoch = false;
  bool inplace = false;
  bool hint = false;   // searches begin from hints
  bool leafHints = false; // and in-place changes from those of leaves
  bool inTree = false;    // looks at every state whether what is LIVE and unlocked is in the tree
  // Mutations
  bool newNodeUnlocked = false;       // a new node becomes LIVE without its writer's lock
  bool newLeafUnlocked = false;       // and so does a new leaf
  bool oldLeafUnlocked = false;       // who takes a leaf out does not lock it
  bool leafLockFirst = false;         // a replacement locks the leaf before the node
  bool valueBeforeLeaf = false;       // and looks at the old value before it has the leaf
  bool recoveryForgetsLeaf = false;   // recovery at state 1 does not unlock the leaf
  bool leafUnlockAfterNode = false;   // the new leaf is unlocked after the new node
  bool leafUnlockLate = false;        // and after the locked node
  bool recoveredLeafUnlocked = false; // recovery makes a new leaf LIVE without a lock
  bool recoveredLeafLate = false;     // recovery unlocks the new leaf after the nodes
  bool hintLeafLocked = false;        // a reader's hint: the leaf may be locked
  bool hintLeafRetired = false;       // the leaf may be RETIRED
  bool hintNoKey = false;             // the leaf's key is not compared
  bool hintLocked = false;            // a writer's hint: the node may be locked
  bool hintRetired = false;           // the node may be RETIRED
  bool hintNoSlot = false;            // the node is not asked for the leaf
  bool hintNoCheck = false; // a replacement, from a hint or not, does not check the slot under the lock
  bool recoveredUnlocked = false; // recovery makes a new node LIVE without a lock
  bool lookAtSlot = false;        // recovery decides by what the slot holds
  bool liveUnchecked = false;     // recovery makes new cells LIVE whatever their tag is
  bool noRecount = false;         // recovery leaves the live counts alone
  bool keyCountAdded = false;     // recovery adds to the key count instead of storing it
  bool storesAfterTwo = false;    // digit, child and used count stored after state 2
  bool unlockFirst = false;       // unlock before state 3
  bool unlockBeforeCount = false; // live count stored after the unlock
  bool noCountCheck = false;      // live count not checked under the lock
  bool noWitness = false;         // a key goes into the node it was led to, whatever digits were not looked at
  bool noSlotCheck = false;       // split does not check that the slot holds the child
  bool lockParentOnly = false;    // collapse does not lock the node
  bool obsoleteLate = false;      // node unlocked, then made obsolete
  bool numberWithoutLock = false;
  bool unlockBeforeValue = false; // the leaf is unlocked, then the number stored
  bool compareEarly = false; // compareAndDelete compares before the lock
  bool tagEarly = false;     // epoch loaded before [C]
  bool globalOnly = false;   // reuse at "global >= tag + 1", slots not scanned
  bool epochFirst = false;   // recovery clears the dead epoch first
  bool reuseSlot = false;    // a small node's slot is reused for another digit
  uint64_t limit = 30000000; // states a scenario
};
Options opt;

// ---------------------------------------------------------------------------------------------------------
// State
// ---------------------------------------------------------------------------------------------------------

/** Fields of a cell. COUNTS: used | live << 4. INDEX: slot + 1, 0 none. */
enum Field {
  TAG,
  KIND,
  DEPTH,
  COUNTS,
  DIGIT0,
  DIGIT1,
  DIGIT2,
  INDEX0,
  INDEX3 = INDEX0 + 3,
  CHILD0,
  CHILD3 = CHILD0 + 3,
  KEY,
  VALUE,
  FIELDS
};
enum NodeKind : uint8_t { LEAF = 1, SMALL, INDEXED, DIRECT };

/** Tag: state | (slot + 1) << 2. A LIVE cell's slot is its lock holder. */
enum TagState : uint8_t { FREE, PRIVATE, LIVE, RETIRED };
constexpr uint8_t tagOf(TagState state, int slotPlus1) {
  return static_cast<uint8_t>(state | slotPlus1 << 2);
}
constexpr TagState stateOf(int tag) { return static_cast<TagState>(tag & 3); }
constexpr int holderOf(int tag) { return tag >> 2; }

constexpr int POOL = 9;
constexpr int PROCESSES = 5;        // 0, 1 writers; 2 reader, and builder of the first tree; 3, 4 recoverers
constexpr int CELLS = 2 + 3 * POOL; // 0 null, 1 root, then a slab for each of 0, 1, 2; see slabOf
constexpr int LIMBO = 16;
constexpr int LOG = 250;
constexpr int CONFIGS = 96;

struct Intent {
  uint8_t state, parent, node, leaf; // the first of parent, node, leaf is the leaf of a number in place
  uint8_t cell, field, value, fresh[2], oldNode, oldLeaf, position;
  int8_t keys; // the slot's key count after the operation
  uint8_t record[3];
};

/**
 * LOOKUP is a GET that neither uses nor takes a hint. INSERT returns the value that is there already, SET, REPLACE
 * and REMOVE the one that was. REPLACE is a SET that never changes a leaf in place.
 */
enum OpType : uint8_t { NO_OP, GET, SET, REMOVE, INSERT, COMPARE_REMOVE, SCAN, LOOKUP, REPLACE };
struct Operation {
  OpType type;
  uint8_t key, value;
};

enum Wanted : uint8_t { ANYTHING, A_LOCK };
enum Stage : uint8_t { ENTERING, WORKING, RETURNED, LEAVING, ENDED };

struct Process {
  uint8_t operation, stage, crashed, done, active, result, wanted, wantedCell;
  uint8_t own[3]; // private cells, known to the process only
  uint8_t earlyEpoch;
  uint8_t again; // the operation has started again: no hint any more
  int16_t logged;
  uint32_t touched; // cells seen since it entered the epoch
  uint8_t log[LOG];
};

/** What a process remembers of a key: `node` 0 nothing. */
struct Hint {
  uint8_t node, leaf;
};
constexpr int HINTS = 8;

struct State {
  uint8_t cell[CELLS][FIELDS];
  Intent intent[3];
  int8_t keys[3];
  uint8_t limbo[3][LIMBO], limboEpoch[3][LIMBO], head[3], tail[3];
  uint8_t epoch, slotEpoch[3];
  uint8_t crashes, recovered, configs;
  Hint hint[3][HINTS]; // by process and indexOfKey
  Process process[PROCESSES];
  uint64_t config[CONFIGS];
};

State st;
int me;       // the process that makes the step
int replayed; // results taken from its log so far
bool stepped; // it has made its step
jmp_buf escape;
std::string problem;
char note[80];
std::vector<Operation> programs[3];
std::vector<int> keys; // those of the scenario
std::vector<int> mustSee;
int participants;

Process &self() { return st.process[me]; }
int digitOf(int key, int i) { return key >> (2 * (2 - i)) & 3; }
constexpr int CAPACITY = 3; // of small and indexed nodes
int widthOf(int kind, int used) { return kind == DIRECT ? 4 : used; }

[[noreturn]] void bad(const char *what) {
  if (problem.empty())
    problem = what;
  longjmp(escape, 3);
}

// ---------------------------------------------------------------------------------------------------------
// Steps and replay
// ---------------------------------------------------------------------------------------------------------

bool replaying() { return replayed < self().logged; }
int fromLog() { return self().log[replayed++]; }
int logged(int result) {
  if (self().logged >= LOG)
    bad("log overflow");
  self().log[self().logged++] = static_cast<uint8_t>(result);
  replayed++;
  return result;
}

/** Begins a step; stops here if this run has made one already. */
void gate(Wanted wanted = ANYTHING, int cell = 0) {
  if (stepped) {
    self().wanted = wanted;
    self().wantedCell = static_cast<uint8_t>(cell);
    longjmp(escape, 1);
  }
  stepped = true;
}

void touch(int c) {
  if (c >= 2 && stateOf(st.cell[c][TAG]) == FREE)
    bad("access to a free cell");
  self().touched |= 1u << c;
}

/** One visible step: `effect` is run once and its result logged. */
template <class Effect> int step(Effect effect) {
  if (replaying())
    return fromLog();
  gate();
  return logged(effect());
}

/** Part of the step before: an access nobody can tell from it (immutable fields, fields under our lock, our
 * own). */
template <class Effect> int quiet(Effect effect) {
  if (replaying())
    return fromLog();
  return logged(effect());
}

int load(int c, int field) {
  return step([&] {
    touch(c);
    snprintf(note, sizeof note, "load c%d.%d = %d", c, field, st.cell[c][field]);
    return st.cell[c][field];
  });
}
int peek(int c, int field) {
  return quiet([&] {
    touch(c);
    return st.cell[c][field];
  });
}
void store(int c, int field, int value) {
  step([&] {
    touch(c);
    snprintf(note, sizeof note, "store c%d.%d = %d", c, field, value);
    st.cell[c][field] = static_cast<uint8_t>(value);
    return 0;
  });
}
/** A step if anybody looks at leaves' tags without the node's lock: hints, numbers in place, recovery. */
template <class Effect> int tagStep(Effect effect) {
  return opt.hint || opt.crash || opt.inplace ? step(effect) : quiet(effect);
}

/** A store to a cell only we know. */
void write(int c, int field, int value) {
  if (!replaying())
    st.cell[c][field] = static_cast<uint8_t>(value);
}

/** Waits for the lock (the step is enabled only when it will not block). False: the cell is retired. */
bool lock(int c) {
  if (replaying())
    return fromLog();
  gate(A_LOCK, c);
  touch(c);
  uint8_t &tag = st.cell[c][TAG];
  if (stateOf(tag) == RETIRED) {
    snprintf(note, sizeof note, "lock c%d: retired", c);
    return logged(0);
  }
  if (stateOf(tag) != LIVE || holderOf(tag) != 0)
    bad("lock of a cell that is held or not LIVE");
  tag = tagOf(LIVE, me + 1);
  snprintf(note, sizeof note, "lock c%d", c);
  return logged(1);
}

void unlock(int c) {
  step([&] {
    if (st.cell[c][TAG] != tagOf(LIVE, me + 1)) {
      if (opt.oldLeafUnlocked && stateOf(st.cell[c][TAG]) == RETIRED)
        return 0;
      bad("unlock of a lock not held");
    }
    st.cell[c][TAG] = tagOf(LIVE, 0);
    snprintf(note, sizeof note, "unlock c%d", c);
    return 0;
  });
}

void setIntent(int slot, int state) {
  if (!opt.crash)
    return;
  step([&] {
    st.intent[slot].state = static_cast<uint8_t>(state);
    snprintf(note, sizeof note, "intent of %d: state %d", slot, state);
    return 0;
  });
}

int loadEpoch() {
  return step([&] {
    snprintf(note, sizeof note, "load epoch = %d", st.epoch);
    return st.epoch;
  });
}

// ---------------------------------------------------------------------------------------------------------
// Cells
// ---------------------------------------------------------------------------------------------------------

/** With hints the first writer builds the first tree, and the reader needs no cells. */
int slabOf(int slot) { return opt.hint && slot > 0 ? (slot == 1 ? 18 : CELLS) : 2 + slot * POOL; }

void clearCell(int c) { memset(st.cell[c], 0, FIELDS); }

/** A private cell of ours: recorded, then PRIVATE. slots.cpp has those two stores apart. */
int allocate(int i) {
  return quiet([&]() -> int {
    if (self().own[i] == 0) {
      int c = slabOf(me);
      while (c < slabOf(me + 1) && stateOf(st.cell[c][TAG]) != FREE)
        c++;
      if (c == slabOf(me + 1))
        bad("slab full");
      clearCell(c);
      st.intent[me].record[i] = static_cast<uint8_t>(c);
      st.cell[c][TAG] = tagOf(PRIVATE, me + 1);
      self().own[i] = static_cast<uint8_t>(c);
    }
    return self().own[i];
  });
}

void giveBack(int i) {
  if (replaying() || self().own[i] == 0)
    return;
  st.cell[self().own[i]][TAG] = tagOf(FREE, 0);
  self().own[i] = 0;
}
void giveBackAll() {
  for (int i = 0; i < 3; i++)
    giveBack(i);
}

[[noreturn]] void startAgain() {
  for (uint8_t &c : self().own) {
    if (c != 0)
      st.cell[c][TAG] = tagOf(FREE, 0);
    c = 0;
  }
  self().logged = 0;
  self().wanted = ANYTHING;
  self().again = opt.hint;
  longjmp(escape, 1);
}

void makeRetired(int slot, int c) {
  uint8_t &tag = st.cell[c][TAG];
  bool ours = tag == tagOf(LIVE, slot + 1) || tag == tagOf(RETIRED, slot + 1);
  ours |= (opt.lockParentOnly || opt.obsoleteLate) && tag == tagOf(LIVE, 0);
  ours |= opt.oldLeafUnlocked && stateOf(tag) == LIVE;
  if (!ours)
    bad("double retire, or a cell that was not LIVE and locked");
  tag = tagOf(RETIRED, slot + 1);
}

void appendLimbo(int slot, int oldNode, int oldLeaf, int position, int epoch) {
  int t = position;
  for (int c : {oldNode, oldLeaf}) {
    if (c == 0)
      continue;
    if (t >= LIMBO)
      bad("limbo full");
    st.limbo[slot][t] = static_cast<uint8_t>(c);
    st.limboEpoch[slot][t] = static_cast<uint8_t>(epoch);
    t++;
  }
  st.tail[slot] = static_cast<uint8_t>(t);
}

// ---------------------------------------------------------------------------------------------------------
// Reading nodes
// ---------------------------------------------------------------------------------------------------------

bool isLeaf(int c) { return peek(c, KIND) == LEAF; }

/** A reader's findChild: 0 none. */
int findChild(int n, int digit) {
  int kind = peek(n, KIND);
  if (kind == DIRECT)
    return load(n, CHILD0 + digit);
  if (kind == INDEXED) {
    int slot = load(n, INDEX0 + digit);
    return slot == 0 ? 0 : load(n, CHILD0 + slot - 1);
  }
  int used = load(n, COUNTS) & 15;
  for (int i = 0; i < used; i++)
    if ((opt.reuseSlot ? load(n, DIGIT0 + i) : peek(n, DIGIT0 + i)) == digit)
      return load(n, CHILD0 + i);
  return 0;
}

/** The same under the lock. `field`: the child's field, 0 if the digit has none. */
int findLocked(int n, int digit, int &field) {
  int kind = peek(n, KIND);
  field = 0;
  if (kind == DIRECT)
    field = CHILD0 + digit;
  if (kind == INDEXED) {
    int slot = peek(n, INDEX0 + digit);
    field = slot == 0 ? 0 : CHILD0 + slot - 1;
  }
  if (kind == SMALL) {
    int used = peek(n, COUNTS) & 15;
    for (int i = 0; i < used && field == 0; i++)
      if (peek(n, DIGIT0 + i) == digit)
        field = CHILD0 + i;
  }
  return field == 0 ? 0 : peek(n, field);
}

/** Live children with their digits, under the lock. */
std::vector<std::pair<int, int>> childrenLocked(int n) {
  std::vector<std::pair<int, int>> out;
  for (int digit = 0; digit < 4; digit++) {
    int field;
    int c = findLocked(n, digit, field);
    if (c != 0)
      out.push_back({digit, c});
  }
  return out;
}

int path[8];
int pathLength;

/** Path to the key's place; the leaf there, or 0. */
int descend(int key) {
  int n = 1;
  pathLength = 0;
  for (;;) {
    path[pathLength++] = n;
    int c = findChild(n, digitOf(key, peek(n, DEPTH)));
    if (c == 0 || isLeaf(c))
      return c;
    n = c;
    if (pathLength > 6)
      bad("path too long");
  }
}

int indexOfKey(int key);

/** Our hint for the key: node 0, none. It stays as it is until the operation ends. */
Hint hintFor(int key) { return !opt.hint || self().again ? Hint{} : st.hint[me][indexOfKey(key)]; }

/** The tag of `c`, which may be anything: held by us from here on if it is `good`. */
template <class Good> bool hintedTag(const char *what, int c, Good good) {
  return step([&]() -> int {
    const uint8_t *cell = st.cell[c];
    bool ok = good(cell[KIND], stateOf(cell[TAG]), holderOf(cell[TAG]));
    if (ok)
      touch(c); // our epoch must keep it
    snprintf(note, sizeof note, "hint: tag of %s c%d is %d: %s", what, c, cell[TAG], ok ? "good" : "no");
    return ok;
  });
}

/** The hint of a reader, or of a number in place: the key's leaf; 0: search from the root. */
int leafByHint(int key) {
  int leaf = hintFor(key).leaf;
  if (leaf == 0)
    return 0;
  bool good = hintedTag("leaf", leaf, [](int kind, TagState state, int holder) {
    if (state == RETIRED && opt.hintLeafRetired)
      return kind == LEAF;
    return kind == LEAF && state == LIVE && (holder == 0 || opt.hintLeafLocked);
  });
  if (!good || (load(leaf, KEY) != key && !opt.hintNoKey))
    return 0;
  return leaf;
}

/** A writer's hint, the node: the key's leaf in it; 0: search from the root. */
int nodeByHint(int key, int &n) {
  const Hint hint = hintFor(key);
  if (hint.node == 0)
    return 0;
  n = hint.node;
  bool good = hintedTag("node", n, [](int kind, TagState state, int holder) {
    if (state == RETIRED && opt.hintRetired)
      return kind >= SMALL;
    return kind >= SMALL && state == LIVE && (holder == 0 || opt.hintLocked);
  });
  if (!good)
    return 0;
  int leaf = opt.hintNoSlot ? hint.leaf : findChild(n, digitOf(key, peek(n, DEPTH)));
  if (leaf == 0)
    return 0;
  good = hintedTag("leaf", leaf, [](int kind, TagState state, int) {
    return kind == LEAF && (state == LIVE || state == RETIRED);
  });
  if (!good || peek(leaf, KEY) != key)
    return 0;
  return leaf;
}

/** Any leaf below. */
int witness(int n) {
  while (!isLeaf(n)) {
    int c = 0;
    if (peek(n, KIND) == SMALL) {
      int used = load(n, COUNTS) & 15;
      for (int i = 0; i < used && c == 0; i++)
        c = load(n, CHILD0 + i);
    } else { // an indexed node's child may be stored before its index byte: only the index may lead to it
      for (int digit = 0; digit < 4 && c == 0; digit++)
        c = findChild(n, digit);
    }
    if (c == 0)
      startAgain();
    n = c;
  }
  return n;
}

// ---------------------------------------------------------------------------------------------------------
// Building private nodes
// ---------------------------------------------------------------------------------------------------------

int newLeaf(int key, int value) {
  int c = allocate(0);
  write(c, KIND, LEAF);
  write(c, KEY, key);
  write(c, VALUE, value);
  return c;
}

int newNode(int depth, const std::vector<std::pair<int, int>> &children) {
  int c = allocate(1);
  int n = static_cast<int>(children.size());
  int kind = n > CAPACITY ? DIRECT : (opt.indexed ? INDEXED : SMALL);
  write(c, KIND, kind);
  write(c, DEPTH, depth);
  write(c, COUNTS, (kind == DIRECT ? 0 : n) | n << 4);
  for (int i = 0; i < n; i++) {
    int digit = children[i].first;
    if (kind == SMALL)
      write(c, DIGIT0 + i, digit);
    if (kind == INDEXED)
      write(c, INDEX0 + digit, i + 1);
    write(c, CHILD0 + (kind == DIRECT ? digit : i), children[i].second);
  }
  return c;
}

// ---------------------------------------------------------------------------------------------------------
// The common part of every write
// ---------------------------------------------------------------------------------------------------------

/** Step 5. `leaf`: the one that goes. */
void announce(int parent, int node, int leaf) {
  if (!opt.crash)
    return;
  if (!replaying()) {
    Intent &in = st.intent[me];
    in.parent = static_cast<uint8_t>(parent);
    in.node = static_cast<uint8_t>(node);
    in.leaf = static_cast<uint8_t>(leaf);
    in.cell = in.field = in.value = in.fresh[0] = in.fresh[1] = in.oldNode = in.oldLeaf = 0;
  }
  setIntent(me, 1);
}

/** A failed check, or a retired cell: release, state 0, again. */
[[noreturn]] void release(int a = 0, int b = 0, int c = 0) {
  for (int held : {c, b, a})
    if (held != 0)
      unlock(held);
  setIntent(me, 0);
  startAgain();
}

/** The leaf that goes: after the nodes `a` and `b`. Returns what to unlock. */
int lockOldLeaf(int leaf, int a, int b = 0) {
  if (opt.oldLeafUnlocked)
    return 0;
  if (!lock(leaf))
    release(a, b);
  return leaf;
}

/** Its value: nobody changes it while we have its lock. */
int valueOfOld(int leaf) { return opt.oldLeafUnlocked ? load(leaf, VALUE) : peek(leaf, VALUE); }

/** What the committing store changes, and what follows from it. */
struct Commit {
  int locked;             // parent, unlocked at the end
  int cell, field, value; // [C]
  int freshLeaf, freshNode;
  int oldNode, oldLeaf;
  int keys; // +1, 0, -1
  int live; // change of the locked node's live count that is not part of [C]
};

void finish(int result) {
  self().result = static_cast<uint8_t>(result);
  self().stage = RETURNED;
}

/** Steps 8 (end) to 18. `uncovered`: stores that [C] will uncover, if they come too late. */
template <class Uncovered> void commit(const Commit &c, Uncovered uncovered) {
  if (!replaying()) {
    Intent &in = st.intent[me];
    in.cell = static_cast<uint8_t>(c.cell);
    in.field = static_cast<uint8_t>(c.field);
    in.value = static_cast<uint8_t>(c.value);
    in.fresh[0] = static_cast<uint8_t>(c.freshLeaf);
    in.fresh[1] = static_cast<uint8_t>(c.freshNode);
    in.oldNode = static_cast<uint8_t>(c.oldNode);
    in.oldLeaf = static_cast<uint8_t>(c.oldLeaf);
    in.position = st.tail[me];
    in.keys = static_cast<int8_t>(st.keys[me] + c.keys);
    if (!opt.crash)
      in = Intent{};
  }
  int position = quiet([&] { return st.tail[me]; });
  setIntent(me, 2);
  if (opt.storesAfterTwo)
    uncovered();
  if (opt.epoch && opt.tagEarly) {
    int e = loadEpoch();
    if (!replaying())
      self().earlyEpoch = static_cast<uint8_t>(e);
  }
  auto live = [&](int fresh, int holder) {
    st.cell[fresh][TAG] = tagOf(LIVE, holder);
    for (uint8_t &own : self().own)
      if (own == fresh)
        own = 0;
    snprintf(note, sizeof note, "c%d LIVE", fresh);
  };
  const int nodeHolder = !opt.newNodeUnlocked ? me + 1 : 0;
  const int leafHolder = !opt.newLeafUnlocked ? me + 1 : 0;
  auto leafLive = [&] {
    if (c.freshLeaf != 0)
      live(c.freshLeaf, leafHolder);
    return 0;
  };
  auto nodeLive = [&] {
    if (c.freshNode != 0)
      live(c.freshNode, nodeHolder);
    return 0;
  };
  auto bothLive = [&] {
    nodeLive();
    leafLive();
    snprintf(note, sizeof note, "tags LIVE");
    return 0;
  };
  if (opt.hint) { // which may name these cells, from an earlier life
    if (c.freshNode != 0)
      step(nodeLive);
    if (c.freshLeaf != 0)
      step(leafLive);
  } else if (opt.crash) {
    step(bothLive);
  } else {
    quiet(bothLive);
  }
  store(c.cell, c.field, c.value); // [C]
  if (opt.unlockFirst)
    unlock(c.locked);
  else
    setIntent(me, 3);
  auto storeLive = [&] {
    if (c.live == 0)
      return;
    int counts = peek(c.locked, COUNTS);
    store(c.locked, COUNTS, counts + (c.live << 4));
  };
  if (!opt.unlockBeforeCount)
    storeLive();
  if (c.keys != 0) {
    auto count = [&] {
      st.keys[me] = static_cast<int8_t>(st.keys[me] + c.keys);
      snprintf(note, sizeof note, "key count");
      return 0;
    };
    if (opt.crash)
      step(count);
    else
      quiet(count);
  }
  int epoch = 0;
  if (opt.epoch && (c.oldNode != 0 || c.oldLeaf != 0))
    epoch = opt.tagEarly ? quiet([&] { return self().earlyEpoch; }) : loadEpoch();
  if (c.oldNode != 0 && opt.obsoleteLate)
    unlock(c.oldNode);
  for (int old : {c.oldNode, c.oldLeaf}) {
    if (old == 0)
      continue;
    step([&] {
      touch(old);
      makeRetired(me, old);
      snprintf(note, sizeof note, "c%d RETIRED", old);
      return 0;
    });
  }
  if (c.oldNode != 0 || c.oldLeaf != 0) {
    auto append = [&] {
      appendLimbo(me, c.oldNode, c.oldLeaf, position, epoch);
      snprintf(note, sizeof note, "limbo");
      return 0;
    };
    if (opt.crash)
      step(append);
    else
      quiet(append);
  }
  auto unlockLeaf = [&](bool now) { // by a plain store
    if (!now || c.freshLeaf == 0 || opt.newLeafUnlocked)
      return;
    tagStep([&] {
      if (opt.inTree && st.cell[c.freshLeaf][TAG] != tagOf(LIVE, me + 1))
        bad("the new leaf has not its writer's lock any more");
      st.cell[c.freshLeaf][TAG] = tagOf(LIVE, 0);
      snprintf(note, sizeof note, "leaf c%d unlocked", c.freshLeaf);
      return 0;
    });
  };
  unlockLeaf(!opt.leafUnlockAfterNode && !opt.leafUnlockLate);
  if (!opt.newNodeUnlocked && c.freshNode != 0)
    unlock(c.freshNode);
  unlockLeaf(opt.leafUnlockAfterNode);
  if (!opt.unlockFirst)
    unlock(c.locked);
  unlockLeaf(opt.leafUnlockLate);
  if (opt.unlockBeforeCount)
    storeLive();
  setIntent(me, 0);
}
void commit(const Commit &c) {
  commit(c, [] {});
}

// ---------------------------------------------------------------------------------------------------------
// Operations
// ---------------------------------------------------------------------------------------------------------

void opLookup(int key) {
  int c = descend(key);
  if (c == 0 || peek(c, KEY) != key)
    return finish(0);
  finish(load(c, VALUE));
}

/** Is a hint that we take now of any use? */
bool hintsMatter() { return opt.hint && self().operation + 1u < programs[me].size(); }

void opGet(int key) {
  int c = leafByHint(key);
  if (c != 0)
    return finish(load(c, VALUE));
  if (!hintsMatter())
    return opLookup(key);
  c = descend(key);
  if (c == 0 || peek(c, KEY) != key)
    return finish(0);
  int value = load(c, VALUE);
  st.hint[me][indexOfKey(key)] = {static_cast<uint8_t>(path[pathLength - 1]), static_cast<uint8_t>(c)};
  finish(value);
}

int lastKey;
uint64_t seenKeys;

void scanNode(int n) {
  if (isLeaf(n)) {
    int key = peek(n, KEY);
    if (key <= lastKey)
      bad("iteration out of order or twice");
    lastKey = key;
    seenKeys |= 1ull << key;
    return;
  }
  if (peek(n, KIND) != SMALL) {
    for (int digit = 0; digit < 4; digit++) {
      int c = findChild(n, digit);
      if (c != 0)
        scanNode(c);
    }
    return;
  }
  int used = load(n, COUNTS) & 15;
  int digits[3];
  for (int i = 0; i < used; i++)
    digits[i] = opt.reuseSlot ? load(n, DIGIT0 + i) : peek(n, DIGIT0 + i);
  for (int digit = 0; digit < 4; digit++) {
    for (int i = 0; i < used; i++) {
      if (digits[i] != digit)
        continue;
      int c = load(n, CHILD0 + i);
      if (c != 0)
        scanNode(c);
    }
  }
}

void opScan() {
  lastKey = -1;
  seenKeys = 0;
  scanNode(1);
  for (int key : mustSee)
    if (!(seenKeys >> key & 1))
      bad("iteration missed a key that was there throughout");
  finish(0);
}

/** A number in place: nothing is known but the leaf. */
void changeNumber(int leaf, int value) {
  if (opt.numberWithoutLock) {
    int before = load(leaf, VALUE);
    store(leaf, VALUE, value);
    giveBackAll();
    return finish(before);
  }
  announce(leaf, 0, 0);
  if (!lock(leaf))
    release();
  int before = peek(leaf, VALUE);
  giveBackAll();
  if (opt.unlockBeforeValue)
    unlock(leaf);
  store(leaf, VALUE, value);
  if (!opt.unlockBeforeValue)
    unlock(leaf);
  setIntent(me, 0);
  finish(before);
}

/** The key's leaf is `leaf`, in `n`. */
void replaceLeaf(int n, int leaf, int key, int value) {
  int digit = digitOf(key, peek(n, DEPTH));
  int field;
  int fresh = newLeaf(key, value);
  announce(n, 0, leaf);
  if (opt.leafLockFirst && !lock(leaf))
    release();
  if (!lock(n))
    release(opt.leafLockFirst ? leaf : 0);
  int before = opt.valueBeforeLeaf ? load(leaf, VALUE) : 0;
  int locked = opt.leafLockFirst ? leaf : lockOldLeaf(leaf, n);
  if (findLocked(n, digit, field) != leaf && !(opt.hintNoCheck && field != 0))
    release(n, 0, locked);
  if (!opt.valueBeforeLeaf)
    before = valueOfOld(leaf);
  commit({n, n, field, fresh, fresh, 0, 0, leaf, 0, 0});
  finish(before);
}

/** The key leaves the tree's path at digit `d`, above `child`. */
void splitEdge(int key, int value, int d, int witnessKey, int leaf) {
  int i = pathLength - 1;
  while (i >= 0 && peek(path[i], DEPTH) >= d) {
    if (peek(path[i], DEPTH) == d) {
      if (opt.reuseSlot)
        startAgain();
      bad("divergence at a depth on the path");
    }
    i--;
  }
  int parent = path[i];
  int child = i == pathLength - 1 ? leaf : path[i + 1];
  int fresh = newLeaf(key, value);
  int node = newNode(d, {{digitOf(witnessKey, d), child}, {digitOf(key, d), fresh}});
  announce(parent, 0, 0);
  if (!lock(parent))
    release();
  int field;
  int now = findLocked(parent, digitOf(key, peek(parent, DEPTH)), field);
  if (now != child && !(opt.noSlotCheck && now != 0))
    release(parent);
  commit({parent, parent, field, node, fresh, node, 0, 0, 1, 0});
  finish(0);
}

/** `n` is full: a copy with the new leaf. */
void grow(int n, int key, int value) {
  int digit = digitOf(key, peek(n, DEPTH));
  int fresh = newLeaf(key, value);
  int parent = path[pathLength - 2];
  announce(parent, n, 0);
  if (!lock(parent))
    release();
  if (!lock(n))
    release(parent);
  int field;
  if (findLocked(parent, digitOf(key, peek(parent, DEPTH)), field) != n)
    release(parent, n);
  int own;
  findLocked(n, digit, own);
  if ((peek(n, COUNTS) & 15) != CAPACITY || own != 0)
    release(parent, n);
  auto children = childrenLocked(n);
  children.push_back({digit, fresh});
  int copy = newNode(peek(n, DEPTH), children);
  commit({parent, parent, field, copy, fresh, copy, n, 0, 1, 0});
  finish(0);
}

/** The key belongs into `n`. */
void addChild(int n, int key, int value) {
  giveBack(1);
  int fresh = newLeaf(key, value);
  int digit = digitOf(key, peek(n, DEPTH));
  int kind = peek(n, KIND);
  int field;
  if (kind == DIRECT) {
    announce(n, 0, 0);
    if (!lock(n))
      release();
    if (findLocked(n, digit, field) != 0)
      release(n);
    commit({n, n, field, fresh, fresh, 0, 0, 0, 1, 1});
    return finish(0);
  }
  int used = load(n, COUNTS) & 15;
  int own = -1; // the digit's own empty slot
  if (kind == INDEXED) {
    own = load(n, INDEX0 + digit) - 1;
  } else {
    for (int i = 0; i < used; i++)
      if (peek(n, DIGIT0 + i) == digit)
        own = i;
    if (opt.reuseSlot && own < 0)
      for (int i = 0; i < used; i++)
        if (load(n, CHILD0 + i) == 0)
          own = i;
  }
  if (own >= 0) {
    announce(n, 0, 0);
    if (!lock(n))
      release();
    if (findLocked(n, digit, field) != 0 || peek(n, CHILD0 + own) != 0)
      release(n);
    if (opt.reuseSlot && kind == SMALL)
      store(n, DIGIT0 + own, digit);
    commit({n, n, CHILD0 + own, fresh, fresh, 0, 0, 0, 1, 1});
    return finish(0);
  }
  if (used == CAPACITY)
    return grow(n, key, value);
  announce(n, 0, 0);
  if (!lock(n))
    release();
  findLocked(n, digit, field);
  int counts = peek(n, COUNTS);
  if (field != 0 || (counts & 15) != used)
    release(n);
  auto uncovered = [&] { // unseen by readers until [C]
    if (kind == SMALL)
      store(n, DIGIT0 + used, digit);
    store(n, CHILD0 + used, fresh);
    if (kind == INDEXED)
      store(n, COUNTS, counts + 1);
  };
  if (!opt.storesAfterTwo)
    uncovered();
  if (kind == SMALL)
    commit({n, n, COUNTS, counts + 1 + 16, fresh, 0, 0, 0, 1, 0}, uncovered);
  else
    commit({n, n, INDEX0 + digit, used + 1, fresh, 0, 0, 0, 1, 1}, uncovered);
  finish(0);
}

/** `type`: SET, REPLACE, INSERT. */
void opSet(int key, int value, OpType type) {
  const bool insertOnly = type == INSERT;
  const bool inPlace = opt.inplace && type == SET;
  int n = 0;
  int c = 0;
  if (inPlace && opt.leafHints) {
    c = leafByHint(key);
    if (c != 0)
      return changeNumber(c, value);
  } else {
    c = nodeByHint(key, n);
  }
  if (c == 0) {
    c = descend(key);
    n = path[pathLength - 1];
  }
  if (c != 0 && peek(c, KEY) == key) {
    if (insertOnly) {
      giveBackAll();
      return finish(load(c, VALUE));
    }
    if (inPlace)
      return changeNumber(c, value);
    return replaceLeaf(n, c, key, value);
  }
  // Where each node of the path branches on the digit after the one before it, all digits down to n were looked at.
  const bool seen = c == 0 && (opt.noWitness || peek(n, DEPTH) == pathLength - 1);
  if (!seen) {
    int witnessKey = peek(c != 0 ? c : witness(n), KEY);
    if (witnessKey == key)
      startAgain();
    int d = 0;
    while (digitOf(key, d) == digitOf(witnessKey, d))
      d++;
    if (c != 0 || d != peek(n, DEPTH))
      return splitEdge(key, value, d, witnessKey, c);
  }
  addChild(n, key, value);
}

/** `expected`: compareAndDelete; 8 is the result of a comparison that failed. */
void opRemove(int key, int expected) {
  int leaf = descend(key);
  if (leaf == 0 || peek(leaf, KEY) != key)
    return finish(0);
  int n = path[pathLength - 1];
  if (expected != 0 && opt.compareEarly && load(leaf, VALUE) != expected)
    return finish(8);
  int digit = digitOf(key, peek(n, DEPTH));
  bool collapse = false;
  bool shrink = false;
  if (n != 1) { // the stored live count: only advice until the lock
    int live = load(n, COUNTS) >> 4;
    collapse = live <= 2;
    shrink = live == 3 && peek(n, KIND) == DIRECT;
  }
  int field;
  if (!collapse && !shrink) {
    announce(n, 0, leaf);
    if (!lock(n))
      release();
    const int locked = lockOldLeaf(leaf, n);
    if (findLocked(n, digit, field) != leaf || (n != 1 && !opt.noCountCheck && peek(n, COUNTS) >> 4 <= 2))
      release(n, 0, locked);
    int value = valueOfOld(leaf);
    if (expected != 0 && !opt.compareEarly && value != expected) {
      if (locked != 0)
        unlock(locked);
      unlock(n);
      setIntent(me, 0);
      return finish(8);
    }
    commit({n, n, field, 0, 0, 0, 0, leaf, -1, -1});
    return finish(expected != 0 ? expected : value);
  }
  int parent = path[pathLength - 2];
  announce(parent, n, leaf);
  if (!lock(parent))
    release();
  if (!opt.lockParentOnly && !lock(n))
    release(parent);
  int locked = opt.lockParentOnly ? 0 : n;
  const int lockedLeaf = lockOldLeaf(leaf, parent, locked);
  if (findLocked(parent, digitOf(key, peek(parent, DEPTH)), field) != n)
    release(parent, locked, lockedLeaf);
  int own;
  int live = peek(n, COUNTS) >> 4;
  if (findLocked(n, digit, own) != leaf || (collapse && live != 2 && !opt.noCountCheck) ||
      (shrink && live != 3))
    release(parent, locked, lockedLeaf);
  int value = valueOfOld(leaf);
  if (expected != 0 && !opt.compareEarly && value != expected) {
    for (int held : {lockedLeaf, locked, parent})
      if (held != 0)
        unlock(held);
    setIntent(me, 0);
    return finish(8);
  }
  std::vector<std::pair<int, int>> rest;
  for (const auto &child : childrenLocked(n))
    if (child.second != leaf)
      rest.push_back(child);
  int replacement;
  if (collapse)
    replacement = rest.empty() ? 0 : rest.back().second;
  else
    replacement = newNode(peek(n, DEPTH), rest);
  commit({parent, parent, field, replacement, 0, collapse ? 0 : replacement, n, leaf, -1, 0});
  finish(expected != 0 ? expected : value);
}

// ---------------------------------------------------------------------------------------------------------
// Recovery of writer 0
// ---------------------------------------------------------------------------------------------------------

constexpr int DEAD = 0;

/** Loads and stores like src/recovery: only the order of the unlocks keeps others from storing in between. */
void recoverUnlock(int c) {
  if (c == 0)
    return;
  bool held = step([&]() -> int {
    if (stateOf(st.cell[c][TAG]) == FREE)
      bad("recovery touches a free cell");
    bool ours = st.cell[c][TAG] == tagOf(LIVE, DEAD + 1);
    snprintf(note, sizeof note, "c%d is %s", c, ours ? "held by the dead" : "not held by the dead");
    return ours;
  });
  if (!held)
    return;
  step([&] {
    if (opt.inTree && st.cell[c][TAG] != tagOf(LIVE, DEAD + 1))
      bad("recovery unlocks what the dead does not hold any more");
    st.cell[c][TAG] = tagOf(LIVE, 0);
    snprintf(note, sizeof note, "unlock c%d", c);
    return 0;
  });
}

void recoverClearEpoch() {
  if (!opt.epoch)
    return;
  step([&] {
    st.slotEpoch[DEAD] = 0;
    st.process[DEAD].active = 0;
    snprintf(note, sizeof note, "epoch of the dead = 0");
    return 0;
  });
}

/** A tag leaves PRIVATE once, by the dead writer or by its recoverer; then others may lock or retire the
 * cell. */
void recoverLive(const Intent &in) {
  auto live = [&](int c) {
    if (c == 0)
      return;
    uint8_t &tag = st.cell[c][TAG];
    if (tag == tagOf(PRIVATE, DEAD + 1)) {
      bool locked = c == in.fresh[1] ? !opt.newNodeUnlocked && !opt.recoveredUnlocked
                                     : !opt.newLeafUnlocked && !opt.recoveredLeafUnlocked;
      tag = tagOf(LIVE, locked ? DEAD + 1 : 0);
    } else if (opt.liveUnchecked) {
      if (stateOf(tag) == RETIRED || stateOf(tag) == FREE)
        bad("a retired or free cell became LIVE again");
      if (holderOf(tag) != 0)
        bad("recovery took away another's lock");
    }
  };
  if (opt.hint) {
    for (int c : {in.fresh[1], in.fresh[0]}) {
      step([&] {
        live(c);
        snprintf(note, sizeof note, "c%d LIVE", c);
        return 0;
      });
    }
    return;
  }
  step([&] {
    live(in.fresh[0]);
    live(in.fresh[1]);
    snprintf(note, sizeof note, "tags LIVE");
    return 0;
  });
}

void recoverRecount(int c) {
  if (c == 0 || opt.noRecount)
    return;
  step([&] {
    snprintf(note, sizeof note, "recount c%d", c);
    if (st.cell[c][TAG] != tagOf(LIVE, DEAD + 1))
      return 0;
    uint8_t *cell = st.cell[c];
    int used = cell[COUNTS] & 15;
    int live = 0;
    for (int i = 0; i < widthOf(cell[KIND], used); i++) {
      bool counted = cell[CHILD0 + i] != 0;
      if (cell[KIND] == INDEXED) { // a used slot whose index byte was not stored is nobody's
        counted = false;
        for (int d = 0; d < 4; d++)
          counted |= cell[INDEX0 + d] == i + 1 && cell[CHILD0 + i] != 0;
      }
      live += counted;
    }
    cell[COUNTS] = static_cast<uint8_t>(used | live << 4);
    return 0;
  });
}

void opRecover() {
  if (opt.epochFirst)
    recoverClearEpoch();
  int state = step([&] {
    snprintf(note, sizeof note, "intent state %d", st.intent[DEAD].state);
    return st.intent[DEAD].state;
  });
  const Intent in = st.intent[DEAD]; // of a dead writer: only its state changes now, and only by us
  bool redo = state >= 2;
  if (opt.lookAtSlot && state != 0) {
    int now = in.field != 0 ? load(in.cell, in.field) : -1;
    redo = in.field != 0 && now == in.value;
  } else if (state == 2) {
    recoverLive(in);
  }
  if (state == 2 && !opt.lookAtSlot) {
    store(in.cell, in.field, in.value);
    setIntent(DEAD, 3);
  }
  if (redo) {
    step([&] {
      st.keys[DEAD] = static_cast<int8_t>(opt.keyCountAdded ? st.keys[DEAD] + in.keys : in.keys);
      snprintf(note, sizeof note, "key count");
      return 0;
    });
    recoverRecount(in.parent);
    int epoch = opt.epoch && (in.oldNode != 0 || in.oldLeaf != 0) ? loadEpoch() : 0;
    for (int old : {in.oldNode, in.oldLeaf}) {
      if (old == 0)
        continue;
      step([&] {
        snprintf(note, sizeof note, "c%d RETIRED", old);
        if (stateOf(st.cell[old][TAG]) == FREE)
          bad("recovery touches a free cell");
        bool node = old == in.oldNode;
        if (!node || st.cell[old][TAG] == tagOf(LIVE, DEAD + 1))
          makeRetired(DEAD, old);
        return 0;
      });
    }
    if (in.oldNode != 0 || in.oldLeaf != 0) {
      step([&] {
        appendLimbo(DEAD, in.oldNode, in.oldLeaf, in.position, epoch);
        snprintf(note, sizeof note, "limbo");
        return 0;
      });
    }
  } else if (state != 0) {
    if (!opt.recoveryForgetsLeaf)
      recoverUnlock(in.leaf);
    recoverUnlock(in.node);
  }
  const bool leafLocked = redo && !opt.newLeafUnlocked;
  if (leafLocked && !opt.recoveredLeafLate)
    recoverUnlock(in.fresh[0]);
  if (redo && !opt.newNodeUnlocked)
    recoverUnlock(in.fresh[1]);
  if (state != 0)
    recoverUnlock(in.parent);
  if (leafLocked && opt.recoveredLeafLate)
    recoverUnlock(in.fresh[0]);
  step([&] {
    for (int c : st.intent[DEAD].record)
      if (c != 0 && st.cell[c][TAG] == tagOf(PRIVATE, DEAD + 1))
        st.cell[c][TAG] = tagOf(FREE, 0);
    snprintf(note, sizeof note, "private cells FREE");
    return 0;
  });
  setIntent(DEAD, 0);
  recoverClearEpoch();
  finish(0);
}

// ---------------------------------------------------------------------------------------------------------
// Epochs
// ---------------------------------------------------------------------------------------------------------

void enterEpoch() {
  int e = loadEpoch();
  step([&] {
    st.slotEpoch[me] = static_cast<uint8_t>(e);
    self().active = 1;
    self().touched = 0;
    snprintf(note, sizeof note, "enter epoch %d", e);
    return 0;
  });
}

void leaveEpoch() {
  step([&] {
    st.slotEpoch[me] = 0;
    self().active = 0;
    self().touched = 0;
    snprintf(note, sizeof note, "leave the epoch");
    return 0;
  });
}

void reclaim() {
  int head = quiet([&] { return st.head[me]; });
  int tail = quiet([&] { return st.tail[me]; });
  if (head == tail)
    return;
  int oldest = quiet([&] { return st.limboEpoch[me][head]; });
  int now = step([&] {
    int e = st.epoch;
    if (oldest == e)
      st.epoch++;
    snprintf(note, sizeof note, "advance the epoch from %d", e);
    return e;
  });
  int limit = 255;
  bool allThere = true;
  for (int q = 0; q < 3; q++) {
    int e = step([&] {
      snprintf(note, sizeof note, "scan slot %d = %d", q, st.slotEpoch[q]);
      return st.slotEpoch[q];
    });
    if (e != 0 && e < limit)
      limit = e;
    if (e != 0 && e != now)
      allThere = false;
  }
  if (opt.globalOnly) {
    if (!allThere)
      return;
    limit = now + 1;
  }
  for (int i = head; i < tail; i++) {
    int e = quiet([&] { return st.limboEpoch[me][i]; });
    int c = quiet([&] { return st.limbo[me][i]; });
    if (e >= limit)
      return;
    step([&] {
      if (st.cell[c][TAG] != tagOf(RETIRED, me + 1))
        bad("free of a cell that is not RETIRED by this slot");
      for (int q = 0; q < 3; q++)
        if (q != me && st.process[q].active && (st.process[q].touched >> c & 1))
          bad("use after free: somebody active holds the freed cell");
      st.cell[c][TAG] = tagOf(FREE, 0);
      st.head[me] = static_cast<uint8_t>(i + 1);
      snprintf(note, sizeof note, "free c%d", c);
      return 0;
    });
  }
}

// ---------------------------------------------------------------------------------------------------------
// Linearizability: every configuration is a map (4 bits a key) and, per process, 8 bits: 0 idle, 1 invoked,
// 2 | result << 2 linearized
// ---------------------------------------------------------------------------------------------------------

int indexOfKey(int key) {
  for (size_t i = 0; i < keys.size(); i++)
    if (keys[i] == key)
      return static_cast<int>(i);
  abort();
}

uint64_t linearize(uint64_t config, int p, const Operation &op) {
  int shift = indexOfKey(op.key) * 4;
  int now = config >> shift & 15;
  int result = 0;
  uint64_t without = config & ~(15ull << shift);
  switch (op.type) {
  case GET:
  case LOOKUP:
    result = now;
    break;
  case SET:
  case REPLACE:
    result = now;
    config = without | static_cast<uint64_t>(op.value) << shift;
    break;
  case INSERT:
    result = now;
    if (now == 0)
      config = without | static_cast<uint64_t>(op.value) << shift;
    break;
  case REMOVE:
    result = now;
    config = without;
    break;
  case COMPARE_REMOVE:
    result = now == op.value ? now : (now != 0 ? 8 : 0);
    if (now == op.value)
      config = without;
    break;
  default:
    break;
  }
  int at = 32 + 8 * p;
  return (config & ~(0xffull << at)) | static_cast<uint64_t>(2 | result << 2) << at;
}

void storeConfigs(std::vector<uint64_t> &configs) {
  std::sort(configs.begin(), configs.end());
  configs.erase(std::unique(configs.begin(), configs.end()), configs.end());
  if (configs.size() > CONFIGS) {
    problem = "too many configurations";
    return;
  }
  st.configs = static_cast<uint8_t>(configs.size());
  std::fill(st.config, st.config + CONFIGS, 0);
  std::copy(configs.begin(), configs.end(), st.config);
}

void invoke(int p) {
  std::vector<uint64_t> configs(st.config, st.config + st.configs);
  for (uint64_t &c : configs)
    c = (c & ~(0xffull << (32 + 8 * p))) | 1ull << (32 + 8 * p);
  for (size_t i = 0; i < configs.size(); i++) {
    for (int q = 0; q < 3; q++) {
      if ((configs[i] >> (32 + 8 * q) & 3) != 1)
        continue;
      uint64_t c = linearize(configs[i], q, programs[q][st.process[q].operation]);
      if (std::find(configs.begin(), configs.end(), c) == configs.end())
        configs.push_back(c);
    }
  }
  storeConfigs(configs);
}

bool respond(int p, int result) {
  std::vector<uint64_t> configs;
  int at = 32 + 8 * p;
  for (int i = 0; i < st.configs; i++)
    if ((st.config[i] >> at & 0xff) == static_cast<uint64_t>(2 | result << 2))
      configs.push_back(st.config[i] & ~(0xffull << at));
  storeConfigs(configs);
  return !configs.empty();
}

/** The operation of a dead writer took place or not: both may be. */
void settle(int p) {
  std::vector<uint64_t> configs(st.config, st.config + st.configs);
  for (uint64_t &c : configs)
    c &= ~(0xffull << (32 + 8 * p));
  storeConfigs(configs);
}

// ---------------------------------------------------------------------------------------------------------
// Running a step
// ---------------------------------------------------------------------------------------------------------

bool isRecoverer(int p) { return p >= 3; }

void body() {
  replayed = 0;
  stepped = false;
  if (isRecoverer(me)) {
    opRecover();
    return;
  }
  Process &p = self();
  Operation op = programs[me][p.operation];
  if (p.stage == ENTERING) {
    if (opt.epoch) {
      enterEpoch();
      p.stage = WORKING;
      p.logged = 0;
      p.wanted = ANYTHING;
      longjmp(escape, 1);
    }
    p.stage = WORKING;
  }
  if (p.stage == WORKING) {
    switch (op.type) {
    case GET:
      return opGet(op.key);
    case LOOKUP:
      return opLookup(op.key);
    case SCAN:
      return opScan();
    case SET:
    case REPLACE:
    case INSERT:
      return opSet(op.key, op.value, op.type);
    case REMOVE:
      return opRemove(op.key, 0);
    case COMPARE_REMOVE:
      return opRemove(op.key, op.value);
    default:
      return;
    }
  }
  if (p.stage == LEAVING) {
    leaveEpoch();
    if (op.type != GET && op.type != LOOKUP && op.type != SCAN)
      reclaim();
    p.stage = ENDED;
  }
}

void nextOperation() {
  Process &p = self();
  p.operation++;
  p.again = 0;
  p.stage = ENTERING;
  p.logged = 0;
  p.wanted = ANYTHING;
  p.touched = 0;
  memset(p.log, 0, LOG);
  for (uint8_t c : p.own)
    if (c != 0)
      problem = "private cell kept after an operation";
  if (p.operation >= programs[me].size())
    p.done = 1;
}

bool makeStep(int p) {
  me = p;
  note[0] = 0;
  Process &proc = self();
  if (!isRecoverer(p) && proc.stage == ENTERING && proc.logged == 0 && !proc.active)
    invoke(p);
  int how = setjmp(escape);
  if (how == 0) {
    body();
    how = 2;
  }
  if (!problem.empty())
    return false;
  if (how == 1)
    return true;
  if (isRecoverer(p)) {
    st.process[p].done = 1;
    st.recovered = 1;
    st.process[DEAD].done = 1;
    st.process[DEAD].active = 0;
    settle(DEAD);
    return problem.empty();
  }
  if (self().stage == RETURNED) {
    if (!respond(p, self().result)) {
      char text[100];
      snprintf(text, sizeof text, "not linearizable: process %d, key %d returned %d", p,
               programs[p][self().operation].key, self().result);
      problem = text;
      return false;
    }
    if (opt.epoch) {
      self().stage = LEAVING;
      self().logged = 0;
      self().wanted = ANYTHING;
    } else {
      nextOperation();
    }
  } else if (self().stage == ENDED) {
    nextOperation();
  }
  return problem.empty();
}

bool enabled(int p) {
  const Process &proc = st.process[p];
  if (proc.done || proc.crashed)
    return false;
  if (isRecoverer(p)) {
    if (!opt.crash || !st.process[DEAD].crashed || st.recovered)
      return false;
    if (p == 4 && !st.process[3].crashed)
      return false;
  } else if (p >= participants) {
    return false;
  }
  if (proc.wanted == A_LOCK) {
    int tag = st.cell[proc.wantedCell][TAG];
    return stateOf(tag) != LIVE || holderOf(tag) == 0;
  }
  return true;
}

// ---------------------------------------------------------------------------------------------------------
// The final state
// ---------------------------------------------------------------------------------------------------------

int valueOf[64];

void walk(int n, int depthAbove, std::vector<int> &seen, std::vector<int> &below) {
  if (std::find(seen.begin(), seen.end(), n) != seen.end()) {
    problem = "cell reached twice";
    return;
  }
  seen.push_back(n);
  const uint8_t *cell = st.cell[n];
  if (stateOf(cell[TAG]) != LIVE) {
    problem = "a cell in the tree is not LIVE";
    return;
  }
  if (holderOf(cell[TAG]) != 0) {
    problem = "a cell in the tree is left locked";
    return;
  }
  if (cell[KIND] == LEAF) {
    valueOf[cell[KEY]] = cell[VALUE];
    below.push_back(cell[KEY]);
    return;
  }
  if (n != 1 && cell[DEPTH] <= depthAbove) {
    problem = "depth does not grow";
    return;
  }
  int live = 0;
  std::vector<int> all;
  for (int digit = 0; digit < 4; digit++) {
    int c = 0;
    if (cell[KIND] == DIRECT)
      c = cell[CHILD0 + digit];
    if (cell[KIND] == INDEXED && cell[INDEX0 + digit] != 0)
      c = cell[CHILD0 + cell[INDEX0 + digit] - 1];
    if (cell[KIND] == SMALL)
      for (int i = 0; i < (cell[COUNTS] & 15); i++)
        if (cell[DIGIT0 + i] == digit && cell[CHILD0 + i] != 0)
          c = cell[CHILD0 + i];
    if (c == 0)
      continue;
    live++;
    std::vector<int> leaves;
    walk(c, cell[DEPTH], seen, leaves);
    if (!problem.empty())
      return;
    for (int key : leaves) {
      if (digitOf(key, cell[DEPTH]) != digit)
        problem = "leaf under a wrong digit";
      all.push_back(key);
    }
  }
  for (int key : all)
    for (int d = 0; d < cell[DEPTH]; d++)
      if (digitOf(key, d) != digitOf(all[0], d))
        problem = "leaves of a node differ above its depth";
  if (n != 1 && live < 2)
    problem = "node with fewer than two children";
  if (live != cell[COUNTS] >> 4)
    problem = "stored live count is wrong";
  below.insert(below.end(), all.begin(), all.end());
}

void checkEnd() {
  memset(valueOf, 0, sizeof valueOf);
  std::vector<int> seen, leaves;
  walk(1, -1, seen, leaves);
  if (!problem.empty())
    return;
  uint64_t map = 0;
  for (size_t i = 0; i < keys.size(); i++)
    map |= static_cast<uint64_t>(valueOf[keys[i]]) << (4 * i);
  bool explained = false;
  for (int i = 0; i < st.configs; i++)
    explained |= (st.config[i] & 0xffffffffull) == map;
  if (!explained) {
    problem = "the final tree is not the result of any order of the operations";
    return;
  }
  if (st.keys[0] + st.keys[1] + st.keys[2] != static_cast<int>(leaves.size())) {
    problem = "key count is wrong";
    return;
  }
  for (int c = 2; c < CELLS; c++) {
    TagState state = stateOf(st.cell[c][TAG]);
    if (state == PRIVATE)
      problem = "leak: private cell";
    if (state == LIVE && std::find(seen.begin(), seen.end(), c) == seen.end())
      problem = "leak: LIVE cell not in the tree";
    if (state != RETIRED)
      continue;
    int entries = 0;
    for (int q = 0; q < 2; q++)
      for (int i = st.head[q]; i < st.tail[q]; i++)
        entries += st.limbo[q][i] == c;
    if (entries != 1)
      problem = entries == 0 ? "leak: RETIRED cell in no limbo" : "cell twice in limbo";
  }
}

// ---------------------------------------------------------------------------------------------------------
// Search
// ---------------------------------------------------------------------------------------------------------

/** What hints rely on. */
void checkInTree() {
  uint32_t found = 0;
  int open[CELLS];
  int count = 0;
  auto reach = [&](int c) {
    if (c != 0 && !(found >> c & 1)) {
      found |= 1u << c;
      open[count++] = c;
    }
  };
  reach(1);
  for (int i = 0; i < count; i++) {
    const uint8_t *cell = st.cell[open[i]];
    if (cell[KIND] == LEAF)
      continue;
    if (cell[KIND] == INDEXED) {
      for (int digit = 0; digit < 4; digit++)
        if (cell[INDEX0 + digit] != 0)
          reach(cell[CHILD0 + cell[INDEX0 + digit] - 1]);
    } else {
      for (int j = 0; j < widthOf(cell[KIND], cell[COUNTS] & 15); j++)
        reach(cell[CHILD0 + j]);
    }
  }
  for (int c = 2; c < CELLS; c++)
    if (st.cell[c][TAG] == tagOf(LIVE, 0) && !(found >> c & 1))
      problem = st.cell[c][KIND] == LEAF ? "a leaf that is LIVE and unlocked is not in the tree"
                                         : "a node that is LIVE and unlocked is not in the tree";
}

HashSet visited;
uint64_t statesHere, statesTotal, endsTotal;
std::vector<std::pair<int, std::string>> trace;

uint64_t hashState() {
  uint64_t h = hashBytes(&st, offsetof(State, process), 7);
  for (const Process &p : st.process) {
    h = hashBytes(&p, offsetof(Process, log), h);
    h = hashBytes(p.log, p.logged, h);
  }
  return hashBytes(st.config, sizeof(uint64_t) * st.configs, h);
}

bool search() {
  if (!visited.insert(hashState()))
    return true;
  statesTotal++;
  if (++statesHere > opt.limit)
    return true;
  if (opt.inTree) {
    checkInTree();
    if (!problem.empty())
      return false;
  }
  const State before = st;
  bool any = false;
  auto follow = [&](int who, const char *what) {
    any = true;
    trace.push_back({who, what});
    if (!search())
      return false;
    trace.pop_back();
    st = before;
    return true;
  };
  for (int p = 0; p < PROCESSES; p++) {
    if (!enabled(p))
      continue;
    any = true;
    if (!makeStep(p)) {
      trace.push_back({p, note});
      return false;
    }
    if (!follow(p, note))
      return false;
  }
  if (opt.crash) {
    Process &writer = st.process[DEAD];
    if (!writer.crashed && !writer.done && writer.stage == WORKING && writer.logged > 0 && st.crashes == 0) {
      writer.crashed = 1;
      writer.wanted = ANYTHING;
      st.crashes = 1;
      if (!follow(0, "*** DIES"))
        return false;
    }
    Process &recoverer = st.process[3];
    if (opt.doubleCrash && st.process[DEAD].crashed && !st.recovered && !recoverer.crashed &&
        !recoverer.done && recoverer.logged > 0) {
      recoverer.crashed = 1;
      if (!follow(3, "*** RECOVERER DIES"))
        return false;
    }
  }
  if (!any) {
    for (int p = 0; p < participants; p++)
      if (!st.process[p].done)
        problem = "deadlock";
    if (problem.empty())
      checkEnd();
    endsTotal++;
    return problem.empty();
  }
  return true;
}

using Tree = std::vector<std::pair<int, int>>;
using Program = std::vector<Operation>;

/** The first tree: `tree`, then hints of its keys for all, then `before`; what these retire is free again. */
void buildTree(const Tree &tree, const Program &before) {
  memset(&st, 0, sizeof st);
  st.cell[1][KIND] = DIRECT;
  st.cell[1][TAG] = tagOf(LIVE, 0);
  st.epoch = 1;
  st.configs = 1;
  // With hints by the first writer, so that it takes the cells that its own operations left.
  const int builder = opt.hint ? 0 : 2;
  const Options saved = opt;
  opt.crash = opt.epoch = opt.inplace = false;
  const Program program = programs[builder];
  auto run = [&](const Operation &operation) {
    programs[builder] = {operation};
    st.process[builder] = Process{};
    while (!st.process[builder].done) {
      if (!makeStep(builder)) {
        fprintf(stderr, "first tree: %s\n", problem.c_str());
        exit(2);
      }
    }
    st.process[builder] = Process{};
    for (int c = 2; c < CELLS; c++)
      if (opt.hint && stateOf(st.cell[c][TAG]) == RETIRED)
        clearCell(c);
    if (opt.hint)
      memset(st.tail, 0, sizeof st.tail);
  };
  for (const auto &pair : tree)
    run({INSERT, static_cast<uint8_t>(pair.first), static_cast<uint8_t>(pair.second)});
  if (opt.hint) {
    for (const auto &pair : tree) {
      // Nobody else is there: plain loads.
      int n = 1;
      int c = 0;
      for (;;) {
        const uint8_t *cell = st.cell[n];
        int digit = digitOf(pair.first, cell[DEPTH]);
        c = 0;
        if (cell[KIND] == DIRECT)
          c = cell[CHILD0 + digit];
        else if (cell[KIND] == INDEXED)
          c = cell[CHILD0 + cell[INDEX0 + digit] - 1];
        else
          for (int i = 0; i < (cell[COUNTS] & 15); i++)
            if (cell[DIGIT0 + i] == digit && cell[CHILD0 + i] != 0)
              c = cell[CHILD0 + i];
        if (st.cell[c][KIND] == LEAF)
          break;
        n = c;
      }
      for (auto &table : st.hint)
        table[indexOfKey(pair.first)] = {static_cast<uint8_t>(n), static_cast<uint8_t>(c)};
    }
  }
  Hint kept[3][HINTS];
  memcpy(kept, st.hint, sizeof kept);
  memset(st.hint, 0, sizeof st.hint);
  for (const Operation &operation : before)
    run(operation);
  memcpy(st.hint, kept, sizeof kept);
  for (int c = 0; c < CELLS; c++)
    if (stateOf(st.cell[c][TAG]) == RETIRED)
      clearCell(c);
  memset(st.limbo, 0, sizeof st.limbo);
  memset(st.head, 0, sizeof st.head);
  memset(st.tail, 0, sizeof st.tail);
  memset(st.intent, 0, sizeof st.intent);
  opt = saved;
  programs[builder] = program;
}

Hint firstHints[HINTS]; // for the report

std::string keyText(int key) {
  std::string text;
  for (int d = 0; d < 3; d++)
    text += static_cast<char>('0' + digitOf(key, d));
  return text;
}

void report(const Tree &tree, const Program &before) {
  static const char *const names[] = {
      "",       "get", "set", "remove", "insert", "compareAndDelete", "scan", "lookup from the root",
      "replace"};
  printf("VIOLATION: %s\n  tree:", problem.c_str());
  for (const auto &pair : tree)
    printf(" %s=%d", keyText(pair.first).c_str(), pair.second);
  for (const Operation &op : before)
    printf(", then %s(%s, %d)", names[op.type], keyText(op.key).c_str(), op.value);
  printf("\n");
  if (opt.hint) {
    printf("  hints:");
    for (const auto &pair : tree) {
      const Hint &hint = firstHints[indexOfKey(pair.first)];
      printf(" %s in c%d, leaf c%d", keyText(pair.first).c_str(), hint.node, hint.leaf);
    }
    printf("\n");
  }
  for (int p = 0; p < participants; p++) {
    printf("  process %d:", p);
    for (const Operation &op : programs[p])
      printf(" %s(%s, %d)", names[op.type], keyText(op.key).c_str(), op.value);
    printf("\n");
  }
  for (const auto &s : trace)
    printf("   %d: %s\n", s.first, s.second.c_str());
}

int failing = 0;
uint64_t scenarios = 0, cut = 0;
bool stopAtFirst = false;

void explore(const Tree &tree, const Program &before, const Program &a, const Program &b,
             const Program &reader) {
  if (stopAtFirst && failing > 0)
    return;
  scenarios++;
  keys.clear();
  mustSee.clear();
  auto add = [&](int key) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      keys.push_back(key);
  };
  for (const auto &pair : tree)
    add(pair.first);
  for (const Program *program : {&before, &a, &b, &reader})
    for (const Operation &op : *program)
      add(op.key);
  for (const auto &pair : tree) {
    bool stays = true;
    for (const Program *program : {&a, &b})
      for (const Operation &op : *program)
        stays &= op.key != pair.first || op.type == SET || op.type == INSERT || op.type == REPLACE;
    if (stays)
      mustSee.push_back(pair.first);
  }
  programs[0] = a;
  programs[1] = b;
  programs[2] = reader;
  problem.clear();
  buildTree(tree, before);
  memcpy(firstHints, st.hint[0], sizeof firstHints);
  uint64_t map = 0;
  for (const auto &pair : tree)
    map |= static_cast<uint64_t>(pair.second) << (4 * indexOfKey(pair.first));
  for (const Operation &op : before) {
    int shift = 4 * indexOfKey(op.key);
    map = (map & ~(15ull << shift)) | static_cast<uint64_t>(op.type == SET ? op.value : 0) << shift;
  }
  memset(st.config, 0, sizeof st.config);
  st.config[0] = map;
  st.configs = 1;
  participants = reader.empty() ? 2 : 3;
  for (int p = 0; p < 3; p++)
    if (programs[p].empty())
      st.process[p].done = 1;
  visited.clear();
  trace.clear();
  statesHere = 0;
  bool ok = search();
  if (statesHere > opt.limit)
    cut++;
  if (!ok && failing++ == 0)
    report(tree, before);
}

int keyOf(const char *digits) { return (digits[0] - '0') * 16 + (digits[1] - '0') * 4 + (digits[2] - '0'); }

struct Flag {
  const char *name;
  bool Options::*field;
};
const Flag flags[] = {
    {"indexed", &Options::indexed},
    {"crash", &Options::crash},
    {"double", &Options::doubleCrash},
    {"epoch", &Options::epoch},
    {"inplace", &Options::inplace},
    {"in-tree", &Options::inTree},
    {"new-node-unlocked", &Options::newNodeUnlocked},
    {"new-leaf-unlocked", &Options::newLeafUnlocked},
    {"leaf-hints", &Options::leafHints},
    {"old-leaf-unlocked", &Options::oldLeafUnlocked},
    {"leaf-lock-first", &Options::leafLockFirst},
    {"value-before-leaf", &Options::valueBeforeLeaf},
    {"recovery-forgets-leaf", &Options::recoveryForgetsLeaf},
    {"leaf-unlock-after-node", &Options::leafUnlockAfterNode},
    {"leaf-unlock-late", &Options::leafUnlockLate},
    {"recovered-leaf-unlocked", &Options::recoveredLeafUnlocked},
    {"recovered-leaf-unlock-late", &Options::recoveredLeafLate},
    {"hint-leaf-locked", &Options::hintLeafLocked},
    {"hint-leaf-retired", &Options::hintLeafRetired},
    {"hint-no-key", &Options::hintNoKey},
    {"hint-locked", &Options::hintLocked},
    {"hint-retired", &Options::hintRetired},
    {"hint-no-slot", &Options::hintNoSlot},
    {"hint-no-check", &Options::hintNoCheck},
    {"recovered-unlocked", &Options::recoveredUnlocked},
    {"look-at-slot", &Options::lookAtSlot},
    {"live-unchecked", &Options::liveUnchecked},
    {"no-recount", &Options::noRecount},
    {"key-count-added", &Options::keyCountAdded},
    {"stores-after-2", &Options::storesAfterTwo},
    {"unlock-first", &Options::unlockFirst},
    {"unlock-before-count", &Options::unlockBeforeCount},
    {"no-count-check", &Options::noCountCheck},
    {"no-witness", &Options::noWitness},
    {"no-slot-check", &Options::noSlotCheck},
    {"lock-parent-only", &Options::lockParentOnly},
    {"obsolete-late", &Options::obsoleteLate},
    {"number-without-lock", &Options::numberWithoutLock},
    {"unlock-before-value", &Options::unlockBeforeValue},
    {"compare-early", &Options::compareEarly},
    {"tag-early", &Options::tagEarly},
    {"global-only", &Options::globalOnly},
    {"epoch-first", &Options::epochFirst},
    {"reuse-slot", &Options::reuseSlot},
};

} // namespace

int main(int argc, char **argv) {
  std::string mode = argc > 1 ? argv[1] : "base";
  std::string name;
  int every = 1; // take each n-th scenario only
  for (int i = 1; i < argc; i++)
    name += std::string(" ") + argv[i];
  for (int i = 2; i < argc; i++) {
    std::string word = argv[i];
    bool known = false;
    for (const Flag &flag : flags) {
      if (word == flag.name) {
        opt.*flag.field = true;
        known = true;
      }
    }
    if (word.compare(0, 6, "every=") == 0) {
      every = atoi(word.c_str() + 6);
      known = true;
    }
    if (word == "first") {
      stopAtFirst = true;
      known = true;
    }
    if (!known) {
      fprintf(stderr, "tree: unknown word %s\n", word.c_str());
      return 2;
    }
  }
  const int k000 = keyOf("000"), k001 = keyOf("001"), k002 = keyOf("002"), k003 = keyOf("003");
  const int k010 = keyOf("010"), k011 = keyOf("011"), k020 = keyOf("020");
  const std::vector<Tree> trees = {
      {},
      {{k000, 1}},
      {{k000, 1}, {k001, 2}},
      {{k000, 1}, {k010, 2}},
      {{k000, 1}, {k001, 2}, {k010, 3}},
      {{k000, 1}, {k001, 2}, {k002, 3}},
      {{k000, 1}, {k001, 2}, {k002, 3}, {k003, 4}},
      {{k000, 1}, {k010, 2}, {k020, 3}},
      {{k000, 1}, {k001, 2}, {k010, 3}, {k011, 4}},
  };
  const std::vector<int> universe = {k000, k001, k002, k010, k011, k003};
  auto operations = [&](int value, bool compare) {
    Program out;
    for (int key : universe) {
      out.push_back({SET, static_cast<uint8_t>(key), static_cast<uint8_t>(value)});
      out.push_back({REMOVE, static_cast<uint8_t>(key), 0});
      if (opt.inplace)
        out.push_back({REPLACE, static_cast<uint8_t>(key), static_cast<uint8_t>(value)});
      if (compare)
        out.push_back({COMPARE_REMOVE, static_cast<uint8_t>(key), 1});
    }
    return out;
  };
  const Program ofA = operations(5, false);
  const Program ofA2 = operations(7, false);
  const Program ofB = operations(6, mode == "cas");
  const Program ofB2 = operations(9, false);
  uint64_t turn = 0;
  auto run = [&](const Tree &tree, const Program &a, const Program &b, const Program &reader) {
    if (turn++ % every == 0)
      explore(tree, {}, a, b, reader);
  };
  if (mode == "hint" || mode == "hinttwo" || mode == "hintpairs") {
    opt.hint = true;
    auto of = [](OpType type, int key, int value = 0) {
      return Operation{type, static_cast<uint8_t>(key), static_cast<uint8_t>(value)};
    };
    for (const Tree &tree : trees) {
      std::vector<Program> befores = {{}};
      for (const auto &pair : tree)
        befores.push_back({of(REMOVE, pair.first)});
      for (size_t i = 0; i < tree.size(); i++) // more cells to choose from: a leaf's becomes a node's
        for (size_t j = 0; j < i; j++)
          befores.push_back({of(REMOVE, tree[j].first), of(REMOVE, tree[i].first)});
      for (int key : universe)
        befores.push_back({of(SET, key, 8)});
      for (const Program &before : befores) {
        for (const auto &pair : tree) { // only these have hints
          const Operation get = of(GET, pair.first);
          const Operation lookup = of(LOOKUP, pair.first);
          const Operation set = of(SET, pair.first, 6);
          const Operation insert = of(INSERT, pair.first, 6);
          std::vector<Program> bs, readers;
          if (mode == "hintpairs") {
            bs = {{get, lookup}, {lookup, get}, {get, set}, {set, lookup}, {lookup, insert}, {insert, lookup}};
            readers = {{}};
          } else {
            for (const Operation &b : ofB)
              bs.push_back({b});
            bs.push_back({lookup});
            readers = {{get}};
            if (mode == "hinttwo")
              readers = {{get, lookup}, {lookup, get}, {get, get}};
          }
          for (const Operation &a : ofA) {
            for (const Program &b : bs) {
              for (const Program &reader : readers)
                if (turn++ % every == 0)
                  explore(tree, before, {a}, b, reader);
              if (mode == "hinttwo") // the first writer goes back and forth, and reuses its cells
                for (const Operation &a2 : ofA2)
                  if (a2.key == a.key && turn++ % every == 0)
                    explore(tree, before, {a, a2}, b, {get});
            }
          }
        }
      }
    }
  }
  for (const Tree &tree : trees) {
    for (const Operation &a : ofA) {
      for (const Operation &b : ofB) {
        if (mode == "base" || mode == "cas")
          for (int key : universe)
            run(tree, {a}, {b}, {{GET, static_cast<uint8_t>(key), 0}});
        if (mode == "scan")
          run(tree, {a}, {b}, {{SCAN, static_cast<uint8_t>(universe[0]), 0}});
        if (mode == "pairs")
          run(tree, {a}, {b}, {});
        if (mode == "twoone" || mode == "twoscan")
          for (const Operation &a2 : ofA2)
            run(tree, {a, a2}, {b},
                mode == "twoone" ? Program{} : Program{{SCAN, static_cast<uint8_t>(universe[0]), 0}});
        if (mode == "onetwo")
          for (const Operation &b2 : ofB2)
            run(tree, {a}, {b, b2}, {});
        if (mode == "twotwo")
          for (const Operation &a2 : ofA2)
            for (const Operation &b2 : ofB2)
              run(tree, {a, a2}, {b, b2}, {});
      }
    }
  }
  printf("tree%s: %llu scenarios, %llu states, %llu ends, %d failing, %llu cut, %s\n", name.c_str(),
         static_cast<unsigned long long>(scenarios), static_cast<unsigned long long>(statesTotal),
         static_cast<unsigned long long>(endsTotal), failing, static_cast<unsigned long long>(cut),
         failing ? "VIOLATED" : (cut ? "CUT" : "ok"));
  return failing ? 1 : 0;
}

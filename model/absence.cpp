// Exhaustive check of what src/rowex/hints.ts concludes from its table: that a key is absent, without a look at the
// tree.
//
// What is modelled
//   A tree of KEYS slots with a lock each, which stand for the nodes above them; cells with a tag and a key. Writers
//   set, insert and remove keys by the steps of the protocol page that matter here: cell PRIVATE, key written, lock,
//   number = Q + 1, state 2, LIVE held, committing store, state 3, old leaf RETIRED, LIVE free, unlock. A retired cell
//   may be freed, and used again, at any moment. One writer may die before any step and is recovered step by step; a
//   sync takes numbers of Q, in two steps. The learner sweeps over the cells, a step for each tag and each key that it
//   loads; may make changes of its own, which it notes; and then tries, again and again, to prove that what its table
//   does not name is absent.
//
// What is checked
//   Whenever a proof succeeds: at the moment at which Q was loaded for it, every leaf in the tree was in the table.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "search.hpp"

namespace {

constexpr int KEYS = 2;
constexpr int MAX_CELLS = 7;
constexpr int MAX_OPERATIONS = 3;
constexpr int NO_NUMBER = 250;

enum Verb : uint8_t { SET, INSERT, REMOVE, VERBS };
const char *const verbNames[] = {"set", "insert", "remove"};
struct Operation {
  uint8_t verb, key;
};

struct Options {
  int cells = 5;
  int operations = 2; // of the other writer
  int own = 1;        // of the learner
  int proofs = 2;
  int syncs = 0;
  bool crash = false;
  // Mutations.
  bool liveOnly = false;   // the sweep passes over cells that are PRIVATE
  bool freeOnly = false;   // and over leaves that somebody holds
  bool numberLate = false; // Q is loaded at the end of the sweep
  bool ownUnnoted = false; // the learner counts its own leaf and does not note it
  bool anyNumber = false;  // one number that is missing counts as a sync's, whoever took it
  bool keyLate = false;    // a writer takes its number before it has written the key
  bool numberUnlooked = false; // a proof does not load Q
};
Options opt;

enum Tag : uint8_t { FREE, PRIVATE, HELD, LIVE, RETIRED };

struct Cell {
  uint8_t tag, key; // key KEYS: not written yet
};

enum Step : uint8_t {
  NEXT,
  ALLOCATE,
  WRITE_KEY,
  LOCK,
  NUMBER,
  CHECKED,
  MAKE_LIVE,
  COMMIT,
  PUBLISHED,
  RETIRE,
  LET_GO,
  UNLOCK,
  NOTE,
  DROP,
  DONE,
  // The learner, beside its changes.
  BEGIN_SWEEP,
  SWEEP_TAG,
  SWEEP_KEY,
  END_SWEEP,
  LOAD_Q,
  LOAD_LAST,
};
const char *const stepNames[] = {"next operation", "cell PRIVATE",  "writes the key",  "locks",
                                 "takes a number", "state = 2",     "LIVE, held",      "[C]",
                                 "state = 3",      "old RETIRED",   "LIVE, free",      "unlocks",
                                 "notes its leaf", "drops its leaf", "done",           "loads Q for the sweep",
                                 "loads a tag",    "loads a key",   "ends the sweep",  "loads Q for a proof",
                                 "loads lastStart"};

struct Writer {
  uint8_t step, operation, cell, old, number;
  uint8_t state; // of the intent
  uint8_t dead;
};

struct State {
  Cell cell[MAX_CELLS + 1];
  uint8_t tree[KEYS], lock[KEYS]; // cell, 0: none; writer + 1, 0: nobody
  uint8_t q, lastStart;
  Writer writer[2]; // 0: the other; 1: the learner
  // The learner.
  uint8_t noted[MAX_CELLS + 1]; // bits of the keys for which the cell is in the table
  uint8_t known, coming, at, ended, proofs, loaded;
  uint8_t unnoted; // not in the program: was a leaf in the tree and not in the table when Q was loaded?
  uint8_t sync, syncNumber;
};

State st;
Operation programs[2][MAX_OPERATIONS];
HashSet seen;
uint64_t states = 0, proven = 0;
std::string trace[400];
int depth = 0;

[[noreturn]] void violation(const char *what) {
  printf("VIOLATION: %s\n", what);
  for (int w = 0; w < 2; w++)
    for (int i = 0; i < (w ? opt.own : opt.operations); i++)
      printf("  %s: %s(%d)\n", w ? "learner" : "other", verbNames[programs[w][i].verb], programs[w][i].key);
  for (int i = 0; i < depth; i++)
    printf("  %s\n", trace[i].c_str());
  exit(1);
}

bool unnoted() {
  for (int k = 0; k < KEYS; k++)
    if (st.tree[k] != 0 && !(st.noted[st.tree[k]] >> k & 1))
      return true;
  return false;
}

int count(int w) { return w ? opt.own : opt.operations; }

void nextOperation(Writer &me, int w) {
  me.operation++;
  me.cell = me.old = me.number = me.state = 0;
  me.step = me.operation < count(w) ? NEXT : DONE;
}

/** One step of a change; false: it has to wait. */
bool change(int w) {
  Writer &me = st.writer[w];
  const Operation op = programs[w][me.operation];
  uint8_t &slot = st.tree[op.key];
  switch (me.step) {
  case NEXT:
    me.step = op.verb == REMOVE ? LOCK : ALLOCATE;
    return change(w);
  case ALLOCATE:
    for (int c = 1; c <= opt.cells; c++)
      if (st.cell[c].tag == FREE) {
        st.cell[c] = {PRIVATE, KEYS};
        me.cell = c;
        me.step = opt.keyLate ? LOCK : WRITE_KEY;
        return true;
      }
    return false;
  case WRITE_KEY:
    st.cell[me.cell].key = op.key;
    me.step = opt.keyLate ? CHECKED : LOCK;
    return true;
  case LOCK:
    if (st.lock[op.key] != 0)
      return false;
    st.lock[op.key] = w + 1;
    me.state = 1;
    me.old = slot;
    me.step = op.verb == REMOVE ? (slot ? CHECKED : DROP) : op.verb == INSERT && slot ? DROP : NUMBER;
    return true;
  case NUMBER:
    me.number = st.q++;
    me.step = opt.keyLate ? WRITE_KEY : CHECKED;
    return true;
  case CHECKED:
    me.state = 2;
    me.step = op.verb == REMOVE ? COMMIT : MAKE_LIVE;
    return true;
  case MAKE_LIVE:
    st.cell[me.cell].tag = HELD;
    me.step = COMMIT;
    return true;
  case COMMIT:
    slot = me.cell;
    me.step = PUBLISHED;
    return true;
  case PUBLISHED:
    me.state = 3;
    me.step = me.old ? RETIRE : LET_GO;
    return true;
  case RETIRE:
    st.cell[me.old].tag = RETIRED;
    me.step = me.cell ? LET_GO : UNLOCK;
    return true;
  case LET_GO:
    st.cell[me.cell].tag = LIVE;
    me.step = UNLOCK;
    return true;
  case UNLOCK:
    st.lock[op.key] = 0;
    me.state = 0;
    if (w == 1)
      me.step = NOTE;
    else
      nextOperation(me, w);
    return true;
  case NOTE: // nobody else sees it
    if (me.old)
      st.noted[me.old] &= ~(1 << op.key);
    if (me.cell) {
      if (!opt.ownUnnoted)
        st.noted[me.cell] |= 1 << op.key;
      for (uint8_t *number : {&st.known, &st.coming}) {
        if (*number == NO_NUMBER)
          continue;
        if (me.number == *number || (me.number == *number + 1 && (st.lastStart == *number || opt.anyNumber)))
          *number = me.number + 1;
      }
    }
    nextOperation(me, w);
    return true;
  case DROP:
    st.lock[op.key] = 0;
    me.state = 0;
    if (me.cell)
      st.cell[me.cell].tag = FREE;
    nextOperation(me, w);
    return true;
  }
  return false;
}

/** One step of the recovery of the other writer; false: there is nothing to do. */
bool recover() {
  Writer &dead = st.writer[0];
  if (!dead.dead || dead.dead == 2)
    return false;
  const Operation op = programs[0][dead.operation];
  if (dead.state < 2) {
    if (st.lock[op.key] == 1)
      st.lock[op.key] = 0;
    else if (dead.cell && st.cell[dead.cell].tag == PRIVATE)
      st.cell[dead.cell].tag = FREE;
    else
      dead.dead = 2;
    return true;
  }
  if (dead.state == 2) {
    if (dead.cell && st.cell[dead.cell].tag == PRIVATE)
      st.cell[dead.cell].tag = HELD;
    else if (st.tree[op.key] != dead.cell)
      st.tree[op.key] = dead.cell;
    else
      dead.state = 3;
    return true;
  }
  if (dead.old && st.cell[dead.old].tag != RETIRED && st.lock[op.key] == 1) {
    st.cell[dead.old].tag = RETIRED;
    dead.old = 0; // into limbo
  } else if (dead.cell && st.cell[dead.cell].tag == HELD) {
    st.cell[dead.cell].tag = LIVE;
  } else if (st.lock[op.key] == 1) {
    st.lock[op.key] = 0;
  } else {
    dead.dead = 2;
  }
  return true;
}

/** One step of the learner that is none of its changes. */
bool learn() {
  Writer &me = st.writer[1];
  switch (me.step) {
  case BEGIN_SWEEP:
    if (!opt.numberLate)
      st.coming = st.q;
    st.at = 1;
    me.step = SWEEP_TAG;
    return true;
  case SWEEP_TAG: {
    const uint8_t tag = st.cell[st.at].tag;
    const bool looks = tag == LIVE || (tag == HELD && !opt.freeOnly) || (tag == PRIVATE && !opt.liveOnly && !opt.freeOnly);
    if (looks)
      me.step = SWEEP_KEY;
    else if (++st.at > opt.cells)
      me.step = END_SWEEP;
    return true;
  }
  case SWEEP_KEY:
    if (st.cell[st.at].key < KEYS)
      st.noted[st.at] |= 1 << st.cell[st.at].key;
    me.step = ++st.at > opt.cells ? END_SWEEP : SWEEP_TAG;
    return true;
  case END_SWEEP:
    st.known = opt.numberLate ? st.q : st.coming;
    st.coming = NO_NUMBER;
    st.at = 0;
    st.ended = 1;
    me.step = me.operation < opt.own ? NEXT : DONE;
    return true;
  case LOAD_Q: {
    st.loaded = st.q;
    st.unnoted = unnoted();
    const bool current = st.loaded == st.known || opt.numberUnlooked;
    if (current && st.unnoted)
      violation("a key that is there was proven to be absent");
    proven += current;
    if (!current && st.known != NO_NUMBER && st.known < st.loaded)
      me.step = LOAD_LAST;
    else
      me.step = me.operation < opt.own ? NEXT : DONE;
    return true;
  }
  case LOAD_LAST:
    if (st.lastStart == st.known || opt.anyNumber)
      st.known++;
    if (st.loaded == st.known) {
      if (st.unnoted)
        violation("a key that is there was proven to be absent");
      proven++;
    }
    st.loaded = st.unnoted = 0;
    me.step = me.operation < opt.own ? NEXT : DONE;
    return true;
  }
  return false;
}

bool isLearning(uint8_t step) { return step >= BEGIN_SWEEP; }

void explore();

template <class Act> void branch(const std::string &what, Act act) {
  const State before = st;
  if (act()) {
    trace[depth++] = what;
    explore();
    depth--;
  }
  st = before;
}

void explore() {
  if (!seen.insert(hashBytes(&st, sizeof st, 1)))
    return;
  states++;
  if (depth > 390) {
    printf("too deep\n");
    exit(2);
  }
  Writer &other = st.writer[0];
  Writer &me = st.writer[1];
  if (!other.dead && other.step != DONE) {
    branch(std::string("other: ") + stepNames[other.step], [] { return change(0); });
    if (opt.crash && other.step != NEXT)
      branch("other: dies", [] { return st.writer[0].dead = 1; });
  }
  if (other.dead == 1)
    branch("recovery of the other", recover);
  if (isLearning(me.step)) {
    branch(std::string("learner: ") + stepNames[me.step], learn);
  } else {
    if (me.step != DONE)
      branch(std::string("learner: ") + stepNames[me.step], [] { return change(1); });
    // Between two operations it may begin to learn, go on with it, or try to prove.
    if (me.step == NEXT || me.step == DONE) {
      if (!st.ended && st.at == 0)
        branch("learner: begins to sweep", [] {
          st.writer[1].step = BEGIN_SWEEP;
          return learn();
        });
      if (st.ended && st.proofs < opt.proofs)
        branch("learner: loads Q for a proof", [] {
          st.proofs++;
          st.writer[1].step = LOAD_Q;
          return learn();
        });
    }
  }
  // A change of the learner's own falls between two pieces of the sweep.
  if (me.step == SWEEP_TAG && me.operation < opt.own)
    branch("learner: a change in the middle of the sweep", [] {
      st.writer[1].step = NEXT;
      return true;
    });
  if (st.at != 0 && !isLearning(me.step) && (me.step == NEXT || me.step == DONE))
    branch("learner: goes on with the sweep", [] {
      st.writer[1].step = SWEEP_TAG;
      return true;
    });
  if (st.sync % 2 == 1)
    branch("sync: lastStart = its number", [] {
      st.lastStart = st.syncNumber;
      st.sync++;
      return true;
    });
  else if (st.sync / 2 < opt.syncs)
    branch("sync: takes a number", [] {
      st.syncNumber = st.q++;
      st.sync++;
      return true;
    });
  for (int c = 1; c <= opt.cells; c++)
    if (st.cell[c].tag == RETIRED)
      branch("a retired cell is freed", [c] {
        st.cell[c].tag = FREE;
        return true;
      });
}

/** Every program of both, from every first tree. */
void run() {
  const int kinds = VERBS * KEYS;
  int programsOfOther = 1, programsOfLearner = 1;
  for (int i = 0; i < opt.operations; i++)
    programsOfOther *= kinds;
  for (int i = 0; i < opt.own; i++)
    programsOfLearner *= kinds;
  uint64_t scenarios = 0;
  for (int tree = 0; tree < 1 << KEYS; tree++)
    for (int a = 0; a < programsOfOther; a++)
      for (int b = 0; b < programsOfLearner; b++) {
        for (int w = 0; w < 2; w++)
          for (int i = 0, code = w ? b : a; i < count(w); i++, code /= kinds)
            programs[w][i] = {static_cast<uint8_t>(code % VERBS), static_cast<uint8_t>(code / VERBS % KEYS)};
        memset(static_cast<void *>(&st), 0, sizeof st);
        st.q = 1;
        st.known = st.coming = NO_NUMBER;
        for (int k = 0; k < KEYS; k++)
          if (tree >> k & 1) {
            st.cell[k + 1] = {LIVE, static_cast<uint8_t>(k)};
            st.tree[k] = k + 1;
            st.q++;
          }
        if (opt.operations == 0)
          st.writer[0].step = DONE;
        if (opt.own == 0)
          st.writer[1].step = DONE;
        seen.clear();
        depth = 0;
        explore();
        scenarios++;
      }
  if (proven == 0)
    violation("nothing was ever proven: this has tested nothing");
  printf("absence: %llu scenarios, %llu states, %llu proofs, ok\n", static_cast<unsigned long long>(scenarios),
         static_cast<unsigned long long>(states), static_cast<unsigned long long>(proven));
}

} // namespace

int main(int argc, char **argv) {
  const struct {
    const char *name;
    bool Options::*option;
  } switches[] = {
      {"crash", &Options::crash},           {"live-only", &Options::liveOnly},
      {"free-only", &Options::freeOnly},    {"number-late", &Options::numberLate},
      {"own-unnoted", &Options::ownUnnoted}, {"any-number", &Options::anyNumber},
      {"key-late", &Options::keyLate},      {"number-unlooked", &Options::numberUnlooked},
  };
  const struct {
    const char *name;
    int Options::*option;
    int most;
  } numbers[] = {
      {"ops=", &Options::operations, MAX_OPERATIONS}, {"own=", &Options::own, MAX_OPERATIONS},
      {"proofs=", &Options::proofs, 9},               {"syncs=", &Options::syncs, 9},
      {"cells=", &Options::cells, MAX_CELLS},
  };
  for (int i = 1; i < argc; i++) {
    bool known = false;
    for (const auto &each : switches)
      if (strcmp(argv[i], each.name) == 0)
        known = opt.*each.option = true;
    for (const auto &each : numbers)
      if (strncmp(argv[i], each.name, strlen(each.name)) == 0) {
        const int value = atoi(argv[i] + strlen(each.name));
        known = value >= 0 && value <= each.most;
        opt.*each.option = value;
      }
    if (!known) {
      fprintf(stderr, "absence: what is %s?\n", argv[i]);
      return 2;
    }
  }
  run();
  return 0;
}

// Exhaustive check of what belongs to a registry slot and outlives its holder: limbo, slabs, and the record
// of private cells; and of a slot that is given to a new incarnation which inherits them.
//
// What is modelled
//   Cells with a tag (FREE, PRIVATE(slot), LIVE, RETIRED(slot)); each lies in the slab of one slot, and only
//   that slot's holder allocates it, if its tag is FREE. Two participants replace or clear the cells that two
//   shared words point to ("places": one lock each stands for the locked parent), by the steps of the
//   protocol page: record, PRIVATE, intent 1, lock, intent 2, LIVE, committing store, intent 3, load of the
//   epoch, RETIRED, limbo entry, unlock, intent 0; and reclaim their limbo: cell = FREE first, then head + 1.
//   Each may die before any step. A recoverer, which may die too and be followed by another, repairs the
//   slot; then the slot's next incarnation inherits limbo, slabs and the stale record, drops the entries at
//   the head whose cell is not RETIRED by this slot, and goes on. A reader enters the epoch, loads a place,
//   and leaves.
//
// What is checked
//   At every step: no cell is freed by an entry of an earlier life of the cell, none while the reader may
//   hold it, none that is not private or retired; no tag moves backwards. Whenever everybody is idle: each
//   cell is FREE, or in exactly one place, or in exactly one limbo.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "search.hpp"

namespace {

constexpr int SLOTS = 2;     // of the participants; slot 2 is the reader's, it only has an epoch
constexpr int MAX_CELLS = 6; // the first half lies in slot 0's slab
constexpr int PLACES = 2;
constexpr int LIMBO = 10;
constexpr int NOTHING = 255;

struct Options {
  int cells = 4;
  int operations[SLOTS] = {2, 2};
  int deaths = 1;
  int recovererDeaths = 0;
  int reads = 1;
  bool secondDies = false;        // slot 1's holder may die too
  bool two = false;               // operations take two private cells and give one back
  bool headFirst = false;         // head + 1 before FREE
  bool noDrop = false;            // the heir drops nothing
  bool lateDrop = false;          // the heir drops only when it reclaims
  bool dropAnyRetired = false;    // the heir keeps entries whose cell is RETIRED by whomever
  bool recordLate = false;        // PRIVATE before the record
  bool freeUnchecked = false;     // recovery frees the recorded cells whatever their tag
  bool liveUnchecked = false;     // recovery makes the new cell LIVE whatever its tag is, at state 3 too
  bool clearRecord = false;       // variant: recovery clears the record (makes no difference)
  bool foreignAllocation = false; // a participant allocates FREE cells of the other's slab
};
Options opt;

enum Kind : uint8_t { FREE, PRIVATE, LIVE, RETIRED };

struct Cell {
  uint8_t kind, slot;
  uint8_t life; // not in the file: how often the cell was allocated
};

struct Entry {
  uint8_t cell, epoch;
  uint8_t life; // not in the file: the life of the cell that was retired
};

/** What lies in the registry slot and stays there when its holder dies. */
struct Slot {
  uint8_t state, place, fresh, old, position; // intent
  uint8_t record[2];
  uint8_t epoch;
  uint8_t head, tail;
  Entry limbo[LIMBO];
};

enum Phase : uint8_t {
  ADOPT,
  IDLE,
  ENTER,
  RECORD,
  MARK_PRIVATE,
  RECORD2,
  MARK_PRIVATE2,
  ANNOUNCE,
  LOCK,
  CHECKED,
  MAKE_LIVE,
  COMMIT,
  PUBLISHED,
  LOAD_EPOCH,
  RETIRE,
  APPEND,
  ADVANCE_TAIL,
  GIVE_BACK,
  UNLOCK,
  CLEAR,
  ABORT_UNLOCK,
  ABORT_CLEAR,
  ABORT_FREE,
  LEAVE,
  ADVANCE_EPOCH,
  SCAN,
  RECLAIM_FREE,
  RECLAIM_HEAD,
  DEAD,
};
const char *const phaseNames[] = {"adopts the slot",
                                  "idle",
                                  "stores its epoch",
                                  "records a private cell",
                                  "tag = PRIVATE",
                                  "records a second cell",
                                  "second tag = PRIVATE",
                                  "state = 1",
                                  "locks",
                                  "state = 2",
                                  "tag = LIVE",
                                  "[C]",
                                  "state = 3",
                                  "loads the epoch",
                                  "old cell RETIRED",
                                  "limbo entry",
                                  "limbo tail",
                                  "gives the second cell back",
                                  "unlocks",
                                  "state = 0",
                                  "check failed, unlocks",
                                  "state = 0",
                                  "frees its private cell",
                                  "leaves the epoch",
                                  "advances the epoch",
                                  "scans a slot",
                                  "FREE a limbo cell",
                                  "limbo head + 1",
                                  "dead"};

/** A process: all of it is lost when it dies. */
struct Holder {
  uint8_t phase, operations, cell, cell2, place, clears, aborts, epoch, oldest, scanned, limit;
};

enum RecoverPhase : uint8_t {
  R_NONE,
  R_START,
  R_LIVE,
  R_COMMIT,
  R_THREE,
  R_EPOCH,
  R_RETIRE,
  R_APPEND,
  R_TAIL,
  R_UNLOCK,
  R_PRIVATE,
  R_PRIVATE2,
  R_CLEAR,
  R_LEAVE,
};
const char *const recoverNames[] = {"-",
                                    "reads the state",
                                    "new cell LIVE",
                                    "[C]",
                                    "state = 3",
                                    "loads the epoch",
                                    "old cell RETIRED",
                                    "limbo entry",
                                    "limbo tail",
                                    "unlocks",
                                    "first recorded cell",
                                    "second recorded cell",
                                    "state = 0",
                                    "epoch = 0, slot free"};

struct State {
  Cell cell[MAX_CELLS];
  uint8_t place[PLACES], lock[PLACES]; // lock: slot + 1
  Slot slot[SLOTS];
  Holder holder[SLOTS];
  uint8_t recover[SLOTS], recoverEpoch[SLOTS];
  uint8_t epoch;
  uint8_t readerPhase, readerEpoch, readerPublished, readerCell, reads;
  uint8_t deaths, recovererDeaths;
};

State st;
HashSet visited;
uint64_t states = 0;
std::string problem;

struct Step {
  char who; // 'p' participant, 'r' recoverer, 'd' death, 'D' death of the recoverer, 'v' reader
  uint8_t slot, phase, cell, place;
};
std::vector<Step> trace;

void bad(const char *what) {
  if (problem.empty())
    problem = what;
}

// ---------------------------------------------------------------------------------------------------------
// Tags, with the checks
// ---------------------------------------------------------------------------------------------------------

void tagPrivate(int c, int slot) {
  if (st.cell[c].kind != FREE)
    bad("a cell that is not FREE was allocated");
  st.cell[c] = {PRIVATE, static_cast<uint8_t>(slot), static_cast<uint8_t>(st.cell[c].life + 1)};
}

void tagLive(int c, int slot) {
  if (st.cell[c].kind == RETIRED || st.cell[c].kind == FREE)
    bad("a retired or free cell became LIVE again");
  if (st.cell[c].kind == PRIVATE && st.cell[c].slot != slot)
    bad("another's private cell became LIVE");
  st.cell[c].kind = LIVE;
  st.cell[c].slot = 0;
}

void tagRetired(int c, int slot) {
  if (st.cell[c].kind == FREE || st.cell[c].kind == PRIVATE)
    bad("a cell that is not LIVE was retired");
  if (st.cell[c].kind == RETIRED && st.cell[c].slot != slot)
    bad("a cell was retired by two slots");
  st.cell[c].kind = RETIRED;
  st.cell[c].slot = static_cast<uint8_t>(slot);
}

void tagFreePrivate(int c, int slot) {
  if (st.cell[c].kind != PRIVATE || st.cell[c].slot != slot)
    bad("recovery freed a cell that is not its slot's private cell");
  st.cell[c].kind = FREE;
  st.cell[c].slot = 0;
}

void tagFreeRetired(const Entry &entry, int slot) {
  Cell &cell = st.cell[entry.cell];
  if (cell.kind != RETIRED || cell.slot != slot || cell.life != entry.life)
    bad("a stale limbo entry freed a cell (double or early free)");
  if (st.readerCell == entry.cell)
    bad("a cell was freed while the reader held it");
  cell.kind = FREE;
  cell.slot = 0;
}

// ---------------------------------------------------------------------------------------------------------
// Participants
// ---------------------------------------------------------------------------------------------------------

bool inSlab(int cell, int slot) { return opt.foreignAllocation || (cell < opt.cells / 2) == (slot == 0); }

bool stale(const Entry &entry, int slot) {
  const Cell &cell = st.cell[entry.cell];
  if (cell.kind != RETIRED)
    return true;
  return cell.slot != slot && !opt.dropAnyRetired;
}

/** True if the holder of `slot` can make its next step; IDLE is handled apart. */
bool enabled(int slot) {
  const Holder &h = st.holder[slot];
  if (h.phase == DEAD || h.phase == IDLE)
    return false;
  return h.phase != LOCK || st.lock[h.place] == 0;
}

void participantStep(int slot) {
  Holder &h = st.holder[slot];
  Slot &s = st.slot[slot];
  uint8_t next = h.phase + 1;
  switch (h.phase) {
  case ADOPT: // one entry at a time; before any operation
    next = IDLE;
    if (!opt.noDrop && !opt.lateDrop && s.head < s.tail && stale(s.limbo[s.head], slot)) {
      s.head++;
      next = ADOPT;
    }
    break;
  case ENTER:
    s.epoch = h.epoch;
    if (h.clears)
      next = ANNOUNCE;
    break;
  case RECORD:
    if (opt.recordLate)
      tagPrivate(h.cell, slot);
    else
      s.record[0] = h.cell;
    break;
  case MARK_PRIVATE:
    if (opt.recordLate)
      s.record[0] = h.cell;
    else
      tagPrivate(h.cell, slot);
    if (h.cell2 == NOTHING)
      next = ANNOUNCE;
    break;
  case RECORD2:
    s.record[1] = h.cell2;
    break;
  case MARK_PRIVATE2:
    tagPrivate(h.cell2, slot);
    break;
  case ANNOUNCE:
    s.place = h.place;
    s.state = 1;
    break;
  case LOCK:
    st.lock[h.place] = static_cast<uint8_t>(slot + 1);
    if (h.aborts)
      next = ABORT_UNLOCK;
    break;
  case CHECKED:
    s.fresh = h.clears ? NOTHING : h.cell;
    s.old = st.place[h.place];
    s.position = s.tail;
    s.state = 2;
    if (h.clears)
      next = COMMIT;
    break;
  case MAKE_LIVE:
    tagLive(h.cell, slot);
    break;
  case COMMIT:
    st.place[h.place] = s.fresh;
    break;
  case PUBLISHED:
    s.state = 3;
    if (s.old == NOTHING)
      next = h.cell2 == NOTHING ? UNLOCK : GIVE_BACK;
    break;
  case LOAD_EPOCH:
    h.epoch = st.epoch;
    break;
  case RETIRE:
    tagRetired(s.old, slot);
    break;
  case APPEND:
    s.limbo[s.position] = {s.old, h.epoch, st.cell[s.old].life};
    break;
  case ADVANCE_TAIL:
    s.tail = s.position + 1;
    if (s.tail >= LIMBO) {
      fprintf(stderr, "limbo overflow\n");
      exit(2);
    }
    if (h.cell2 == NOTHING)
      next = UNLOCK;
    break;
  case GIVE_BACK:
    tagFreePrivate(h.cell2, slot);
    break;
  case UNLOCK:
    st.lock[h.place] = 0;
    break;
  case CLEAR:
    s.state = 0;
    next = LEAVE;
    break;
  case ABORT_UNLOCK:
    st.lock[h.place] = 0;
    break;
  case ABORT_CLEAR:
    s.state = 0;
    break;
  case ABORT_FREE:
    if (h.cell != NOTHING)
      tagFreePrivate(h.cell, slot);
    h.cell = NOTHING;
    if (h.cell2 != NOTHING) {
      h.cell = h.cell2;
      h.cell2 = NOTHING;
      next = ABORT_FREE;
    }
    break;
  case LEAVE: {
    s.epoch = 0;
    uint8_t operations = h.operations;
    h = Holder{};
    h.operations = operations;
    next = s.head < s.tail ? ADVANCE_EPOCH : IDLE;
    break;
  }
  case ADVANCE_EPOCH:
    if (opt.lateDrop)
      while (s.head < s.tail && stale(s.limbo[s.head], slot))
        s.head++;
    if (s.head == s.tail) {
      next = IDLE;
      break;
    }
    if (s.limbo[s.head].epoch == st.epoch)
      st.epoch++;
    h.limit = 255;
    h.scanned = 0;
    break;
  case SCAN: {
    uint8_t e = h.scanned < SLOTS ? st.slot[h.scanned].epoch : st.readerPublished;
    if (e != 0 && e < h.limit)
      h.limit = e;
    h.scanned++;
    if (h.scanned <= SLOTS)
      next = SCAN;
    break;
  }
  case RECLAIM_FREE:
    if (s.head == s.tail || s.limbo[s.head].epoch >= h.limit) {
      h.limit = h.scanned = 0;
      next = IDLE;
    } else if (opt.headFirst) {
      h.oldest = s.head;
      s.head++;
    } else {
      tagFreeRetired(s.limbo[s.head], slot);
    }
    break;
  case RECLAIM_HEAD:
    if (opt.headFirst)
      tagFreeRetired(s.limbo[h.oldest], slot);
    else
      s.head++;
    h.oldest = 0;
    next = RECLAIM_FREE;
    break;
  }
  h.phase = next;
}

/** Entries below the head mean nothing any more; forget them, so that equal states are equal. */
void tidy() {
  for (Slot &s : st.slot) {
    bool unused = s.head == s.tail;
    for (int i = 0; i < LIMBO; i++)
      if (i < s.head - 1 || (unused && s.state == 0 && i != s.head && i + 1 != s.head))
        s.limbo[i] = {};
  }
}

// ---------------------------------------------------------------------------------------------------------
// Recovery
// ---------------------------------------------------------------------------------------------------------

void recoverStep(int slot) {
  Slot &s = st.slot[slot];
  uint8_t &phase = st.recover[slot];
  uint8_t next = phase + 1;
  switch (phase) {
  case R_START:
    if (s.state == 0)
      next = R_PRIVATE;
    else if (s.state == 1)
      next = R_UNLOCK;
    else if (s.state == 3 && !opt.liveUnchecked)
      next = s.old == NOTHING ? R_UNLOCK : R_EPOCH;
    else
      next = s.fresh == NOTHING ? R_COMMIT : R_LIVE;
    break;
  case R_LIVE:
    if (opt.liveUnchecked || (st.cell[s.fresh].kind == PRIVATE && st.cell[s.fresh].slot == slot))
      tagLive(s.fresh, slot);
    if (s.state == 3)
      next = s.old == NOTHING ? R_UNLOCK : R_EPOCH;
    break;
  case R_COMMIT:
    st.place[s.place] = s.fresh;
    break;
  case R_THREE:
    s.state = 3;
    if (s.old == NOTHING)
      next = R_UNLOCK;
    break;
  case R_EPOCH:
    st.recoverEpoch[slot] = st.epoch;
    break;
  case R_RETIRE:
    tagRetired(s.old, slot);
    break;
  case R_APPEND:
    s.limbo[s.position] = {s.old, st.recoverEpoch[slot], st.cell[s.old].life};
    st.recoverEpoch[slot] = 0;
    break;
  case R_TAIL:
    s.tail = s.position + 1;
    break;
  case R_UNLOCK:
    if (st.lock[s.place] == slot + 1)
      st.lock[s.place] = 0;
    break;
  case R_PRIVATE:
  case R_PRIVATE2: {
    uint8_t c = s.record[phase == R_PRIVATE ? 0 : 1];
    if (c != NOTHING && (opt.freeUnchecked || (st.cell[c].kind == PRIVATE && st.cell[c].slot == slot)))
      tagFreePrivate(c, slot);
    if (opt.clearRecord)
      s.record[phase == R_PRIVATE ? 0 : 1] = NOTHING;
    break;
  }
  case R_CLEAR:
    s.state = 0;
    break;
  case R_LEAVE: {
    s.epoch = 0;
    next = R_NONE;
    uint8_t operations = st.holder[slot].operations;
    st.holder[slot] = Holder{}; // the next incarnation: it begins with ADOPT
    st.holder[slot].operations = operations;
    break;
  }
  }
  phase = next;
}

// ---------------------------------------------------------------------------------------------------------
// Search
// ---------------------------------------------------------------------------------------------------------

void checkQuiet() {
  for (int i = 0; i < SLOTS; i++)
    if (st.holder[i].phase != IDLE)
      return;
  for (int c = 0; c < opt.cells; c++) {
    int places = 0;
    int entries = 0;
    for (uint8_t p : st.place)
      places += p == c;
    for (const Slot &s : st.slot)
      for (int i = s.head; i < s.tail; i++)
        entries += s.limbo[i].cell == c;
    Kind kind = static_cast<Kind>(st.cell[c].kind);
    if (kind == PRIVATE)
      bad("leak: a private cell of nobody");
    if (kind == LIVE && places != 1)
      bad("leak: a LIVE cell in no place");
    if (kind != LIVE && places != 0)
      bad("a place holds a cell that is not LIVE");
    if (opt.noDrop || opt.lateDrop)
      continue; // stale entries are what these two leave; look for the harm they do
    if (kind == RETIRED && entries != 1)
      bad("leak: a RETIRED cell that is not in exactly one limbo");
    if (kind != RETIRED && entries != 0)
      bad("a limbo holds a cell that is not RETIRED");
  }
}

void report() {
  printf("VIOLATION: %s\n", problem.c_str());
  for (const Step &s : trace) {
    if (s.who == 'p')
      printf("   slot %d %s (cell %d, place %d)\n", s.slot, phaseNames[s.phase], s.cell, s.place);
    else if (s.who == 'r')
      printf("       recoverer of slot %d: %s\n", s.slot, recoverNames[s.phase]);
    else if (s.who == 'd')
      printf("   slot %d DIES\n", s.slot);
    else if (s.who == 'D')
      printf("       RECOVERER DIES\n");
    else
      printf("   reader: step %d, holds %d\n", s.phase, s.cell);
  }
}

/** Calls `go(step)` for each successor, with `st` set to it. */
template <class Go> void successors(Go go) {
  const State before = st;
  auto take = [&](Step step) {
    tidy();
    go(step);
    st = before;
    return problem.empty();
  };
  for (uint8_t i = 0; i < SLOTS; i++) {
    Holder &h = st.holder[i];
    uint8_t phase = h.phase;
    if (enabled(i)) {
      participantStep(i);
      if (!take({'p', i, phase, before.holder[i].cell, before.holder[i].place}))
        return;
    }
    if (phase == IDLE) {
      bool limbo = st.slot[i].head < st.slot[i].tail;
      if (limbo) { // reclaim
        h.phase = ADVANCE_EPOCH;
        if (!take({'p', i, IDLE, NOTHING, 0}))
          return;
      }
      if (h.operations < opt.operations[i]) {
        for (uint8_t place = 0; place < PLACES; place++) {
          for (int c = 0; c < opt.cells; c++) {
            if (st.cell[c].kind != FREE || !inSlab(c, i))
              continue;
            uint8_t second = NOTHING;
            if (opt.two)
              for (int d = 0; d < opt.cells; d++)
                if (d != c && st.cell[d].kind == FREE && inSlab(d, i))
                  second = static_cast<uint8_t>(d);
            for (uint8_t aborts = 0; aborts < 2; aborts++) {
              uint8_t used = h.operations;
              h = Holder{};
              h.operations = used + 1;
              h.phase = ENTER;
              h.epoch = st.epoch;
              h.place = place;
              h.cell = static_cast<uint8_t>(c);
              h.cell2 = second;
              h.aborts = aborts;
              if (!take({'p', i, IDLE, static_cast<uint8_t>(c), place}))
                return;
            }
          }
          if (st.place[place] != NOTHING) {
            uint8_t used = h.operations;
            h = Holder{};
            h.operations = used + 1;
            h.phase = ENTER;
            h.epoch = st.epoch;
            h.place = place;
            h.cell = h.cell2 = NOTHING;
            h.clears = 1;
            if (!take({'p', i, IDLE, NOTHING, place}))
              return;
          }
        }
      }
    }
    bool mayDie = (i == 0 || opt.secondDies) && st.deaths < opt.deaths;
    if (mayDie && phase != DEAD && phase != IDLE) {
      st.deaths++;
      uint8_t used = h.operations;
      h = Holder{};
      h.operations = used;
      h.phase = DEAD;
      st.recover[i] = R_START;
      if (!take({'d', i, phase, 0, 0}))
        return;
    }
    if (st.recover[i] != R_NONE) {
      uint8_t at = st.recover[i];
      recoverStep(i);
      if (!take({'r', i, at, 0, 0}))
        return;
      if (at != R_START && st.recovererDeaths < opt.recovererDeaths) {
        st.recovererDeaths++;
        st.recover[i] = R_START;
        st.recoverEpoch[i] = 0;
        if (!take({'D', i, at, 0, 0}))
          return;
      }
    }
  }
  // The reader: load the epoch, publish it, load a place, leave.
  if (st.readerPhase == 0 && st.reads < opt.reads) {
    st.reads++;
    st.readerEpoch = st.epoch;
    st.readerPhase = 1;
    if (!take({'v', 0, 0, st.readerCell, 0}))
      return;
  } else if (st.readerPhase == 1) {
    st.readerPublished = st.readerEpoch;
    st.readerPhase = 2;
    if (!take({'v', 0, 1, st.readerCell, 0}))
      return;
  } else if (st.readerPhase == 2) {
    for (uint8_t place = 0; place < PLACES; place++) {
      st.readerCell = st.place[place];
      st.readerPhase = 3;
      if (!take({'v', 0, 2, st.readerCell, place}))
        return;
    }
  } else if (st.readerPhase == 3) {
    st.readerCell = NOTHING;
    st.readerPublished = st.readerEpoch = 0;
    st.readerPhase = 0;
    if (!take({'v', 0, 3, st.readerCell, 0}))
      return;
  }
}

/** Breadth first: the schedule it reports is a shortest one. */
void explore() {
  struct Node {
    uint32_t parent;
    Step step;
  };
  std::vector<Node> nodes;
  std::vector<State> level, nextLevel;
  std::vector<uint32_t> ids, nextIds;
  visited.insert(hashBytes(&st, sizeof st, 7));
  nodes.push_back({0, {}});
  level.push_back(st);
  ids.push_back(0);
  auto fail = [&](uint32_t node, const Step *last) {
    if (last)
      trace.push_back(*last);
    for (; node != 0; node = nodes[node].parent)
      trace.insert(trace.begin(), nodes[node].step);
    report();
  };
  while (!level.empty()) {
    nextLevel.clear();
    nextIds.clear();
    for (size_t i = 0; i < level.size(); i++) {
      st = level[i];
      states++;
      checkQuiet();
      if (!problem.empty())
        return fail(ids[i], nullptr);
      Step last{};
      successors([&](const Step &step) {
        last = step;
        if (problem.empty() && visited.insert(hashBytes(&st, sizeof st, 7))) {
          nextIds.push_back(static_cast<uint32_t>(nodes.size()));
          nodes.push_back({ids[i], step});
          nextLevel.push_back(st);
        }
      });
      if (!problem.empty())
        return fail(ids[i], &last);
    }
    level.swap(nextLevel);
    ids.swap(nextIds);
  }
}

struct Flag {
  const char *name;
  bool Options::*field;
};
const Flag flags[] = {
    {"both-die", &Options::secondDies},
    {"two", &Options::two},
    {"head-first", &Options::headFirst},
    {"no-drop", &Options::noDrop},
    {"late-drop", &Options::lateDrop},
    {"drop-any-retired", &Options::dropAnyRetired},
    {"record-late", &Options::recordLate},
    {"free-unchecked", &Options::freeUnchecked},
    {"live-unchecked", &Options::liveUnchecked},
    {"clear-record", &Options::clearRecord},
    {"foreign-allocation", &Options::foreignAllocation},
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
  return number("cells=", opt.cells) || number("a=", opt.operations[0]) || number("b=", opt.operations[1]) ||
         number("deaths=", opt.deaths) || number("rdeaths=", opt.recovererDeaths) ||
         number("reads=", opt.reads);
}

} // namespace

int main(int argc, char **argv) {
  std::string name;
  for (int i = 1; i < argc; i++) {
    name += std::string(" ") + argv[i];
    if (!parse(argv[i])) {
      fprintf(stderr, "slots: unknown word %s\n", argv[i]);
      return 2;
    }
  }
  memset(&st, 0, sizeof st);
  st.epoch = 1;
  st.readerCell = NOTHING;
  for (int i = 0; i < SLOTS; i++) {
    st.holder[i].phase = IDLE;
    st.slot[i].record[0] = st.slot[i].record[1] = NOTHING;
  }
  // One place holds a cell of each slab.
  st.place[0] = 0;
  st.place[1] = static_cast<uint8_t>(opt.cells / 2);
  for (uint8_t p : st.place)
    st.cell[p] = {LIVE, 0, 1};
  explore();
  printf("slots%s: %llu states, %s\n", name.c_str(), static_cast<unsigned long long>(states),
         problem.empty() ? "ok" : "VIOLATED");
  return problem.empty() ? 0 : 1;
}

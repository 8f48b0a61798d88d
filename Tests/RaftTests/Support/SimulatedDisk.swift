import Basics
import Raft

/// What one replica has written: a durable part and, in order, writes that a crash may lose from the end.
struct SimulatedDisk {
  struct Contents {
    var hardState = HardState()
    var truncated: TruncatedState
    var entries: [Entry] = []
    /// The state machine: everything applied, in order; a snapshot replaces it.
    var applied: [Entry] = []
  }

  struct Write {
    var number: UInt64
    var change: (inout Contents) -> Void
    var messages: [Message] = []
  }

  var durable: Contents
  /// Every write, durable or not: what a running process sees.
  var visible: Contents
  var pending: [Write] = []

  init(members: Membership) {
    durable = Contents(truncated: TruncatedState(membership: members))
    visible = durable
  }

  mutating func write(_ write: Write) {
    write.change(&visible)
    pending.append(write)
  }

  /// Makes the first `count` pending writes durable and answers them.
  mutating func sync(_ count: Int) -> [Write] {
    let done = Array(pending.prefix(count))
    for write in done { write.change(&durable) }
    pending.removeFirst(done.count)
    return done
  }

  /// The process dies; `survivors` of the pending writes had reached the disk.
  mutating func crash(survivors: Int) {
    _ = sync(survivors)
    pending = []
    visible = durable
  }

  var persisted: PersistedState {
    PersistedState(
      hardState: visible.hardState, truncated: visible.truncated,
      appliedIndex: visible.applied.last?.index ?? 0, entries: visible.entries)
  }
}

extension SimulatedDisk.Contents {
  mutating func store(_ ready: Ready) {
    if let state = ready.hardState { hardState = state }
    if let obsolete = ready.obsoleteIndexes { entries.removeAll { obsolete.contains($0.index) } }
    if let first = ready.entries.first { entries.removeAll { $0.index >= first.index } }
    entries += ready.entries
    applied += ready.committed
  }

  mutating func compact(_ state: TruncatedState) {
    truncated = state
    entries.removeAll { $0.index <= state.index }
  }
}

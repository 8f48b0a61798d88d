import Basics

extension RaftCore {
  /// Asks to confirm that this replica leads. `id` comes back in `Ready.confirmedReads`; it never does when leadership is
  /// lost first.
  public mutating func readIndex(_ id: UInt64, now: MonotonicTime) throws(ProposalRefusal) {
    if leadership == nil { throw .notLeader(hint: leader) }
    wake(now)
    leadership?.reads.waiting.append(id)
    if leadership?.reads.current == nil { leadership?.reads.wantsRound = true }
    leadership?.lastWork = now
  }

  /// Begins the next round, if reads wait, none is under way, and the commit index is known to be current: an entry of
  /// this term is committed.
  mutating func startReadRound() {
    guard let leadership, leadership.reads.wantsRound, commitIndex >= leadership.termStartIndex else { return }
    self.leadership?.reads.wantsRound = false
    if leadership.reads.waiting.isEmpty { return }
    let number = leadership.reads.number + 1
    self.leadership?.reads.number = number
    self.leadership?.reads.current = ReadRounds.Round(number: number, index: commitIndex, ids: leadership.reads.waiting)
    self.leadership?.reads.waiting = []
    for progress in leadership.progress where progress.node != id && membership.isVoter(progress.node) {
      send(progress.node, .heartbeat(commitIndex: min(commitIndex, progress.matchIndex), readRound: number))
    }
    confirmReads()
  }

  mutating func confirmReads() {
    guard let leadership, let current = leadership.reads.current else { return }
    let own = id
    let reached = leadership.quorumValue(membership) { $0.node == own ? UInt64.max : $0.confirmedReadRound }
    guard let reached, reached >= current.number else { return }
    self.leadership?.reads.current = nil
    self.leadership?.reads.confirmed.append(current)
    self.leadership?.reads.wantsRound = !leadership.reads.waiting.isEmpty
  }
}

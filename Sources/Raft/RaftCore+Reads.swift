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
    let asked = followersToAsk()
    self.leadership?.reads.current = ReadRounds.Round(
      number: number, index: commitIndex, ids: leadership.reads.waiting, asked: asked)
    self.leadership?.reads.waiting = []
    sendReadRound { asked.isEmpty || asked.contains($0) }
    confirmReads()
  }

  /// As many followers as a majority needs, those that were quick lately first; empty: everybody.
  private func followersToAsk() -> [NodeID] {
    guard options.asksQuorumForReads, let leadership else { return [] }
    let present = leadership.progress.filter { $0.node != id && $0.isReachable && membership.isVoter($0.node) }
      .map(\.node)
    let needed = membership.quorum - (isVoter ? 1 : 0)
    guard needed > 0, needed < present.count else { return [] }
    let quick = leadership.reads.quick.filter { present.contains($0) }
    return Array((quick + present.filter { !quick.contains($0) }).prefix(needed))
  }

  private mutating func sendReadRound(_ isAsked: (NodeID) -> Bool) {
    guard let leadership else { return }
    for progress in leadership.progress
    where progress.node != id && membership.isVoter(progress.node) && isAsked(progress.node) {
      let told = min(commitIndex, progress.matchIndex)
      send(progress.node, .heartbeat(commitIndex: told, readRound: leadership.reads.number))
    }
  }

  /// Those who were asked do not answer: ask the others too. Called when a member is away, and at ticks, which let one pass.
  mutating func widenReadRound(isTick: Bool) {
    guard let current = leadership?.reads.current, !current.asked.isEmpty else { return }
    if isTick, !current.isOld {
      leadership?.reads.current?.isOld = true
      return
    }
    leadership?.reads.current?.asked = []
    sendReadRound { !current.asked.contains($0) }
  }

  mutating func confirmReads(by node: NodeID? = nil) {
    guard let leadership, let current = leadership.reads.current else { return }
    let own = id
    let reached = leadership.quorumValue(membership) { $0.node == own ? UInt64.max : $0.confirmedReadRound }
    guard let reached, reached >= current.number else { return }
    if let node { self.leadership?.reads.noteConfirmation(by: node) }
    self.leadership?.reads.current = nil
    self.leadership?.reads.confirmed.append(current)
    self.leadership?.reads.wantsRound = !leadership.reads.waiting.isEmpty
  }
}

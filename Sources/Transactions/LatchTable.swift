import Basics

/// Keys with a proposal in flight, and the requests that wait for it. Requests on a latched key are handed in again in the
/// order of arrival when the proposal has ended.
struct LatchTable: Sendable {
  struct InFlight: Sendable {
    var id: ProposalID
    var keys: [[UInt8]]
    /// Reads at or above it must see the outcome, so they wait; nil: no read waits.
    var visibleFrom: Timestamp?
    var waiters: [RequestID]
  }

  /// Ascending by id.
  private(set) var inFlight: [InFlight] = []
  private var proposalOfKey: [[UInt8]: ProposalID] = [:]

  var isEmpty: Bool { inFlight.isEmpty }
  var count: Int { inFlight.count }

  mutating func latch(_ keys: [[UInt8]], for id: ProposalID, visibleFrom: Timestamp?) {
    for key in keys { proposalOfKey[key] = id }
    inFlight.append(InFlight(id: id, keys: keys, visibleFrom: visibleFrom, waiters: []))
  }

  /// The proposal in flight on a key, whatever it does.
  func holder(of key: [UInt8]) -> ProposalID? { proposalOfKey.isEmpty ? nil : proposalOfKey[key] }

  func blockingRead(of key: [UInt8], at timestamp: Timestamp) -> ProposalID? {
    guard let id = holder(of: key), let visibleFrom = self[id]?.visibleFrom, visibleFrom <= timestamp else {
      return nil
    }
    return id
  }

  func blockingRead(of span: KeySpan, at timestamp: Timestamp) -> ProposalID? {
    for proposal in inFlight {
      guard let visibleFrom = proposal.visibleFrom, visibleFrom <= timestamp else { continue }
      if proposal.keys.contains(where: { span.contains($0) }) { return proposal.id }
    }
    return nil
  }

  mutating func wait(_ request: RequestID, for id: ProposalID) {
    guard let index = index(of: id) else { return }
    inFlight[index].waiters.append(request)
  }

  /// Ends a proposal: its keys are free. Returns who waited, in order of arrival.
  mutating func release(_ id: ProposalID) -> [RequestID] {
    guard let index = index(of: id) else { return [] }
    let ended = inFlight.remove(at: index)
    for key in ended.keys where proposalOfKey[key] == id { proposalOfKey[key] = nil }
    return ended.waiters
  }

  mutating func forget(_ request: RequestID) {
    for index in inFlight.indices { inFlight[index].waiters.removeAll { $0 == request } }
  }

  subscript(id: ProposalID) -> InFlight? { index(of: id).map { inFlight[$0] } }

  private func index(of id: ProposalID) -> Int? {
    if let first = inFlight.first, first.id == id { return 0 }
    var low = 0
    var high = inFlight.count
    while low < high {
      let middle = (low + high) / 2
      if inFlight[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low < inFlight.count && inFlight[low].id == id ? low : nil
  }
}

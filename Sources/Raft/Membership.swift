import Basics

/// Counts leaderships: at most one leader a term (Ongaro, "Consensus: Bridging Theory and Practice", section 3.3).
public typealias Term = UInt64
/// Position in a group's log. The first entry is 1; 0 is before every entry.
public typealias LogIndex = UInt64

/// Who takes part in a group. Both lists are sorted and disjoint.
public struct Membership: Hashable, Sendable {
  public static let maximumMembers = 32

  /// They elect and commit.
  public private(set) var voters: [NodeID]
  /// They receive the log and count for nothing.
  public private(set) var learners: [NodeID]

  public init(voters: [NodeID], learners: [NodeID] = []) {
    self.voters = Set(voters).sorted()
    self.learners = Set(learners).subtracting(voters).sorted()
  }

  public var all: [NodeID] { (voters + learners).sorted() }
  public var quorum: Int { voters.count / 2 + 1 }
  public func isVoter(_ node: NodeID) -> Bool { voters.contains(node) }
  public func contains(_ node: NodeID) -> Bool { voters.contains(node) || learners.contains(node) }

  /// The members after `change`, or nil when it changes nothing or would leave no voter.
  public func after(_ change: MembershipChange) -> Membership? {
    let result: Membership
    switch change {
    case .addLearner(let node):
      if contains(node) { return nil }
      result = Membership(voters: voters, learners: learners + [node])
    case .addVoter(let node):
      if isVoter(node) { return nil }
      result = Membership(voters: voters + [node], learners: learners.filter { $0 != node })
    case .remove(let node):
      if !contains(node) { return nil }
      result = Membership(voters: voters.filter { $0 != node }, learners: learners.filter { $0 != node })
    }
    return result.voters.isEmpty || result.all.count > Self.maximumMembers ? nil : result
  }
}

/// A change of one member: the majorities before and after it overlap, so no joint configuration is needed
/// (Ongaro, section 4.1), provided that the one before is committed and the leader has committed an entry of its term.
public enum MembershipChange: Hashable, Sendable {
  case addLearner(NodeID)
  /// Also promotes a learner.
  case addVoter(NodeID)
  case remove(NodeID)
}

/// The memberships that the log names. The newest one counts, committed or not (Ongaro, section 4.1).
struct MembershipHistory: Hashable, Sendable {
  private struct Version: Hashable, Sendable {
    let index: LogIndex
    let membership: Membership
  }

  /// In the order of the log; never empty. The first is what was in force at the log's truncated index.
  private var versions: [Version]

  init(base: Membership, index: LogIndex) { versions = [Version(index: index, membership: base)] }

  var current: Membership { versions[versions.count - 1].membership }
  var currentIndex: LogIndex { versions[versions.count - 1].index }

  func membership(at index: LogIndex) -> Membership {
    (versions.last { $0.index <= index } ?? versions[0]).membership
  }

  mutating func append(_ membership: Membership, at index: LogIndex) {
    precondition(index > currentIndex, "memberships follow the log's order")
    versions.append(Version(index: index, membership: membership))
  }

  /// Forgets versions at `index` and later. True when the current one changed.
  mutating func truncate(from index: LogIndex) -> Bool {
    let before = versions.count
    while versions.count > 1 && versions[versions.count - 1].index >= index { versions.removeLast() }
    return versions.count != before
  }

  mutating func compact(to index: LogIndex) {
    while versions.count > 1 && versions[1].index <= index { versions.removeFirst() }
  }
}

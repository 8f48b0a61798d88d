import Basics
import EventLoop
import Raft
import RocksEngine

/// One replica on this host: its core, its state machine and who waits for what.
@EventLoopActor final class Group {
  typealias ProposalCompletion = @EventLoopActor (Result<ProposalOutcome, ReplicationError>) -> Void
  typealias BarrierCompletion = @EventLoopActor (ReplicationError?) -> Void

  struct Proposal {
    let index: LogIndex
    let term: Term
    let completion: ProposalCompletion
  }

  let id: RangeID
  let storage: GroupStorage
  let machine: any ReplicatedStateMachine
  var core: RaftCore

  /// Proposals of the present leadership, in the order of the log.
  private var proposals: [Proposal] = []
  private var proposalsHead = 0
  /// Proposals of a lost leadership whose fate is open, until `undecidedDeadline`.
  private(set) var undecided: [Proposal] = []
  private(set) var undecidedDeadline = MonotonicTime(nanoseconds: 0)
  var barriers: [UInt64: BarrierCompletion] = [:]

  /// In the host's list of groups with something to do.
  var isDirty = false
  /// In the host's list of groups that look at the time.
  var isTicking = false
  var isRemoved = false
  /// The term for which `becameLeader` was called and `lostLeadership` was not.
  var announcedTerm: Term?
  /// The term for which the core was told which members are away.
  var leaderTermSeen: Term?
  /// The preferred leader of a new group campaigns until then.
  var eagerUntil: MonotonicTime?
  var incoming: IncomingSnapshot?
  var restore: SnapshotRestore?

  init(id: RangeID, storage: GroupStorage, machine: any ReplicatedStateMachine, core: RaftCore) {
    self.id = id
    self.storage = storage
    self.machine = machine
    self.core = core
  }

  // MARK: - Proposals

  func isAwaited(_ index: LogIndex, _ term: Term) -> Bool {
    if proposalsHead < proposals.count && proposals[proposalsHead].index == index {
      return proposals[proposalsHead].term == term
    }
    return undecided.contains { $0.index == index && $0.term == term }
  }

  var hasProposals: Bool { proposalsHead < proposals.count }

  func await(_ proposal: Proposal) { proposals.append(proposal) }

  /// Those who wait for position `index`, and whether it is their entry that was committed there.
  func settle(_ index: LogIndex, _ term: Term, _ body: (@escaping ProposalCompletion, _ isOwn: Bool) -> Void) {
    while proposalsHead < proposals.count && proposals[proposalsHead].index <= index {
      let proposal = proposals[proposalsHead]
      proposalsHead += 1
      body(proposal.completion, proposal.index == index && proposal.term == term)
    }
    if proposalsHead == proposals.count {
      proposals.removeAll(keepingCapacity: true)
      proposalsHead = 0
    } else if proposalsHead > 4096 {
      proposals.removeFirst(proposalsHead)
      proposalsHead = 0
    }
    if undecided.isEmpty { return }
    for proposal in undecided where proposal.index == index { body(proposal.completion, proposal.term == term) }
    undecided.removeAll { $0.index == index }
  }

  /// Leadership is lost: what was proposed may still be committed by the next leader.
  func suspendProposals(until deadline: MonotonicTime) {
    undecided += proposals[proposalsHead...]
    proposals.removeAll()
    proposalsHead = 0
    undecidedDeadline = deadline
  }

  /// Gives up on what nobody will tell.
  func takeUndecided(throughIndex index: LogIndex = LogIndex.max) -> [ProposalCompletion] {
    let given = undecided.filter { $0.index <= index }.map(\.completion)
    undecided.removeAll { $0.index <= index }
    return given
  }

  func takeAllProposals() -> [ProposalCompletion] {
    suspendProposals(until: undecidedDeadline)
    return takeUndecided()
  }

  func takeBarriers() -> [BarrierCompletion] {
    let taken = barriers.sorted { $0.key < $1.key }.map(\.value)
    barriers.removeAll()
    return taken
  }
}

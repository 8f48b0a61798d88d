import Basics
import EventLoop
import Replication

/// What a range needs of its Raft group. `ReplicationHost` provides it; tests put a plain queue in its place.
@EventLoopActor protocol RangeLog: AnyObject {
  /// The completion comes after the command is applied on this replica, or with the reason why it is not.
  func propose(
    _ group: RangeID, _ command: [UInt8],
    completion: @escaping @EventLoopActor (Result<Replication.ProposalOutcome, ReplicationError>) -> Void)
  /// Who leads as far as this replica knows.
  func knownLeader(of group: RangeID) -> NodeID?
}

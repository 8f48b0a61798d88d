/// Where workloads run: a simulated cluster, a real one, or a fake in a test.
public protocol WorkloadHost: AnyObject, Sendable {
  /// Nanoseconds of one clock for all clients, never going back, and not a node's.
  var now: UInt64 { get }
  /// Every choice of a workload derives from it.
  var seed: UInt64 { get }
  /// How long a transaction may surely read what it began with, even if its gateway is frozen (72000 afterwards); nil: as
  /// long as any lasts.
  var snapshotLife: UInt64? { get }
  func pause(milliseconds: UInt64) async
  /// A session with the gateway of that number (counted from 0, modulo their number); it connects when first used.
  func client(preferredGateway: Int) async -> any SQLClient
  /// The mix has come to a phase; it goes on when this returns.
  func entered(_ phase: WorkloadPhase) async
}

extension WorkloadHost {
  public var snapshotLife: UInt64? { nil }
}

/// What a mix goes through.
public enum WorkloadPhase: Hashable, Sendable, CaseIterable {
  /// Tables are created and filled.
  case setUp
  /// All clients of all workloads: the time for faults.
  case traffic
  /// The clients are through. Here a host ends its faults and returns when the cluster serves.
  case settling
  /// Every workload reads what is left.
  case finalReads
  case done
}

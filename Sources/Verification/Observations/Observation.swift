/// What a harness sees inside a cluster. Names of nodes are the harness's own.
public enum Observation: Hashable, Sendable {
  /// A replica applied an entry of a Raft group, for the first time or again after a restart.
  case applied(node: String, group: UInt64, index: UInt64, term: UInt64, digest: UInt64)
  /// Digest of a replica's whole state after the entry of that index.
  case stateDigest(node: String, group: UInt64, index: UInt64, digest: UInt64)
  case leader(group: UInt64, term: UInt64, node: String)
  /// Timestamps `first`…`first + count − 1` were answered; `requestedAt` is not after the question (ns).
  case timestampsGranted(node: String, first: UInt64, count: UInt64, requestedAt: UInt64)
  /// A node applied what an entry of the schema log does to one table.
  case schemaEntry(
    node: String, index: UInt64, timestamp: UInt64, table: UInt64, from: UInt64, to: UInt64, floor: UInt64,
    kind: SchemaEntryKind, job: UInt64)
  /// A transaction that wrote the table with that version committed at that timestamp.
  case committed(node: String, table: UInt64, version: UInt64, timestamp: UInt64)
  /// A job's replicated state has changed.
  case job(id: UInt64, operation: String?, state: ObservedJobState)
  /// Whether a majority of every group runs and can talk; true until said otherwise.
  case majorityHealthy(Bool)
}

/// What an entry asks of writers with older versions, read from the descriptors and not from the floor.
public enum SchemaEntryKind: Hashable, Sendable {
  /// Names, creation, columns that are nullable or have a default: any older version may go on.
  case compatible
  /// An element went to its next state: only the version before may go on.
  case transition
  /// A backfill reads at this entry: nobody older may commit after it.
  case backfillStart
}

public enum ObservedJobState: UInt8, Hashable, Sendable, CaseIterable {
  case queued, running, paused, reverting, succeeded, failed, canceled

  public var isFinal: Bool { self == .succeeded || self == .failed || self == .canceled }
}

/// Observations in the order they were made.
public struct ObservationLog: Sendable {
  public struct Entry: Sendable, CustomStringConvertible {
    /// Nanoseconds of the clock all observers share.
    public var time: UInt64
    public var observation: Observation

    public var description: String {
      "[\(time / 1_000_000).\(time / 1000 % 1000 / 100) ms] \(observation)"
    }
  }

  public private(set) var entries: [Entry] = []

  public init() {}

  public mutating func record(at time: UInt64, _ observation: Observation) {
    entries.append(Entry(time: time, observation: observation))
  }
}

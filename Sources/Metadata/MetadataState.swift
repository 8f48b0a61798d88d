import Basics
import Catalog
import SchemaChange

/// Everything the metadata group replicates: a value that `apply` moves forward, the same on every replica.
///
/// Copies share structure, so the leader keeps a second one that is ahead by what it has proposed, and a checkpoint can be
/// written while entries go on being applied.
public struct MetadataState: Sendable {
  /// Schema entries kept for watchers that fell behind; older ones start from a snapshot.
  public static let maximumLogTail = 4_096
  /// Finished jobs kept, with their operation ids.
  public static let maximumFinishedJobs = 50_000
  /// Seven days.
  public static let jobRetentionMilliseconds: UInt64 = 604_800_000
  /// Beyond it what is dropped is gone at once.
  public static let maximumWaysBack = 10_000
  /// Registered nodes that are not live; beyond it the oldest are forgotten.
  public static let maximumDeadNodes = 1_000
  /// Ids below are left to operators, who may give them by flags.
  public static let firstAllocatedNodeID = NodeID(10_001)

  public internal(set) var clusterID = ""
  public internal(set) var timestampBound = Timestamp.zero
  public internal(set) var catalog = CatalogState()
  /// The newest entries, up to the catalog's index.
  public internal(set) var log = PersistentMap<SchemaIndex, SchemaEntry>()
  public internal(set) var jobs = PersistentMap<JobID, JobRecord>()
  public internal(set) var operations = PersistentMap<String, JobID>()
  public internal(set) var nodes = PersistentMap<NodeID, NodeRecord>()
  /// Ranges nobody can reach any more, and when that began (milliseconds of the leader's clock).
  public internal(set) var retiredRanges = PersistentMap<RangeID, UInt64>()
  /// Of jobs that have ended and of those under way, as long as what they dropped is kept.
  public internal(set) var waysBack = PersistentMap<JobID, WayBack>()
  public internal(set) var nextTableID = TableID(1)
  public internal(set) var nextRangeID = RangeID(1)
  public internal(set) var nextJobID = JobID(1)
  public internal(set) var nextNodeID = Self.firstAllocatedNodeID
  public internal(set) var nextEpoch = SessionEpoch(1)
  var unfinishedJobs = PersistentMap<JobID, Bool>()

  public init() {}

  /// Ascending.
  public var unfinishedJobRecords: [JobRecord] { unfinishedJobs.entries.compactMap { jobs[$0.key] } }

  /// The entries after `index`; nil when the tail does not reach back that far.
  public func entries(after index: SchemaIndex) -> [SchemaEntry]? {
    guard index < catalog.schemaIndex else { return [] }
    var entries: [SchemaEntry] = []
    var next = index.next
    while next <= catalog.schemaIndex {
      guard let entry = log[next] else { return nil }
      entries.append(entry)
      next = next.next
    }
    return entries
  }

  /// Moves the state forward. A refused command leaves it as it was; refusal is the same on every replica.
  public mutating func apply(_ command: MetadataCommand) throws(CatalogError) {
    switch command {
    case .initialize(let id):
      if clusterID.isEmpty { clusterID = id }
    case .reserveTimestamps(let bound): timestampBound = max(timestampBound, bound)
    case .register(let node):
      nodes[node.id] = node
      nextNodeID = max(nextNodeID, NodeID(node.id.rawValue &+ 1))
      nextEpoch = max(nextEpoch, SessionEpoch(node.epoch.rawValue &+ 1))
      forgetDeadNodes()
    case .endSession(let id, let epoch):
      guard var node = nodes[id], node.epoch == epoch else { return }
      node.isLive = false
      nodes[id] = node
    case .change(let step): try apply(step)
    }
  }

  private mutating func apply(_ step: SchemaStep) throws(CatalogError) {
    if let job = step.job, let known = jobs[job.id], known.sequence >= job.sequence {
      throw .inconsistent("job \(job.id) is at \(known.sequence), not before \(job.sequence)")
    }
    if let entry = step.entry {
      let restored = entry.changes.filter { $0.from > .none && catalog.table(id: $0.tableID) == nil }
      try catalog.apply(entry)
      for table in restored.compactMap(\.descriptor) { waysBack.noteRestored(table) }
      log[entry.index] = entry
      while log.count > Self.maximumLogTail, let oldest = log.first { log[oldest.key] = nil }
      for range in entry.removedRanges { retiredRanges[range] = nil }
    }
    nextTableID = max(nextTableID, step.nextTableID)
    nextRangeID = max(nextRangeID, step.nextRangeID)
    for range in step.retiredRanges { retiredRanges[range] = step.wallMilliseconds }
    for range in step.restoredRanges { retiredRanges[range] = nil }
    for job in step.forgottenWaysBack { waysBack[job] = nil }
    if let way = step.wayBack { waysBack[way.job] = way }
    guard let job = step.job else { return }
    nextJobID = max(nextJobID, JobID(job.id.rawValue &+ 1))
    if let operation = job.operationID { operations[operation.text] = job.id }
    if job.state.isFinished {
      jobs[job.id] = job.compacted
      waysBack[job.id]?.finishedMilliseconds = max(job.finishedMilliseconds, 1)
      if job.state != .succeeded { waysBack[job.id] = nil }
      unfinishedJobs[job.id] = nil
      forgetOldJobs(step.wallMilliseconds)
    } else {
      jobs[job.id] = job
      unfinishedJobs[job.id] = true
    }
  }

  private mutating func forgetOldJobs(_ now: UInt64) {
    while let oldest = jobs.first, oldest.value.state.isFinished,
      jobs.count - unfinishedJobs.count > Self.maximumFinishedJobs
        || oldest.value.finishedMilliseconds &+ Self.jobRetentionMilliseconds < now
    {
      jobs[oldest.key] = nil
      if let operation = oldest.value.operationID { operations[operation.text] = nil }
    }
  }

  private mutating func forgetDeadNodes() {
    guard nodes.count > Self.maximumDeadNodes else { return }
    let dead = nodes.values.filter { !$0.isLive && $0.role != .storage }
    guard dead.count > Self.maximumDeadNodes else { return }
    for node in dead.sorted(by: { $0.epoch < $1.epoch }).prefix(dead.count - Self.maximumDeadNodes) {
      nodes[node.id] = nil
    }
  }
}

extension MetadataState {
  /// At most `count` jobs, newest first; unfinished ones are always among them.
  public func newestJobs(_ count: Int) -> [JobRecord] {
    let unfinished = unfinishedJobRecords
    var result = unfinished
    for job in jobs.values.reversed() where result.count < count {
      if job.state.isFinished { result.append(job) }
    }
    return result.sorted { $0.id > $1.id }
  }
}

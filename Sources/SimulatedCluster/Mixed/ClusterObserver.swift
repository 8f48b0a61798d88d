import Basics
import Catalog
import EventLoop
import MetadataNode
import SchemaChange
import Simulation
import Verification

/// Writes down what nodes of a simulated cluster do, for the checks of its inside.
@EventLoopActor final class ClusterObserver: NodeObserver {
  private(set) var log = ObservationLog()
  private let cluster: SimulatedCluster
  private let names: [Int: String]
  /// As the newest entry seen by any node left them.
  private var tables: [TableID: TableDescriptor] = [:]
  private var kinds: [UInt64: [UInt64: SchemaEntryKind]] = [:]
  private var jobStates: [JobID: JobState] = [:]
  private var jobSequences: [JobID: UInt64] = [:]

  init(_ cluster: SimulatedCluster) {
    self.cluster = cluster
    names = Dictionary(uniqueKeysWithValues: cluster.world.hosts.map { ($0.number, $0.name) })
    EventLoop.observer = self
    MetadataNode.observer = { [weak self] entry, job in
      if let entry { self?.applied(entry) }
      if let job { self?.changed(job) }
    }
  }

  var now: UInt64 { cluster.world.clock }
  private var node: String { SimulatedProcess.current.flatMap { names[$0.host] } ?? "driver" }

  /// Group 0 of the metadata service is not the storage nodes' group 0.
  func applied(group: UInt64, index: UInt64, term: UInt64, command: [UInt8]) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in command { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    log.record(at: now, .applied(node: node, group: group, index: index, term: term, digest: hash))
  }

  func becameLeader(group: UInt64, term: UInt64) {
    log.record(at: now, .leader(group: group, term: term, node: node))
  }

  func granted(first: UInt64, count: UInt64, askedAt: UInt64) {
    log.record(at: now, .timestampsGranted(node: node, first: first, count: count, requestedAt: askedAt))
  }

  func committed(table: UInt64, version: UInt64, timestamp: UInt64) {
    log.record(at: now, .committed(node: node, table: table, version: version, timestamp: timestamp))
  }

  /// Nothing is known to be under way.
  var areJobsFinished: Bool { jobStates.values.allSatisfy(\.isFinished) }

  // MARK: - Metadata

  private func applied(_ entry: SchemaEntry) {
    for change in entry.changes {
      log.record(
        at: now,
        .schemaEntry(
          node: node, index: entry.index.rawValue, timestamp: entry.timestamp.rawValue,
          table: change.tableID.rawValue, from: change.from.rawValue, to: change.to.rawValue,
          floor: change.commitFloor.rawValue, kind: kind(of: change, in: entry), job: entry.jobID?.rawValue ?? 0))
    }
  }

  /// Judged once, by the first replica that applies it: then the newest descriptors are those before it.
  private func kind(of change: TableChange, in entry: SchemaEntry) -> SchemaEntryKind {
    let (index, table) = (entry.index.rawValue, change.tableID.rawValue)
    if let known = kinds[index]?[table] { return known }
    let kind = Self.kind(from: tables[change.tableID], to: change.descriptor)
    tables[change.tableID] = change.descriptor
    kinds[index, default: [:]][table] = kind
    return kind
  }

  /// Backfills alone are judged here. For other steps an older version may be compatible however many versions lie
  /// between, when none of them changed what writers do; the floor that the entry claims is checked in any case.
  static func kind(from old: TableDescriptor?, to new: TableDescriptor?) -> SchemaEntryKind {
    guard let old, let new else { return .compatible }
    let starts = new.indexes.contains { index in
      let before = old.index(index.id)?.state ?? .absent
      return index.state == .backfilling && before.rawValue < ElementState.backfilling.rawValue
    }
    let fills = new.columns.contains { column in
      column.state == .backfilling && old.column(column.id)?.state != .backfilling
    }
    return starts || fills ? .backfillStart : .compatible
  }

  private func changed(_ job: JobRecord) {
    // Replicas that lag, or start again, tell old news.
    guard job.sequence > jobSequences[job.id] ?? 0 || jobSequences[job.id] == nil else { return }
    jobSequences[job.id] = job.sequence
    if jobStates.updateValue(job.state, forKey: job.id) == job.state { return }
    guard let state = ObservedJobState(rawValue: job.state.rawValue) else { return }
    log.record(at: now, .job(id: job.id.rawValue, operation: job.operationID?.text, state: state))
  }
}

import Basics
import Catalog
import EventLoop
import Metadata
import RPC
import Wire

/// Serves `Metadata.Watch` from the state applied here: every entry is encoded once and put before each watcher at the end of the
/// turn in which it was applied. A watcher that reads too slowly is cut off and starts again from its index.
@EventLoopActor final class WatchHub {
  /// Updates waiting for one watcher.
  static let maximumWaitingUpdates = 1_024
  static let maximumWatchers = 4_096
  /// Entries in one message when a watcher catches up.
  static let entriesPerUpdate = 256

  private var watchers: [UInt64: Mailbox<WatchUpdate>] = [:]
  private var nextWatcher: UInt64 = 1
  private var newEntries: [[UInt8]] = []
  private var areNodesChanged = false
  private var isScheduled = false
  private let nodes: @EventLoopActor () -> [NodeInfo]

  init(nodes: @escaping @EventLoopActor () -> [NodeInfo]) { self.nodes = nodes }

  var count: Int { watchers.count }

  func applied(_ entry: SchemaEntry) {
    newEntries.append(entry.encoded())
    schedule()
  }

  func nodesChanged() {
    areNodesChanged = true
    schedule()
  }

  /// Everybody has to start again: this replica's state has jumped, or the process ends.
  func endAll(_ reason: String) {
    for watcher in watchers.keys.sorted() { watchers[watcher]?.finish(RPCError(.unavailable, reason)) }
    watchers = [:]
    newEntries = []
  }

  func serve(_ request: WatchRequest, _ state: MetadataState, _ sink: RPCSink<WatchUpdate>) async throws {
    guard watchers.count < Self.maximumWatchers else {
      throw RPCError(.resourceExhausted, "\(Self.maximumWatchers) watchers are connected already")
    }
    // What this turn has applied is in `state`; it must not come twice, nor be missed.
    flush()
    let id = nextWatcher
    nextWatcher += 1
    let mailbox = Mailbox<WatchUpdate>(limit: Self.maximumWaitingUpdates)
    watchers[id] = mailbox
    defer { watchers[id] = nil }
    for update in beginning(request, state) { try await sink.send(update) }
    while let updates = try await mailbox.next() {
      for update in updates { try await sink.send(update) }
    }
  }

  private func beginning(_ request: WatchRequest, _ state: MetadataState) -> [WatchUpdate] {
    var first = WatchUpdate(nodes: nodes(), hasNodes: true, clusterID: state.clusterID)
    let after = SchemaIndex(request.afterSchemaIndex)
    guard after > .zero, let entries = state.entries(after: after) else {
      first.catalogSnapshot = state.catalog.encoded()
      return [first]
    }
    var updates = [first]
    for start in stride(from: 0, to: entries.count, by: Self.entriesPerUpdate) {
      let end = min(start + Self.entriesPerUpdate, entries.count)
      updates.append(WatchUpdate(schemaEntries: entries[start..<end].map { $0.encoded() }))
    }
    return updates
  }

  private func schedule() {
    guard !isScheduled else { return }
    isScheduled = true
    EventLoop.endOfTurn { [weak self] in
      self?.isScheduled = false
      self?.flush()
    }
  }

  private func flush() {
    guard !newEntries.isEmpty || areNodesChanged else { return }
    var update = WatchUpdate(schemaEntries: newEntries)
    if areNodesChanged {
      update.nodes = nodes()
      update.hasNodes = true
    }
    newEntries = []
    areNodesChanged = false
    for watcher in watchers.keys.sorted() where watchers[watcher]?.put(update) == false { watchers[watcher] = nil }
  }
}

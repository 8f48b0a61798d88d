import Basics
import Catalog
import EventLoop
import RPC
import Wire

extension MetadataConnection {
  /// Keeps a watch stream open until stopped.
  func keepWatching() async {
    var failures = 0
    while !isStopped {
      let address = leaderAddress
      let request = WatchRequest(nodeID: nodeID.rawValue, afterSchemaIndex: appliedSchemaIndex.rawValue)
      let stream = channel(to: address).openServerStream(MetadataService.watch, request, deadline: nil)
      watchStream = stream
      watchAddress = address
      do {
        while let update = try await stream.receive() {
          failures = 0
          try apply(update)
        }
      } catch {
        stream.cancel()
        if isStopped { return }
        // Another process may answer while this one is down; the session's calls find the leader.
        if let error = error as? RPCError { learnLeader(from: error, asked: address) }
        if failures == 3 { onEvent?(.watchFailing("\(error)")) }
      }
      failures += 1
      try? await EventLoop.sleep(for: .milliseconds(Int64(ClientLimits.backoff(attempt: failures))))
    }
  }

  /// The stream delivers too little too late: ask the leader.
  func reopenWatch() {
    let now = EventLoop.now
    guard now.milliseconds(since: lastWatchReopening) > ClientLimits.watchPatienceMilliseconds else { return }
    lastWatchReopening = now
    watchStream?.cancel()
  }

  /// The leader has just answered. A stream that an earlier leader serves would fall silent with that replica, unnoticed until
  /// its keepalive, and every step of every schema change would wait for this node meanwhile.
  func watchLeader() {
    guard let watchAddress, watchAddress != leaderAddress else { return }
    watchStream?.cancel()
  }

  private func apply(_ update: WatchUpdate) throws {
    if !update.clusterID.isEmpty { clusterID = update.clusterID }
    var entries: [SchemaEntry] = []
    var isSnapshot = false
    if !update.catalogSnapshot.isEmpty {
      let snapshot = try CatalogSnapshot(decoding: update.catalogSnapshot)
      if history == nil {
        history = CatalogHistory(startingWith: snapshot)
        isSnapshot = true
      } else if snapshot.schemaIndex > appliedSchemaIndex {
        history?.reset(to: snapshot)
        isSnapshot = true
      }
    }
    for bytes in update.schemaEntries {
      let entry = try SchemaEntry(decoding: bytes)
      if entry.index <= appliedSchemaIndex { continue }
      guard history != nil else { throw MalformedBytes("a schema entry before the first snapshot") }
      try history?.apply(entry)
      entries.append(entry)
    }
    if update.hasNodes {
      nodes = [:]
      for node in update.nodes { nodes[NodeID(node.nodeID)] = node }
      for observer in nodeObservers { observer() }
    }
    if isSnapshot || !entries.isEmpty {
      for observer in catalogObservers { observer(entries, isSnapshot) }
      wakeAppliedWaiters()
      acknowledgeNow()
    }
  }
}

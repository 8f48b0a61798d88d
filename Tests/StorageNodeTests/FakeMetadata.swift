import Basics
import Catalog
import EventLoop
import RPC
import Wire

/// A metadata service that registers everybody and delivers a catalog the test writes.
@EventLoopActor final class FakeMetadata {
  let server = RPCServer()
  private(set) var endpoint = Endpoint(host: "127.0.0.1", port: 0)
  private var catalog = CatalogState()
  private var entries: [SchemaEntry] = []
  private var nodes: [UInt64: NodeInfo] = [:]
  private var watchers: [RPCSink<WatchUpdate>] = []
  private var epoch: UInt64 = 0
  var leaseMilliseconds: UInt64 = 3000
  /// Told with each renewal.
  var safePoints = RenewResponse()
  /// What each node said last about locks.
  private(set) var resolved: [UInt64: UInt64] = [:]

  func start() throws {
    server.handleFast(MetadataService.register) { [self] request, reply in
      guard var node = request.node else { return reply.fail(RPCError(.invalidArgument, "no node")) }
      epoch += 1
      node.sessionEpoch = epoch
      node.isLive = true
      nodes[node.nodeID] = node
      announceNodes()
      reply.succeed(
        RegisterResponse(
          sessionEpoch: epoch, leaseMilliseconds: leaseMilliseconds, clusterID: "test", nodeID: node.nodeID))
    }
    server.handleFast(MetadataService.renew) { [self] request, reply in
      let isLive = nodes[request.nodeID]?.sessionEpoch == request.sessionEpoch
      resolved[request.nodeID] = request.resolvedTimestamp
      var response = safePoints
      response.isLive = isLive
      response.leaseMilliseconds = leaseMilliseconds
      reply.succeed(response)
    }
    server.handleFast(MetadataService.acknowledge) { _, reply in reply.succeed(Empty()) }
    server.handleServerStream(MetadataService.watch) { [self] request, _, sink in
      var first = WatchUpdate(nodes: nodeList, hasNodes: true, clusterID: "test")
      if request.afterSchemaIndex == 0 {
        first.catalogSnapshot = catalog.encoded()
      } else {
        first.schemaEntries = entries.filter { $0.index.rawValue > request.afterSchemaIndex }.map { $0.encoded() }
      }
      try await sink.send(first)
      watchers.append(sink)
      while true { try await EventLoop.sleep(for: .seconds(3600)) }
    }
    endpoint = try server.listen(port: 0)
  }

  private var nodeList: [NodeInfo] { nodes.values.sorted { $0.nodeID < $1.nodeID } }

  private func announceNodes() {
    for watcher in watchers { _ = watcher.trySend(WatchUpdate(nodes: nodeList, hasNodes: true)) }
  }

  /// The session of a process ends.
  func end(node: NodeID) {
    nodes[node.rawValue]?.isLive = false
    announceNodes()
  }

  func append(_ entry: SchemaEntry) throws {
    try catalog.apply(entry)
    entries.append(entry)
    for watcher in watchers { _ = watcher.trySend(WatchUpdate(schemaEntries: [entry.encoded()])) }
  }

  var nextIndex: SchemaIndex { catalog.schemaIndex.next }
}

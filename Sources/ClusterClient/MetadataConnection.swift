import Basics
import Catalog
import EventLoop
import RPC
import Wire

/// A process's connection to the metadata service: session, leader, catalog, nodes and ranges.
///
/// Happy path: register with the leader, open the watch stream, apply the snapshot and then every schema entry in
/// order, acknowledge what was applied, renew the lease. Any failure leads to another metadata address; a session that
/// is gone leads to a new registration with a new epoch, and observers of `onSessionLost` drop what they hold.
@EventLoopActor public final class MetadataConnection {
  public let options: ClusterClientOptions
  public let pins = PinRegistry()

  /// 0 until registered for the first time, if none was configured.
  public internal(set) var nodeID: NodeID
  /// Nil while there is no session.
  public internal(set) var sessionEpoch: SessionEpoch?
  public internal(set) var clusterID: String

  /// All catalogs that running transactions may need; nil until the first snapshot came.
  public internal(set) var history: CatalogHistory?
  public internal(set) var nodes: [NodeID: NodeInfo] = [:]

  /// Highest schema index that may be acknowledged now, given the applied one; nodes with work to finish first lower it.
  public var acknowledgementGate: (@EventLoopActor (SchemaIndex) -> SchemaIndex)?

  /// Of a storage node: no lock of a transaction that started below is on any of its replicas. Told with each renewal.
  public var resolvedTimestamp: (@EventLoopActor () -> Timestamp)?
  /// How far the past may be given up, as the metadata leader says with each renewal.
  public var onSafePoints: (@EventLoopActor (SafePointAdvice) -> Void)?

  /// For the log.
  public var onEvent: (@EventLoopActor (ClusterEvent) -> Void)?

  // Leader finding.
  var addresses: [Endpoint]
  var currentAddress = 0
  private var channels: [Endpoint: RPCChannel] = [:]

  // Observers.
  var catalogObservers: [@EventLoopActor (_ entries: [SchemaEntry], _ isSnapshot: Bool) -> Void] = []
  var nodeObservers: [@EventLoopActor () -> Void] = []
  var sessionLostObservers: [@EventLoopActor () -> Void] = []
  var sessionStartedObservers: [@EventLoopActor () -> Void] = []

  // Waiters for an applied index, a session, a snapshot.
  var appliedWaiters: [AppliedWaiter] = []

  var isStopped = false
  /// No new session is wanted.
  var isLeaving = false
  var sessionTask: Task<Void, Never>?
  var watchTask: Task<Void, Never>?
  var watchStream: RPCClientStream<WatchRequest, WatchUpdate>?
  /// Where `watchStream` was opened.
  var watchAddress: Endpoint?
  var lastWatchReopening = MonotonicTime(nanoseconds: 0)
  var acknowledger: Acknowledger?

  struct AppliedWaiter {
    let index: SchemaIndex
    let deadline: MonotonicTime
    let since: MonotonicTime
    let completion: @EventLoopActor (Bool) -> Void
  }

  public init(_ options: ClusterClientOptions) {
    precondition(!options.metadataEndpoints.isEmpty, "no metadata address")
    self.options = options
    nodeID = options.nodeID
    clusterID = options.clusterID
    addresses = options.metadataEndpoints
  }

  /// Registers, watches and acknowledges from now on.
  public func start() {
    let acknowledger = Acknowledger(self)
    self.acknowledger = acknowledger
    pins.onRelease = { [weak self] pin in
      guard let self, pin.index < self.appliedSchemaIndex else { return }
      self.acknowledgeNow()
    }
    pins.onExpectationEnd = { [weak self] index in
      guard let self, index < self.appliedSchemaIndex else { return }
      self.acknowledgeNow()
    }
    sessionTask = Task { @EventLoopActor [weak self] in await self?.keepSession() }
    watchTask = Task { @EventLoopActor [weak self] in await self?.keepWatching() }
    Timer.repeating(every: .milliseconds(100)) { [weak self] in self?.checkWaiters() }
    acknowledger.start()
  }

  /// Ends the session, so that nobody waits for this process any longer, and then stops. For a process that has finished its
  /// work; without a metadata leader that answers within a second the lease ends the session.
  public func leave() async {
    isLeaving = true
    sessionTask?.cancel()
    if let epoch = sessionEpoch {
      sessionEpoch = nil
      do throws(RPCError) {
        _ = try await call(
          MetadataService.deregister, DeregisterRequest(nodeID: nodeID.rawValue, sessionEpoch: epoch.rawValue),
          deadline: EventLoop.now.advanced(byMilliseconds: ClientLimits.leavingMilliseconds))
      } catch {
        onEvent?(.leavingFailed("\(error)"))
      }
    }
    stop()
  }

  public func stop() {
    isStopped = true
    sessionTask?.cancel()
    watchTask?.cancel()
    watchStream?.cancel()
    acknowledger?.stop()
    for waiter in appliedWaiters { waiter.completion(false) }
    appliedWaiters = []
    for channel in channels.values { channel.close() }
    channels = [:]
  }

  // MARK: - Observers

  public func onCatalogChange(_ observer: @escaping @EventLoopActor ([SchemaEntry], Bool) -> Void) {
    catalogObservers.append(observer)
  }

  public func onNodesChange(_ observer: @escaping @EventLoopActor () -> Void) { nodeObservers.append(observer) }
  public func onSessionLost(_ observer: @escaping @EventLoopActor () -> Void) { sessionLostObservers.append(observer) }

  public func onSessionStarted(_ observer: @escaping @EventLoopActor () -> Void) {
    sessionStartedObservers.append(observer)
  }

  // MARK: - Catalog

  public var appliedSchemaIndex: SchemaIndex { history?.schemaIndex ?? .zero }
  /// Index and effective timestamp of the newest catalog that is here.
  public var newestCatalog: (index: SchemaIndex, timestamp: Timestamp)? {
    history.map { ($0.schemaIndex, $0.newestTimestamp) }
  }
  public var isReady: Bool { sessionEpoch != nil && history != nil }

  public func range(_ id: RangeID) -> RangeDescriptor? { history?.latest.range(id: id) }

  /// Returns when a session and a catalog are there; throws when the task is cancelled.
  public func ready() async throws {
    while !isReady { try await EventLoop.sleep(for: .milliseconds(5)) }
  }

  /// Calls back with true once `index` is applied, with false when the deadline passes first.
  public func whenApplied(
    _ index: SchemaIndex, deadline: MonotonicTime, _ completion: @escaping @EventLoopActor (Bool) -> Void
  ) {
    if appliedSchemaIndex >= index, history != nil { return completion(true) }
    appliedWaiters.append(
      AppliedWaiter(index: index, deadline: deadline, since: EventLoop.now, completion: completion))
  }

  public func waitUntilApplied(_ index: SchemaIndex, deadline: MonotonicTime) async throws(SQLError) {
    let applied = await withUnsafeContinuation { continuation in
      whenApplied(index, deadline: deadline) { continuation.resume(returning: $0) }
    }
    if !applied {
      throw SQLError(
        .cannotConnectNow, "the schema up to entry \(index) has not reached this node in time",
        hint: "This node may be cut off from the metadata service.")
    }
  }

  func wakeAppliedWaiters() {
    let applied = appliedSchemaIndex
    guard appliedWaiters.contains(where: { $0.index <= applied }) else { return }
    let woken = appliedWaiters.filter { $0.index <= applied }
    appliedWaiters.removeAll { $0.index <= applied }
    for waiter in woken { waiter.completion(true) }
  }

  private func checkWaiters() {
    guard !appliedWaiters.isEmpty else { return }
    let now = EventLoop.now
    let expired = appliedWaiters.filter { $0.deadline <= now }
    appliedWaiters.removeAll { $0.deadline <= now }
    for waiter in expired { waiter.completion(false) }
    if let oldest = appliedWaiters.first, now.milliseconds(since: oldest.since) > ClientLimits.watchPatienceMilliseconds
    {
      reopenWatch()
    }
  }

  // MARK: - Channels

  public func channel(to endpoint: Endpoint) -> RPCChannel {
    if let channel = channels[endpoint] { return channel }
    let channel = RPCChannel(endpoint)
    channels[endpoint] = channel
    return channel
  }

  /// Nil when the node is not known or has no RPC address.
  public func channel(to node: NodeID) -> RPCChannel? {
    guard let address = nodes[node]?.rpcAddress, let endpoint = Endpoint(address) else { return nil }
    return channel(to: endpoint)
  }

  public func acknowledgeNow() { acknowledger?.schedule() }
}

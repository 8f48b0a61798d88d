import Basics
import EventLoop
import RPC
import Wire

/// Makes an aggregator known to the metadata service, and keeps it known.
///
/// An aggregator needs neither schema nor timestamps, so this is all it wants of the metadata service: to be in the list of
/// nodes. It serves whether or not it is registered.
@EventLoopActor public final class Registration {
  /// The node as registered; its id is 0 until the metadata service gave one.
  public private(set) var node: NodeInfo
  /// Of the session; nil without one.
  private var epoch: UInt64?
  private var clusterID = ""
  private var addresses: [Endpoint]
  private var current = 0
  private var channels: [Endpoint: RPCChannel] = [:]
  private var task: Task<Void, Never>?
  private let log: @EventLoopActor (String) -> Void
  private let onChange: @EventLoopActor (Bool) -> Void

  /// Metadata addresses remembered, configured ones and hints together.
  static let maximumAddresses = 64
  static let retryInterval = Duration.milliseconds(200)
  static let callTimeout = Duration.seconds(2)
  /// Of one attempt to tell of an orderly end.
  static let leavingTimeout = Duration.milliseconds(500)

  /// - Parameter onChange: called with true when a session begins and with false when it ends.
  public init(
    node: NodeInfo, metadata: [Endpoint], log: @escaping @EventLoopActor (String) -> Void,
    onChange: @escaping @EventLoopActor (Bool) -> Void
  ) {
    precondition(!metadata.isEmpty, "no metadata address")
    self.node = node
    addresses = metadata
    self.log = log
    self.onChange = onChange
  }

  public func start() {
    task = Task { @EventLoopActor [weak self] in
      while !Task.isCancelled, let self { await self.keepOneSession() }
    }
  }

  /// Ends the session, so that no node reports here any longer, and stops; without a metadata leader that answers within a
  /// second the lease ends it.
  public func leave() async {
    task?.cancel()
    if let epoch {
      self.epoch = nil
      let request = DeregisterRequest(nodeID: node.nodeID, sessionEpoch: epoch)
      if await call(MetadataService.deregister, request, timeout: Self.leavingTimeout) == nil {
        log("the metadata service was not told of the end; the lease ends the session")
      }
    }
    stop()
  }

  public func stop() {
    task?.cancel()
    for channel in channels.values { channel.close() }
    channels = [:]
  }

  /// Registers, then renews until the session is gone.
  private func keepOneSession() async {
    let request = RegisterRequest(node: node, clusterID: clusterID)
    guard let response = await call(MetadataService.register, request) else { return await pause(Self.retryInterval) }
    if let error = response.error, !error.state.isEmpty {
      log("registration refused: \(error.message)")
      return await pause(.seconds(1))
    }
    node.nodeID = response.nodeID
    clusterID = response.clusterID
    epoch = response.sessionEpoch
    onChange(true)
    await renew(epoch: response.sessionEpoch, lease: response.leaseMilliseconds)
    epoch = nil
    onChange(false)
  }

  private func renew(epoch: UInt64, lease: UInt64) async {
    var lease = lease
    while !Task.isCancelled {
      await pause(.milliseconds(Int64(clamping: max(100, lease) / 3)))
      let request = RenewRequest(nodeID: node.nodeID, sessionEpoch: epoch)
      guard let response = await call(MetadataService.renew, request) else { continue }
      if !response.isLive { return log("the session is gone; registering again") }
      lease = response.leaseMilliseconds
    }
  }

  private func pause(_ duration: Duration) async { try? await EventLoop.sleep(for: duration) }

  /// Asks the address believed to be the leader's; a failure leads to the hint or to the next address.
  private func call<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request, timeout: Duration = Registration.callTimeout
  ) async -> Response? {
    for _ in 0..<addresses.count + 1 where !Task.isCancelled {
      let address = addresses[current]
      do throws(RPCError) {
        return try await channel(to: address).call(method, request, deadline: timeout)
      } catch {
        follow(error)
      }
    }
    return nil
  }

  private func follow(_ error: RPCError) {
    if let hint = error.trailers["theseus-leader"].flatMap({ Endpoint($0) }) {
      if let known = addresses.firstIndex(of: hint) {
        if known != current { return current = known }
      } else if addresses.count < Self.maximumAddresses {
        addresses.append(hint)
        return current = addresses.count - 1
      }
    }
    current = (current + 1) % addresses.count
  }

  private func channel(to endpoint: Endpoint) -> RPCChannel {
    if let channel = channels[endpoint] { return channel }
    let channel = RPCChannel(endpoint)
    channels[endpoint] = channel
    return channel
  }
}

import Basics
import EventLoop
import RPC
import Wire

/// Times and limits of a `StreamTransport`.
public struct StreamTransportOptions: Sendable {
  /// How often streams are mended and silence is counted.
  public var tickIntervalMilliseconds: UInt64 = 100
  /// A stream without traffic carries an empty envelope so often: node-level heartbeats, for all groups together.
  public var pingIntervalMilliseconds: UInt64 = 300
  /// A peer that says nothing for so long is lost.
  public var silenceMilliseconds: UInt64 = 1200
  /// What waits for one peer while its stream is full; the oldest is lost beyond it.
  public var maximumQueuedBytes = 16 << 20
  public var streamBufferBytes = 8 << 20

  public init() {}
}

/// The transport between processes: one gRPC stream `RaftTransport.Exchange` in each direction of a pair of nodes carries
/// all groups.
///
/// Each node opens a stream to each of its peers and sends on it; what a peer sends comes in on the stream that the peer
/// opened. So a stream's end tells which process is gone.
@EventLoopActor public final class StreamTransport: RaftTransport {
  typealias Outgoing = RPCClientStream<RaftEnvelope, RaftEnvelope>
  typealias Incoming = RPCServerStream<RaftEnvelope, RaftEnvelope>

  @EventLoopActor final class Peer {
    let node: NodeID
    /// False for a node that was only heard: nothing is sent to it.
    var isWanted = false
    var channel: RPCChannel?
    var outgoing: Outgoing?
    var incoming: Incoming?
    var queue: [[UInt8]] = []
    var queuedBytes = 0
    var ticksSilent: UInt64 = 0
    var ticksUnsent: UInt64 = 0
    /// What the receiver was told; nil: nothing yet.
    var isPresent: Bool?

    init(node: NodeID) { self.node = node }
  }

  public let node: NodeID
  public weak var receiver: (any RaftTransportReceiver)?
  private let options: StreamTransportOptions
  private let resolve: @EventLoopActor (NodeID) -> Endpoint?
  private var peers: [NodeID: Peer] = [:]
  private var timer: Timer?
  /// Messages lost because a peer's queue was full or its stream not open.
  public private(set) var droppedCount: UInt64 = 0

  /// - Parameter server: the process's server; the service is registered on it.
  /// - Parameter resolve: the address of a node, asked before every attempt to connect.
  public init(
    node: NodeID, server: RPCServer, options: StreamTransportOptions = StreamTransportOptions(),
    resolve: @escaping @EventLoopActor (NodeID) -> Endpoint?
  ) {
    self.node = node
    self.options = options
    self.resolve = resolve
    server.handleStreamFast(RaftTransportService.exchange) { [weak self] stream in
      guard let self else { return stream.finish(RPCError(.unavailable, "shutting down")) }
      accept(stream)
    }
  }

  // MARK: - RaftTransport

  public func connect(to node: NodeID) {
    let peer = peer(node)
    if peer.isWanted { return }
    peer.isWanted = true
    if timer != nil { mend(peer) }
  }

  public func send(to node: NodeID, _ packed: [UInt8]) {
    guard timer != nil, let peer = peers[node], peer.isWanted else { return }
    guard let outgoing = peer.outgoing, outgoing.isOpen else {
      droppedCount += 1
      return
    }
    if peer.queue.isEmpty && outgoing.trySend(envelope(packed, to: node)) {
      peer.ticksUnsent = 0
      return
    }
    peer.queue.append(packed)
    peer.queuedBytes += packed.count
    while peer.queuedBytes > options.maximumQueuedBytes && peer.queue.count > 1 {
      peer.queuedBytes -= peer.queue.removeFirst().count
      droppedCount += 1
    }
  }

  public func start() {
    guard timer == nil else { return }
    timer = Timer.repeating(every: .milliseconds(Int64(options.tickIntervalMilliseconds))) { [weak self] in
      self?.tick()
    }
    for peer in sortedPeers where peer.isWanted { mend(peer) }
  }

  public func stop() {
    timer?.cancel()
    timer = nil
    for peer in sortedPeers {
      peer.outgoing?.onClose = nil
      peer.incoming?.onClose = nil
      peer.outgoing?.cancel()
      peer.incoming?.finish(RPCError(.unavailable, "shutting down"))
      peer.channel?.close()
    }
    peers = [:]
  }

  private var sortedPeers: [Peer] { peers.values.sorted { $0.node < $1.node } }

  private func peer(_ node: NodeID) -> Peer {
    if let peer = peers[node] { return peer }
    let peer = Peer(node: node)
    peers[node] = peer
    return peer
  }

  private func envelope(_ packed: [UInt8], to node: NodeID) -> RaftEnvelope {
    RaftEnvelope(fromNodeID: self.node.rawValue, toNodeID: node.rawValue, messages: packed)
  }

  // MARK: - Sending

  /// Opens the stream again if it is not open.
  private func mend(_ peer: Peer) {
    if let outgoing = peer.outgoing, outgoing.isOpen { return }
    peer.outgoing = nil
    peer.queue.removeAll()
    peer.queuedBytes = 0
    guard let endpoint = resolve(peer.node) else { return }
    if peer.channel?.endpoint != endpoint {
      peer.channel?.close()
      peer.channel = RPCChannel(endpoint, options: channelOptions)
    }
    guard let channel = peer.channel else { return }
    if channel.state == .transientFailure { return channel.connect() }
    let stream = channel.openStream(RaftTransportService.exchange)
    peer.outgoing = stream
    stream.onMessage = { _ in }
    stream.onWritable = { [weak self, weak peer] in
      if let self, let peer { drain(peer) }
    }
    stream.onClose = { [weak peer, weak stream] _ in
      if let peer, peer.outgoing === stream { peer.outgoing = nil }
    }
    // Tells the peer who opened the stream.
    ping(peer)
  }

  private var channelOptions: RPCChannelOptions {
    var channel = RPCChannelOptions()
    channel.streamBufferBytes = options.streamBufferBytes
    channel.connectTimeout = .seconds(1)
    channel.maximumBackoff = .milliseconds(500)
    return channel
  }

  private func drain(_ peer: Peer) {
    guard let outgoing = peer.outgoing, outgoing.isOpen else { return }
    var count = 0
    while count < peer.queue.count, outgoing.trySend(envelope(peer.queue[count], to: peer.node)) {
      peer.queuedBytes -= peer.queue[count].count
      count += 1
    }
    peer.queue.removeFirst(count)
    if count > 0 { peer.ticksUnsent = 0 }
  }

  private func ping(_ peer: Peer) {
    peer.ticksUnsent = 0
    peer.outgoing?.trySend(envelope([], to: peer.node))
  }

  // MARK: - Receiving

  private func accept(_ stream: Incoming) {
    var sender: Peer?
    // The callback keeps the stream until it is closed: nobody else does.
    stream.onMessage = { [weak self] envelope in
      guard let self else { return stream.finish(RPCError(.unavailable, "shutting down")) }
      guard envelope.toNodeID == node.rawValue, envelope.fromNodeID != node.rawValue else {
        return stream.finish(RPCError(.failedPrecondition, "this is node \(node)"))
      }
      if timer == nil { return stream.finish(RPCError(.unavailable, "not ready")) }
      let from = NodeID(envelope.fromNodeID)
      if let sender, sender.node != from {
        return stream.finish(RPCError(.invalidArgument, "one stream, two senders"))
      }
      let peer = sender ?? peer(from)
      if sender == nil {
        sender = peer
        peer.incoming = stream
      }
      heard(peer)
      deliver(envelope.messages, from: peer, stream)
    }
    stream.onClose = { [weak self, weak stream] _ in
      guard let stream else { return }
      stream.onMessage = nil
      guard let self, let sender, sender.incoming === stream else { return }
      sender.incoming = nil
      lost(sender)
      stream.finish(nil)
    }
  }

  private func deliver(_ messages: [UInt8], from peer: Peer, _ stream: Incoming) {
    if messages.isEmpty { return }
    do throws(MalformedBytes) {
      try receiver?.received(messages, from: peer.node)
    } catch {
      stream.finish(RPCError(.invalidArgument, "\(error)"))
    }
  }

  // MARK: - Presence

  private func tick() {
    let silence = options.silenceMilliseconds / options.tickIntervalMilliseconds
    let pingAfter = options.pingIntervalMilliseconds / options.tickIntervalMilliseconds
    for peer in sortedPeers {
      peer.ticksSilent += 1
      if peer.ticksSilent >= silence { lost(peer) }
      guard peer.isWanted else { continue }
      mend(peer)
      peer.ticksUnsent += 1
      if peer.ticksUnsent >= pingAfter { ping(peer) }
    }
  }

  private func heard(_ peer: Peer) {
    peer.ticksSilent = 0
    if peer.isPresent == true { return }
    peer.isPresent = true
    // It may have come back sooner than the backoff allows to find out.
    if peer.isWanted { mend(peer) }
    receiver?.peerConnected(peer.node)
  }

  private func lost(_ peer: Peer) {
    if peer.isPresent == false { return }
    peer.isPresent = false
    receiver?.peerLost(peer.node)
  }
}

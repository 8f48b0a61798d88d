import Basics
import EventLoop

/// A network inside one process, for tests: partitions, and nodes that come and go.
@EventLoopActor public final class MemoryNetwork {
  private var transports: [NodeID: MemoryTransport] = [:]
  private var cuts: Set<Set<NodeID>> = []
  /// Messages delivered.
  public private(set) var deliveredCount = 0

  public init() {}

  /// The transport of a node; it replaces the node's former one.
  public func transport(for node: NodeID) -> MemoryTransport {
    let transport = MemoryTransport(node: node, network: self)
    transports[node] = transport
    return transport
  }

  /// Loses everything between two nodes from now on; both notice.
  public func cut(_ one: NodeID, _ other: NodeID) {
    guard cuts.insert([one, other]).inserted else { return }
    transports[one]?.receiver?.peerLost(other)
    transports[other]?.receiver?.peerLost(one)
  }

  public func heal(_ one: NodeID, _ other: NodeID) {
    guard cuts.remove([one, other]) != nil else { return }
    if transports[one]?.isStarted == true && transports[other]?.isStarted == true { join(one, other) }
  }

  fileprivate func started(_ node: NodeID) {
    for other in transports.keys.sorted() where other != node && transports[other]?.isStarted == true {
      if !cuts.contains([node, other]) { join(node, other) }
    }
  }

  fileprivate func stopped(_ node: NodeID) {
    transports[node] = nil
    for other in transports.keys.sorted() { transports[other]?.receiver?.peerLost(node) }
  }

  private func join(_ one: NodeID, _ other: NodeID) {
    transports[one]?.receiver?.peerConnected(other)
    transports[other]?.receiver?.peerConnected(one)
  }

  fileprivate func deliver(_ packed: [UInt8], from: NodeID, to: NodeID) {
    EventLoop.execute { [self] in
      guard !cuts.contains([from, to]), let target = transports[to], target.isStarted else { return }
      deliveredCount += 1
      try? target.receiver?.received(packed, from: from)
    }
  }
}

/// One node's end of a `MemoryNetwork`.
@EventLoopActor public final class MemoryTransport: RaftTransport {
  public let node: NodeID
  public weak var receiver: (any RaftTransportReceiver)?
  private let network: MemoryNetwork
  fileprivate private(set) var isStarted = false

  fileprivate init(node: NodeID, network: MemoryNetwork) {
    self.node = node
    self.network = network
  }

  public func connect(to node: NodeID) {}

  public func send(to other: NodeID, _ packed: [UInt8]) {
    if isStarted { network.deliver(packed, from: node, to: other) }
  }

  public func start() {
    isStarted = true
    network.started(node)
  }

  public func stop() {
    guard isStarted else { return }
    isStarted = false
    network.stopped(node)
  }
}

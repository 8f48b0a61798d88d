import Basics
import EventLoop

/// Carries packed messages between hosts. It may lose, duplicate and delay them, but keeps the order of what it delivers.
@EventLoopActor public protocol RaftTransport: AnyObject {
  /// Who gets what arrives; the transport does not keep it alive.
  var receiver: (any RaftTransportReceiver)? { get set }

  /// There are groups in common with `node`: keep a connection to it from now on.
  func connect(to node: NodeID)

  /// Sends when there is a connection and room; loses it otherwise.
  func send(to node: NodeID, _ packed: [UInt8])

  func start()
  func stop()
}

/// What a transport tells its host.
@EventLoopActor public protocol RaftTransportReceiver: AnyObject {
  /// - Throws: when the bytes are malformed; the transport closes the connection then.
  func received(_ packed: [UInt8], from node: NodeID) throws(MalformedBytes)
  /// `node` speaks (again).
  func peerConnected(_ node: NodeID)
  /// The connection broke, or `node` is silent.
  func peerLost(_ node: NodeID)
}

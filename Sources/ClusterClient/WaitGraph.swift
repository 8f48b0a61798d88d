import Basics
import EventLoop
import RPC
import Wire

/// Who waits for whom among the transactions of this gateway, and the chase through other gateways.
///
/// A transaction waits for one lock at a time, so a deadlock is a cycle in a chain: following it from the waiter either
/// ends at somebody who does not wait, or comes back. The youngest transaction of the cycle gives up; every member finds
/// the same one.
@EventLoopActor public final class WaitGraph {
  /// Longer chains are taken for no cycle; the lock timeout bounds the wait then.
  static let maximumChainLength = 64

  public struct Blocker: Hashable, Sendable {
    public let start: UInt64
    public let gateway: NodeID
  }

  private unowned let connection: MetadataConnection
  private var waiting: [UInt64: Blocker] = [:]

  init(_ connection: MetadataConnection) { self.connection = connection }

  func wait(_ start: UInt64, for blocker: Blocker) { waiting[start] = blocker }
  func endWait(_ start: UInt64) { waiting[start] = nil }

  /// What this gateway answers to others.
  public func blocker(of start: UInt64) -> Blocker? { waiting[start] }

  /// True when `start` waits in a cycle and is its youngest member.
  func mustGiveUp(_ start: UInt64) async -> Bool {
    guard var next = waiting[start] else { return false }
    var youngest = start
    for _ in 0..<Self.maximumChainLength {
      if next.start == start { return youngest == start }
      youngest = max(youngest, next.start)
      guard let following = await ask(next) else { return false }
      next = following
    }
    return false
  }

  private func ask(_ blocker: Blocker) async -> Blocker? {
    if blocker.gateway == connection.nodeID { return waiting[blocker.start] }
    guard let channel = connection.channel(to: blocker.gateway) else { return nil }
    let request = WaitsForRequest(startTimestamp: blocker.start)
    guard
      let response = try? await channel.call(GatewayService.waitsFor, request, deadline: .milliseconds(500)),
      response.isWaiting
    else { return nil }
    return Blocker(start: response.blockerStartTimestamp, gateway: NodeID(response.blockerGatewayNodeID))
  }
}

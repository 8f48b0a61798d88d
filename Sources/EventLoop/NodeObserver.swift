/// Hears of what happens inside nodes, for checks that compare them. Nil in production.
@EventLoopActor public protocol NodeObserver: AnyObject {
  /// Nanoseconds of one clock for all nodes.
  var now: UInt64 { get }
  /// A replica of this process applied a command; again after a restart.
  func applied(group: UInt64, index: UInt64, term: UInt64, command: [UInt8])
  func becameLeader(group: UInt64, term: UInt64)
  /// Timestamps asked for at `askedAt` (by `now`) have arrived.
  func granted(first: UInt64, count: UInt64, askedAt: UInt64)
  /// A transaction of this process that wrote the table with this version has committed.
  func committed(table: UInt64, version: UInt64, timestamp: UInt64)
}

extension EventLoop {
  @EventLoopActor public static var observer: (any NodeObserver)?
}

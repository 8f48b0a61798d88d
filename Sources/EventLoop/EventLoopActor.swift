/// The one thread that all node code runs on: what is isolated to it never runs at the same time as anything else that is.
///
/// Its executor is libuv's loop (`EventLoop`), so `async` code, timers and sockets share one thread, and a call between
/// two things on the loop is a plain call.
@globalActor public actor EventLoopActor {
  public static let shared = EventLoopActor()

  public nonisolated var unownedExecutor: UnownedSerialExecutor { EventLoop.shared.asUnownedSerialExecutor() }

  /// Runs `body` as isolated code. The caller must be on the loop's thread (a C callback of the loop); anything else is
  /// a programmer error and traps.
  @inlinable public static func assumeIsolated<Result: Sendable>(
    _ body: @EventLoopActor () throws -> Result, file: StaticString = #fileID, line: UInt = #line
  ) rethrows -> Result {
    precondition(EventLoop.shared.isCurrentThread, "not on the event loop's thread", file: file, line: line)
    typealias Unisolated = () throws -> Result
    return try withoutActuallyEscaping(body) { try unsafeBitCast($0, to: Unisolated.self)() }
  }
}

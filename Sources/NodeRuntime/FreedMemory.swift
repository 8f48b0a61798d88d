import CPlatform
import EventLoop

/// Gives memory that large statements left free back to the system.
///
/// The heap keeps what is freed, in shreds between what lives: a statement of a mebibyte with its tree and plan would
/// leave a hundred times its size with the process, and the next one may not fit the holes.
@EventLoopActor public final class FreedMemory {
  /// Statements of fewer bytes leave the heap as it is.
  public static let statementBytes = 64 << 10

  private let thread = WorkerThread(name: "freed-memory", stackSizeBytes: 256 << 10)
  private var isUnderWay = false

  public nonisolated init() {}

  /// Call when nothing refers to the statement any more. Costs milliseconds, on a thread of its own.
  public func giveBack() {
    if isUnderWay { return }
    isUnderWay = true
    thread.run({ platform_return_freed_memory() }) { _ in self.isUnderWay = false }
  }
}

import EventLoop

/// Durable writes for the event loop: a batch is written and visible at once, and one fsync on a thread of its own makes
/// durable whatever was written before it began. The loop never waits for the disk.
///
/// Writes that arrive during an fsync wait for the next one, so the batches grow with the load.
@EventLoopActor public final class GroupCommitWriter {
  public typealias Completion = @EventLoopActor (Result<Void, RocksError>) -> Void

  private let database: RocksDatabase
  private let thread = WorkerThread(name: "log-sync", stackSizeBytes: 1 << 20)
  private var waiting: [Completion] = []
  private var syncing: [Completion] = []
  /// An fsync is under way.
  public private(set) var isSyncing = false
  /// After the first error nothing is written any more: a failed fsync says nothing about what reached the disk.
  public private(set) var failure: RocksError?
  /// Fsyncs done and writes served by them.
  public private(set) var syncCount: UInt64 = 0
  public private(set) var writeCount: UInt64 = 0

  public init(database: RocksDatabase) { self.database = database }

  /// Writes the batch now; calls `completion` when it is durable, in the order of the writes.
  public func write(_ batch: WriteBatch, completion: @escaping Completion) {
    if let failure { return completion(.failure(failure)) }
    do throws(RocksError) {
      try database.write(batch, sync: false)
    } catch {
      failure = error
      return completion(.failure(error))
    }
    writeCount += 1
    waiting.append(completion)
    if !isSyncing { sync() }
  }

  private func sync() {
    isSyncing = true
    swap(&waiting, &syncing)
    let database = database
    let position = database.logPosition
    thread.run({ () -> RocksError? in
      do throws(RocksError) {
        try database.syncLog(through: position)
        return nil
      } catch {
        return error
      }
    }) { [self] error in
      finish(error)
    }
  }

  private func finish(_ error: RocksError?) {
    isSyncing = false
    syncCount += 1
    if let error, failure == nil { failure = error }
    let done = syncing
    syncing.removeAll(keepingCapacity: true)
    if !waiting.isEmpty && failure == nil { sync() }
    for completion in done { completion(error.map { .failure($0) } ?? .success(())) }
    guard let failure, !isSyncing else { return }
    let rest = waiting
    waiting.removeAll()
    for completion in rest { completion(.failure(failure)) }
  }
}

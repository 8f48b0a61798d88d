import Basics
import Catalog
import EventLoop
import KeyValue
import SQLValues

/// Takes numbers of sequences for all sessions of a gateway, or for rows that a storage node fills, a block at a time.
///
/// A block is taken by a transaction of its own over the one row that holds the counter, and its numbers are handed out only
/// when that has surely committed: so none is handed out twice, whatever dies. What is lost is a gap: a block of a gateway
/// that ends, or one whose commit was not answered. A block also ends with the version of the sequence it was taken at.
@EventLoopActor public final class SequenceAllocator {
  private struct Held {
    var block: SequenceBlock
    let version: TableVersion
  }

  private struct Waiter {
    let version: TableVersion
    let continuation: UnsafeContinuation<Int64?, Never>
  }

  private let cluster: Cluster
  private var held: [TableID: Held] = [:]
  /// Who waits for the block that is being taken.
  private var waiters: [TableID: [Waiter]] = [:]
  private var random = EventLoop.random

  /// Sequences whose blocks are kept; beyond it all blocks are given up.
  static let maximumSequences = 10_000
  /// A block's size at most, whatever CACHE says, so that arithmetic on positions stays far from its ends.
  static let maximumBlock: UInt64 = 1 << 32
  static let maximumAttempts = 40
  static let lockingAttempt = 2

  public init(_ cluster: Cluster) { self.cluster = cluster }

  /// The next number. `version`: of the sequence as the statement sees it; blocks of older ones are void. Throws `retry` when
  /// the sequence is gone.
  public func next(
    _ id: TableID, version: TableVersion, commitPatience: UInt64, _ control: StatementControl
  ) async throws(TransactionFault) -> Int64 {
    while true {
      try control.check()
      if var mine = held[id] {
        let value = mine.version >= version ? mine.block.take() : nil
        held[id] = value == nil ? nil : mine
        if let value { return value }
      }
      if waiters[id] == nil {
        return try await takeBlock(id, commitPatience: commitPatience, control)
      }
      let value: Int64? = await withUnsafeContinuation { continuation in
        waiters[id, default: []].append(Waiter(version: version, continuation: continuation))
      }
      if let value { return value }
    }
  }

  /// The sequence starts anew.
  /// A block of its own, of up to `count` numbers (fewer at the end of a cycle, and beyond a limit). Throws `retry` when the
  /// sequence is gone.
  public func take(
    _ count: UInt64, of id: TableID, commitPatience: UInt64, _ control: StatementControl
  ) async throws(TransactionFault) -> SequenceBlock {
    try await commitBlock(id, count: max(1, count), commitPatience: commitPatience, control).block
  }

  public func forget(_ id: TableID) { held[id] = nil }

  /// Takes a block, gives those who wait their share, and answers its first number.
  private func takeBlock(
    _ id: TableID, commitPatience: UInt64, _ control: StatementControl
  ) async throws(TransactionFault) -> Int64 {
    waiters[id] = []
    var taken: Taken?
    defer {
      for waiter in waiters.removeValue(forKey: id) ?? [] {
        // Without a number it comes again, and looks for itself.
        let isFit = taken.map { $0.version >= waiter.version } ?? false
        waiter.continuation.resume(returning: isFit ? taken?.block.take() : nil)
      }
      // CACHE 1 means that nobody keeps numbers while others go on.
      if let taken, taken.cache > 1, taken.block.count > 0 {
        if held.count >= Self.maximumSequences { held = [:] }
        held[id] = Held(block: taken.block, version: taken.version)
      }
    }
    taken = try await commitBlock(id, commitPatience: commitPatience, control)
    guard let value = taken?.block.take() else {
      throw .failed(SQLError(.internalError, "an empty block was taken of sequence \(id)"))
    }
    return value
  }

  private struct Taken {
    var block: SequenceBlock
    let version: TableVersion
    let cache: Int64
  }

  /// `count`: nil for as many as the sequence caches, and all who wait.
  private func commitBlock(
    _ id: TableID, count: UInt64? = nil, commitPatience: UInt64, _ control: StatementControl
  ) async throws(TransactionFault) -> Taken {
    var transaction = Transaction(cluster, isolation: .readCommitted, locksEarly: false)
    var attempt = 0
    while true {
      do throws(TransactionFault) {
        guard let taken = try await tryBlock(id, count, transaction, commitPatience: commitPatience, control) else {
          transaction.rollback()
          throw .schemaChanged(id, name: nil, pinned: nil, floor: TableVersion(rawValue: .max))
        }
        return taken
      } catch {
        if transaction.isOver { throw error }
        attempt += 1
        guard attempt < Self.maximumAttempts, !control.isCancelled else {
          transaction.rollback()
          throw error
        }
        switch error {
        case .retry: break
        case .failed(let reason) where reason.state == .statementCompletionUnknown:
          // Whether or not it took place: its numbers are a gap.
          transaction.rollback()
          transaction = Transaction(cluster, isolation: .readCommitted, locksEarly: false)
        case .failed, .keyExists:
          transaction.rollback()
          throw error
        }
      }
      // Who keeps losing takes the lock, in the order of arrival.
      transaction.locksEarly = attempt >= Self.lockingAttempt
      transaction.restart()
      if attempt > Self.lockingAttempt {
        do throws(TransactionFault) {
          try await control.sleep(milliseconds: random.next() % (1 << UInt64(min(attempt, 5))))
        } catch {
          transaction.rollback()
          throw error
        }
      }
    }
  }

  /// One try; nil: there is no such sequence any more.
  private func tryBlock(
    _ id: TableID, _ count: UInt64?, _ transaction: Transaction, commitPatience: UInt64, _ control: StatementControl
  ) async throws(TransactionFault) -> Taken? {
    let snapshot: ReadSnapshot
    do throws(SQLError) {
      snapshot = try await transaction.beginStatement(deadline: control.callDeadline)
    } catch {
      throw .failed(error)
    }
    // One that is being dropped still serves those who saw it.
    guard let table = snapshot.catalog.table(id: id), let sequence = table.sequence else { return nil }
    transaction.pin(id, version: table.version, isWritten: true)
    let row = SequenceRow(table, sequence)
    let stored = try await transaction.get(range: row.range, keys: [row.key], snapshot, control)
    let block: SequenceBlock
    let state: SequenceState
    do throws(SQLError) {
      let before = try stored.first.flatMap { $0 }.map { (bytes) throws(SQLError) in try row.decode(bytes) }
      let wanted = min(
        count ?? max(UInt64(clamping: sequence.cache), UInt64(1 + (waiters[id]?.count ?? 0))), Self.maximumBlock)
      (block, state) = try sequence.taking(wanted, after: before ?? sequence.initialState, name: table.name)
    } catch {
      throw .failed(error)
    }
    let mark = transaction.mark()
    try transaction.write(.put, key: row.key, value: row.encode(state), range: row.range, locksEarly: true)
    if transaction.locksEarly { try await transaction.lockWrites(since: mark, control) }
    try control.check()
    try await transaction.commit(deadline: EventLoop.now.advanced(byMilliseconds: commitPatience))
    return Taken(block: block, version: table.version, cache: sequence.cache)
  }
}

/// The counter of a sequence's generation as it is stored.
public struct SequenceRow {
  public let range: RangeID
  public let key: [UInt8]
  private let table: TableDescriptor
  private let generation: Datum
  private let encoder: IndexEntryEncoder

  public init(_ table: TableDescriptor, _ sequence: SequenceDescriptor) {
    self.table = table
    generation = .integer(Int64(truncatingIfNeeded: sequence.generation))
    encoder = IndexEntryEncoder(table: table, index: table.primaryIndex, rowColumns: table.columns.map(\.id))
    range = table.primaryIndex.rangeID
    key = encoder.key(of: [generation])
  }

  public func encode(_ state: SequenceState) -> [UInt8] {
    encoder.value(of: [generation, .integer(state.lastValue), .integer(0), .boolean(state.isCalled)])
  }

  public func decode(_ bytes: [UInt8]) throws(SQLError) -> SequenceState {
    do throws(MalformedBytes) {
      let row = try RowLayout(table: table, columnIDs: table.columns.map(\.id)).decode(bytes)
      guard row.count == 4, case .integer(let last) = row[1], case .boolean(let isCalled) = row[3] else {
        throw MalformedBytes("values of other types")
      }
      return SequenceState(lastValue: last, isCalled: isCalled)
    } catch {
      throw SQLError(.dataCorrupted, "the counter of sequence \"\(table.name)\" cannot be read", detail: error.reason)
    }
  }
}

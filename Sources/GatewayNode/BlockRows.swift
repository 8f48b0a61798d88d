import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import SchemaChange
import Wire

/// The rows of a transaction block that changes the schema too, on their way to be committed with its job
/// (SchemaChange.md, "Rows of the same transaction").
@EventLoopActor final class BlockRows {
  let transaction: Transaction
  /// Known before the job is: a primary key in a range that is there already.
  let anchor: WritePlace?
  private let draft: SchemaDraft
  private let patienceMilliseconds: UInt64
  /// The job has asked for them.
  private(set) var isSent = false
  /// The job has decided for them.
  private(set) var isCommitted = false
  /// Why they were not committed.
  private(set) var fault: TransactionFault?

  init(_ transaction: Transaction, _ draft: SchemaDraft, patienceMilliseconds: UInt64) {
    self.transaction = transaction
    self.draft = draft
    self.patienceMilliseconds = patienceMilliseconds
    anchor = transaction.anchor { !SchemaDraft.isProvisional($0) }
    transaction.releaseReads(of: Set(draft.changedTables))
  }

  /// The outcome of sending them is not known: the job knows it.
  var isOutcomeUnknown: Bool { fault?.sqlError.state == .statementCompletionUnknown }

  /// Everything else is prepared: sends them, and has the job decide.
  ///
  /// - Parameter created: the encoded descriptors of what the job creates, ascending by id.
  func commit(with job: JobID, creating created: [[UInt8]]) async {
    isSent = true
    do throws(TransactionFault) {
      let relocation = try relocation(to: created)
      let tables = Set(draft.changedTables)
      try await transaction.commit(
        with: DecidingJob(id: job, tables: tables), anchor: anchor,
        deadline: EventLoop.now.advanced(byMilliseconds: patienceMilliseconds)
      ) { key, range in relocation.place(of: key, range) }
      isCommitted = true
    } catch {
      fault = error
    }
  }

  private struct Relocation {
    var tables: [TableID: TableID] = [:]
    var ranges: [RangeID: RangeID] = [:]

    func place(of key: [UInt8], _ range: RangeID) -> WritePlace? {
      guard SchemaDraft.isProvisional(range) else { return WritePlace(key: key, range: range) }
      guard let target = ranges[range] else { return nil }
      guard let table = KeyEncoding.table(of: key), let moved = tables[table] else { return nil }
      return WritePlace(key: KeyEncoding.key(key, movedTo: moved), range: target)
    }
  }

  /// From the numbers that the draft has given to the real ones.
  private func relocation(to encoded: [[UInt8]]) throws(TransactionFault) -> Relocation {
    let drafted = draft.createdTables
    var relocation = Relocation()
    var isSame = encoded.count == drafted.count
    for (mine, bytes) in zip(drafted, encoded) {
      guard let real = try? TableDescriptor(decoding: bytes), real.hasSameRows(as: mine) else {
        isSame = false
        break
      }
      relocation.tables[mine.id] = real.id
      for (own, index) in zip(mine.indexes, real.indexes) { relocation.ranges[own.rangeID] = index.rangeID }
    }
    guard isSame else { throw .retry(SchemaDraft.changedMeanwhile, isContended: false) }
    return relocation
  }
}

extension TableDescriptor {
  /// Whether rows and entries written for one are good for the other, in spite of other numbers.
  func hasSameRows(as other: TableDescriptor) -> Bool {
    name == other.name && columns.map(\.id) == other.columns.map(\.id) && indexes.map(\.id) == other.indexes.map(\.id)
      && zip(columns, other.columns).allSatisfy { $0.type == $1.type || $0.type.isEnumerated && $1.type.isEnumerated }
  }
}

extension SchemaDraft {
  /// 40001: what the block creates would not be what it has written rows for.
  static var changedMeanwhile: SQLError {
    SQLError(
      .serializationFailure, "could not change the schema due to a concurrent schema change",
      detail: "What the transaction creates is no longer what it has written rows for.",
      hint: "Try the transaction again.")
  }
}

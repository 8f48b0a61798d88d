import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import SQLExecution
import SQLExpressions
import SchemaChange

extension Session {
  /// Brings rows that the open block has written to tables which it creates itself in line with its last schema change: does what
  /// a job would have done by storage nodes, in the same order, over the block's own writes (SchemaChange.md, "Rows of the same
  /// transaction"). Throws what the job would have ended with.
  func bringRowsInLine(
    with schema: TransactionSchema, in transaction: Transaction, _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(SQLError) {
    for step in schema.draft.lastSteps {
      let work = OwnRowsWork(self, transaction, schema, step, snapshot, control)
      for part in step.work { try await work.run(part) }
      for range in step.retiredRanges { transaction.forgetWrites(from: range.startKey, to: range.endKey) }
    }
  }

  /// Numbers of a sequence that the open block creates: its counter is one of the block's rows.
  func takeOwn(_ count: UInt64, of table: TableDescriptor, in transaction: Transaction) throws(TransactionFault)
    -> SequenceBlock
  {
    guard let sequence = table.sequence else {
      throw .failed(SQLError(.internalError, "\"\(table.name)\" is not a sequence"))
    }
    let row = SequenceRow(table, sequence)
    let block: SequenceBlock
    let state: SequenceState
    do throws(SQLError) {
      let before = try transaction.written(row.key).map { (bytes) throws(SQLError) in try row.decode(bytes) }
      (block, state) = try sequence.taking(count, after: before ?? sequence.initialState, name: table.name)
    } catch {
      throw .failed(error)
    }
    try transaction.write(.put, key: row.key, value: row.encode(state), range: row.range, locksEarly: false)
    return block
  }
}

/// The work of one step over the rows that the block has written.
@EventLoopActor private final class OwnRowsWork {
  /// Rows dealt with before others have their turn.
  private static let rowsPerTurn = 500

  private let session: Session
  private let transaction: Transaction
  private let schema: TransactionSchema
  private let step: DraftStep
  private let snapshot: ReadSnapshot
  private let control: StatementControl
  private let access: TransactionAccess

  init(
    _ session: Session, _ transaction: Transaction, _ schema: TransactionSchema, _ step: DraftStep,
    _ snapshot: ReadSnapshot, _ control: StatementControl
  ) {
    self.session = session
    self.transaction = transaction
    self.schema = schema
    self.step = step
    self.snapshot = snapshot
    self.control = control
    access = TransactionAccess(transaction, snapshot, control, session: session, isOwnTransaction: false)
  }

  func run(_ work: StageWork) async throws(SQLError) {
    guard let id = work.tableID, let table = step.catalog.table(id: id) else { return }
    let rows = rows(of: table)
    if rows.isEmpty { return }
    switch work {
    case .backfill(_, let index):
      if let index = table.index(index) { try await build(index, of: table, rows) }
    case .fill: try await fill(table, rows)
    case .validateNotNull(_, let column):
      try await judge(table, rows) { (own, records) throws(SQLError) in
        try own.requireValues(in: column, of: records)
      }
    case .validateCheck(_, let id):
      guard let constraint = table.constraint(id), case .check(let check) = constraint.rule else { return }
      try await judge(table, rows) { (own, records) throws(SQLError) in
        try own.require(check, named: constraint.name, of: records)
      }
    case .validateForeignKey(_, let id):
      guard let constraint = table.constraint(id), case .foreignKey(let rule) = constraint.rule else { return }
      try await hold(constraint, rule, of: table, rows)
    // The build has met every row, and two with one key.
    case .validateIndex, .settle: break
    }
  }

  private typealias Row = (key: [UInt8], value: [UInt8])

  private func rows(of table: TableDescriptor) -> [Row] {
    let span = KeySpan.whole(table: table.id, index: table.primaryIndex.id)
    return transaction.writes(from: span.start, to: span.end).compactMap { key, value in
      value.map { (key: key, value: $0) }
    }
  }

  private func inTurns(
    _ rows: [Row], _ body: @EventLoopActor (ArraySlice<Row>) async throws(SQLError) -> Void
  ) async throws(SQLError) {
    var start = 0
    while start < rows.count {
      let end = min(start + Self.rowsPerTurn, rows.count)
      try await body(rows[start..<end])
      start = end
      try await access.checkpoint()
    }
  }

  private func judge(
    _ table: TableDescriptor, _ rows: [Row],
    _ body: @EventLoopActor (inout OwnRows, [[UInt8]]) throws(SQLError) -> Void
  ) async throws(SQLError) {
    var own = OwnRows(table)
    try await inTurns(rows) { (part) throws(SQLError) in try body(&own, part.map(\.value)) }
  }

  // MARK: Entries and values

  private func build(
    _ index: IndexDescriptor, of table: TableDescriptor, _ rows: [Row]
  ) async throws(SQLError) {
    var encoder = BackfillEncoder(table: table, index: index)
    try await inTurns(rows) { [transaction] (part) throws(SQLError) in
      for row in part {
        let entry: IndexEntryEncoder.Entry?
        do {
          entry = try encoder.entry(forPrimaryRecord: row.value.span)
        } catch {
          throw Self.readable(error, in: table)
        }
        guard let entry else { continue }
        let kind: BufferedWrite.Kind = encoder.isLastEntryConstraining ? .insert : .put
        do throws(TransactionFault) {
          try transaction.write(kind, key: entry.key, value: entry.value, range: index.rangeID, locksEarly: false)
        } catch {
          if case .keyExists(_, let value) = error {
            throw IndexMessages.duplicate(table: table, index: index, entryValue: value)
          }
          throw error.sqlError
        }
      }
    }
  }

  private func fill(_ table: TableDescriptor, _ rows: [Row]) async throws(SQLError) {
    var fill = try RowFill(table, session.evaluationContext(schema.catalog, at: snapshot.timestamp))
    var left = UInt64(rows.count)
    let range = table.primaryIndex.rangeID
    try await inTurns(rows) { [transaction] (part) async throws(SQLError) in
      for row in part {
        var outcome = RowFill.Outcome.unchanged
        repeat {
          do {
            outcome = try fill.fill(primaryRecord: row.value.span)
          } catch {
            throw Self.readable(error, in: table)
          }
          if case .wants(let sequence) = outcome {
            let block = try await self.numbers(of: sequence, left)
            fill.numbers[sequence, default: []].append(block)
          }
        } while outcome.isWaiting
        left -= 1
        guard case .changed(let record) = outcome else { continue }
        do throws(TransactionFault) {
          try transaction.write(.put, key: row.key, value: record, range: range, locksEarly: false)
        } catch {
          throw error.sqlError
        }
      }
    }
  }

  private func numbers(of id: TableID, _ count: UInt64) async throws(SQLError) -> SequenceBlock {
    do throws(TransactionFault) {
      if SchemaDraft.isProvisional(id), let sequence = step.catalog.table(id: id) {
        return try session.takeOwn(count, of: sequence, in: transaction)
      }
      return try await session.gateway.sequences.take(
        count, of: id, commitPatience: session.gateway.options.commitPatienceMilliseconds, control)
    } catch {
      throw error.sqlError
    }
  }

  private nonisolated static func readable(_ error: any Error, in table: TableDescriptor) -> SQLError {
    (error as? SQLError)
      ?? SQLError(.dataCorrupted, "a row of table \"\(table.name)\" is damaged", detail: "\(error)")
  }

  // MARK: Foreign keys

  /// Rows that are referred to have to be there and to stay: they are held as by a statement that writes the rows anew.
  private func hold(
    _ constraint: ConstraintDescriptor, _ rule: ForeignKeyRule, of table: TableDescriptor, _ rows: [Row]
  ) async throws(SQLError) {
    let isOwn = SchemaDraft.isProvisional(rule.referencedTable)
    if !isOwn { try schema.requireReadable([rule.referencedTable]) }
    // An index of a table of before that the block has yet to build is none for its statements.
    guard let referenced = (isOwn ? step.catalog : schema.catalog).table(id: rule.referencedTable),
      let lookup = ReferencedKey(rule, in: referenced)
    else { throw SQLError.unsupported("a foreign key to a key that the same transaction adds to a table of before") }
    if let version = schema.pinnedVersion(of: referenced.id) {
      transaction.pin(referenced.id, version: version, isWritten: true)
    }
    var own = OwnRows(table)
    var seen: Set<[UInt8]> = []
    try await inTurns(rows) { [access] (part) async throws(SQLError) in
      let wanted = try own.references(by: rule, lookup, of: part.map(\.value))
        .filter { seen.insert($0.key).inserted }
      if wanted.isEmpty { return }
      let found = try await access.get(table: referenced, index: lookup.index, keys: wanted.map(\.key))
      for (reference, value) in zip(wanted, found) where value == nil {
        throw table.missingReference(
          constraint: constraint.name, rule, reference.values, referenced: referenced.name)
      }
      try await access.write(
        table: referenced,
        mutations: wanted.map {
          TableMutation(
            kind: .check, index: lookup.index.id, rangeID: lookup.index.rangeID, key: $0.key, value: [])
        })
    }
  }
}

extension RowFill.Outcome {
  fileprivate var isWaiting: Bool { if case .wants = self { true } else { false } }
}

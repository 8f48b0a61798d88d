import Basics
import Catalog
import ClusterClient
import KeyValue
import SQLPlanner
import SchemaChange

extension Transaction {
  fileprivate func hasWrites(to table: TableID) -> Bool {
    let next = TableID(rawValue: table.rawValue + 1)
    return hasWrites(
      from: KeyEncoding.prefix(table: table, index: IndexID(0)), to: KeyEncoding.prefix(table: next, index: IndexID(0)))
  }
}

extension Session {
  /// The catalog that a statement of the session uses at a snapshot: with the changes of its own block, if it has made some.
  func catalog(asSeenFrom snapshot: CatalogView) throws(SQLError) -> CatalogView {
    guard var schema = transactionSchema else { return snapshot }
    guard schema.draft.base.schemaIndex != snapshot.schemaIndex else { return schema.catalog }
    let created = schema.draft.createdTables
    try schema.rebase(on: snapshot)
    for table in created where transaction?.hasWrites(to: table.id) ?? false {
      try schema.requireSameRows(of: table)
    }
    transactionSchema = schema
    return schema.catalog
  }

  /// A schema change between BEGIN and COMMIT: checked and noted now, made when the block commits.
  func stage(
    _ statement: SchemaStatement, text: String, command: String? = nil, _ snapshot: ReadSnapshot,
    in transaction: Transaction, _ control: StatementControl
  ) async throws(SQLError) -> String {
    if transaction.isReadOnly {
      throw SQLError(
        .readOnlyTransaction,
        "cannot execute \(command ?? SchemaChangeCall.commandTag(text)) in a read-only transaction")
    }
    let before = transactionSchema
    var schema: TransactionSchema
    if let begun = before {
      schema = begun
    } else {
      schema = TransactionSchema(
        snapshot.catalog, database: databaseID, isRepetition: try await isKnownOperation(control))
    }
    let (tag, notices) = try schema.apply(statement, text: text)
    if transaction.hasWrites, !schema.isRepetition {
      try await bringRowsInLine(with: schema, in: transaction, snapshot, control)
      try schema.requireWritable(transaction.writtenTables)
    }
    transactionSchema = schema
    for notice in notices { client.writer.notice(notice) }
    return tag
  }

  /// Whether the operation that the client has named for the block's changes was begun before: then it sends them again, and
  /// they would not fit any more.
  private func isKnownOperation(_ control: StatementControl) async throws(SQLError) -> Bool {
    let operation = settings["theseus.operation_id"]
    if operation.isEmpty { return false }
    // A change of nothing leaves no job of its own.
    let nothing = SchemaTransaction(statements: [], versions: [])
    let question = SchemaChangeCall(
      self, .transaction(nothing), text: "", explainOnly: false, isInternal: true, operation: operation)
    do throws(SQLError) { _ = try await question.run(control) } catch {
      // It has failed before, and fails again when the block commits.
      guard question.jobID != 0 else { throw error }
    }
    return question.jobID != 0
  }

  /// A schema change that does not fit the catalog (any more), sent again under its operation id: what became of it, or in a
  /// block, whose COMMIT says that, the tag of the statement. Nil: it was not sent before.
  func repeated(
    _ prepared: PreparedStatement, _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(SQLError) -> String? {
    guard prepared.isSchemaChange, !settings["theseus.operation_id"].isEmpty else { return nil }
    guard block.state == .open else {
      guard try await isKnownOperation(control) else { return nil }
      let known = SchemaTransaction(statements: [], versions: [])
      let change = SchemaChangeCall(self, .transaction(known), text: prepared.parsed.text, explainOnly: false)
      return try await change.run(control)
    }
    if transactionSchema == nil, try await isKnownOperation(control) {
      transactionSchema = TransactionSchema(snapshot.catalog, database: databaseID, isRepetition: true)
    }
    return transactionSchema?.repeated(prepared.parsed.text)
  }

  /// The tag of a statement that writes in a block whose schema changes were made before under the operation id that the client has
  /// named: its rows were written with them, and nothing is done now.
  func repeatedWrite(
    _ prepared: PreparedStatement, _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(SQLError) -> String? {
    guard let tag = prepared.tagOfNothing, block.state == .open, !settings["theseus.operation_id"].isEmpty else {
      return nil
    }
    if transactionSchema == nil, !hasLookedUpOperation {
      hasLookedUpOperation = true
      if try await isKnownOperation(control) {
        transactionSchema = TransactionSchema(snapshot.catalog, database: databaseID, isRepetition: true)
      }
    }
    return transactionSchema?.isRepetition == true ? tag : nil
  }

  /// Of a plan of the open block: throws for what it cannot do beside the block's schema changes.
  func requirePossible(_ plan: StatementPlan) throws(SQLError) {
    guard let schema = transactionSchema else { return }
    switch plan.action {
    case .insert, .update, .delete:
      let tables = plan.tables.map(\.tableID)
      try schema.requireReadable(tables)
      if !schema.isRepetition { try schema.requireWritable(plan.tables.filter(\.isWritten).map(\.tableID)) }
    case .checkTable: throw SQLError.unsupported("CHECK TABLE behind a schema change in one transaction")
    case .explainSchemaChange:
      throw SQLError.unsupported("EXPLAIN (DDL) behind a schema change in one transaction")
    case .query, .createTableAs: try schema.requireReadable(plan.tables.map(\.tableID))
    case .schemaChange, .explain: break
    }
  }

  /// Makes the block's schema changes, all of them or none, and `rows` with them.
  func commit(_ schema: TransactionSchema, _ rows: BlockRows?, _ control: StatementControl) async throws(SQLError) {
    let change = SchemaChangeCall(
      self, .transaction(schema.draft.transaction), text: schema.texts.joined(separator: "; "), explainOnly: false,
      rows: rows)
    _ = try await change.run(control)
    guard rows != nil, !change.hasCommittedRows else { return }
    throw usedBefore(change.operationID)
  }

  /// The operation id is one of a transaction that was not this one.
  func usedBefore(_ operation: String) -> SQLError {
    SQLError(
      .objectNotInPrerequisiteState, "operation \"\(operation)\" was used before, for something else",
      detail: "Nothing of this transaction was done.", hint: "RESET theseus.operation_id.")
  }
}

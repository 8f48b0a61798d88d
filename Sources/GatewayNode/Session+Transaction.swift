import Basics
import ClusterClient
import EventLoop
import SQLExpressions
import SQLSyntax

extension Session {
  /// The transaction that a statement runs in: the block's, made when its first statement comes.
  func blockTransaction() throws(SQLError) -> Transaction {
    if let transaction { return transaction }
    let asOf = transactionModes.asOf
    let isolation = asOf == nil ? try chosenIsolation() : .repeatableRead
    let isReadOnly = asOf != nil || (transactionModes.isReadOnly ?? settings.isOn("default_transaction_read_only"))
    let made = Transaction(
      gateway.cluster, isolation: isolation, isReadOnly: isReadOnly, locksEarly: true,
      bufferLimitBytes: gateway.options.transactionLimitBytes)
    made.readsAt = SystemTime.resolver(asOf)
    transaction = made
    statementsInTransaction = 0
    transactionTime = gateway.currentTime
    return made
  }

  func chosenIsolation() throws(SQLError) -> TransactionIsolation {
    let level =
      transactionModes.isolation ?? IsolationLevel(rawValue: settings["transaction_isolation"]) ?? .readCommitted
    switch level {
    case .readUncommitted, .readCommitted: return .readCommitted
    case .repeatableRead: return .repeatableRead
    case .serializable: throw SQLError.unsupported("isolation level SERIALIZABLE")
    }
  }

  // MARK: - Statements

  func run(_ statement: TransactionStatement, _ control: StatementControl) async throws(SQLError) -> String {
    switch statement {
    case .begin(let modes, let isStart):
      // Refused before it opens: the client has no block to end then.
      if modes.isolation == .serializable, !block.isOpen { throw SQLError.unsupported("isolation level SERIALIZABLE") }
      let step = try block.begin(tag: isStart ? "START TRANSACTION" : "BEGIN")
      try await perform(step, control)
      if step.action == .start { try setModes(modes) }
      return step.tag
    case .commit(let chain): return try await finish(block.commit(), chain: chain, control)
    case .rollback(let chain): return try await finish(block.rollBack(), chain: chain, control)
    case .savepoint(let name):
      try block.requireRunnable()
      guard block.isOpen else { throw Self.needsBlock("SAVEPOINT") }
      guard savepoints.count < Self.maximumNamedObjects else {
        throw SQLError(.programLimitExceeded, "too many savepoints")
      }
      let transaction = try blockTransaction()
      savepoints.append(Savepoint(name: name, mark: transaction.mark(), schema: transactionSchema))
      return "SAVEPOINT"
    case .releaseSavepoint(let name):
      try block.requireRunnable()
      guard block.isOpen else { throw Self.needsBlock("RELEASE SAVEPOINT") }
      let position = try position(ofSavepoint: name)
      for savepoint in savepoints[position...].reversed() { transaction?.release(savepoint.mark) }
      savepoints.removeSubrange(position...)
      return "RELEASE"
    case .rollbackToSavepoint(let name):
      guard block.isOpen else { throw Self.needsBlock("ROLLBACK TO SAVEPOINT") }
      let position = try position(ofSavepoint: name)
      let mark = savepoints[position].mark
      transaction?.undo(to: mark)
      transactionSchema = savepoints[position].schema
      for savepoint in savepoints[(position + 1)...].reversed() { transaction?.release(savepoint.mark) }
      savepoints.removeSubrange((position + 1)...)
      portals = [:]
      block.recover()
      return "ROLLBACK"
    }
  }

  private static func needsBlock(_ command: String) -> SQLError {
    SQLError(.noActiveTransaction, "\(command) can only be used in transaction blocks")
  }

  private func position(ofSavepoint name: String) throws(SQLError) -> Int {
    guard let position = savepoints.lastIndex(where: { $0.name == name }) else {
      throw SQLError(SQLState("3B001"), "savepoint \"\(name)\" does not exist")
    }
    return position
  }

  func setModes(_ modes: TransactionModes) throws(SQLError) {
    if statementsInTransaction > 0, modes.isolation != nil {
      throw SQLError(.activeTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
    }
    if let asOf = modes.asOf {
      guard statementsInTransaction == 0 else {
        throw SQLError(.activeTransaction, "AS OF SYSTEM TIME must be set before any query")
      }
      transactionModes.asOf = asOf
    }
    if transactionModes.asOf != nil, modes.isReadOnly == false {
      throw SQLError(.activeTransaction, "a transaction AS OF SYSTEM TIME only reads")
    }
    if let isolation = modes.isolation {
      transactionModes.isolation = isolation
      _ = try chosenIsolation()
      try settings.set("transaction_isolation", isolation.rawValue, isLocal: true)
    }
    if let isReadOnly = modes.isReadOnly {
      if !isReadOnly, statementsInTransaction > 0, transaction?.isReadOnly == true {
        throw SQLError(
          .activeTransaction, "transaction read-write mode must be set before any query")
      }
      transactionModes.isReadOnly = isReadOnly
      transaction?.isReadOnly = isReadOnly
      try settings.set("transaction_read_only", isReadOnly ? "on" : "off", isLocal: true)
    }
    if statementsInTransaction == 0 { transaction?.rollback(); transaction = nil }
  }

  private func perform(_ step: TransactionBlock.Step, _ control: StatementControl) async throws(SQLError) {
    if let warning = step.warning { client.writer.noticeResponse(warning, severity: .warning) }
    switch step.action {
    case .nothing: break
    case .start:
      settingsCheckpoint = settings.checkpoint
      transactionTime = gateway.currentTime
      let isolation = settings["default_transaction_isolation"]
      try settings.set("transaction_isolation", isolation, isLocal: true)
      let isReadOnly = settings["default_transaction_read_only"]
      try settings.set("transaction_read_only", isReadOnly, isLocal: true)
    case .commit: try await commitTransaction(control)
    case .rollBack: rollBackTransaction()
    }
  }

  private func finish(
    _ step: TransactionBlock.Step, chain: Bool, _ control: StatementControl
  ) async throws(SQLError) -> String {
    let modes = transactionModes
    try await perform(step, control)
    if chain, step.action != .nothing {
      let next = try block.begin(tag: "BEGIN")
      try await perform(next, control)
      try setModes(modes)
    }
    return step.tag
  }

  // MARK: - Ends

  /// Commits the block's transaction. The block is over even if that fails.
  func commitTransaction(_ control: StatementControl) async throws(SQLError) {
    if let schema = transactionSchema, !schema.texts.isEmpty {
      return try await commitSchema(schema, control)
    }
    if let schema = transactionSchema, schema.isRepetition {
      // Its writes were left out because the operation was done before; but that one changed the schema.
      let operation = settings["theseus.operation_id"]
      rollBackTransaction()
      throw usedBefore(operation)
    }
    guard let transaction else { return forgetTransaction(restoring: nil) }
    self.transaction = nil
    do throws(TransactionFault) {
      try control.check()
      try await transaction.commit(deadline: commitDeadline)
    } catch {
      let catalog = transaction.snapshot?.catalog
      transaction.rollback()
      forgetTransaction(restoring: settingsCheckpoint)
      throw ErrorTranslation.sqlError(error, catalog: catalog)
    }
    gateway.metrics.committed()
    forgetTransaction(restoring: nil)
  }

  private func commitSchema(_ schema: TransactionSchema, _ control: StatementControl) async throws(SQLError) {
    var rows: BlockRows?
    if let transaction, transaction.hasWrites, !schema.isRepetition {
      rows = BlockRows(
        transaction, schema.draft, patienceMilliseconds: gateway.options.commitPatienceMilliseconds)
    } else {
      // What it has read and locked is in the way of its own change.
      transaction?.rollback()
    }
    transaction = nil
    do throws(SQLError) {
      try await commit(schema, rows, control)
    } catch {
      if rows?.transaction.isOver == false { rows?.transaction.rollback() }
      let operation = settings["theseus.operation_id"]
      forgetTransaction(restoring: settingsCheckpoint)
      // It was used, so it is not for the next change.
      settings.setInternally("theseus.operation_id", operation)
      throw error
    }
    gateway.metrics.committed()
    forgetTransaction(restoring: nil)
  }

  var commitDeadline: MonotonicTime {
    EventLoop.now.advanced(byMilliseconds: gateway.options.commitPatienceMilliseconds)
  }

  func rollBackTransaction() {
    transaction?.rollback()
    transaction = nil
    forgetTransaction(restoring: settingsCheckpoint)
  }

  private func forgetTransaction(restoring checkpoint: SessionSettings.Checkpoint?) {
    settings.endTransaction(restoring: checkpoint)
    settingsCheckpoint = nil
    savepoints = []
    transactionSchema = nil
    sequences.endTransaction()
    hasLookedUpOperation = false
    portals = [:]
    transactionModes = TransactionModes()
    statementsInTransaction = 0
  }

  /// A statement failed.
  func failTransaction() async {
    let action = block.fail()
    if action == .rollBack { return rollBackTransaction() }
    // A failed block without a savepoint to go back to can only be rolled back: its locks and pins are in nobody's way then.
    if block.state == .failed, savepoints.isEmpty { transaction?.rollback() }
  }

  /// The message, or the pipeline, is over.
  func endImplicitTransaction(_ control: StatementControl) async throws(SQLError) {
    guard block.endMessage() == .commit else { return }
    try await commitTransaction(control)
  }
}

import Basics
import ClusterClient
import EventLoop
import PostgresProtocol
import SQLPlanner
import SQLSyntax
import SQLValues

extension Session {
  /// Statements that need no plan. Answers the command tag.
  func runUtility(
    _ prepared: PreparedStatement, _ output: RowOutput, _ control: StatementControl
  ) async throws(SQLError) -> String {
    switch prepared.statement {
    case .transaction(let statement): return try await run(statement, control)
    case .session(let statement): return try run(statement, output)
    case .job(let statement): return try await run(statement, output, control)
    case .deallocate(let name):
      guard let name else {
        statements = [:]
        return "DEALLOCATE ALL"
      }
      guard statements.removeValue(forKey: name) != nil else { throw Self.unknownStatement(name) }
      return "DEALLOCATE"
    case .closeCursor(let name):
      guard let name else {
        portals = [:]
        return "CLOSE CURSOR ALL"
      }
      guard portals.removeValue(forKey: name) != nil else {
        throw SQLError(.invalidCursorName, "cursor \"\(name)\" does not exist")
      }
      return "CLOSE CURSOR"
    case .prepare: throw SQLError.unsupported("PREPARE as a statement (the protocol's Parse is)")
    case .execute: throw SQLError.unsupported("EXECUTE as a statement (the protocol's Bind and Execute are)")
    case .unsupported(let error): throw error
    case .select, .insert, .update, .delete, .createTable, .createTableAs, .alterTable, .rename, .createIndex,
      .alterIndex, .drop, .truncate, .createSequence, .alterSequence, .object, .undrop, .revertJob, .explain,
      .checkTable:
      throw SQLError(.internalError, "a planned statement came to the wrong place")
    }
  }

  /// Rows that did not come from a plan.
  func send(_ rows: [[Datum]], _ columns: [ResultColumn], _ output: RowOutput) {
    output.begin(columns)
    output.append(rows[...])
  }

  // MARK: - Session statements

  private func run(_ statement: SessionStatement, _ output: RowOutput) throws(SQLError) -> String {
    switch statement {
    case .set(let name, let values, let isLocal):
      let isPath = SessionSettings.canonical(name) == "search_path"
      try change(
        name, isPath ? SearchPath.format(values) : values.joined(separator: ", "), isLocal: isLocal)
      return "SET"
    case .reset(let name, let isLocal):
      try change(name, nil, isLocal: isLocal)
      return "RESET"
    case .resetAll:
      settings.resetAll()
      reportAll()
      return "RESET"
    case .show(let name):
      let shown = try settings.show(name)
      send([[.text(shown.value)]], [ResultColumn(name: shown.name, type: .text)], output)
      return "SHOW"
    case .showAll:
      let columns = ["name", "setting", "description"].map { ResultColumn(name: $0, type: .text) }
      send(settings.all.map { [.text($0.name), .text($0.value), .text("")] }, columns, output)
      return "SHOW"
    case .setTransaction(let modes):
      if block.isOpen {
        try setModes(modes)
      } else {
        client.writer.noticeResponse(
          SQLError(.noActiveTransaction, "SET TRANSACTION can only be used in transaction blocks"), severity: .warning)
      }
      return "SET"
    case .setSessionCharacteristics(let modes):
      if let isolation = modes.isolation {
        if isolation == .serializable { throw SQLError.unsupported("isolation level SERIALIZABLE") }
        try change("default_transaction_isolation", isolation.rawValue, isLocal: false)
      }
      if let isReadOnly = modes.isReadOnly {
        try change("default_transaction_read_only", isReadOnly ? "on" : "off", isLocal: false)
      }
      return "SET"
    case .discard(let what): return try discard(what)
    case .listen: throw SQLError.unsupported("LISTEN")
    case .unlisten: return "UNLISTEN"
    }
  }

  func change(_ name: String, _ value: String?, isLocal: Bool) throws(SQLError) {
    let key = SessionSettings.canonical(name)
    if key == "transaction_isolation", let value {
      guard let level = IsolationLevel(rawValue: value.lowercased()) else {
        throw SQLError(.invalidParameterValue, "invalid value for parameter \"transaction_isolation\": \"\(value)\"")
      }
      return try setModes(TransactionModes(isolation: level))
    }
    if key == "theseus.operation_id", let value, OperationID(value) == nil {
      throw SQLError(
        .invalidParameterValue, "an operation id has 1 to \(OperationID.maximumLengthBytes) bytes")
    }
    if key == "default_transaction_isolation", value?.lowercased() == "serializable" {
      throw SQLError.unsupported("isolation level SERIALIZABLE")
    }
    if isLocal, !block.isOpen {
      client.writer.noticeResponse(
        SQLError(.noActiveTransaction, "SET LOCAL can only be used in transaction blocks"), severity: .warning)
      return
    }
    try settings.set(name, value, isLocal: isLocal)
    if let reported = SessionSettings.reported(key) { client.writer.parameterStatus(reported, settings[reported]) }
  }

  private func reportAll() {
    for name in SessionSettings.reportedNames { client.writer.parameterStatus(name, settings[name]) }
  }

  private func discard(_ what: SessionStatement.Discard) throws(SQLError) -> String {
    switch what {
    case .all:
      if block.isOpen || block.state == .implicit {
        throw SQLError(.activeTransaction, "DISCARD ALL cannot run inside a transaction block")
      }
      settings.resetAll()
      sequences = SessionSequences()
      reportAll()
      statements = [:]
      portals = [:]
      return "DISCARD ALL"
    case .plans: return "DISCARD PLANS"
    case .sequences:
      sequences = SessionSequences()
      return "DISCARD SEQUENCES"
    case .temporary: return "DISCARD TEMP"
    }
  }
}

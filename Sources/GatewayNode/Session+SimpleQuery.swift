import Basics
import ClusterClient
import PostgresProtocol
import SQLSyntax
import SQLValues

extension Session {
  /// A Query message: its statements run one after the other and, unless it says otherwise, stand or fall together.
  func simpleQuery(_ text: String) async {
    // The unnamed statement and portal end with every simple query.
    statements[""] = nil
    portals[""] = nil
    let control = beginStatement(text)
    defer { endStatement() }
    do throws(SQLError) {
      try await runSimple(text, control)
    } catch {
      endStatement()
      return await failSimple(error)
    }
    gateway.metrics.executed(since: statementStart)
    endStatement()
    await readyForQuery()
  }

  private func runSimple(_ text: String, _ control: StatementControl) async throws(SQLError) {
    let key = cacheKey(text, [])
    if let cached = gateway.planCache.find(key) {
      return try await runOne(cached, isLast: true, isSingle: true, control)
    }
    let parsed = try await gateway.parser.parse(text)
    guard !parsed.isEmpty else {
      client.writer.emptyQueryResponse()
      return
    }
    if parsed.count == 1 {
      let prepared = PreparedStatement(parsed[0], declaredTypes: [])
      try await runOne(prepared, isLast: true, isSingle: true, control)
      // Only what ran is worth keeping.
      if prepared.isPlanned ? !prepared.isSchemaChange : prepared.isTransactionControl {
        gateway.planCache.insert(key, prepared)
      }
      return
    }
    isAmongOthers = true
    defer { isAmongOthers = false }
    for (position, statement) in parsed.enumerated() {
      let prepared = PreparedStatement(statement, declaredTypes: [])
      try await runOne(prepared, isLast: position == parsed.count - 1, isSingle: false, control)
      if client.isClosed { throw SQLError(.queryCanceled, "the client has gone") }
    }
  }

  private func runOne(
    _ prepared: PreparedStatement, isLast: Bool, isSingle: Bool, _ control: StatementControl
  ) async throws(SQLError) {
    if prepared.parsed.parameterCount > 0 {
      throw SQLError(.undefinedParameter, "there is no parameter $1")
    }
    if !isSingle, prepared.isPlanned { block.enterImplicit() }
    let output = RowOutput(client, formats: [], describesRows: true)
    let result = try await execute(
      prepared, parameters: [], output, rowLimit: 0, describedColumns: nil, control)
    // The last statement is complete when the transaction of the message is.
    if isLast { try await endImplicitTransaction(control) }
    if case .finished(let tag) = result { client.writer.commandComplete(tag) }
    if client.isChunkFull { await client.flushed() }
  }

  func cacheKey(_ text: String, _ types: [UInt32]) -> PlanCache.Key {
    PlanCache.Key(text: text, types: types, database: databaseID, user: userName, searchPath: settings.searchPath)
  }
}

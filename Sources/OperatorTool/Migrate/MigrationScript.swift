import SQLSyntax

/// Makes of a file's statements what `theseus migrate` runs, or says why not, before anything has run.
struct MigrationScript {
  let name: String
  let text: String

  /// Set by the tool itself; a file that changed them would break what it promises.
  private static let reservedSettings: Set = ["theseus.operation_id", "theseus.ddl_mode"]

  private enum Role {
    case schemaChange, data, session, report, savepoint, begin, commit
  }

  /// From BEGIN on.
  private struct Block {
    var opening: String
    var line: Int
    var texts: [String]
    var parts: [String] = []
    var changes: [String] = []
  }

  func statements(_ parsed: [ParsedStatement]) throws(ToolError) -> [MigrationStatement] {
    var source = SQLSource(text)
    var result: [MigrationStatement] = []
    var block: Block?
    for statement in parsed {
      source.advance(to: source.find(statement.text) ?? source.offset)
      var behindComments = source
      behindComments.skipBlanksAndComments()
      let line = behindComments.line
      source.advance(to: source.offset + statement.text.utf8.count)
      switch (try role(of: statement, line), block != nil) {
      case (.begin, false): block = Block(opening: statement.text, line: line, texts: [statement.text])
      case (.begin, true): throw refusal(line, "BEGIN inside BEGIN … COMMIT")
      case (.commit, false): throw refusal(line, "COMMIT without BEGIN")
      case (.commit, true):
        if let whole = block { result.append(self.statement(whole, end: statement.text)) }
        block = nil
      case (let role, true): try append(statement, role, line, to: &block)
      case (.savepoint, false): throw refusal(line, "a savepoint outside BEGIN … COMMIT")
      case (.schemaChange, false): result.append(plain(.schemaChange, statement, line))
      case (.data, false): result.append(plain(.data, statement, line))
      case (.session, false): result.append(plain(.session, statement, line))
      case (.report, false): result.append(plain(.report, statement, line))
      }
    }
    if let block { throw refusal(block.line, "BEGIN without COMMIT") }
    var checksum = MigrationFile.emptyChecksum
    for index in result.indices {
      checksum = SHA256.hexadecimal(checksum + "\n" + result[index].text)
      result[index].checksum = checksum
    }
    return result
  }

  private func statement(_ block: Block, end: String) -> MigrationStatement {
    let text = (block.texts + [end]).joined(separator: ";\n")
    if block.changes.isEmpty {
      return MigrationStatement(
        kind: .transaction(opening: block.opening), text: text, parts: block.parts, line: block.line)
    }
    return MigrationStatement(
      kind: .schemaChange, text: text, parts: [block.opening] + block.parts + [end], changes: block.changes,
      line: block.line)
  }

  private func append(
    _ parsed: ParsedStatement, _ role: Role, _ line: Int, to block: inout Block?
  ) throws(ToolError) {
    if role == .session {
      guard case .session(.set(_, _, isLocal: true)) = parsed.statement else {
        throw refusal(
          line, "inside BEGIN … COMMIT only SET LOCAL can be used: put other settings before BEGIN, modes behind it")
      }
    }
    if role == .schemaChange { block?.changes.append(parsed.text) }
    block?.texts.append(parsed.text)
    block?.parts.append(parsed.text)
  }

  private func plain(_ kind: MigrationStatement.Kind, _ statement: ParsedStatement, _ line: Int) -> MigrationStatement {
    MigrationStatement(
      kind: kind, text: statement.text, parts: [statement.text],
      changes: kind == .schemaChange ? [statement.text] : [], line: line)
  }

  private func refusal(_ line: Int, _ reason: String) -> ToolError { .refused("\(name), line \(line): \(reason)") }

  private func role(of parsed: ParsedStatement, _ line: Int) throws(ToolError) -> Role {
    if parsed.parameterCount > 0 { throw refusal(line, "there is no value for parameter $\(parsed.parameterCount)") }
    switch parsed.statement {
    case .select, .insert, .update, .delete: return .data
    case .createTable, .createTableAs, .alterTable, .rename, .createIndex, .alterIndex, .drop, .truncate,
      .createSequence, .alterSequence, .object, .undrop:
      return .schemaChange
    case .revertJob: throw refusal(line, "job numbers have no place in a migration")
    case .explain, .checkTable: return .report
    case .session(let statement): return try role(of: statement, line)
    case .transaction(let statement): return try role(of: statement, line)
    case .job: throw refusal(line, "a statement about jobs has no place in a migration")
    case .prepare, .execute, .deallocate, .closeCursor:
      throw refusal(line, "prepared statements and cursors have no place in a migration")
    case .unsupported(let error): throw refusal(line, error.message)
    }
  }

  private func role(of statement: SessionStatement, _ line: Int) throws(ToolError) -> Role {
    switch statement {
    case .set(let name, _, _), .reset(let name, _):
      if Self.reservedSettings.contains(name.lowercased()) {
        throw refusal(line, "theseus migrate sets \(name.lowercased()) itself")
      }
      return .session
    case .listen, .unlisten: throw refusal(line, "LISTEN has no place in a migration")
    case .show, .showAll: return .report
    case .resetAll, .setTransaction, .setSessionCharacteristics, .discard: return .session
    }
  }

  private func role(of statement: TransactionStatement, _ line: Int) throws(ToolError) -> Role {
    switch statement {
    case .begin(let modes, _):
      if modes.isReadOnly == true { throw refusal(line, "a read-only transaction has no place in a migration") }
      return .begin
    case .commit(chain: false): return .commit
    case .commit(chain: true): throw refusal(line, "COMMIT AND CHAIN cannot be used in a migration")
    case .rollback: throw refusal(line, "ROLLBACK cannot be used in a migration: nothing of it would stay")
    case .savepoint, .releaseSavepoint, .rollbackToSavepoint: return .savepoint
    }
  }
}

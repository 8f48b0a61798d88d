import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

extension RelationNameSyntax {
  /// A name within a string: identifiers with quotes or folded to lower case, joined by dots (PostgreSQL's
  /// `stringToQualifiedNameList`). nil: not a name, or one that begins with another database than `database`.
  static func parsing(_ text: String, in database: String, at position: Int? = nil) -> RelationNameSyntax? {
    guard var parts = parts(of: text) else { return nil }
    if parts.count == 3, parts[0] == database { parts.removeFirst() }
    guard parts.count <= 2 else { return nil }
    return RelationNameSyntax(schema: parts.count > 1 ? parts[0] : nil, name: parts[parts.count - 1], at: position)
  }

  /// Of such a name; nil: it is none.
  static func parts(of text: String) -> [String]? {
    var parts: [String] = []
    var current = ""
    var (isQuoted, wasQuoted) = (false, false)
    var rest = Substring(text.drop { $0 == " " })
    while rest.last == " " { rest.removeLast() }
    var characters = rest[...]
    while let character = characters.popFirst() {
      switch character {
      case "\"" where isQuoted && characters.first == "\"":
        current.append("\"")
        characters.removeFirst()
      case "\"":
        isQuoted.toggle()
        wasQuoted = true
      case "." where !isQuoted:
        if current.isEmpty, !wasQuoted { return nil }
        parts.append(current)
        current = ""
        wasQuoted = false
      default: current += isQuoted ? String(character) : character.lowercased()
      }
    }
    if isQuoted || (current.isEmpty && !wasQuoted) { return nil }
    parts.append(current)
    return parts
  }
}

extension StatementBinder {
  static func otherDatabase(_ name: String, at position: Int?) -> SQLError {
    SQLError(
      .featureNotSupported, "cross-database references are not implemented: \"\(name)\"", position: position)
  }

  /// 0A000 where a name within a string begins with the name of another database.
  private func requireOwnDatabase(_ text: String, at position: Int?) throws(SQLError) {
    guard let parts = RelationNameSyntax.parts(of: text), parts.count == 3, parts[0] != session.databaseName else {
      return
    }
    throw Self.otherDatabase(parts.joined(separator: "."), at: position)
  }

  /// `'name'::regclass`.
  func relationNumber(_ name: String, at position: Int?) throws(SQLError) -> Expression {
    dependsOnCatalog = true
    if storedView != nil, let place = StoredQuery.columnPosition(name) {
      let relation = try dependency(place).relation
      return .constant(.integer(SystemCatalog.number(relation)), .system(.regclass))
    }
    if let number = UInt32(name) { return .constant(.integer(Int64(number)), .system(.regclass)) }
    try requireOwnDatabase(name, at: position)
    guard let relation = RelationNameSyntax.parsing(name, in: session.databaseName, at: position),
      let number = SystemCatalog.number(of: relation, catalog: catalog, session: session)
    else { throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", position: position) }
    if let recorder, let position, !SystemCatalog.isRelation(relation) {
      recorder.names[position] = findRelation(relation)
    }
    return .constant(.integer(number), .system(.regclass))
  }

  /// `nextval`, `currval`, `setval`: a sequence that is named is found now, so that a stored default follows renames.
  func sequenceFunction(
    _ name: String, _ call: FunctionCallSyntax, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    var arguments = try bindAll(call.arguments, in: scope)
    if case .constant(let number, .system(.regclass))? = arguments.first { arguments[0] = .constant(number, .oid) }
    if case .constant(.text(let text), _)? = arguments.first?.simplified {
      let sequence = try sequence(named: text, at: call.arguments[0].position ?? position)
      arguments[0] = .constant(.integer(Int64(clamping: sequence.id.rawValue)), .oid)
    }
    return try builder.call(name, arguments)
  }

  /// 42P01, or 42809 for a relation of another kind.
  func sequence(named text: String, at position: Int?) throws(SQLError) -> TableDescriptor {
    if storedView != nil, let place = StoredQuery.columnPosition(text) {
      let sequence = try dependency(place).relation
      note(sequence)
      return sequence
    }
    let missing = SQLError(.undefinedTable, "relation \"\(text)\" does not exist", position: position)
    try requireOwnDatabase(text, at: position)
    guard let name = RelationNameSyntax.parsing(text, in: session.databaseName, at: position) else { throw missing }
    guard let sequence = findSequence(name) else {
      guard SystemCatalog.number(of: name, catalog: catalog, session: session) != nil else { throw missing }
      throw SQLError(.wrongObjectType, "\"\(name.name)\" is not a sequence", position: position)
    }
    note(sequence)
    if let recorder, let position { recorder.names[position] = sequence }
    return sequence
  }

  // MARK: As a table

  /// `SELECT … FROM sequence`: one row, that of the sequence's generation; nobody has written it before the first value is
  /// taken.
  func sequenceRelation(_ table: TableDescriptor, alias: String?, firstColumn: Int) -> Relation? {
    guard let sequence = table.sequence else { return nil }
    note(table)
    let shown = table.publicColumns
    let generation = Expression.constant(.integer(Int64(truncatingIfNeeded: sequence.generation)), .int8)
    let stored = QueryPlan.scan(
      ScanPlan(
        table: table, indexID: table.primaryIndex.id, ranges: [KeyRange(equal: [generation])],
        columns: shown.map(\.id), output: Array(shown.indices)))
    let state = sequence.initialState
    let values: [Datum] = [.integer(state.lastValue), .integer(0), .boolean(state.isCalled)]
    let types = shown.map(\.type)
    let initial = QueryPlan.values(
      ValuesPlan(rows: [zip(values, types).map { .constant($0, $1) }], types: types))
    return Relation(
      name: alias ?? table.name,
      source: .derived(.limit(.append([stored, initial]), count: .constant(.integer(1), .int8), offset: nil)),
      firstColumn: firstColumn,
      columns: shown.enumerated().map { number, column in
        Relation.Column(
          name: column.name, type: column.type, isVisible: true,
          origin: ColumnOrigin(tableID: table.id, columnNumber: number + 1))
      }, described: Relation.Described(relation: table, columns: shown.map(\.id)))
  }
}

import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// Indexes and constraints as the statements that would make them.
extension SystemCatalog {
  /// Not that of the hidden row id.
  static func isListed(_ index: IndexDescriptor, of table: TableDescriptor) -> Bool {
    !index.name.isEmpty
      && !index.keyColumns.contains { key in
        table.column(key.columnID).map { $0.isHidden && !$0.isComputed } ?? true
      }
  }

  static func checkCount(_ table: TableDescriptor) -> Int64 {
    Int64(
      table.constraints.count { constraint in
        if case .check = constraint.rule { return constraint.state.isWritable && constraint.replaces == nil }
        return false
      })
  }

  /// Tables on which PostgreSQL would have triggers: those of both sides of foreign keys.
  static func tablesWithForeignKeys(_ tables: [TableDescriptor]) -> Set<TableID> {
    var found: Set<TableID> = []
    for table in tables {
      for constraint in table.constraints {
        guard case .foreignKey(let rule) = constraint.rule else { continue }
        found.insert(table.id)
        found.insert(rule.referencedTable)
      }
    }
    return found
  }

  /// `pg_get_indexdef`. `isPretty`: without parentheses that mean nothing.
  static func definition(
    of index: IndexDescriptor, on table: TableDescriptor, in schema: String, isPretty: Bool = false
  ) -> String {
    let keys = index.keyColumns.map {
      keyText($0.columnID, table, isPretty: isPretty) + ($0.isDescending ? " DESC" : "")
    }
    let stored = index.storedColumns.map { keyText($0, table) }
    let isUnique = index.isUnique || index.id == table.primaryIndex.id
    var text =
      "CREATE \(isUnique ? "UNIQUE " : "")INDEX \(quoted(index.name)) ON \(quoted(schema)).\(quoted(table.name)) "
      + "USING btree (\(keys.joined(separator: ", ")))"
    if !stored.isEmpty { text += " INCLUDE (\(stored.joined(separator: ", ")))" }
    if index.isInvisible { text += " WITH (visible='false')" }
    if let predicate = index.predicate {
      let condition = Self.text(of: predicate, table)
      text += " WHERE " + (isPretty ? CatalogFunctions.withoutParentheses(condition) : condition)
    }
    return text
  }

  /// A column's name, or an expression: in parentheses, unless it is a function's call.
  static func keyText(_ id: ColumnID, _ table: TableDescriptor, isPretty: Bool = false) -> String {
    guard let column = table.column(id) else { return "?" }
    guard column.isComputed, let value = column.conversion else { return quoted(column.name) }
    let text = text(of: value, table)
    if functionName(text) != nil { return text }
    return "(\(isPretty ? CatalogFunctions.withoutParentheses(text) : text))"
  }

  /// As written: without the cast to its column's type that the value may have got.
  static func text(of expression: RowExpression, _ table: TableDescriptor) -> String {
    guard var value = try? Expression(decoding: expression.expression) else { return "?" }
    if case .cast(let operand, _, _, isExplicit: false) = value { value = operand }
    value = table.knowing(value)
    return ExpressionText(columnNames: expression.columns.map { quoted(table.column($0)?.name ?? "?") }).text(value)
  }

  /// What PostgreSQL calls the columns of an index: an expression after its function, or `expr`, with a number if need be.
  static func columnNames(of index: IndexDescriptor, _ table: TableDescriptor) -> [String] {
    var names: [String] = []
    for id in index.keyColumns.map(\.columnID) + index.storedColumns {
      guard let column = table.column(id), column.isComputed, let value = column.conversion else {
        names.append(table.column(id)?.name ?? "?")
        continue
      }
      let name = functionName(text(of: value, table)) ?? "expr"
      var unique = name
      var number = 1
      while names.contains(unique) {
        unique = name + String(number)
        number += 1
      }
      names.append(unique)
    }
    return names
  }

  /// Of the text of an expression that is a call and nothing else.
  private static func functionName(_ text: String) -> String? {
    guard text.first?.isLetter == true, text.hasSuffix(")"), let end = text.firstIndex(of: "(") else { return nil }
    let name = text[..<end]
    return name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } ? String(name) : nil
  }

  /// `pg_get_constraintdef`. `isPretty`: without parentheses that mean nothing.
  /// - Parameter names: who asks, and so whether the other table of a foreign key is named with its schema.
  static func definition(
    of constraint: ListedConstraint, on table: TableDescriptor, _ names: CatalogNames, isPretty: Bool
  ) -> String {
    let suffix = constraint.isValidated ? "" : " NOT VALID"
    if let condition = constraint.condition {
      let isWrapped = condition.hasPrefix("(") && condition.hasSuffix(")")
      return "CHECK " + (isPretty && isWrapped ? condition : "(\(condition))") + suffix
    }
    let columns = constraint.columns.map { quoted(table.column($0)?.name ?? "?") }
    if let key = constraint.foreignKey {
      let others = key.rule.referencedColumns.map { quoted(key.referenced?.column($0)?.name ?? "?") }
      let other = key.referenced.map { names.shown($0.name, of: $0) }
      return
        "FOREIGN KEY (\(columns.joined(separator: ", "))) REFERENCES \(other ?? "?")(\(others.joined(separator: ", ")))"
        + (key.rule.onUpdate == .noAction ? "" : " ON UPDATE \(key.rule.onUpdate.text)")
        + (key.rule.onDelete == .noAction ? "" : " ON DELETE \(key.rule.onDelete.text)") + suffix
    }
    return "\(constraint.title) (\(columns.joined(separator: ", ")))" + suffix
  }
}

/// What functions ask about the objects of one database.
public struct CatalogNames: CatalogAnswers {
  let catalog: CatalogView
  let session: PlannerSession

  public init(_ catalog: CatalogView, _ session: PlannerSession) {
    self.catalog = catalog
    self.session = session
  }

  public func answer(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> Datum {
    switch (function, arguments.first) {
    case (.relationName, .integer(let number)): return .text(relationName(number))
    case (.typeName, .integer(let number)): return .text(typeName(number))
    case (.functionName, .integer(let number)): return .text(number == 0 ? "-" : "\(number)")
    case (.namespaceName, .integer(let number)):
      return .text(SystemCatalog.namespaceName(number, catalog, session) ?? (number == 0 ? "-" : "\(number)"))
    case (.roleName, .integer(let number)): return .text(number == 10 ? session.userName : "\(number)")
    case (.relationNumber, .text(let name)):
      guard let found = relationNumber(name) else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist")
      }
      return .integer(found)
    case (.findRelation, .text(let name)): return relationNumber(name).map { .integer($0) } ?? .null
    case (.typeNumber, .text(let name)):
      guard let found = typeNumber(name) else {
        throw SQLError(.undefinedObject, "type \"\(name)\" does not exist")
      }
      return .integer(found)
    case (.findType, .text(let name)): return typeNumber(name).map { .integer($0) } ?? .null
    case (.functionNumber, .text(let name)):
      if let number = UInt32(name) { return .integer(Int64(number)) }
      throw SQLError(.undefinedFunction, "function \"\(name)\" does not exist")
    case (.namespaceNumber, .text(let name)):
      if let number = UInt32(name) { return .integer(Int64(number)) }
      if let found = SystemCatalog.namespaceNumber(name, catalog, session) { return .integer(found) }
      throw SQLError(SQLState("3F000"), "schema \"\(name)\" does not exist")
    case (.roleNumber, .text(let name)):
      if let number = UInt32(name) { return .integer(Int64(number)) }
      if name == session.userName { return .integer(10) }
      throw SQLError(.undefinedObject, "role \"\(name)\" does not exist")
    case (.indexDefinition, .integer(let number)): return indexDefinition(number, arguments)
    case (.viewDefinition, .integer(let number)): return viewDefinition(number, arguments)
    case (.viewDefinition, .text(let name)):
      guard let number = relationNumber(name) else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist")
      }
      return viewDefinition(number, arguments)
    case (.constraintDefinition, .integer(let number)):
      guard let table = table(ofNumber: number),
        let constraint = SystemCatalog.constraints(of: table, catalog).first(where: { $0.number == number })
      else { return .null }
      let isPretty = arguments.count > 1 && arguments[1] == .boolean(true)
      return .text(SystemCatalog.definition(of: constraint, on: table, self, isPretty: isPretty))
    case (.serialSequence, .text(let table)):
      guard arguments.count > 1, case .text(let column) = arguments[1] else { return .null }
      return try serialSequence(table, column)
    case (.objectDescription, .integer(let number)): return description(number, arguments)
    case (.columnDescription, .integer(let number)): return columnDescription(number, arguments)
    case (.sharedDescription, .integer(let number)): return sharedDescription(number, arguments)
    case (.relationIsVisible, .integer(let number)): return isVisible(number)
    case (.typeIsVisible, .integer(let number)): return isVisibleType(number)
    case (.formatType, .integer(let number)): return .text(typeName(number, missing: "???"))
    default: throw SQLError(.internalError, "function \(function) was given values of other types")
    }
  }

  // MARK: Relations

  /// The table that a relation, an index or a constraint belongs to, by their numbers.
  func table(ofNumber number: Int64) -> TableDescriptor? {
    guard number > 0 else { return nil }
    func isOwner(_ table: TableDescriptor) -> Bool {
      guard table.databaseID == session.databaseID, table.state == .public, !table.isType else { return false }
      return SystemCatalog.number(table) == number
        || table.indexes.contains { SystemCatalog.number(table, $0) == number }
        || (number >= 1 << 30 && SystemCatalog.constraints(of: table, catalog).contains { $0.number == number })
    }
    // As the numbers of tables, indexes and constraints are made, unless there have been very many tables.
    for candidate in [number, (number >> 7) & 0xff_ffff, (number >> 8) & 0x3f_ffff] {
      let id = TableID(rawValue: UInt64(candidate))
      if let table = catalog.table(id: id), isOwner(table) { return table }
    }
    return catalog.tables.first(where: isOwner)
  }

  private func relationName(_ number: Int64) -> String {
    if number == 0 { return "-" }
    if let table = table(ofNumber: number) {
      if SystemCatalog.number(table) == number { return shown(table.name, of: table) }
      if let index = table.indexes.first(where: { SystemCatalog.number(table, $0) == number }) {
        return shown(index.name, of: table)
      }
    }
    return SystemTableShape.all.first { $0.value.number == number }?.key ?? "\(number)"
  }

  /// With its schema where the name alone does not lead there.
  func shown(_ name: String, of table: TableDescriptor) -> String {
    let quoted = SystemCatalog.quoted(name)
    return isVisible(name, of: table)
      ? quoted : "\(SystemCatalog.quoted(catalog.schemaName(of: table))).\(quoted)"
  }

  private func relationNumber(_ name: String) -> Int64? {
    if let number = UInt32(name) { return Int64(number) }
    guard let relation = RelationNameSyntax.parsing(name, in: session.databaseName) else { return nil }
    return SystemCatalog.number(of: relation, catalog: catalog, session: session)
  }

  private func indexDefinition(_ number: Int64, _ arguments: [Datum]) -> Datum {
    guard let table = table(ofNumber: number),
      let index = table.indexes.first(where: { SystemCatalog.number(table, $0) == number })
    else { return .null }
    let isPretty = arguments.count > 2 && arguments[2] == .boolean(true)
    guard arguments.count > 1, case .integer(let position) = arguments[1], position > 0 else {
      return .text(
        SystemCatalog.definition(of: index, on: table, in: catalog.schemaName(of: table), isPretty: isPretty))
    }
    let columns = index.keyColumns.map(\.columnID) + index.storedColumns
    guard position <= columns.count else { return .text("") }
    return .text(SystemCatalog.keyText(columns[Int(position) - 1], table, isPretty: isPretty))
  }

  // MARK: Types

  private func typeName(_ number: Int64, missing: String? = nil) -> String {
    guard let oid = UInt32(exactly: number), let type = SQLType(oid: oid) else {
      if let type = SystemCatalog.type(ofNumber: number, catalog, session) { return shownType(type) }
      return number == 0 ? "-" : missing ?? "\(number)"
    }
    return type.baseName
  }

  /// A name as in a statement, perhaps with `pg_catalog.` in front, modifiers or `[]` behind.
  private func typeNumber(_ text: String) -> Int64? {
    if let number = UInt32(text) { return Int64(number) }
    if let type = enumeratedType(text) { return SystemCatalog.typeOID(type) }
    var name = Substring(text.lowercased())
    if name.hasPrefix("pg_catalog.") { name = name.dropFirst(11) }
    let isArray = name.hasSuffix("[]")
    if isArray { name = name.dropLast(2) }
    if let parenthesis = name.firstIndex(of: "("), name.hasSuffix(")") { name = name[..<parenthesis] }
    while name.last == " " { name.removeLast() }
    let types = SystemCatalog.types + SystemType.allCases.map { .system($0) }
    guard
      let type = types.first(where: { $0.internalName == name || $0.baseName == name })
        ?? (try? SQLType.named(String(name), modifiers: []))
    else { return nil }
    guard isArray else { return Int64(type.oid) }
    return SystemType.array(of: type).map { Int64($0.oid) }
  }

  // MARK: Sequences

  private func serialSequence(_ tableName: String, _ columnName: String) throws(SQLError) -> Datum {
    let missing = SQLError(.undefinedTable, "relation \"\(tableName)\" does not exist")
    guard let name = RelationNameSyntax.parsing(tableName, in: session.databaseName) else { throw missing }
    let schemas = name.schema.map { [$0] } ?? session.searchPath
    guard
      let table = schemas.lazy.compactMap({ schema in
        catalog.table(named: name.name, schema: schema, in: session.databaseID)
      }).first
    else {
      // A sequence or an index has no columns with sequences.
      if SystemCatalog.number(of: name, catalog: catalog, session: session) != nil { return .null }
      throw missing
    }
    guard let column = table.publicColumns.first(where: { $0.name == columnName }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(columnName)\" of relation \"\(table.name)\" does not exist")
    }
    let owned = catalog.sequences.first { candidate in
      candidate.state == .public
        && candidate.sequence?.owner.map { $0.table == table.id && $0.column == column.id } ?? false
    }
    guard let owned else { return .null }
    return .text("\(SystemCatalog.quoted(catalog.schemaName(of: owned))).\(SystemCatalog.quoted(owned.name))")
  }
}

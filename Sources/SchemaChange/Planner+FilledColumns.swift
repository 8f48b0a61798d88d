import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Columns of which existing rows get values of their own: with a volatile default, a sequence, or generated.
extension Planner {
  /// `ADD COLUMN`; a sequence that comes with it is among the stages.
  mutating func newColumn(
    _ definition: ColumnDefinition, in alteration: inout Alteration
  ) throws(SQLError) -> ColumnDescriptor {
    let table = alteration.table
    var column = ColumnDescriptor(
      id: alteration.nextColumnID, name: definition.name, type: definition.type, isNullable: definition.isNullable,
      state: .absent, defaultExpression: definition.defaultExpression, defaultText: definition.defaultText,
      missingValue: definition.constantDefault ?? .null, sequences: definition.sequences)
    if let generation = definition.generation {
      column.generation = try self.generation(generation, of: column, alteration.columns, table: table.name)
      try alteration.judge(column.generation?.columns ?? [])
      column.isFilled = true
    } else if let generator = definition.generator {
      var taken = alteration.indexNames
      let (sequence, range) = try generate(
        &column, by: generator, of: table.id, ObjectName(name: table.name), in: table.namespaceID, taken: &taken)
      alteration.indexNames = taken
      alteration.stages.add(sequence, with: range)
      column.isFilled = true
    } else if let encoded = definition.defaultExpression, definition.constantDefault == nil {
      try requireFillable(encoded, definition.name)
      column.isFilled = true
    }
    return column
  }

  /// Rows are filled where they are: what a session has, and what another part of the statement does, is not known there.
  private func requireFillable(_ encoded: [UInt8], _ column: String) throws(SQLError) {
    let value: Expression
    do throws(MalformedBytes) { value = try Expression(decoding: encoded) } catch {
      throw SQLError(.dataCorrupted, "the default of column \"\(column)\" cannot be read", detail: error.reason)
    }
    guard !value.callsSequencesOtherThanNext else {
      throw SQLError.unsupported("ADD COLUMN with a default that calls currval, lastval or setval")
    }
  }

  /// With its columns found by name; none of them may be generated itself.
  func generation(
    _ definition: RowExpressionDefinition, of column: ColumnDescriptor, _ columns: [ColumnDescriptor], table: String
  ) throws(SQLError) -> RowExpression {
    let rule = try rowExpression(
      definition, columns, table: table, of: "the generation expression of column \"\(column.name)\"")
    for read in columns where rule.columns.contains(read.id) && (read.generation != nil || read.id == column.id) {
      throw Self.generatedFromGenerated(read.name)
    }
    return rule
  }

  public static func generatedFromGenerated(_ column: String, at position: Int? = nil) -> SQLError {
    SQLError(
      SQLState("42P17"), "cannot use generated column \"\(column)\" in column generation expression",
      detail: "A generated column cannot reference another generated column.", position: position)
  }

  /// With a column goes what is generated from it (2BP01 unless `isCascade`): their names.
  func dropGenerated(
    from column: ColumnDescriptor, isCascade: Bool, _ alteration: inout Alteration
  ) throws(SQLError) -> [String] {
    let table = alteration.table.name
    let generated = alteration.columns.filter { $0.generation?.columns.contains(column.id) ?? false }
    guard generated.isEmpty || isCascade else {
      let title = "column \(column.name) of table \(table)"
      throw SQLError(
        .dependentObjectsStillExist, "cannot drop \(title) because other objects depend on it",
        detail: generated.map { "column \($0.name) of table \(table) depends on \(title)" }.joined(separator: "\n"),
        hint: "Use DROP ... CASCADE to drop the dependent objects too.")
    }
    for other in generated {
      alteration.notices.append("drop cascades to column \(other.name) of table \(table)")
    }
    return generated.map(\.name)
  }

  func dropGeneration(
    of name: String, ifExists: Bool, in alteration: inout Alteration
  ) throws(SQLError) {
    let column = try alteration.existingColumn(name, for: "DROP EXPRESSION")
    let table = alteration.table
    guard column.generation != nil else {
      guard ifExists else {
        throw SQLError(
          .objectNotInPrerequisiteState,
          "column \"\(name)\" of relation \"\(table.name)\" is not a stored generated column", tableName: table.name,
          columnName: name)
      }
      alteration.notices.append(
        "column \"\(name)\" of relation \"\(table.name)\" is not a stored generated column, skipping")
      return
    }
    alteration.columns[try alteration.position(of: name)].generation = nil
    // Who still computes it would overwrite what clients give it from here on.
    alteration.stages.edit(
      table.id, [.dropGeneration(column.id)], "column \(name): no longer generated", floor: .current)
  }

  /// `SET DEFAULT` and `DROP DEFAULT` are not for a generated column.
  func refuseDefault(
    of column: ColumnDescriptor, isDrop: Bool, table: String
  ) throws(SQLError) {
    guard column.generation != nil else { return }
    throw SQLError(
      .syntaxError, "column \"\(column.name)\" of relation \"\(table)\" is a generated column",
      hint: isDrop ? "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead." : nil, tableName: table,
      columnName: column.name)
  }

  /// The type of what a generated column follows from stays.
  func refuseTypeChange(of column: ColumnDescriptor, in alteration: Alteration) throws(SQLError) {
    guard let generated = alteration.columns.first(where: { $0.generation?.columns.contains(column.id) ?? false })
    else { return }
    throw SQLError(
      .featureNotSupported, "cannot alter type of a column used by a generated column",
      detail: "Column \"\(column.name)\" is used by generated column \"\(generated.name)\".",
      tableName: alteration.table.name, columnName: column.name)
  }

  /// What an action of a foreign key would have to write is not anybody's to give.
  func refuseActions(_ rule: ForeignKeyRule, on columns: [ColumnDescriptor]) throws(SQLError) {
    guard columns.contains(where: { $0.generation != nil && rule.columns.contains($0.id) }) else { return }
    let event =
      rule.onUpdate.changesRows ? "ON UPDATE" : [.setNull, .setDefault].contains(rule.onDelete) ? "ON DELETE" : nil
    guard let event else { return }
    throw SQLError(
      .syntaxError, "invalid \(event) action for foreign key constraint containing generated column")
  }
}

extension Expression {
  fileprivate var callsSequencesOtherThanNext: Bool {
    if case .call(.nextValue, let arguments, _) = self {
      // A name would have to be looked up.
      if case .constant(.integer, _)? = arguments.first { return false }
      return true
    }
    if case .call(let function, _, _) = self {
      switch function {
      case .currentValue, .lastValue, .setValue: return true
      default: break
      }
    }
    return children.contains { $0.callsSequencesOtherThanNext }
  }
}

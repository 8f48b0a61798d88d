import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// Makes `SchemaStatement` values of DDL: types resolved, defaults bound. Names stay names; whether they exist is decided
/// where the change is made.
struct SchemaStatementPlanner {
  let binder: StatementBinder

  func plan(_ statement: Statement) throws(SQLError) -> SchemaStatement? {
    switch statement {
    case .createTable(let create): return try createTable(create)
    case .alterTable(let alter): return try alterTable(alter)
    case .createIndex(let create):
      return .createIndex(
        CreateIndex(
          name: create.name, ifNotExists: create.ifNotExists, table: try objectName(create.table),
          isUnique: create.isUnique,
          keyColumns: create.keyColumns.map {
            IndexColumnDefinition(columnName: $0.column, isDescending: $0.isDescending)
          }, storedColumns: create.storedColumns))
    case .drop(let drop):
      var names: [ObjectName] = []
      for name in drop.names { names.append(try objectName(name)) }
      switch drop.kind {
      case .table: return .dropTables(names: names, ifExists: drop.ifExists)
      case .index: return .dropIndexes(names: names, ifExists: drop.ifExists)
      }
    case .rename(let rename):
      let name = try objectName(rename.relation)
      switch rename.object {
      case .table: return .renameTable(name, to: rename.newName, ifExists: rename.ifExists)
      case .index: return .renameIndex(name, to: rename.newName, ifExists: rename.ifExists)
      case .column(let column):
        return .alterTable(
          name, ifExists: rename.ifExists, changes: [.renameColumn(name: column, to: rename.newName)])
      }
    default: return nil
    }
  }

  private func objectName(_ name: RelationNameSyntax) throws(SQLError) -> ObjectName {
    let schema = name.schema ?? binder.session.searchPath.first ?? "public"
    if schema == "pg_catalog" || schema == "information_schema" {
      throw SQLError(
        .insufficientPrivilege, "permission denied: \"\(name.name)\" is a system catalog", position: name.position)
    }
    guard schema == "public" else {
      throw SQLError(.invalidSchemaName, "schema \"\(schema)\" does not exist", position: name.position)
    }
    return ObjectName(schema: schema, name: name.name)
  }

  // MARK: Tables

  private func createTable(_ create: CreateTableStatement) throws(SQLError) -> SchemaStatement {
    let name = try objectName(create.table)
    var result = CreateTable(name: name, ifNotExists: create.ifNotExists, columns: [], primaryKey: [])
    var hasPrimaryKey = false
    func setPrimaryKey(_ columns: [String], _ constraintName: String?, at position: Int?) throws(SQLError) {
      if hasPrimaryKey {
        throw SQLError(
          .invalidTableDefinition, "multiple primary keys for table \"\(name.name)\" are not allowed",
          position: position)
      }
      hasPrimaryKey = true
      result.primaryKey = columns
      result.primaryKeyName = constraintName
    }
    for syntax in create.columns {
      if result.columns.contains(where: { $0.name == syntax.name }) {
        throw SQLError(
          .duplicateColumn, "column \"\(syntax.name)\" specified more than once", position: syntax.position)
      }
      result.columns.append(try column(syntax, table: name.name))
      for constraint in syntax.constraints {
        switch constraint.kind {
        case .primaryKey: try setPrimaryKey([syntax.name], constraint.name, at: constraint.position)
        case .unique:
          result.uniqueConstraints.append(UniqueConstraint(name: constraint.name, columns: [syntax.name]))
        case .null, .notNull, .defaultValue: break
        }
      }
    }
    for constraint in create.constraints {
      switch constraint.kind {
      case .primaryKey(let columns):
        try checkKey(columns, result.columns, at: constraint.position, kind: "primary key")
        try setPrimaryKey(columns, constraint.name, at: constraint.position)
      case .unique(let columns):
        try checkKey(columns, result.columns, at: constraint.position, kind: "unique")
        result.uniqueConstraints.append(UniqueConstraint(name: constraint.name, columns: columns))
      }
    }
    for index in result.columns.indices where result.primaryKey.contains(result.columns[index].name) {
      result.columns[index].isNullable = false
    }
    return .createTable(result)
  }

  private func checkKey(
    _ names: [String], _ columns: [ColumnDefinition], at position: Int?, kind: String
  ) throws(SQLError) {
    for (index, name) in names.enumerated() {
      guard columns.contains(where: { $0.name == name }) else {
        throw SQLError(.undefinedColumn, "column \"\(name)\" named in key does not exist", position: position)
      }
      if names[..<index].contains(name) {
        throw SQLError(
          .duplicateColumn, "column \"\(name)\" appears twice in \(kind) constraint", position: position)
      }
    }
  }

  private func alterTable(_ alter: AlterTableStatement) throws(SQLError) -> SchemaStatement {
    let name = try objectName(alter.table)
    var changes: [TableAlteration] = []
    for change in alter.changes {
      switch change {
      case .addColumn(let syntax, let ifNotExists):
        for constraint in syntax.constraints {
          switch constraint.kind {
          case .primaryKey: throw .unsupported("ADD COLUMN … PRIMARY KEY", position: constraint.position)
          case .unique: throw .unsupported("ADD COLUMN … UNIQUE", position: constraint.position)
          case .null, .notNull, .defaultValue: break
          }
        }
        changes.append(.addColumn(try column(syntax, table: name.name), ifNotExists: ifNotExists))
      case .dropColumn(let column, let ifExists): changes.append(.dropColumn(name: column, ifExists: ifExists))
      }
    }
    return .alterTable(name, ifExists: alter.ifExists, changes: changes)
  }

  // MARK: Columns

  private func column(_ syntax: ColumnSyntax, table: String) throws(SQLError) -> ColumnDefinition {
    let type = try binder.type(syntax.type)
    if type == .unknown || type == .void {
      throw SQLError(
        .invalidTableDefinition, "column \"\(syntax.name)\" has pseudo-type \(type.baseName)",
        position: syntax.position)
    }
    var definition = ColumnDefinition(name: syntax.name, type: type)
    var nullability: Bool?
    var hasDefault = false
    for constraint in syntax.constraints {
      switch constraint.kind {
      case .null, .notNull:
        let isNullable = constraint.kind == .null
        if let nullability, nullability != isNullable {
          throw SQLError(
            .syntaxError, "conflicting NULL/NOT NULL declarations for column \"\(syntax.name)\" of table \"\(table)\"",
            position: constraint.position)
        }
        nullability = isNullable
        definition.isNullable = isNullable
      case .defaultValue(let value):
        if hasDefault {
          throw SQLError(
            .syntaxError, "multiple default values specified for column \"\(syntax.name)\" of table \"\(table)\"",
            position: constraint.position)
        }
        hasDefault = true
        try setDefault(value, of: &definition)
      case .primaryKey: definition.isNullable = false
      case .unique: break
      }
    }
    return definition
  }

  private func setDefault(_ syntax: ExpressionSyntax, of definition: inout ColumnDefinition) throws(SQLError) {
    let scope = QueryScope(frame: nil, commonTables: [:])
    scope.clause = .defaultExpression
    let slots = binder.slotCount
    let bound = try binder.bind(syntax, in: scope)
    if binder.slotCount > slots || !scope.subqueries.isEmpty {
      throw SQLError(
        .featureNotSupported, "cannot use subquery in DEFAULT expression", position: syntax.position)
    }
    if bound.containsParameters {
      throw SQLError(.undefinedParameter, "there is no parameter $1", position: syntax.position)
    }
    let type = definition.type
    let name = definition.name
    guard
      let cast = try binder.located(
        syntax.position,
        { () throws(SQLError) in
          try binder.builder.coerced(bound, to: type, in: .assignment)
        })
    else {
      throw SQLError(
        .datatypeMismatch,
        "column \"\(name)\" is of type \(type.baseName) but default expression is of type \(bound.type.baseName)",
        hint: "You will need to rewrite or cast the expression.", position: syntax.position)
    }
    let value = cast.simplified
    if case .constant(let datum, _) = value {
      definition.constantDefault = datum
      if datum.isNull { return }
    } else if value.isFoldable {
      // It failed when it was folded: say why now.
      var context = EvaluationContext()
      _ = try binder.located(syntax.position) { () throws(SQLError) in try value.evaluate([], &context) }
    }
    definition.defaultExpression = value.encoded
    definition.defaultText = ExpressionText(columnNames: []).text(value)
  }
}

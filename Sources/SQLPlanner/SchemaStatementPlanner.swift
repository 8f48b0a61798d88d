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
      case .constraint(let constraint):
        return .alterTable(
          name, ifExists: rename.ifExists, changes: [.renameConstraint(name: constraint, to: rename.newName)])
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
        case .null, .notNull, .defaultValue, .check: break
        }
      }
    }
    // All columns are known now: a check may read any of them.
    let columns = result.columns.map { CheckDefinition.Column(name: $0.name, type: $0.type) }
    for syntax in create.columns {
      for constraint in syntax.constraints {
        guard case .check(let condition) = constraint.kind else { continue }
        result.checks.append(
          try check(condition, name: constraint.name, at: constraint.position, columns, table: name.name))
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
      case .check(let condition, _):
        result.checks.append(
          try check(condition, name: constraint.name, at: constraint.position, columns, table: name.name))
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
          case .check: throw .unsupported("ADD COLUMN … CHECK", position: constraint.position)
          case .null, .notNull, .defaultValue: break
          }
        }
        changes.append(.addColumn(try column(syntax, table: name.name), ifNotExists: ifNotExists))
      case .dropColumn(let column, let ifExists): changes.append(.dropColumn(name: column, ifExists: ifExists))
      case .setDefault(let column, let value):
        guard let value, let table = try existingTable(alter, name) else {
          changes.append(.setDefault(column: column, expression: nil, text: nil))
          continue
        }
        guard let found = table.publicColumns.first(where: { $0.name == column }) else {
          throw SQLError(
            .undefinedColumn, "column \"\(column)\" of relation \"\(name.name)\" does not exist", tableName: name.name,
            columnName: column)
        }
        var definition = ColumnDefinition(name: column, type: found.type)
        try setDefault(value, of: &definition)
        changes.append(
          .setDefault(column: column, expression: definition.defaultExpression, text: definition.defaultText))
      case .setNotNull(let column): changes.append(.setNotNull(column: column))
      case .dropNotNull(let column): changes.append(.dropNotNull(column: column))
      case .addConstraint(let constraint):
        switch constraint.kind {
        case .primaryKey: throw .unsupported("ADD PRIMARY KEY", position: constraint.position)
        case .unique(let columns):
          changes.append(.addUnique(UniqueConstraint(name: constraint.name, columns: columns)))
        case .check(let condition, let isValidated):
          guard let table = try existingTable(alter, name) else { continue }
          let columns = table.publicColumns.map { CheckDefinition.Column(name: $0.name, type: $0.type) }
          let definition = try check(
            condition, name: constraint.name, at: constraint.position, columns, table: name.name)
          changes.append(.addCheck(definition, isValidated: isValidated))
        }
      case .validateConstraint(let constraint): changes.append(.validateConstraint(name: constraint))
      case .dropConstraint(let constraint, let ifExists):
        changes.append(.dropConstraint(name: constraint, ifExists: ifExists))
      }
    }
    return .alterTable(name, ifExists: alter.ifExists, changes: changes)
  }

  /// What expressions of an `ALTER TABLE` are bound against; where the change is made, its columns are looked up again. Nil:
  /// the table is missing, which `IF EXISTS` allows.
  private func existingTable(
    _ alter: AlterTableStatement, _ name: ObjectName
  ) throws(SQLError) -> TableDescriptor? {
    let table = binder.catalog.table(named: name.name, schema: name.schema, in: binder.session.databaseID)
    guard table == nil, !alter.ifExists else { return table }
    throw SQLError(
      .undefinedTable, "relation \"\(name)\" does not exist", position: alter.table.position, tableName: name.name)
  }

  // MARK: Checks

  private func check(
    _ syntax: ExpressionSyntax, name: String?, at position: Int?, _ columns: [CheckDefinition.Column], table: String
  ) throws(SQLError) -> CheckDefinition {
    let scope = QueryScope(frame: nil, commonTables: [:])
    scope.clause = .check
    let relation = Relation(
      name: table, source: .derived(.values(ValuesPlan(rows: [], types: []))), firstColumn: 0,
      columns: columns.map { Relation.Column(name: $0.name, type: $0.type, isVisible: true, origin: nil) })
    scope.relations = [relation]
    scope.visible = relation.visibleColumns
    let slots = binder.slotCount
    let bound = try binder.bind(syntax, in: scope)
    if binder.slotCount > slots || !scope.subqueries.isEmpty {
      throw SQLError(.featureNotSupported, "cannot use subquery in check constraint", position: syntax.position)
    }
    if bound.containsParameters {
      throw SQLError(.undefinedParameter, "there is no parameter $1", position: syntax.position)
    }
    let condition = try binder.located(syntax.position) { () throws(SQLError) in
      try binder.builder.condition(bound, of: "CHECK")
    }.simplified
    guard condition.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "functions in a check constraint must be immutable", position: syntax.position)
    }
    let used = Set(condition.columns).sorted()
    let expression = condition.mapColumns { number, type in
      .column(used.firstIndex(of: number) ?? 0, type)
    }
    return CheckDefinition(name: name, columns: used.map { columns[$0] }, expression: expression.encoded)
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
      case .unique, .check: break
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

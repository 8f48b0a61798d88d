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
    case .createIndex(let create): return .createIndex(try createIndex(create))
    case .alterIndex(let alter):
      return .setIndexVisibility(try objectName(alter.index), ifExists: alter.ifExists, isVisible: alter.isVisible)
    case .drop(let drop):
      var names: [ObjectName] = []
      for name in drop.names { names.append(try objectName(name)) }
      switch drop.kind {
      case .table: return .dropTables(names: names, ifExists: drop.ifExists, isCascade: drop.isCascade)
      case .index: return .dropIndexes(names: names, ifExists: drop.ifExists, isCascade: drop.isCascade)
      case .sequence: return .dropSequences(names: names, ifExists: drop.ifExists, isCascade: drop.isCascade)
      }
    case .truncate(let tables, let restartsIdentity):
      var names: [ObjectName] = []
      for name in tables { names.append(try objectName(name)) }
      return .truncateTables(names: names, restartsIdentity: restartsIdentity)
    case .createSequence(let create):
      return .createSequence(
        try newName(create.name), ifNotExists: create.ifNotExists, try sequenceOptions(create.options))
    case .alterSequence(let alter):
      return .alterSequence(
        try objectName(alter.name), ifExists: alter.ifExists, try sequenceOptions(alter.options))
    case .undrop(let undrop):
      var table: ObjectName?
      if let name = undrop.table { table = try objectName(name) }
      let kind: Undrop.Kind =
        switch undrop.kind {
        case .table: .table
        case .column: .column
        case .index: .index
        }
      // A table comes back where a new one would come.
      let name = kind == .table ? try newName(undrop.name) : try objectName(undrop.name)
      return .undrop(Undrop(kind, name, table: table, newName: undrop.newName))
    case .revertJob(let job): return .revertJob(job)
    case .rename(let rename):
      let name = try objectName(rename.relation)
      switch rename.object {
      case .table: return .renameTable(name, to: rename.newName, ifExists: rename.ifExists)
      case .index: return .renameIndex(name, to: rename.newName, ifExists: rename.ifExists)
      case .sequence: return .renameSequence(name, to: rename.newName, ifExists: rename.ifExists)
      case .column(let column):
        return .alterTable(
          name, ifExists: rename.ifExists, changes: [.renameColumn(name: column, to: rename.newName)])
      case .constraint(let constraint):
        return .alterTable(
          name, ifExists: rename.ifExists, changes: [.renameConstraint(name: constraint, to: rename.newName)])
      }
    case .object(let object): return try plan(object)
    default: return nil
    }
  }

  // MARK: Tables

  private func createTable(_ create: CreateTableStatement) throws(SQLError) -> SchemaStatement {
    let name = try newName(create.table)
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
    func addLikes(behind count: Int) throws(SQLError) {
      for like in create.likes where like.columnCount == count {
        let before = result.primaryKey
        guard try add(like, to: &result) else { continue }
        let key = result.primaryKey
        result.primaryKey = before
        try setPrimaryKey(key, nil, at: like.table.position)
      }
    }
    for (position, syntax) in create.columns.enumerated() {
      try addLikes(behind: position)
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
        case .references(let key):
          result.foreignKeys.append(try foreignKey([syntax.name], key, name: constraint.name, of: name))
        case .null, .notNull, .defaultValue, .check, .identity, .generated: break
        }
      }
    }
    try addLikes(behind: create.columns.count)
    // All columns are known now: a check may read any of them.
    let columns = result.columns.map { RowExpressionDefinition.Column(name: $0.name, type: $0.type) }
    let generated = Set(
      create.columns.filter { $0.generation != nil }.map(\.name)
        + result.columns.filter { $0.generation != nil }.map(\.name))
    for syntax in create.columns {
      guard let generation = syntax.generation,
        let position = result.columns.firstIndex(where: { $0.name == syntax.name })
      else { continue }
      result.columns[position] = try self.generated(
        result.columns[position], generation, columns, generated: generated, table: name.name)
    }
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
      case .foreignKey(let columns, let key):
        result.foreignKeys.append(try foreignKey(columns, key, name: constraint.name, of: name))
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
    if binder.findView(alter.table) != nil {
      throw SQLError(
        .wrongObjectType,
        "ALTER action \(alter.changes.first?.actionName ?? "") cannot be performed on relation \"\(name.name)\"",
        detail: "This operation is not supported for views.", position: alter.table.position, tableName: name.name)
    }
    var changes: [TableAlteration] = []
    var added: [RowExpressionDefinition.Column] = []
    var generatedNames: Set<String> = []
    for change in alter.changes {
      switch change {
      case .addColumn(let syntax, let ifNotExists):
        var definition = try column(syntax, table: name.name)
        added.append(.init(name: definition.name, type: definition.type))
        let table = try existingTable(alter, name)
        if let generation = syntax.generation, let table {
          generatedNames.insert(syntax.name)
          generatedNames.formUnion(
            table.publicColumns.filter { column in
              column.generation != nil && !alter.changes.contains(.dropExpression(column.name, ifExists: false))
            }.map(\.name))
          definition = try generated(
            definition, generation, columns(of: table, added), generated: generatedNames, table: name.name)
        }
        changes.append(.addColumn(definition, ifNotExists: ifNotExists))
        for constraint in syntax.constraints {
          switch constraint.kind {
          case .primaryKey, .unique, .check, .references:
            // Where the column is there already they would go to it.
            if ifNotExists {
              throw .unsupported("ADD COLUMN IF NOT EXISTS with a constraint", position: constraint.position)
            }
            guard let table else { continue }
            changes.append(try addition(constraint, of: definition.name, to: table, added))
          case .null, .notNull, .defaultValue, .identity, .generated: break
          }
        }
      case .dropColumn(let column, let ifExists, let isCascade):
        changes.append(.dropColumn(name: column, ifExists: ifExists, isCascade: isCascade))
      case .setDefault(let column, let value):
        guard let value, let table = try existingTable(alter, name) else {
          changes.append(.setDefault(column: column, expression: nil, text: nil))
          continue
        }
        let found = try existingColumn(column, of: table)
        var definition = ColumnDefinition(name: column, type: found.type)
        try setDefault(value, of: &definition)
        changes.append(
          .setDefault(
            column: column, expression: definition.defaultExpression, text: definition.defaultText,
            sequences: definition.sequences))
      case .setType(let column, let type, let conversion):
        guard let table = try existingTable(alter, name) else { continue }
        changes.append(.setType(try typeChange(of: column, to: type, using: conversion, table)))
      case .setNotNull(let column): changes.append(.setNotNull(column: column))
      case .dropNotNull(let column): changes.append(.dropNotNull(column: column))
      case .addConstraint(let constraint):
        switch constraint.kind {
        case .primaryKey(let columns):
          changes.append(.addPrimaryKey(UniqueConstraint(name: constraint.name, columns: columns)))
        case .unique(let columns):
          changes.append(.addUnique(UniqueConstraint(name: constraint.name, columns: columns)))
        case .check(let condition, let isValidated):
          guard let table = try existingTable(alter, name) else { continue }
          let definition = try check(
            condition, name: constraint.name, at: constraint.position, columns(of: table, added), table: name.name)
          changes.append(.addCheck(definition, isValidated: isValidated))
        case .foreignKey(let columns, let key):
          changes.append(
            .addForeignKey(try foreignKey(columns, key, name: constraint.name), isValidated: key.isValidated))
        }
      case .validateConstraint(let constraint): changes.append(.validateConstraint(name: constraint))
      case .dropConstraint(let constraint, let ifExists, let isCascade):
        changes.append(.dropConstraint(name: constraint, ifExists: ifExists, isCascade: isCascade))
      case .dropExpression(let column, let ifExists):
        changes.append(.dropGeneration(column: column, ifExists: ifExists))
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

  private func addition(
    _ constraint: ColumnConstraintSyntax, of column: String, to table: TableDescriptor,
    _ added: [RowExpressionDefinition.Column]
  ) throws(SQLError) -> TableAlteration {
    if case .references(let key) = constraint.kind {
      return .addForeignKey(try foreignKey([column], key, name: constraint.name), isValidated: true)
    }
    if case .primaryKey = constraint.kind {
      return .addPrimaryKey(UniqueConstraint(name: constraint.name, columns: [column]))
    }
    guard case .check(let condition) = constraint.kind else {
      return .addUnique(UniqueConstraint(name: constraint.name, columns: [column]))
    }
    return .addCheck(
      try check(
        condition, name: constraint.name, at: constraint.position, columns(of: table, added), table: table.name),
      isValidated: true)
  }

  private func columns(
    of table: TableDescriptor, _ added: [RowExpressionDefinition.Column] = []
  ) -> [RowExpressionDefinition.Column] {
    table.publicColumns.map { .init(name: $0.name, type: $0.type) }
      .filter { column in !added.contains { $0.name == column.name } } + added
  }

  private func existingColumn(_ name: String, of table: TableDescriptor) throws(SQLError) -> ColumnDescriptor {
    guard let column = table.publicColumns.first(where: { $0.name == name }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(name)\" of relation \"\(table.name)\" does not exist", tableName: table.name,
        columnName: name)
    }
    return column
  }

  private func foreignKey(
    _ columns: [String], _ syntax: ForeignKeySyntax, name: String?, of newTable: ObjectName? = nil
  ) throws(SQLError) -> ForeignKeyDefinition {
    func action(_ action: ForeignKeySyntax.Action) -> ReferentialAction {
      switch action {
      case .noAction: .noAction
      case .restrict: .restrict
      case .cascade: .cascade
      case .setNull: .setNull
      case .setDefault: .setDefault
      }
    }
    let referenced = try objectName(syntax.table, besides: newTable)
    return ForeignKeyDefinition(
      name: name, columns: columns, referencedTable: referenced,
      referencedColumns: syntax.columns,
      onDelete: action(syntax.onDelete), onUpdate: action(syntax.onUpdate))
  }

  // MARK: Indexes

  private func createIndex(_ create: CreateIndexStatement) throws(SQLError) -> CreateIndex {
    let name = try objectName(create.table)
    if binder.findView(create.table) != nil {
      throw SQLError(
        .wrongObjectType, "cannot create index on relation \"\(name.name)\"",
        detail: "This operation is not supported for views.", position: create.table.position, tableName: name.name)
    }
    var result = CreateIndex(
      name: create.name, ifNotExists: create.ifNotExists, table: name, isUnique: create.isUnique,
      keyColumns: create.keyColumns.map {
        IndexColumnDefinition(columnName: $0.column, isDescending: $0.isDescending)
      }, storedColumns: create.storedColumns, isVisible: create.isVisible)
    guard create.predicate != nil || create.keyColumns.contains(where: { $0.expression != nil }) else { return result }
    guard let table = binder.catalog.table(named: name.name, schema: name.schema, in: binder.session.databaseID) else {
      throw SQLError(
        .undefinedTable, "relation \"\(name)\" does not exist", position: create.table.position, tableName: name.name)
    }
    let columns = columns(of: table)
    for (position, key) in create.keyColumns.enumerated() {
      guard let syntax = key.expression else { continue }
      result.keyColumns[position] = try indexKey(syntax, isDescending: key.isDescending, columns, table)
    }
    guard let syntax = create.predicate else { return result }
    let bound = try bind(
      syntax, over: columns, table: table.name, as: .indexPredicate,
      otherwise: "cannot use subquery in index predicate")
    let predicate = try binder.located(syntax.position) { () throws(SQLError) in
      try binder.builder.condition(bound, of: "WHERE")
    }.simplified
    guard predicate.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "functions in index predicate must be marked IMMUTABLE", position: syntax.position)
    }
    result.predicate = rowExpression(predicate, over: columns)
    return result
  }

  private func indexKey(
    _ syntax: ExpressionSyntax, isDescending: Bool, _ columns: [RowExpressionDefinition.Column],
    _ table: TableDescriptor
  ) throws(SQLError) -> IndexColumnDefinition {
    let bound = try bind(
      syntax, over: columns, table: table.name, as: .indexExpression,
      otherwise: "cannot use subquery in index expression")
    let value = try binder.located(syntax.position) { () throws(SQLError) in try binder.builder.settled(bound) }
      .simplified
    // A column in parentheses.
    if case .column(let number, _) = value {
      return IndexColumnDefinition(columnName: columns[number].name, isDescending: isDescending)
    }
    guard value.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "functions in index expression must be marked IMMUTABLE", position: syntax.position)
    }
    guard value.type != .void else {
      throw SQLError(.invalidTableDefinition, "column \"expr\" has pseudo-type void", position: syntax.position)
    }
    if case .system = value.type {
      throw .unsupported("an index on an expression of type \(value.type.baseName)", position: syntax.position)
    }
    // PostgreSQL names the index after a function, or `expr`.
    let name = if case .function(let call) = syntax.kind { call.name.last ?? "expr" } else { "expr" }
    return IndexColumnDefinition(
      columnName: name, isDescending: isDescending,
      expression: IndexExpressionDefinition(
        value: rowExpression(value, over: columns), type: value.type,
        text: ExpressionText(columnNames: columns.map(\.name)).text(value)))
  }

  // MARK: Expressions over rows

  private func check(
    _ syntax: ExpressionSyntax, name: String?, at position: Int?, _ columns: [RowExpressionDefinition.Column],
    table: String
  ) throws(SQLError) -> CheckDefinition {
    let bound = try bind(
      syntax, over: columns, table: table, as: .check, otherwise: "cannot use subquery in check constraint")
    let condition = try binder.located(syntax.position) { () throws(SQLError) in
      try binder.builder.condition(bound, of: "CHECK")
    }.simplified
    guard condition.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "functions in a check constraint must be immutable", position: syntax.position)
    }
    return CheckDefinition(name: name, rule: rowExpression(condition, over: columns))
  }

  /// The definition of a column that is `GENERATED ALWAYS AS (…) STORED`.
  private func generated(
    _ column: ColumnDefinition, _ syntax: ExpressionSyntax, _ columns: [RowExpressionDefinition.Column],
    generated: Set<String>, table: String
  ) throws(SQLError) -> ColumnDefinition {
    let bound = try bind(
      syntax, over: columns, table: table, as: .generation,
      otherwise: "cannot use subquery in column generation expression")
    for number in bound.columns where generated.contains(columns[number].name) {
      throw Planner.generatedFromGenerated(columns[number].name, at: syntax.position)
    }
    let type = column.type
    let coerced = try binder.located(syntax.position) { () throws(SQLError) in
      try binder.builder.coerced(bound, to: type, in: .assignment)
    }
    guard let value = coerced?.simplified else {
      throw SQLError(
        .datatypeMismatch,
        "column \"\(column.name)\" is of type \(type.baseName) but default expression is of type \(bound.type.baseName)",
        hint: "You will need to rewrite or cast the expression.", position: syntax.position)
    }
    guard value.volatility == .immutable else {
      throw SQLError(SQLState("42P17"), "generation expression is not immutable", position: syntax.position)
    }
    var result = column
    result.generation = rowExpression(value, over: columns)
    return result
  }

  private func typeChange(
    of name: String, to syntax: TypeNameSyntax, using: ExpressionSyntax?, _ table: TableDescriptor
  ) throws(SQLError) -> TypeChange {
    let type = try binder.type(syntax)
    if type == .unknown || type == .void {
      throw SQLError(.invalidTableDefinition, "column \"\(name)\" has pseudo-type \(type.baseName)", columnName: name)
    }
    let column = try existingColumn(name, of: table)
    let columns = columns(of: table)
    let position = table.publicColumns.firstIndex { $0.id == column.id } ?? 0
    let old: Expression
    if let using {
      old = try bind(
        using, over: columns, table: table.name, as: .transform,
        otherwise: "cannot use subquery in transform expression")
    } else {
      old = .column(position, column.type)
    }
    let converted = try binder.located(using?.position) { () throws(SQLError) in
      try binder.builder.coerced(old, to: type, in: .assignment)
    }
    guard let value = converted?.simplified else {
      throw using == nil
        ? SQLError(
          .datatypeMismatch, "column \"\(name)\" cannot be cast automatically to type \(type.baseName)",
          hint: "You might need to specify \"USING \(name)::\(type.baseName)\".", tableName: table.name,
          columnName: name)
        : SQLError(
          .datatypeMismatch,
          "result of USING clause for column \"\(name)\" cannot be cast automatically to type \(type.baseName)",
          hint: "You might need to add an explicit cast.", tableName: table.name, columnName: name)
    }
    guard value.besideLabels.volatility == .immutable else {
      throw SQLError.unsupported("ALTER COLUMN … TYPE with a conversion that is not immutable")
    }
    var change = TypeChange(
      column: name, type: type, conversion: rowExpression(value, over: columns), hasUsing: using != nil,
      oldDefault: column.defaultExpression)
    guard let encoded = column.defaultExpression else { return change }
    let standing: Expression
    do throws(MalformedBytes) {
      standing = try Expression(decoding: encoded).resolvingEnumerations { binder.catalog.enumType($0.id) }
    } catch {
      throw SQLError(.dataCorrupted, "the default of column \"\(name)\" cannot be read", detail: error.reason)
    }
    guard var replacement = try binder.builder.coerced(standing, to: type, in: .assignment)?.simplified else {
      throw SQLError(
        .datatypeMismatch, "default for column \"\(name)\" cannot be cast automatically to type \(type.baseName)",
        tableName: table.name, columnName: name)
    }
    // A label becomes the text, and the text the label, that it is now.
    if case .cast(.constant(let value, _), let from, let to, _) = replacement, from.isEnumerated || to.isEnumerated {
      replacement = .constant(try value.cast(from: from, to: to, isExplicit: false), to)
    }
    change.newDefault = replacement.encoded
    change.newDefaultText = ExpressionText(columnNames: []).text(replacement)
    return change
  }

  /// Without subqueries and parameters.
  private func bind(
    _ syntax: ExpressionSyntax, over columns: [RowExpressionDefinition.Column], table: String,
    as clause: Clause, otherwise subqueryRefusal: String
  ) throws(SQLError) -> Expression {
    let scope = QueryScope(frame: nil, commonTables: [:])
    scope.clause = clause
    let relation = Relation(
      name: table, source: .derived(.values(ValuesPlan(rows: [], types: []))), firstColumn: 0,
      columns: columns.map { Relation.Column(name: $0.name, type: $0.type, isVisible: true, origin: nil) })
    scope.relations = [relation]
    scope.visible = relation.visibleColumns
    let slots = binder.slotCount
    let bound = try binder.bind(syntax, in: scope)
    if binder.slotCount > slots || !scope.subqueries.isEmpty {
      throw SQLError(.featureNotSupported, subqueryRefusal, position: syntax.position)
    }
    if bound.containsParameters {
      throw SQLError(.undefinedParameter, "there is no parameter $1", position: syntax.position)
    }
    return bound
  }

  /// With only the columns that it reads.
  private func rowExpression(
    _ expression: Expression, over columns: [RowExpressionDefinition.Column]
  ) -> RowExpressionDefinition {
    let used = Set(expression.columns).sorted()
    let packed = expression.mapColumns { number, type in .column(used.firstIndex(of: number) ?? 0, type) }
    return RowExpressionDefinition(columns: used.map { columns[$0] }, expression: packed.encoded)
  }

  // MARK: Columns

  private func column(_ syntax: ColumnSyntax, table: String) throws(SQLError) -> ColumnDefinition {
    let serial = Self.serialType(syntax.type)
    let type = serial == nil ? try binder.type(syntax.type) : serial!
    if type == .unknown || type == .void {
      throw SQLError(
        .invalidTableDefinition, "column \"\(syntax.name)\" has pseudo-type \(type.baseName)",
        position: syntax.position)
    }
    var definition = ColumnDefinition(name: syntax.name, type: type)
    var nullability: Bool?
    var hasDefault = false
    var isGenerated = false
    if serial != nil {
      hasDefault = true
      definition.isNullable = false
      nullability = false
      definition.generator = ColumnGenerator(identity: nil)
    }
    func conflicting(at position: Int?) -> SQLError {
      SQLError(
        .syntaxError, "conflicting NULL/NOT NULL declarations for column \"\(syntax.name)\" of table \"\(table)\"",
        position: position)
    }
    for constraint in syntax.constraints {
      switch constraint.kind {
      case .null, .notNull:
        let isNullable = constraint.kind == .null
        if let nullability, nullability != isNullable {
          throw conflicting(at: constraint.position)
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
      case .identity(let isAlways, let options):
        if definition.generator?.identity != nil {
          throw SQLError(
            .syntaxError,
            "multiple identity specifications for column \"\(syntax.name)\" of table \"\(table)\"",
            position: constraint.position)
        }
        if nullability == true { throw conflicting(at: constraint.position) }
        nullability = false
        definition.isNullable = false
        guard [.int2, .int4, .int8].contains(type) else {
          throw SQLError(
            .invalidParameterValue, "identity column type must be smallint, integer, or bigint",
            position: constraint.position)
        }
        definition.generator = ColumnGenerator(
          identity: isAlways ? .always : .byDefault, options: try sequenceOptions(options))
      case .generated:
        if isGenerated {
          throw SQLError(
            .syntaxError,
            "multiple generation clauses specified for column \"\(syntax.name)\" of table \"\(table)\"",
            position: constraint.position)
        }
        isGenerated = true
      case .primaryKey: definition.isNullable = false
      case .unique, .check, .references: break
      }
    }
    if hasDefault, definition.generator?.identity != nil {
      throw SQLError(
        .syntaxError, "both default and identity specified for column \"\(syntax.name)\" of table \"\(table)\"",
        position: syntax.position)
    }
    if isGenerated, hasDefault || definition.generator != nil {
      let other = definition.generator?.identity == nil ? "default" : "identity"
      throw SQLError(
        .syntaxError,
        "both \(other) and generation expression specified for column \"\(syntax.name)\" of table \"\(table)\"",
        position: syntax.position)
    }
    return definition
  }

  /// The integer type that a serial type stands for.
  private static func serialType(_ name: TypeNameSyntax) -> SQLType? {
    guard name.names.count == 1, !name.isArray else { return nil }
    return switch name.names[0] {
    case "smallserial", "serial2": .int2
    case "serial", "serial4": .int4
    case "bigserial", "serial8": .int8
    default: nil
    }
  }

  // MARK: Sequences

  private func sequenceOptions(_ syntax: SequenceOptionsSyntax) throws(SQLError) -> SequenceOptions {
    var options = SequenceOptions()
    if let name = syntax.type {
      let type = try binder.type(name)
      guard [.int2, .int4, .int8].contains(type) else {
        throw SQLError(
          .invalidParameterValue, "sequence type must be smallint, integer, or bigint", position: name.position)
      }
      options.type = type
    }
    func bound(_ bound: SequenceOptionsSyntax.Bound) -> SequenceOptions.Bound {
      switch bound {
      case .none: .none
      case .value(let value): .value(value)
      }
    }
    options.increment = syntax.increment
    options.minimum = syntax.minimum.map(bound)
    options.maximum = syntax.maximum.map(bound)
    options.start = syntax.start
    options.restart = syntax.restart.map { restart in
      switch restart {
      case .atStart: .atStart
      case .value(let value): .value(value, isCalled: false)
      }
    }
    options.cache = syntax.cache
    options.isCycling = syntax.isCycling
    switch syntax.owner {
    case nil: break
    case .some(.none): options.owner = SequenceOptions.Owner.none
    case .column(let table, let name): options.owner = .column(table: try objectName(table), name: name)
    }
    return options
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
    definition.sequences = try sequences(in: value, at: syntax.position)
    definition.defaultText = SystemCatalog.text(ofDefault: value, binder.catalog)
  }

  private func sequences(in value: Expression, at position: Int?) throws(SQLError) -> [TableID] {
    var found: [TableID] = []
    for number in value.sequenceNumbers.sorted() {
      guard let id = UInt64(exactly: number).map(TableID.init(rawValue:)),
        let sequence = binder.catalog.table(id: id), sequence.isSequence
      else { throw SQLError(.wrongObjectType, "relation \(number) is not a sequence", position: position) }
      found.append(id)
    }
    return found
  }
}

extension AlterTableStatement.Change {
  /// As PostgreSQL calls it.
  fileprivate var actionName: String {
    switch self {
    case .addColumn: "ADD COLUMN"
    case .dropColumn: "DROP COLUMN"
    case .setDefault(_, let value): value == nil ? "ALTER COLUMN ... DROP DEFAULT" : "ALTER COLUMN ... SET DEFAULT"
    case .setType: "ALTER COLUMN ... SET DATA TYPE"
    case .setNotNull: "ALTER COLUMN ... SET NOT NULL"
    case .dropNotNull: "ALTER COLUMN ... DROP NOT NULL"
    case .addConstraint: "ADD CONSTRAINT"
    case .validateConstraint: "VALIDATE CONSTRAINT"
    case .dropConstraint: "DROP CONSTRAINT"
    case .dropExpression: "ALTER COLUMN ... DROP EXPRESSION"
    }
  }
}

extension ColumnSyntax {
  /// Of `GENERATED ALWAYS AS (…) STORED`.
  fileprivate var generation: ExpressionSyntax? {
    for case .generated(let expression) in constraints.map(\.kind) { return expression }
    return nil
  }
}

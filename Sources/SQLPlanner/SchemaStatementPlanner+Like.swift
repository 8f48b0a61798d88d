import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// `CREATE TABLE … (LIKE other INCLUDING …)`: the columns of the other table as it is now, and what else is asked for. The new table
/// has nothing to do with the other from then on, but for sequences that its defaults take values from.
extension SchemaStatementPlanner {
  /// - Returns: whether the other table's primary key has been taken over.
  func add(_ like: TableLikeSyntax, to create: inout CreateTable) throws(SQLError) -> Bool {
    if binder.findView(like.table) != nil { throw .unsupported("LIKE of a view", position: like.table.position) }
    let table = try binder.table(like.table, isWritten: false)
    let columns = table.publicColumns.map { RowExpressionDefinition.Column(name: $0.name, type: $0.type) }
    let ids = table.publicColumns.map(\.id)
    func names(_ expression: RowExpression) -> RowExpressionDefinition {
      RowExpressionDefinition(
        columns: expression.columns.compactMap { id in ids.firstIndex(of: id).map { columns[$0] } },
        expression: expression.expression)
    }
    for column in table.publicColumns {
      guard !create.columns.contains(where: { $0.name == column.name }) else {
        throw SQLError(
          .duplicateColumn, "column \"\(column.name)\" specified more than once", position: like.table.position)
      }
      create.columns.append(definition(of: column, table, like, names))
    }
    if like.options.contains(.constraints) {
      for constraint in table.constraints where constraint.state.isWritable {
        guard case .check(let rule) = constraint.rule else { continue }
        var check = CheckDefinition(name: constraint.name, rule: names(rule))
        if like.options.contains(.comments) { check.comment = constraint.comment }
        create.checks.append(check)
      }
    }
    guard like.options.contains(.indexes) else { return false }
    var hasPrimaryKey = false
    for index in table.readableIndexes where SystemCatalog.isListed(index, of: table) {
      let key = index.keyColumns.compactMap { table.column($0.columnID)?.name }
      if index.id == table.primaryIndex.id {
        create.primaryKey = key
        hasPrimaryKey = true
      } else if table.isConstraint(index), index.storedColumns.isEmpty,
        !index.keyColumns.contains(where: \.isDescending)
      {
        create.uniqueConstraints.append(UniqueConstraint(name: nil, columns: key))
      } else {
        var copy = definition(of: index, on: table, create.name, names)
        if like.options.contains(.comments) { copy.comment = index.comment }
        create.indexes.append(copy)
      }
    }
    return hasPrimaryKey
  }

  private func definition(
    of column: ColumnDescriptor, _ table: TableDescriptor, _ like: TableLikeSyntax,
    _ names: (RowExpression) -> RowExpressionDefinition
  ) -> ColumnDefinition {
    var definition = ColumnDefinition(name: column.name, type: column.type, isNullable: column.isNullable)
    if like.options.contains(.comments) { definition.comment = column.comment }
    if let generation = column.generation {
      guard like.options.contains(.generated) else { return definition }
      definition.generation = names(generation)
      definition.defaultText = SystemCatalog.defaultText(of: column, table, binder.catalog)
    } else if let identity = column.identity {
      guard like.options.contains(.identity) else { return definition }
      let sequence = column.sequences.first.flatMap { binder.catalog.table(id: $0)?.sequence }
      definition.generator = ColumnGenerator(identity: identity, options: options(of: sequence))
    } else if like.options.contains(.defaults) {
      definition.defaultExpression = column.defaultExpression
      definition.defaultText = SystemCatalog.defaultText(of: column, table, binder.catalog)
      definition.sequences = column.sequences
    }
    return definition
  }

  private func options(of sequence: SequenceDescriptor?) -> SequenceOptions {
    var options = SequenceOptions()
    guard let sequence else { return options }
    options.type = sequence.type
    options.increment = sequence.increment
    options.minimum = .value(sequence.minimum)
    options.maximum = .value(sequence.maximum)
    options.start = sequence.start
    options.cache = sequence.cache
    options.isCycling = sequence.isCycling
    return options
  }

  private func definition(
    of index: IndexDescriptor, on table: TableDescriptor, _ name: ObjectName,
    _ names: (RowExpression) -> RowExpressionDefinition
  ) -> CreateIndex {
    let columnNames = SystemCatalog.columnNames(of: index, table)
    let key = index.keyColumns.enumerated().map { position, part in
      let column = table.column(part.columnID)
      var definition = IndexColumnDefinition(columnName: columnNames[position], isDescending: part.isDescending)
      if let column, column.isComputed, let value = column.conversion {
        definition.expression = IndexExpressionDefinition(value: names(value), type: column.type, text: column.name)
      }
      return definition
    }
    return CreateIndex(
      name: nil, ifNotExists: false, table: name, isUnique: index.isUnique, keyColumns: key,
      storedColumns: index.storedColumns.compactMap { table.column($0)?.name },
      predicate: index.predicate.map(names), isVisible: !index.isInvisible)
  }
}

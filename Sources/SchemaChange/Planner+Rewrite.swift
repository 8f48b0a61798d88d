import Basics
import Catalog
import SQLValues

/// Changes that every row has to follow: types of columns, another primary key.
///
/// The rows are copied. What is to be new is built beside what is in use, as an index is: a copy of the primary index, and of each
/// other index that holds a changed column or ends with a changed key. One entry puts the copies in place of the originals.
extension Planner {
  /// Finds out beforehand whether the statement gives the table another primary key: dropping the old one is then no loss.
  func takePrimaryKey(_ changes: [TableAlteration], _ alteration: inout Alteration) throws(SQLError) {
    let table = alteration.table
    let isDropped = changes.contains { change in
      if case .dropConstraint(let name, _, _) = change { name == table.primaryIndex.name } else { false }
    }
    for change in changes {
      guard case .addPrimaryKey(let constraint) = change else { continue }
      guard alteration.primaryKey == nil, isDropped || table.hasHiddenPrimaryKey else {
        throw SQLError(
          .invalidTableDefinition, "multiple primary keys for table \"\(table.name)\" are not allowed",
          tableName: table.name)
      }
      let dependents = dependents(on: table, without: [table.primaryIndex.id])
      guard dependents.isEmpty else {
        throw Self.refusal(
          dropping: "constraint \(table.primaryIndex.name) on table \(table.name)", because: dependents,
          on: "index \(table.primaryIndex.name)")
      }
      alteration.primaryKey = constraint
    }
  }

  func setType(_ change: TypeChange, in alteration: inout Alteration) throws(SQLError) {
    let table = alteration.table
    let column = try alteration.existingColumn(change.column, for: "ALTER COLUMN … TYPE")
    try validate(ColumnDefinition(name: change.column, type: change.type, defaultExpression: change.newDefault))
    try refuseTypeChange(of: column, in: alteration)
    try requireUnread(column, of: table)
    guard alteration.newTypes[column.id] == nil else {
      throw SQLError(
        .featureNotSupported, "cannot alter type of column \"\(change.column)\" twice", tableName: table.name,
        columnName: change.column)
    }
    guard column.defaultExpression == change.oldDefault else { throw Self.changedMeanwhile(change.column, table.name) }
    if change.hasUsing, column.generation != nil { throw Self.generatedUsing(column.name, table.name) }
    if !change.hasUsing, column.type == change.type { return }
    let generation: RowExpression?
    let conversion: RowExpression
    if let rule = column.generation {
      conversion = try self.generation(rule, of: column, as: change.type, in: table)
      generation = conversion
    } else {
      conversion = try rowExpression(
        change.conversion, alteration.columns, table: table.name, of: "the conversion of column \"\(change.column)\"")
      generation = nil
    }
    alteration.newTypes[column.id] = change.type
    // What is computed need not come out as it was stored.
    if !change.hasUsing, generation == nil, change.type.holdsValues(of: column.type) {
      alteration.columnsWithSameKeys.insert(column.id)
      alteration.columns[try alteration.position(of: change.column)].type = change.type
      alteration.stages.edit(
        table.id,
        [
          .setType(column.id, change.type),
          .setDefault(
            column.id, expression: change.newDefault, text: change.newDefaultText, sequences: column.sequences),
        ], "column \(change.column): type \(change.type)")
      return
    }
    if keepsKeys(change, of: column) { alteration.columnsWithSameKeys.insert(column.id) }
    var new = ColumnDescriptor(
      id: alteration.nextColumnID, name: column.name, type: change.type, isNullable: true, state: .absent,
      defaultExpression: change.newDefault, defaultText: change.newDefaultText, conversion: conversion,
      sequences: column.sequences, identity: column.identity)
    new.generation = generation
    for sequence in ownedSequences(of: table.id, column: column.id) {
      try hand(sequence, from: column, to: new, in: &alteration)
    }
    alteration.nextColumnID = ColumnID(new.id.rawValue + 1)
    alteration.conversions.append((old: column, new: new))
  }

  mutating func rewriteRows(
    besides changes: [TableAlteration], _ alteration: inout Alteration
  ) throws(SQLError) {
    let table = alteration.table
    let retyped = try retypedIndexes(alteration)
    if alteration.conversions.isEmpty, alteration.primaryKey == nil {
      try retypeConstraints(&alteration)
      for index in table.indexes {
        if let changed = retyped[index.id] { retypeInPlace(index, changed, &alteration) }
      }
      return
    }
    let what = alteration.primaryKey == nil ? "ALTER COLUMN … TYPE" : "ADD PRIMARY KEY"
    for change in changes where !change.isRewritingAlone(table) && !change.addsKey(alteration) {
      throw SQLError.unsupported("\(what) together with another change of the table")
    }
    let successors = alteration.successors
    for (old, new) in alteration.conversions {
      alteration.stages.add(new, inPlaceOf: old, of: table)
      if !old.isNullable { require(new.id, &alteration) }
    }
    try retypeConstraints(&alteration)
    let old = table.primaryIndex
    var key = old.keyColumns.map { $0.succeeded(by: successors) }
    var dropped: Set<ColumnID> = []
    if let constraint = alteration.primaryKey {
      key = try self.key(constraint.columns, alteration.columns, constraint: "primary key")
        .map { $0.succeeded(by: successors) }
      for part in key where table.column(part.columnID)?.isNullable == true { require(part.columnID, &alteration) }
      for (old, new) in alteration.conversions where old.isNullable && key.contains(where: { $0.columnID == new.id }) {
        require(new.id, &alteration)
      }
      for column in table.columns where column.isHidden && !column.isComputed { dropped.insert(column.id) }
      try renamePrimaryIndex(constraint.name, &alteration)
      // It is another constraint: what was said of the old one is not said of it.
      for place in [CommentPlace.index(old.id), .indexConstraint(old.id)] where table.comment(at: place) != nil {
        alteration.stages.edit(table.id, [.setComment(place, nil)], "primary key: no comment")
      }
    }
    for id in dropped.sorted() {
      alteration.stages.edit(table.id, [.removeColumn(id)], "column #\(id): public -> absent")
    }
    let stored = (table.columns + alteration.added).filter { !dropped.contains($0.id) && !$0.isComputed }
      .map { successors[$0.id] ?? $0.id }
      .filter { id in !key.contains { $0.columnID == id } }
    try replace(old, key: key, stored: stored, nil, &alteration)
    let isMoved = key.map(\.columnID) != old.keyColumns.map(\.columnID)
    for index in table.indexes.dropFirst() {
      let read = table.columns(readBy: index)
      if isMoved || successors.keys.contains(where: read.contains) {
        try replace(
          index, key: index.keyColumns.map { $0.succeeded(by: successors) },
          stored: index.storedColumns.map { successors[$0] ?? $0 }, retyped[index.id], &alteration)
      } else if let changed = retyped[index.id] {
        retypeInPlace(index, changed, &alteration)
      }
    }
  }

  private static func generatedUsing(_ column: String, _ table: String) -> SQLError {
    SQLError(
      SQLState("42611"), "cannot specify USING when altering type of generated column",
      detail: "Column \"\(column)\" is a generated column.", tableName: table, columnName: column)
  }

  private func require(_ column: ColumnID, _ alteration: inout Alteration) {
    alteration.stages.add(
      ConstraintDescriptor(id: alteration.takeConstraintID(), name: "", state: .absent, rule: .notNull(column)),
      to: alteration.table)
  }

  /// - Parameter retyped: its predicate and expressions, where they read columns of another type.
  private mutating func replace(
    _ old: IndexDescriptor, key: [IndexKeyColumn], stored: [ColumnID], _ retyped: RetypedIndex?,
    _ alteration: inout Alteration
  ) throws(SQLError) {
    var keyColumns: [IndexKeyColumn] = []
    var computed: [ColumnDescriptor] = []
    for part in key {
      var new = part
      switch retyped?.expressions[part.columnID] {
      case nil: break
      case .column(let id): new.columnID = id
      case .value(let value, let type, let text):
        new.columnID = alteration.nextColumnID
        alteration.nextColumnID = ColumnID(new.columnID.rawValue + 1)
        computed.append(
          ColumnDescriptor(
            id: new.columnID, name: text, type: type, state: .absent, isHidden: true, conversion: value))
      }
      if !keyColumns.contains(where: { $0.columnID == new.columnID }) { keyColumns.append(new) }
    }
    let id = alteration.nextIndexID
    alteration.nextIndexID = IndexID(id.rawValue + 1)
    let range = try context.allocateRange(table: alteration.table.id, index: id)
    let index = IndexDescriptor(
      id: id, name: "", isUnique: old.isUnique, state: .absent, keyColumns: keyColumns, storedColumns: stored,
      rangeID: range.id, replaces: old.id, predicate: retyped?.predicate ?? old.predicate,
      isInvisible: old.isInvisible)
    alteration.stages.add(
      index, with: range, inPlaceOf: old, of: alteration.table, computed: computed,
      replacedComputed: old.keyColumns.map(\.columnID).filter { retyped?.expressions[$0] != nil })
  }

  /// The new key has the name that is given, or the one that a new table's would have.
  private func renamePrimaryIndex(_ given: String?, _ alteration: inout Alteration) throws(SQLError) {
    let table = alteration.table
    let old = table.primaryIndex
    let name: String
    if let given {
      if given == old.name { return }
      try requireFreeIndexName(given, in: table.namespaceID)
      name = given
    } else {
      // Its own name is free for the new one.
      if old.name.hasPrefix("\(table.name)_pkey") { return }
      name = freeRelationName([table.name], suffix: "pkey", in: table.namespaceID, taken: [])
    }
    alteration.stages.edit(table.id, [.renameIndex(old.id, name)], "primary key: named \(name)")
  }
}

extension TableDescriptor {
  /// Nobody has declared one: rows are told apart by a column that nobody sees.
  var hasHiddenPrimaryKey: Bool {
    primaryIndex.keyColumns.contains { key in columns.contains { $0.id == key.columnID && $0.isHidden } }
  }
}

extension IndexKeyColumn {
  fileprivate func succeeded(by successors: [ColumnID: ColumnID]) -> IndexKeyColumn {
    IndexKeyColumn(columnID: successors[columnID] ?? columnID, isDescending: isDescending)
  }
}

extension TableAlteration {
  /// `ADD COLUMN … PRIMARY KEY` of a column of which every row gets a value of its own.
  fileprivate func addsKey(_ alteration: Alteration) -> Bool {
    guard case .addColumn(let definition, _) = self, alteration.conversions.isEmpty, let key = alteration.primaryKey
    else { return false }
    return key.columns.contains(definition.name)
      && alteration.added.contains { $0.name == definition.name && $0.isFilled && !$0.isNullable }
  }

  /// Whether it can be part of a statement that copies the rows.
  fileprivate func isRewritingAlone(_ table: TableDescriptor) -> Bool {
    switch self {
    case .setType, .addPrimaryKey: true
    case .dropConstraint(let name, _, _): name == table.primaryIndex.name
    default: false
    }
  }
}

extension SQLType {
  /// Every value of the other type is one of this type, in the same form, in rows and in keys.
  fileprivate func holdsValues(of other: SQLType) -> Bool {
    switch (other, self) {
    case (.varchar, .varchar(nil)), (.varchar, .text), (.text, .varchar(nil)): true
    case (.varchar(let old?), .varchar(let new?)): old <= new
    case (.numeric, .numeric(nil, _)): true
    case (.numeric(let old?, let oldScale), .numeric(let new?, let newScale)):
      (oldScale ?? 0) == (newScale ?? 0) && old <= new
    default: other == self
    }
  }
}

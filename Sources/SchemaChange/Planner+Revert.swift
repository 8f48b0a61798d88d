import Basics
import Catalog
import SQLExpressions
import SQLValues

/// `REVERT JOB n`: what a finished change did is taken back, by ordinary changes of the table as it is now.
///
/// Three descriptors of a table are compared: before the job, after it, and now. What the job changed is changed back; where
/// somebody has changed the same since, the statement is refused.
extension Planner {
  mutating func planRevert(_ job: JobID) throws(SQLError) -> Plan {
    guard let way = context.waysBack[job], way.hasEnded, way.databaseID == context.databaseID else {
      throw SQLError(
        .objectNotInPrerequisiteState, "job \(job) cannot be reverted",
        detail:
          "It has not ended, changed nothing that was there before, or ended longer ago than what was dropped is kept.")
    }
    if let created = way.namespaces.first(where: { $0.before == nil })?.after {
      var error = SQLError.unsupported("reverting a job that created a schema")
      error.hint = "DROP SCHEMA \(created.name) takes that back."
      throw error
    }
    guard !way.tables.contains(where: { ($0.before ?? $0.after)?.isType == true }) else {
      throw SQLError.unsupported("reverting a job that changed a type")
    }
    guard !way.hasDatabaseChange else { throw SQLError.unsupported("reverting COMMENT ON DATABASE") }
    for entry in way.databases where entry.before == nil || entry.after == nil {
      var error = SQLError.unsupported("reverting a job that \(entry.before == nil ? "created" : "dropped") a database")
      if let created = entry.after { error.hint = "DROP DATABASE \(created.name) takes that back." }
      throw error
    }
    if let created = way.tables.first(where: { $0.before == nil && !way.goesWithColumn($0) })?.after {
      var error = SQLError.unsupported("reverting a job that created a \(created.isView ? "view" : "table")")
      error.hint = "DROP \(created.kindName.uppercased()) \(created.name) takes that back."
      throw error
    }
    var restoration = Restoration(way: way, stages: StageBuilder(context))
    for entry in way.databases { try goBack(entry, &restoration) }
    for entry in way.namespaces { try goBack(entry, &restoration) }
    let gone = way.tables.filter { $0.after == nil }
    restoration.restored = Set(gone.filter { $0.before?.isSequence == false }.map(\.id))
    if !gone.isEmpty, way.namespaces.isEmpty, way.tables.allSatisfy({ $0.after == nil && $0.before?.isView == true }) {
      throw SQLError.unsupported("reverting a job that dropped a view")
    }
    for entry in gone {
      guard let before = entry.before else { continue }
      if before.isView {
        restoration.notices.append("view \"\(before.name)\" is left out")
        continue
      }
      guard context.catalog.table(id: entry.id) == nil else {
        throw Self.changedSince("\(before.kindName) \"\(before.name)\" is back already")
      }
      guard hasData(before) else { throw Self.nothingToUndrop("table \"\(before.name)\"", isGone: true) }
      if !before.isSequence { try restore(before, entry, as: nil, &restoration) }
    }
    for entry in gone where entry.before?.isSequence == true && !restoration.restored.contains(entry.id) {
      // Those of columns come with them.
      if entry.before?.sequence?.owner == nil { _ = try restoreSequence(entry.id, besides: nil, &restoration) }
    }
    for entry in way.tables where entry.after != nil { try goBack(entry, nil, &restoration) }
    let plan = restoration.stages.plan(commandTag: "REVERT JOB", notices: restoration.notices)
    guard !plan.stages.isEmpty else {
      throw Self.changedSince("nothing of what job \(job) did is left to be taken back")
    }
    return plan
  }

  static func changedSince(_ what: String) -> SQLError {
    SQLError(.objectNotInPrerequisiteState, what, detail: "The schema was changed since, so this cannot be taken back.")
  }

  // MARK: A table that is there

  /// - Parameter part: nil: everything the job did.
  mutating func goBack(
    _ entry: WayBack.Table, _ part: Restoration.Part?, _ restoration: inout Restoration
  ) throws(SQLError) {
    guard let before = entry.before, let after = entry.after else { return }
    guard let now = context.catalog.table(id: entry.id), now.state == .public else {
      throw Self.changedSince("\(after.kindName) \"\(after.name)\" was dropped")
    }
    if before.isView {
      if part == nil { try goBackView(before, after, now, &restoration) }
      return
    }
    if before.isSequence {
      if part == nil { try goBackSequence(before, after, now, &restoration) }
      return
    }
    var alteration = Alteration(now, context)
    alteration.stages = restoration.stages
    if let taken = restoration.nextConstraintIDs[now.id] { alteration.nextConstraintID = taken }
    var changes: [TableAlteration] = []
    if part == nil {
      try moveBack(before, after, now, restoration, &alteration.stages)
      try undoComments(before, after, now, &alteration.stages)
      try undoAdditions(before, after, now, &changes, &alteration)
      try undoColumnChanges(before, after, now, restoration.way, &changes, &alteration)
      try undoIndexChanges(before, after, now, &alteration)
    }
    for column in entry.droppedColumns where part.map({ $0.columns.contains(column.id) }) ?? true {
      try restore(column, as: part?.columnNames[column.id], without: changes, &alteration, &restoration)
    }
    let lost = try lostConstraints(before, after, part, restoration, &alteration)
    try make(changes + lost.map(\.change), &alteration)
    for (change, comment) in lost where comment != nil {
      guard let name = change.constraintName,
        let constraint = alteration.constraints.last(where: { $0.name == name })
      else { continue }
      alteration.stages.edit(
        now.id, [.setComment(.constraint(constraint.id), comment)], "constraint \(name): commented on")
    }
    for index in entry.droppedIndexes where !now.hasAgain(index, of: before) {
      guard part.map({ $0.indexes.contains(index.id) }) ?? true else { continue }
      try rebuild(index, of: before, as: part?.indexNames[index.id], &alteration)
    }
    restoration.notices += alteration.notices
    restoration.stages = alteration.stages
  }

  private func goBackView(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ restoration: inout Restoration
  ) throws(SQLError) {
    try moveBack(before, after, now, restoration, &restoration.stages)
    try undoComments(before, after, now, &restoration.stages)
    if before.view != after.view || before.columns.map(\.name) != after.columns.map(\.name) {
      throw SQLError.unsupported("reverting a change of a view's query or columns")
    }
  }

  private func goBackSequence(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ restoration: inout Restoration
  ) throws(SQLError) {
    try moveBack(before, after, now, restoration, &restoration.stages)
    try undoComments(before, after, now, &restoration.stages)
    if before.sequence != after.sequence { throw SQLError.unsupported("reverting a change of a sequence's options") }
  }

  /// What the job added goes, if it is still there.
  private func undoAdditions(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ changes: inout [TableAlteration],
    _ alteration: inout Alteration
  ) throws(SQLError) {
    for constraint in after.constraints where before.constraint(constraint.id) == nil {
      guard let present = now.constraint(constraint.id), !present.name.isEmpty else { continue }
      changes.append(.dropConstraint(name: present.name, ifExists: false))
    }
    for constraint in after.constraints {
      guard let old = before.constraint(constraint.id), let present = now.constraint(constraint.id) else { continue }
      if old.state != constraint.state {
        guard present.state == constraint.state else {
          throw Self.changedSince("constraint \"\(present.name)\" was validated")
        }
        // It goes on judging what is written; whether the rows of before hold it is open again.
        if old.state == .public {
          changes.append(.validateConstraint(name: present.name))
        } else {
          alteration.stages.edit(
            now.id, [.setConstraintState(old.id, old.state)],
            "constraint \(present.name): \(present.state) -> \(old.state)")
        }
      }
      if old.name != constraint.name {
        guard now.constraint(constraint.id)?.name == constraint.name else {
          throw Self.changedSince("constraint \"\(constraint.name)\" was renamed")
        }
        changes.append(.renameConstraint(name: constraint.name, to: old.name))
      }
    }
    // Last: what is about a column goes with it.
    guard before.primaryIndex.id == after.primaryIndex.id else { return }
    for column in after.publicColumns where before.column(column.id)?.state != .public {
      guard let present = now.column(column.id), present.state == .public else { continue }
      changes.append(.dropColumn(name: present.name, ifExists: false))
    }
  }

  private func undoColumnChanges(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ way: WayBack,
    _ changes: inout [TableAlteration], _ alteration: inout Alteration
  ) throws(SQLError) {
    if before.primaryIndex.id != after.primaryIndex.id {
      return try undoConversions(before, after, now, way, &changes, &alteration)
    }
    for old in before.publicColumns {
      guard let later = after.column(old.id), later != old, !later.isRetained else { continue }
      guard let present = now.column(old.id), present.state == .public else {
        throw Self.changedSince("column \"\(later.name)\" was dropped")
      }
      let changed = Self.changedSince("column \"\(present.name)\" was changed")
      if old.name != later.name {
        guard present.name == later.name else { throw changed }
        changes.append(.renameColumn(name: present.name, to: old.name))
      }
      guard old.generation == later.generation else { throw SQLError.unsupported("reverting DROP EXPRESSION") }
      if old.type != later.type {
        guard present.type == later.type else { throw changed }
        changes.append(.setType(try conversion(of: present, backTo: old, way)))
      } else if old.defaultExpression != later.defaultExpression {
        guard present.defaultExpression == later.defaultExpression else { throw changed }
        try requireSequences(old.sequences, of: old.name)
        changes.append(
          .setDefault(
            column: present.name, expression: old.defaultExpression, text: old.defaultText, sequences: old.sequences))
      }
      if old.isNullable != later.isNullable, present.isNullable == later.isNullable {
        changes.append(
          old.isNullable ? .dropNotNull(column: present.name) : .setNotNull(column: present.name))
      }
    }
  }

  /// Rows were copied: into other types, under another key, or none of them (`TRUNCATE`).
  private func undoConversions(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ way: WayBack,
    _ changes: inout [TableAlteration], _ alteration: inout Alteration
  ) throws(SQLError) {
    var successors: [ColumnID: ColumnID] = [:]
    for old in before.publicColumns where after.column(old.id) == nil {
      successors[old.id] = after.publicColumns.first { $0.name == old.name }?.id
    }
    let key = before.primaryIndex.keyColumns.map { successors[$0.columnID] ?? $0.columnID }
    if key != after.primaryIndex.keyColumns.map(\.columnID) {
      guard successors.isEmpty else { throw SQLError.unsupported("reverting a change of the primary key and of types") }
      return try undoPrimaryKey(before, after, now, &changes, &alteration)
    }
    guard !way.hasTruncation else { throw SQLError.unsupported("reverting TRUNCATE") }
    if successors.isEmpty, before.primaryIndex.name != after.primaryIndex.name {
      // The same key under another name.
      guard now.primaryIndex.name == after.primaryIndex.name else {
        throw Self.changedSince("the primary key of table \"\(now.name)\" was changed")
      }
      try requireFreeIndexName(before.primaryIndex.name, in: now.namespaceID)
      alteration.stages.edit(
        now.id, [.renameIndex(now.primaryIndex.id, before.primaryIndex.name)],
        "primary key: named \(before.primaryIndex.name)")
    }
    for old in before.columns {
      guard let id = successors[old.id], let later = after.column(id) else { continue }
      guard let present = now.column(id), present.state == .public, present.type == later.type,
        present.defaultExpression == later.defaultExpression
      else {
        throw Self.changedSince("column \"\(later.name)\" was changed")
      }
      changes.append(.setType(try conversion(of: present, backTo: old, way)))
    }
  }

  /// The rows are copied once more. What the key alone made NOT NULL is so no longer.
  private func undoPrimaryKey(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ changes: inout [TableAlteration],
    _ alteration: inout Alteration
  ) throws(SQLError) {
    guard now.primaryIndex.keyColumns == after.primaryIndex.keyColumns,
      now.primaryIndex.name == after.primaryIndex.name
    else { throw Self.changedSince("the primary key of table \"\(now.name)\" was changed") }
    var names: [String] = []
    for key in before.primaryIndex.keyColumns {
      guard let old = before.column(key.columnID), !old.isHidden else {
        throw SQLError.unsupported("reverting the first primary key of a table")
      }
      guard let present = now.column(old.id), present.state == .public else {
        throw Self.changedSince("column \"\(old.name)\" was dropped or has another type")
      }
      names.append(present.name)
    }
    guard after.publicColumns.allSatisfy({ before.column($0.id) != nil }) else {
      throw SQLError.unsupported("reverting a change of the primary key that added a column")
    }
    for old in before.publicColumns where old.isNullable && after.column(old.id)?.isNullable == false {
      guard let present = now.column(old.id), present.state == .public, !present.isNullable else { continue }
      alteration.stages.drop(
        ConstraintDescriptor(
          id: alteration.takeConstraintID(), name: "", state: .public, rule: .notNull(present.id)), of: now)
    }
    changes += [
      .dropConstraint(name: now.primaryIndex.name, ifExists: false),
      .addPrimaryKey(UniqueConstraint(name: before.primaryIndex.name, columns: names)),
    ]
  }

  /// The cast back. Only where the new type has every value of the old one: else they would not be what they were.
  private func conversion(
    of column: ColumnDescriptor, backTo old: ColumnDescriptor, _ way: WayBack
  ) throws(SQLError) -> TypeChange {
    guard !way.hasUsing else { throw SQLError.unsupported("reverting ALTER COLUMN … TYPE … USING") }
    guard column.type.keepsValues(of: old.type) else {
      throw SQLError.unsupported(
        "reverting a change from type \(old.type.baseName) to \(column.type.baseName), which does not keep every value")
    }
    let cast = Expression.cast(.column(0, column.type), from: column.type, to: old.type, isExplicit: false)
    return TypeChange(
      column: column.name, type: old.type,
      conversion: RowExpressionDefinition(
        columns: [RowExpressionDefinition.Column(name: column.name, type: column.type)], expression: cast.encoded),
      hasUsing: false, oldDefault: column.defaultExpression, newDefault: old.defaultExpression,
      newDefaultText: old.defaultText)
  }

  private func undoIndexChanges(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ alteration: inout Alteration
  ) throws(SQLError) {
    let isCopied = before.primaryIndex.id != after.primaryIndex.id
    for index in after.indexes.dropFirst() where before.index(index.id) == nil {
      if isCopied, before.indexes.contains(where: { $0.name == index.name }) { continue }
      guard let present = now.index(index.id), present.state == .public else { continue }
      let dependents = dependents(on: now, without: [present.id])
      guard dependents.isEmpty else {
        throw Self.refusal(dropping: "index \(present.name)", because: dependents, on: "index \(present.name)")
      }
      alteration.droppedIndexes.insert(present.id)
      alteration.stages.drop(present, of: now)
    }
    for old in before.indexes {
      guard let later = after.index(old.id) else { continue }
      if later.isInvisible != old.isInvisible {
        guard let present = now.index(old.id), present.isInvisible == later.isInvisible else {
          throw Self.changedSince("index \"\(later.name)\" was dropped or changed")
        }
        alteration.stages.edit(
          now.id, [.setIndexVisibility(old.id, isVisible: !old.isInvisible)],
          "index \(present.name): \(old.isInvisible ? "invisible" : "visible")")
      }
      guard later.name != old.name else { continue }
      guard let present = now.index(old.id), present.name == later.name else {
        throw Self.changedSince("index \"\(later.name)\" was dropped or renamed")
      }
      let target = before.namespaceID != after.namespaceID ? before.namespaceID : now.namespaceID
      guard context.catalog.relation(RelationName(namespaceID: target, name: old.name)) == nil else {
        throw Self.nameTaken(old.name)
      }
      alteration.stages.edit(
        now.id, [.renameIndex(old.id, old.name)], "index \(present.name): renamed to \(old.name)")
    }
  }

  // MARK: What comes back

  private mutating func restore(
    _ old: ColumnDescriptor, as newName: String?, without changes: [TableAlteration], _ alteration: inout Alteration,
    _ restoration: inout Restoration
  ) throws(SQLError) {
    let table = alteration.table
    guard table.column(old.id)?.isRetained ?? false else {
      throw Self.changedSince("column \"\(old.name)\" is back already, or its values are gone")
    }
    try requireType(old.type, of: old.name)
    var column = old
    column.name = newName ?? old.name
    let isFreed = changes.contains { if case .dropColumn(column.name, _, _) = $0 { true } else { false } }
    guard isFreed || !alteration.columns.contains(where: { $0.name == column.name }) else {
      throw SQLError(
        .duplicateColumn, "column \"\(column.name)\" of relation \"\(table.name)\" already exists",
        hint: "UNDROP COLUMN \(old.name) ON \(table.name) AS another name brings it back beside that one.",
        tableName: table.name, columnName: column.name)
    }
    guard alteration.columns.count < SchemaLimits.maximumColumns else {
      throw SQLError(.tooManyColumns, "tables can have at most \(SchemaLimits.maximumColumns) columns")
    }
    for id in column.sequences where context.catalog.table(id: id)?.state != .public {
      if restoration.restored.contains(id) { continue }
      if try restoreSequenceOf(column, id, &alteration, &restoration) { continue }
      restoration.notices.append("column \"\(column.name)\" comes back without its default, whose sequence is gone")
      column.defaultExpression = nil
      column.defaultText = nil
      column.sequences = []
      column.identity = nil
      break
    }
    for id in column.generation?.columns ?? [] where !alteration.columns.contains(where: { $0.id == id }) {
      throw Self.changedSince("a column that column \"\(old.name)\" is generated from was dropped or has another type")
    }
    column.state = .writeOnly
    alteration.columns.append(column)
    alteration.stages.restore(column, of: table)
    if !old.isNullable {
      alteration.stages.add(
        ConstraintDescriptor(
          id: alteration.takeConstraintID(), name: "", state: .absent, rule: .notNull(column.id)), to: table)
    }
  }

  /// The alteration holds the stages while it is made.
  private mutating func restoreSequenceOf(
    _ column: ColumnDescriptor, _ id: TableID, _ alteration: inout Alteration, _ restoration: inout Restoration
  ) throws(SQLError) -> Bool {
    restoration.stages = alteration.stages
    defer { alteration.stages = restoration.stages }
    return try restoreSequence(id, besides: alteration.table, &restoration)
  }

  /// CHECK constraints and foreign keys that went, as they would be written now, with what was said of them.
  private func lostConstraints(
    _ before: TableDescriptor, _ after: TableDescriptor, _ part: Restoration.Part?, _ restoration: Restoration,
    _ alteration: inout Alteration
  ) throws(SQLError) -> [(change: TableAlteration, comment: String?)] {
    var result: [(change: TableAlteration, comment: String?)] = []
    for constraint in before.constraints where after.constraint(constraint.id) == nil {
      guard part.map({ $0.constraints.contains(constraint.id) }) ?? true else { continue }
      // Somebody has added it again.
      if alteration.constraints.contains(where: { $0.name == constraint.name && $0.rule == constraint.rule }) {
        continue
      }
      let columns = alteration.columns
      func name(_ id: ColumnID) throws(SQLError) -> RowExpressionDefinition.Column {
        guard let column = columns.first(where: { $0.id == id }) else {
          throw Self.changedSince("a column of constraint \"\(constraint.name)\" was dropped")
        }
        return RowExpressionDefinition.Column(name: column.name, type: column.type)
      }
      switch constraint.rule {
      case .notNull: break
      case .check(let rule):
        var parts: [RowExpressionDefinition.Column] = []
        for id in rule.columns { parts.append(try name(id)) }
        let definition = CheckDefinition(
          name: constraint.name, rule: RowExpressionDefinition(columns: parts, expression: rule.expression))
        result.append(
          (.addCheck(definition, isValidated: constraint.state == .public), constraint.comment))
      case .foreignKey(let rule):
        // Its table comes back with it (`restoreReference`).
        if restoration.comesBack(rule.referencedTable, in: context.catalog) { continue }
        guard let other = context.catalog.table(id: rule.referencedTable), other.state == .public else {
          throw Self.changedSince("the table that foreign key \"\(constraint.name)\" refers to was dropped")
        }
        guard other.uniqueIndex(on: rule.referencedColumns) != nil else {
          throw SQLError(
            .objectNotInPrerequisiteState,
            "foreign key \"\(constraint.name)\" needs the unique index that it referred to",
            hint: "UNDROP INDEX brings that one back first.", tableName: other.name)
        }
        var names: [String] = []
        for id in rule.columns { names.append(try name(id).name) }
        var referenced: [String] = []
        for id in rule.referencedColumns {
          guard let column = other.column(id), column.state == .public else {
            throw Self.changedSince("a column that foreign key \"\(constraint.name)\" refers to was dropped")
          }
          referenced.append(column.name)
        }
        let definition = ForeignKeyDefinition(
          name: constraint.name, columns: names,
          referencedTable: ObjectName(schema: context.catalog.schemaName(of: other), name: other.name),
          referencedColumns: referenced, onDelete: rule.onDelete, onUpdate: rule.onUpdate)
        result.append(
          (.addForeignKey(definition, isValidated: constraint.state == .public), constraint.comment))
      }
    }
    return result
  }

  /// It has missed what was written since: built again from the rows.
  private mutating func rebuild(
    _ old: IndexDescriptor, of before: TableDescriptor, as newName: String?, _ alteration: inout Alteration
  ) throws(SQLError) {
    let table = alteration.table
    for id in before.columns(readBy: old)
    where !alteration.columns.contains(where: { $0.id == id }) && !table.isHidden(id) {
      throw Self.changedSince("a column of index \"\(old.name)\" was dropped or has another type")
    }
    guard table.indexes.count + alteration.indexNames.count < SchemaLimits.maximumIndexesPerTable else {
      throw Self.tooManyIndexes
    }
    var index = old
    index.name = newName ?? old.name
    try requireFreeIndexName(index.name, in: table.namespaceID, alteration.indexNames)
    alteration.indexNames.insert(index.name)
    index.id = alteration.nextIndexID
    index.state = .absent
    var computed: [ColumnDescriptor] = []
    for position in index.keyColumns.indices {
      guard var column = before.column(index.keyColumns[position].columnID), column.isComputed else { continue }
      column.id = alteration.nextColumnID
      column.state = .absent
      alteration.nextColumnID = ColumnID(column.id.rawValue + 1)
      index.keyColumns[position].columnID = column.id
      computed.append(column)
    }
    alteration.nextIndexID = IndexID(index.id.rawValue + 1)
    let range = try context.allocateRange(table: table.id, index: index.id)
    index.rangeID = range.id
    alteration.stages.add(index, with: range, to: table, computed: computed)
  }
}

extension TableAlteration {
  /// Of the constraint that it adds.
  fileprivate var constraintName: String? {
    switch self {
    case .addCheck(let definition, _): definition.name
    case .addForeignKey(let definition, _): definition.name
    default: nil
    }
  }
}

extension TableDescriptor {
  fileprivate func isHidden(_ id: ColumnID) -> Bool { column(id)?.isHidden ?? false }
}

extension SQLType {
  /// Every value of the other type has one of its own in this type, and the cast back finds it.
  func keepsValues(of other: SQLType) -> Bool {
    switch (other, self) {
    case (.int2, .int4), (.int2, .int8), (.int4, .int8), (.int2, .float8), (.int4, .float8), (.int2, .float4): true
    case (.int2, .numeric(nil, _)), (.int4, .numeric(nil, _)), (.int8, .numeric(nil, _)): true
    case (.float4, .float8): true
    case (.date, .timestamp): true
    case (.varchar, .text), (.varchar, .varchar(nil)), (.text, .varchar(nil)), (.name, .text): true
    case (.varchar(let old?), .varchar(let new?)): old <= new
    case (.numeric, .numeric(nil, _)): true
    case (.numeric(let old?, let oldScale), .numeric(let new?, let newScale)):
      (oldScale ?? 0) <= (newScale ?? 0) && old - (oldScale ?? 0) <= new - (newScale ?? 0)
    case (.int2, .text), (.int4, .text), (.int8, .text), (.numeric, .text), (.boolean, .text), (.uuid, .text),
      (.date, .text), (.timestamp, .text), (.boolean, .int4):
      true
    default: other == self
    }
  }
}

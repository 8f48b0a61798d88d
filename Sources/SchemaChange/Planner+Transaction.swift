import Basics
import Catalog

/// Several statements, one plan: everything they add is prepared out of sight, and one entry makes all of it visible together with
/// what they drop and rename.
extension Planner {
  mutating func planTransaction(_ transaction: SchemaTransaction) throws(SQLError) -> Plan {
    try transaction.requireUnchanged(in: context.catalog)
    var draft = SchemaDraft(context)
    // Ids are given in the order of the statements, here as in the draft that the gateway has made.
    let first = context.nextTableID.rawValue
    func real(_ id: TableID) -> TableID? {
      guard SchemaDraft.isProvisional(id) else { return nil }
      return TableID(rawValue: first &+ (id.rawValue &- SchemaDraft.firstProvisionalTable.rawValue))
    }
    for statement in transaction.statements {
      _ = try draft.apply(statement.renumberingEnumerations(real).renumberingSequences(real))
    }
    context = draft.context
    context.catalog = draft.base
    let plan = try draft.combined()
    try draft.requireSameOutcome(plan)
    return plan
  }
}

extension SchemaDraft {
  /// All statements as one plan.
  func combined() throws(SQLError) -> Plan {
    var parts: [Plan] = []
    for group in groups() { parts.append(try plan(of: group)) }
    var plan = Plan.together(parts.filter { !$0.stages.isEmpty }, commandTag: "COMMIT")
    addContainers(to: &plan)
    return plan
  }

  /// Statements that concern a table in common, also by way of others, or a sequence that one makes and from which the other gives
  /// rows of before values. Positions, ascending; in the order of the first.
  func groups() -> [[Int]] {
    var groups: [(tables: Set<TableID>, statements: [Int])] = []
    for (position, plan) in plans.enumerated() {
      let sequences = plan.fillingSequences.filter { base.table(id: $0) == nil }
      var joined: (tables: Set<TableID>, statements: [Int]) = (Set(plan.tables + sequences), [position])
      for group in groups where !group.tables.isDisjoint(with: joined.tables) {
        joined.tables.formUnion(group.tables)
        joined.statements += group.statements
      }
      groups.removeAll { !$0.tables.isDisjoint(with: joined.tables) }
      groups.append((joined.tables, joined.statements.sorted()))
    }
    return groups.map(\.statements).sorted { $0[0] < $1[0] }
  }

  /// A statement alone is done as if it were no part of a transaction; of several on one table only the outcome counts.
  func plan(of group: [Int]) throws(SQLError) -> Plan {
    if group.count == 1, !needsTakenName(plans[group[0]]) { return plans[group[0]] }
    let tables = Set(group.flatMap { plans[$0].tables }).sorted()
    for edit in group.flatMap({ plans[$0].stages }).flatMap(\.changes) where base.table(id: edit.tableID) != nil {
      if edit.edits.contains(where: \.replacesRows) {
        throw SQLError.unsupported(
          "a change that copies or empties table \"\(base.table(id: edit.tableID)?.name ?? "")\" beside other changes of it in one transaction"
        )
      }
    }
    var stages = StageBuilder(base, retainsDropped: context.retainsDropped)
    for id in tables {
      switch (base.table(id: id), catalog.table(id: id)) {
      case (nil, nil): break
      case (nil, let created?):
        if isTaken(from: created, beforeVisible: tables) {
          createEarly(created, in: &stages)
        } else {
          create(created, in: &stages)
        }
      case (let old?, nil):
        for constraint in old.constraints where constraint.isForeignKey { stages.drop(constraint, of: old) }
        stages.drop(old)
      case (let old?, let new?): try change(old, to: new, in: &stages)
      }
    }
    return stages.plan(commandTag: "COMMIT", notices: [])
  }

  /// Whether an index or a sequence is prepared under a name that only the transaction sets free.
  private func needsTakenName(_ plan: Plan) -> Bool {
    plan.stages.prefix(plan.visibleStage).flatMap(\.changes).contains { change in
      change.edits.contains { edit in
        if case .createTable(let created) = edit { return isTaken(created.name, of: created) }
        guard case .addIndex(let index) = edit, let table = catalog.table(id: change.tableID) else { return false }
        return isTaken(index.name, of: table)
      }
    }
  }

  private func isTaken(_ name: String, of table: TableDescriptor) -> Bool {
    base.relation(RelationName(namespaceID: table.namespaceID, name: name)) != nil
  }

  private func create(_ table: TableDescriptor, in stages: inout StageBuilder) {
    let created = table.asCreated
    stages.create(created, ranges: created.indexes.compactMap { catalog.range(id: $0.rangeID) })
  }

  /// A sequence that rows take numbers of before anybody sees them; under another name if only the transaction sets its own free.
  private func createEarly(_ sequence: TableDescriptor, in stages: inout StageBuilder) {
    var created = sequence.asCreated
    if isTaken(created.name, of: created) {
      created.name = "new_sequence_\(created.id)"
      while isTaken(created.name, of: created) { created.name += "_" }
      stages.edit(
        created.id, [.renameTable(sequence.name)], "sequence \(created.name): named \(sequence.name)")
    }
    for range in created.indexes.compactMap({ catalog.range(id: $0.rangeID) }) { stages.add(created, with: range) }
  }

  /// Whether rows that exist take numbers of the sequence for a column on its way in.
  private func isTaken(from sequence: TableDescriptor, beforeVisible tables: [TableID]) -> Bool {
    tables.contains { filledColumns[$0]?.contains { $0.sequences.contains(sequence.id) } ?? false }
  }

  private func change(
    _ old: TableDescriptor, to new: TableDescriptor, in stages: inout StageBuilder
  ) throws(SQLError) {
    func edit(_ edits: DescriptorEdit, _ label: String, floor: FloorRule = .unchanged) {
      stages.edit(old.id, [edits], label, floor: floor)
    }
    for var value in new.enumeration?.values ?? [] {
      guard let before = old.enumeration?.values.first(where: { $0.id == value.id }) else {
        value.state = .absent
        stages.add(value, to: old)
        continue
      }
      if before.label == value.label { continue }
      edit(.renameEnumValue(value.id, value.label), "label \(before.label): renamed to \(value.label)")
    }
    if new.name != old.name { edit(.renameTable(new.name), "\(old.kindName) \(old.name): renamed to \(new.name)") }
    if new.namespaceID != old.namespaceID {
      edit(
        .moveTable(new.namespaceID),
        "\(old.kindName) \(old.name): moved to schema \(catalog.schemaName(of: new))")
    }
    // What is new brings its own.
    for place in new.commentPlaces where old.commentPlaces.contains(place) {
      let text = new.comment(at: place)
      if text != old.comment(at: place) {
        edit(.setComment(place, text), "\(place) of \(old.kindName) \(old.name): comment")
      }
    }
    if let view = new.view {
      // Names of columns are part of what is set.
      if view != old.view || new.columns != old.columns {
        edit(.setView(view, columns: new.columns), "view \(old.name): changed")
      }
      return
    }
    if let sequence = new.sequence, sequence != old.sequence {
      edit(.setSequence(sequence), "sequence \(old.name): changed", floor: .current)
    }
    // Of a table that is new, whose rows nobody has looked for who wrote this one without knowing of it.
    for reference in new.referencedBy
    where !old.referencedBy.contains(reference) && base.table(id: reference.table) == nil {
      edit(.addReference(reference), "table \(old.name): referred to", floor: .current)
    }
    // What needs a constraint or an index of its own is found first: it decides how a new column comes.
    let newIndexes = new.indexes.filter { old.index($0.id) == nil }
    let newConstraints = new.constraints.filter { old.constraint($0.id) == nil }
    let newGenerations = new.columns.filter { old.column($0.id) == nil }.flatMap { $0.generation?.columns ?? [] }
    let judged = Set(
      newConstraints.flatMap(\.rule.columns) + newIndexes.flatMap { new.columns(readBy: $0) } + newGenerations)

    var nextConstraint = new.nextConstraintID
    func notNull(_ column: ColumnID, _ state: ElementState) -> ConstraintDescriptor {
      defer { nextConstraint = ConstraintID(nextConstraint.rawValue + 1) }
      return ConstraintDescriptor(id: nextConstraint, name: "", state: state, rule: .notNull(column))
    }
    for index in old.indexes where new.index(index.id) == nil { stages.drop(index, of: old) }
    for constraint in old.constraints where new.constraint(constraint.id) == nil {
      stages.drop(constraint, of: old)
    }
    // What an index computes comes and goes with it.
    for column in old.columns where !column.isComputed {
      guard let changed = new.column(column.id) else {
        stages.drop(column, of: old)
        continue
      }
      if changed.isRetained {
        if !column.isRetained { stages.drop(column, of: old) }
        continue
      }
      if changed.name != column.name {
        edit(
          .renameColumn(column.id, changed.name), "column \(column.name): renamed to \(changed.name)")
      }
      if changed.type != column.type {
        edit(.setType(column.id, changed.type), "column \(column.name): type \(changed.type)")
      }
      if changed.defaultExpression != column.defaultExpression || changed.sequences != column.sequences {
        edit(
          .setDefault(
            column.id, expression: changed.defaultExpression, text: changed.defaultText, sequences: changed.sequences),
          "column \(column.name): default \(changed.defaultText ?? "NULL")")
      }
      if column.generation != nil, changed.generation == nil {
        edit(.dropGeneration(column.id), "column \(column.name): no longer generated", floor: .current)
      }
      switch (column.isNullable, changed.isNullable) {
      case (true, false): stages.add(notNull(column.id, .absent), to: old)
      case (false, true): stages.drop(notNull(column.id, .public), of: old)
      case (true, true), (false, false): break
      }
    }
    for var column in new.columns where old.column(column.id) == nil && !column.isComputed && !column.isRetained {
      let isJudged = judged.contains(column.id)
      let filled = filledColumns[old.id]?.first { $0.id == column.id }
      guard filled != nil || !isJudged || column.isNullable || !column.missingValue.isNull else {
        throw SQLError.unsupported(
          "a constraint or an index of a NOT NULL column without default that the same transaction adds")
      }
      column.state = .absent
      if let filled {
        guard filled.hasSameValues(as: column) else {
          throw SQLError.unsupported("another default for a column that the same transaction adds")
        }
        stages.fill(column, of: old)
      } else {
        stages.add(column, to: old, isJudged: isJudged)
      }
    }
    for index in old.indexes {
      guard let changed = new.index(index.id) else { continue }
      if changed.name != index.name {
        edit(.renameIndex(index.id, changed.name), "index \(index.name): renamed to \(changed.name)")
      }
      if changed.isInvisible != index.isInvisible {
        edit(
          .setIndexVisibility(index.id, isVisible: !changed.isInvisible),
          "index \(index.name): \(changed.isInvisible ? "invisible" : "visible")")
      }
      if changed.predicate != index.predicate {
        edit(.setPredicate(index.id, changed.predicate), "index \(index.name): over the new type")
      }
    }
    for column in old.columns where column.isComputed {
      guard let changed = new.column(column.id), let value = changed.conversion else { continue }
      if value != column.conversion {
        edit(.setExpression(column.id, value), "expression \(column.name): over the new type")
      }
      if changed.type != column.type {
        edit(.setType(column.id, changed.type), "expression \(column.name): type \(changed.type)")
      }
    }
    for var index in newIndexes {
      guard let range = catalog.range(id: index.rangeID) else { continue }
      index.state = .absent
      if isTaken(index.name, of: old) {
        edit(.renameIndex(index.id, index.name), "index #\(index.id): named \(index.name)")
        index.name = ""
      }
      let computed = new.computedColumns(of: index).map { column in
        var added = column
        added.state = .absent
        return added
      }
      stages.add(index, with: range, to: old, computed: computed)
    }
    for constraint in old.constraints {
      guard let changed = new.constraint(constraint.id) else { continue }
      if changed.name != constraint.name {
        edit(
          .renameConstraint(constraint.id, changed.name), "constraint \(constraint.name): renamed to \(changed.name)")
      }
      if changed.rule != constraint.rule {
        edit(.setRule(constraint.id, changed.rule), "constraint \(constraint.name): over the new type")
      }
      if changed.state != constraint.state { stages.add(constraint, to: old, target: changed.state) }
    }
    for var constraint in newConstraints {
      let target = constraint.state
      constraint.state = .absent
      stages.add(constraint, to: old, target: target)
    }
  }

  /// What becomes of schemas and databases in all, in the entry in which everything becomes visible.
  func addContainers(to plan: inout Plan) {
    let ids = Set((base.namespaces + catalog.namespaces).map(\.id)).sorted()
    let namespaces = ids.compactMap { id -> PlannedNamespaceChange? in
      let edits = NamespaceEdit.edits(from: base.namespace(id: id), to: catalog.namespace(id: id))
      return edits.isEmpty ? nil : PlannedNamespaceChange(id, edits)
    }
    // They are created and dropped outside of transactions only.
    let databases = catalog.databases.compactMap { after -> PlannedDatabaseChange? in
      guard let before = base.database(id: after.id) else { return nil }
      let edits = DatabaseEdit.edits(from: before, to: after)
      return edits.isEmpty ? nil : PlannedDatabaseChange(after.id, edits)
    }
    if namespaces.isEmpty, databases.isEmpty {
      // Made and dropped again.
      if plan.stages.count == 1, plan.stages[0].changes.isEmpty { plan.stages = [] }
      return
    }
    if plan.stages.isEmpty { plan.stages = [PlanStage(name: "schemas", changes: [])] }
    plan.stages[plan.visibleStage].namespaceChanges = namespaces
    plan.stages[plan.visibleStage].databaseChanges = databases
    let known = namespaces.map(\.id).filter { base.namespace(id: $0) != nil }
    plan.tables = Set(
      plan.tables + known.map(TableID.init(queueing:)) + databases.compactMap { TableID.queueing($0.id) }
    ).sorted()
  }

  /// The plan leads to what the statements one after the other lead to, or it is refused.
  func requireSameOutcome(_ plan: Plan) throws(SQLError) {
    var reached = base
    do {
      for stage in plan.stages { try reached.apply(stage) }
    } catch {
      throw Self.cannotCombine("\(error)")
    }
    guard reached.namespaces.map(\.withoutHistory) == catalog.namespaces.map(\.withoutHistory) else {
      throw Self.cannotCombine("schemas")
    }
    for id in Set(plans.flatMap(\.tables)).sorted() {
      guard reached.table(id: id)?.withoutHistory == catalog.table(id: id)?.withoutHistory else {
        throw Self.cannotCombine(catalog.table(id: id)?.name ?? "")
      }
    }
  }

  private static func cannotCombine(_ what: String) -> SQLError {
    var error = SQLError.unsupported("this combination of schema changes in one transaction")
    error.detail = what
    return error
  }
}

extension ColumnDescriptor {
  /// Whether rows get the same values by both.
  fileprivate func hasSameValues(as other: ColumnDescriptor) -> Bool {
    defaultExpression == other.defaultExpression && generation == other.generation && sequences == other.sequences
  }
}

extension TableDescriptor {
  /// As its first entry has it.
  fileprivate var asCreated: TableDescriptor {
    var created = self
    // Nobody has seen what was dropped again before it came into being.
    created.columns.removeAll(where: \.isRetained)
    created.version = TableVersion(1)
    created.commitFloor = TableVersion(1)
    return created
  }

  /// What two ways to the same table have in common.
  fileprivate var withoutHistory: TableDescriptor {
    var copy = self
    copy.version = .none
    copy.commitFloor = .none
    copy.nextColumnID = ColumnID(0)
    copy.nextIndexID = IndexID(0)
    copy.nextConstraintID = ConstraintID(0)
    copy.enumeration?.nextValueID = EnumValueID(0)
    copy.columns.removeAll(where: \.isRetained)
    copy.columns.sort { $0.id < $1.id }
    copy.indexes = [primaryIndex] + indexes.dropFirst().sorted { $0.id < $1.id }
    copy.constraints.sort { $0.id < $1.id }
    copy.referencedBy.sort { ($0.table, $0.constraint) < ($1.table, $1.constraint) }
    return copy
  }
}

extension NamespaceDescriptor {
  fileprivate var withoutHistory: NamespaceDescriptor {
    var copy = self
    copy.version = .none
    return copy
  }
}

extension DescriptorEdit {
  /// Every row is written again, or goes.
  fileprivate var replacesRows: Bool {
    switch self {
    case .replaceIndex, .replaceColumn: true
    default: false
    }
  }
}

extension Plan {
  /// Those that rows of before take values from.
  fileprivate var fillingSequences: [TableID] {
    stages.flatMap(\.changes).flatMap(\.edits).flatMap { edit -> [TableID] in
      if case .addColumn(let column) = edit, column.isFilled { column.sequences } else { [] }
    }
  }

  /// Plans of different tables as one: they become visible in the same entry.
  static func together(_ parts: [Plan], commandTag: String) -> Plan {
    let visible = parts.map(\.visibleStage).max() ?? 0
    var result = Plan(
      commandTag: commandTag, tables: Set(parts.flatMap(\.tables)).sorted(), visibleStage: visible,
      additions: parts.flatMap(\.additions))
    let offsets = parts.map { visible - $0.visibleStage }
    let count = zip(parts, offsets).map { $0.stages.count + $1 }.max() ?? 0
    for position in 0..<count {
      let together = zip(parts, offsets).compactMap { $0.stages[safe: position - $1] }
      result.stages.append(PlanStage.together(together))
    }
    return result
  }
}

extension PlanStage {
  /// Of different tables.
  fileprivate static func together(_ parts: [PlanStage]) -> PlanStage {
    PlanStage(
      name: parts.map(\.name).joined(separator: "; "),
      changes: parts.flatMap(\.changes).sorted { $0.tableID < $1.tableID }, newRanges: parts.flatMap(\.newRanges),
      retiredRanges: parts.flatMap(\.retiredRanges), waitsForBarrier: parts.contains(where: \.waitsForBarrier),
      work: parts.flatMap(\.work))
  }
}

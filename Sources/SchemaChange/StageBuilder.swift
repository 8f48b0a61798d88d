import Basics
import Catalog

/// Derives stages from elements and their targets: first what has to be prepared out of sight, then the one entry in which
/// everything becomes visible, then the dismantling of what was dropped.
struct StageBuilder: Sendable {
  fileprivate struct Element: Sendable {
    enum Subject: Sendable {
      case index(IndexDescriptor)
      case column(ColumnDescriptor)
      case table(TableDescriptor)
      case constraint(ConstraintDescriptor)
      case enumValue(EnumValueDescriptor)
    }
    let tableID: TableID
    let subject: Subject
    let kind: ElementKind
    let target: ElementState
    var state: ElementState
    /// Created together with the element.
    var range: RangeDescriptor?
    /// Of the index that it replaces.
    var replacedRange: RangeID?
    var replacedName: String?
    var replacedColumn: ColumnID?
    var replacedConstraint: ConstraintDescriptor?
    /// Expressions of the index that it replaces, which go with that.
    var replacedComputed: [ColumnID] = []
    /// Columns of dropped indexes: their values are written as long as an index needs them.
    var usedColumns: Set<ColumnID> = []
    /// The expressions of an index, unless another index has them too.
    var computed: [ColumnDescriptor] = []
    /// Comes with the first stage: others need it before anything is visible.
    var isEarly = false
    /// A column that is dropped is maintained until its retention time has passed.
    var isRetained = false

    /// The other table of a foreign key, whose version steps with it.
    var referencedTable: TableID? {
      guard case .constraint(let constraint) = subject, case .foreignKey(let rule) = constraint.rule else { return nil }
      return rule.referencedTable
    }

    var next: Transition? {
      if isRetained, state == .writeOnly { return nil }
      return TransitionTable.table(for: kind).next(from: state, towards: target)
    }
  }

  private struct DirectEdit: Sendable {
    let tableID: TableID
    let edits: [DescriptorEdit]
    let floor: FloorRule
    let label: String
  }

  private let catalog: CatalogState
  /// What is dropped can be brought back for a while.
  private let retainsDropped: Bool
  private var elements: [Element] = []
  private var directEdits: [DirectEdit] = []
  /// Of relations that come into being with everything else.
  private var newRanges: [RangeDescriptor] = []
  /// Of relations that come back.
  private var restoredRanges: [RangeID] = []
  private var namespaceChanges: [(change: PlannedNamespaceChange, label: String)] = []
  private var databaseChanges: [(change: PlannedDatabaseChange, label: String)] = []

  init(_ catalog: CatalogState, retainsDropped: Bool = false) {
    self.catalog = catalog
    self.retainsDropped = retainsDropped
  }

  init(_ context: PlanningContext) { self.init(context.catalog, retainsDropped: context.retainsDropped) }

  // MARK: Targets

  /// - Parameter computed: those of its key columns that come with it.
  mutating func add(
    _ index: IndexDescriptor, with range: RangeDescriptor, to table: TableDescriptor,
    computed: [ColumnDescriptor] = []
  ) {
    elements.append(
      Element(
        tableID: table.id, subject: .index(index), kind: .index, target: .public, state: index.state, range: range,
        computed: computed))
  }

  /// To take the place of `old` when everything becomes visible.
  ///
  /// - Parameters:
  ///   - computed: those of its key columns that come with it.
  ///   - replacedComputed: columns of `old` that go with that.
  mutating func add(
    _ index: IndexDescriptor, with range: RangeDescriptor, inPlaceOf old: IndexDescriptor, of table: TableDescriptor,
    computed: [ColumnDescriptor] = [], replacedComputed: [ColumnID] = []
  ) {
    elements.append(
      Element(
        tableID: table.id, subject: .index(index), kind: .replacingIndex, target: .public, state: index.state,
        range: range, replacedRange: old.rangeID, replacedName: old.name, replacedComputed: replacedComputed,
        computed: computed))
  }

  /// To give `old`, a `CHECK`, its rule when everything becomes visible.
  mutating func add(
    _ constraint: ConstraintDescriptor, inPlaceOf old: ConstraintDescriptor, of table: TableDescriptor
  ) {
    elements.append(
      Element(
        tableID: table.id, subject: .constraint(constraint),
        kind: old.state == .public ? .replacingCheck : .replacingUnprovenCheck, target: .public,
        state: constraint.state, replacedConstraint: old))
  }

  mutating func add(
    _ column: ColumnDescriptor, inPlaceOf old: ColumnDescriptor, of table: TableDescriptor
  ) {
    elements.append(
      Element(
        tableID: table.id, subject: .column(column), kind: .replacingColumn, target: .public, state: column.state,
        replacedColumn: old.id))
  }

  /// - Parameter isJudged: a constraint or an index on it comes with it.
  mutating func add(_ column: ColumnDescriptor, to table: TableDescriptor, isJudged: Bool) {
    let kind: ElementKind =
      !column.isNullable && column.missingValue.isNull ? .requiredColumn : isJudged ? .judgedColumn : .column
    elements.append(
      Element(tableID: table.id, subject: .column(column), kind: kind, target: .public, state: column.state))
  }

  mutating func drop(_ index: IndexDescriptor, of table: TableDescriptor) {
    let isKnown = elements.contains { element in
      if case .index(let other) = element.subject { return element.tableID == table.id && other.id == index.id }
      return false
    }
    guard !isKnown else { return }
    let others = Set(table.indexes.filter { $0.id != index.id }.flatMap(\.columns))
    elements.append(
      Element(
        tableID: table.id, subject: .index(index), kind: .index, target: .absent, state: index.state,
        usedColumns: table.columns(readBy: index),
        computed: table.computedColumns(of: index).filter { !others.contains($0.id) }))
  }

  /// Rows that exist get values of their own.
  mutating func fill(_ column: ColumnDescriptor, of table: TableDescriptor) {
    var filled = column
    filled.isFilled = true
    elements.append(
      Element(tableID: table.id, subject: .column(filled), kind: .filledColumn, target: .public, state: column.state))
  }

  /// A sequence that a filled column takes its values from.
  mutating func add(_ sequence: TableDescriptor, with range: RangeDescriptor) {
    elements.append(
      Element(
        tableID: sequence.id, subject: .table(sequence), kind: .table, target: .public, state: .absent, range: range,
        isEarly: true))
  }

  mutating func drop(_ column: ColumnDescriptor, of table: TableDescriptor) {
    let isOnItsWayIn = column.isFilled && column.state != .public
    elements.append(
      Element(
        tableID: table.id, subject: .column(column), kind: isOnItsWayIn ? .filledColumn : .column, target: .absent,
        state: column.state, usedColumns: Set(column.generation?.columns ?? []),
        isRetained: retainsDropped && column.state == .public && !column.isHidden
          && table.columns.count <= SchemaLimits.maximumColumns))
  }

  /// A dropped column whose values are still maintained, under a name.
  mutating func restore(_ column: ColumnDescriptor, of table: TableDescriptor) {
    elements.append(
      Element(
        tableID: table.id, subject: .column(column), kind: .judgedColumn, target: .public, state: .writeOnly))
    edit(
      table.id,
      [
        .renameColumn(column.id, column.name),
        .setDefault(
          column.id, expression: column.defaultExpression, text: column.defaultText, sequences: column.sequences),
      ], "column #\(column.id): named \(column.name)")
  }

  /// Views that go; those of them that others name are dropped once.
  private var droppedViews: Set<TableID> = []
  /// Relations that go with the plan as it is so far.
  var droppedRelations: Set<TableID> {
    droppedViews.union(
      elements.compactMap { element in
        if case .table(let table) = element.subject, element.target == .absent { table.id } else { nil }
      })
  }

  /// A table, a sequence or a view.
  mutating func drop(_ table: TableDescriptor) {
    if table.isView {
      // There is nothing to dismantle: who still sees it reads what is below.
      if droppedViews.insert(table.id).inserted {
        edit(table.id, [.removeTable], "view \(table.name): public -> absent")
      }
      return
    }
    let isKnown = elements.contains { element in
      if case .table(let other) = element.subject { other.id == table.id } else { false }
    }
    guard !isKnown else { return }
    elements.append(
      Element(tableID: table.id, subject: .table(table), kind: .table, target: .absent, state: .public))
  }

  /// - Parameter target: `writeOnly` for a constraint that is to judge new rows only (`NOT VALID`).
  mutating func add(
    _ constraint: ConstraintDescriptor, to table: TableDescriptor, target: ElementState = .public
  ) {
    elements.append(
      Element(
        tableID: table.id, subject: .constraint(constraint), kind: constraint.kind, target: target,
        state: constraint.state))
  }

  mutating func add(_ value: EnumValueDescriptor, to type: TableDescriptor) {
    elements.append(
      Element(tableID: type.id, subject: .enumValue(value), kind: .enumValue, target: .public, state: value.state))
  }

  /// One that nobody has written yet.
  mutating func drop(_ value: EnumValueDescriptor, of type: TableDescriptor) {
    elements.append(
      Element(tableID: type.id, subject: .enumValue(value), kind: .enumValue, target: .absent, state: value.state))
  }

  mutating func drop(_ constraint: ConstraintDescriptor, of table: TableDescriptor) {
    let isKnown = elements.contains { element in
      if case .constraint(let other) = element.subject {
        return element.tableID == table.id && other.id == constraint.id
      }
      return false
    }
    guard !isKnown else { return }
    elements.append(
      Element(
        tableID: table.id, subject: .constraint(constraint), kind: constraint.kind, target: .absent,
        state: constraint.state))
  }

  /// A relation as it will be, with the ranges of its indexes.
  mutating func create(_ table: TableDescriptor, ranges: [RangeDescriptor]) {
    newRanges += ranges
    edit(table.id, [.createTable(table)], "\(table.kindName) \(table.name): absent -> public")
  }

  /// A relation that was dropped, with the ranges it had.
  mutating func restore(_ table: TableDescriptor) {
    if !table.isView { restoredRanges += table.indexes.map(\.rangeID) }
    edit(
      table.id, [.createTable(table)], "\(table.kindName) \(table.name): dropped -> public",
      floor: .current)
  }

  mutating func edit(
    _ table: TableID, _ edits: [DescriptorEdit], _ label: String, floor: FloorRule = .unchanged
  ) {
    directEdits.append(DirectEdit(tableID: table, edits: edits, floor: floor, label: label))
  }

  /// In the entry in which everything else becomes visible or goes out of sight.
  mutating func change(_ namespace: NamespaceID, _ edits: [NamespaceEdit], _ label: String) {
    namespaceChanges.append((PlannedNamespaceChange(namespace, edits), label))
  }

  /// In the same entry.
  mutating func change(_ database: DatabaseID, _ edits: [DatabaseEdit], _ label: String) {
    databaseChanges.append((PlannedDatabaseChange(database, edits), label))
  }

  // MARK: Stages

  func plan(commandTag: String, notices: [String]) -> Plan {
    var working = self
    let tables = Set(
      elements.map(\.tableID) + elements.compactMap(\.referencedTable) + directEdits.map(\.tableID)
        + namespaceChanges.map(\.change.id).filter { catalog.namespace(id: $0) != nil }.map(TableID.init(queueing:))
        + databaseChanges.map(\.change.id).filter { catalog.database(id: $0) != nil }.compactMap(TableID.queueing)
    ).sorted()
    var stages: [PlanStage] = []
    while let stage = working.preparation() { stages.append(stage) }
    let visibleStage = stages.count
    if let stage = working.publication() { stages.append(stage) }
    while let stage = working.dismantling() { stages.append(stage) }
    // Nothing follows the last stage, so nothing has to be waited for.
    if let last = stages.indices.last, stages[last].work.isEmpty { stages[last].waitsForBarrier = false }
    let additions: [PlannedAddition] = elements.filter { $0.target != .absent }.compactMap { element in
      switch element.subject {
      case .index(let index): .index(element.tableID, index.id)
      // One that comes back goes on being maintained if it cannot.
      case .column(let column): column.state == .absent ? .column(element.tableID, column.id) : nil
      case .constraint(let constraint):
        constraint.state == .absent
          ? .constraint(element.tableID, constraint.id) : .validation(element.tableID, constraint.id)
      case .table(let table): table.isSequence ? .sequence(table.id) : nil
      case .enumValue(let value): .enumValue(element.tableID, value.id)
      }
    }
    return Plan(
      commandTag: commandTag, tables: tables, stages: stages, visibleStage: visibleStage, additions: additions,
      notices: notices)
  }

  /// Back to where the plan began, from the states its additions have in `catalog`. Its first stage is past turning back.
  static func rollback(of plan: Plan, in catalog: CatalogState) -> Plan {
    var builder = StageBuilder(catalog)
    var ranges: [RangeID] = []
    for addition in plan.additions {
      switch addition {
      case .index(let tableID, let id):
        guard let table = catalog.table(id: tableID), let index = table.index(id) else { continue }
        builder.drop(index, of: table)
      case .column(let tableID, let id):
        guard let table = catalog.table(id: tableID), let column = table.column(id) else { continue }
        builder.drop(column, of: table)
      case .constraint(let tableID, let id):
        guard let table = catalog.table(id: tableID), let constraint = table.constraint(id) else { continue }
        builder.drop(constraint, of: table)
      case .sequence(let id):
        if let sequence = catalog.table(id: id) { builder.drop(sequence) }
      case .validation(let tableID, let id):
        guard let constraint = catalog.table(id: tableID)?.constraint(id),
          constraint.state == .validating || constraint.state == .backfilling
        else { continue }
        builder.edit(
          tableID, [.setConstraintState(id, .writeOnly)], "\(constraint.label): \(constraint.state) -> writeOnly")
      case .enumValue(let typeID, let id):
        guard let type = catalog.table(id: typeID), let value = type.enumeration?.values.first(where: { $0.id == id })
        else { continue }
        builder.drop(value, of: type)
      case .range(let id): if catalog.range(id: id) != nil { ranges.append(id) }
      }
    }
    var back = builder.plan(commandTag: plan.commandTag, notices: [])
    guard !ranges.isEmpty else { return back }
    if back.stages.isEmpty {
      back.stages = [PlanStage(name: ranges.map { "range \($0)" }.joined(separator: ", ") + ": given up", changes: [])]
    }
    back.stages[back.stages.count - 1].retiredRanges += ranges
    return back
  }

  private mutating func preparation() -> PlanStage? {
    // What reads a column of which rows have no values yet waits until they have.
    var unfilled: [TableID: Set<ColumnID>] = [:]
    for element in elements {
      guard element.kind == .filledColumn, case .column(let column) = element.subject,
        element.next.map({ $0.to != element.target }) ?? false
      else { continue }
      unfilled[element.tableID, default: []].insert(column.id)
    }
    let moving = elements.indices.filter { position in
      let element = elements[position]
      guard element.target != .absent, let next = element.next, next.to != element.target || element.isEarly else {
        return false
      }
      guard let columns = unfilled[element.tableID] else { return true }
      // Copies of rows are made of whole rows, and of the key that they will have.
      return element.kind != .replacingIndex && columns.isDisjoint(with: element.readColumns)
    }
    return moving.isEmpty ? nil : stage(moving, [])
  }

  private mutating func publication() -> PlanStage? {
    // What is dropped goes out of sight in the same entry in which what is added comes into sight.
    let adding = elements.indices.filter { elements[$0].target != .absent && elements[$0].next != nil }
    let dropping = elements.indices.filter { elements[$0].target == .absent && elements[$0].next != nil }
    guard
      !adding.isEmpty || !directEdits.isEmpty || !dropping.isEmpty || !namespaceChanges.isEmpty
        || !databaseChanges.isEmpty
    else { return nil }
    var result = stage(dropping + adding, directEdits)
    result.newRanges += newRanges
    result.restoredRanges = restoredRanges
    result.namespaceChanges = namespaceChanges.map(\.change).sorted { $0.id < $1.id }
    result.databaseChanges = databaseChanges.map(\.change).sorted { $0.id < $1.id }
    result.name = ([result.name].filter { !$0.isEmpty } + namespaceChanges.map(\.label) + databaseChanges.map(\.label))
      .joined(separator: "; ")
    return result
  }

  private mutating func dismantling() -> PlanStage? {
    // Columns that an index still in use after this stage needs.
    var needed: [TableID: Set<ColumnID>] = [:]
    for element in elements where element.target == .absent && !element.usedColumns.isEmpty {
      if let next = element.next, next.to != .absent {
        needed[element.tableID, default: []].formUnion(element.usedColumns)
      }
    }
    let columns = elements.indices.filter { position in
      let element = elements[position]
      guard element.target == .absent, case .column(let column) = element.subject, element.next != nil else {
        return false
      }
      return !(needed[element.tableID]?.contains(column.id) ?? false)
    }
    let others = elements.indices.filter { position in
      let element = elements[position]
      if case .column = element.subject { return false }
      return element.target == .absent && element.next != nil
    }
    let moving = (others + columns).sorted()
    return moving.isEmpty ? nil : stage(moving, [])
  }

  private mutating func stage(_ moving: [Int], _ direct: [DirectEdit]) -> PlanStage {
    var names: [String] = []
    var changes: [TableID: PlannedTableChange] = [:]
    var result = PlanStage(name: "", changes: [])
    func append(_ edits: [DescriptorEdit], _ floor: FloorRule, to table: TableID) {
      var change = changes[table] ?? PlannedTableChange(tableID: table, edits: [])
      change.edits += edits
      change.floor = max(change.floor, floor)
      changes[table] = change
    }
    for edit in direct {
      append(edit.edits, edit.floor, to: edit.tableID)
      names.append(edit.label)
    }
    for position in moving {
      guard let transition = elements[position].next else { continue }
      let element = elements[position]
      append(element.edits(for: transition), transition.floor, to: element.tableID)
      if let referenced = element.referencedTable {
        append(element.referenceEdits(for: transition), transition.floor, to: referenced)
      }
      names.append("\(element.label): \(transition.from) -> \(transition.to)")
      if transition.waitsForBarrier { result.waitsForBarrier = true }
      // One pass over the rows fills all columns of a table.
      for work in element.work(for: transition) where !result.work.contains(work) { result.work.append(work) }
      if transition.from == .absent, let range = element.range { result.newRanges.append(range) }
      if transition.to == .absent { result.retiredRanges += element.ranges }
      if transition.to == .public, let replaced = element.replacedRange { result.retiredRanges.append(replaced) }
      elements[position].state = transition.to
    }
    result.name = names.joined(separator: "; ")
    result.changes = changes.values.sorted { $0.tableID < $1.tableID }
    return result
  }
}

extension ConstraintDescriptor {
  fileprivate var kind: ElementKind {
    switch rule {
    case .notNull: .notNull
    case .check: .check
    case .foreignKey: .foreignKey
    }
  }

  fileprivate var label: String {
    switch rule {
    case .notNull(let column): "not null of column #\(column)"
    case .check: "constraint \(name.isEmpty ? "#\(id)" : name)"
    case .foreignKey: "foreign key \(name)"
    }
  }

  fileprivate func edits(for transition: Transition) -> [DescriptorEdit] {
    guard case .notNull(let column) = rule else {
      if transition.from == .absent { return [.addConstraint(with(transition.to))] }
      return transition.to == .absent ? [.removeConstraint(id)] : [.setConstraintState(id, transition.to)]
    }
    // In force it is a property of the column, on its way in and out a constraint.
    switch (transition.from, transition.to) {
    case (.public, let state): return [.setNullable(column, true), .addConstraint(with(state))]
    case (_, .public): return [.setNullable(column, false), .removeConstraint(id)]
    case (.absent, let state): return [.addConstraint(with(state))]
    case (_, .absent): return [.removeConstraint(id)]
    case (_, let state): return [.setConstraintState(id, state)]
    }
  }

  private func with(_ state: ElementState) -> ConstraintDescriptor {
    var changed = self
    changed.state = state
    return changed
  }
}

extension StageBuilder.Element {
  fileprivate var label: String {
    switch subject {
    case .index(let index):
      replacedName.map { "copy #\(index.id) of index \($0)" }
        ?? (index.name.isEmpty ? "index #\(index.id)" : "index \(index.name)")
    case .column(let column):
      (column.name.isEmpty ? "column #\(column.id)" : "column \(column.name)")
        + (replacedColumn == nil ? "" : ", converted")
    case .table(let table): "\(table.kindName) \(table.name)"
    case .constraint(let constraint):
      replacedConstraint.map { "\($0.label) over the new type" } ?? constraint.label
    case .enumValue(let value): "label \(value.label)"
    }
  }

  /// Where its data is, when it goes.
  fileprivate var ranges: [RangeID] {
    switch subject {
    case .index(let index): [index.rangeID]
    case .column, .constraint, .enumValue: []
    case .table(let table): table.isType ? [] : table.indexes.map(\.rangeID)
    }
  }

  fileprivate func edits(for transition: Transition) -> [DescriptorEdit] {
    switch subject {
    case .index(var index):
      if transition.from == .absent {
        index.state = transition.to
        let columns = computed.map { column in
          var added = column
          added.state = transition.to
          return DescriptorEdit.addColumn(added)
        }
        return columns + [.addIndex(index)]
      }
      if transition.to == .absent { return [.removeIndex(index.id)] + computed.map { .removeColumn($0.id) } }
      if transition.to == .public, let old = index.replaces {
        return [.replaceIndex(old, with: index.id)] + replacedComputed.map { .removeColumn($0) }
          + computed.map { .setColumnState($0.id, .public) }
      }
      let changes =
        [DescriptorEdit.setIndexState(index.id, transition.to)]
        + computed.map { .setColumnState($0.id, transition.to) }
      return target == .absent ? changes + [.retireIndex(index.id)] : changes
    case .column(var column):
      if transition.from == .absent {
        column.state = transition.to
        return [.addColumn(column)]
      }
      if transition.to == .absent { return [.removeColumn(column.id)] }
      if transition.to == .public, let replacedColumn { return [.replaceColumn(replacedColumn, with: column.id)] }
      let change = DescriptorEdit.setColumnState(column.id, transition.to)
      return target == .absent ? [change, .retireColumn(column.id)] : [change]
    case .table(let table):
      if transition.from == .absent { return [.createTable(table)] }
      return transition.to == .absent ? [.removeTable] : [.startDropping]
    case .constraint(let constraint):
      if transition.to == .public, let replacedConstraint {
        return [.setRule(replacedConstraint.id, constraint.rule), .removeConstraint(constraint.id)]
      }
      return constraint.edits(for: transition)
    case .enumValue(var value):
      value.state = transition.to
      if transition.from == .absent { return [.addEnumValue(value)] }
      return transition.to == .absent
        ? [.removeEnumValue(value.id)] : [.setEnumValueState(value.id, transition.to)]
    }
  }

  /// Of its table: whose values in rows it relies on.
  fileprivate var readColumns: Set<ColumnID> {
    switch subject {
    case .column, .table, .enumValue: []
    case .index(let index): index.columns.union(computed.flatMap { $0.conversion?.columns ?? [] })
    case .constraint(let constraint): Set(constraint.rule.columns)
    }
  }

  /// Of the table that a foreign key refers to.
  fileprivate func referenceEdits(for transition: Transition) -> [DescriptorEdit] {
    guard case .constraint(let constraint) = subject else { return [] }
    let reference = ForeignKeyReference(table: tableID, constraint: constraint.id)
    if transition.from == .absent { return [.addReference(reference)] }
    return transition.to == .absent ? [.removeReference(reference)] : []
  }

  fileprivate func work(for transition: Transition) -> [StageWork] {
    transition.work.compactMap { work in
      switch (work, subject) {
      case (.backfill, .index(let index)): .backfill(tableID, index.id)
      case (.validateIndex, .index(let index)): .validateIndex(tableID, index.id)
      case (.fill, .column): .fill(tableID)
      case (.validateNotNull, .column(let column)):
        column.isNullable ? nil : .validateNotNull(tableID, column.id)
      case (.validateNotNull, .constraint(let constraint)):
        constraint.rule.columns.first.map { .validateNotNull(tableID, $0) }
      case (.validateCheck, .constraint(let constraint)): .validateCheck(tableID, constraint.id)
      case (.validateForeignKey, .constraint(let constraint)): .validateForeignKey(tableID, constraint.id)
      case (.backfill, _), (.validateIndex, _), (.validateNotNull, _), (.validateCheck, _), (.validateForeignKey, _),
        (.fill, _):
        nil
      }
    }
  }
}

import Basics
import Catalog

/// The schema changes of one transaction as they add up: each is planned against the catalog that those before it leave, and
/// none is visible to anybody else until all of them are.
///
/// The gateway keeps one to answer the transaction's own statements, the metadata leader makes one again from the same
/// statements when the transaction commits, against the catalog then in force, and derives the plan from it.
public struct SchemaDraft: Sendable {
  /// The catalog in force, without the changes.
  public let base: CatalogState
  /// With them, as if they were done.
  public private(set) var catalog: CatalogState
  public private(set) var statements: [SchemaStatement] = []
  private(set) var plans: [Plan] = []
  private(set) var context: PlanningContext
  /// What the statement that came last would go through if it were alone, as far as it has to do with rows of tables that the
  /// draft itself creates.
  public private(set) var lastSteps: [DraftStep] = []

  /// Ids from here on are those of a draft that nobody else knows. Those of tables fit where PostgreSQL's clients expect the number
  /// of a relation; no others get so far (`SchemaLimits.maximumTableID`).
  public static let firstProvisionalTable = TableID(rawValue: SchemaLimits.maximumTableID + 1)
  public static let firstProvisionalRange = RangeID(rawValue: 1 << 62)

  /// - Parameter context: with the catalog in force.
  init(_ context: PlanningContext) {
    self.context = context
    base = context.catalog
    catalog = context.catalog
  }

  /// Of a gateway: what comes into being has provisional ids and no place yet.
  public init(catalog: CatalogState, databaseID: DatabaseID) {
    self.init(
      PlanningContext(
        catalog: catalog, databaseID: databaseID, nextTableID: Self.firstProvisionalTable,
        nextRangeID: Self.firstProvisionalRange, storageNodes: [NodeID(0)], replicationFactor: 1))
  }

  public static func isProvisional(_ range: RangeID) -> Bool { range >= firstProvisionalRange }
  public static func isProvisional(_ table: TableID) -> Bool { table >= firstProvisionalTable }

  /// Adds a statement. Throws what the client is to see, and is as before then.
  public mutating func apply(_ statement: SchemaStatement) throws(SQLError) -> (commandTag: String, notices: [String]) {
    guard statements.count < SchemaLimits.maximumStatementsPerTransaction else {
      throw SQLError(
        .programLimitExceeded,
        "a transaction can have at most \(SchemaLimits.maximumStatementsPerTransaction) schema changes")
    }
    switch statement {
    case .undrop: throw SQLError.unsupported("UNDROP in a transaction block")
    case .revertJob: throw SQLError.unsupported("REVERT JOB in a transaction block")
    case .database(let change) where change.needsOwnTransaction:
      throw SQLError(.activeTransaction, "\(change.commandTag) cannot run inside a transaction block")
    default: break
    }
    var planner = Planner(context)
    planner.context.catalog = catalog
    let plan = try planner.plan(statement)
    var after = catalog
    var steps: [DraftStep] = []
    for stage in plan.stages {
      let before = after
      do { try after.apply(stage) } catch {
        throw SQLError(.internalError, "stage \"\(stage.name)\" does not fit the catalog", detail: "\(error)")
      }
      let step = DraftStep(stage, from: before, to: after)
      if step.concernsRows { steps.append(step) }
    }
    lastSteps = steps
    catalog = after
    context = planner.context
    statements.append(statement)
    plans.append(plan)
    return (plan.commandTag, plan.notices)
  }

  /// What the transaction's own statements can use: an index that has still to be built is none for them.
  public func visibleCatalog() -> CatalogState {
    var stage = PlanStage(name: "", changes: [])
    for id in changedTables {
      guard let table = catalog.table(id: id) else { continue }
      if let enumeration = table.enumeration {
        // A new label is good for nothing before everybody knows it.
        let known = Set(base.table(id: id)?.enumeration?.values.map(\.id) ?? [])
        let added = enumeration.values.filter { !known.contains($0.id) }
        guard !added.isEmpty else { continue }
        stage.changes.append(
          PlannedTableChange(tableID: id, edits: added.map { .setEnumValueState($0.id, .deleteOnly) }))
        continue
      }
      let unbuilt = table.indexes.dropFirst().filter { Self.isProvisional($0.rangeID) }
      guard !unbuilt.isEmpty else { continue }
      stage.changes.append(
        PlannedTableChange(tableID: id, edits: unbuilt.map { .setIndexState($0.id, .backfilling) }))
    }
    var visible = catalog
    // Edits of states that are there always fit.
    try? visible.apply(stage)
    return visible
  }

  /// Tables whose rows will be others when the transaction commits: it cannot read them itself.
  public var unreadableTables: Set<TableID> {
    Set(changedTables.filter { catalog.table(id: $0).map { Self.isProvisional($0.primaryIndex.rangeID) } ?? false })
      .union(filledColumns.keys)
  }

  /// Columns whose values rows of before will have when the transaction commits, as they were added.
  var filledColumns: [TableID: [ColumnDescriptor]] {
    var found: [TableID: [ColumnDescriptor]] = [:]
    for change in plans.flatMap(\.stages).flatMap(\.changes) where base.table(id: change.tableID) != nil {
      for case .addColumn(let column) in change.edits where column.isFilled {
        found[change.tableID, default: []].append(column)
      }
    }
    return found
  }

  /// Whether rows of before will take numbers of a sequence that the transaction creates: so they come from others than its own
  /// statements.
  public func fillsRows(from sequence: TableID) -> Bool {
    filledColumns.values.contains { $0.contains { $0.sequences.contains(sequence) } }
  }

  /// The same changes on another catalog. Throws 40001 when a table they concern is no longer what they were made for.
  public func rebased(on newBase: CatalogState) throws(SQLError) -> SchemaDraft {
    try requireUnchanged(in: newBase)
    var context = context
    context.catalog = newBase
    context.nextTableID = Self.firstProvisionalTable
    context.nextRangeID = Self.firstProvisionalRange
    var draft = SchemaDraft(context)
    for statement in statements { _ = try draft.apply(statement) }
    return draft
  }

  /// The statements as one, for the metadata leader.
  public var transaction: SchemaTransaction {
    SchemaTransaction(
      statements: statements,
      versions: changedTables.compactMap { id in
        base.table(id: id).map { SchemaTransaction.Version(table: id, version: $0.version) }
      })
  }

  /// What was there before and is concerned, ascending.
  public var changedTables: [TableID] {
    Set(plans.flatMap(\.tables)).filter { base.table(id: $0) != nil }.sorted()
  }

  /// What is there only with the changes, ascending.
  public var createdTables: [TableDescriptor] {
    Set(plans.flatMap(\.tables)).sorted().compactMap { base.table(id: $0) == nil ? catalog.table(id: $0) : nil }
  }

  /// Of those, ascending.
  public var createdIDs: [TableID] {
    Set(plans.flatMap(\.tables)).sorted().filter(Self.isProvisional)
  }

  /// Whether a table that was there before stays as it is, but that new tables refer to it.
  public func isOnlyReferredTo(_ id: TableID) -> Bool {
    guard let before = base.table(id: id), var after = catalog.table(id: id) else { return false }
    let known = Set(before.referencedBy)
    guard after.referencedBy.allSatisfy({ known.contains($0) || Self.isProvisional($0.table) }),
      before.referencedBy.allSatisfy(after.referencedBy.contains)
    else { return false }
    after.referencedBy = before.referencedBy
    after.version = before.version
    after.commitFloor = before.commitFloor
    return after == before
  }

  /// Tables that were there before and whose rows the transaction may write: they stay as they are for others until the entry that
  /// makes all changes visible, and rows written with their schema as it was still fit then.
  public func writableTables() throws(SQLError) -> Set<TableID> {
    let plan = try combined()
    var writable: Set<TableID> = []
    for id in changedTables {
      let isAtOnce = plan.stages.enumerated().allSatisfy { position, stage in
        stage.changes.allSatisfy { change in
          change.tableID != id || position == plan.visibleStage && change.floor != .current
        } && stage.work.allSatisfy { $0.tableID != id }
      }
      if isAtOnce && catalog.table(id: id) != nil || isOnlyReferredTo(id) { writable.insert(id) }
    }
    return writable
  }

  private func requireUnchanged(in catalog: CatalogState) throws(SQLError) {
    try transaction.requireUnchanged(in: catalog)
  }
}

/// A stage of a statement, where tables are concerned that the same transaction creates: nobody but the transaction has rows of
/// theirs, so it does itself, at once, what a job has done by storage nodes.
public struct DraftStep: Sendable {
  /// As the stage leaves it.
  public let catalog: CatalogState
  /// With rows of tables that the draft creates; in this order.
  public let work: [StageWork]
  /// What is in them is gone with the stage.
  public let retiredRanges: [RangeDescriptor]

  fileprivate init(_ stage: PlanStage, from before: CatalogState, to catalog: CatalogState) {
    self.catalog = catalog
    work = stage.work.filter { $0.tableID.map { SchemaDraft.isProvisional($0) } ?? false }
    retiredRanges = stage.retiredRanges.filter { SchemaDraft.isProvisional($0) }.compactMap { before.range(id: $0) }
  }

  fileprivate var concernsRows: Bool { !work.isEmpty || !retiredRanges.isEmpty }
}

/// The schema changes of one transaction, in the order in which they were made.
public struct SchemaTransaction: Hashable, Sendable {
  public struct Version: Hashable, Sendable {
    public var table: TableID
    public var version: TableVersion

    public init(table: TableID, version: TableVersion) {
      self.table = table
      self.version = version
    }
  }

  public var statements: [SchemaStatement]
  /// The tables concerned that were there before, as the transaction saw them; ascending.
  public var versions: [Version]

  public init(statements: [SchemaStatement], versions: [Version]) {
    self.statements = statements
    self.versions = versions
  }

  /// Throws 40001 when a table is no longer what the transaction saw.
  func requireUnchanged(in catalog: CatalogState) throws(SQLError) {
    for expected in versions where catalog.table(id: expected.table)?.version != expected.version {
      let name = catalog.table(id: expected.table)?.name
      throw SQLError(
        .serializationFailure, "could not change the schema due to a concurrent schema change",
        detail: name.map { "Table \"\($0)\" was changed since the transaction first saw it." }
          ?? "A table of the transaction was dropped.",
        hint: "Try the transaction again.", tableName: name)
    }
  }
}

extension CatalogState {
  /// As if the stage's entry came next; for looking ahead only.
  mutating func apply(_ stage: PlanStage) throws {
    try apply(try stage.entry(in: self, timestamp: Timestamp(rawValue: timestamp.rawValue &+ 1)))
  }
}

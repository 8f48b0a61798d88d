import Basics
import Catalog

/// How a statement gets done: stages that are done one after the other. Plain data, kept in the job, so that a new leader
/// goes on with exactly this plan.
public struct Plan: Hashable, Sendable {
  /// What the client is told at the end, e.g. `CREATE INDEX`.
  public var commandTag: String
  /// What it concerns, ascending: jobs on one table run in order.
  public var tables: [TableID]
  /// Empty: nothing to do (`IF EXISTS`).
  public var stages: [PlanStage]
  /// The stage whose entry makes the change visible. Before it the job can turn back; from it on it only goes on.
  public var visibleStage: Int
  /// What it adds, for the way back.
  public var additions: [PlannedAddition]
  public var notices: [String]

  public init(
    commandTag: String, tables: [TableID] = [], stages: [PlanStage] = [], visibleStage: Int = 0,
    additions: [PlannedAddition] = [], notices: [String] = []
  ) {
    self.commandTag = commandTag
    self.tables = tables
    self.stages = stages
    self.visibleStage = visibleStage
    self.additions = additions
    self.notices = notices
  }

  /// One entry and nothing else to do or wait for.
  public var isInstant: Bool { stages.count == 1 && !stages[0].waitsForBarrier && stages[0].work.isEmpty }
}

public struct PlanStage: Hashable, Sendable {
  /// For people: `index t_a_idx: absent -> deleteOnly`.
  public var name: String
  /// Ascending by table, each once.
  public var changes: [PlannedTableChange]
  public var newRanges: [RangeDescriptor]
  /// Nobody can reach them after this stage; their data goes after the retention time.
  public var retiredRanges: [RangeID]
  /// Retired by an earlier job; with this stage they are reached again.
  public var restoredRanges: [RangeID] = []
  /// Before the work of this stage, and before the next stage, every live session has to have caught up.
  public var waitsForBarrier: Bool
  public var work: [StageWork]
  /// Ascending, each once.
  public var namespaceChanges: [PlannedNamespaceChange]
  public var databaseChanges: [PlannedDatabaseChange]

  public init(
    name: String, changes: [PlannedTableChange], newRanges: [RangeDescriptor] = [], retiredRanges: [RangeID] = [],
    waitsForBarrier: Bool = false, work: [StageWork] = [], namespaceChanges: [PlannedNamespaceChange] = [],
    databaseChanges: [PlannedDatabaseChange] = []
  ) {
    self.name = name
    self.changes = changes
    self.newRanges = newRanges
    self.retiredRanges = retiredRanges
    self.waitsForBarrier = waitsForBarrier
    self.work = work
    self.namespaceChanges = namespaceChanges
    self.databaseChanges = databaseChanges
  }
}

public struct PlannedTableChange: Hashable, Sendable {
  public var tableID: TableID
  public var edits: [DescriptorEdit]
  public var floor: FloorRule

  public init(tableID: TableID, edits: [DescriptorEdit], floor: FloorRule = .unchanged) {
    self.tableID = tableID
    self.edits = edits
    self.floor = floor
  }

  /// The change as it stands in an entry, against the table in force.
  public func change(in catalog: CatalogState) throws(PlanConflict) -> TableChange {
    let before = catalog.table(id: tableID)
    var after = before
    for edit in edits { try edit.apply(to: &after) }
    // A table that comes back goes on counting where it was.
    let created = before == nil ? after?.version ?? .none : .none
    let from = before?.version ?? (created > .none ? TableVersion(created.rawValue - 1) : .none)
    let oldFloor = before?.commitFloor ?? TableVersion(rawValue: 1)
    let to = from.next
    let floor =
      switch self.floor {
      case .unchanged: oldFloor
      case .previous: max(oldFloor, from)
      case .current: to
      }
    after?.version = to
    after?.commitFloor = floor
    return TableChange(tableID: tableID, from: from, to: to, commitFloor: floor, descriptor: after)
  }
}

/// Something to be done with existing rows once a stage's entry is applied; one after the other.
public enum StageWork: Hashable, Sendable {
  /// Writes the entries of all rows as of the stage's effective timestamp.
  case backfill(TableID, IndexID)
  /// At a timestamp taken when it starts.
  case validateIndex(TableID, IndexID)
  case validateNotNull(TableID, ColumnID)
  case validateCheck(TableID, ConstraintID)
  /// Of the table that refers.
  case validateForeignKey(TableID, ConstraintID)
  /// The rows of the job's transaction: commits or rolls back its primary key (`JobHold`).
  case settle
  /// Gives rows the values of all columns on their way in (`ColumnDescriptor.isFilled`), as of the stage's effective timestamp.
  case fill(TableID)

  /// Nil: not the rows of one table.
  public var tableID: TableID? {
    switch self {
    case .backfill(let table, _), .validateIndex(let table, _), .validateNotNull(let table, _),
      .validateCheck(let table, _), .validateForeignKey(let table, _), .fill(let table):
      table
    case .settle: nil
    }
  }

  /// Whether it writes, below whatever clients write meanwhile.
  public var isBackfill: Bool {
    switch self {
    case .backfill, .fill: true
    case .validateIndex, .validateNotNull, .validateCheck, .validateForeignKey, .settle: false
    }
  }
}

public enum PlannedAddition: Hashable, Sendable {
  case index(TableID, IndexID)
  case column(TableID, ColumnID)
  case constraint(TableID, ConstraintID)
  /// The constraint was there, for new rows only.
  case validation(TableID, ConstraintID)
  /// Of a table that is not there yet.
  case range(RangeID)
  /// A sequence that rows take numbers of before anybody sees them.
  case sequence(TableID)
  case enumValue(TableID, EnumValueID)
}

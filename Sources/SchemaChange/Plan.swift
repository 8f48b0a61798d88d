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
  /// Before the work of this stage, and before the next stage, every live session has to have caught up.
  public var waitsForBarrier: Bool
  public var work: [StageWork]

  public init(
    name: String, changes: [PlannedTableChange], newRanges: [RangeDescriptor] = [], retiredRanges: [RangeID] = [],
    waitsForBarrier: Bool = false, work: [StageWork] = []
  ) {
    self.name = name
    self.changes = changes
    self.newRanges = newRanges
    self.retiredRanges = retiredRanges
    self.waitsForBarrier = waitsForBarrier
    self.work = work
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
    let from = before?.version ?? .none
    let oldFloor = before?.commitFloor ?? TableVersion(rawValue: 1)
    let floor =
      switch self.floor {
      case .unchanged: oldFloor
      case .previous: max(oldFloor, from)
      case .current: from.next
      }
    after?.version = from.next
    after?.commitFloor = floor
    return TableChange(tableID: tableID, from: from, to: from.next, commitFloor: floor, descriptor: after)
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

  public var tableID: TableID {
    switch self {
    case .backfill(let table, _), .validateIndex(let table, _), .validateNotNull(let table, _),
      .validateCheck(let table, _), .validateForeignKey(let table, _):
      table
    }
  }
}

public enum PlannedAddition: Hashable, Sendable {
  case index(TableID, IndexID)
  case column(TableID, ColumnID)
  case constraint(TableID, ConstraintID)
  /// The constraint was there, for new rows only.
  case validation(TableID, ConstraintID)
}

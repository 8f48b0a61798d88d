import Basics
import Catalog

@testable import SchemaChange

/// A plan for people, with the names of things for their numbers, and the way back from each of its stages.
struct PlanText {
  private(set) var lines: [String] = []
  /// Ways back that end elsewhere than where the plan began.
  private(set) var defects: [String] = []

  /// - Parameter isHeld: rows of the same transaction are committed with it.
  init(_ plan: Plan, in catalog: CatalogState, isHeld: Bool = false) throws {
    guard !plan.stages.isEmpty else {
      lines = ["\(plan.commandTag): nothing to do"]
      return
    }
    lines = [
      plan.isInstant
        ? "\(plan.commandTag): one entry"
        : "\(plan.commandTag): \(plan.stages.count) stages, visible with stage \(plan.visibleStage + 1)"
    ]
    var catalog = catalog
    let before = Self.content(of: catalog)
    for (position, stage) in plan.stages.enumerated() {
      lines.append("")
      lines += try Self.describe(stage, position, &catalog)
      guard position < plan.visibleStage else { continue }
      let rollback = plan.rollback(in: catalog)
      let back = isHeld ? rollback.settlingFirst() : rollback
      lines.append("   back from here:")
      var undone = catalog
      for (position, stage) in back.stages.enumerated() {
        lines += try Self.describe(stage, position, &undone).map { "   " + $0 }
      }
      if Self.content(of: undone) != before { defects.append("back from stage \(position + 1)") }
    }
  }

  private static func describe(_ stage: PlanStage, _ position: Int, _ catalog: inout CatalogState) throws -> [String] {
    let before = catalog
    try catalog.apply(stage)
    var lines: [String] = []
    for change in stage.changes {
      let (old, new) = (before.table(id: change.tableID), catalog.table(id: change.tableID))
      lines += TableDifferences.sentences(from: old, to: new).map { named($0, before, catalog) }
      guard let name = old?.name, new != nil else { continue }
      if change.floor != .unchanged { lines.append("commit floor of \(name): the \(change.floor) version") }
    }
    if !stage.newRanges.isEmpty { lines.append("new ranges: \(stage.newRanges.count)") }
    if !stage.retiredRanges.isEmpty { lines.append("ranges no longer used: \(stage.retiredRanges.count)") }
    if stage.waitsForBarrier { lines.append("wait until every session has caught up") }
    lines += stage.work.map { title($0, catalog) }
    return ["\(position + 1). \(stage.withoutRangeNumbers)"] + lines.map { "     " + $0 }
  }

  /// Tables by their names.
  private static func named(_ sentence: String, _ catalogs: CatalogState...) -> String {
    let tables = catalogs.flatMap { $0.tables + $0.sequences }.sorted { $0.id > $1.id }
    return tables.reduce(sentence) { $0.replacing("table #\($1.id)", with: "table \($1.name)") }
  }

  private static func title(_ work: StageWork, _ catalog: CatalogState) -> String {
    guard let table = work.tableID.flatMap({ catalog.table(id: $0) }) else { return work.title }
    func index(_ id: IndexID) -> String {
      guard let index = table.index(id) else { return "?" }
      return index.replaces.flatMap { table.index($0)?.name }.map { "the copy of index \($0)" } ?? "index \(index.name)"
    }
    func constraint(_ id: ConstraintID) -> String { table.constraint(id).map { table.displayName(of: $0) } ?? "?" }
    return switch work {
    case .backfill(_, let id): "backfill \(index(id))"
    case .validateIndex(_, let id): "validate \(index(id))"
    case .validateNotNull(_, let id): "validate that no row of \(table.name) lacks \(table.column(id)?.name ?? "?")"
    case .validateCheck(_, let id): "validate constraint \(constraint(id))"
    case .validateForeignKey(_, let id): "validate foreign key \(constraint(id))"
    case .fill: "give rows of \(table.name) the values of new columns"
    case .settle: work.title
    }
  }

  /// What a change taken back has to leave as it was; numbers given and versions gone through do not come back.
  private static func content(of catalog: CatalogState) -> [TableDescriptor] {
    (catalog.tables + catalog.sequences).map { table in
      var table = table
      table.version = .none
      table.commitFloor = .none
      table.nextColumnID = ColumnID(0)
      table.nextIndexID = IndexID(0)
      table.nextConstraintID = ConstraintID(0)
      table.enumeration?.nextValueID = EnumValueID(0)
      return table
    }
  }
}

extension PlanStage {
  fileprivate var withoutRangeNumbers: String {
    name.split(separator: ", ", omittingEmptySubsequences: false).map { part in
      part.hasPrefix("range ") ? "range" + part.dropFirst(6).drop(while: \.isNumber) : String(part)
    }.joined(separator: ", ")
  }
}

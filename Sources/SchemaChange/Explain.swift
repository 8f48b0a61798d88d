import Basics
import Catalog

extension Plan {
  /// The lines of `EXPLAIN (DDL)`.
  public var explanation: [String] {
    guard !stages.isEmpty else { return ["\(commandTag): nothing to do"] }
    var lines = ["\(commandTag): \(isInstant ? "instant, one schema entry" : "\(stages.count) schema entries")"]
    for (position, stage) in stages.enumerated() {
      lines.append("stage \(position + 1)\(position == visibleStage ? " (visible)" : ""): \(stage.name)")
      for change in stage.changes where change.floor != .unchanged {
        lines.append("  table \(change.tableID): commit floor becomes the \(change.floor) version")
      }
      for range in stage.newRanges {
        lines.append("  new range \(range.id) on nodes \(range.replicas.map(\.description).joined(separator: ", "))")
      }
      for range in stage.restoredRanges { lines.append("  range \(range) is kept and used again") }
      for range in stage.retiredRanges { lines.append("  range \(range) is deleted after the retention time") }
      if stage.waitsForBarrier { lines.append("  wait until every session has caught up") }
      for work in stage.work { lines.append("  \(work.title)") }
    }
    return lines
  }

  /// The stages in words, each against the catalog that the ones before it leave.
  public func explained(in catalog: CatalogState) -> [StageExplanation] {
    var catalog = catalog
    return stages.enumerated().map { position, stage in
      var result = StageExplanation(
        title: "stage \(position + 1)\(position == visibleStage ? " (visible)" : ""): \(stage.name)")
      let entry = try? stage.entry(in: catalog, timestamp: Timestamp(rawValue: catalog.timestamp.rawValue &+ 1))
      for change in entry?.namespaceChanges ?? [] {
        result.lines += change.sentences(from: catalog.namespace(id: change.id))
      }
      for change in entry?.databaseChanges ?? [] {
        result.lines += change.sentences(from: catalog.database(id: change.id))
      }
      for change in entry?.changes ?? [] {
        let before = catalog.table(id: change.tableID)
        result.lines += TableDifferences.sentences(from: before, to: change.descriptor)
        if let before, change.commitFloor > before.commitFloor, change.descriptor != nil {
          result.lines.append(
            "commit floor of table \(before.name) becomes version \(change.commitFloor): who wrote with an older one is refused"
          )
        }
      }
      for range in stage.newRanges {
        result.lines.append(
          "new range \(range.id) on nodes \(range.replicas.map(\.description).joined(separator: ", "))")
      }
      for range in stage.retiredRanges {
        result.lines.append("range \(range) is deleted after the retention time")
      }
      // A stage that does not fit (it always does) leaves the catalog as it is.
      if let entry { try? catalog.apply(entry) }
      if stage.waitsForBarrier { result.barrierTables = stage.changes.map(\.tableID) }
      result.work = stage.work.compactMap { work in
        work.tableID.flatMap { catalog.table(id: $0) }.map {
          WorkExplanation(work: work, table: $0, referencedTable: work.referencedTable(of: $0, in: catalog))
        }
      }
      return result
    }
  }

  /// The way back from the catalog in force.
  public func rollback(in catalog: CatalogState) -> Plan { StageBuilder.rollback(of: self, in: catalog) }
}

extension StageWork {
  /// Where the rows are that a foreign key refers to; nil for other work.
  public func referencedTable(of table: TableDescriptor, in catalog: CatalogState) -> TableDescriptor? {
    guard case .validateForeignKey(_, let id) = self, case .foreignKey(let rule)? = table.constraint(id)?.rule else {
      return nil
    }
    return catalog.table(id: rule.referencedTable)
  }

  public var title: String {
    switch self {
    case .backfill(_, let index): "backfill index \(index)"
    case .validateIndex(_, let index): "validate index \(index)"
    case .validateNotNull(_, let column): "validate that no row lacks column \(column)"
    case .validateCheck(_, let constraint): "validate constraint \(constraint)"
    case .validateForeignKey(_, let constraint): "validate foreign key \(constraint)"
    case .settle: "end the locks of the transaction's rows"
    case .fill(let table): "give rows of table \(table) the values of new columns"
    }
  }
}

/// One stage of a plan that is only explained.
public struct StageExplanation: Hashable, Sendable {
  public var title: String
  /// What becomes readable or writable, commit floors, ranges.
  public var lines: [String] = []
  /// Whose users are waited for; empty: nobody is.
  public var barrierTables: [TableID] = []
  public var work: [WorkExplanation] = []
}

public struct WorkExplanation: Hashable, Sendable {
  public var work: StageWork
  /// As the stage leaves it.
  public var table: TableDescriptor
  /// Of a foreign key: the table that it refers to.
  public var referencedTable: TableDescriptor?
}

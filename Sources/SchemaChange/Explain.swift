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
      for range in stage.retiredRanges { lines.append("  range \(range) is deleted after the retention time") }
      if stage.waitsForBarrier { lines.append("  wait until every session has caught up") }
      for work in stage.work { lines.append("  \(work.title)") }
    }
    return lines
  }

  /// The way back from the catalog in force.
  public func rollback(in catalog: CatalogState) -> Plan { StageBuilder.rollback(of: self, in: catalog) }
}

extension StageWork {
  public var title: String {
    switch self {
    case .backfill(_, let index): "backfill index \(index)"
    case .validateIndex(_, let index): "validate index \(index)"
    case .validateNotNull(_, let column): "validate that no row lacks column \(column)"
    case .validateCheck(_, let constraint): "validate constraint \(constraint)"
    }
  }
}

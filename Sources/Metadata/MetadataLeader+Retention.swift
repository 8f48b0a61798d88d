import Basics
import Catalog
import SchemaChange

extension MetadataLeader {
  /// Of one entry.
  static let maximumRangesRemoved = 100
  static let maximumWaysForgotten = 20

  /// What was dropped longer ago than the retention time goes for good: ranges leave the catalog (storage nodes then delete
  /// them), columns their tables, ways back the state.
  ///
  /// A column goes from *write-only* to *absent* in one entry: nobody has read it for long, no index holds it, and what writers of
  /// the version before leave of it in rows is never read.
  mutating func removeExpired(into effects: inout [Effect]) {
    guard ceiling == nil else { return }
    let retention = options.rangeRetentionMilliseconds
    let now = wallMilliseconds
    var ranges: [RangeID] = []
    speculative.retiredRanges.forEach { range, since in
      if since &+ retention <= now { ranges.append(range) }
      return ranges.count < Self.maximumRangesRemoved
    }
    var ways: [WayBack] = []
    speculative.waysBack.forEach { _, way in
      // A job under way on one of its tables may be about to bring something back.
      if way.hasEnded, way.finishedMilliseconds &+ retention <= now, !coordinator.isBlocked(way.tables.map(\.id)) {
        ways.append(way)
      }
      return ways.count < Self.maximumWaysForgotten
    }
    guard !ranges.isEmpty || !ways.isEmpty else { return }
    var planned: [TableID: PlannedTableChange] = [:]
    for (table, columns) in speculative.waysBack.columnsRetained(only: ways, in: speculative.catalog) {
      planned[table] = PlannedTableChange(
        tableID: table, edits: columns.map { .removeColumn($0) }, floor: .previous)
    }
    var entry: SchemaEntry?
    if !ranges.isEmpty || !planned.isEmpty {
      let stage = PlanStage(name: "", changes: planned.values.sorted { $0.tableID < $1.tableID })
      // Edits of columns that are there always fit.
      entry = try? stage.entry(
        in: speculative.catalog, timestamp: oracle.entryTimestamp(after: nil, wallMilliseconds: wallMilliseconds))
      entry?.removedRanges = ranges
    }
    var step = SchemaStep(
      entry: entry, nextTableID: speculative.nextTableID, nextRangeID: speculative.nextRangeID,
      wallMilliseconds: wallMilliseconds)
    step.forgottenWaysBack = ways.map(\.job)
    propose(.change(step), into: &effects)
  }

  /// What can be brought back, newest first, with the time until which it can.
  public var droppedObjects: [(object: DroppedObject, untilMilliseconds: UInt64)] {
    applied.waysBack.droppedObjects(in: applied.catalog).map {
      ($0, $0.droppedMilliseconds &+ options.rangeRetentionMilliseconds)
    }
  }
}

import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// A query that reads one entry by its whole key and yields columns of it: what most statements of most applications are.
///
/// Made once for a plan; running it takes a key and one get (`Session+PointRead`).
struct PointRead {
  private enum KeyPart {
    case constant(Datum)
    case parameter(Int)
  }

  let table: TableID
  let range: RangeID
  /// Of the values yielded.
  let types: [SQLType]
  private let keyPrefix: [UInt8]
  private let parts: [(part: KeyPart, isDescending: Bool)]
  private let layout: KeyValue.RowLayout
  private let output: [Int]

  /// Nil for every other plan.
  init?(_ plan: StatementPlan) {
    guard case .query(.scan(let scan)) = plan.action, plan.preliminaryQueries.isEmpty, plan.catalogIndex == nil,
      plan.tables.count == 1, plan.tables[0].tableID == scan.table.id, let columns = plan.resultColumns,
      scan.isPointLookup, scan.ranges.count == 1, scan.filter == nil, scan.lookup == nil, scan.limit == nil
    else { return nil }
    let index = scan.index
    var parts: [(part: KeyPart, isDescending: Bool)] = []
    for (expression, column) in zip(scan.ranges[0].equal, index.keyColumns) {
      switch expression {
      case .constant(let value, _): parts.append((.constant(value), column.isDescending))
      case .parameter(let position, _): parts.append((.parameter(position), column.isDescending))
      default: return nil
      }
    }
    table = scan.table.id
    range = index.rangeID
    types = columns.map(\.type)
    keyPrefix = KeyEncoding.prefix(table: table, index: index.id)
    self.parts = parts
    layout = KeyValue.RowLayout(table: scan.table, columnIDs: scan.columns)
    output = scan.output
  }

  /// Nil when a value is NULL: no entry is equal to it.
  func key(_ parameters: [Datum]) -> [UInt8]? {
    var key = keyPrefix
    key.reserveCapacity(keyPrefix.count + 24)
    for (part, isDescending) in parts {
      let value: Datum
      switch part {
      case .constant(let datum): value = datum
      case .parameter(let position):
        guard position < parameters.count else { return nil }
        value = parameters[position]
      }
      if value.isNull { return nil }
      KeyEncoding.append(value, isDescending: isDescending, to: &key)
    }
    return key
  }

  func row(_ record: [UInt8]) throws(MalformedBytes) -> [Datum] {
    let row = try layout.decode(record)
    return output.map { row[$0] }
  }
}

import Basics
import Catalog
import SQLValues

/// Which columns of a stored row are wanted and in which order: prepared once, used for every row.
public struct RowLayout: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public var id: ColumnID
    public var type: SQLType
    /// What a row that lacks the column reads.
    public var missingValue: Datum

    public init(id: ColumnID, type: SQLType, missingValue: Datum) {
      self.id = id
      self.type = type
      self.missingValue = missingValue
    }
  }

  public let columns: [Column]
  /// Wanted ids ascending, with their positions in `columns`.
  private let wanted: [Wanted]
  private let missing: [Datum]

  private struct Wanted: Hashable, Sendable {
    let id: UInt64
    let position: Int
  }

  public init(columns: [Column]) {
    self.columns = columns
    wanted = columns.enumerated().map { Wanted(id: $0.element.id.rawValue, position: $0.offset) }
      .sorted { ($0.id, $0.position) < ($1.id, $1.position) }
    missing = columns.map(\.missingValue)
  }

  /// Of the descriptor's columns with these ids; ids it does not have are read as NULL.
  public init(table: TableDescriptor, columnIDs: [ColumnID]) {
    self.init(
      columns: columnIDs.map { id in
        let column = table.column(id)
        return Column(id: id, type: column?.type ?? .unknown, missingValue: column?.missingValue ?? .null)
      })
  }

  /// The values of a row record (`RowRecord`) in the order of `columns`, into `row` (replaced).
  public func decode(_ record: Span<UInt8>, into row: inout [Datum]) throws(MalformedBytes) {
    if row.count == missing.count {
      for index in missing.indices { row[index] = missing[index] }
    } else {
      row = missing
    }
    var position = 0
    _ = try SpanReading.varint(record, &position)
    var id: UInt64 = 0
    var next = 0
    let wantedCount = wanted.count
    while next < wantedCount, position < record.count {
      let step = try SpanReading.varint(record, &position)
      let (sum, overflow) = id.addingReportingOverflow(step)
      guard !overflow, step > 0 else { throw MalformedBytes("column ids do not ascend", at: position) }
      id = sum
      while next < wantedCount, wanted[next].id < id { next &+= 1 }
      guard next < wantedCount, wanted[next].id == id else {
        try Datum.skip(record, at: &position)
        continue
      }
      let value = try Datum.decode(record, at: &position)
      while next < wantedCount, wanted[next].id == id {
        row[wanted[next].position] = value
        next &+= 1
      }
    }
  }

  public func decode(_ record: [UInt8]) throws(MalformedBytes) -> [Datum] {
    var row: [Datum] = []
    try decode(record.span, into: &row)
    return row
  }
}

extension RowLayout {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVarint(UInt64(columns.count))
    for column in columns {
      writer.writeVarint(column.id.rawValue)
      column.type.encode(into: &writer)
      column.missingValue.encode(into: &writer)
    }
  }

  public static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> RowLayout {
    var columns: [Column] = []
    for _ in 0..<(try reader.readCount()) {
      columns.append(
        Column(
          id: ColumnID(try reader.readVarint()), type: try SQLType.decode(from: &reader),
          missingValue: try Datum.decode(from: &reader)))
    }
    return RowLayout(columns: columns)
  }
}

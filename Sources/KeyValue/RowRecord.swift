import Basics
import Catalog
import SQLValues

/// The value of a key: schema version (varint; 0 in secondary indexes), then for every column that is not NULL and
/// ascending by id the distance from the id before (varint) and the value (`Datum` codec).
///
/// A column whose missing value is not NULL writes its NULLs, so that they are told from rows older than the column.
public struct RowRecordEncoder: Sendable {
  private struct Source: Sendable {
    let id: UInt64
    let position: Int
    let writesNull: Bool
  }

  private let version: UInt64
  private let sources: [Source]

  /// `positions[i]` is where the value of `columns[i]` stands in the rows to come.
  public init(version: TableVersion, columns: [ColumnDescriptor], positions: [Int]) {
    self.version = version.rawValue
    sources = zip(columns, positions)
      .map { Source(id: $0.id.rawValue, position: $1, writesNull: !$0.missingValue.isNull) }
      .sorted { $0.id < $1.id }
  }

  /// Positions beyond the row count as NULL.
  public func append(_ row: [Datum], to writer: inout ByteWriter) {
    writer.writeVarint(version)
    var last: UInt64 = 0
    for source in sources {
      guard source.position < row.count else { continue }
      if row[source.position].isNull && !source.writesNull { continue }
      writer.writeVarint(source.id &- last)
      row[source.position].encode(into: &writer)
      last = source.id
    }
  }

  public func encode(_ row: [Datum]) -> [UInt8] {
    var writer = ByteWriter(capacity: 16 + sources.count * 8)
    append(row, to: &writer)
    return writer.bytes
  }
}

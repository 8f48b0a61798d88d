import Basics
import EventLoop
import PostgresProtocol
import SQLPlanner
import SQLValues

/// The rows of one statement on their way to the client.
///
/// Until something has been handed to the socket the statement can be run again: `reset` takes its rows back.
@EventLoopActor final class RowOutput {
  /// Rows held back until their statement has committed, at most (bytes).
  static let heldLimitBytes = 64 << 20

  private let client: ClientConnection
  private let formats: [ValueFormat]
  /// Simple queries describe their rows; portals have been described before.
  private let describesRows: Bool
  private var start: Int
  private var types: [SQLType] = []
  private var columnFormats: [ValueFormat] = []
  private(set) var hasFlushed = false
  private(set) var rowCount = 0

  init(_ client: ClientConnection, formats: [ValueFormat], describesRows: Bool) {
    self.client = client
    self.formats = formats
    self.describesRows = describesRows
    start = client.writer.count
  }

  /// Forgets rows that have not left yet.
  func reset() {
    guard !hasFlushed else { return }
    client.writer.bytes.removeSubrange(start...)
    rowCount = 0
  }

  func begin(_ columns: [ResultColumn]) {
    types = columns.map(\.type)
    columnFormats = columns.indices.map { Self.format(formats, at: $0) }
    if describesRows { client.writer.rowDescription(Self.fields(columns, formats)) }
  }

  func append(_ rows: ArraySlice<[Datum]>) {
    for row in rows {
      Self.write(row, types: types, formats: columnFormats, to: &client.writer)
      rowCount += 1
    }
  }

  /// `formats` as the client gave them: none for text, one for all columns, or one each.
  static func write(_ row: [Datum], types: [SQLType], formats: [ValueFormat], to writer: inout BackendWriter) {
    let start = writer.beginDataRow(columnCount: row.count)
    for (position, value) in row.enumerated() {
      if value.isNull {
        writer.null()
        continue
      }
      let type = position < types.count ? types[position] : .text
      let valueStart = writer.beginValue()
      switch format(formats, at: position) {
      case .text: value.writeText(as: type, into: &writer.bytes)
      case .binary: value.writeBinary(as: type, into: &writer.bytes)
      }
      writer.endValue(at: valueStart)
    }
    writer.endMessage(at: start)
  }

  /// For rows that may leave before the statement is over.
  func stream() async {
    guard client.isChunkFull else { return }
    hasFlushed = true
    await client.flushed()
    start = client.writer.count
  }

  /// For rows that may not.
  func hold() throws(SQLError) {
    if client.writer.count - start > Self.heldLimitBytes {
      throw SQLError(
        .programLimitExceeded, "the rows returned by the statement exceed \(Self.heldLimitBytes) bytes")
    }
  }

  static func format(_ formats: [ValueFormat], at position: Int) -> ValueFormat {
    switch formats.count {
    case 0: .text
    case 1: formats[0]
    default: position < formats.count ? formats[position] : .text
    }
  }

  static func fields(_ columns: [ResultColumn], _ formats: [ValueFormat]) -> [FieldDescription] {
    columns.enumerated().map { position, column in
      FieldDescription(
        name: column.name, tableID: UInt32(truncatingIfNeeded: column.tableID?.rawValue ?? 0),
        columnNumber: Int16(clamping: column.columnNumber ?? 0), typeID: column.type.oid,
        typeLengthBytes: column.type.size, typeModifier: column.type.typeModifier,
        format: format(formats, at: position))
    }
  }
}

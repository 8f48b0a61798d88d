import Basics

/// Appends server messages to one buffer, which the shell hands to the socket.
public struct BackendWriter: Sendable {
  public var bytes: [UInt8] = []

  public init() {}

  public var isEmpty: Bool { bytes.isEmpty }
  public var count: Int { bytes.count }

  /// Hands out what was written and starts afresh.
  public mutating func take() -> [UInt8] {
    var taken: [UInt8] = []
    swap(&taken, &bytes)
    return taken
  }

  @inline(__always)
  private mutating func message(_ kind: Unicode.Scalar, _ body: (inout BackendWriter) -> Void) {
    bytes.append(UInt8(truncatingIfNeeded: kind.value))
    let start = bytes.count
    write(0 as UInt32)
    body(&self)
    patchLength(at: start, UInt32(truncatingIfNeeded: bytes.count - start))
  }

  @inline(__always)
  private mutating func patchLength(at position: Int, _ value: UInt32) {
    bytes[position] = UInt8(truncatingIfNeeded: value >> 24)
    bytes[position + 1] = UInt8(truncatingIfNeeded: value >> 16)
    bytes[position + 2] = UInt8(truncatingIfNeeded: value >> 8)
    bytes[position + 3] = UInt8(truncatingIfNeeded: value)
  }

  private mutating func write(_ value: UInt16) {
    bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }

  private mutating func write(_ value: UInt32) {
    bytes.append(UInt8(truncatingIfNeeded: value >> 24))
    bytes.append(UInt8(truncatingIfNeeded: value >> 16))
    bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }

  /// A zero byte inside would end the string early for the client, so it is cut there.
  private mutating func write(_ text: String) {
    bytes.append(contentsOf: text.utf8.prefix { $0 != 0 })
    bytes.append(0)
  }
}

// MARK: - Session

extension BackendWriter {
  /// "No encryption": the answer to SSLRequest and GSSENCRequest, one bare byte.
  public mutating func refuseEncryption() { bytes.append(UInt8(ascii: "N")) }

  public mutating func authenticationOk() { message("R") { $0.write(0 as UInt32) } }

  public mutating func parameterStatus(_ name: String, _ value: String) {
    message("S") {
      $0.write(name)
      $0.write(value)
    }
  }

  public mutating func backendKeyData(processID: UInt32, secretKey: UInt32) {
    message("K") {
      $0.write(processID)
      $0.write(secretKey)
    }
  }

  /// The newest minor version spoken here, and the protocol options not known.
  public mutating func negotiateProtocolVersion(newestMinor: UInt32, unknownOptions: [String]) {
    message("v") {
      $0.write(newestMinor)
      $0.write(UInt32(truncatingIfNeeded: unknownOptions.count))
      for option in unknownOptions { $0.write(option) }
    }
  }

  public mutating func readyForQuery(_ status: TransactionStatusByte) {
    message("Z") { $0.bytes.append(status.rawValue) }
  }
}

/// What ReadyForQuery tells of the session's transaction.
public enum TransactionStatusByte: UInt8, Hashable, Sendable {
  /// No transaction block: `I`.
  case idle = 0x49
  /// In a transaction block: `T`.
  case inTransaction = 0x54
  /// In a failed transaction block; statements are refused until it ends: `E`.
  case failed = 0x45
}

// MARK: - Results

/// One column of a result as RowDescription shows it.
public struct FieldDescription: Hashable, Sendable {
  public var name: String
  /// 0 if the column is no plain column of a table.
  public var tableID: UInt32
  public var columnNumber: Int16
  public var typeID: UInt32
  /// Negative: variable.
  public var typeLengthBytes: Int16
  public var typeModifier: Int32
  public var format: ValueFormat

  public init(
    name: String, tableID: UInt32 = 0, columnNumber: Int16 = 0, typeID: UInt32, typeLengthBytes: Int16,
    typeModifier: Int32 = -1, format: ValueFormat = .text
  ) {
    self.name = name
    self.tableID = tableID
    self.columnNumber = columnNumber
    self.typeID = typeID
    self.typeLengthBytes = typeLengthBytes
    self.typeModifier = typeModifier
    self.format = format
  }
}

extension BackendWriter {
  public mutating func rowDescription(_ fields: [FieldDescription]) {
    message("T") {
      $0.write(UInt16(truncatingIfNeeded: fields.count))
      for field in fields {
        $0.write(field.name)
        $0.write(field.tableID)
        $0.write(UInt16(bitPattern: field.columnNumber))
        $0.write(field.typeID)
        $0.write(UInt16(bitPattern: field.typeLengthBytes))
        $0.write(UInt32(bitPattern: field.typeModifier))
        $0.write(UInt16(bitPattern: field.format.rawValue))
      }
    }
  }

  /// `body` appends exactly `columnCount` values with `value` or `null`.
  @inlinable
  public mutating func dataRow(
    columnCount: Int, _ body: (inout BackendWriter) throws(SQLError) -> Void
  ) throws(SQLError) {
    let start = beginDataRow(columnCount: columnCount)
    do throws(SQLError) {
      try body(&self)
    } catch {
      abandonMessage(at: start)
      throw error
    }
    endMessage(at: start)
  }

  public mutating func beginDataRow(columnCount: Int) -> Int {
    bytes.append(UInt8(ascii: "D"))
    let start = bytes.count
    write(0 as UInt32)
    write(UInt16(truncatingIfNeeded: columnCount))
    return start
  }

  public mutating func endMessage(at start: Int) {
    patchLength(at: start, UInt32(truncatingIfNeeded: bytes.count - start))
  }

  public mutating func abandonMessage(at start: Int) { bytes.removeSubrange((start - 1)...) }

  public mutating func null() { write(UInt32.max) }

  /// A value whose bytes `body` appends to the buffer it gets.
  @inlinable
  public mutating func value(_ body: (inout [UInt8]) throws(SQLError) -> Void) throws(SQLError) {
    let start = beginValue()
    try body(&bytes)
    endValue(at: start)
  }

  public mutating func beginValue() -> Int {
    let start = bytes.count
    write(0 as UInt32)
    return start
  }

  public mutating func endValue(at start: Int) {
    patchLength(at: start, UInt32(truncatingIfNeeded: bytes.count - start - 4))
  }

  public mutating func value(text: String) {
    let start = beginValue()
    bytes.append(contentsOf: text.utf8)
    endValue(at: start)
  }

  public mutating func commandComplete(_ tag: String) { message("C") { $0.write(tag) } }
  public mutating func emptyQueryResponse() { message("I") { _ in } }
  public mutating func portalSuspended() { message("s") { _ in } }
  public mutating func parseComplete() { message("1") { _ in } }
  public mutating func bindComplete() { message("2") { _ in } }
  public mutating func closeComplete() { message("3") { _ in } }
  public mutating func noData() { message("n") { _ in } }

  public mutating func parameterDescription(_ typeIDs: [UInt32]) {
    message("t") {
      $0.write(UInt16(truncatingIfNeeded: typeIDs.count))
      for typeID in typeIDs { $0.write(typeID) }
    }
  }
}

// MARK: - Errors and notices

/// How bad a report is: the `S` and `V` fields.
public enum ReportSeverity: String, Hashable, Sendable {
  case error = "ERROR"
  case fatal = "FATAL"
  case panic = "PANIC"
  case warning = "WARNING"
  case notice = "NOTICE"
  case debug = "DEBUG"
  case info = "INFO"
  case log = "LOG"
}

extension BackendWriter {
  public mutating func errorResponse(_ error: SQLError, severity: ReportSeverity = .error) {
    message("E") { $0.report(error, severity) }
  }

  public mutating func noticeResponse(_ notice: SQLError, severity: ReportSeverity = .notice) {
    message("N") { $0.report(notice, severity) }
  }

  /// A notice with no more than its text (SQLSTATE 00000).
  public mutating func notice(_ text: String) { noticeResponse(SQLError(SQLState("00000"), text)) }

  private mutating func report(_ error: SQLError, _ severity: ReportSeverity) {
    reportField("S", severity.rawValue)
    reportField("V", severity.rawValue)
    reportField("C", error.state.code)
    reportField("M", error.message)
    reportField("D", error.detail)
    reportField("H", error.hint)
    reportField("P", error.position.map(String.init))
    if error.tableName != nil { reportField("s", "public") }
    reportField("t", error.tableName)
    reportField("c", error.columnName)
    reportField("n", error.constraintName)
    bytes.append(0)
  }

  private mutating func reportField(_ kind: Unicode.Scalar, _ text: String?) {
    guard let text else { return }
    bytes.append(UInt8(truncatingIfNeeded: kind.value))
    write(text)
  }
}

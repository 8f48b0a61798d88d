import Basics

/// What a server says, as a client understands it.
public enum BackendMessage: Hashable, Sendable {
  case authenticationOk
  /// An authentication this client cannot do (the request's number).
  case authenticationRequest(UInt32)
  case parameterStatus(name: String, value: String)
  case backendKeyData(processID: UInt32, secretKey: UInt32)
  case negotiateProtocolVersion
  case readyForQuery(TransactionStatusByte)
  case rowDescription([FieldDescription])
  /// nil is NULL.
  case dataRow([ArraySlice<UInt8>?])
  case commandComplete(String)
  case emptyQueryResponse
  case portalSuspended
  case parseComplete
  case bindComplete
  case closeComplete
  case noData
  case parameterDescription([UInt32])
  case errorResponse(SQLError)
  case noticeResponse(SQLError)
  /// Known to the protocol, of no use here (LISTEN notifications, COPY).
  case other(UInt8)
}

/// Bytes of a server in, messages out.
public struct BackendDecoder: Sendable {
  /// Larger messages are refused (bytes).
  public static let maximumMessageBytes = 256 << 20

  private var buffer: [UInt8] = []
  private var consumed = 0

  public init() {}

  public mutating func receive(_ bytes: some Collection<UInt8>) {
    if consumed == buffer.count {
      buffer.removeAll(keepingCapacity: true)
      consumed = 0
    } else if consumed > 1 << 16 {
      buffer.removeSubrange(..<consumed)
      consumed = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next message, or nil until more bytes come. Throws 08P01 for bytes that are no message: close the connection.
  public mutating func next() throws(SQLError) -> BackendMessage? {
    guard buffer.count - consumed >= 5 else { return nil }
    var header = MessageReader(buffer[(consumed + 1)...])
    guard let length = try? header.readUInt32(), length >= 4, length <= UInt32(Self.maximumMessageBytes) else {
      throw SQLError(.protocolViolation, "invalid message length")
    }
    let end = consumed + 1 + Int(length)
    guard buffer.count >= end else { return nil }
    let kind = buffer[consumed]
    let payload = Array(buffer[consumed + 5..<end])
    consumed = end
    do throws(MessageFault) {
      return try Self.decode(kind, MessageReader(payload[...]))
    } catch {
      throw SQLError(.protocolViolation, error.reason)
    }
  }

  private static func decode(_ kind: UInt8, _ message: MessageReader) throws(MessageFault) -> BackendMessage {
    var reader = message
    switch kind {
    case UInt8(ascii: "R"):
      let request = try reader.readUInt32()
      return request == 0 ? .authenticationOk : .authenticationRequest(request)
    case UInt8(ascii: "S"): return .parameterStatus(name: try reader.readString(), value: try reader.readString())
    case UInt8(ascii: "K"):
      return .backendKeyData(processID: try reader.readUInt32(), secretKey: try reader.readUInt32())
    case UInt8(ascii: "v"): return .negotiateProtocolVersion
    case UInt8(ascii: "Z"):
      guard let status = TransactionStatusByte(rawValue: try reader.readUInt8()) else {
        throw .malformed("transaction status")
      }
      return .readyForQuery(status)
    case UInt8(ascii: "T"): return .rowDescription(try decodeFields(&reader))
    case UInt8(ascii: "D"): return .dataRow(try decodeRow(&reader))
    case UInt8(ascii: "C"): return .commandComplete(try reader.readString())
    case UInt8(ascii: "I"): return .emptyQueryResponse
    case UInt8(ascii: "s"): return .portalSuspended
    case UInt8(ascii: "1"): return .parseComplete
    case UInt8(ascii: "2"): return .bindComplete
    case UInt8(ascii: "3"): return .closeComplete
    case UInt8(ascii: "n"): return .noData
    case UInt8(ascii: "t"):
      var types: [UInt32] = []
      for _ in 0..<(try reader.readUInt16()) { types.append(try reader.readUInt32()) }
      return .parameterDescription(types)
    case UInt8(ascii: "E"): return .errorResponse(try decodeReport(&reader))
    case UInt8(ascii: "N"): return .noticeResponse(try decodeReport(&reader))
    default: return .other(kind)
    }
  }

  private static func decodeFields(_ reader: inout MessageReader) throws(MessageFault) -> [FieldDescription] {
    var fields: [FieldDescription] = []
    for _ in 0..<(try reader.readUInt16()) {
      let name = try reader.readString()
      let tableID = try reader.readUInt32()
      let columnNumber = Int16(bitPattern: try reader.readUInt16())
      let typeID = try reader.readUInt32()
      let length = Int16(bitPattern: try reader.readUInt16())
      let modifier = try reader.readInt32()
      guard let format = ValueFormat(rawValue: Int16(bitPattern: try reader.readUInt16())) else {
        throw .malformed("format code")
      }
      fields.append(
        FieldDescription(
          name: name, tableID: tableID, columnNumber: columnNumber, typeID: typeID, typeLengthBytes: length,
          typeModifier: modifier, format: format))
    }
    return fields
  }

  private static func decodeRow(_ reader: inout MessageReader) throws(MessageFault) -> [ArraySlice<UInt8>?] {
    let count = Int(try reader.readUInt16())
    var values: [ArraySlice<UInt8>?] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      let length = try reader.readInt32()
      values.append(length == -1 ? nil : try reader.readBytes(Int(length)))
    }
    return values
  }

  private static func decodeReport(_ reader: inout MessageReader) throws(MessageFault) -> SQLError {
    var error = SQLError(.internalError, "")
    while true {
      let field = try reader.readUInt8()
      if field == 0 { return error }
      let text = try reader.readString()
      switch field {
      case UInt8(ascii: "C"): error.state = SQLState(text)
      case UInt8(ascii: "M"): error.message = text
      case UInt8(ascii: "D"): error.detail = text
      case UInt8(ascii: "H"): error.hint = text
      case UInt8(ascii: "P"): error.position = Int(text)
      case UInt8(ascii: "t"): error.tableName = text
      case UInt8(ascii: "c"): error.columnName = text
      case UInt8(ascii: "n"): error.constraintName = text
      default: break
      }
    }
  }
}

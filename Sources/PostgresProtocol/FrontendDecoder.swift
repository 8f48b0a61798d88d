import Basics

/// The largest sizes a client may ask this server to hold, in bytes.
public struct ProtocolLimits: Hashable, Sendable {
  /// Start-up message (PostgreSQL's own limit).
  public var startupBytes = 10_000
  /// Any later message; beyond it the connection is closed.
  public var messageBytes = 64 << 20
  /// Query and Parse messages; beyond it the statement fails with 54000 and the session lives on.
  public var statementBytes = 4 << 20

  public init() {}
}

/// Bytes of a client in, messages out. Holds at most one message that is not complete.
///
/// A fault is reported once and then for ever: the connection has to be closed.
public struct FrontendDecoder: Sendable {
  public enum Event: Hashable, Sendable {
    case startup(StartupMessage)
    case message(FrontendMessage)
    /// The message was framed well and is skipped, but its statement cannot be run. `isExtended`: skip to Sync.
    case statementError(SQLError, isExtended: Bool)
    /// Send the error, then close the connection.
    case fatal(SQLError)
  }

  private enum Phase: Hashable {
    case startup
    case regular
    case failed(SQLError)
  }

  public let limits: ProtocolLimits
  private var phase = Phase.startup
  private var buffer: [UInt8] = []
  private var consumed = 0
  /// Bytes of an oversized statement still to be thrown away.
  private var bytesToSkip = 0

  public init(limits: ProtocolLimits = ProtocolLimits()) { self.limits = limits }

  /// Bytes received and not yet turned into messages.
  public var bufferedBytes: Int { buffer.count - consumed }

  /// Whether the bytes of the next message are here and it is a Sync.
  public var isSyncNext: Bool {
    guard bytesToSkip == 0, bufferedBytes >= 5, case .regular = phase else { return false }
    return buffer[consumed] == UInt8(ascii: "S") && readLength(at: consumed + 1) == 4
  }

  public mutating func receive(_ bytes: some Collection<UInt8>) {
    if case .failed = phase { return }
    var bytes = bytes[...]
    if bytesToSkip > 0 {
      let skipped = min(bytesToSkip, bytes.count)
      bytesToSkip -= skipped
      bytes = bytes.dropFirst(skipped)
    }
    if consumed == buffer.count {
      buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 16)
      consumed = 0
    } else if consumed > 1 << 16 {
      buffer.removeSubrange(..<consumed)
      consumed = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next event, or nil until more bytes come.
  public mutating func next() -> Event? {
    switch phase {
    case .startup: nextStartup()
    case .regular: nextRegular()
    case .failed(let error): .fatal(error)
    }
  }

  private mutating func fail(_ message: String) -> Event { fail(SQLError(.protocolViolation, message)) }

  private mutating func fail(_ error: SQLError) -> Event {
    phase = .failed(error)
    buffer = []
    consumed = 0
    return .fatal(error)
  }

  private func readLength(at position: Int) -> UInt32 {
    var value: UInt32 = 0
    for offset in 0..<4 { value = value << 8 | UInt32(buffer[position + offset]) }
    return value
  }
}

// MARK: - Start-up

extension FrontendDecoder {
  private static var sslRequestCode: UInt32 { 80_877_103 }
  private static var gssRequestCode: UInt32 { 80_877_104 }
  private static var cancelRequestCode: UInt32 { 80_877_102 }

  private mutating func nextStartup() -> Event? {
    guard bufferedBytes >= 4 else { return nil }
    let length = Int(readLength(at: consumed))
    guard length >= 8, length <= limits.startupBytes else { return fail("invalid length of startup packet") }
    guard bufferedBytes >= length else { return nil }
    var reader = MessageReader(buffer[consumed + 4..<consumed + length])
    consumed += length
    do {
      switch try reader.readUInt32() {
      case Self.sslRequestCode, Self.gssRequestCode:
        // Bytes sent before the answer would be plain text that an attacker slipped in front of the encryption.
        guard bufferedBytes == 0 else { return fail("received unencrypted data after SSL request") }
        return .startup(.encryptionRequest)
      case Self.cancelRequestCode:
        return .startup(.cancel(processID: try reader.readUInt32(), secretKey: try reader.readUInt32()))
      case let version where version >> 16 == 3:
        let parameters = try Self.readParameters(&reader)
        phase = .regular
        return .startup(
          .startup(StartupParameters(minorVersion: UInt16(truncatingIfNeeded: version), parameters: parameters)))
      case let version:
        let text = "unsupported frontend protocol \(version >> 16).\(version & 0xffff): server supports 3.0 to 3.0"
        return fail(SQLError(.featureNotSupported, text))
      }
    } catch {
      return fail("invalid startup packet layout: \(error.reason)")
    }
  }

  private static func readParameters(_ reader: inout MessageReader) throws(MessageFault) -> [StartupParameters
    .Parameter]
  {
    var parameters: [StartupParameters.Parameter] = []
    while true {
      let name = try reader.readString()
      if name.isEmpty { break }
      parameters.append(StartupParameters.Parameter(name: name, value: try reader.readString()))
    }
    try reader.requireEnd()
    return parameters
  }
}

// MARK: - Messages

extension FrontendDecoder {
  private mutating func nextRegular() -> Event? {
    guard bytesToSkip == 0, bufferedBytes >= 5 else { return nil }
    let kind = buffer[consumed]
    guard Self.isKnown(kind) else { return fail("invalid frontend message type \(kind)") }
    let length = Int(readLength(at: consumed + 1))
    guard length >= 4, length - 4 <= limits.messageBytes else { return fail("invalid message length") }
    let isStatement = kind == UInt8(ascii: "Q") || kind == UInt8(ascii: "P")
    if isStatement, length - 4 > limits.statementBytes {
      let skipped = min(length + 1, bufferedBytes)
      consumed += skipped
      bytesToSkip = length + 1 - skipped
      let error = SQLError(
        .programLimitExceeded, "statement of \(length - 4) bytes is longer than the limit of \(limits.statementBytes)")
      return .statementError(error, isExtended: kind == UInt8(ascii: "P"))
    }
    guard bufferedBytes >= length + 1 else { return nil }
    // An own copy: values kept from the message must not hold the receive buffer.
    let payload = Array(buffer[consumed + 5..<consumed + 1 + length])
    consumed += length + 1
    do {
      return .message(try Self.decode(kind, MessageReader(payload[...])))
    } catch .invalidText {
      return .statementError(
        SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\""),
        isExtended: kind != UInt8(ascii: "Q"))
    } catch {
      return fail(error.reason)
    }
  }

  private static func isKnown(_ kind: UInt8) -> Bool {
    switch kind {
    case UInt8(ascii: "Q"), UInt8(ascii: "P"), UInt8(ascii: "B"), UInt8(ascii: "D"), UInt8(ascii: "E"),
      UInt8(ascii: "C"), UInt8(ascii: "S"), UInt8(ascii: "H"), UInt8(ascii: "X"), UInt8(ascii: "F"), UInt8(ascii: "d"),
      UInt8(ascii: "c"), UInt8(ascii: "f"), UInt8(ascii: "p"):
      true
    default: false
    }
  }

  private static func decode(_ kind: UInt8, _ message: MessageReader) throws(MessageFault) -> FrontendMessage {
    var reader = message
    switch kind {
    case UInt8(ascii: "Q"):
      let text = try reader.readString()
      try reader.requireEnd()
      return .query(text)
    case UInt8(ascii: "P"): return .parse(try decodeParse(&reader))
    case UInt8(ascii: "B"): return .bind(try decodeBind(&reader))
    case UInt8(ascii: "D"): return .describe(try decodeTarget(&reader))
    case UInt8(ascii: "C"): return .close(try decodeTarget(&reader))
    case UInt8(ascii: "E"):
      let portal = try reader.readString()
      let limit = try reader.readInt32()
      try reader.requireEnd()
      return .execute(portal: portal, rowLimit: limit > 0 ? Int(limit) : 0)
    case UInt8(ascii: "S"):
      try reader.requireEnd()
      return .sync
    case UInt8(ascii: "H"):
      try reader.requireEnd()
      return .flush
    case UInt8(ascii: "X"): return .terminate
    case UInt8(ascii: "F"): return .functionCall
    case UInt8(ascii: "d"): return .copyData
    case UInt8(ascii: "c"): return .copyDone
    case UInt8(ascii: "f"): return .copyFail
    case UInt8(ascii: "p"): return .password(Array(reader.readRest()))
    default: throw .malformed("message type")
    }
  }

  private static func decodeParse(_ reader: inout MessageReader) throws(MessageFault) -> FrontendMessage.Parse {
    let name = try reader.readString()
    let text = try reader.readString()
    let count = Int(try reader.readUInt16())
    guard count * 4 <= reader.remaining else { throw .truncated }
    var types: [UInt32] = []
    types.reserveCapacity(count)
    for _ in 0..<count { types.append(try reader.readUInt32()) }
    try reader.requireEnd()
    return FrontendMessage.Parse(name: name, text: text, parameterTypes: types)
  }

  private static func decodeBind(_ reader: inout MessageReader) throws(MessageFault) -> FrontendMessage.Bind {
    let portal = try reader.readString()
    let statement = try reader.readString()
    let parameterFormats = try reader.readFormats()
    let count = Int(try reader.readUInt16())
    guard count * 4 <= reader.remaining else { throw .truncated }
    guard parameterFormats.count <= 1 || parameterFormats.count == count else {
      throw .malformed("bind message: \(parameterFormats.count) parameter formats for \(count) parameters")
    }
    var parameters: [ArraySlice<UInt8>?] = []
    parameters.reserveCapacity(count)
    for _ in 0..<count {
      let length = try reader.readInt32()
      parameters.append(length == -1 ? nil : try reader.readBytes(Int(length)))
    }
    let resultFormats = try reader.readFormats()
    try reader.requireEnd()
    return FrontendMessage.Bind(
      portal: portal, statement: statement, parameterFormats: parameterFormats, parameters: parameters,
      resultFormats: resultFormats)
  }

  private static func decodeTarget(_ reader: inout MessageReader) throws(MessageFault) -> StatementOrPortal {
    let kind = try reader.readUInt8()
    let name = try reader.readString()
    try reader.requireEnd()
    switch kind {
    case UInt8(ascii: "S"): return .statement(name)
    case UInt8(ascii: "P"): return .portal(name)
    default: throw .malformed("describe or close target")
    }
  }
}

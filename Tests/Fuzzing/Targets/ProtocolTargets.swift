import Basics
import PostgresProtocol
import SQLValues

/// The PostgreSQL wire protocol: both directions, and the values of parameters.
let protocolTargets: [FuzzTarget] = [
  FuzzTarget("postgres-frontend", seeds: frontendSeeds, run: runFrontend),
  FuzzTarget("postgres-backend", seeds: backendSeeds, run: runBackend),
  FuzzTarget("parameter-binary", seeds: { parameterSeeds(isBinary: true) }, run: runBinaryParameter),
  FuzzTarget("parameter-text", seeds: { parameterSeeds(isBinary: false) }, run: runTextParameter),
]

// MARK: - Messages of clients

/// First byte: how many bytes arrive at a time (0: all at once).
private func runFrontend(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let step = Int(input.byte())
  let stream = input.bytes
  let whole = frontendEvents(stream, step: stream.count)
  // Bytes behind a request for encryption are refused only when they are there already.
  if step > 0, !whole.contains(.startup(.encryptionRequest)), !whole.contains(where: isUnencrypted) {
    let pieces = frontendEvents(stream, step: step)
    if !pieces.contains(.startup(.encryptionRequest)) {
      require(pieces == whole, "the same events in pieces of \(step) bytes: \(pieces) and \(whole)")
    }
  }
  for case .message(let message) in whole {
    guard let written = frontendBytes(message) else { continue }
    let again = frontendEvents(startup + written, step: written.count + startup.count)
    require(again.last == .message(message), "\(message) is written and read again as \(again)")
  }
}

private func isUnencrypted(_ event: FrontendDecoder.Event) -> Bool {
  if case .fatal(let error) = event { error.message.contains("unencrypted") } else { false }
}

private func frontendEvents(_ stream: [UInt8], step: Int) -> [FrontendDecoder.Event] {
  var limits = ProtocolLimits()
  limits.startupBytes = 200
  limits.messageBytes = 2_000
  limits.statementBytes = 100
  var decoder = FrontendDecoder(limits: limits)
  var events: [FrontendDecoder.Event] = []
  var rest = stream[...]
  while !rest.isEmpty {
    decoder.receive(rest.prefix(max(1, step)))
    rest = rest.dropFirst(max(1, step))
    while let event = decoder.next() {
      events.append(event)
      if case .fatal = event {
        require(decoder.next() == event && decoder.bufferedBytes == 0, "a fault stays, and nothing is kept")
        return events
      }
      _ = decoder.isSyncNext
    }
    require(decoder.bufferedBytes <= 5 + limits.messageBytes + step, "at most one message is held")
  }
  return events
}

private let startup: [UInt8] = {
  var writer = FrontendWriter()
  writer.startup(StartupParameters(parameters: [.init(name: "user", value: "root")]))
  return writer.bytes
}()

private func frontendBytes(_ message: FrontendMessage) -> [UInt8]? {
  var writer = FrontendWriter()
  switch message {
  case .query(let text): writer.query(text)
  case .parse(let parse): writer.parse(parse)
  case .bind(let bind): writer.bind(bind)
  case .describe(let target): writer.describe(target)
  case .execute(let portal, let rowLimit): writer.execute(portal: portal, rowLimit: rowLimit)
  case .close(let target): writer.close(target)
  case .sync: writer.sync()
  case .flush: writer.flush()
  case .terminate: writer.terminate()
  case .functionCall, .copyData, .copyDone, .copyFail, .password: return nil
  }
  return writer.bytes
}

private func frontendSeeds() -> [[UInt8]] {
  func seed(_ step: UInt8, _ body: (inout FrontendWriter) -> Void) -> [UInt8] {
    var writer = FrontendWriter()
    body(&writer)
    return [step] + writer.bytes
  }
  let parameters = StartupParameters(
    parameters: [.init(name: "user", value: "root"), .init(name: "database", value: "defaultdb")])
  return [
    seed(0) {
      $0.startup(parameters)
      $0.query("SELECT 1")
      $0.terminate()
    },
    seed(3) {
      $0.startup(parameters)
      $0.parse(.init(name: "s", text: "SELECT $1", parameterTypes: [20, 0]))
      $0.bind(
        .init(
          portal: "p", statement: "s", parameterFormats: [.text, .binary], parameters: [[0x31], nil],
          resultFormats: [.binary]))
      $0.describe(.statement("s"))
      $0.describe(.portal("p"))
      $0.execute(portal: "p", rowLimit: 5)
      $0.close(.portal("p"))
      $0.flush()
      $0.sync()
    },
    seed(0) { $0.sslRequest() },
    seed(0) { $0.cancel(processID: 7, secretKey: 9) },
    seed(50) {
      $0.startup(parameters)
      $0.query(String(repeating: "x", count: 150))
      $0.query("SELECT 2")
    },
  ]
}

// MARK: - Messages of servers

private func runBackend(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let step = Int(input.byte())
  let whole = backendMessages(input.bytes, step: input.bytes.count)
  let pieces = backendMessages(input.bytes, step: max(1, step))
  require(whole.messages == pieces.messages && whole.isFaulty == pieces.isFaulty, "the same messages in pieces")
}

private func backendMessages(_ stream: [UInt8], step: Int) -> (messages: [BackendMessage], isFaulty: Bool) {
  var decoder = BackendDecoder()
  var messages: [BackendMessage] = []
  var rest = stream[...]
  while !rest.isEmpty {
    decoder.receive(rest.prefix(max(1, step)))
    rest = rest.dropFirst(max(1, step))
    do throws(SQLError) {
      while let message = try decoder.next() { messages.append(message) }
    } catch {
      require(error.state == .protocolViolation, "a protocol violation, not \(error)")
      return (messages, true)
    }
  }
  return (messages, false)
}

private func backendSeeds() -> [[UInt8]] {
  var writer = BackendWriter()
  writer.authenticationOk()
  writer.parameterStatus("server_version", "15.0")
  writer.backendKeyData(processID: 1, secretKey: 2)
  writer.readyForQuery(.idle)
  writer.rowDescription([
    FieldDescription(
      name: "a", tableID: 1, columnNumber: 1, typeID: 20, typeLengthBytes: 8, typeModifier: -1, format: .text)
  ])
  writer.commandComplete("SELECT 1")
  writer.errorResponse(SQLError(.syntaxError, "syntax error", position: 3))
  writer.parameterDescription([20, 25])
  return [[0] + writer.bytes, [1] + writer.bytes]
}

// MARK: - Values

let fuzzTypes: [SQLType] = [
  .boolean, .int2, .int4, .int8, .float4, .float8, .numeric(precision: nil, scale: nil),
  .numeric(precision: 10, scale: 2), .text, .varchar(maximumCharacters: 5), .varchar(maximumCharacters: nil),
  .character(count: 4), .name, .bytea, .uuid, .date, .timestamp, .timestampWithTimeZone, .interval, .oid, .unknown,
]

/// First byte: the type.
private func runBinaryParameter(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let type = input.choice(fuzzTypes)
  guard let found = try? Datum.parseBinary(input.rest, as: type) else { return }
  let value = plain(found)
  var written: [UInt8] = []
  value.writeBinary(as: type, into: &written)
  let again = try? Datum.parseBinary(written[...], as: type)
  require(
    again.map { encoded(plain($0)) } == encoded(value), "\(value) of \(type) is written and read as \(again as Any)")
  checkValue(value, type)
}

private func runTextParameter(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let type = input.choice(fuzzTypes)
  guard !input.rest.contains(0), let text = String(validating: input.rest, as: UTF8.self) else { return }
  guard let value = try? Datum.parse(text, as: type) else { return }
  checkValue(value, type)
}

/// There are many NaNs, which are one value of SQL.
func plain(_ value: Datum) -> Datum {
  if case .double(let double) = value, double.isNaN { .double(.nan) } else { value }
}

/// What holds of every value of a type, wherever it came from.
func checkValue(_ value: Datum, _ type: SQLType, _ origin: String = "") {
  let text = value.text(as: type)
  let parsed = try? Datum.parse(text, as: type)
  require(
    parsed.map { encoded(plain($0)) } == encoded(value),
    "\(value) of \(type) is printed as \(text) and read as \(parsed as Any) \(origin)")
  var binary: [UInt8] = []
  value.writeBinary(as: type, into: &binary)
  let again = try? Datum.parseBinary(binary[...], as: type)
  require(
    again.map { encoded(plain($0)) } == encoded(value),
    "\(value) of \(type) is sent and received as \(again as Any) \(origin)")
  checkStored(value)
}

private func parameterSeeds(isBinary: Bool) -> [[UInt8]] {
  let texts = [
    "true", "-7", "12345", "9007199254740993", "1.5", "-2.25e100", "123456789.000123", "12345.67", "hello", "hey", "x",
    "ab", "name", "\\x00ff10", "123e4567-e89b-12d3-a456-426614174000", "2024-02-29", "1999-12-31 23:59:59.999999",
    "2001-01-01 00:00:00+02", "1 year 2 mons -3 days 04:05:06.7", "4000000000", "anything",
  ]
  return zip(fuzzTypes.indices, texts).compactMap { position, text in
    if !isBinary { return [UInt8(position)] + Array(text.utf8) }
    guard let value = try? Datum.parse(text, as: fuzzTypes[position]) else { return nil }
    var bytes = [UInt8(position)]
    value.writeBinary(as: fuzzTypes[position], into: &bytes)
    return bytes
  }
}

import Basics
import Testing

@testable import PostgresProtocol

/// A decoder that is past the start-up.
func startedDecoder(limits: ProtocolLimits = ProtocolLimits()) -> FrontendDecoder {
  var decoder = FrontendDecoder(limits: limits)
  var writer = FrontendWriter()
  writer.startup(StartupParameters(parameters: [.init(name: "user", value: "root")]))
  decoder.receive(writer.take())
  let event = decoder.next()
  #expect(event == .startup(.startup(StartupParameters(parameters: [.init(name: "user", value: "root")]))))
  return decoder
}

@Suite struct FrontendDecoderTests {
  static let messages: [FrontendMessage] = [
    .query("SELECT 1"),
    .query(""),
    .parse(.init(name: "s1", text: "SELECT $1", parameterTypes: [23, 0])),
    .bind(
      .init(
        portal: "p", statement: "s1", parameterFormats: [.text, .binary],
        parameters: [[49, 50], nil], resultFormats: [.binary])),
    .bind(.init(portal: "", statement: "", parameterFormats: [], parameters: [], resultFormats: [])),
    .describe(.statement("s1")), .describe(.portal("")), .close(.statement("")), .close(.portal("p")),
    .execute(portal: "p", rowLimit: 7), .execute(portal: "", rowLimit: 0), .sync, .flush, .terminate,
  ]

  @Test func aSyncIsSeenAheadOnceItsBytesAreHere() {
    var decoder = startedDecoder()
    var writer = FrontendWriter()
    writer.execute(portal: "", rowLimit: 0)
    writer.sync()
    writer.flush()
    let bytes = writer.take()
    // The execution, and all of the Sync but its last byte.
    decoder.receive(bytes[..<(bytes.count - 6)])
    #expect(decoder.next() == .message(.execute(portal: "", rowLimit: 0)))
    #expect(!decoder.isSyncNext)
    decoder.receive(bytes[(bytes.count - 6)...])
    #expect(decoder.isSyncNext)
    #expect(decoder.next() == .message(.sync))
    #expect(!decoder.isSyncNext)
  }

  static func write(_ message: FrontendMessage, _ writer: inout FrontendWriter) {
    switch message {
    case .query(let text): writer.query(text)
    case .parse(let parse): writer.parse(parse)
    case .bind(let bind): writer.bind(bind)
    case .describe(let target): writer.describe(target)
    case .close(let target): writer.close(target)
    case .execute(let portal, let limit): writer.execute(portal: portal, rowLimit: limit)
    case .sync: writer.sync()
    case .flush: writer.flush()
    case .terminate: writer.terminate()
    case .functionCall, .copyData, .copyDone, .copyFail, .password: break
    }
  }

  @Test(arguments: messages) func whatTheWriterWritesTheDecoderReads(_ message: FrontendMessage) {
    var decoder = startedDecoder()
    var writer = FrontendWriter()
    Self.write(message, &writer)
    decoder.receive(writer.take())
    let event1 = decoder.next()
    #expect(event1 == .message(message))
    let event2 = decoder.next()
    #expect(event2 == nil)
    #expect(decoder.bufferedBytes == 0)
  }

  @Test func bytesMayComeOneByOne() {
    var decoder = startedDecoder()
    var writer = FrontendWriter()
    for message in Self.messages { Self.write(message, &writer) }
    var events: [FrontendDecoder.Event] = []
    for byte in writer.take() {
      decoder.receive([byte])
      while let event = decoder.next() { events.append(event) }
    }
    #expect(events == Self.messages.map { .message($0) })
  }

  @Test func encryptionAndCancelRequestsComeBeforeTheStart() {
    var decoder = FrontendDecoder()
    var writer = FrontendWriter()
    writer.sslRequest()
    decoder.receive(writer.take())
    let event3 = decoder.next()
    #expect(event3 == .startup(.encryptionRequest))
    writer.cancel(processID: 7, secretKey: 0xdead_beef)
    decoder.receive(writer.take())
    let event4 = decoder.next()
    #expect(event4 == .startup(.cancel(processID: 7, secretKey: 0xdead_beef)))
  }

  @Test func plainTextBehindAnEncryptionRequestIsRefused() {
    var decoder = FrontendDecoder()
    var writer = FrontendWriter()
    writer.sslRequest()
    writer.query("SELECT 1")
    decoder.receive(writer.take())
    let event5 = decoder.next()
    #expect(isFatal(event5, .protocolViolation))
  }

  @Test func protocolVersionTwoIsRefused() {
    var decoder = FrontendDecoder()
    decoder.receive([0, 0, 0, 8, 0, 2, 0, 0])
    let event6 = decoder.next()
    #expect(isFatal(event6, .featureNotSupported))
  }

  @Test(arguments: [
    // A start-up length of 1 GiB, of 4, of 10001.
    [0x40, 0, 0, 0], [0, 0, 0, 4], [0, 0, 0x27, 0x11],
  ]) func startupLengthsAreLimited(_ bytes: [UInt8]) {
    var decoder = FrontendDecoder()
    decoder.receive(bytes)
    let event7 = decoder.next()
    #expect(isFatal(event7, .protocolViolation))
    // And stays so, without keeping what comes.
    decoder.receive([UInt8](repeating: 0, count: 1000))
    let event8 = decoder.next()
    #expect(isFatal(event8, .protocolViolation))
    #expect(decoder.bufferedBytes == 0)
  }

  @Test(arguments: [
    ("unknown type", [UInt8(ascii: "?"), 0, 0, 0, 4]),
    ("length below its own size", [UInt8(ascii: "S"), 0, 0, 0, 3]),
    ("length of a gigabyte", [UInt8(ascii: "B"), 0x40, 0, 0, 0]),
    ("negative length", [UInt8(ascii: "Q"), 0xff, 0xff, 0xff, 0xff]),
    ("text without its end", [UInt8(ascii: "Q"), 0, 0, 0, 5, 65]),
    ("bytes after the end", [UInt8(ascii: "Q"), 0, 0, 0, 7, 65, 0, 65]),
    ("describe of neither", [UInt8(ascii: "D"), 0, 0, 0, 6, 88, 0]),
    ("bind with a count beyond its size", [UInt8(ascii: "B"), 0, 0, 0, 10, 0, 0, 0, 0, 0xff, 0xff]),
  ]) func malformedMessagesAreFatal(_ name: String, _ bytes: [UInt8]) {
    var decoder = startedDecoder()
    decoder.receive(bytes)
    let event9 = decoder.next()
    #expect(isFatal(event9, .protocolViolation), "\(name)")
  }

  @Test func invalidUTF8FailsTheStatementOnly() {
    var decoder = startedDecoder()
    decoder.receive([UInt8(ascii: "Q"), 0, 0, 0, 6, 0xff, 0])
    var writer = FrontendWriter()
    writer.sync()
    decoder.receive(writer.take())
    guard case .statementError(let error, let isExtended)? = decoder.next() else {
      Issue.record("no statement error")
      return
    }
    #expect(error.state == .characterNotInRepertoire)
    #expect(!isExtended)
    let event10 = decoder.next()
    #expect(event10 == .message(.sync))
  }

  @Test func oversizedStatementsAreSkippedWithoutBeingHeld() {
    var limits = ProtocolLimits()
    limits.statementBytes = 1000
    var decoder = startedDecoder(limits: limits)
    var writer = FrontendWriter()
    writer.query(String(repeating: "x", count: 5000))
    writer.sync()
    let bytes = writer.take()
    var events: [FrontendDecoder.Event] = []
    var mostBuffered = 0
    for start in stride(from: 0, to: bytes.count, by: 100) {
      decoder.receive(bytes[start..<min(start + 100, bytes.count)])
      while let event = decoder.next() { events.append(event) }
      mostBuffered = max(mostBuffered, decoder.bufferedBytes)
    }
    #expect(events.count == 2)
    guard case .statementError(let error, false)? = events.first else {
      Issue.record("no statement error")
      return
    }
    #expect(error.state == .programLimitExceeded)
    #expect(events.last == .message(.sync))
    #expect(mostBuffered <= 200)
  }

  @Test(arguments: 0..<300) func randomBytesNeverTrap(_ seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var decoder = seed % 2 == 0 ? FrontendDecoder() : startedDecoder()
    var writer = FrontendWriter()
    for message in Self.messages { Self.write(message, &writer) }
    var bytes = writer.take()
    // Some damage to real messages goes deeper than noise alone.
    for _ in 0..<(1 + seed % 8) {
      bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
    }
    var events = 0
    for start in stride(from: 0, to: bytes.count, by: 13) {
      decoder.receive(bytes[start..<min(start + 13, bytes.count)])
      while let event = decoder.next() {
        events += 1
        if case .fatal = event { return }
        if events > 10_000 { Issue.record("the decoder does not come to an end") }
      }
    }
  }

  func isFatal(_ event: FrontendDecoder.Event?, _ state: SQLState) -> Bool {
    guard case .fatal(let error)? = event else { return false }
    return error.state == state
  }
}

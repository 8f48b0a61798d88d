import Basics
import Testing

@testable import PostgresProtocol

@Suite struct BackendMessageTests {
  func decode(_ body: (inout BackendWriter) throws -> Void) throws -> [BackendMessage] {
    var writer = BackendWriter()
    try body(&writer)
    var decoder = BackendDecoder()
    decoder.receive(writer.take())
    var messages: [BackendMessage] = []
    while let message = try decoder.next() { messages.append(message) }
    return messages
  }

  @Test func sessionMessages() throws {
    let messages = try decode {
      $0.authenticationOk()
      $0.parameterStatus("client_encoding", "UTF8")
      $0.backendKeyData(processID: 1, secretKey: 0xffff_fffe)
      $0.readyForQuery(.failed)
    }
    #expect(
      messages == [
        .authenticationOk, .parameterStatus(name: "client_encoding", value: "UTF8"),
        .backendKeyData(processID: 1, secretKey: 0xffff_fffe), .readyForQuery(.failed),
      ])
  }

  @Test func rows() throws {
    let field = FieldDescription(
      name: "a", tableID: 5, columnNumber: 2, typeID: 23, typeLengthBytes: 4, typeModifier: -1, format: .binary)
    let messages = try decode {
      $0.rowDescription([field])
      let row = $0.beginDataRow(columnCount: 3)
      $0.null()
      $0.value(text: "héllo")
      $0.value(text: "")
      $0.endMessage(at: row)
      $0.commandComplete("SELECT 1")
      $0.portalSuspended()
      $0.noData()
      $0.parameterDescription([23, 25])
    }
    #expect(
      messages == [
        .rowDescription([field]), .dataRow([nil, Array("héllo".utf8)[...], []]), .commandComplete("SELECT 1"),
        .portalSuspended, .noData, .parameterDescription([23, 25]),
      ])
  }

  @Test func anAbandonedRowLeavesNoTrace() throws {
    let messages = try decode {
      $0.bindComplete()
      let row = $0.beginDataRow(columnCount: 1)
      $0.value(text: "x")
      $0.abandonMessage(at: row)
      $0.commandComplete("SELECT 0")
    }
    #expect(messages == [.bindComplete, .commandComplete("SELECT 0")])
  }

  @Test func errorsCarryAllTheirFields() throws {
    let error = SQLError(
      .uniqueViolation, "duplicate", detail: "Key (a)=(1) already exists.", hint: "no", position: 12, tableName: "t",
      columnName: "a", constraintName: "t_pkey")
    let messages = try decode {
      $0.errorResponse(error)
      $0.notice("hello")
    }
    #expect(messages == [.errorResponse(error), .noticeResponse(SQLError(SQLState("00000"), "hello"))])
  }

  @Test func textWithAZeroByteIsCutNotSpilled() throws {
    let messages = try decode {
      $0.commandComplete("SELECT\u{0}1")
      $0.parseComplete()
    }
    #expect(messages == [.commandComplete("SELECT"), .parseComplete])
  }

  @Test func encryptionIsRefusedWithOneByte() {
    var writer = BackendWriter()
    writer.refuseEncryption()
    let bytes = writer.take()
    #expect(bytes == [UInt8(ascii: "N")])
  }

  func isRefused(_ decoder: inout BackendDecoder) -> Bool {
    do {
      _ = try decoder.next()
      return false
    } catch {
      return error.state == .protocolViolation
    }
  }

  @Test func malformedServerBytesAreAnError() {
    var decoder = BackendDecoder()
    decoder.receive([UInt8(ascii: "Z"), 0, 0, 0, 5, 0x21])
    let isFirstRefused = isRefused(&decoder)
    #expect(isFirstRefused)
    var long = BackendDecoder()
    long.receive([UInt8(ascii: "D"), 0x7f, 0xff, 0xff, 0xff])
    let isSecondRefused = isRefused(&long)
    #expect(isSecondRefused)
  }
}

import Basics
import Testing

@Suite struct ByteCodecTests {
  @Test func fixedWidthIntegersAreLittleEndian() throws {
    var writer = ByteWriter()
    writer.write(0x0102_0304 as UInt32)
    #expect(writer.bytes == [4, 3, 2, 1])
    var reader = ByteReader(writer.bytes)
    #expect(try reader.readUInt32() == 0x0102_0304)
    #expect(reader.isAtEnd)
  }

  @Test(arguments: [0, 1, 127, 128, 300, UInt64(UInt32.max), UInt64.max])
  func varintsRoundTrip(value: UInt64) throws {
    var writer = ByteWriter()
    writer.writeVarint(value)
    var reader = ByteReader(writer.bytes)
    #expect(try reader.readVarint() == value)
  }

  @Test(arguments: [0, -1, 1, Int64.min, Int64.max])
  func signedVarintsRoundTrip(value: Int64) throws {
    var writer = ByteWriter()
    writer.writeSignedVarint(value)
    var reader = ByteReader(writer.bytes)
    #expect(try reader.readSignedVarint() == value)
  }

  @Test func aCountBeyondWhatIsLeftIsRefused() {
    var reader = ByteReader([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2])
    #expect(throws: MalformedBytes.self) { try reader.readBytes() }
  }

  @Test func anEndlessVarintIsRefused() {
    var reader = ByteReader([UInt8](repeating: 0xff, count: 11))
    #expect(throws: MalformedBytes.self) { try reader.readVarint() }
  }

  @Test func unknownFieldsAreSkippedAndKnownOnesRead() throws {
    var writer = ByteWriter()
    writer.field(1, 7 as UInt64)
    writer.field(900, "from a later release")
    writer.field(2) { $0.field(1, true) }
    var reader = ByteReader(writer.bytes)
    #expect(try reader.nextField()?.integer() == 7)
    #expect(try reader.nextField()?.string() == "from a later release")
    var nested = try #require(try reader.nextField()).reader()
    #expect(try nested.nextField()?.boolean() == true)
    #expect(reader.isAtEnd)
  }

  @Test func timestampsSplitIntoMillisecondsAndCounter() {
    let timestamp = Timestamp(physicalMilliseconds: 5)
    #expect(timestamp.next.physicalMilliseconds == 5)
    #expect(timestamp.next.logical == 1)
    #expect(timestamp.previous.physicalMilliseconds == 4)
  }
}

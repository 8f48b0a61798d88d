import Basics
import Testing

@testable import RPC

@Suite struct FramingTests {
  @Test func messagesSurviveAnyCut() throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<300 {
      let messages = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
        [UInt8](
          repeating: UInt8.random(in: 0...255, using: &generator), count: Int.random(in: 0...50, using: &generator))
      }
      var wire: [UInt8] = []
      for message in messages {
        var frame = [0, 0, 0, 0, 0] + message
        MessageAssembler.writePrefix(&frame)
        wire += frame
      }
      var assembler = MessageAssembler(maximumMessageBytes: 1000)
      var found: [[UInt8]] = []
      var start = 0
      while start < wire.count {
        let end = min(wire.count, start + Int.random(in: 1...20, using: &generator))
        try wire[start..<end].withUnsafeBytes { bytes in
          var rest = bytes[...]
          while let message = try assembler.next(&rest) { found.append(message) }
        }
        start = end
      }
      #expect(found == messages)
      #expect(assembler.isBetweenMessages)
    }
  }

  @Test func lengthBeyondTheLimitIsRefusedBeforeTheBytesCome() {
    var assembler = MessageAssembler(maximumMessageBytes: 1000)
    let prefix: [UInt8] = [0, 0x40, 0, 0, 0]
    let error = #expect(throws: RPCError.self) {
      try prefix.withUnsafeBytes { bytes in
        var rest = bytes[...]
        _ = try assembler.next(&rest)
      }
    }
    #expect(error?.status == .resourceExhausted)
  }

  @Test func compressedMessageIsUnimplemented() {
    var assembler = MessageAssembler(maximumMessageBytes: 1000)
    let error = #expect(throws: RPCError.self) {
      try [1, 0, 0, 0, 0].withUnsafeBytes { bytes in
        var rest = bytes[...]
        _ = try assembler.next(&rest)
      }
    }
    #expect(error?.status == .unimplemented)
  }

  @Test(arguments: ["", "plain", "100 %", "grün\n", "%zz", "%4"])
  func percentEncodingSurvives(text: String) {
    #expect(PercentEncoding.decode(PercentEncoding.encode(text)) == text)
  }

  @Test func percentDecodingNeverFails() {
    #expect(PercentEncoding.decode(Array("%4".utf8)) == "%4")
    #expect(PercentEncoding.decode(Array("%zz%41".utf8)) == "%zzA")
    #expect(PercentEncoding.decode([0xff]) == "\u{fffd}")
  }

  @Test(
    arguments: [
      ("100m", 100), ("2S", 2000), ("1H", 3_600_000), ("3M", 180_000), ("1u", 1), ("1500u", 2), ("99999999n", 100),
      ("0m", 0), ("", nil), ("m", nil), ("123456789m", nil), ("1x", nil), ("-1m", nil), ("1", nil),
    ] as [(String, UInt64?)])
  func timeoutsAreRead(text: String, milliseconds: UInt64?) {
    #expect(TimeoutHeader.decode(Array(text.utf8)) == milliseconds)
  }

  @Test func longTimeoutsFitEightDigits() {
    #expect(TimeoutHeader.encode(milliseconds: 99_999_999) == Array("99999999m".utf8))
    #expect(TimeoutHeader.encode(milliseconds: 100_000_000) == Array("100000S".utf8))
    #expect(TimeoutHeader.encode(milliseconds: .max) == Array("99999999S".utf8))
  }

  @Test func forbiddenMetadataIsRecognised() {
    #expect(HeaderList.isValid(name: "theseus-leader", value: "h:1"))
    for (name, value) in [("Upper", "x"), (":path", "x"), ("a b", "x"), ("a", "x\ny"), ("", "x"), ("grpc-status", "0")]
    {
      #expect(!HeaderList.isValid(name: name, value: value))
    }
  }
}

import Basics

/// `encode` and `decode` of byte strings: hexadecimal and base 64.
enum ByteEncoding {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8], as format: String) throws(SQLError) -> String {
    switch format.lowercased() {
    case "hex":
      let digits = Array("0123456789abcdef".utf8)
      return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    case "base64":
      var result: [UInt8] = []
      var column = 0
      for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let word = (0..<3).reduce(UInt32(0)) { sum, index in
          sum << 8 | (start + index < bytes.count ? UInt32(bytes[start + index]) : 0)
        }
        // Lines of 76 characters, as PostgreSQL writes them.
        if column == 76 {
          result.append(10)
          column = 0
        }
        for index in 0..<4 {
          result.append(index <= group.count ? alphabet[Int(word >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
        }
        column += 4
      }
      return String(decoding: result, as: UTF8.self)
    default: throw SQLError(.invalidParameterValue, "unrecognized encoding: \"\(format)\"")
    }
  }

  static func decode(_ text: String, as format: String) throws(SQLError) -> [UInt8] {
    let source = text.utf8.filter { $0 != 32 && ($0 < 9 || $0 > 13) }
    switch format.lowercased() {
    case "hex":
      var result: [UInt8] = []
      var high: UInt8?
      for byte in source {
        let digit: UInt8
        switch byte {
        case 48...57: digit = byte - 48
        case 65...70: digit = byte - 55
        case 97...102: digit = byte - 87
        default:
          throw SQLError(
            .invalidParameterValue, "invalid hexadecimal digit: \"\(String(decoding: [byte], as: UTF8.self))\"")
        }
        if let first = high {
          result.append(first << 4 | digit)
          high = nil
        } else {
          high = digit
        }
      }
      if high != nil { throw SQLError(.invalidParameterValue, "invalid hexadecimal data: odd number of digits") }
      return result
    case "base64":
      var result: [UInt8] = []
      var word: UInt32 = 0
      var count = 0
      for byte in source where byte != UInt8(ascii: "=") {
        guard let value = alphabet.firstIndex(of: byte) else {
          throw SQLError(
            .invalidParameterValue,
            "invalid symbol \"\(String(decoding: [byte], as: UTF8.self))\" found while decoding base64 sequence")
        }
        word = word << 6 | UInt32(value)
        count += 1
        if count == 4 {
          for shift in [16, 8, 0] as [UInt32] { result.append(UInt8(truncatingIfNeeded: word >> shift)) }
          word = 0
          count = 0
        }
      }
      switch count {
      case 0: break
      case 2: result.append(UInt8(truncatingIfNeeded: word >> 4))
      case 3:
        result.append(UInt8(truncatingIfNeeded: word >> 10))
        result.append(UInt8(truncatingIfNeeded: word >> 2))
      default: throw SQLError(.invalidParameterValue, "invalid base64 end sequence")
      }
      return result
    default: throw SQLError(.invalidParameterValue, "unrecognized encoding: \"\(format)\"")
    }
  }
}

/// The MD5 digest (RFC 1321), for the SQL function of that name.
enum MD5 {
  private static let shifts: [UInt32] = [
    7, 12, 17, 22, 7, 12, 17, 22, 7, 12, 17, 22, 7, 12, 17, 22, 5, 9, 14, 20, 5, 9, 14, 20, 5, 9, 14, 20, 5, 9, 14, 20,
    4, 11, 16, 23, 4, 11, 16, 23, 4, 11, 16, 23, 4, 11, 16, 23, 6, 10, 15, 21, 6, 10, 15, 21, 6, 10, 15, 21, 6, 10, 15,
    21,
  ]
  private static let table: [UInt32] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
  ]

  static func hexadecimal(_ message: [UInt8]) -> String {
    var padded = message + [0x80]
    while padded.count % 64 != 56 { padded.append(0) }
    let bits = UInt64(message.count) &* 8
    for index in 0..<8 { padded.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index))) }
    var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
    for start in stride(from: 0, to: padded.count, by: 64) {
      let words = (0..<16).map { word in
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(padded[start + word * 4 + $1]) << UInt32(8 * $1) }
      }
      var (a, b, c, d) = (state[0], state[1], state[2], state[3])
      for round in 0..<64 {
        var mixed: UInt32
        let word: Int
        switch round / 16 {
        case 0: (mixed, word) = ((b & c) | (~b & d), round)
        case 1: (mixed, word) = ((d & b) | (~d & c), (5 * round + 1) % 16)
        case 2: (mixed, word) = (b ^ c ^ d, (3 * round + 5) % 16)
        default: (mixed, word) = (c ^ (b | ~d), (7 * round) % 16)
        }
        mixed = mixed &+ a &+ table[round] &+ words[word]
        (a, d, c) = (d, c, b)
        b = b &+ (mixed << shifts[round] | mixed >> (32 - shifts[round]))
      }
      state = [state[0] &+ a, state[1] &+ b, state[2] &+ c, state[3] &+ d]
    }
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for word in state {
      for index in 0..<4 {
        let byte = UInt8(truncatingIfNeeded: word >> UInt32(8 * index))
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// A 64-bit digest of everything that was delivered, in order: equal for two runs of a seed, else something in the
/// process is not determined by the seed.
public struct TraceHash: Hashable, Sendable, CustomStringConvertible {
  public private(set) var value: UInt64 = 0x6a09_e667_f3bc_c908

  public init() {}

  public mutating func fold(_ number: UInt64) {
    value = (value ^ number) &* 0x9e37_79b9_7f4a_7c15
    value ^= value >> 29
  }

  public mutating func fold(_ bytes: UnsafeRawBufferPointer) {
    fold(UInt64(bytes.count))
    var offset = 0
    while offset + 8 <= bytes.count {
      fold(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
    }
    while offset < bytes.count {
      fold(UInt64(bytes[offset]))
      offset += 1
    }
  }

  public mutating func fold(_ text: String) {
    var text = text
    text.withUTF8 { fold(UnsafeRawBufferPointer($0)) }
  }

  static func digest(_ bytes: [UInt8]) -> UInt64 {
    var hash = TraceHash()
    bytes.withUnsafeBytes { hash.fold($0) }
    return hash.value
  }

  public var description: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

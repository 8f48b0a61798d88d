/// Appends values to bytes. Fixed-width integers are little-endian; `ByteReader` reads them back.
///
/// Records that outlive a release are written as tagged fields (`field…`), the layout of Protocol Buffers: a reader
/// skips the field numbers it does not know, so neighbouring releases understand each other.
public struct ByteWriter: Sendable {
  public private(set) var bytes: [UInt8] = []

  public init() {}
  public init(capacity: Int) { bytes.reserveCapacity(capacity) }

  public mutating func write(_ value: UInt8) { bytes.append(value) }
  public mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
  public mutating func write(_ value: UInt16) { writeLittleEndian(value) }
  public mutating func write(_ value: UInt32) { writeLittleEndian(value) }
  public mutating func write(_ value: UInt64) { writeLittleEndian(value) }
  public mutating func write(_ value: Int32) { writeLittleEndian(UInt32(bitPattern: value)) }
  public mutating func write(_ value: Int64) { writeLittleEndian(UInt64(bitPattern: value)) }
  public mutating func write(_ value: Double) { writeLittleEndian(value.bitPattern) }

  /// Seven bits a byte, lowest first; one to ten bytes.
  public mutating func writeVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Zigzag varint: small magnitudes of either sign stay short.
  public mutating func writeSignedVarint(_ value: Int64) {
    writeVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// Length as varint, then the bytes.
  public mutating func writeBytes(_ value: some Collection<UInt8>) {
    writeVarint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  /// Length as varint, then UTF-8.
  public mutating func writeString(_ value: String) {
    var copy = value
    copy.withUTF8 { buffer in
      writeVarint(UInt64(buffer.count))
      unsafe bytes.append(contentsOf: buffer)
    }
  }

  /// The bytes alone, without their length.
  public mutating func writeRaw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

  private mutating func writeLittleEndian<Value: FixedWidthInteger>(_ value: Value) {
    var rest = value
    for _ in 0..<(Value.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }
}

// MARK: - Tagged fields

extension ByteWriter {
  public mutating func field(_ number: Int, _ value: UInt64) {
    writeVarint(UInt64(number) << 3)
    writeVarint(value)
  }

  public mutating func field(_ number: Int, signed value: Int64) {
    writeVarint(UInt64(number) << 3)
    writeSignedVarint(value)
  }

  public mutating func field(_ number: Int, _ value: Bool) { field(number, value ? 1 as UInt64 : 0) }

  public mutating func field(_ number: Int, _ value: String) {
    writeVarint(UInt64(number) << 3 | 2)
    writeString(value)
  }

  public mutating func field(_ number: Int, _ value: [UInt8]) {
    writeVarint(UInt64(number) << 3 | 2)
    writeBytes(value)
  }

  public mutating func field(_ number: Int, _ value: some Identifier) { field(number, value.rawValue) }
  public mutating func field(_ number: Int, _ value: Timestamp) { field(number, value.rawValue) }

  /// A nested record.
  public mutating func field(_ number: Int, _ body: (inout ByteWriter) throws -> Void) rethrows {
    var nested = ByteWriter()
    try body(&nested)
    field(number, nested.bytes)
  }
}

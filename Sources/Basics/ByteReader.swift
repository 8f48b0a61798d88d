/// Bytes from outside that do not have the promised form.
public struct MalformedBytes: Error, Hashable, CustomStringConvertible {
  public let reason: String
  /// Position in the record where reading stopped.
  public let offset: Int

  public init(_ reason: String, at offset: Int = 0) {
    self.reason = reason
    self.offset = offset
  }

  public var description: String { "malformed bytes at offset \(offset): \(reason)" }
}

/// Reads what `ByteWriter` wrote; every read is bounds-checked and no length is believed before it is compared
/// with what is left.
public struct ByteReader: Sendable {
  public let bytes: ArraySlice<UInt8>
  public private(set) var position: Int

  public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  public var remaining: Int { bytes.endIndex - position }
  public var isAtEnd: Bool { position == bytes.endIndex }

  /// Everything not yet read.
  public var rest: ArraySlice<UInt8> { bytes[position...] }

  public mutating func readUInt8() throws(MalformedBytes) -> UInt8 {
    try require(1)
    defer { position += 1 }
    return bytes[position]
  }

  public mutating func readBool() throws(MalformedBytes) -> Bool {
    switch try readUInt8() {
    case 0: return false
    case 1: return true
    case let other: throw failure("\(other) is no boolean")
    }
  }

  public mutating func readUInt16() throws(MalformedBytes) -> UInt16 { try readLittleEndian() }
  public mutating func readUInt32() throws(MalformedBytes) -> UInt32 { try readLittleEndian() }
  public mutating func readUInt64() throws(MalformedBytes) -> UInt64 { try readLittleEndian() }
  public mutating func readInt32() throws(MalformedBytes) -> Int32 { Int32(bitPattern: try readLittleEndian()) }
  public mutating func readInt64() throws(MalformedBytes) -> Int64 { Int64(bitPattern: try readLittleEndian()) }
  public mutating func readDouble() throws(MalformedBytes) -> Double { Double(bitPattern: try readLittleEndian()) }

  public mutating func readVarint() throws(MalformedBytes) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try readUInt8()
      if shift == 63 && byte > 1 { throw failure("varint beyond 64 bits") }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { throw failure("varint beyond 64 bits") }
    }
  }

  public mutating func readSignedVarint() throws(MalformedBytes) -> Int64 {
    let raw = try readVarint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  /// A varint that must fit `Int` and not exceed what is left: the number of bytes or elements that follow.
  public mutating func readCount() throws(MalformedBytes) -> Int {
    let value = try readVarint()
    guard value <= UInt64(remaining) else { throw failure("count \(value) exceeds the \(remaining) bytes left") }
    return Int(value)
  }

  public mutating func readBytes() throws(MalformedBytes) -> ArraySlice<UInt8> { try readRaw(try readCount()) }

  public mutating func readString() throws(MalformedBytes) -> String {
    let slice = try readBytes()
    guard let text = String(validating: slice, as: UTF8.self) else { throw failure("invalid UTF-8") }
    return text
  }

  public mutating func readRaw(_ count: Int) throws(MalformedBytes) -> ArraySlice<UInt8> {
    try require(count)
    defer { position += count }
    return bytes[position..<position + count]
  }

  public func requireEnd() throws(MalformedBytes) {
    guard isAtEnd else { throw failure("\(remaining) bytes too many") }
  }

  public func failure(_ reason: String) -> MalformedBytes {
    MalformedBytes(reason, at: position - bytes.startIndex)
  }

  private func require(_ count: Int) throws(MalformedBytes) {
    guard count >= 0, count <= remaining else { throw failure("\(count) bytes wanted, \(remaining) left") }
  }

  private mutating func readLittleEndian<Value: FixedWidthInteger>() throws(MalformedBytes) -> Value {
    let size = Value.bitWidth / 8
    try require(size)
    var value: Value = 0
    for index in 0..<size { value |= Value(truncatingIfNeeded: bytes[position + index]) << Value(8 * index) }
    position += size
    return value
  }
}

// MARK: - Tagged fields

/// One field of a tagged record.
public struct TaggedField: Sendable {
  public enum Value: Sendable {
    case integer(UInt64)
    case bytes(ArraySlice<UInt8>)
  }
  public let number: Int
  public let value: Value
}

extension TaggedField {
  public func integer() throws(MalformedBytes) -> UInt64 {
    guard case .integer(let value) = value else { throw MalformedBytes("field \(number) is no integer") }
    return value
  }

  public func signed() throws(MalformedBytes) -> Int64 {
    let raw = try integer()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  public func boolean() throws(MalformedBytes) -> Bool { try integer() != 0 }

  public func slice() throws(MalformedBytes) -> ArraySlice<UInt8> {
    guard case .bytes(let value) = value else { throw MalformedBytes("field \(number) is not bytes") }
    return value
  }

  public func bytes() throws(MalformedBytes) -> [UInt8] { Array(try slice()) }

  public func string() throws(MalformedBytes) -> String {
    guard let text = String(validating: try slice(), as: UTF8.self) else {
      throw MalformedBytes("field \(number) is not UTF-8")
    }
    return text
  }

  public func identifier<ID: Identifier>(_: ID.Type = ID.self) throws(MalformedBytes) -> ID { ID(try integer()) }
  public func timestamp() throws(MalformedBytes) -> Timestamp { Timestamp(rawValue: try integer()) }
  public func reader() throws(MalformedBytes) -> ByteReader { ByteReader(try slice()) }
}

extension ByteReader {
  /// The next field of a tagged record, or nil at its end.
  public mutating func nextField() throws(MalformedBytes) -> TaggedField? {
    if isAtEnd { return nil }
    let tag = try readVarint()
    guard tag >> 3 > 0, tag >> 3 <= 1 << 29 else { throw failure("field number \(tag >> 3)") }
    let number = Int(tag >> 3)
    switch tag & 7 {
    case 0: return TaggedField(number: number, value: .integer(try readVarint()))
    case 2: return TaggedField(number: number, value: .bytes(try readBytes()))
    case let kind: throw failure("field \(number) has the unknown wire type \(kind)")
    }
  }
}

import Basics

// Persisted records: tagged fields, so that neighbouring releases read each other's.

extension ByteReader {
  /// Terms and positions of the log; what is larger than any log can be is malformed, so that arithmetic cannot overflow.
  mutating func readLogNumber() throws(MalformedBytes) -> UInt64 {
    let value = try readVarint()
    guard value <= 1 << 62 else { throw failure("\(value) is no term or log index") }
    return value
  }
}

extension TaggedField {
  func logNumber() throws(MalformedBytes) -> UInt64 {
    let value = try integer()
    guard value <= 1 << 62 else { throw MalformedBytes("field \(number): \(value) is no term or log index") }
    return value
  }
}

extension Membership {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    for node in voters { writer.field(1, node) }
    for node in learners { writer.field(2, node) }
    return writer.bytes
  }

  public init(encoded bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var voters: [NodeID] = []
    var learners: [NodeID] = []
    var reader = ByteReader(Array(bytes))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: voters.append(try field.identifier())
      case 2: learners.append(try field.identifier())
      default: break
      }
      if voters.count + learners.count > Self.maximumMembers { throw reader.failure("too many members") }
    }
    if voters.isEmpty { throw reader.failure("a membership without voters") }
    self.init(voters: voters, learners: learners)
  }
}

extension HardState {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.field(1, term)
    if let vote { writer.field(2, vote) }
    return writer.bytes
  }

  public init(encoded bytes: [UInt8]) throws(MalformedBytes) {
    self.init()
    var reader = ByteReader(bytes)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: term = try field.logNumber()
      case 2: vote = try field.identifier()
      default: break
      }
    }
  }
}

extension TruncatedState {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.field(1, index)
    writer.field(2, term)
    writer.field(3, membership.encoded())
    return writer.bytes
  }

  public init(encoded bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var index: LogIndex = 0
    var term: Term = 0
    var membership: Membership?
    var reader = ByteReader(Array(bytes))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: index = try field.logNumber()
      case 2: term = try field.logNumber()
      case 3: membership = try Membership(encoded: field.slice())
      default: break
      }
    }
    guard let membership else { throw reader.failure("a truncated state without members") }
    self.init(index: index, term: term, membership: membership)
  }
}

extension Entry {
  /// Layout of a stored entry: term (varint), kind (1 byte), payload (the rest). The index is in the key.
  public func encodedRecord() -> [UInt8] {
    var writer = ByteWriter(capacity: payload.count + 12)
    writer.writeVarint(term)
    writer.write(kind.rawValue)
    writer.writeRaw(payload)
    return writer.bytes
  }

  public init(index: LogIndex, record: [UInt8]) throws(MalformedBytes) {
    var reader = ByteReader(record)
    let term = try reader.readLogNumber()
    let kind = try Kind(from: &reader)
    self.init(index: index, term: term, kind: kind, payload: Array(reader.rest))
  }
}

extension Entry.Kind {
  init(from reader: inout ByteReader) throws(MalformedBytes) {
    let raw = try reader.readUInt8()
    guard let kind = Entry.Kind(rawValue: raw) else { throw reader.failure("\(raw) is no kind of entry") }
    self = kind
  }
}

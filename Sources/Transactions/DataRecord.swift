import Basics

// Space `data`.
//
//   key:    row key, then 8 bytes: big-endian bitwise complement of the commit timestamp (newest first)
//   value:  offset 0  1 byte   kind: 0 put, 1 delete
//           offset 1  8 bytes  start timestamp of the transaction, little-endian
//           offset 9           the row's value (empty for a delete)

/// What one commit did to one key.
public enum VersionKind: UInt8, Hashable, Sendable {
  case put = 0
  case delete = 1
}

/// A committed version without its value.
public struct VersionHeader: Hashable, Sendable {
  public var commit: Timestamp
  /// Start timestamp of the transaction that wrote it: tells a retry from a conflict.
  public var start: Timestamp
  public var kind: VersionKind

  public init(commit: Timestamp, start: Timestamp, kind: VersionKind) {
    self.commit = commit
    self.start = start
    self.kind = kind
  }
}

/// A committed version of a key.
public struct DataVersion: Hashable, Sendable {
  public var header: VersionHeader
  public var value: [UInt8]

  public init(header: VersionHeader, value: [UInt8]) {
    self.header = header
    self.value = value
  }

  public var commit: Timestamp { header.commit }
  public var start: Timestamp { header.start }
  public var kind: VersionKind { header.kind }
}

/// The byte layout of space `data`.
public enum DataRecord {
  /// Bytes before the row's value.
  public static let headerLengthBytes = 9
  /// Bytes after the row key in a cell's key.
  public static let suffixLengthBytes = 8

  public static func cellKey(_ key: [UInt8], commit: Timestamp) -> [UInt8] {
    var cell = [UInt8]()
    cell.reserveCapacity(key.count + suffixLengthBytes)
    cell.append(contentsOf: key)
    appendBigEndian(~commit.rawValue, to: &cell)
    return cell
  }

  /// Appends what `cellKey` and `encode(.put, …)` make, for callers that use the same arrays again.
  public static func append(
    _ key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, at timestamp: Timestamp, toKey cell: inout [UInt8],
    toValue record: inout [UInt8]
  ) {
    cell.append(contentsOf: key)
    appendBigEndian(~timestamp.rawValue, to: &cell)
    record.append(VersionKind.put.rawValue)
    appendLittleEndian(timestamp.rawValue, to: &record)
    record.append(contentsOf: value)
  }

  /// The row key and commit timestamp of a cell.
  public static func splitCellKey(_ cell: [UInt8]) throws(MalformedBytes) -> (key: [UInt8], commit: Timestamp) {
    guard cell.count >= suffixLengthBytes else { throw MalformedBytes("cell key of \(cell.count) bytes") }
    let boundary = cell.count - suffixLengthBytes
    return (Array(cell[..<boundary]), Timestamp(rawValue: ~readBigEndian(cell[boundary...])))
  }

  public static func encode(_ kind: VersionKind, start: Timestamp, value: some Collection<UInt8>) -> [UInt8] {
    var bytes = [UInt8]()
    bytes.reserveCapacity(headerLengthBytes + value.count)
    bytes.append(kind.rawValue)
    appendLittleEndian(start.rawValue, to: &bytes)
    bytes.append(contentsOf: value)
    return bytes
  }

  public static func decode(_ bytes: [UInt8], commit: Timestamp) throws(MalformedBytes) -> DataVersion {
    let header = try decodeHeader(bytes[...], commit: commit)
    return DataVersion(header: header, value: Array(bytes[headerLengthBytes...]))
  }

  public static func decodeHeader(
    _ bytes: ArraySlice<UInt8>, commit: Timestamp
  ) throws(MalformedBytes) -> VersionHeader {
    var reader = ByteReader(bytes)
    guard let kind = VersionKind(rawValue: try reader.readUInt8()) else { throw reader.failure("unknown version kind") }
    let start = Timestamp(rawValue: try reader.readUInt64())
    return VersionHeader(commit: commit, start: start, kind: kind)
  }
}

func appendBigEndian(_ value: UInt64, to bytes: inout [UInt8]) {
  var shift: UInt64 = 56
  while true {
    bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    if shift == 0 { return }
    shift -= 8
  }
}

func readBigEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  var value: UInt64 = 0
  for byte in bytes { value = value << 8 | UInt64(byte) }
  return value
}

func appendLittleEndian(_ value: UInt64, to bytes: inout [UInt8]) {
  var rest = value
  for _ in 0..<8 {
    bytes.append(UInt8(truncatingIfNeeded: rest))
    rest >>= 8
  }
}

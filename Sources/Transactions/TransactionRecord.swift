import Basics

// Space `transactions`.
//
//   key:    row key, then 8 bytes: big-endian start timestamp
//   value:  offset 0  1 byte   outcome: 1 committed, 2 rolled back
//           offset 1  8 bytes  commit timestamp, little-endian (0 when rolled back)
//
// At a primary key the record is the transaction's fate; at another key "rolled back" keeps a late prewrite out.

/// How a transaction ended.
public enum TransactionRecord: Hashable, Sendable {
  case committed(Timestamp)
  case rolledBack

  public static func cellKey(_ key: [UInt8], start: Timestamp) -> [UInt8] {
    var cell = [UInt8]()
    cell.reserveCapacity(key.count + 8)
    cell.append(contentsOf: key)
    appendBigEndian(start.rawValue, to: &cell)
    return cell
  }

  /// The start timestamp in the key of a record.
  public static func start(ofCell cell: [UInt8]) throws(MalformedBytes) -> Timestamp {
    guard cell.count >= 8 else { throw MalformedBytes("record key of \(cell.count) bytes") }
    return Timestamp(rawValue: readBigEndian(cell[(cell.count - 8)...]))
  }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 9)
    switch self {
    case .committed(let timestamp):
      writer.write(1 as UInt8)
      writer.write(timestamp.rawValue)
    case .rolledBack:
      writer.write(2 as UInt8)
      writer.write(0 as UInt64)
    }
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    let outcome = try reader.readUInt8()
    let timestamp = Timestamp(rawValue: try reader.readUInt64())
    try reader.requireEnd()
    switch outcome {
    case 1: self = .committed(timestamp)
    case 2: self = .rolledBack
    default: throw reader.failure("unknown transaction outcome \(outcome)")
    }
  }
}

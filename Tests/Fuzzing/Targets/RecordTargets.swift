import Basics
import Transactions

/// What lies in the spaces of a range, and the commands that put it there.
let recordTargets: [FuzzTarget] = [
  FuzzTarget("lock-record", seeds: { [lockSeed.encoded()] }) { bytes in
    guard let record = try? LockRecord(decoding: bytes) else { return }
    require((try? LockRecord(decoding: record.encoded())) == record, "\(record) is written and read again")
  },
  FuzzTarget(
    "transaction-record",
    seeds: { [TransactionRecord.committed(Timestamp(rawValue: 9)).encoded(), TransactionRecord.rolledBack.encoded()] }
  ) { bytes in
    if let record = try? TransactionRecord(decoding: bytes) {
      require((try? TransactionRecord(decoding: record.encoded())) == record, "\(record) is written and read again")
    }
    guard let start = try? TransactionRecord.start(ofCell: bytes) else { return }
    require(TransactionRecord.cellKey(bytes.dropLast(8), start: start) == bytes, "a cell's key is put together again")
  },
  FuzzTarget(
    "data-record",
    seeds: {
      [DataRecord.encode(.put, start: Timestamp(rawValue: 8), value: [1, 2]), DataRecord.cellKey([7], commit: .zero)]
    }
  ) { bytes in
    if let version = try? DataRecord.decode(bytes, commit: .zero) {
      let written = DataRecord.encode(version.kind, start: version.start, value: version.value)
      require(written == bytes, "a version has one encoding")
    }
    guard let (key, commit) = try? DataRecord.splitCellKey(bytes) else { return }
    require(DataRecord.cellKey(key, commit: commit) == bytes, "a cell's key is put together again")
  },
  FuzzTarget("range-command", seeds: commandSeeds, run: runCommand),
]

private let lockSeed = LockRecord(
  kind: .put, start: Timestamp(rawValue: 5), minimumCommit: Timestamp(rawValue: 6), primaryKey: [1, 2, 3],
  primaryRangeID: RangeID(4), gatewayID: NodeID(201), timeToLiveMilliseconds: 10_000, value: [9, 9])

/// Collects what a command does.
private struct Writes: KeyValueWriter {
  var writes: [LowLevelWrite] = []
  mutating func put(_ space: KeyValueSpace, key: [UInt8], value: [UInt8]) {
    writes.append(.put(space, key: key, value: value))
  }
  mutating func delete(_ space: KeyValueSpace, key: [UInt8]) { writes.append(.delete(space, key: key)) }
}

private func runCommand(_ bytes: [UInt8]) {
  var found = Writes()
  guard let marks = try? RangeCommand.apply(bytes[...], to: &found) else { return }
  var command = RangeCommand(writes: found.writes)
  command.readBound = marks.readBound
  command.safePoints = marks.safePoints
  var again = Writes()
  let repeated = try? RangeCommand.apply(command.encoded()[...], to: &again)
  require(again.writes == found.writes, "a command is written and read again")
  require(repeated?.readBound == marks.readBound && repeated?.safePoints == marks.safePoints, "with its marks")
  require(found.writes.count <= bytes.count, "no more writes than bytes")
}

private func commandSeeds() -> [[UInt8]] {
  var command = RangeCommand(writes: [
    .put(.data, key: [1, 2], value: [3]), .delete(.lock, key: [4]),
    .put(.transactions, key: [5], value: TransactionRecord.rolledBack.encoded()),
  ])
  let plain = command.encoded()
  command.readBound = Timestamp(rawValue: 1 << 40)
  command.safePoints = SafePoints(versions: Timestamp(rawValue: 7), records: Timestamp(rawValue: 6))
  command.ingestTimestamp = Timestamp(rawValue: 5)
  var entries = ByteWriter()
  entries.writeBytes([1])
  entries.writeBytes([2, 3])
  command.ingestEntries = entries.bytes
  return [plain, command.encoded()]
}

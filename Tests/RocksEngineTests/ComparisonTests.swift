import Basics
import Testing

@testable import RocksEngine

/// The same random operations on RocksDB and on a simulated disk: every answer must be equal.
@Suite struct ComparisonTests {
  @Test(arguments: 1...UInt64(12)) func everyAnswerIsEqual(seed: UInt64) throws {
    var run = try ComparisonRun(seed: seed)
    defer { run.closeReaders() }
    for step in 0..<400 {
      let isSame = try run.step()
      try #require(isSame, "seed \(seed), step \(step): \(run.difference)")
    }
    let isSame = try run.compareEverything()
    #expect(isSame, "seed \(seed), at the end: \(run.difference)")
  }
}

/// One run: two databases, the snapshots and iterators open on both.
private struct ComparisonRun {
  private var generator: SeededGenerator
  private let native: Fixture
  private let memory: Fixture
  private var snapshots: [(RocksSnapshot, RocksSnapshot)] = []
  private var iterators: [(RocksIterator, RocksIterator)] = []
  private var files = 0
  private(set) var difference = ""

  init(seed: UInt64) throws {
    generator = SeededGenerator(seed: seed)
    native = try Fixture(.native)
    memory = try Fixture(.memory)
  }

  private var fixtures: [Fixture] { [native, memory] }

  /// Returns false when the two differ, and says how in `difference`.
  mutating func step() throws -> Bool {
    switch Int.random(in: 0..<100, using: &generator) {
    case 0..<40: try write()
    case 40..<50: return try compareGets()
    case 50..<55: return try compareMultiGet()
    case 55..<75: return try compareIterator()
    case 75..<80: openSnapshot()
    case 80..<85: openIterator()
    case 85..<92: return try moveOldIterator()
    case 92..<96: try ingest()
    case 96..<98: try reopen()
    default: return try compareEverything()
    }
    return true
  }

  // MARK: - Changes

  /// Few different keys, some of them prefixes of others, so that operations meet.
  private mutating func key() -> [UInt8] {
    let count = Int.random(in: 0...3, using: &generator)
    return (0..<count).map { _ in [0, 1, 2, 3, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0 }
      + [UInt8.random(in: 0..<4, using: &generator)]
  }

  private mutating func family() -> String { Bool.random(using: &generator) ? "data" : "log" }

  private mutating func write() throws {
    let batches = [WriteBatch(), WriteBatch()]
    for _ in 0..<Int.random(in: 1...40, using: &generator) {
      let (first, second, name) = (key(), key(), family())
      let value = (0..<Int.random(in: 0...9, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator)
      }
      let kind = Int.random(in: 0..<20, using: &generator)
      for (batch, fixture) in zip(batches, fixtures) {
        let family = fixture.database.columnFamily(name)
        switch kind {
        case 0..<14: batch.put(first, value, in: family)
        case 14..<19: batch.delete(first, in: family)
        default:
          batch.deleteRange(from: min(first, second, by: isBelow), to: max(first, second, by: isBelow), in: family)
        }
      }
    }
    #expect(batches[0].count == batches[1].count)
    let sync = Int.random(in: 0..<10, using: &generator) == 0
    for (batch, fixture) in zip(batches, fixtures) { try fixture.database.write(batch, sync: sync) }
  }

  private mutating func ingest() throws {
    var entries: [[UInt8]: [UInt8]] = [:]
    for _ in 0..<Int.random(in: 1...20, using: &generator) { entries[key()] = key() }
    let (name, move) = (family(), Bool.random(using: &generator))
    files += 1
    for fixture in fixtures {
      let path = "\(fixture.path)/\(files).sst"
      let writer = try SSTWriter(path: path, disk: fixture.disk)
      for (key, value) in entries.sorted(by: { isBelow($0.key, $1.key) }) { try writer.put(key, value) }
      _ = try writer.finish()
      try fixture.database.ingest([path], in: fixture.database.columnFamily(name), move: move)
    }
  }

  /// With everything synced both are as before; a simulated host may lose power then.
  private mutating func reopen() throws {
    closeReaders()
    for fixture in fixtures { try fixture.database.syncLog() }
    if Bool.random(using: &generator) { memory.disk?.crash(using: &generator) }
    for fixture in fixtures { try fixture.reopen() }
  }

  /// A database must not be closed before.
  mutating func closeReaders() {
    snapshots = []
    iterators = []
  }

  // MARK: - Comparisons

  private mutating func snapshotPair() -> (RocksSnapshot?, RocksSnapshot?) {
    guard Bool.random(using: &generator), let pair = snapshots.randomElement(using: &generator) else {
      return (nil, nil)
    }
    return pair
  }

  private mutating func same<Value: Equatable>(_ what: String, _ left: Value, _ right: Value) -> Bool {
    if left == right { return true }
    difference = "\(what): RocksDB \(left), simulated \(right)"
    return false
  }

  private mutating func compareGets() throws -> Bool {
    let (key, name, pair) = (key(), family(), snapshotPair())
    let left = try native.database.get(key, in: native.database.columnFamily(name), snapshot: pair.0)
    let right = try memory.database.get(key, in: memory.database.columnFamily(name), snapshot: pair.1)
    return same("get \(key)", left, right)
  }

  private mutating func compareMultiGet() throws -> Bool {
    let (name, pair) = (family(), snapshotPair())
    let keys = (0..<Int.random(in: 1...9, using: &generator)).map { _ in key() }
    let left = try native.database.multiGet(keys, in: native.database.columnFamily(name), snapshot: pair.0)
    let right = try memory.database.multiGet(keys, in: memory.database.columnFamily(name), snapshot: pair.1)
    return same("multiGet \(keys)", left, right)
  }

  private mutating func openSnapshot() {
    if snapshots.count > 3 { snapshots.removeFirst() }
    snapshots.append((native.database.snapshot(), memory.database.snapshot()))
  }

  private mutating func iteratorPair() -> (RocksIterator, RocksIterator) {
    let (name, pair) = (family(), snapshotPair())
    let lower = Int.random(in: 0..<3, using: &generator) == 0 ? nil : key()
    let upper = Int.random(in: 0..<3, using: &generator) == 0 ? nil : key()
    return (
      native.database.iterator(in: native.database.columnFamily(name), from: lower, to: upper, snapshot: pair.0),
      memory.database.iterator(in: memory.database.columnFamily(name), from: lower, to: upper, snapshot: pair.1)
    )
  }

  private mutating func openIterator() {
    if iterators.count > 3 { iterators.removeFirst() }
    iterators.append(iteratorPair())
  }

  private mutating func compareIterator() throws -> Bool {
    let pair = iteratorPair()
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !(try walk(pair)) { return false }
    return true
  }

  private mutating func moveOldIterator() throws -> Bool {
    guard let pair = iterators.randomElement(using: &generator) else { return true }
    return try walk(pair)
  }

  /// Positions both, then moves both to and fro while they are valid.
  private mutating func walk(_ pair: (RocksIterator, RocksIterator)) throws -> Bool {
    let target = key()
    let position = Int.random(in: 0..<4, using: &generator)
    for iterator in [pair.0, pair.1] {
      switch position {
      case 0: iterator.seekToFirst()
      case 1: iterator.seekToLast()
      case 2: iterator.seek(target)
      default: iterator.seekForPrevious(target)
      }
    }
    var bias = Bool.random(using: &generator)
    for moves in 0..<Int.random(in: 1...200, using: &generator) {
      let what = "iterator placed by \(position) of \(target), \(moves) moves"
      guard same(what, pair.0.isValid, pair.1.isValid) else { return false }
      if !pair.0.isValid { break }
      guard same(what, [pair.0.key, pair.0.value], [pair.1.key, pair.1.value]) else { return false }
      if Int.random(in: 0..<8, using: &generator) == 0 { bias.toggle() }
      for iterator in [pair.0, pair.1] {
        if bias { iterator.next() } else { iterator.previous() }
      }
    }
    try pair.0.checkStatus()
    try pair.1.checkStatus()
    return true
  }

  mutating func compareEverything() throws -> Bool {
    for name in ["data", "log"] {
      let all = fixtures.map { fixture in
        let iterator = fixture.database.iterator(in: fixture.database.columnFamily(name))
        iterator.seekToFirst()
        var entries: [[UInt8]] = []
        while iterator.isValid {
          entries += [iterator.key, iterator.value]
          iterator.next()
        }
        return entries
      }
      guard same("family \(name)", all[0], all[1]) else { return false }
    }
    return true
  }
}

private func min(_ left: [UInt8], _ right: [UInt8], by isBelow: ([UInt8], [UInt8]) -> Bool) -> [UInt8] {
  isBelow(right, left) ? right : left
}

private func max(_ left: [UInt8], _ right: [UInt8], by isBelow: ([UInt8], [UInt8]) -> Bool) -> [UInt8] {
  isBelow(right, left) ? left : right
}

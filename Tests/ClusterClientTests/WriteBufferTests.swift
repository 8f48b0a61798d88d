import Basics
import Testing

@testable import ClusterClient

@Suite struct WriteBufferTests {
  func write(_ kind: BufferedWrite.Kind, _ value: [UInt8] = [], at timestamp: UInt64 = 10, range: UInt64 = 1)
    -> BufferedWrite
  {
    BufferedWrite(
      kind: kind, value: value, range: RangeID(range), forUpdateTimestamp: Timestamp(rawValue: timestamp))
  }

  /// What the second write of a key leaves, by what was there.
  static let merges: [(BufferedWrite.Kind, BufferedWrite.Kind, BufferedWrite.Kind)] = [
    (.put, .put, .put), (.put, .delete, .delete), (.delete, .put, .put), (.delete, .insert, .put),
    (.insert, .put, .insert), (.insert, .delete, .delete), (.check, .put, .put), (.check, .insert, .insert),
    (.put, .check, .put), (.insert, .check, .insert), (.delete, .check, .delete), (.check, .delete, .delete),
  ]

  @Test(arguments: merges) func laterWritesMerge(
    _ first: BufferedWrite.Kind, _ second: BufferedWrite.Kind, _ result: BufferedWrite.Kind
  ) throws {
    var buffer = WriteBuffer(limitBytes: 10_000)
    let isFirstTaken = try buffer.add(write(first, [1], at: 10), for: [7])
    let isSecondTaken = try buffer.add(write(second, [2], at: 20), for: [7])
    #expect(isFirstTaken && isSecondTaken)
    #expect(buffer.write(for: [7])?.kind == result)
    // What was read first must still hold.
    #expect(buffer.write(for: [7])?.forUpdateTimestamp == Timestamp(rawValue: 10))
  }

  @Test(arguments: [BufferedWrite.Kind.put, .insert]) func anInsertMeetsAnOwnRow(_ kind: BufferedWrite.Kind) throws {
    var buffer = WriteBuffer(limitBytes: 10_000)
    _ = try buffer.add(write(kind), for: [7])
    let isTaken = try buffer.add(write(.insert), for: [7])
    #expect(!isTaken)
    #expect(buffer.write(for: [7])?.kind == kind)
  }

  @Test func undoBringsBackExactlyWhatWas() throws {
    var buffer = WriteBuffer(limitBytes: 10_000)
    let outer = buffer.mark()
    _ = try buffer.add(write(.put, [1]), for: [1])
    let before = buffer.writes
    let bytes = buffer.byteCount
    let mark = buffer.mark()
    _ = try buffer.add(write(.delete), for: [1])
    _ = try buffer.add(write(.insert, [9, 9]), for: [2])
    _ = try buffer.add(write(.put, [8]), for: [2])
    #expect(buffer.keys(since: mark) == [[1], [2]])
    buffer.undo(to: mark)
    #expect(buffer.writes == before)
    #expect(buffer.byteCount == bytes)
    let keys = buffer.sorted()
    #expect(keys == [[1]])
    buffer.release(mark)
    buffer.undo(to: outer)
    #expect(buffer.isEmpty)
    #expect(buffer.byteCount == 0)
  }

  @Test func spansAreFoundInOrder() throws {
    var buffer = WriteBuffer(limitBytes: 10_000)
    for key: [UInt8] in [[3], [1], [2, 0], [2]] { _ = try buffer.add(write(.put), for: key) }
    let middle = Array(buffer.keys(from: [2], to: [3]))
    let hasFirst = buffer.hasKeys(from: [1], to: [2])
    let hasLast = buffer.hasKeys(from: [4], to: [9])
    #expect(middle == [[2], [2, 0]])
    #expect(hasFirst && !hasLast)
  }

  @Test func theLimitIsAnErrorAndChangesNothing() throws {
    var buffer = WriteBuffer(limitBytes: 300)
    _ = try buffer.add(write(.put, [UInt8](repeating: 0, count: 100)), for: [1])
    do {
      _ = try buffer.add(write(.put, [UInt8](repeating: 0, count: 200)), for: [2])
      Issue.record("the limit is not kept")
    } catch {
      #expect(error.sqlError.state == .programLimitExceeded)
    }
    #expect(buffer.count == 1)
  }

  @Test(arguments: 0..<100) func bookkeepingHolds(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    var buffer = WriteBuffer(limitBytes: 1 << 20)
    var marks: [(WriteBuffer.Mark, [[UInt8]: BufferedWrite])] = []
    let kinds: [BufferedWrite.Kind] = [.put, .delete, .insert, .check]
    for _ in 0..<200 {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: marks.append((buffer.mark(), buffer.writes))
      case 1:
        guard let (mark, writes) = marks.popLast() else { continue }
        buffer.undo(to: mark)
        #expect(buffer.writes == writes)
        buffer.release(mark)
      case 2:
        let start = UInt8.random(in: 0..<12, using: &generator)
        buffer.removeAll(from: [start], to: [start + 2])
        let isEmpty = !buffer.hasKeys(from: [start], to: [start + 2])
        #expect(isEmpty)
      default:
        let key = [UInt8.random(in: 0..<12, using: &generator)]
        let value = [UInt8](repeating: 1, count: Int.random(in: 0..<20, using: &generator))
        _ = try buffer.add(write(kinds[Int.random(in: 0..<4, using: &generator)], value), for: key)
      }
      let expected = buffer.writes.reduce(0) {
        $0 + $1.key.count + $1.value.value.count + WriteBuffer.costPerWriteBytes
      }
      #expect(buffer.byteCount == expected)
      let sorted = buffer.sorted()
      #expect(sorted == buffer.writes.keys.sorted { $0.lexicographicallyPrecedes($1) })
    }
  }
}

@Suite struct CommitPlanningTests {
  func buffer(_ writes: [(UInt8, BufferedWrite.Kind, UInt64, Int)]) throws -> WriteBuffer {
    var buffer = WriteBuffer(limitBytes: 64 << 20)
    for (key, kind, range, size) in writes {
      _ = try buffer.add(
        BufferedWrite(
          kind: kind, value: [UInt8](repeating: 0, count: size), range: RangeID(range), forUpdateTimestamp: .zero),
        for: [key])
    }
    return buffer
  }

  @Test func oneRangeGoesInOneRound() throws {
    var one = try buffer([(1, .put, 5, 1), (2, .delete, 5, 1)])
    let chosen = CommitPlanning.chooseProtocol(&one)
    #expect(chosen == .oneRound(RangeID(5)))
    // What has to be looked at while the keys are held needs a time in which they are.
    let checked = CommitPlanning.chooseProtocol(&one, isChecked: true)
    #expect(checked == .twoPhase(primary: [1]))
  }

  @Test func severalRangesGoInTwoPhases() throws {
    var two = try buffer([(1, .check, 5, 0), (2, .put, 6, 1), (3, .put, 5, 1)])
    let chosen = CommitPlanning.chooseProtocol(&two)
    #expect(chosen == .twoPhase(primary: [2]))
  }

  @Test func aLargeTransactionOfOneRangeGoesInTwoPhasesInPieces() throws {
    var large = try buffer((0..<8).map { ($0, .put, 5, 200 << 10) })
    let chosen = CommitPlanning.chooseProtocol(&large)
    #expect(chosen == .twoPhase(primary: [0]))
    let groups = CommitPlanning.groups(large.sorted(), large)
    let chunks = CommitPlanning.chunks(groups[0], large, primary: [3])
    #expect(chunks.count == 4)
    #expect(chunks[0].keys.first == [3])
    #expect(chunks.flatMap(\.keys).sorted { $0.lexicographicallyPrecedes($1) } == (0..<8).map { [$0] })
  }

  @Test func locksAloneAreNothingToWrite() throws {
    var locks = try buffer([(1, .check, 5, 0)])
    let chosen = CommitPlanning.chooseProtocol(&locks)
    #expect(chosen == .nothingToWrite)
  }
}

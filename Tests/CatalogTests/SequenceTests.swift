import Basics
import SQLValues
import Testing

@testable import Catalog

@Suite struct SequenceTests {
  private func numbers(
    _ sequence: SequenceDescriptor, after state: SequenceState? = nil, blocks: [UInt64]
  ) throws -> [Int64] {
    var state = state ?? sequence.initialState
    var found: [Int64] = []
    for wanted in blocks {
      var block: SequenceBlock
      (block, state) = try sequence.taking(wanted, after: state, name: "s")
      while let value = block.take() { found.append(value) }
    }
    return found
  }

  @Test func blocksFollowEachOther() throws {
    #expect(try numbers(SequenceDescriptor(), blocks: [1, 3, 2]) == [1, 2, 3, 4, 5, 6])
    #expect(try numbers(SequenceDescriptor(start: 10, increment: 5), blocks: [2, 2]) == [10, 15, 20, 25])
    let down = SequenceDescriptor(start: -1, increment: -3, minimum: -10, maximum: 0)
    #expect(try numbers(down, blocks: [3, 1]) == [-1, -4, -7, -10])
    #expect(
      try numbers(SequenceDescriptor(), after: SequenceState(lastValue: 7, isCalled: true), blocks: [2]) == [8, 9])
  }

  @Test func aBlockEndsAtTheBound() throws {
    let short = SequenceDescriptor(maximum: 5)
    #expect(try numbers(short, blocks: [3, 10]) == [1, 2, 3, 4, 5])
    #expect(throws: SQLError(.sequenceLimitExceeded, "nextval: reached maximum value of sequence \"s\" (5)")) {
      try numbers(short, blocks: [10, 1])
    }
    let down = SequenceDescriptor(start: 2, increment: -1, minimum: 1, maximum: 2)
    #expect(throws: SQLError(.sequenceLimitExceeded, "nextval: reached minimum value of sequence \"s\" (1)")) {
      try numbers(down, blocks: [10, 1])
    }
  }

  @Test func cyclesBeginAnew() throws {
    let cycling = SequenceDescriptor(start: 2, minimum: 1, maximum: 3, isCycling: true)
    #expect(try numbers(cycling, blocks: [10, 10, 1, 10]) == [2, 3, 1, 2, 3, 1, 2, 3])
    let down = SequenceDescriptor(start: 0, increment: -3, minimum: -4, maximum: 0, isCycling: true)
    #expect(try numbers(down, blocks: [5, 5]) == [0, -3, 0, -3])
  }

  @Test func theEndsOfTheTypeAreNoTrap() throws {
    let ends = SequenceDescriptor(start: .min, increment: .max, minimum: .min, maximum: .max)
    #expect(try numbers(ends, blocks: [10]) == [.min, -1, .max - 1])
    #expect(throws: SQLError.self) { try numbers(ends, blocks: [10, 1]) }
    let down = SequenceDescriptor(start: .max, increment: .min, minimum: .min, maximum: .max)
    #expect(try numbers(down, blocks: [.max]) == [.max, -1])
    let all = SequenceDescriptor(start: .min, minimum: .min, maximum: .max)
    #expect(try all.taking(.max, after: all.initialState, name: "s").block.count == .max)
    #expect(throws: SQLError.self) {
      // Bounds that were changed afterwards.
      try numbers(SequenceDescriptor(maximum: 5), after: SequenceState(lastValue: 9, isCalled: false), blocks: [1])
    }
  }

  @Test func descriptorsRoundTrip() throws {
    var table = TableDescriptor(
      sequence: SequenceDescriptor(
        type: .int2, start: 5, increment: -2, minimum: -32_768, maximum: 7, cache: 9, isCycling: true, generation: 3,
        initialState: SequenceState(lastValue: -4, isCalled: true),
        owner: SequenceOwner(table: TableID(4), column: ColumnID(2), isIdentity: true)), id: TableID(9),
      databaseID: .defaultDatabase, namespaceID: .public, name: "s", range: RangeID(3))
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    table.columns[1].sequences = [TableID(1), TableID(2)]
    table.columns[1].identity = .byDefault
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
  }
}

import Basics
import SQLExpressions
import SQLValues
import Testing

@Suite struct ExpressionTests {
  static let samples: [Expression] = [
    .constant(.text("x"), .varchar(maximumCharacters: 3)), .column(3, .int4), .parameter(0, .uuid),
    .call(.add, [.column(0, .int4), .constant(.integer(1), .int4)], .int4),
    .and([.isNull(.column(0, .text)), .not(.isTrue), .or([.isFalse, .isDistinct(.column(1, .int8), .null)])]),
    .isTruth(.column(0, .boolean), .isNotUnknown),
    .inList(.column(0, .int4), [.constant(.integer(1), .int4), .constant(.null, .int4)]),
    .conditional(
      [ConditionalBranch(condition: .isTrue, value: .constant(.integer(1), .int4))], otherwise: nil, .int4),
    .conditional(
      [ConditionalBranch(condition: .isTrue, value: .constant(.integer(1), .int4))],
      otherwise: .constant(.integer(2), .int4), .int4),
    .coalesce([.column(0, .text), .constant(.text("y"), .text)], .text), .greatest([.column(0, .int8)], .int8),
    .least([.column(0, .int8)], .int8), .nullIf(.column(0, .int8), .column(1, .int8), .int8),
    .cast(.column(0, .text), from: .text, to: .int4, isExplicit: true),
    .comparison(.lessOrEqual, .column(0, .date), .constant(.date(1), .date)),
  ]

  @Test(arguments: samples)
  func codecRoundTrips(expression: Expression) throws {
    #expect(try Expression(decoding: expression.encoded) == expression)
    #expect(expression.mapChildren { $0 } == expression)
    let bytes = expression.encoded
    for length in 0..<bytes.count {
      #expect(throws: MalformedBytes.self) { try Expression(decoding: Array(bytes[..<length])) }
    }
  }

  @Test func damagedExpressionsNeverTrap() {
    var generator = SeededGenerator(seed: 1)
    var context = EvaluationContext()
    var decoded = 0
    for _ in 0..<20_000 {
      var bytes = Self.samples[Int(generator.next() % UInt64(Self.samples.count))].encoded
      for _ in 0..<(1 + generator.next() % 3) {
        bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: generator.next() % 160)
      }
      guard let expression = try? Expression(decoding: bytes) else { continue }
      decoded += 1
      _ = try? expression.evaluate([.integer(.min), .text("a"), .null], &context)
      _ = expression.volatility
    }
    #expect(decoded > 1_000)
  }

  @Test func deepExpressionsAreRefused() {
    var bytes = [UInt8](repeating: 7, count: 5_000)
    bytes += Expression.isTrue.encoded
    #expect(throws: MalformedBytes.self) { try Expression(decoding: bytes) }
  }

  @Test func functionNumbersAreFixed() {
    // Stored defaults name functions by number.
    #expect(FunctionID.add.rawValue == 1)
    #expect(FunctionID.concatenate.rawValue == 40)
    #expect(FunctionID.now.rawValue == 100)
    #expect(FunctionID.randomUUID.rawValue == 140)
  }

  @Test func parametersTakeTheTypeOfTheirContext() throws {
    var builder = ExpressionBuilder()
    let parameter = try builder.parameter(1)
    let comparison = try builder.compare(.equal, .column(0, .int8), parameter)
    #expect(builder.parameterTypes == [.int8])
    #expect(comparison == .comparison(.equal, .column(0, .int8), .parameter(0, .int8)))
    _ = try builder.assign(builder.parameter(2), to: .varchar(maximumCharacters: 5), column: "c")
    #expect(builder.parameterTypes[1] == .varchar(maximumCharacters: nil))
    #expect(throws: SQLError.self) { try builder.parameter(0) }
  }

  @Test func volatilityIsTheWorstOfTheParts() throws {
    var builder = ExpressionBuilder()
    #expect(try builder.call("abs", [.constant(.integer(1), .int4)]).isFoldable)
    #expect(try builder.call("now", []).volatility == .stable)
    let random = try builder.binary("+", builder.call("random", []), .constant(.double(1), .float8))
    #expect(random.volatility == .volatile)
    #expect(!random.isFoldable)
  }

  @Test func partialAggregatesMergeToTheWhole() throws {
    var generator = SeededGenerator(seed: 6)
    var context = EvaluationContext()
    var builder = ExpressionBuilder()
    for name in ["count", "sum", "avg", "min", "max"] {
      let call = try builder.aggregate(name, [.column(0, .int4)])
      var whole = AggregateState(call)
      var parts = [AggregateState(call), AggregateState(call), AggregateState(call)]
      for _ in 0..<100 {
        let row: [Datum] = [
          generator.next() % 5 == 0 ? .null : .integer(Int64(Int32(truncatingIfNeeded: generator.next())))
        ]
        try whole.add(call, row: row, &context)
        try parts[Int(generator.next() % 2)].add(call, row: row, &context)
      }
      var merged = parts[2]
      try merged.merge(parts[0])
      try merged.merge(parts[1])
      #expect(try merged.result() == whole.result(), "\(name)")
    }
  }

  @Test func randomIdentifiersAreVersionFour() throws {
    var context = EvaluationContext(random: SeededGenerator(seed: 1))
    let value = try Expression.call(.randomUUID, [], .uuid).evaluate([], &context)
    let text = Array(value.text(as: .uuid))
    #expect(text[14] == "4")
    #expect("89ab".contains(text[19]))
  }
}

import Basics
import SQLValues
import Testing

@testable import SQLExpressions

/// Expressions over columns that have other types now.
struct RetypingTests {
  private let a = Expression.column(0, .int4)
  private let s = Expression.column(1, .varchar(maximumCharacters: 5))
  private let numeric = SQLType.numeric(precision: nil, scale: nil)

  private func text(_ expression: Expression, _ types: [Int: SQLType]) throws -> String {
    var builder = ExpressionBuilder()
    return ExpressionText(columnNames: ["a", "s"]).text(try builder.retyped(expression, types))
  }

  @Test func operatorsAreChosenAnew() throws {
    var builder = ExpressionBuilder()
    let sum = try builder.binary("+", a, .constant(.integer(1), .int4))
    let positive = try builder.compare(.greater, sum, .constant(.integer(0), .int4))
    #expect(try builder.retyped(sum, [0: .int8]).type == .int8)
    #expect(try builder.retyped(sum, [0: numeric]).type == numeric)
    #expect(try builder.retyped(positive, [1: .text]) == positive, "it reads no column that has changed")
    #expect(try text(.not(.or([positive, .isNull(a)])), [0: .float8]).hasPrefix("(NOT ((("))
    #expect(throws: SQLError.self) { try text(positive, [0: .text]) }
    let list = try builder.inList(a, [.constant(.integer(1), .int4), .constant(.integer(2), .int4)])
    #expect(try text(list, [0: .int8]).contains("IN"))
    #expect(throws: SQLError.self) { try text(list, [0: .text]) }
  }

  @Test func castsStay() throws {
    var builder = ExpressionBuilder()
    let implicit = try builder.compare(.less, a, .constant(.decimal(Decimal("9.5")!), numeric))
    // As PostgreSQL shows it: ((a)::numeric < 9.5).
    #expect(try text(implicit, [0: .int8]) == "((a)::numeric < 9.5)")
    #expect(try text(implicit, [0: .text]) == "((a)::numeric < 9.5)")
    #expect(try text(implicit, [0: numeric]) == "(a < 9.5)")
    let explicit = try builder.cast(a, to: .text)
    #expect(try builder.retyped(explicit, [0: .text]) == .column(0, .text))
    let comparison = try builder.compare(.equal, s, .constant(.text("x"), .text))
    #expect(try text(comparison, [1: .int8]) == "((s)::text = 'x'::text)")
    #expect(try text(comparison, [1: .text]) == "(s = 'x'::text)")
  }

  @Test func functionsAreFoundByTheirNames() throws {
    var builder = ExpressionBuilder()
    let lower = try builder.call("lower", [s])
    #expect(try text(lower, [1: .text]) == "lower(s)")
    #expect(try text(lower, [1: .int8]) == "lower((s)::text)")
    let rounded = try builder.call("round", [builder.cast(a, to: numeric)])
    #expect(try builder.retyped(rounded, [0: .float8]).type == numeric)
    let absolute = try builder.call("abs", [a])
    #expect(try builder.retyped(absolute, [0: .float8]).type == .float8)
    #expect(throws: SQLError.self) { try builder.retyped(absolute, [0: .date]) }
    for (name, signatures) in FunctionTable.functions {
      for signature in signatures {
        let found = FunctionTable.name(
          of: signature.function, arguments: signature.parameters, result: signature.result)
        #expect(found != nil, "\(name)")
      }
    }
  }
}

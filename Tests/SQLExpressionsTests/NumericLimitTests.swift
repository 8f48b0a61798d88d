import Basics
import SQLExpressions
import SQLValues
import Testing

/// Functions of numerics that go through double precision, asked for more than that has.
@Suite struct NumericLimitTests {
  private func call(_ function: FunctionID, _ arguments: String...) throws -> Datum {
    var context = EvaluationContext()
    let type = SQLType.numeric(precision: nil, scale: nil)
    var constants: [Expression] = []
    for argument in arguments {
      constants.append(.constant(try Datum.text(argument).cast(from: .text, to: type, isExplicit: true), type))
    }
    return try Expression.call(function, constants, type).evaluate([], &context)
  }

  private func state(_ function: FunctionID, _ arguments: String...) -> String? {
    do {
      switch arguments.count {
      case 1: _ = try call(function, arguments[0])
      default: _ = try call(function, arguments[0], arguments[1])
      }
      return nil
    } catch { return (error as? SQLError)?.state.code }
  }

  @Test func whatDoublePrecisionCannotHoldIsSaid() {
    let huge = "1" + String(repeating: "0", count: 400)
    let tiny = "0." + String(repeating: "0", count: 400) + "1"
    for function in [FunctionID.naturalLogarithm, .commonLogarithm] {
      #expect(state(function, huge) == "0A000" && state(function, tiny) == "0A000")
      #expect(state(function, "2.5") == nil)
    }
    #expect(state(.power, huge, "0.5") == "0A000" && state(.power, "2.5", huge) == "0A000")
    #expect(state(.power, tiny, "1.5") == "0A000")
    #expect(state(.power, "1e200", "1.9") == "0A000")
    #expect(state(.power, "2.5", "0.5") == nil && state(.power, "1.5", "-" + huge) == "0A000")
    #expect(state(.exponential, huge) == "0A000" && state(.exponential, "-" + huge) == nil)
  }
}

import Basics
import SQLExpressions
import SQLValues
import Testing

/// Text functions asked for more than there is: by a client, or by another process that calls them past the binder.
@Suite struct TextLimitTests {
  private func call(_ function: FunctionID, _ arguments: Datum...) throws -> Datum {
    var context = EvaluationContext()
    let constants = arguments.map { Expression.constant($0, .unknown) }
    return try Expression.call(function, constants, .text).evaluate([], &context)
  }

  @Test func substringsEndWhereTheTextDoes() throws {
    let (smallest, largest) = (Datum.integer(.min), Datum.integer(.max))
    #expect(try call(.substring, .text("abc"), smallest, .integer(0)) == .text(""))
    #expect(try call(.substring, .text("abc"), smallest, largest) == .text(""))
    #expect(try call(.substring, .text("abc"), .integer(2), largest) == .text("bc"))
    #expect(try call(.substring, .text("abc"), largest, largest) == .text(""))
    #expect(try call(.substring, .text("abc"), .integer(-1), .integer(3)) == .text("a"))
    #expect(try call(.substring, .text("abc"), smallest) == .text("abc"))
  }

  @Test func resultsHaveALimit() throws {
    let large = Datum.text(String(repeating: "x", count: 40 << 20))
    for function in [FunctionID.concatenate, .concat] {
      let error = #expect(throws: SQLError.self) { try call(function, large, large) }
      #expect(error?.state == .programLimitExceeded)
    }
    #expect(throws: SQLError.self) { try call(.concatWithSeparator, .text(","), large, large) }
    #expect(try call(.repeat, .text(""), .integer(.max)) == .text(""))
  }

  @Test func repeatsAsOftenAsAsked() throws {
    for count in 0...20 {
      #expect(try call(.repeat, .text("é-"), .integer(Int64(count))) == .text(String(repeating: "é-", count: count)))
    }
    #expect(try call(.repeat, .text("a"), .integer(-1)) == .text(""))
  }
}

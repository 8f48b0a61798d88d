import Basics
import SQLValues
import Testing

@testable import SQLExpressions

/// What PostgreSQL's answers in `SQLExecutionTests/Golden` cannot say: limits, and time that does not explode.
@Suite struct RegularExpressionTests {
  private func call(_ function: FunctionID, _ arguments: String...) throws -> Datum {
    var context = EvaluationContext()
    let constants = arguments.map { Expression.constant(.text($0), .text) }
    return try Expression.call(function, constants, .text).evaluate([], &context)
  }

  /// Each of these takes a backtracking matcher longer than anybody waits.
  @Test(arguments: [
    "(a*)*b", "(a|a)*b", "(a|aa)+b", "(a+)+b", "((a*)*)*b", "(.*)(.*)(.*)(.*)(.*)b", "(?:a?){30}a{30}b", "(a*?)*?b",
    "(?=(?:a+)+b)a",
  ])
  func nothingIsTriedTwice(pattern: String) throws {
    let text = String(repeating: "a", count: 2_000)
    #expect(try call(.regexMatch, text, pattern) == .boolean(false))
    #expect(try call(.regexFirstMatch, text, pattern) == .null)
  }

  @Test func groupsOfLongTextsAreFound() throws {
    let text = String(repeating: "ab", count: 1_000)
    #expect(try call(.regexFirstMatch, text, "^((a|b)*)$") == .text("{\(text),b}"))
    #expect(try call(.regexFirstMatch, text, "^(.*?)(b+)$") == .text("{\(text.dropLast()),b}"))
  }

  @Test(arguments: [
    String(repeating: "(", count: 1_000) + String(repeating: ")", count: 1_000),
    "((((a{200}){200}){200}){200})",
    String(repeating: "a", count: 70_000),
  ])
  func patternsHaveALimit(pattern: String) throws {
    let error = #expect(throws: SQLError.self) { try call(.regexMatch, "a", pattern) }
    #expect(error?.state == .statementTooComplex)
  }

  @Test func searchesHaveALimit() throws {
    let expression = try RegularExpression("(?:a{0,200}){20}b")
    var search = expression.search(String(repeating: "a", count: 1_000))
    search.stepsLeft = 100_000
    let error = #expect(throws: SQLError.self) { try expression.firstMatch(in: &search, from: 0) }
    #expect(error?.state == .programLimitExceeded)
  }

  @Test func backReferencesAreNotSupported() throws {
    let error = #expect(throws: SQLError.self) { try call(.regexMatch, "aa", "(a)\\1") }
    #expect(error?.state == .featureNotSupported)
  }

  @Test func lettersBeyondASCIIHaveCasesAndAreLetters() throws {
    #expect(try call(.regexMatchIgnoringCase, "ÄRGER", "ärger") == .boolean(true))
    #expect(try call(.regexMatch, "ß", "^[[:alpha:]]$") == .boolean(true))
    #expect(try call(.regexFirstMatch, "日本 語", "\\w+") == .text("{日本}"))
  }
}

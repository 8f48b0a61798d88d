import Basics
import Catalog
import Glibc
import PostgresParser
import SQLExecution
import SQLExpressions
import SQLPlanner
import SQLValues
import Testing

/// Expressions through parser, planner and executor, against what PostgreSQL 15 answered (`Golden/generate`).
@Suite struct GoldenExpressionTests {
  /// Known differences, each with its reason.
  static let differences: [String: String] = [
    // PostgreSQL answered under the C locale, which knows ASCII letters only.
    "upper('häx')": "= HÄX"
  ]

  struct Expectation: Sendable {
    var expression: String
    var answer: String
  }

  @Test func expressionsAnswerAsPostgreSQL() async throws {
    let expectations = try Self.expectations()
    #expect(expectations.count > 300)
    var failures: [String] = []
    for expectation in expectations {
      let actual = await Self.answer(expectation.expression)
      let wanted = Self.differences[expectation.expression] ?? expectation.answer
      if actual != wanted { failures.append("\(expectation.expression)\n  wanted \(wanted)\n  got    \(actual)") }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(expectations.count):\n\(failures.joined(separator: "\n"))")
  }

  /// `= value` or `! SQLSTATE message`.
  static func answer(_ expression: String) async -> String {
    do throws(SQLError) {
      let parsed = try StatementParser.parseOnThisThread(
        "select " + expression, limits: ParserLimits(maximumDepthBound: 2_000))
      let plan = try StatementPlanner(catalog: CatalogState()).plan(parsed[0])
      let execution = StatementExecution(
        plan: plan, parameters: [], access: MemoryTables(), context: EvaluationContext())
      var values: [String] = []
      while let batch = try await execution.nextRows() {
        for row in batch {
          values.append(row[0].isNull ? "NULL" : row[0].text(as: plan.resultColumns?[0].type ?? .text))
        }
      }
      return "= " + values.joined(separator: "\\n")
    } catch {
      return "! \(error.state.code) \(error.message)"
    }
  }

  static func expectations() throws -> [Expectation] {
    let path = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let file = try #require(fopen("/\(path)/Golden/expressions.expected", "r"))
    defer { fclose(file) }
    var result: [Expectation] = []
    var expression = ""
    var buffer = [CChar](repeating: 0, count: 65_536)
    while fgets(&buffer, Int32(buffer.count), file) != nil {
      let bytes = buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
      let line = String(decoding: bytes, as: UTF8.self)
      if line.hasPrefix("> ") {
        expression = String(line.dropFirst(2))
      } else if line.hasPrefix("= ") || line.hasPrefix("! ") {
        result.append(Expectation(expression: expression, answer: line))
      }
    }
    return result
  }
}

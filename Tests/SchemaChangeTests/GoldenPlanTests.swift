import Basics
import Catalog
import Glibc
import PostgresParser
import SQLExpressions
import SQLPlanner
import SQLSyntax
import Testing

@testable import SchemaChange

/// Every folder of `Tests/ClusterTests/statements` has a file `plan`: the stages of its statement and the way back from each. With
/// `WRITE_EXPECTED=1` the files are written anew.
@Suite struct GoldenPlanTests {
  static let folder = directory(of: #filePath, above: 2) + "/ClusterTests/statements"
  static let names = files(in: folder)

  @Test func thereAreCases() { #expect(Self.names.count > 70) }

  @Test(arguments: names) func isPlannedAsWritten(_ name: String) throws {
    let folder = "\(Self.folder)/\(name)"
    var world = World()
    world.retainsDropped = true
    for statement in try Self.statements("\(folder)/setup.sql") {
      if let change = try Self.schemaChange(statement, world.catalog) { try world.run(change) }
    }
    let statements = try Self.statements("\(folder)/statement.sql", afterJob: world.lastJob)
    var text = statements.map { "\($0.text);" } + [""]
    var defects: [String] = []
    if statements.count == 1, !Self.isTableOfQuery(statements[0]) {
      let change = try #require(try Self.schemaChange(statements[0], world.catalog))
      let plan = try PlanText(world.plan(change), in: world.catalog)
      text += plan.lines
      defects = plan.defects
    } else {
      var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
      for statement in statements {
        if let change = try Self.schemaChange(statement, draft.catalog) { _ = try draft.apply(change) }
      }
      let plan = try world.plan(.transaction(draft.transaction))
      let alone = try PlanText(plan, in: world.catalog)
      let held = try PlanText(plan.held(), in: world.catalog, isHeld: true)
      text += alone.lines + ["", "With rows of the same transaction:", ""] + held.lines
      defects = alone.defects + held.defects
    }
    #expect(defects == [])
    try expect(text, in: "\(folder)/plan")
  }

  /// The rules, and the moves that they allow to each kind of element.
  @Test func transitionsAreAsWritten() throws {
    let tables = ElementKind.allCases.map { TransitionTable.table(for: $0) }
    #expect(tables.flatMap { $0.defects() } == [])
    try expect(
      tables.map { $0.lines.joined(separator: "\n") + "\n" }, in: Self.directory(of: #filePath) + "/Golden/transitions")
  }

  // MARK: Statements

  /// - Parameter afterJob: the last one of the set-up.
  private static func statements(_ path: String, afterJob job: JobID = JobID(0)) throws -> [ParsedStatement] {
    var text = try #require(read(path)).filter { $0 != "@" }
    if let place = text.firstRange(of: "{job}") { text.replaceSubrange(place, with: "\(job)") }
    return try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
  }

  /// It commits rows with its change, as a transaction block does.
  private static func isTableOfQuery(_ statement: ParsedStatement) -> Bool {
    if case .createTableAs = statement.statement { true } else { false }
  }

  /// Nil: it changes rows, or begins or ends a transaction.
  private static func schemaChange(_ statement: ParsedStatement, _ catalog: CatalogState) throws -> SchemaStatement? {
    if case .transaction = statement.statement { return nil }
    switch try StatementPlanner(catalog: catalog).plan(statement).action {
    case .schemaChange(let planned):
      var context = EvaluationContext()
      return try planned.evaluatingStableDefaults(&context)
    case .createTableAs(let plan): return .createTable(plan.create)
    default: return nil
    }
  }

  // MARK: Files

  private func expect(_ lines: [String], in path: String) throws {
    let text = lines.joined(separator: "\n") + "\n"
    if getenv("WRITE_EXPECTED") != nil {
      let file = try #require(fopen(path, "w"))
      fputs(text, file)
      fclose(file)
    }
    #expect(text == Self.read(path))
  }

  private static func directory(of path: String, above levels: Int = 1) -> String {
    path.split(separator: "/", omittingEmptySubsequences: false).dropLast(levels).joined(separator: "/")
  }

  private static func files(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  private static func read(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}

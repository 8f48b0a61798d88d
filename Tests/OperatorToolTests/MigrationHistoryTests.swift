import Testing

@testable import OperatorTool

@Suite struct MigrationHistoryTests {
  private func file(_ number: Int64, _ text: String = "SELECT 1; SELECT 2") async throws -> MigrationFile {
    try await MigrationFile(name: "\(number)_x.sql", number: number, bytes: Array(text.utf8))
  }

  private func record(
    _ file: MigrationFile, _ state: MigrationRecord.State = .applied, done: Int? = nil
  ) throws -> MigrationRecord {
    var record = MigrationRecord(file)
    record.state = state
    record.doneCount = done ?? file.statements.count
    record.doneChecksum = try #require(file.checksum(ofFirst: record.doneCount))
    return record
  }

  private func refusal(_ files: [MigrationFile], _ records: [MigrationRecord]) -> String {
    do throws(ToolError) {
      return "no refusal: \(try MigrationHistory.pending(files, records).map(\.number))"
    } catch {
      return error.exitCode == 3 ? error.message : "exit code \(error.exitCode)"
    }
  }

  @Test func whatIsNotAppliedIsPending() async throws {
    let files = [try await file(1), try await file(2), try await file(9)]
    #expect(try MigrationHistory.pending(files, []) == files)
    #expect(try MigrationHistory.pending(files, [record(files[0]), record(files[1])]) == [files[2]])
    #expect(
      try MigrationHistory.pending(files, [record(files[0]), record(files[1], .failed, done: 1)]) == Array(files[1...]))
    #expect(try MigrationHistory.pending(files, files.map { try record($0) }) == [])
  }

  @Test func everyDisagreementIsNamed() async throws {
    let (one, two, three) = (try await file(1), try await file(2), try await file(3))
    let edited = try await file(1, "SELECT 1; SELECT 3")
    let text = refusal([edited, two], [try record(one), try record(three)])
    #expect(text.contains("1_x.sql has been edited since it was applied"))
    #expect(text.contains("2_x.sql is new, but number 3 has been run already"))
    #expect(text.contains("3_x.sql (number 3) was applied and is not there any more"))
  }

  @Test func aFileThatStoppedMayChangeBehindWhatIsDone() async throws {
    let old = try await file(1, "SELECT 1; SELECT 2; SELECT 3")
    let stopped = try record(old, .failed, done: 1)
    let corrected = try await file(1, "SELECT 1; SELECT 20")
    #expect(try MigrationHistory.pending([corrected], [stopped]) == [corrected])
    let wrong = try await file(1, "SELECT 10; SELECT 2; SELECT 3")
    #expect(refusal([wrong], [stopped]).contains("stopped after its first 1 statement, which must stay as it was"))
    let shorter = try await file(1, "")
    #expect(refusal([shorter], [stopped]).contains("must stay"))
    #expect(refusal([], [stopped]).contains("was begun and is not there"))
  }

  @Test func operationsAreTheSameForWhoeverRunsThem() async throws {
    let one = try await file(1)
    let other = try await file(1, "SELECT 1; SELECT 3")
    var record = MigrationRecord(one)
    let first = record.operationID(of: one.statements[0], history: "h")
    #expect(first == record.operationID(of: other.statements[0], history: "h"))
    #expect(first != record.operationID(of: one.statements[0], history: "i"))
    #expect(
      record.operationID(of: one.statements[1], history: "h")
        != record.operationID(of: other.statements[1], history: "h"))
    record.attempt = 2
    #expect(first != record.operationID(of: one.statements[0], history: "h"))
    record.number = .max
    record.doneCount = .max - 1
    record.attempt = .max
    // An operation id has at most 128 bytes.
    #expect(record.operationID(of: one.statements[0], history: "0123456789abcdef").utf8.count <= 128)
  }
}

/// What the database remembers of one file: a row of `theseus_migrations`.
struct MigrationRecord: Hashable, Sendable {
  enum State: String, Hashable, Sendable {
    /// Begun; whoever began it may have died since.
    case running
    /// A statement was refused.
    case failed
    case applied
  }

  var number: Int64
  var name: String
  var state: State
  /// Of the file as it was last run.
  var checksum: String
  var statementCount: Int
  /// Statements at its beginning that are done.
  var doneCount: Int
  /// `MigrationFile.checksum(ofFirst:)` of those.
  var doneChecksum: String
  /// Grows with every refusal: an operation id that has failed answers the same for ever.
  var attempt: Int
  /// Of the schema change that was begun last and is not known to be done; empty when there is none.
  var operationID: String
}

extension MigrationRecord {
  /// Of a file that is about to begin.
  init(_ file: MigrationFile) {
    self.init(
      number: file.number, name: file.name, state: .running, checksum: file.checksum,
      statementCount: file.statements.count, doneCount: 0, doneChecksum: MigrationFile.emptyChecksum, attempt: 1,
      operationID: "")
  }

  /// The operation id of the statement behind the first `doneCount`: it follows from the history, the file's number, the
  /// statement's position, its text and that of all before it, so whoever runs it sends the same.
  func operationID(of statement: MigrationStatement, history: String) -> String {
    "migrate/\(history)/\(number)/\(doneCount + 1)/\(statement.checksum.prefix(32))/\(attempt)"
  }
}

/// Compares a directory with what the database remembers.
enum MigrationHistory {
  /// The files that are not applied yet, in order; the first may have been begun.
  ///
  /// Throws `refused` with every disagreement: a file that was applied and is gone or has changed, one begun whose statements
  /// that are done have changed, a new one with a number below one that has begun.
  static func pending(_ files: [MigrationFile], _ records: [MigrationRecord]) throws(ToolError) -> [MigrationFile] {
    var problems: [String] = []
    let newest = records.map(\.number).max()
    for record in records {
      guard let file = files.first(where: { $0.number == record.number }) else {
        let what = record.state == .applied ? "applied" : "begun"
        problems.append("\(record.name) (number \(record.number)) was \(what) and is not there any more: bring it back")
        continue
      }
      if let problem = disagreement(file, record) { problems.append(problem) }
    }
    var pending: [MigrationFile] = []
    for file in files {
      let record = records.first { $0.number == file.number }
      if record == nil, let newest, file.number < newest {
        problems.append(
          "\(file.name) is new, but number \(newest) has been run already: give it a number above \(newest), "
            + "or, if its work is done, use --mark-applied \(file.number)")
      }
      if record?.state != .applied { pending.append(file) }
    }
    if !problems.isEmpty { throw .refused(problems) }
    return pending
  }

  private static func disagreement(_ file: MigrationFile, _ record: MigrationRecord) -> String? {
    if record.state == .applied {
      if file.checksum == record.checksum { return nil }
      return "\(file.name) has been edited since it was applied: bring the old text back and put the change into a new "
        + "file, or, if the database is as the new text wants it, use --mark-applied \(file.number)"
    }
    if file.checksum(ofFirst: record.doneCount) == record.doneChecksum { return nil }
    return "\(file.name) stopped after its first \(counted(record.doneCount)), which must stay as "
      + (record.doneCount == 1 ? "it was" : "they were") + ", comments in front included: only what follows may change"
  }

  static func counted(_ count: Int) -> String { count == 1 ? "1 statement" : "\(count) statements" }
}

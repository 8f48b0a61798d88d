/// Rows and schema must be what clients were told: acknowledged writes are there and nothing else is, columns that were
/// written without have their defaults, re-added columns show no ghosts, unique holds, indexes agree with rows, names are
/// as the last change left them, every error is explained by a change that ran at the time.
///
/// Every row has one writer, whose operations come one after the other, so what a row can be follows from its writer's history alone.
public struct SchemaModelCheck: Sendable {
  static let name = "schema"

  public init() {}

  public func findings(_ history: History<SchemaAction>) -> [Finding] {
    var run = Run(history)
    for operation in history.operations { run.take(operation) }
    return Array(Set(run.findings)).sorted()
  }

  /// Findings of one kind after which no more are reported.
  static let maximumFindings = 200

  struct Run {
    let timeline: SchemaTimeline
    var knowledge = RowKnowledge()
    var findings: [Finding] = []
    /// Of the operation being looked at.
    var scans: [String: Scan] = [:]
    var changes: [String: Operation<SchemaAction>] = [:]

    struct Scan {
      var columns: [String]
      var rows: [[String?]]
    }

    init(_ history: History<SchemaAction>) { timeline = SchemaTimeline(history) }

    mutating func add(_ sentence: String, _ operations: [Operation<SchemaAction>]) {
      guard findings.count < SchemaModelCheck.maximumFindings else { return }
      findings.append(Finding(SchemaModelCheck.name, sentence, operations: operations.map(\.description)))
    }

    mutating func take(_ operation: Operation<SchemaAction>) {
      switch operation.action {
      case .change(let change): take(change, operation)
      case .write(let writes, let refusal): take(writes, refusal, operation)
      case .read(let read, let refusal):
        if read.isView { takeView(read, refusal, operation) } else { take(read, refusal, operation) }
      case .scan, .lookup, .count, .names, .check, .jobs: if operation.outcome.isOK { takeFinal(operation) }
      case .control: break
      }
    }

    private mutating func take(_ change: SchemaChange, _ operation: Operation<SchemaAction>) {
      if !change.operation.isEmpty { changes[change.operation] = operation }
      guard case .failed = operation.outcome, let error = change.error, !error.isExcusable,
        !change.possibleErrors.contains(error.state ?? "")
      else { return }
      add("nothing explains why a schema change was refused: \(error)", [operation])
    }

    /// The tables that a name with these columns can have meant.
    private func meanings(
      _ name: String, _ columns: [String], _ operation: Operation<SchemaAction>
    ) -> [TableModel] {
      var meanings: [TableModel] = []
      for case let table? in timeline.tables(of: name, operation.invoked, operation.deadline)
      where table.name == name && columns.allSatisfy({ table.column($0) != nil }) && !meanings.contains(table) {
        meanings.append(table)
      }
      return meanings
    }

    /// What a table of that name can have enforced: a transaction enforces what it adds before it renames the table.
    private func rules(_ name: String, _ operation: Operation<SchemaAction>) -> [TableModel] {
      let possible = timeline.tables(of: name, operation.invoked, operation.deadline).compactMap { $0 }
      let meant = Set(possible.filter { $0.name == name }.map(\.serial))
      return possible.filter { meant.contains($0.serial) }
    }

    // MARK: - Writes

    private mutating func take(
      _ writes: [RowWrite], _ refusal: Refusal?, _ operation: Operation<SchemaAction>
    ) {
      switch operation.outcome {
      case .ok:
        for write in writes {
          let meanings = meanings(write.table, write.values.map(\.column), operation)
          if meanings.isEmpty {
            add("a write succeeded with names that no schema of the time had: \(write)", [operation])
          } else if !meanings.contains(where: { $0.permits(write) }) {
            add("a write succeeded that every schema of the time forbids: \(write)", [operation])
          } else if !knowledge.apply(write, meanings) {
            let known = meanings.flatMap { table in knowledge[table, write.id].map { $0.text(table) } }
            add(
              "a write was answered wrongly: \(write), where the row can only have been "
                + Set(known).sorted().joined(separator: " or "), [operation])
          }
        }
      case .unknown:
        for write in writes {
          knowledge.applyPerhaps(write, meanings(write.table, write.values.map(\.column), operation))
        }
      case .failed:
        guard let refusal, !refusal.error.isExcusable else { return }
        let suspects = refusal.statement.map { position in position < writes.count ? [writes[position]] : [] } ?? writes
        if !suspects.contains(where: { explains(refusal.error.state, $0, operation) }) {
          add("nothing explains why a write was refused: \(refusal.error)", [operation])
        }
      }
    }

    private func explains(_ state: String?, _ write: RowWrite, _ operation: Operation<SchemaAction>) -> Bool {
      if isMissingName(state, write.table, write.values.map(\.column), operation) { return true }
      if state == "23502" || state == "23514" {
        // Of an update the whole row is looked at, which may have been bad before the constraint was there.
        return write.kind != .delete
          && rules(write.table, operation).contains { table in
            state == "23514" ? !table.checks.isEmpty : table.columns.contains { !$0.isNullable && $0.name != "id" }
          }
      }
      if state == "428C9" {
        return rules(write.table, operation).contains { table in
          write.values.contains { value in table.column(value.column).map { !$0.isGivenByWrites } ?? false }
        }
      }
      // The client knew of a label before this table had it.
      if state == "22P02" || state == "55P04" {
        return rules(write.table, operation).contains { table in
          write.values.contains { value in table.column(value.column).map { !$0.hasLabel(value.value) } ?? false }
        }
      }
      guard state == "23505" else { return false }
      return rules(write.table, operation).contains { table in
        if write.kind == .insert, knowledge[table, write.id] != [.absent] { return true }
        return table.indexes.contains { index in
          index.isUnique && !index.columns.contains { table.column(serial: $0)?.hasUniqueValues ?? false }
        }
      }
    }

    /// Whether a table or a column of these names can have been missing.
    private func isMissingName(
      _ state: String?, _ name: String, _ columns: [String], _ operation: Operation<SchemaAction>
    ) -> Bool {
      let tables = timeline.tables(of: name, operation.invoked, operation.completed)
      switch state {
      case "42P01": return tables.contains { $0?.name != name }
      case "42703":
        return tables.contains { table in
          guard let table, table.name == name else { return false }
          return columns.contains { table.column($0) == nil }
        }
      default: return false
      }
    }

    // MARK: - Reads

    private mutating func take(_ read: RowRead, _ refusal: Refusal?, _ operation: Operation<SchemaAction>) {
      let names = read.columns + [read.condition.column]
      if operation.outcome.isOK {
        takeRows(read, meanings(read.table, names, operation), operation)
      } else if let refusal, !refusal.error.isExcusable,
        !isMissingName(refusal.error.state, read.table, names, operation)
      {
        add("nothing explains why a read was refused: \(refusal.error)", [operation])
      }
    }

    /// What a view answers is what its table has, in the columns that the view had chosen when it was made.
    private mutating func takeView(_ read: RowRead, _ refusal: Refusal?, _ operation: Operation<SchemaAction>) {
      if operation.outcome.isOK {
        var meanings: [TableModel] = []
        for case let table? in timeline.tables(of: read.table, operation.invoked, operation.deadline) {
          guard let view = table.view, view.name == read.table, read.columns.allSatisfy({ view.column($0) != nil }),
            !meanings.contains(table)
          else { continue }
          meanings.append(table)
        }
        return takeRows(read, meanings, operation)
      }
      guard let refusal, !refusal.error.isExcusable else { return }
      let tables = timeline.tables(of: read.table, operation.invoked, operation.completed)
      let isExplained =
        switch refusal.error.state {
        case "42P01": tables.contains { $0?.view?.name != read.table }
        case "42703":
          tables.contains { table in
            guard let view = table?.view, view.name == read.table else { return false }
            return read.columns.contains { view.column($0) == nil }
          }
        default: false
        }
      if !isExplained { add("nothing explains why a view was not read: \(refusal.error)", [operation]) }
    }

    /// With the names of the table's columns instead of the view's.
    private static func translated(_ read: RowRead, _ table: TableModel) -> RowRead {
      guard read.isView, let view = table.view else { return read }
      var result = read
      result.columns = read.columns.map { name in
        view.column(name).flatMap { table.column(serial: $0.serial)?.name } ?? ""
      }
      return result
    }

    private mutating func takeRows(
      _ read: RowRead, _ meanings: [TableModel], _ operation: Operation<SchemaAction>
    ) {
      if meanings.isEmpty { return add("a read succeeded with names that no schema of the time had", [operation]) }
      var isExplained = false
      for table in meanings {
        let translated = Self.translated(read, table)
        let fitting = Set(knowledge[table, read.id].compactMap { Self.learning(from: translated, $0, table) })
        if !fitting.isEmpty {
          isExplained = true
          if meanings.count == 1 { knowledge.narrow(table, read.id, to: fitting) }
        }
      }
      if isExplained { return }
      let known = meanings.flatMap { table in knowledge[table, read.id].map { $0.text(table) } }
      add(
        "row \(read.id) was read wrongly (\(read)); it can only have been "
          + Set(known).sorted().joined(separator: " or "), [operation])
    }

    /// What the row's state is known to be if the read found it in this one; nil: it cannot have.
    private static func learning(from read: RowRead, _ state: RowState, _ table: TableModel) -> RowState? {
      guard case .present = state, let column = table.column(read.condition.column),
        column.name == "id" || state.permits(read.condition.value, of: column, in: table)
      else { return read.rows.isEmpty ? state : nil }
      guard read.rows.count == 1, let row = read.rows.first, row.count == read.columns.count + 1,
        row[0] == String(read.id)
      else { return nil }
      var learned = state
      for (name, value) in zip(read.columns, row.dropFirst()) {
        guard let column = table.column(name) else {
          if value != nil { return nil }
          continue
        }
        guard state.permits(value, of: column, in: table) else { return nil }
        learned = learned.learning(value, of: column)
      }
      return learned
    }
  }
}

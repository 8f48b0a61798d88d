/// Clients that write and read rows of their own.
extension SchemaChangeWorkload {
  /// What a client believes of its rows; only to choose what it does next.
  struct OwnRows {
    struct Row {
      var id: Int
      /// Of the column with unique values.
      var unique: String
    }

    /// By the table's serial.
    var rows: [Int: [Row]] = [:]
    /// Numbers of this client: `number + clients × n`.
    var next: Int
    let stride: Int

    mutating func fresh() -> Int {
      next += stride
      return next
    }
  }

  func writeRows(_ context: ClientContext, _ board: SchemaBoard) async -> Record {
    var own = OwnRows(next: context.number, stride: max(1, limits.clients))
    return await context.loop(limits) {
      while !context.isOver {
        let slot = Int.random(in: 0..<max(1, slots), using: &context.random)
        guard let table = await board.table(slot) else {
          await context.host.pause(milliseconds: 10)
          continue
        }
        if context.chance(30) { return await read(table, &own, context) }
        if context.chance(35) { return await transaction(table, &own, context, board) }
        guard let write = choose(table, &own, context, besides: []) else { continue }
        let invoked = context.now
        let answer = await context.execute(sql(write, table), allowing: SchemaErrors.judgedByChecker)
        return finish([(write, table)], answer.map { [$0] }, nil, invoked, &own, context)
      }
      return context.finish(.write([], nil), invoked: context.now, .ok)
    }
  }

  // MARK: - Writes

  private func choose(
    _ table: TableModel, _ own: inout OwnRows, _ context: ClientContext, besides taken: Set<Int>
  ) -> RowWrite? {
    let rows = (own.rows[table.serial] ?? []).filter { !taken.contains($0.id) }
    let dice = Int.random(in: 0..<100, using: &context.random)
    guard dice >= 45, let row = context.pick(rows) else {
      let id = own.fresh()
      let columns = table.columns.filter { column in
        column.name != "id" && column.isGivenByWrites
          && (SchemaStatementKind.baseColumns.contains(column.name) || context.chance(60))
      }
      return RowWrite(.insert, table: table.name, id: id, values: columns.map { value($0, &own, context) })
    }
    if dice < 85 {
      let columns = table.columns.filter { $0.name != "id" && $0.isGivenByWrites }.shuffled(using: &context.random)
      let chosen = columns.prefix(Int.random(in: 1...2, using: &context.random))
      return RowWrite(.update, table: table.name, id: row.id, values: chosen.map { value($0, &own, context) })
    }
    return RowWrite(.delete, table: table.name, id: row.id)
  }

  private func value(_ column: ColumnModel, _ own: inout OwnRows, _ context: ClientContext) -> RowWrite.Value {
    if column.hasUniqueValues { return RowWrite.Value(column.name, String(own.fresh())) }
    if column.isNullable, context.chance(10) { return RowWrite.Value(column.name, nil) }
    if column.name == "k" {
      return RowWrite.Value(column.name, String(Int.random(in: 0..<40, using: &context.random)))
    }
    if column.labels > 0 {
      return RowWrite.Value(column.name, String(Int.random(in: 0..<column.labels, using: &context.random)))
    }
    return RowWrite.Value(column.name, String(own.fresh()))
  }

  private func sql(_ write: RowWrite, _ table: TableModel) -> String {
    func literal(_ value: RowWrite.Value) -> String {
      table.column(value.column)?.literal(value.value) ?? "NULL"
    }
    switch write.kind {
    case .insert:
      let columns = (["id"] + write.values.map(\.column)).joined(separator: ", ")
      let values = (["'\(write.id)'"] + write.values.map(literal)).joined(separator: ", ")
      return "INSERT INTO \(write.table) (\(columns)) VALUES (\(values)) RETURNING id"
    case .update:
      let assignments = write.values.map { "\($0.column) = \(literal($0))" }.joined(separator: ", ")
      return "UPDATE \(write.table) SET \(assignments) WHERE id = '\(write.id)' RETURNING id"
    case .delete: return "DELETE FROM \(write.table) WHERE id = '\(write.id)' RETURNING id"
    }
  }

  /// Several rows of several tables, with time for a schema change between the statements.
  private func transaction(
    _ first: TableModel, _ own: inout OwnRows, _ context: ClientContext, _ board: SchemaBoard
  ) async -> Operation<SchemaAction> {
    var tables = [first]
    if let other = await board.table(Int.random(in: 0..<max(1, slots), using: &context.random)) { tables.append(other) }
    var writes: [(write: RowWrite, table: TableModel)] = []
    for _ in 0..<Int.random(in: 2...4, using: &context.random) {
      guard let table = context.pick(tables) else { continue }
      if let write = choose(table, &own, context, besides: Set(writes.map(\.write.id))) {
        writes.append((write, table))
      }
    }
    let isSlow = context.chance(10)
    let begin = context.chance(50) ? BankWorkload.beginSnapshot : BankWorkload.beginCommitted
    let invoked = context.now
    var refusal: Refusal?
    var answers: [[[String?]]] = []
    let result = await context.transaction(begin, allowing: SchemaErrors.judgedByChecker) {
      (client) async throws(WorkloadError) -> Bool? in
      for (position, entry) in writes.enumerated() {
        do throws(WorkloadError) {
          answers.append(try await client.execute(sql(entry.write, entry.table)))
        } catch {
          refusal = Refusal(statement: position, error)
          throw error
        }
        await context.think(isSlow ? 100...600 : 0...20)
      }
      return true
    }
    if case .ok = result.outcome { return finish(writes, .success(answers), nil, invoked, &own, context) }
    let error = refusal?.error ?? result.error ?? .unreachable("BEGIN")
    return finish(
      writes, .failure(error), refusal ?? Refusal(error), invoked, &own, context, outcome: result.outcome)
  }

  /// Records what became of writes, and what the client believes from now on.
  private func finish(
    _ writes: [(write: RowWrite, table: TableModel)], _ answers: Result<[[[String?]]], WorkloadError>,
    _ refusal: Refusal?, _ invoked: UInt64, _ own: inout OwnRows, _ context: ClientContext, outcome: Outcome? = nil
  ) -> Operation<SchemaAction> {
    var done: [RowWrite] = writes.map(\.write)
    switch answers {
    case .success(let rows):
      for (position, entry) in writes.enumerated() {
        done[position].isFound = position < rows.count && !rows[position].isEmpty
        believe(done[position], entry.table, &own)
      }
      return context.finish(.write(done, nil), invoked: invoked, .ok)
    case .failure(let error):
      let outcome = outcome ?? error.outcome
      if outcome.isUnknown {
        // Whatever may still come to these rows, this client leaves them alone.
        for entry in writes { own.rows[entry.table.serial]?.removeAll { $0.id == entry.write.id } }
      }
      return context.finish(.write(done, refusal ?? Refusal(statement: 0, error)), invoked: invoked, outcome)
    }
  }

  private func believe(_ write: RowWrite, _ table: TableModel, _ own: inout OwnRows) {
    let unique = write.values.first { $0.column == "u" }?.value ?? nil
    switch write.kind {
    case .insert: own.rows[table.serial, default: []].append(.init(id: write.id, unique: unique ?? ""))
    case .update:
      guard let unique, let place = own.rows[table.serial]?.firstIndex(where: { $0.id == write.id }) else { return }
      own.rows[table.serial]?[place].unique = unique
    case .delete: own.rows[table.serial]?.removeAll { $0.id == write.id }
    }
  }

  // MARK: - Reads

  private func read(_ view: ViewModel, _ id: Int, _ context: ClientContext) async -> Operation<SchemaAction> {
    let columns = view.columns.map(\.name).filter { _ in context.chance(80) }
    var read = RowRead(table: view.name, id: id, condition: RowWrite.Value("id", String(id)), columns: columns)
    read.isView = true
    let list = (["number"] + columns).joined(separator: ", ")
    let invoked = context.now
    // Beside itself now and then: another plan, and the same answer.
    let text =
      context.chance(30)
      ? "SELECT \((["a.number"] + columns.map { "b.\($0)" }).joined(separator: ", ")) FROM \(view.name) a "
        + "JOIN \(view.name) b ON b.number = a.number WHERE a.number = '\(id)'"
      : "SELECT \(list) FROM \(view.name) WHERE number = '\(id)'"
    switch await context.execute(text, allowing: SchemaErrors.judgedByChecker) {
    case .success(let rows):
      read.rows = rows
      return context.finish(.read(read, nil), invoked: invoked, .ok)
    case .failure(let error):
      return context.finish(.read(read, Refusal(statement: 0, error)), invoked: invoked, error.outcome)
    }
  }

  private func read(
    _ table: TableModel, _ own: inout OwnRows, _ context: ClientContext
  ) async -> Operation<SchemaAction> {
    let row = context.pick(own.rows[table.serial] ?? []) ?? .init(id: context.number, unique: "")
    if let view = table.view, context.chance(40) { return await read(view, row.id, context) }
    let isByValue = !row.unique.isEmpty && context.chance(50)
    let condition = isByValue ? RowWrite.Value("u", row.unique) : RowWrite.Value("id", String(row.id))
    let columns = table.columns.map(\.name).filter { $0 != "id" && context.chance(70) }
    var read = RowRead(table: table.name, id: row.id, condition: condition, columns: columns)
    let list = (["id"] + columns).joined(separator: ", ")
    let invoked = context.now
    let answer = await context.execute(
      "SELECT \(list) FROM \(table.name) WHERE \(condition.column) = '\(condition.value ?? "")'",
      allowing: SchemaErrors.judgedByChecker)
    switch answer {
    case .success(let rows):
      read.rows = rows
      return context.finish(.read(read, nil), invoked: invoked, .ok)
    case .failure(let error):
      return context.finish(.read(read, Refusal(statement: 0, error)), invoked: invoked, error.outcome)
    }
  }
}

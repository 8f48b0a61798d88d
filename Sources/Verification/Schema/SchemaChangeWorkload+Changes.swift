/// Clients that change schemas.
extension SchemaChangeWorkload {
  /// Tries of one change before its outcome is left unknown.
  static let maximumTries = 40

  func changeSchemas(_ context: ClientContext, _ board: SchemaBoard) async -> Record {
    let other = await context.host.client(preferredGateway: context.number + 1)
    let own = (0..<slots).filter { $0 % max(1, schemaClients) == context.number - limits.clients }
    var tables: [Int: TableModel] = [:]
    var dropped: [Int: TableModel] = [:]
    var revertible: [Int: RevertibleChange] = [:]
    var jobs: Set<String> = []
    var lost: Set<Int> = []
    var operations: [Operation<SchemaAction>] = []
    while operations.count < changesPerClient, !context.isOver {
      guard let slot = context.pick(own.filter { !lost.contains($0) }) else { break }
      guard
        let (kind, made) = await choose(slot, tables[slot], dropped[slot], revertible[slot], context, board)
      else { break }
      let change = SchemaChange(
        slot: slot, sql: made.sql,
        operation: !made.writesRows && context.chance(85)
          ? "\(operationPrefix)\(context.number):\(operations.count)" : "",
        after: made.after, possibleErrors: made.possibleErrors)
      let operation = await send(change, context)
      operations.append(operation)
      // A change that found everything as it should be has left none.
      let job = await lastJob(context).flatMap { jobs.insert($0).inserted ? $0 : nil }
      switch operation.outcome {
      case .ok:
        dropped[slot] = made.after == nil ? tables[slot] : nil
        revertible[slot] = nil
        if let job, let before = tables[slot], let errors = SchemaStatementKind.errorsOfRevert(kind, made.sql) {
          revertible[slot] = RevertibleChange(job: job, before: before, possibleErrors: errors)
        }
        tables[slot] = made.after
        await board.set(slot, made.after)
        if !change.operation.isEmpty, context.chance(25) { await sendAgain(operation, context, other) }
      case .failed:
        if !change.operation.isEmpty, context.chance(25) { await sendAgain(operation, context, other) }
      case .unknown: lost.insert(slot)
      }
      await context.think(changePauseMilliseconds)
    }
    return Record(operations, surprises: context.surprises)
  }

  /// The number of the job that this session has done last.
  private func lastJob(_ context: ClientContext) async -> String? {
    guard case .success(let rows) = await context.execute("SHOW theseus.last_job") else { return nil }
    return rows.first?.first.flatMap { $0 }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// A statement that applies to the table, by weight, with the name of its kind.
  private func choose(
    _ slot: Int, _ table: TableModel?, _ dropped: TableModel?, _ last: RevertibleChange?, _ context: ClientContext,
    _ board: SchemaBoard
  ) async -> (kind: String, made: SchemaStatementKind.Made)? {
    var choice = StatementContext(
      random: context.random, tableNames: tableNames(slot), schema: schema, nextSerial: await board.serials(8))
    choice.droppedTable = dropped
    choice.lastChange = last
    defer { context.random = choice.random }
    var kinds = statements
    while !kinds.isEmpty {
      var ticket = Int.random(in: 0..<max(1, kinds.reduce(0) { $0 + $1.weight }), using: &choice.random)
      let position =
        kinds.firstIndex { kind in
          ticket -= kind.weight
          return ticket < 0
        } ?? 0
      if let made = kinds[position].make(table, &choice) { return (kinds[position].name, made) }
      kinds.remove(at: position)
    }
    return nil
  }

  /// Sends a change until its outcome is known: with an operation id it is applied once, however often it is sent.
  func send(_ change: SchemaChange, _ context: ClientContext) async -> Operation<SchemaAction> {
    var change = change
    let invoked = context.now
    var isInDoubt = false
    for attempt in 0..<Self.maximumTries {
      if attempt > 0 { await context.think(20...200) }
      switch await sendOnce(change, context) {
      case .success: return context.finish(.change(change), invoked: invoked, .ok)
      case .failure(let error):
        change.error = error
        isInDoubt = isInDoubt || error.outcome.isUnknown
        let isFinal = !error.isExcusable || error.state == "57014"
        if isFinal { return context.finish(.change(change), invoked: invoked, .failed("\(error)")) }
        if change.operation.isEmpty { return context.finish(.change(change), invoked: invoked, error.outcome) }
      }
    }
    let reason = change.error.map { "\($0)" } ?? "never sent"
    return context.finish(.change(change), invoked: invoked, isInDoubt ? .unknown(reason) : .failed(reason))
  }

  private func sendOnce(
    _ change: SchemaChange, _ context: ClientContext
  ) async -> Result<[[String?]], WorkloadError> {
    if !change.operation.isEmpty {
      let answer = await context.execute("SET theseus.operation_id = '\(change.operation)'")
      // Without the id the statement was not sent at all.
      if case .failure(let error) = answer { return .failure(.unreachable("\(error)")) }
    }
    // What an error means is the checker's business.
    return await context.execute(change.sql, allowing: SchemaErrors.judgedByChecker.union(change.possibleErrors))
  }

  /// The same id again, through another gateway: the same answer, and nothing happens.
  private func sendAgain(
    _ operation: Operation<SchemaAction>, _ context: ClientContext, _ other: any SQLClient
  ) async {
    guard case .change(let change) = operation.action else { return }
    do throws(WorkloadError) {
      _ = try await other.execute("SET theseus.operation_id = '\(change.operation)'")
    } catch {
      return await other.reconnect()
    }
    do throws(WorkloadError) {
      _ = try await other.execute(change.sql)
      if !operation.outcome.isOK {
        context.note("an operation was refused, and answered as done when it was sent again", ["\(operation)"])
      }
    } catch {
      if error.state == nil { await other.reconnect() }
      if error.isExcusable && error.state != "57014" { return }
      if operation.outcome.isOK || error.state != change.error?.state {
        context.note("an operation sent again has another answer: \(error)", ["\(operation)"])
      }
    }
  }

  /// Pauses, resumes and cancels what is running.
  func controlJobs(_ context: ClientContext) async -> Record {
    var operations: [Operation<SchemaAction>] = []
    while !context.isOver, operations.count < changesPerClient * max(1, schemaClients) {
      await context.think(50...400)
      guard case .success(let rows) = await context.execute("SHOW JOBS") else { continue }
      let running = SchemaJobs.parse(rows).filter { $0.state == "running" && $0.operation.hasPrefix(operationPrefix) }
      guard let job = context.pick(running) else { continue }
      if context.chance(15) {
        operations.append(await control("CANCEL JOB \(job.id)", context))
      } else {
        operations.append(await control("PAUSE JOB \(job.id)", context))
        await context.think(20...300)
        await resume(job.id, context)
      }
    }
    return Record(operations, surprises: context.surprises)
  }

  private func control(_ sql: String, _ context: ClientContext) async -> Operation<SchemaAction> {
    let invoked = context.now
    let answer = await context.execute(sql, allowing: SchemaErrors.ofJobControl)
    switch answer {
    case .success: return context.finish(.control(sql), invoked: invoked, .ok)
    case .failure(let error): return context.finish(.control(sql), invoked: invoked, error.outcome)
    }
  }

  /// A paused job must not be forgotten.
  func resume(_ job: String, _ context: ClientContext) async {
    do throws(WorkloadError) {
      _ = try await context.insist("RESUME JOB \(job)", tries: 200)
    } catch {
      if !SchemaErrors.ofJobControl.contains(error.state ?? "") {
        context.note("job \(job) cannot be resumed: \(error)")
      }
    }
  }
}

enum SchemaErrors {
  /// Missing or double names, values that must be unique or not null, a job's state.
  static let judgedByChecker: Set<String> = [
    "42P01", "42703", "42704", "42P07", "42701", "23505", "23502", "23514", "428C9", "55000",
    "22P02", "55P04",
  ]
  /// The job has ended, or was never there.
  static let ofJobControl: Set<String> = ["55000", "42704"]
}

enum SchemaJobs {
  /// Rows of SHOW JOBS: id, operation, statement, table, state, …
  static func parse(_ rows: [[String?]]) -> [JobRow] {
    rows.compactMap { row in
      guard row.count > 4, let id = row[0], let state = row[4] else { return nil }
      return JobRow(id: id, operation: row[1] ?? "", statement: row[2] ?? "", state: state)
    }
  }
}

/// What is looked at when the traffic is over.
extension SchemaChangeWorkload {
  /// Looks at the jobs before unfinished ones are a finding, with a fifth of a second between them.
  static let maximumJobLooks = 150
  /// Values of one column that are looked up.
  static let maximumLookups = 20

  public func finalReads(_ session: ClientContext, _ record: inout Record) async {
    var operations: [Operation<SchemaAction>] = []
    do throws(WorkloadError) {
      let jobs = try await waitForJobs(session)
      operations.append(finish(.jobs(jobs), session.now, session))
      record.history = try await resolved(record.history, session)
      let other = await ClientContext(session.host, workload: "\(name) final reads", number: 1)
      for (slot, table) in SchemaTimeline(record.history).last {
        for context in [session, other] {
          if let table { try await look(at: table, context, &operations) }
          let names = tableNames(slot)
          for name in names + names.map({ "\(schema).\($0)" }) where name != table?.name {
            await lookForLeftover(name, context)
          }
          await lookForDatabases(of: names, table?.database, context)
          for name in (1...3).map({ "\(names[0])_view_\($0)" }) where name != table?.view?.name {
            await lookForLeftover(name, context)
          }
        }
      }
      record.surprises += other.surprises
    } catch {
      record.surprises.append(Finding("\(name) answers", "the final reads do not come to an end: \(error)"))
    }
    record.history.append(contentsOf: operations)
  }

  private func finish(
    _ action: SchemaAction, _ invoked: UInt64, _ session: ClientContext
  ) -> Operation<SchemaAction> {
    var operation = session.finish(action, invoked: invoked, .ok)
    operation.client = limits.clients + schemaClients + 1 + session.number
    return operation
  }

  /// Resumes what is paused and waits until every job has ended.
  func waitForJobs(_ session: ClientContext) async throws(WorkloadError) -> [JobRow] {
    var looks = 0
    while true {
      let jobs = SchemaJobs.parse(try await session.insist("SHOW JOBS"))
        .filter { $0.operation.hasPrefix(operationPrefix) }
      looks += 1
      if jobs.allSatisfy(\.isFinished) || looks > Self.maximumJobLooks { return jobs }
      for job in jobs where job.state == "paused" { await resume(job.id, session) }
      await session.host.pause(milliseconds: 200)
    }
  }

  /// Asks what became of changes of unknown outcome.
  private func resolved(
    _ history: History<SchemaAction>, _ session: ClientContext
  ) async throws(WorkloadError) -> History<SchemaAction> {
    var operations = history.operations
    for position in operations.indices where operations[position].outcome.isUnknown {
      guard case .change(let change) = operations[position].action, !change.operation.isEmpty else { continue }
      let (answered, outcome) = try await askAgain(change, session)
      operations[position].action = .change(answered)
      operations[position].outcome = outcome
      operations[position].completed = session.now
    }
    return History(operations)
  }

  /// Sends a change again, with the same operation id: what became of it, or becomes of it now.
  func askAgain(
    _ change: SchemaChange, _ session: ClientContext
  ) async throws(WorkloadError) -> (SchemaChange, Outcome) {
    do throws(WorkloadError) {
      // In one message, so that no reconnection comes between them.
      _ = try await session.insist("SET theseus.operation_id = '\(change.operation)'; \(change.sql)")
      return (change, .ok)
    } catch {
      guard error.state != nil, !error.isExcusable || error.state == "57014" else { throw error }
      var change = change
      change.error = error
      return (change, .failed("\(error)"))
    }
  }

  private func look(
    at table: TableModel, _ session: ClientContext, _ operations: inout [Operation<SchemaAction>]
  ) async throws(WorkloadError) {
    func texts(_ rows: [[String?]]) -> [String] { rows.compactMap { $0.first ?? nil } }
    var invoked = session.now
    let columns = try await session.insist(
      "SELECT column_name FROM information_schema.columns WHERE table_schema = '\(table.schema ?? "public")' "
        + "AND table_name = '\(table.nameInSchema)' ORDER BY ordinal_position")
    let indexes = try await session.insist(
      "SELECT indexname FROM pg_indexes WHERE schemaname = '\(table.schema ?? "public")' "
        + "AND tablename = '\(table.nameInSchema)'")
    let comments = try await session.insist(
      "SELECT description FROM pg_description WHERE objoid = '\(table.name)'::regclass ORDER BY objsubid")
    operations.append(
      finish(
        .names(
          table: table.name, columns: texts(columns), indexes: texts(indexes).filter { !$0.hasSuffix("_pkey") },
          comments: texts(comments)),
        invoked, session))

    invoked = session.now
    let names = table.columns.map(\.name).filter { $0 != "id" }
    let rows = try await session.insist("SELECT \((["id"] + names).joined(separator: ", ")) FROM \(table.name)")
    operations.append(finish(.scan(table: table.name, columns: names, rows: rows), invoked, session))

    invoked = session.now
    let count = try await session.insist("SELECT count(*) FROM \(table.name)")
    operations.append(
      finish(.count(table: table.name, texts(count).first.flatMap { Int($0) } ?? -1), invoked, session))

    if let view = table.view {
      invoked = session.now
      let names = view.columns.map(\.name)
      let rows = try await session.insist("SELECT \((["number"] + names).joined(separator: ", ")) FROM \(view.name)")
      operations.append(finish(.scan(table: view.name, columns: names, rows: rows), invoked, session))
    }
    for index in table.indexes {
      guard let column = index.columns.first.flatMap({ table.column(serial: $0) }),
        let place = names.firstIndex(of: column.name)
      else { continue }
      let values = Set(rows.compactMap { place + 1 < $0.count ? $0[place + 1] : nil }).sorted()
      for value in values.prefix(Self.maximumLookups) {
        invoked = session.now
        let found = try await session.insist(
          "SELECT id FROM \(table.name) WHERE \(index.condition(column, value))"
            + (index.leastKey == nil ? "" : " AND \(index.predicate)"))
        let ids = texts(found).compactMap { Int($0) }
        operations.append(
          finish(
            .lookup(table: table.name, column: column.name, value: value, leastKey: index.leastKey, ids: ids), invoked,
            session))
      }
    }
    invoked = session.now
    operations.append(
      finish(.check(table: table.name, try await session.insist("CHECK TABLE \(table.name)")), invoked, session))
  }

  /// The slot has the database that its table tells of, and no other.
  private func lookForDatabases(of names: [String], _ database: String?, _ session: ClientContext) async {
    let prefix = SchemaStatementKind.databasePrefix(names)
    guard case .success(let rows) = await session.execute("SELECT datname FROM pg_database ORDER BY datname") else {
      return
    }
    let found = rows.compactMap { $0.first ?? nil }.filter { $0.hasPrefix(prefix) }
    if found != (database.map { [$0] } ?? []) {
      session.note("slot \(names[0]) has the databases \(found) and must have \(database ?? "none")")
    }
  }

  /// A name that is free must not answer.
  private func lookForLeftover(_ name: String, _ session: ClientContext) async {
    let answer = await session.execute("SELECT count(*) FROM \(name)", allowing: ["42P01"])
    if case .success = answer { session.note("table \(name) answers, though it was dropped or renamed") }
  }
}

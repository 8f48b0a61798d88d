import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// From a parsed statement to a plan, with the catalog as of one timestamp. All errors are PostgreSQL's, with positions.
public struct StatementPlanner: Sendable {
  public let catalog: CatalogView
  public let session: PlannerSession

  public init(catalog: CatalogView, session: PlannerSession = PlannerSession()) {
    self.catalog = catalog
    self.session = session
  }

  /// `parameterTypes` are the types that the client declared, `unknown` (or missing) where it left them to the context.
  /// Statements about the session, transactions and jobs are not planned: they throw XX000.
  public func plan(_ parsed: ParsedStatement, parameterTypes: [SQLType] = []) throws(SQLError) -> StatementPlan {
    for reference in parsed.databaseReferences where reference.database != session.databaseName {
      throw StatementBinder.otherDatabase(reference.text, at: reference.position)
    }
    let count = max(parsed.parameterCount, parameterTypes.count)
    var types = parameterTypes + Array(repeating: SQLType.unknown, count: count - parameterTypes.count)
    // Types that the context decides may be found after their first use, so the statement is bound again with them.
    for _ in 0..<4 {
      let binder = StatementBinder(catalog: catalog, session: session, parameterTypes: types)
      var plan = try self.plan(parsed.statement, binder)
      let found = binder.builder.parameterTypes
      if found == types || types.allSatisfy({ $0 != .unknown }) {
        if let index = found.firstIndex(of: .unknown) {
          throw SQLError(.indeterminateDatatype, "could not determine data type of parameter $\(index + 1)")
        }
        plan.parameterTypes = found
        plan.preliminaryQueries = binder.preliminaryQueries
        plan.slotCount = binder.slotCount
        plan.tables = binder.tableUses
        plan.namespacesIndex = catalog.namespacesIndex
        plan.absentNames = binder.absentNames
        plan.absentTypeNames = binder.absentTypeNames
        if let input = binder.liveInput { plan.liveInput = input }
        if binder.dependsOnCatalog { plan.catalogIndex = catalog.schemaIndex }
        return plan
      }
      types = found
    }
    throw SQLError(.indeterminateDatatype, "could not determine the data types of the parameters")
  }

  /// The sequence that a string names, as `nextval` reads it: 42P01, or 42809 for a relation of another kind.
  public func sequence(named text: String) throws(SQLError) -> TableDescriptor {
    try StatementBinder(catalog: catalog, session: session, parameterTypes: []).sequence(named: text, at: nil)
  }

  private func plan(_ statement: Statement, _ binder: StatementBinder) throws(SQLError) -> StatementPlan {
    switch statement {
    case .select(let written):
      let timeout = SchemaAgreementCall.timeoutQuery(written)
      if timeout != nil { binder.liveInput = .schemaAgreement }
      let setting = SettingCall(written)
      if let setting { binder.liveInput = setting.isChange ? .settingChange : .setting }
      let query = timeout ?? setting?.query ?? written
      var planned = try binder.plan(query, frame: nil, commonTables: [:])
      // Numbers of relations, types, … are shown as names.
      let shown = planned.columns.enumerated().map {
        ExpressionBuilder.shown(.column($0.offset, $0.element.type))
      }
      if shown.contains(where: { if case .column = $0 { false } else { true } }) {
        planned.plan = .project(planned.plan, shown)
      }
      if let setting {
        return StatementPlan(
          action: .query(planned.plan), resultColumns: [ResultColumn(name: setting.columnName, type: .text)])
      }
      return StatementPlan(
        action: .query(planned.plan),
        resultColumns: planned.columns.map { ResultColumn(name: $0.name, type: $0.type, origin: $0.origin) })
    case .insert(let insert):
      let planned = try ModifyPlanner(binder: binder).insert(insert)
      return StatementPlan(action: planned.action, resultColumns: planned.columns)
    case .update(let update):
      let planned = try ModifyPlanner(binder: binder).update(update)
      return StatementPlan(action: planned.action, resultColumns: planned.columns)
    case .delete(let delete):
      let planned = try ModifyPlanner(binder: binder).delete(delete)
      return StatementPlan(action: planned.action, resultColumns: planned.columns)
    case .createTable, .alterTable, .createIndex, .alterIndex, .drop, .truncate, .rename, .createSequence,
      .alterSequence, .object, .undrop, .revertJob:
      guard let change = try SchemaStatementPlanner(binder: binder).plan(statement) else { throw Self.notPlanned }
      return StatementPlan(action: .schemaChange(change))
    case .createTableAs(let create):
      return StatementPlan(action: .createTableAs(try CreateTableAsPlanner(binder: binder).plan(create)))
    case .explain(let options, let inner): return try explain(options, inner, binder)
    case .checkTable(let name):
      let table = try binder.table(name, isWritten: false)
      return StatementPlan(
        action: .checkTable(table),
        resultColumns: [
          ResultColumn(name: "index_name", type: .text), ResultColumn(name: "rows", type: .int8),
          ResultColumn(name: "entries", type: .int8), ResultColumn(name: "ok", type: .boolean),
        ])
    case .unsupported(let error): throw error
    case .transaction, .session, .prepare, .execute, .deallocate, .closeCursor, .job: throw Self.notPlanned
    }
  }

  private static let notPlanned = SQLError(.internalError, "a statement of the session reached the planner")

  private func explain(
    _ options: ExplainOptions, _ statement: Statement, _ binder: StatementBinder
  ) throws(SQLError) -> StatementPlan {
    let columns = [ResultColumn(name: "QUERY PLAN", type: .text)]
    if options.isSchemaChange, case .createTableAs(let create) = statement {
      let planned = try CreateTableAsPlanner(binder: binder).plan(create)
      return StatementPlan(action: .explainSchemaChange(.createTable(planned.create)), resultColumns: columns)
    }
    if let change = try SchemaStatementPlanner(binder: binder).plan(statement) {
      guard options.isSchemaChange else {
        throw SQLError(
          .syntaxError, "EXPLAIN of a schema change needs the option DDL", hint: "Write EXPLAIN (DDL) ….")
      }
      return StatementPlan(action: .explainSchemaChange(change), resultColumns: columns)
    }
    if options.isSchemaChange {
      throw SQLError(.syntaxError, "EXPLAIN (DDL) is for statements that change the schema")
    }
    if options.analyze { throw .unsupported("EXPLAIN ANALYZE") }
    let plan = try plan(statement, binder)
    let lines = PlanText.lines(plan.action, preliminary: binder.preliminaryQueries)
    return StatementPlan(action: .explain(lines: lines), resultColumns: columns)
  }
}

import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// One execution of a planned statement. The caller pulls rows batch by batch (`nextRows`) until nil, and so decides the
/// pace; statements that change data do so at the first call.
///
/// Confined to the isolation domain of its `TableAccess`; no call changes threads. After an error it is over.
public final class StatementExecution {
  private let plan: StatementPlan
  private let state: ExecutionState
  private var source: (any RowSource)?
  private var isStarted = false
  private var returned: [[Datum]]?

  /// Rows inserted, updated, deleted, or yielded so far by a query.
  public private(set) var affectedRows = 0

  /// `parameters` are the client's, of `plan.parameterTypes`; `context` brings time, randomness and session; `cache` is
  /// shared by the executions of one isolation domain.
  public init(
    plan: StatementPlan, parameters: [Datum], access: any TableAccess, context: EvaluationContext,
    limits: ExecutionLimits = ExecutionLimits(), cache: ExecutionCache = ExecutionCache()
  ) {
    self.plan = plan
    var context = context
    context.parameters = parameters
    while context.parameters.count < plan.slotCount { context.parameters.append(.null) }
    state = ExecutionState(access: access, context: context, limits: limits, cache: cache)
  }

  /// The context with the random generator as the statement left it.
  public var context: EvaluationContext { state.context }

  /// The next rows of the result, of `plan.resultColumns`; nil at the end. A batch may be empty.
  public nonisolated(nonsending) func nextRows() async throws(SQLError) -> [[Datum]]? {
    if !isStarted {
      isStarted = true
      try await start()
    }
    if let rows = returned {
      returned = nil
      return rows
    }
    guard let source, let batch = try await source.next() else { return nil }
    affectedRows += batch.count
    return batch
  }

  /// The command tag of the statement, once all rows are read: `SELECT 3`, `INSERT 0 1`, ….
  public var commandTag: String {
    switch plan.action {
    case .query, .checkTable: "SELECT \(affectedRows)"
    case .insert: "INSERT 0 \(affectedRows)"
    case .update: "UPDATE \(affectedRows)"
    case .delete: "DELETE \(affectedRows)"
    case .explain, .explainSchemaChange: "EXPLAIN"
    case .schemaChange, .createTableAs: "OK"
    }
  }

  private nonisolated(nonsending) func start() async throws(SQLError) {
    for preliminary in plan.preliminaryQueries {
      let rows = try await Subquery.rows(
        preliminary.plan, wanted: preliminary.result == .exists ? 1 : 2, state)
      guard preliminary.slot >= 0, preliminary.slot < state.context.parameters.count else {
        throw SQLError(.internalError, "no parameter slot \(preliminary.slot)")
      }
      state.context.parameters[preliminary.slot] =
        preliminary.result == .exists ? .boolean(!rows.isEmpty) : try Subquery.scalar(rows)
    }
    switch plan.action {
    case .query(let query): source = state.source(query)
    case .insert(let insert):
      let execution = try InsertExecution(insert, state)
      try await execution.run()
      affectedRows = execution.affectedRows
      if insert.returning != nil { returned = execution.returned }
    case .update(let update):
      let execution = try ModifyExecution(update, state)
      try await execution.run()
      affectedRows = execution.affectedRows
      if update.returning != nil { returned = execution.returned }
    case .delete(let delete):
      let execution = ModifyExecution(delete, state)
      try await execution.run()
      affectedRows = execution.affectedRows
      if delete.returning != nil { returned = execution.returned }
    case .explain(let lines): returned = lines.map { [.text($0)] }
    case .schemaChange, .createTableAs, .explainSchemaChange, .checkTable:
      throw SQLError(.internalError, "this statement is not executed by operators")
    }
  }
}

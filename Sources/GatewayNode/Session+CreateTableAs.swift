import Basics
import ClusterClient
import SQLPlanner
import SQLValues
import SchemaChange

extension Session {
  /// `CREATE TABLE … AS`: the table is staged as by `CREATE TABLE` between BEGIN and COMMIT, then the query's rows are written to it;
  /// both are there once the block commits. By itself the statement is such a block.
  func run(
    _ create: CreateTableAsPlan, of plan: StatementPlan, _ request: ExecutionRequest, _ snapshot: ReadSnapshot,
    _ transaction: Transaction
  ) async throws(TransactionFault) -> ExecutionResult {
    .finished(tag: try await fill(create, of: plan, request, snapshot, transaction))
  }

  private func fill(
    _ create: CreateTableAsPlan, of plan: StatementPlan, _ request: ExecutionRequest, _ snapshot: ReadSnapshot,
    _ transaction: Transaction
  ) async throws(TransactionFault) -> String {
    let known = Set(transactionSchema?.draft.createdIDs ?? [])
    do throws(SQLError) {
      _ = try await stage(
        .createTable(create.create), text: request.prepared.parsed.text, command: Self.createTableAs, snapshot,
        in: transaction, request.control)
    } catch {
      throw .failed(error)
    }
    guard create.hasData, let schema = transactionSchema else { return Self.createTableAs }
    // The rows came with the table when the operation was done before.
    if schema.isRepetition { return "SELECT 0" }
    guard let id = schema.draft.createdIDs.first(where: { !known.contains($0) }),
      let table = schema.catalog.table(id: id)
    else { return Self.createTableAs }
    pin(plan, in: transaction)
    var insertion = plan
    insertion.action = .insert(create.insertion(into: table))
    let access = TransactionAccess(
      transaction, snapshot, request.control, session: self, isOwnTransaction: false)
    let run = StatementRun(
      insertion, request.parameters, access, evaluationContext(schema.catalog, at: snapshot.timestamp))
    while !(try await run.next(limit: .max)).isEmpty { try request.control.check() }
    return "SELECT \(run.affectedRows)"
  }

  /// The tag where no rows are written.
  static let createTableAs = "CREATE TABLE AS"
}

import Basics
import ClusterClient
import EventLoop
import SQLExecution
import SQLExpressions
import SQLPlanner
import SQLValues

/// One execution of a plan: rows come in pieces as they are asked for.
@EventLoopActor final class StatementRun {
  private static let cache = ExecutionCache()

  let plan: StatementPlan
  private let access: TransactionAccess
  private let execution: StatementExecution
  /// Rows that came with a batch and are not wanted yet.
  private var rest: ArraySlice<[Datum]> = []
  private var isAtEnd = false

  init(_ plan: StatementPlan, _ parameters: [Datum], _ access: TransactionAccess, _ context: EvaluationContext) {
    self.plan = plan
    self.access = access
    execution = StatementExecution(
      plan: plan, parameters: parameters, access: access, context: context, cache: Self.cache)
  }

  func adopt(_ control: StatementControl) { access.adopt(control) }

  /// At most `limit` rows; none: the end.
  func next(limit: Int) async throws(TransactionFault) -> ArraySlice<[Datum]> {
    while rest.isEmpty, !isAtEnd {
      do throws(SQLError) {
        guard let rows = try await execution.nextRows() else {
          isAtEnd = true
          break
        }
        rest = rows[...]
      } catch {
        throw access.cause(of: error)
      }
    }
    let rows = rest.prefix(limit)
    rest = rest.dropFirst(limit)
    return rows
  }

  var affectedRows: Int { execution.affectedRows }

  /// The command tag, once all rows have been fetched; a portal tells the rows of its last fetch.
  func tag(rowsSent: Int) -> String {
    if case .query = plan.action { return "SELECT \(rowsSent)" }
    return execution.commandTag
  }
}

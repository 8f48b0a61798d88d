import Basics
import ClusterClient
import EventLoop
import SQLExecution
import SQLExpressions
import SQLPlanner
import SQLValues

/// One execution of a plan: rows come in pieces as they are asked for.
@EventLoopActor final class StatementRun {
  let plan: StatementPlan
  private let access: TransactionAccess
  private var rest: ArraySlice<[Datum]> = []
  private var isAtEnd = false
  private var rowCount = 0

  init(_ plan: StatementPlan, _ access: TransactionAccess, _ context: EvaluationContext) {
    self.plan = plan
    self.access = access
  }

  func adopt(_ control: StatementControl) { access.adopt(control) }

  /// At most `limit` rows; none: the end.
  func next(limit: Int) async throws(TransactionFault) -> ArraySlice<[Datum]> {
    throw .failed(SQLError.unsupported("executing queries"))
  }

  /// The command tag, once all rows have been fetched.
  var tag: String {
    switch plan.action {
    case .insert: "INSERT 0 \(rowCount)"
    case .update: "UPDATE \(rowCount)"
    case .delete: "DELETE \(rowCount)"
    default: "SELECT \(rowCount)"
    }
  }
}

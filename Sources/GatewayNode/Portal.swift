import Basics
import ClusterClient
import EventLoop
import PostgresProtocol
import SQLPlanner
import SQLValues

/// A statement bound to parameters, and how far its rows have been fetched.
@EventLoopActor final class Portal {
  enum Progress {
    case bound
    /// Rows were sent and more may come.
    case suspended(StatementRun)
    case finished(tag: String)
  }

  /// nil: a blank query string.
  let statement: PreparedStatement?
  let parameters: [Datum]
  let resultFormats: [ValueFormat]
  /// As the client was told; a later plan must yield the same.
  var describedColumns: [ResultColumn]?
  var progress = Progress.bound
  /// The plan it was bound with (`PreparedStatement.planNumber`).
  let planNumber: UInt64

  init(_ statement: PreparedStatement?, parameters: [Datum], resultFormats: [ValueFormat]) {
    self.statement = statement
    planNumber = statement?.planNumber ?? 0
    self.parameters = parameters
    self.resultFormats = resultFormats
  }
}

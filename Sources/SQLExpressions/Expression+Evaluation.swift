import Basics
import SQLValues

extension Expression {
  /// The value over a row. Throws the SQL errors of the functions (22003, 22012, 22P02, …).
  public func evaluate(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Datum {
    throw .unsupported("evaluation")
  }

  /// A condition over a row: NULL counts as false.
  public func holds(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Bool {
    if case .boolean(true) = try evaluate(row, &context) { return true }
    return false
  }
}

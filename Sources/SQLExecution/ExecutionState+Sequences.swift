import Basics
import SQLExpressions
import SQLValues

extension ExecutionState {
  /// The values of expressions over a row, those of sequences among them (`SequenceJournal`): where one is needed, it is
  /// fetched and the expressions are evaluated again, as if for the first time.
  ///
  /// Without sequences nothing is waited for, and nothing is done twice.
  nonisolated(nonsending) func values(
    of expressions: [Expression], over row: [Datum]
  ) async throws(SQLError) -> [Datum] {
    let random = context.random
    while true {
      do throws(SQLError) {
        var values: [Datum] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try expression.evaluate(row, &context)) }
        // The answers were this row's.
        context.sequences.clear()
        return values
      } catch {
        try await supplySequence(insteadOf: error)
        context.random = random
      }
    }
  }

  nonisolated(nonsending) func holds(_ condition: Expression, over row: [Datum]) async throws(SQLError) -> Bool {
    let random = context.random
    while true {
      do throws(SQLError) {
        let isTrue = try condition.holds(row, &context)
        context.sequences.clear()
        return isTrue
      } catch {
        try await supplySequence(insteadOf: error)
        context.random = random
      }
    }
  }

  /// Throws `error` if it does not come from waiting for a sequence.
  private nonisolated(nonsending) func supplySequence(insteadOf error: SQLError) async throws(SQLError) {
    guard let call = context.sequences.wanted else { throw error }
    context.sequences.supply(try await access.value(of: call))
    context.sequences.restart()
  }
}

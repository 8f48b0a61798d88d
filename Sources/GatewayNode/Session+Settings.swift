import Basics
import ClusterClient
import SQLPlanner
import SQLValues

extension Session {
  /// `set_config` and `current_setting`: `run` yields the arguments.
  func runSetting(
    _ run: StatementRun, _ output: RowOutput, isChange: Bool
  ) async throws(TransactionFault) -> ExecutionResult {
    guard let arguments = try await run.next(limit: 1).first else { return .finished(tag: "SELECT 0") }
    var answer = Datum.null
    do throws(SQLError) {
      answer = isChange ? try change(arguments) : try setting(arguments)
    } catch {
      throw .failed(error)
    }
    output.begin(run.plan.resultColumns ?? [])
    output.append([[answer]])
    return .finished(tag: "SELECT 1")
  }

  private func change(_ arguments: some Collection<Datum>) throws(SQLError) -> Datum {
    let arguments = Array(arguments)
    guard arguments.count == 3, case .text(let name) = arguments[0] else {
      throw SQLError(SQLState("22004"), "SET requires parameter name")
    }
    var value: String?
    if case .text(let text) = arguments[1] { value = text }
    try change(name, value, isLocal: arguments[2] == .boolean(true))
    return .text(try settings.show(name).value)
  }

  private func setting(_ arguments: some Collection<Datum>) throws(SQLError) -> Datum {
    let arguments = Array(arguments)
    guard case .text(let name)? = arguments.first else { return .null }
    if arguments.count > 1, arguments[1] == .boolean(true), settings.value(SessionSettings.canonical(name)) == nil {
      return .null
    }
    return .text(try settings.show(name).value)
  }
}

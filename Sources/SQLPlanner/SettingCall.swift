import SQLSyntax
import SQLValues

/// A query that is nothing but `SELECT set_config(name, value, is_local)` or `SELECT current_setting(name [, missing_ok])`: it
/// concerns the session, and is done there with what its arguments are.
struct SettingCall {
  /// For the arguments: name, value and whether it is for the transaction only; or name and whether it may be missing.
  let query: SelectStatement
  let isChange: Bool
  /// Of the only column that the client gets.
  let columnName: String

  /// nil: another query.
  init?(_ written: SelectStatement) {
    guard case .select(let core) = written.body, core.targets.count == 1, core.from.isEmpty, core.filter == nil,
      core.groupBy.isEmpty, core.having == nil, written.commonTableExpressions.isEmpty, written.limit == nil,
      written.offset == nil, written.locking == nil, case .function(let call) = core.targets[0].expression.kind,
      call.name.count == 1 || (call.name.count == 2 && call.name[0] == "pg_catalog"), let name = call.name.last,
      !call.isStar, !call.isDistinct, call.filter == nil
    else { return nil }
    let position = core.targets[0].expression.position
    func cast(_ argument: ExpressionSyntax, to type: String) -> SelectTarget {
      SelectTarget(
        ExpressionSyntax(.cast(argument, TypeNameSyntax(names: ["pg_catalog", type])), at: position), alias: nil)
    }
    let arguments = call.arguments
    switch (name, arguments.count) {
    case ("set_config", 3):
      isChange = true
      query = SelectStatement(
        body: .select(
          SelectCore(targets: [
            cast(arguments[0], to: "text"), cast(arguments[1], to: "text"), cast(arguments[2], to: "bool"),
          ])))
    case ("current_setting", 1), ("current_setting", 2):
      isChange = false
      query = SelectStatement(
        body: .select(
          SelectCore(
            targets: [cast(arguments[0], to: "text")] + arguments.dropFirst().map { cast($0, to: "bool") })))
    default: return nil
    }
    columnName = core.targets[0].alias ?? name
  }
}

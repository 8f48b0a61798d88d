import SQLSyntax

extension ExpressionSyntax {
  /// The name a result column gets without `AS` (PostgreSQL's `FigureColname`).
  var resultName: String { figuredName ?? "?column?" }

  private var figuredName: String? {
    switch kind {
    case .column(let names): names.last
    case .function(let call): call.name.last
    case .keywordFunction(let keyword): keyword.rawValue
    case .cast(let operand, let type): operand.figuredName ?? type.names.last
    case .case(_, _, let otherwise): otherwise?.figuredName ?? "case"
    case .coalesce: "coalesce"
    case .greatest: "greatest"
    case .least: "least"
    case .nullIf: "nullif"
    case .boolean: "bool"
    case .array, .arraySubquery: "array"
    case .element(let array, _): array.figuredName
    case .row: "row"
    case .exists: "exists"
    case .scalarSubquery(let query):
      if case .select(let core) = query.body, let target = core.targets.first {
        target.alias ?? target.expression.figuredName
      } else {
        "column1"
      }
    default: nil
    }
  }
}

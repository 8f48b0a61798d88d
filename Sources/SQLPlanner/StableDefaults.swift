import Basics
import SQLExpressions
import SQLValues
import SchemaChange

extension SchemaStatement {
  /// With the values, for rows that exist, of defaults that are the same throughout a statement (`now()`): as PostgreSQL does,
  /// they are evaluated once, when the column is added.
  public func evaluatingStableDefaults(_ context: inout EvaluationContext) throws(SQLError) -> SchemaStatement {
    guard case .alterTable(let name, let ifExists, var changes) = self else { return self }
    for position in changes.indices {
      guard case .addColumn(var definition, let ifNotExists) = changes[position], definition.constantDefault == nil,
        let bytes = definition.defaultExpression
      else { continue }
      let value: Expression
      do throws(MalformedBytes) { value = try Expression(decoding: bytes) } catch {
        throw SQLError(.internalError, "a default cannot be read", detail: error.reason)
      }
      guard value.volatility == .stable else { continue }
      definition.constantDefault = try value.evaluate([], &context)
      changes[position] = .addColumn(definition, ifNotExists: ifNotExists)
    }
    return .alterTable(name, ifExists: ifExists, changes: changes)
  }
}

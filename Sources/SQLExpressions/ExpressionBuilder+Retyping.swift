import Basics
import SQLValues

extension ExpressionBuilder {
  /// A bound expression over columns some of which have other types now: what reads them is resolved anew, by the names that it
  /// was written with, as PostgreSQL does when it parses an expression again that it shows with its casts (`ATPostAlterTypeParse`).
  ///
  /// Throws what such an expression would be refused with: 42883 where an operator or function does not take the new types.
  ///
  /// - Parameter types: of the columns that changed, by their position.
  public mutating func retyped(_ expression: Expression, _ types: [Int: SQLType]) throws(SQLError) -> Expression {
    guard expression.columns.contains(where: { types[$0] != nil }) else { return expression }
    switch expression {
    case .constant, .parameter: return expression
    case .column(let position, let type): return .column(position, types[position] ?? type)
    case .call(let function, let arguments, let result):
      return try call(function, arguments, result, types)
    case .comparison(let comparison, let left, let right):
      return try compare(comparison, operand(left, types), operand(right, types))
    case .and(let list): return .and(try conditions(list, of: "AND", types))
    case .or(let list): return .or(try conditions(list, of: "OR", types))
    case .not(let operand): return .not(try conditions([operand], of: "NOT", types)[0])
    case .isNull(let operand): return .isNull(try retyped(operand, types))
    case .isDistinct(let left, let right): return try isDistinct(operand(left, types), operand(right, types))
    case .isTruth(let operand, let test):
      return .isTruth(try conditions([operand], of: "IS TRUE", types)[0], test)
    case .inList(let first, let list):
      return try inList(operand(first, types), all(list, types))
    case .conditional(let branches, let otherwise, _):
      var retypedBranches: [ConditionalBranch] = []
      for branch in branches {
        retypedBranches.append(
          ConditionalBranch(condition: try retyped(branch.condition, types), value: try retyped(branch.value, types)))
      }
      return try conditional(retypedBranches, otherwise: otherwise == nil ? nil : try retyped(otherwise!, types))
    case .coalesce(let list, _): return try coalesce(all(list, types))
    case .greatest(let list, _): return try greatest(all(list, types))
    case .least(let list, _): return try least(all(list, types))
    case .nullIf(let left, let right, _): return try nullIf(operand(left, types), operand(right, types))
    case .cast(let operand, _, let to, let isExplicit):
      let value = try retyped(operand, types)
      // Shown, every cast is written out; one that need not be stays what it was, so that it goes on to fail where it failed.
      if !isExplicit {
        if let cast = try coerced(value, to: to, in: .implicit) { return cast }
        if let cast = try coerced(value, to: to, in: .assignment) { return cast }
      }
      return try cast(value, to: to)
    }
  }

  private mutating func all(_ list: [Expression], _ types: [Int: SQLType]) throws(SQLError) -> [Expression] {
    var result: [Expression] = []
    for item in list { result.append(try operand(item, types)) }
    return result
  }

  private mutating func conditions(
    _ list: [Expression], of clause: String, _ types: [Int: SQLType]
  ) throws(SQLError) -> [Expression] {
    var result: [Expression] = []
    for item in list { result.append(try condition(try retyped(item, types), of: clause)) }
    return result
  }

  /// PostgreSQL has no operators of `varchar`: where one is compared or given to a function, a cast to text is written, and stays.
  private mutating func operand(_ expression: Expression, _ types: [Int: SQLType]) throws(SQLError) -> Expression {
    let value = try retyped(expression, types)
    guard case .column(let position, .varchar) = expression, let type = types[position], type.category != .string else {
      return value
    }
    return try cast(value, to: .text)
  }

  private mutating func call(
    _ function: FunctionID, _ arguments: [Expression], _ result: SQLType, _ types: [Int: SQLType]
  ) throws(SQLError) -> Expression {
    let operands = try all(arguments, types)
    guard let name = FunctionTable.name(of: function, arguments: arguments.map(\.type), result: result) else {
      // What is no overload of anything was made for its types.
      guard zip(operands, arguments).allSatisfy({ $0.type == $1.type }) else {
        throw SQLError.unsupported("another type of an argument of \(function)")
      }
      return .call(function, operands, result)
    }
    switch name {
    case .function(let name): return try call(name, operands)
    case .operator(let name):
      return operands.count == 2 ? try binary(name, operands[0], operands[1]) : try unary(name, operands[0])
    }
  }
}

extension FunctionTable {
  enum Name: Hashable {
    case function(String)
    case `operator`(String)
  }

  /// A name under which the implementation is found for such arguments. Of several the one that gives this result, then the first.
  static func name(of function: FunctionID, arguments: [SQLType], result: SQLType) -> Name? {
    func fits(_ signature: FunctionSignature) -> Bool {
      signature.function == function
        && (signature.parameters.count == arguments.count
          || signature.isVariadic && arguments.count >= signature.parameters.count)
    }
    func best(_ table: [String: [FunctionSignature]]) -> (name: String, isExact: Bool)? {
      let found = table.filter { $0.value.contains(where: fits) }.sorted { $0.key < $1.key }
      let exact = found.first { entry in
        entry.value.contains { fits($0) && $0.result.isSameType(as: result) }
      }
      return exact.map { ($0.key, true) } ?? found.first.map { ($0.key, false) }
    }
    let candidates = [
      arguments.count <= 2 ? best(operators).map { (Name.operator($0.name), $0.isExact) } : nil,
      best(functions).map { (Name.function($0.name), $0.isExact) },
    ].compactMap { $0 }
    return (candidates.first { $0.1 } ?? candidates.first)?.0
  }
}

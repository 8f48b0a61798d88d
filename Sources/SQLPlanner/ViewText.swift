import Basics
import Catalog
import SQLSyntax
import SQLValues

/// The stored query of a view as SQL, with the names that everything has now (`pg_get_viewdef`).
struct ViewText {
  /// A relation in `FROM`.
  private struct Named {
    /// In the stored query.
    var stored: String
    var shown: String
    /// The relation that it is; nil: a subquery or function.
    var dependency: Int?
  }

  private let names: CatalogNames
  private let dependencies: [ViewDependency]
  /// Without parentheses that mean nothing.
  private let isPretty: Bool
  /// Innermost last.
  private var levels: [[Named]] = []

  /// Nil: not a view, or one that cannot be read.
  static func text(of view: TableDescriptor, _ names: CatalogNames, isPretty: Bool) -> String? {
    guard let definition = view.view, let query = try? SelectStatement.decode(definition.query).query else {
      return nil
    }
    var text = ViewText(names: names, dependencies: definition.dependencies, isPretty: isPretty)
    return text.query(query, columns: view.columns.map(\.name)) + ";"
  }

  private init(names: CatalogNames, dependencies: [ViewDependency], isPretty: Bool) {
    self.names = names
    self.dependencies = dependencies
    self.isPretty = isPretty
  }

  // MARK: Queries

  /// - Parameter columns: what the results are called; nil: as the query says.
  private mutating func query(_ query: SelectStatement, columns: [String]? = nil) -> String {
    var text = ""
    if !query.commonTableExpressions.isEmpty {
      let parts = query.commonTableExpressions.map { expression in
        let list = expression.columnNames.map(quoted).joined(separator: ", ")
        return "\(quoted(expression.name))\(list.isEmpty ? "" : "(\(list))") AS (\n"
          + indented(self.query(expression.query), by: 8, first: true) + "\n        )"
      }
      text = " WITH " + parts.joined(separator: ", ") + "\n"
    }
    var level: [Named] = []
    switch query.body {
    case .select(let core):
      level = named(core.from)
      levels.append(level)
      text += self.core(core, columns)
    case .values(let rows):
      levels.append([])
      text +=
        " VALUES "
        + rows.map { row in "(\(row.map { expression($0) }.joined(separator: ",")))" }.joined(separator: ", ")
    case .union(let left, let right, let all):
      levels.append([])
      text += operand(left, columns) + "\nUNION\(all ? " ALL" : "")\n" + operand(right, nil)
    }
    if !query.orderBy.isEmpty { text += "\n  ORDER BY \(keys(query.orderBy))" }
    if let offset = query.offset { text += "\n OFFSET \(expression(offset))" }
    if let limit = query.limit { text += "\n LIMIT \(expression(limit))" }
    levels.removeLast()
    return text
  }

  /// A side of a `UNION`.
  private mutating func operand(_ query: SelectStatement, _ columns: [String]?) -> String {
    let text = self.query(query, columns: columns)
    let isPlain = query.orderBy.isEmpty && query.limit == nil && query.offset == nil
    if case .union = query.body { return "(\(text))" }
    return isPlain && query.commonTableExpressions.isEmpty ? text : "(\(text))"
  }

  private mutating func core(_ core: SelectCore, _ columns: [String]?) -> String {
    let targets = core.targets.enumerated().map { position, target in
      let value = expression(target.expression)
      let name = columns.flatMap { $0.indices.contains(position) ? $0[position] : nil } ?? target.alias ?? ""
      if case .column(let parts) = target.expression.kind, columnName(parts) == name { return value }
      return "\(value) AS \(quoted(name))"
    }
    var text = " SELECT \(core.isDistinct ? "DISTINCT " : "")" + targets.joined(separator: ",\n    ")
    if !core.from.isEmpty { text += "\n   FROM " + core.from.map { table($0) }.joined(separator: ",\n    ") }
    if let filter = core.filter { text += "\n  WHERE \(expression(filter))" }
    if !core.groupBy.isEmpty { text += "\n  GROUP BY \(core.groupBy.map { expression($0) }.joined(separator: ", "))" }
    if let having = core.having { text += "\n HAVING \(expression(having))" }
    return text
  }

  private mutating func keys(_ keys: [SortKeySyntax]) -> String {
    keys.map { key in
      let nulls = key.nullsFirst.map { $0 == key.isDescending ? "" : $0 ? " NULLS FIRST" : " NULLS LAST" } ?? ""
      return expression(key.expression) + (key.isDescending ? " DESC" : "") + nulls
    }.joined(separator: ", ")
  }

  private func indented(_ text: String, by count: Int, first: Bool = false) -> String {
    let blanks = String(repeating: " ", count: count)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.enumerated().map { $0.offset == 0 && !first ? String($0.element) : blanks + $0.element }
      .joined(separator: "\n")
  }

  private mutating func subquery(_ query: SelectStatement) -> String {
    "(\(indented(self.query(query), by: 8)))"
  }

  // MARK: FROM

  private func relation(_ dependency: Int) -> TableDescriptor? {
    guard dependencies.indices.contains(dependency) else { return nil }
    return names.catalog.table(id: dependencies[dependency].relation)
  }

  private func named(_ references: [TableReference]) -> [Named] {
    var found: [Named] = []
    func add(_ stored: String, _ shown: String, _ dependency: Int?) {
      var unique = shown
      var number = 0
      let others = levels.flatMap { $0 } + found
      while others.contains(where: { $0.shown == unique }) {
        number += 1
        unique = "\(shown)_\(number)"
      }
      found.append(Named(stored: stored, shown: unique, dependency: dependency))
    }
    func visit(_ reference: TableReference, own: Bool) {
      switch reference {
      case .dependency(let position, let alias, let hasOwnName):
        if hasOwnName == own {
          add(alias.name, hasOwnName ? alias.name : relation(position)?.name ?? alias.name, position)
        }
      case .table(let name, let alias): if own { add(alias?.name ?? name.name, alias?.name ?? name.name, nil) }
      case .subquery(_, let alias, _): if own { add(alias?.name ?? "", alias?.name ?? "", nil) }
      case .function(let call, let alias, _):
        let name = alias?.name ?? call.name.last ?? ""
        if own { add(name, name, nil) }
      case .join(let join):
        visit(join.left, own: own)
        visit(join.right, own: own)
      }
    }
    // Names that were written stay; those of tables make way for them.
    for reference in references { visit(reference, own: true) }
    for reference in references { visit(reference, own: false) }
    return found
  }

  private func shown(_ stored: String) -> Named? {
    for level in levels.reversed() { if let found = level.first(where: { $0.stored == stored }) { return found } }
    return nil
  }

  private mutating func table(_ reference: TableReference, isJoined: Bool = false) -> String {
    func aliased(_ text: String, _ alias: TableAlias?) -> String {
      guard let alias else { return text }
      let columns = alias.columnNames.map(quoted).joined(separator: ", ")
      return "\(text) \(quoted(alias.name))\(columns.isEmpty ? "" : "(\(columns))")"
    }
    switch reference {
    case .dependency(let position, let alias, _):
      guard let relation = relation(position) else { return "?" }
      let name = shown(alias.name)?.shown ?? alias.name
      let text = names.shown(relation.name, of: relation)
      return name == relation.name ? text : "\(text) \(quoted(name))"
    case .table(let name, let alias):
      return aliased((name.schema.map { quoted($0) + "." } ?? "") + quoted(name.name), alias)
    case .subquery(let query, let alias, _): return aliased(subquery(query), alias)
    case .function(let call, let alias, _):
      return aliased(function(call) + (call.hasOrdinality ? " WITH ORDINALITY" : ""), alias)
    case .join(let join):
      let kind =
        switch join.kind {
        case .inner: join.condition == .cross ? "CROSS JOIN" : "JOIN"
        case .left: "LEFT JOIN"
        case .right: "RIGHT JOIN"
        case .full: "FULL JOIN"
        }
      var text = table(join.left, isJoined: true) + "\n     \(kind) "
      if case .join = join.right {
        let right = table(join.right, isJoined: true)
        text += isPretty ? "(\(right))" : right
      } else {
        text += table(join.right, isJoined: true)
      }
      switch join.condition {
      case .cross, .natural: break
      case .on(let condition): text += " ON \(isPretty ? expression(condition) : "(\(expression(condition)))")"
      case .using(let columns): text += " USING (\(columns.map(quoted).joined(separator: ", ")))"
      }
      return isPretty ? text : "(\(text))"
    }
  }

  // MARK: Expressions

  private func quoted(_ name: String) -> String { SystemCatalog.quoted(name) }

  /// What a column is called now.
  private func columnName(_ parts: [String]) -> String {
    guard let name = parts.last else { return "" }
    guard parts.count == 2, let dependency = shown(parts[0])?.dependency, let relation = relation(dependency),
      let position = StoredQuery.columnPosition(name), dependencies[dependency].columns.indices.contains(position)
    else { return name }
    return relation.column(dependencies[dependency].columns[position])?.name ?? "?"
  }

  /// How tightly an expression holds together; what holds less than its surroundings gets parentheses.
  private enum Strength: Int { case or, and, not, test, comparison, other, sum, product, atom }

  private func strength(_ syntax: ExpressionSyntax) -> Strength {
    switch syntax.kind {
    case .or: return .or
    case .and: return .and
    case .not: return .not
    case .isNull, .isTruth, .isDistinct: return .test
    case .between, .inList, .like, .quantifiedArray, .quantifiedSubquery: return .comparison
    case .binary(let name, _, _):
      switch name {
      case "=", "<>", "<", ">", "<=", ">=": return .comparison
      case "+", "-": return .sum
      case "*", "/", "%": return .product
      default: return .other
      }
    case .unary: return .product
    default: return .atom
    }
  }

  /// An operand: in parentheses if it holds together less than `strength` asks for.
  private mutating func operand(_ syntax: ExpressionSyntax, _ needed: Strength) -> String {
    let text = expression(syntax)
    if !isPretty { return text }
    return strength(syntax).rawValue < needed.rawValue ? "(\(text))" : text
  }

  private mutating func list(_ list: [ExpressionSyntax]) -> String {
    list.map { expression($0) }.joined(separator: ", ")
  }

  private mutating func expression(_ syntax: ExpressionSyntax) -> String {
    let text = bare(syntax)
    return !isPretty && strength(syntax) != .atom ? "(\(text))" : text
  }

  private mutating func bare(_ syntax: ExpressionSyntax) -> String {
    switch syntax.kind {
    case .null: return "NULL"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return "\(value)"
    case .number(let digits): return digits
    case .string(let text): return literal(text)
    case .parameter(let number): return "$\(number)"
    case .column(let parts):
      guard parts.count > 1 else { return quoted(parts.last ?? "") }
      return "\(quoted(shown(parts[0])?.shown ?? parts[0])).\(quoted(columnName(parts)))"
    case .star: return "*"
    case .unary(let name, let operand): return "\(name) \(self.operand(operand, .atom))"
    case .binary(let name, let left, let right): return binary(name, left, right, strength(syntax))
    case .and(let list): return list.map { operand($0, .and) }.joined(separator: " AND ")
    case .or(let list): return list.map { operand($0, .or) }.joined(separator: " OR ")
    case .not(let operand): return "NOT \(self.operand(operand, .test))"
    case .isNull, .isTruth, .isDistinct, .between, .inList, .like, .quantifiedArray: return test(syntax)
    case .function(let call): return function(call)
    case .keywordFunction(let keyword): return keyword.rawValue.uppercased()
    case .cast(let operand, let type): return cast(operand, type)
    case .case(let operand, let branches, let otherwise):
      var text = "CASE"
      if let operand { text += " \(expression(operand))" }
      for branch in branches { text += " WHEN \(expression(branch.condition)) THEN \(expression(branch.result))" }
      if let otherwise { text += " ELSE \(expression(otherwise))" }
      return text + " END"
    case .coalesce(let values): return "COALESCE(\(list(values)))"
    case .greatest(let values): return "GREATEST(\(list(values)))"
    case .least(let values): return "LEAST(\(list(values)))"
    case .nullIf(let left, let right): return "NULLIF(\(list([left, right])))"
    case .row(let values): return "ROW(\(list(values)))"
    case .array(let values): return "ARRAY[\(list(values))]"
    case .arraySubquery(let query): return "ARRAY\(subquery(query))"
    case .element(let array, let index): return "\(operand(array, .atom))[\(expression(index))]"
    case .scalarSubquery(let query): return subquery(query)
    case .exists(let query): return "EXISTS \(subquery(query))"
    case .quantifiedSubquery(let operand, let name, let quantifier, let query):
      let left = self.operand(operand, .other)
      if name == "=", quantifier == .any { return "\(left) IN \(subquery(query))" }
      return "\(left) \(name) \(quantifier == .any ? "ANY" : "ALL") \(subquery(query))"
    case .defaultValue: return "DEFAULT"
    }
  }

  private mutating func binary(
    _ name: String, _ left: ExpressionSyntax, _ right: ExpressionSyntax, _ strength: Strength
  ) -> String {
    // Of operators alike the left one comes first.
    let tighter = Strength(rawValue: strength.rawValue + 1) ?? .atom
    let isChained = strength == .sum || strength == .product
    return "\(operand(left, isChained ? strength : tighter)) \(name) \(operand(right, tighter))"
  }

  private mutating func test(_ syntax: ExpressionSyntax) -> String {
    func not(_ negated: Bool) -> String { negated ? "NOT " : "" }
    switch syntax.kind {
    case .isNull(let value, let negated): return "\(operand(value, .other)) IS \(not(negated))NULL"
    case .isTruth(let value, let truth, let negated):
      return "\(operand(value, .other)) IS \(not(negated))\("\(truth)".uppercased())"
    case .isDistinct(let left, let right, let negated):
      return "\(operand(left, .other)) IS \(not(negated))DISTINCT FROM \(operand(right, .other))"
    case .between(let value, let low, let high, let negated, let symmetric):
      return "\(operand(value, .other)) \(not(negated))BETWEEN \(symmetric ? "SYMMETRIC " : "")"
        + "\(operand(low, .other)) AND \(operand(high, .other))"
    case .inList(let value, let values, let negated):
      return "\(operand(value, .other)) \(not(negated))IN (\(list(values)))"
    case .like(let value, let pattern, let escape, let ignoringCase, let negated):
      return "\(operand(value, .other)) \(not(negated))\(ignoringCase ? "ILIKE" : "LIKE") \(operand(pattern, .other))"
        + (escape.map { " ESCAPE \(operand($0, .other))" } ?? "")
    case .quantifiedArray(let value, let name, let quantifier, let array):
      return "\(operand(value, .other)) \(name) \(quantifier == .any ? "ANY" : "ALL") (\(expression(array)))"
    default: return "?"
    }
  }

  private static let sequenceFunctions: Set<String> = ["nextval", "currval", "setval"]

  private mutating func function(_ call: FunctionCallSyntax) -> String {
    let name = call.name.last ?? ""
    var arguments = call.isStar ? ["*"] : call.arguments.map { expression($0) }
    if Self.sequenceFunctions.contains(name), case .string(let text)? = call.arguments.first?.kind {
      arguments[0] = "\(relationLiteral(text))::regclass"
    }
    var text = "\(quoted(name))(\(call.isDistinct ? "DISTINCT " : "")\(arguments.joined(separator: ", "))"
    if !call.order.isEmpty { text += " ORDER BY \(keys(call.order))" }
    text += ")"
    if let filter = call.filter { text += " FILTER (WHERE \(expression(filter)))" }
    return text
  }

  private mutating func cast(_ value: ExpressionSyntax, _ type: TypeNameSyntax) -> String {
    let last = type.names.last ?? ""
    let name =
      SystemType.named(last) != nil ? last : (try? SQLType.named(last, modifiers: type.modifiers))?.description ?? last
    let shown = name + (type.isArray ? "[]" : "")
    if last == "regclass", case .string(let text) = value.kind { return "\(relationLiteral(text))::\(shown)" }
    if case .integer(let number) = value.kind, number < 0 { return "'\(number)'::\(shown)" }
    return "\(operand(value, .atom))::\(shown)"
  }

  /// A string that names a relation, which is stored by its place.
  private func relationLiteral(_ text: String) -> String {
    guard let place = StoredQuery.columnPosition(text), let relation = relation(place) else { return literal(text) }
    return literal(names.shown(relation.name, of: relation))
  }

  private func literal(_ text: String) -> String {
    var result = text.contains("\\") ? "E'" : "'"
    for character in text.unicodeScalars {
      if character == "'" || character == "\\" { result.unicodeScalars.append(character) }
      result.unicodeScalars.append(character)
    }
    return result + "'"
  }
}

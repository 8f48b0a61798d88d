import Basics

// Every part of a query is a node: a kind, texts, numbers and nodes below it. One record for all of them keeps what is stored
// simple, and a reader from a neighbouring release refuses what it does not know by its kind.

/// Bytes of a node: field 1 its kind, 2 its texts, 3 its numbers (signed), 4 the nodes below.
struct SyntaxNode {
  var kind: UInt64
  var texts: [String] = []
  var numbers: [Int64] = []
  var children: [SyntaxNode] = []

  init(_ kind: UInt64, _ texts: [String] = [], _ numbers: [Int64] = [], _ children: [SyntaxNode] = []) {
    self.kind = kind
    self.texts = texts
    self.numbers = numbers
    self.children = children
  }

  /// Levels of nodes that are read: more than the parser makes of what it accepts.
  static let maximumDepth = 640

  var depth: Int { 1 + (children.map(\.depth).max() ?? 0) }

  func encode(into writer: inout ByteWriter) {
    writer.field(1, kind)
    for text in texts { writer.field(2, text) }
    for number in numbers { writer.field(3, signed: number) }
    for child in children { writer.field(4) { child.encode(into: &$0) } }
  }

  init(decoding bytes: ArraySlice<UInt8>, depth: Int = 0) throws(MalformedBytes) {
    guard depth < Self.maximumDepth else { throw MalformedBytes("a query that is nested too deeply") }
    self.init(0)
    var reader = ByteReader(bytes)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: kind = try field.integer()
      case 2: texts.append(try field.string())
      case 3: numbers.append(try field.signed())
      case 4: children.append(try SyntaxNode(decoding: try field.slice(), depth: depth + 1))
      default: break
      }
    }
  }

  func text(_ index: Int) throws(MalformedBytes) -> String {
    guard texts.indices.contains(index) else { throw MalformedBytes("part \(kind) of a query lacks a text") }
    return texts[index]
  }

  func number(_ index: Int) throws(MalformedBytes) -> Int64 {
    guard numbers.indices.contains(index) else { throw MalformedBytes("part \(kind) of a query lacks a number") }
    return numbers[index]
  }

  func flag(_ index: Int) throws(MalformedBytes) -> Bool { try number(index) != 0 }

  func child(_ index: Int) throws(MalformedBytes) -> SyntaxNode {
    guard children.indices.contains(index) else { throw MalformedBytes("part \(kind) of a query lacks a part") }
    return children[index]
  }

  func require(_ kind: UInt64) throws(MalformedBytes) {
    guard self.kind == kind else { throw MalformedBytes("part \(self.kind) of a query instead of \(kind)") }
  }
}

extension Bool {
  fileprivate var number: Int64 { self ? 1 : 0 }
}

extension Array {
  /// As `map`, for what throws.
  fileprivate func converted<Result>(
    _ body: (Element) throws(MalformedBytes) -> Result
  ) throws(MalformedBytes) -> [Result] {
    var result: [Result] = []
    result.reserveCapacity(count)
    for element in self { result.append(try body(element)) }
    return result
  }
}

// MARK: - Queries: kinds 1…29

extension SelectStatement {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 512)
    node.encode(into: &writer)
    return writer.bytes
  }

  /// With how many levels of parts it has, for whoever bounds recursion.
  public static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> (query: SelectStatement, depth: Int) {
    let node = try SyntaxNode(decoding: bytes[...])
    return (try SelectStatement(node), node.depth)
  }

  /// Children: body, WITH, ORDER BY, LIMIT, OFFSET.
  var node: SyntaxNode {
    SyntaxNode(
      1, [], [],
      [
        body.node, SyntaxNode(2, [], [], commonTableExpressions.map(\.node)),
        SyntaxNode(3, [], [], orderBy.map(\.node)),
        ExpressionSyntax.optional(limit), ExpressionSyntax.optional(offset),
      ])
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    try node.require(1)
    self.init(
      body: try SelectBody(try node.child(0)),
      commonTableExpressions: try node.child(1).children.converted { part throws(MalformedBytes) in
        try CommonTableExpression(part)
      }, orderBy: try node.child(2).children.converted { part throws(MalformedBytes) in try SortKeySyntax(part) },
      limit: try ExpressionSyntax.decodeOptional(try node.child(3)),
      offset: try ExpressionSyntax.decodeOptional(try node.child(4)))
  }
}

extension SelectBody {
  var node: SyntaxNode {
    switch self {
    case .select(let core):
      SyntaxNode(
        4, [], [core.isDistinct.number],
        [
          SyntaxNode(
            5, [], [],
            core.targets.map { SyntaxNode(6, $0.alias.map { [$0] } ?? [], [], [$0.expression.node]) }),
          SyntaxNode(7, [], [], core.from.map(\.node)), ExpressionSyntax.optional(core.filter),
          SyntaxNode(8, [], [], core.groupBy.map(\.node)), ExpressionSyntax.optional(core.having),
        ])
    case .values(let rows):
      SyntaxNode(9, [], [], rows.map { SyntaxNode(10, [], [], $0.map(\.node)) })
    case .union(let left, let right, let all): SyntaxNode(11, [], [all.number], [left.node, right.node])
    }
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    switch node.kind {
    case 4:
      self = .select(
        SelectCore(
          isDistinct: try node.flag(0),
          targets: try node.child(0).children.converted { part throws(MalformedBytes) in
            SelectTarget(try ExpressionSyntax(try part.child(0)), alias: part.texts.first)
          },
          from: try node.child(1).children.converted { part throws(MalformedBytes) in try TableReference(part) },
          filter: try ExpressionSyntax.decodeOptional(try node.child(2)),
          groupBy: try ExpressionSyntax.list(try node.child(3)),
          having: try ExpressionSyntax.decodeOptional(try node.child(4))))
    case 9:
      self = .values(try node.children.converted { row throws(MalformedBytes) in try ExpressionSyntax.list(row) })
    case 11:
      self = .union(
        try SelectStatement(try node.child(0)), try SelectStatement(try node.child(1)), all: try node.flag(0))
    default: throw MalformedBytes("unknown kind of query \(node.kind)")
    }
  }
}

extension CommonTableExpression {
  var node: SyntaxNode { SyntaxNode(12, [name] + columnNames, [], [query.node]) }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    try node.require(12)
    self.init(
      name: try node.text(0), columnNames: Array(node.texts.dropFirst()),
      query: try SelectStatement(try node.child(0)))
  }
}

extension SortKeySyntax {
  var node: SyntaxNode {
    SyntaxNode(13, [], [isDescending.number, nullsFirst.map { $0 ? 2 : 1 } ?? 0], [expression.node])
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    try node.require(13)
    let nulls = try node.number(1)
    self.init(
      try ExpressionSyntax(try node.child(0)), isDescending: try node.flag(0),
      nullsFirst: nulls == 0 ? nil : nulls == 2)
  }
}

extension TableAlias {
  var node: SyntaxNode { SyntaxNode(14, [name] + columnNames) }

  static func decode(_ node: SyntaxNode) throws(MalformedBytes) -> TableAlias? {
    if node.kind == 0 { return nil }
    try node.require(14)
    return TableAlias(name: try node.text(0), columnNames: Array(node.texts.dropFirst()))
  }
}

extension TableReference {
  private static func optional(_ alias: TableAlias?) -> SyntaxNode { alias?.node ?? SyntaxNode(0) }

  var node: SyntaxNode {
    switch self {
    case .table(let name, let alias):
      SyntaxNode(15, [name.name] + (name.schema.map { [$0] } ?? []), [], [Self.optional(alias)])
    case .subquery(let query, let alias, let isLateral):
      SyntaxNode(16, [], [isLateral.number], [query.node, Self.optional(alias)])
    case .function(let call, let alias, _): SyntaxNode(17, [], [], [call.node, Self.optional(alias)])
    case .join(let join): join.node
    case .dependency(let position, let alias, let hasOwnName):
      SyntaxNode(18, [], [Int64(position), hasOwnName.number], [alias.node])
    }
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    switch node.kind {
    case 15:
      self = .table(
        RelationNameSyntax(schema: node.texts.dropFirst().first, name: try node.text(0)),
        alias: try TableAlias.decode(try node.child(0)))
    case 16:
      self = .subquery(
        try SelectStatement(try node.child(0)), alias: try TableAlias.decode(try node.child(1)),
        isLateral: try node.flag(0))
    case 17:
      self = .function(
        try FunctionCallSyntax(try node.child(0)), alias: try TableAlias.decode(try node.child(1)), position: nil)
    case 18:
      guard let position = Int(exactly: try node.number(0)), position >= 0,
        let alias = try TableAlias.decode(try node.child(0))
      else { throw MalformedBytes("a dependency without a place or a name") }
      self = .dependency(position, alias: alias, hasOwnName: try node.flag(1))
    case 19: self = .join(try JoinSyntax(node))
    default: throw MalformedBytes("unknown kind of table \(node.kind)")
    }
  }
}

extension JoinSyntax {
  private static let kinds: [Kind] = [.inner, .left, .right, .full]

  /// Numbers: the kind, that of the condition. Texts: of `USING`.
  var node: SyntaxNode {
    let kind = Int64(Self.kinds.firstIndex(of: kind) ?? 0)
    switch condition {
    case .cross: return SyntaxNode(19, [], [kind, 0], [left.node, right.node])
    case .on(let condition): return SyntaxNode(19, [], [kind, 1], [left.node, right.node, condition.node])
    case .using(let names): return SyntaxNode(19, names, [kind, 2], [left.node, right.node])
    case .natural: return SyntaxNode(19, [], [kind, 3], [left.node, right.node])
    }
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    guard let position = Int(exactly: try node.number(0)), Self.kinds.indices.contains(position) else {
      throw MalformedBytes("unknown kind of join")
    }
    let condition: Condition
    switch try node.number(1) {
    case 0: condition = .cross
    case 1: condition = .on(try ExpressionSyntax(try node.child(2)))
    case 2: condition = .using(node.texts)
    case 3: condition = .natural
    default: throw MalformedBytes("unknown kind of join condition")
    }
    self.init(
      kind: Self.kinds[position], left: try TableReference(try node.child(0)),
      right: try TableReference(try node.child(1)), condition: condition)
  }
}

// MARK: - Expressions: kinds 30…

extension ExpressionSyntax {
  static func optional(_ expression: ExpressionSyntax?) -> SyntaxNode { expression?.node ?? SyntaxNode(0) }

  static func decodeOptional(_ node: SyntaxNode) throws(MalformedBytes) -> ExpressionSyntax? {
    node.kind == 0 ? nil : try ExpressionSyntax(node)
  }

  static func list(_ node: SyntaxNode) throws(MalformedBytes) -> [ExpressionSyntax] {
    try node.children.converted { part throws(MalformedBytes) in try ExpressionSyntax(part) }
  }

  var node: SyntaxNode {
    switch kind {
    case .null: SyntaxNode(30)
    case .boolean(let value): SyntaxNode(31, [], [value.number])
    case .integer(let value): SyntaxNode(32, [], [Int64(value)])
    case .number(let digits): SyntaxNode(33, [digits])
    case .string(let text): SyntaxNode(34, [text])
    case .parameter(let number): SyntaxNode(35, [], [Int64(number)])
    case .column(let names): SyntaxNode(36, names)
    case .star(let qualifier): SyntaxNode(37, qualifier)
    case .unary(let name, let operand): SyntaxNode(38, [name], [], [operand.node])
    case .binary(let name, let left, let right): SyntaxNode(39, [name], [], [left.node, right.node])
    case .and(let list): SyntaxNode(40, [], [], list.map(\.node))
    case .or(let list): SyntaxNode(41, [], [], list.map(\.node))
    case .not(let operand): SyntaxNode(42, [], [], [operand.node])
    case .isNull(let operand, let negated): SyntaxNode(43, [], [negated.number], [operand.node])
    case .isTruth(let operand, let value, let negated):
      SyntaxNode(44, [], [Int64(TruthValue.all.firstIndex(of: value) ?? 0), negated.number], [operand.node])
    case .isDistinct(let left, let right, let negated): SyntaxNode(45, [], [negated.number], [left.node, right.node])
    case .between(let operand, let low, let high, let negated, let symmetric):
      SyntaxNode(46, [], [negated.number, symmetric.number], [operand.node, low.node, high.node])
    case .inList(let operand, let list, let negated):
      SyntaxNode(47, [], [negated.number], [operand.node] + list.map(\.node))
    case .like(let operand, let pattern, let escape, let ignoringCase, let negated):
      SyntaxNode(48, [], [ignoringCase.number, negated.number], [operand.node, pattern.node, Self.optional(escape)])
    case .quantifiedArray(let operand, let name, let quantifier, let array):
      SyntaxNode(49, [name], [(quantifier == .all).number], [operand.node, array.node])
    case .function(let call): call.node
    case .keywordFunction(let keyword): SyntaxNode(51, [keyword.rawValue])
    case .cast(let operand, let type): SyntaxNode(52, [], [], [operand.node, type.node])
    case .case(let operand, let branches, let otherwise):
      SyntaxNode(
        53, [], [],
        [Self.optional(operand), Self.optional(otherwise)] + branches.flatMap { [$0.condition.node, $0.result.node] })
    case .coalesce(let list): SyntaxNode(54, [], [], list.map(\.node))
    case .greatest(let list): SyntaxNode(55, [], [], list.map(\.node))
    case .least(let list): SyntaxNode(56, [], [], list.map(\.node))
    case .nullIf(let left, let right): SyntaxNode(57, [], [], [left.node, right.node])
    case .row(let list): SyntaxNode(58, [], [], list.map(\.node))
    case .array(let list): SyntaxNode(59, [], [], list.map(\.node))
    case .arraySubquery(let query): SyntaxNode(60, [], [], [query.node])
    case .element(let array, let index): SyntaxNode(61, [], [], [array.node, index.node])
    case .scalarSubquery(let query): SyntaxNode(62, [], [], [query.node])
    case .exists(let query): SyntaxNode(63, [], [], [query.node])
    case .quantifiedSubquery(let operand, let name, let quantifier, let query):
      SyntaxNode(64, [name], [(quantifier == .all).number], [operand.node, query.node])
    case .defaultValue: SyntaxNode(65)
    }
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    func part(_ index: Int) throws(MalformedBytes) -> ExpressionSyntax { try ExpressionSyntax(try node.child(index)) }
    func query(_ index: Int) throws(MalformedBytes) -> SelectStatement { try SelectStatement(try node.child(index)) }
    switch node.kind {
    case 30...37: self.init(try Self.leaf(node))
    case 38: self.init(.unary(operator: try node.text(0), try part(0)))
    case 39: self.init(.binary(operator: try node.text(0), try part(0), try part(1)))
    case 40: self.init(.and(try Self.list(node)))
    case 41: self.init(.or(try Self.list(node)))
    case 42: self.init(.not(try part(0)))
    case 43...49: self.init(try Self.test(node))
    case 50: self.init(.function(try FunctionCallSyntax(node)))
    case 52: self.init(.cast(try part(0), try TypeNameSyntax(try node.child(1))))
    case 53:
      var branches: [CaseBranch] = []
      for index in stride(from: 2, to: node.children.count, by: 2) {
        branches.append(CaseBranch(condition: try part(index), result: try part(index + 1)))
      }
      self.init(
        .case(
          operand: try Self.decodeOptional(try node.child(0)), branches: branches,
          otherwise: try Self.decodeOptional(try node.child(1))))
    case 54: self.init(.coalesce(try Self.list(node)))
    case 55: self.init(.greatest(try Self.list(node)))
    case 56: self.init(.least(try Self.list(node)))
    case 57: self.init(.nullIf(try part(0), try part(1)))
    case 58: self.init(.row(try Self.list(node)))
    case 59: self.init(.array(try Self.list(node)))
    case 60: self.init(.arraySubquery(try query(0)))
    case 61: self.init(.element(try part(0), index: try part(1)))
    case 62: self.init(.scalarSubquery(try query(0)))
    case 63: self.init(.exists(try query(0)))
    case 64:
      self.init(
        .quantifiedSubquery(
          try part(0), operator: try node.text(0), try node.flag(0) ? .all : .any, try query(1)))
    case 51, 65: self.init(try Self.leaf(node))
    default: throw MalformedBytes("unknown kind of expression \(node.kind)")
    }
  }

  private static func leaf(_ node: SyntaxNode) throws(MalformedBytes) -> ExpressionKind {
    switch node.kind {
    case 30: return .null
    case 31: return .boolean(try node.flag(0))
    case 32:
      guard let value = Int32(exactly: try node.number(0)) else { throw MalformedBytes("an integer out of range") }
      return .integer(value)
    case 33: return .number(try node.text(0))
    case 34: return .string(try node.text(0))
    case 35:
      guard let number = Int(exactly: try node.number(0)) else { throw MalformedBytes("a parameter out of range") }
      return .parameter(number)
    case 36: return .column(node.texts)
    case 37: return .star(qualifier: node.texts)
    case 51:
      guard let keyword = KeywordFunction(rawValue: try node.text(0)) else {
        throw MalformedBytes("unknown function \(try node.text(0))")
      }
      return .keywordFunction(keyword)
    default: return .defaultValue
    }
  }

  private static func test(_ node: SyntaxNode) throws(MalformedBytes) -> ExpressionKind {
    let operand = try ExpressionSyntax(try node.child(0))
    func part(_ index: Int) throws(MalformedBytes) -> ExpressionSyntax { try ExpressionSyntax(try node.child(index)) }
    switch node.kind {
    case 43: return .isNull(operand, negated: try node.flag(0))
    case 44:
      guard let position = Int(exactly: try node.number(0)), TruthValue.all.indices.contains(position) else {
        throw MalformedBytes("unknown truth value")
      }
      return .isTruth(operand, TruthValue.all[position], negated: try node.flag(1))
    case 45: return .isDistinct(operand, try part(1), negated: try node.flag(0))
    case 46:
      return .between(
        operand, low: try part(1), high: try part(2), negated: try node.flag(0), symmetric: try node.flag(1))
    case 47:
      let list = try Array(node.children.dropFirst()).converted { item throws(MalformedBytes) in
        try ExpressionSyntax(item)
      }
      return .inList(operand, list, negated: try node.flag(0))
    case 48:
      return .like(
        operand, pattern: try part(1), escape: try decodeOptional(try node.child(2)), ignoringCase: try node.flag(0),
        negated: try node.flag(1))
    default:
      return .quantifiedArray(
        operand, operator: try node.text(0), try node.flag(0) ? .all : .any, array: try part(1))
    }
  }
}

extension TruthValue {
  fileprivate static let all: [TruthValue] = [.true, .false, .unknown]
}

extension FunctionCallSyntax {
  /// Children: the filter, ORDER BY, the arguments.
  var node: SyntaxNode {
    SyntaxNode(
      50, name, [isStar.number, isDistinct.number, hasOrdinality.number],
      [ExpressionSyntax.optional(filter), SyntaxNode(3, [], [], order.map(\.node))] + arguments.map(\.node))
  }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    try node.require(50)
    self.init(
      name: node.texts,
      arguments: try Array(node.children.dropFirst(2)).converted { part throws(MalformedBytes) in
        try ExpressionSyntax(part)
      }, isStar: try node.flag(0), isDistinct: try node.flag(1),
      filter: try ExpressionSyntax.decodeOptional(try node.child(0)),
      order: try node.child(1).children.converted { part throws(MalformedBytes) in try SortKeySyntax(part) })
    hasOrdinality = try node.flag(2)
  }
}

extension TypeNameSyntax {
  var node: SyntaxNode { SyntaxNode(66, names, [isArray.number] + modifiers.map(Int64.init)) }

  init(_ node: SyntaxNode) throws(MalformedBytes) {
    try node.require(66)
    self.init(
      names: node.texts,
      modifiers: try Array(node.numbers.dropFirst()).converted { number throws(MalformedBytes) in
        guard let modifier = Int(exactly: number) else { throw MalformedBytes("a modifier out of range") }
        return modifier
      }, isArray: try node.flag(0))
  }
}

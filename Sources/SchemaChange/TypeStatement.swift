import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Statements about enumerated types.
public enum TypeStatement: Hashable, Sendable {
  public enum Neighbour: Hashable, Sendable {
    case before(String)
    case after(String)
  }

  case create(ObjectName, labels: [String])
  case addValue(ObjectName, String, ifNotExists: Bool, at: Neighbour?)
  case renameValue(ObjectName, String, to: String)
  case rename(ObjectName, to: String)
  case setSchema(ObjectName, String)
  case drop([ObjectName], ifExists: Bool, isCascade: Bool)

  /// The types concerned.
  var names: [ObjectName] {
    switch self {
    case .create(let name, _), .addValue(let name, _, _, _), .renameValue(let name, _, _), .rename(let name, _),
      .setSchema(let name, _):
      [name]
    case .drop(let names, _, _): names
    }
  }

  /// Of what it names, and the schema that a type moves to.
  var schemaNames: [String] {
    if case .setSchema(_, let schema) = self { return names.map(\.schema) + [schema] }
    return names.map(\.schema)
  }
}

// MARK: - Stored form

extension TypeStatement {
  func encode(into writer: inout ByteWriter) {
    func record(_ number: Int, _ names: [ObjectName], _ texts: [String], _ flags: [Bool] = [], place: Int = 0) {
      writer.field(number) {
        for name in names { $0.field(1) { name.encode(into: &$0) } }
        for text in texts { $0.field(2, text) }
        for (position, flag) in flags.enumerated() { $0.field(3 + position, flag) }
        if place > 0 { $0.field(5, UInt64(place)) }
      }
    }
    switch self {
    case .create(let name, let labels): record(1, [name], labels)
    case .addValue(let name, let label, let ifNotExists, let neighbour):
      switch neighbour {
      case nil: record(2, [name], [label], [ifNotExists])
      case .before(let other): record(2, [name], [label, other], [ifNotExists], place: 1)
      case .after(let other): record(2, [name], [label, other], [ifNotExists], place: 2)
      }
    case .renameValue(let name, let old, let new): record(3, [name], [old, new])
    case .rename(let name, let newName): record(4, [name], [newName])
    case .setSchema(let name, let schema): record(5, [name], [schema])
    case .drop(let names, let ifExists, let isCascade): record(6, names, [], [ifExists, isCascade])
    }
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let field = try reader.nextField() else { throw reader.failure("empty statement about a type") }
    var nested = try field.reader()
    var names: [ObjectName] = []
    var texts: [String] = []
    var flags = [false, false]
    var place: UInt64 = 0
    while let part = try nested.nextField() {
      switch part.number {
      case 1: names.append(try ObjectName(decoding: try part.slice()))
      case 2: texts.append(try part.string())
      case 3: flags[0] = try part.boolean()
      case 4: flags[1] = try part.boolean()
      case 5: place = try part.integer()
      default: break
      }
    }
    guard field.number == 6 || names.count == 1 else { throw reader.failure("a statement about no type") }
    guard [1, 6].contains(field.number) || texts.count == (field.number == 3 || place > 0 ? 2 : 1) else {
      throw reader.failure("a statement about a type without its names")
    }
    switch field.number {
    case 1: self = .create(names[0], labels: texts)
    case 2:
      let neighbour: Neighbour? = place == 0 ? nil : place == 1 ? .before(texts[1]) : .after(texts[1])
      self = .addValue(names[0], texts[0], ifNotExists: flags[0], at: neighbour)
    case 3: self = .renameValue(names[0], texts[0], to: texts[1])
    case 4: self = .rename(names[0], to: texts[0])
    case 5: self = .setSchema(names[0], texts[0])
    case 6: self = .drop(names, ifExists: flags[0], isCascade: flags[1])
    default: throw reader.failure("unknown statement \(field.number) about a type")
    }
  }
}

// MARK: - Types that other statements name

extension SchemaStatement {
  /// Those that its columns are to have, and that its expressions know.
  var enumerations: Set<TableID> {
    var found: Set<TableID> = []
    _ = renumberingEnumerations { id in
      found.insert(id)
      return nil
    }
    return found
  }

  /// Those between whose values and others it converts, and those of columns that it adds.
  func convertedEnumerations(in catalog: CatalogState, _ database: DatabaseID) -> Set<TableID> {
    switch self {
    case .alterTable(let name, _, let changes):
      var found = enumerations.filter { catalog.table(id: $0)?.isType == true }
      if changes.contains(where: { if case .setType = $0 { true } else { false } }),
        let table = catalog.table(named: name.name, schema: name.schema, in: database)
      {
        found.formUnion(table.namedTypes)
      }
      return found
    case .transaction(let transaction):
      return transaction.statements.reduce(into: []) { $0.formUnion($1.convertedEnumerations(in: catalog, database)) }
    default: return []
    }
  }

  /// With enumerated types under other ids: those of a draft are not those of the catalog. `id` is nil for one that stays as it is.
  func renumberingEnumerations(_ id: (TableID) -> TableID?) -> SchemaStatement {
    func type(_ type: SQLType) -> SQLType {
      guard case .enumerated(let enumeration) = type, let number = id(enumeration.id) else { return type }
      return .enumerated(EnumType(id: number, name: enumeration.name, values: enumeration.values))
    }
    func bytes(_ encoded: [UInt8]?) -> [UInt8]? {
      // What cannot be read stays as it is, and is refused where it is used.
      guard let encoded, let expression = try? Expression(decoding: encoded) else { return encoded }
      return expression.renumberingEnumerations(id).encoded
    }
    func row(_ definition: RowExpressionDefinition) -> RowExpressionDefinition {
      var changed = definition
      for position in changed.columns.indices { changed.columns[position].type = type(changed.columns[position].type) }
      changed.expression = bytes(definition.expression) ?? definition.expression
      return changed
    }
    func column(_ definition: ColumnDefinition) -> ColumnDefinition {
      var changed = definition
      changed.type = type(definition.type)
      changed.defaultExpression = bytes(definition.defaultExpression)
      changed.generation = definition.generation.map(row)
      return changed
    }
    func index(_ definition: CreateIndex) -> CreateIndex {
      var changed = definition
      changed.predicate = definition.predicate.map(row)
      for position in changed.keyColumns.indices {
        guard var expression = changed.keyColumns[position].expression else { continue }
        expression.value = row(expression.value)
        expression.type = type(expression.type)
        changed.keyColumns[position].expression = expression
      }
      return changed
    }
    func check(_ definition: CheckDefinition) -> CheckDefinition {
      var changed = definition
      changed.rule = row(definition.rule)
      return changed
    }
    switch self {
    case .createTable(var create):
      create.columns = create.columns.map(column)
      create.checks = create.checks.map(check)
      create.indexes = create.indexes.map(index)
      return .createTable(create)
    case .alterTable(let name, let ifExists, let changes):
      let changed = changes.map { change -> TableAlteration in
        switch change {
        case .addColumn(let definition, let ifNotExists):
          return .addColumn(column(definition), ifNotExists: ifNotExists)
        case .setDefault(let name, let expression, let text, let sequences):
          return .setDefault(column: name, expression: bytes(expression), text: text, sequences: sequences)
        case .setType(var change):
          change.type = type(change.type)
          change.conversion = row(change.conversion)
          change.oldDefault = bytes(change.oldDefault)
          change.newDefault = bytes(change.newDefault)
          return .setType(change)
        case .addCheck(let definition, let isValidated):
          return .addCheck(check(definition), isValidated: isValidated)
        default: return change
        }
      }
      return .alterTable(name, ifExists: ifExists, changes: changed)
    case .createIndex(let create): return .createIndex(index(create))
    case .transaction(var transaction):
      transaction.statements = transaction.statements.map { $0.renumberingEnumerations(id) }
      return .transaction(transaction)
    default: return self
    }
  }
}

import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// What binding one statement gathers: parameter types, slots, tables. Lives for one attempt.
final class StatementBinder {
  let catalog: CatalogView
  let session: PlannerSession
  var builder: ExpressionBuilder
  private(set) var slotCount: Int
  var preliminaryQueries: [PreliminaryQuery] = []
  private var uses: [TableID: TableUse] = [:]
  private var passedNames: Set<RelationName> = []
  private var passedTypeNames: Set<RelationName> = []
  /// The plan holds what the catalog said about more than `uses`.
  var dependsOnCatalog = false
  var liveInput: LiveInput?
  var subqueryDepth = 0
  /// The view whose query is being bound: what the relations in it are.
  var storedView: ViewDescriptor?
  /// Of the query of a view that is to be stored.
  var recorder: ViewRecorder? {
    didSet { if recorder != nil { isStoring = true } }
  }
  /// The statement stores its query.
  private(set) var isStoring = false
  var viewCount = 0
  var viewBytes = 0
  var viewDepth = 0
  /// Types that the next select list's untyped literals and parameters take (`INSERT … SELECT`).
  var targetTypes: [SQLType] = []

  init(catalog: CatalogView, session: PlannerSession, parameterTypes: [SQLType]) {
    self.catalog = catalog
    self.session = session
    // Those of before know the labels of before.
    let types = parameterTypes.map { type -> SQLType in
      guard case .enumerated(let enumeration) = type, let known = catalog.enumType(enumeration.id) else { return type }
      return .enumerated(known)
    }
    builder = ExpressionBuilder(parameterTypes: types)
    slotCount = types.count
    for case .enumerated(let enumeration) in types { if let type = catalog.table(id: enumeration.id) { note(type) } }
  }

  func allocateSlot() -> Int {
    slotCount += 1
    return slotCount - 1
  }

  var tableUses: [TableUse] { uses.values.sorted { $0.tableID < $1.tableID } }

  // MARK: Tables

  func table(_ name: RelationNameSyntax, isWritten: Bool) throws(SQLError) -> TableDescriptor {
    guard let table = findTable(name) else {
      if isWritten, findView(name) != nil {
        throw .unsupported("writing through view \"\(name.name)\"", position: name.position)
      }
      if isWritten, findSequence(name) != nil {
        throw SQLError(.wrongObjectType, "cannot change sequence \"\(name.name)\"", position: name.position)
      }
      throw undefinedRelation(name)
    }
    var use = uses[table.id] ?? TableUse(tableID: table.id, version: table.version, isWritten: false)
    use.isWritten = use.isWritten || isWritten
    uses[table.id] = use
    noteTypes(of: table)
    return table
  }

  private func findTable(_ name: RelationNameSyntax) -> TableDescriptor? {
    guard let relation = findRelation(name), !relation.isSequence, !relation.isView, relation.state == .public else {
      return nil
    }
    return relation
  }

  /// A table, sequence or view. The first schema that has anything of the name decides.
  func findRelation(_ name: RelationNameSyntax) -> TableDescriptor? {
    for schema in name.schema.map({ [$0] }) ?? session.searchPath {
      if let found = catalog.relation(named: name.name, schema: schema, in: session.databaseID) {
        guard case .table(let id) = found else { return nil }
        return catalog.table(id: id)
      }
      pass(name.name, in: schema)
    }
    return nil
  }

  /// The name leads to nothing there; if it does one day, it means something else.
  private func pass(_ name: String, in schema: String) {
    guard let namespace = catalog.namespace(named: schema, in: session.databaseID) else { return }
    passedNames.insert(RelationName(namespaceID: namespace.id, name: name))
  }

  var absentNames: [RelationName] { passedNames.filter { catalog.relation($0) == nil }.sorted() }

  func findSequence(_ name: RelationNameSyntax) -> TableDescriptor? {
    findRelation(name).flatMap { $0.isSequence ? $0 : nil }
  }

  var absentTypeNames: [RelationName] { passedTypeNames.filter { catalog.type($0) == nil }.sorted() }

  /// What the plan knows of their labels holds for these versions of its columns' types.
  private func noteTypes(of table: TableDescriptor) {
    for id in table.namedTypes { if let type = catalog.table(id: id) { note(type) } }
  }

  /// The plan holds for this version of the table.
  func note(_ table: TableDescriptor) {
    if uses[table.id] == nil, !table.isType { noteTypes(of: table) }
    if uses[table.id] == nil { uses[table.id] = TableUse(tableID: table.id, version: table.version, isWritten: false) }
  }

  /// As `note`, and a commit is refused if the table has then gone beyond this version.
  func noteWritten(_ table: TableDescriptor) {
    note(table)
    uses[table.id]?.isWritten = true
  }

  func undefinedRelation(_ name: RelationNameSyntax) -> SQLError {
    let schemas = name.schema.map { [$0] } ?? session.searchPath
    for schema in schemas where catalog.index(named: name.name, schema: schema, in: session.databaseID) != nil {
      return SQLError(
        SQLState("42809"), "\"\(name.name)\" is an index", position: name.position)
    }
    if findSequence(name) != nil || findView(name) != nil {
      return SQLError(.wrongObjectType, "\"\(name.name)\" is not a table", position: name.position)
    }
    return SQLError(.undefinedTable, "relation \"\(name)\" does not exist", position: name.position)
  }

  // MARK: Types

  /// A type that an expression may be cast to: also one of those that no column can have.
  func expressionType(_ name: TypeNameSyntax) throws(SQLError) -> SQLType {
    if name.isArray {
      var element = name
      element.isArray = false
      let type = try expressionType(element)
      guard let array = SystemType.array(of: type.withoutModifier) else {
        throw .unsupported("arrays of type \(type.baseName)", position: name.position)
      }
      return .system(array)
    }
    if name.names.count == 1 || name.names.first == "pg_catalog", let last = name.names.last {
      if let type = SystemType.named(last) { return .system(type) }
      if last == "char", name.modifiers.isEmpty { return .text }
    }
    return try type(name)
  }

  func type(_ name: TypeNameSyntax) throws(SQLError) -> SQLType {
    if name.isArray { throw .unsupported("the array type", position: name.position) }
    guard let last = name.names.last else { throw .unsupported("a type without a name", position: name.position) }
    if let found = enumeratedType(name) { return found }
    if name.names.count > 1, name.names[0] != "pg_catalog" {
      throw SQLError(
        .undefinedObject, "type \"\(name.names.joined(separator: "."))\" does not exist", position: name.position)
    }
    switch last {
    case "serial", "serial4", "bigserial", "serial8", "smallserial", "serial2":
      throw .unsupported("type \(last)", position: name.position)
    case "interval" where !name.modifiers.isEmpty:
      // A list of fields (`interval day to second`); any fields are kept.
      return .interval
    default:
      return try located(name.position) { () throws(SQLError) in try SQLType.named(last, modifiers: name.modifiers) }
    }
  }

  /// nil: the name is not that of an enumerated type. PostgreSQL's own types come first where the name has no schema.
  private func enumeratedType(_ name: TypeNameSyntax) -> SQLType? {
    guard (1...2).contains(name.names.count), let last = name.names.last, name.names[0] != "pg_catalog" else {
      return nil
    }
    let isQualified = name.names.count == 2
    if !isQualified, (try? SQLType.named(last)) != nil || SystemType.named(last) != nil { return nil }
    for schema in isQualified ? [name.names[0]] : session.searchPath {
      if let found = catalog.type(named: last, schema: schema, in: session.databaseID) {
        note(found)
        return catalog.enumType(found.id).map { .enumerated($0) }
      }
      guard let namespace = catalog.namespace(named: schema, in: session.databaseID) else { continue }
      passedTypeNames.insert(RelationName(namespaceID: namespace.id, name: last))
    }
    return nil
  }

  /// Runs `body`; an error that does not say where gets `position`.
  func located<Result>(_ position: Int?, _ body: () throws(SQLError) -> Result) throws(SQLError) -> Result {
    do throws(SQLError) {
      return try body()
    } catch {
      var located = error
      if located.position == nil { located.position = position }
      throw located
    }
  }
}

import Basics
import Catalog
import SQLSyntax
import SchemaChange

extension SchemaStatementPlanner {
  func plan(_ statement: ViewStatementSyntax) throws(SQLError) -> ViewStatement {
    switch statement {
    case .create(let create): return .create(try createView(create))
    case .drop(let syntax, let ifExists, let isCascade):
      var names: [ObjectName] = []
      for name in syntax { names.append(try objectName(name)) }
      return .drop(names: names, ifExists: ifExists, isCascade: isCascade)
    case .rename(let name, let newName, let ifExists):
      return .rename(try objectName(name), to: newName, ifExists: ifExists)
    case .renameColumn(let name, let column, let newName, let ifExists):
      return .renameColumn(try objectName(name), column, to: newName, ifExists: ifExists)
    }
  }

  /// Binds the query, so that all its errors come now, and brings it into the form in which it is stored.
  private func createView(_ create: CreateViewSyntax) throws(SQLError) -> CreateView {
    let recorder = ViewRecorder()
    binder.recorder = recorder
    defer { binder.recorder = nil }
    let planned = try binder.plan(create.query, frame: nil, commonTables: [:])
    var writer = StoredQueryWriter(recorder)
    let query = try writer.query(create.query)
    try requireSame(query, writer.dependencies, planned)
    guard create.columnNames.count <= planned.columns.count else {
      throw SQLError(.syntaxError, "CREATE VIEW specifies more column names than columns")
    }
    let columns = planned.columns.enumerated().map { position, column in
      CreateView.Column(
        name: position < create.columnNames.count ? create.columnNames[position] : column.name, type: column.type)
    }
    var dependencies: [CreateView.Dependency] = []
    for dependency in writer.dependencies {
      guard let relation = binder.catalog.table(id: dependency.relation) else { continue }
      dependencies.append(
        CreateView.Dependency(
          relation: ObjectName(schema: binder.catalog.schemaName(of: relation), name: relation.name), id: relation.id,
          columns: dependency.columns.map { id in
            let column = relation.column(id)
            return CreateView.Column(name: column?.name ?? "", type: column?.type ?? .unknown)
          }))
    }
    return CreateView(
      name: try newName(create.name), isReplacing: create.isReplacing, columns: columns, query: query.encoded(),
      dependencies: dependencies
    )
  }

  /// What is stored must be understood, and mean the same.
  private func requireSame(
    _ query: SelectStatement, _ dependencies: [ViewDependency], _ planned: PlannedQuery
  ) throws(SQLError) {
    let reader = StatementBinder(catalog: binder.catalog, session: binder.session, parameterTypes: [])
    reader.storedView = ViewDescriptor(query: [], dependencies: dependencies)
    var reason = "its columns are others"
    do {
      let read = try SelectStatement.decode(query.encoded()).query
      let again = try reader.plan(read, frame: nil, commonTables: [:])
      if again.columns.map(\.type) == planned.columns.map(\.type) { return }
    } catch { reason = "\(error)" }
    var refusal = SQLError.unsupported("this query in a view")
    refusal.detail = "It cannot be read as it would be stored: \(reason)"
    throw refusal
  }
}

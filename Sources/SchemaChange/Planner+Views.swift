import Basics
import Catalog
import SQLValues

/// Views. Nobody writes one, and who reads one reads what is below it with the catalog of his own timestamp: so each of these changes
/// is one entry that waits for nobody. What a view reads may not go without it; the check is made when a change is planned, jobs on
/// what a view reads stand in the queue with those on the view, and the catalog refuses an entry that contradicts it.
extension Planner {
  mutating func plan(_ statement: ViewStatement) throws(SQLError) -> Plan {
    switch statement {
    case .create(let create): return try planCreateView(create)
    case .drop(let names, let ifExists, let isCascade):
      return try planDropViews(names, ifExists: ifExists, isCascade: isCascade)
    case .rename(let name, let newName, let ifExists):
      var notices: [String] = []
      guard try resolveView(name, ifExists: ifExists, kind: "relation", notices: &notices) != nil else {
        return Plan(commandTag: "ALTER VIEW", notices: notices)
      }
      return try planRename(name, to: newName, ifExists: ifExists, commandTag: "ALTER VIEW")
    case .renameColumn(let name, let column, let newName, let ifExists):
      var notices: [String] = []
      guard let view = try resolveView(name, ifExists: ifExists, kind: "relation", notices: &notices) else {
        return Plan(commandTag: "ALTER VIEW", notices: notices)
      }
      return try planRenameColumn(of: view, column, to: newName, commandTag: "ALTER VIEW")
    }
  }

  // MARK: CREATE

  private mutating func planCreateView(_ create: CreateView) throws(SQLError) -> Plan {
    let tag = "CREATE VIEW"
    let namespace = try requireNamespace(create.name.schema).id
    try requireName(create.name.name)
    try requireColumns(create)
    var notices: [String] = []
    var replaced: TableDescriptor?
    if try relation(create.name) != nil {
      guard create.isReplacing else {
        throw SQLError(
          .duplicateTable, "relation \"\(create.name.name)\" already exists", tableName: create.name.name)
      }
      guard let view = try resolveView(create.name, isHinted: false, notices: &notices) else {
        return Plan(commandTag: tag)
      }
      replaced = view
    }
    let definition = ViewDescriptor(query: create.query, dependencies: try dependencies(of: create))
    var stages = StageBuilder(context)
    if let replaced {
      try requireNoCycle(definition, replaced)
      let columns = try replacingColumns(create, replaced)
      if definition != replaced.view || columns != replaced.columns {
        stages.edit(
          replaced.id, [.setView(definition, columns: columns)], "view \(replaced.name): another query")
      }
    } else {
      guard context.catalog.tableCount < SchemaLimits.maximumTables else { throw Self.tooManyTables }
      let columns = create.columns.enumerated().map { position, column in
        ColumnDescriptor(id: ColumnID(UInt64(position + 1)), name: column.name, type: column.type)
      }
      stages.create(
        TableDescriptor(
          view: definition, columns: columns, id: context.allocateTable(), databaseID: context.databaseID,
          namespaceID: namespace, name: create.name.name), ranges: [])
    }
    var plan = stages.plan(commandTag: tag, notices: notices)
    // In a transaction: it was made for these as they are.
    if !plan.stages.isEmpty {
      plan.tables = Set(plan.tables + definition.dependencies.map(\.relation)).sorted()
    }
    return plan
  }

  private func requireColumns(_ create: CreateView) throws(SQLError) {
    guard !create.columns.isEmpty else {
      throw SQLError(.invalidTableDefinition, "view must have at least one column")
    }
    guard create.columns.count <= SchemaLimits.maximumColumns else {
      throw SQLError(.tooManyColumns, "tables can have at most \(SchemaLimits.maximumColumns) columns")
    }
    guard create.query.count <= SchemaLimits.maximumViewBytes else {
      throw SQLError(
        .programLimitExceeded,
        "the query of a view can have at most \(SchemaLimits.maximumViewBytes) bytes as it is stored")
    }
    var names: Set<String> = []
    for column in create.columns {
      try requireName(column.name)
      guard names.insert(column.name).inserted else {
        throw SQLError(.duplicateColumn, "column \"\(column.name)\" specified more than once")
      }
      if column.type == .void || column.type == .unknown {
        throw SQLError(
          .invalidTableDefinition, "column \"\(column.name)\" has pseudo-type \(column.type.baseName)")
      }
    }
  }

  /// Found by name, as the query was bound to them; 40001 where that is not so any more.
  private func dependencies(of create: CreateView) throws(SQLError) -> [ViewDependency] {
    var found: [ViewDependency] = []
    for dependency in create.dependencies {
      let name = dependency.relation
      guard
        let relation = context.catalog.anyRelation(named: name.name, schema: name.schema, in: context.databaseID)
      else { throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name) }
      guard relation.id == dependency.id || SchemaDraft.isProvisional(dependency.id) else {
        throw SQLError(
          .serializationFailure, "relation \"\(name)\" was changed by another statement",
          hint: "Try the statement again.", tableName: name.name)
      }
      var columns: [ColumnID] = []
      for wanted in dependency.columns {
        guard let column = relation.publicColumns.first(where: { $0.name == wanted.name }), column.type == wanted.type
        else { throw Self.changedMeanwhile(wanted.name, relation.name) }
        columns.append(column.id)
      }
      found.append(ViewDependency(relation: relation.id, columns: columns))
    }
    return found
  }

  /// A view that reads itself, through whatever views there are.
  private func requireNoCycle(_ definition: ViewDescriptor, _ view: TableDescriptor) throws(SQLError) {
    var seen: Set<TableID> = []
    var open = definition.dependencies.map(\.relation)
    while let id = open.popLast() {
      guard id != view.id else {
        throw SQLError(
          SQLState("42P17"), "infinite recursion detected in rules for relation \"\(view.name)\"",
          tableName: view.name)
      }
      guard seen.insert(id).inserted else { continue }
      open += context.catalog.table(id: id)?.view?.dependencies.map(\.relation) ?? []
    }
  }

  /// Those that there are stay as they are; others come behind them.
  private func replacingColumns(
    _ create: CreateView, _ view: TableDescriptor
  ) throws(SQLError) -> [ColumnDescriptor] {
    func refused(_ message: String, hint: String? = nil) -> SQLError {
      SQLError(.invalidTableDefinition, message, hint: hint, tableName: view.name)
    }
    var columns = view.columns
    guard create.columns.count >= columns.count else { throw refused("cannot drop columns from view") }
    for (old, new) in zip(columns, create.columns) {
      guard old.name == new.name else {
        throw refused(
          "cannot change name of view column \"\(old.name)\" to \"\(new.name)\"",
          hint: "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.")
      }
      guard old.type == new.type else {
        throw refused(
          "cannot change data type of view column \"\(old.name)\" from \(old.type.description) to \(new.type.description)"
        )
      }
    }
    var next = view.nextColumnID
    for column in create.columns.dropFirst(columns.count) {
      columns.append(ColumnDescriptor(id: next, name: column.name, type: column.type))
      next = ColumnID(next.rawValue + 1)
    }
    return columns
  }

  func planRenameColumn(
    of view: TableDescriptor, _ name: String, to newName: String, commandTag: String
  ) throws(SQLError) -> Plan {
    try requireName(newName)
    guard let column = view.columns.first(where: { $0.name == name }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(name)\" does not exist", tableName: view.name, columnName: name)
    }
    guard !view.columns.contains(where: { $0.name == newName }) else {
      throw SQLError(
        .duplicateColumn, "column \"\(newName)\" of relation \"\(view.name)\" already exists", tableName: view.name,
        columnName: newName)
    }
    var stages = StageBuilder(context)
    stages.edit(view.id, [.renameColumn(column.id, newName)], "column \(name): renamed to \(newName)")
    return stages.plan(commandTag: commandTag, notices: [])
  }

  // MARK: DROP

  private func planDropViews(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var views: [TableDescriptor] = []
    for name in names {
      guard let view = try resolveView(name, ifExists: ifExists, notices: &notices) else { continue }
      if !views.contains(where: { $0.id == view.id }) { views.append(view) }
    }
    var stages = StageBuilder(context)
    for view in views { stages.drop(view) }
    try dropViews(reading: views.map { .relation($0) }, isCascade: isCascade, in: &stages, &notices)
    return stages.plan(commandTag: "DROP VIEW", notices: notices)
  }

  /// What views may stand on.
  enum ReadObject {
    case relation(TableDescriptor)
    case column(ColumnDescriptor, of: TableDescriptor)

    var relation: TableDescriptor {
      switch self {
      case .relation(let relation), .column(_, let relation): relation
      }
    }
  }

  func title(_ object: ReadObject) -> String {
    switch object {
    case .relation(let relation): "\(relation.kindName) \(shownName(of: relation))"
    case .column(let column, let relation):
      "column \(column.name) of \(relation.kindName) \(shownName(of: relation))"
    }
  }

  /// The views that read an object themselves; of a type those with a column of it.
  func readers(of object: ReadObject) -> [TableDescriptor] {
    if case .relation(let type) = object, type.isType {
      return context.catalog.tables.filter { $0.isView && $0.state == .public && $0.namedTypes.contains(type.id) }
    }
    return context.catalog.views(reading: object.relation.id).filter { view in
      guard view.state == .public else { return false }
      guard case .column(let column, let relation) = object else { return true }
      return view.view?.dependencies.contains { $0.relation == relation.id && $0.columns.contains(column.id) } ?? false
    }
  }

  /// Drops the views that read what goes, and those that read these, if `isCascade`; else they are 2BP01.
  ///
  /// - Parameter others: relations that go as well, and are not spoken of.
  func dropViews(
    reading objects: [ReadObject], besides others: Set<TableID> = [], isCascade: Bool, in stages: inout StageBuilder,
    _ notices: inout [String]
  ) throws(SQLError) {
    var gone = others
    for case .relation(let relation) in objects { gone.insert(relation.id) }
    var lines: [String] = []
    var dropped: [TableDescriptor] = []
    var open = objects
    while !open.isEmpty {
      let object = open.removeFirst()
      for view in readers(of: object) where gone.insert(view.id).inserted {
        lines.append("\(title(.relation(view))) depends on \(title(object))")
        dropped.append(view)
        open.append(.relation(view))
      }
    }
    guard let first = objects.first, !dropped.isEmpty else { return }
    guard isCascade else {
      throw SQLError(
        .dependentObjectsStillExist,
        objects.count == 1
          ? "cannot drop \(title(first)) because other objects depend on it"
          : "cannot drop desired object(s) because other objects depend on them",
        detail: lines.joined(separator: "\n"), hint: "Use DROP ... CASCADE to drop the dependent objects too.")
    }
    for view in dropped {
      notices.append("drop cascades to \(title(.relation(view)))")
      stages.drop(view)
    }
  }

  /// A view keeps the types that it was made for.
  func requireUnread(_ column: ColumnDescriptor, of table: TableDescriptor) throws(SQLError) {
    guard let view = readers(of: .column(column, of: table)).first else { return }
    throw SQLError(
      .featureNotSupported, "cannot alter type of a column used by a view or rule",
      detail: "rule _RETURN on view \(shownName(of: view)) depends on column \"\(column.name)\"",
      tableName: table.name, columnName: column.name)
  }

  // MARK: Names

  /// As PostgreSQL writes it in details and notices: with its schema, if that is not `public`.
  func shownName(of relation: TableDescriptor) -> String {
    let schema = context.catalog.schemaName(of: relation)
    return schema == "public" ? relation.name : "\(schema).\(relation.name)"
  }

  /// - Parameter isHinted: the statement drops it.
  func resolveView(
    _ name: ObjectName, ifExists: Bool = false, kind: String = "view", isHinted: Bool = true,
    notices: inout [String]
  ) throws(SQLError) -> TableDescriptor? {
    if let found = context.catalog.view(named: name.name, schema: name.schema, in: context.databaseID) {
      return found
    }
    if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) { return nil }
    if let other = try relation(name) {
      throw SQLError(
        .wrongObjectType, "\"\(name.name)\" is not a view", hint: isHinted && kind == "view" ? dropHint(other) : nil)
    }
    guard ifExists else {
      throw SQLError(.undefinedTable, "\(kind) \"\(name)\" does not exist", tableName: name.name)
    }
    notices.append("\(kind) \"\(name)\" does not exist, skipping")
    return nil
  }

  /// How the right kind is dropped.
  func dropHint(_ reference: RelationReference) -> String {
    switch reference {
    case .index: return "Use DROP INDEX to remove an index."
    case .table(let id):
      let kind = context.catalog.table(id: id)?.kindName ?? "table"
      return "Use DROP \(kind.uppercased()) to remove a \(kind)."
    }
  }

  // MARK: Which relations a statement concerns

  /// With all views that read these, by way of others too: a change that takes something away may take them along.
  static func withReaders(_ tables: Set<TableID>, in catalog: CatalogState) -> Set<TableID> {
    var found = tables
    var open = tables.sorted()
    while let id = open.popLast() {
      for view in catalog.views(reading: id) where found.insert(view.id).inserted { open.append(view.id) }
    }
    return found
  }
}

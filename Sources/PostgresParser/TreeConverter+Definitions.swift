import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  mutating func createTable(_ create: PgQuery__CreateStmt) throws(SQLError) -> CreateTableStatement {
    if string(create.relation?.pointee.relpersistence) == "t" { throw .unsupported("CREATE TEMPORARY TABLE") }
    if string(create.relation?.pointee.relpersistence) == "u" { throw .unsupported("CREATE UNLOGGED TABLE") }
    if create.partspec != nil || create.partbound != nil { throw .unsupported("table partitioning") }
    if create.n_inh_relations > 0 { throw .unsupported("table inheritance") }
    if create.of_typename != nil { throw .unsupported("CREATE TABLE … OF type") }
    if optionalString(create.tablespacename) != nil { throw .unsupported("TABLESPACE") }
    if let method = optionalString(create.access_method), method != "heap" {
      throw .unsupported("table access method \"\(method)\"")
    }
    try requireKnownStorage(create.options, create.n_options)
    var columns: [ColumnSyntax] = []
    var constraints: [TableConstraintSyntax] = []
    var likes: [TableLikeSyntax] = []
    for node in nodes(create.table_elts, create.n_table_elts) {
      switch node.pointee.node_case {
      case PG_QUERY__NODE__NODE_COLUMN_DEF: columns.append(try column(node.pointee.column_def.pointee))
      case PG_QUERY__NODE__NODE_CONSTRAINT: constraints.append(try tableConstraint(node.pointee.constraint.pointee))
      case PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE:
        likes.append(try like(node.pointee.table_like_clause.pointee, behind: columns.count))
      default: throw Self.malformed
      }
    }
    return CreateTableStatement(
      table: try relation(create.relation), ifNotExists: create.if_not_exists != 0, columns: columns,
      constraints: constraints, likes: likes)
  }

  /// Hints about the layout of PostgreSQL's heap mean nothing here; anything else would.
  func requireKnownStorage(_ options: UnsafeMutablePointer<NodePointer?>?, _ count: Int) throws(SQLError) {
    for node in nodes(options, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM,
        case let name = string(node.pointee.def_elem.pointee.defname), name == "fillfactor"
      else { throw .unsupported("a storage parameter") }
    }
  }

  mutating func column(_ definition: PgQuery__ColumnDef) throws(SQLError) -> ColumnSyntax {
    let place = position(definition.location)
    if let clause = definition.coll_clause?.pointee {
      try requireBytewiseCollation(strings(clause.collname, clause.n_collname), at: position(clause.location))
    }
    var constraints: [ColumnConstraintSyntax] = []
    for node in nodes(definition.constraints, definition.n_constraints) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_CONSTRAINT else { throw Self.malformed }
      let constraint = node.pointee.constraint.pointee
      let kind: ColumnConstraintSyntax.Kind
      switch constraint.contype {
      case PG_QUERY__CONSTR_TYPE__CONSTR_NULL: kind = .null
      case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL: kind = .notNull
      case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT: kind = .defaultValue(try expression(constraint.raw_expr))
      case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY: kind = .primaryKey
      case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        try refuseVariants(constraint)
        kind = .unique
      case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK: kind = .check(try check(constraint))
      case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN: kind = .references(try foreignKey(constraint))
      case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
        kind = .identity(
          isAlways: string(constraint.generated_when) == "a",
          try sequenceOptions(constraint.options, constraint.n_options))
      case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
        guard string(constraint.generated_when) == "a" else {
          throw SQLError(
            .syntaxError, "for a generated column, GENERATED ALWAYS must be specified",
            position: position(constraint.location))
        }
        kind = .generated(try expression(constraint.raw_expr))
      default: throw unsupportedConstraint(constraint)
      }
      constraints.append(
        ColumnConstraintSyntax(
          name: optionalString(constraint.conname), kind: kind, at: position(constraint.location)))
    }
    return ColumnSyntax(
      name: string(definition.colname), type: try typeName(definition.type_name), constraints: constraints, at: place)
  }

  private mutating func check(_ constraint: PgQuery__Constraint) throws(SQLError) -> ExpressionSyntax {
    if constraint.is_no_inherit != 0 { throw .unsupported("NO INHERIT", position: position(constraint.location)) }
    return try expression(constraint.raw_expr)
  }

  private mutating func tableConstraint(_ constraint: PgQuery__Constraint) throws(SQLError) -> TableConstraintSyntax {
    let kind: TableConstraintSyntax.Kind
    switch constraint.contype {
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY: kind = .primaryKey(strings(constraint.keys, constraint.n_keys))
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE: kind = .unique(strings(constraint.keys, constraint.n_keys))
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
      kind = .check(try check(constraint), isValidated: constraint.skip_validation == 0)
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
      kind = .foreignKey(strings(constraint.fk_attrs, constraint.n_fk_attrs), try foreignKey(constraint))
    default: throw unsupportedConstraint(constraint)
    }
    try refuseVariants(constraint)
    return TableConstraintSyntax(
      name: optionalString(constraint.conname), kind: kind, at: position(constraint.location))
  }

  private func foreignKey(_ constraint: PgQuery__Constraint) throws(SQLError) -> ForeignKeySyntax {
    let place = position(constraint.location)
    try refuseVariants(constraint)
    switch string(constraint.fk_matchtype) {
    case "f": throw .unsupported("MATCH FULL", position: place)
    case "p": throw .unsupported("MATCH PARTIAL", position: place)
    default: break
    }
    if constraint.n_fk_del_set_cols > 0 {
      throw .unsupported("a column list of ON DELETE SET NULL or SET DEFAULT", position: place)
    }
    return ForeignKeySyntax(
      table: try relation(constraint.pktable), columns: strings(constraint.pk_attrs, constraint.n_pk_attrs),
      onDelete: Self.action(string(constraint.fk_del_action)), onUpdate: Self.action(string(constraint.fk_upd_action)),
      isValidated: constraint.skip_validation == 0)
  }

  private static func action(_ letter: String) -> ForeignKeySyntax.Action {
    switch letter {
    case "r": .restrict
    case "c": .cascade
    case "n": .setNull
    case "d": .setDefault
    default: .noAction
    }
  }

  private func refuseVariants(_ constraint: PgQuery__Constraint) throws(SQLError) {
    let place = position(constraint.location)
    if constraint.n_including > 0 { throw .unsupported("INCLUDE in a constraint", position: place) }
    if constraint.nulls_not_distinct != 0 { throw .unsupported("NULLS NOT DISTINCT", position: place) }
    if constraint.deferrable != 0 { throw .unsupported("a deferrable constraint", position: place) }
    if optionalString(constraint.indexname) != nil { throw .unsupported("USING INDEX", position: place) }
  }

  private func unsupportedConstraint(_ constraint: PgQuery__Constraint) -> SQLError {
    let name =
      switch constraint.contype {
      case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED: "a generated column"
      case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY: "an identity column"
      case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION: "an exclusion constraint"
      default: "a deferrable constraint"
      }
    return .unsupported(name, position: position(constraint.location))
  }

  mutating func createIndex(_ index: PgQuery__IndexStmt) throws(SQLError) -> CreateIndexStatement {
    if let method = optionalString(index.access_method), method != "btree" {
      throw .unsupported("index access method \"\(method)\"")
    }
    if optionalString(index.table_space) != nil { throw .unsupported("TABLESPACE") }
    if index.nulls_not_distinct != 0 { throw .unsupported("NULLS NOT DISTINCT") }
    let isVisible = try visibility(index.options, index.n_options) ?? true
    var keys: [IndexKeySyntax] = []
    for node in nodes(index.index_params, index.n_index_params) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_INDEX_ELEM else { throw Self.malformed }
      let element = node.pointee.index_elem.pointee
      if element.n_opclass > 0 { throw .unsupported("an operator class") }
      if element.n_collation > 0 {
        try requireBytewiseCollation(strings(element.collation, element.n_collation), at: nil)
      }
      let isDescending = element.ordering == PG_QUERY__SORT_BY_DIR__SORTBY_DESC
      let unusual =
        isDescending
        ? PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST : PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST
      if element.nulls_ordering == unusual { throw .unsupported("NULLS FIRST/LAST in an index") }
      guard let name = optionalString(element.name) else {
        guard element.expr != nil else { throw Self.malformed }
        keys.append(
          IndexKeySyntax(column: "", isDescending: isDescending, expression: try expression(element.expr)))
        continue
      }
      keys.append(IndexKeySyntax(column: name, isDescending: isDescending))
    }
    var stored: [String] = []
    for node in nodes(index.index_including_params, index.n_index_including_params) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_INDEX_ELEM,
        let name = optionalString(node.pointee.index_elem.pointee.name)
      else { throw .unsupported("an expression in INCLUDE") }
      stored.append(name)
    }
    return CreateIndexStatement(
      name: optionalString(index.idxname), table: try relation(index.relation), isUnique: index.unique != 0,
      ifNotExists: index.if_not_exists != 0, keyColumns: keys, storedColumns: stored,
      predicate: index.where_clause == nil ? nil : try expression(index.where_clause),
      isVisible: isVisible)
  }

  func alterIndex(_ alter: PgQuery__AlterTableStmt) throws(SQLError) -> AlterIndexStatement {
    guard alter.n_cmds == 1, let node = nodes(alter.cmds, alter.n_cmds).first,
      node.pointee.node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD
    else { throw .unsupported("ALTER INDEX with several changes") }
    let command = node.pointee.alter_table_cmd.pointee
    let isReset = command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions
    guard isReset || command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions else {
      throw .unsupported("ALTER INDEX … \(Self.alterationName(command.subtype))")
    }
    guard let definition = command.def, definition.pointee.node_case == PG_QUERY__NODE__NODE_LIST else {
      throw Self.malformed
    }
    let list = definition.pointee.list.pointee
    guard let isVisible = try visibility(list.items, list.n_items, isReset: isReset) else {
      throw .unsupported("a storage parameter")
    }
    return AlterIndexStatement(
      index: try relation(alter.relation), ifExists: alter.missing_ok != 0, isVisible: isReset || isVisible)
  }

  /// The parameter `visible`, which PostgreSQL does not have; nil: it is not among them. `fillfactor` says nothing here.
  private func visibility(
    _ items: UnsafeMutablePointer<NodePointer?>?, _ count: Int, isReset: Bool = false
  ) throws(SQLError) -> Bool? {
    var result: Bool?
    for node in nodes(items, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      let element = node.pointee.def_elem.pointee
      switch string(element.defname) {
      case "fillfactor": break
      case "visible":
        guard result == nil else {
          throw SQLError(.invalidParameterValue, "parameter \"visible\" specified more than once")
        }
        // As PostgreSQL reads a boolean parameter; alone it means true.
        let text = element.arg == nil ? "true" : element.arg.flatMap { parameterText($0) }?.lowercased()
        switch text {
        case "true", "on", "yes", "1": result = true
        case "false", "off", "no", "0": result = false
        default:
          throw SQLError(
            .invalidParameterValue, "invalid value for boolean option \"visible\": \(text ?? "an expression")")
        }
      default: throw .unsupported("a storage parameter")
      }
    }
    return result
  }

  /// Words that are no keywords come as names of types.
  private func parameterText(_ node: NodePointer) -> String? {
    guard node.pointee.node_case == PG_QUERY__NODE__NODE_TYPE_NAME else { return constantText(node) }
    let name = node.pointee.type_name.pointee
    return nodes(name.names, name.n_names).last.flatMap { stringValue($0) }
  }

  func drop(_ drop: PgQuery__DropStmt) throws(SQLError) -> DropStatement {
    let kind: DropStatement.Kind
    switch drop.remove_type {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE: kind = .table
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX: kind = .index
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW: throw .unsupported("DROP MATERIALIZED VIEW")
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE: kind = .sequence
    case PG_QUERY__OBJECT_TYPE__OBJECT_FUNCTION: throw .unsupported("DROP FUNCTION")
    case PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION: throw .unsupported("DROP EXTENSION")
    default: throw .unsupported("DROP of this kind of object")
    }
    var names: [RelationNameSyntax] = []
    for node in nodes(drop.objects, drop.n_objects) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
      names.append(try relation(strings(node.pointee.list.pointee.items, node.pointee.list.pointee.n_items)))
    }
    return DropStatement(
      kind: kind, names: names, ifExists: drop.missing_ok != 0,
      isCascade: drop.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
  }

  /// `CASCADE` follows nothing: a table that another refers to is refused (0A000).
  func truncate(_ truncate: PgQuery__TruncateStmt) throws(SQLError) -> [RelationNameSyntax] {
    var names: [RelationNameSyntax] = []
    for node in nodes(truncate.relations, truncate.n_relations) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_RANGE_VAR else { throw Self.malformed }
      names.append(try relation(node.pointee.range_var))
    }
    return names
  }

  func rename(_ rename: PgQuery__RenameStmt) throws(SQLError) -> RenameStatement {
    let object: RenameStatement.Object
    switch rename.rename_type {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE: object = .table
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX: object = .index
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE: object = .sequence
    case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN where rename.relation_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
      object = .column(string(rename.subname))
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT: object = .constraint(string(rename.subname))
    default: throw .unsupported("RENAME of this kind of object")
    }
    return RenameStatement(
      object: object, relation: try relation(rename.relation), newName: string(rename.newname),
      ifExists: rename.missing_ok != 0)
  }

  mutating func alterTable(_ alter: PgQuery__AlterTableStmt) throws(SQLError) -> AlterTableStatement {
    if alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW { throw .unsupported("ALTER VIEW \(viewAlteration(alter))") }
    guard alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE else {
      throw .unsupported("ALTER of this kind of object")
    }
    var changes: [AlterTableStatement.Change] = []
    for node in nodes(alter.cmds, alter.n_cmds) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD else { throw Self.malformed }
      let command = node.pointee.alter_table_cmd.pointee
      switch command.subtype {
      case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        guard let definition = command.def, definition.pointee.node_case == PG_QUERY__NODE__NODE_COLUMN_DEF else {
          throw Self.malformed
        }
        changes.append(
          .addColumn(try column(definition.pointee.column_def.pointee), ifNotExists: command.missing_ok != 0))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
        changes.append(
          .dropColumn(string(command.name), ifExists: command.missing_ok != 0, isCascade: Self.isCascade(command)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
        changes.append(.setDefault(string(command.name), command.def == nil ? nil : try expression(command.def)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
        guard let definition = command.def, definition.pointee.node_case == PG_QUERY__NODE__NODE_COLUMN_DEF else {
          throw Self.malformed
        }
        changes.append(try typeChange(string(command.name), definition.pointee.column_def.pointee))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull: changes.append(.setNotNull(string(command.name)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull: changes.append(.dropNotNull(string(command.name)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        guard let definition = command.def, definition.pointee.node_case == PG_QUERY__NODE__NODE_CONSTRAINT else {
          throw Self.malformed
        }
        changes.append(.addConstraint(try tableConstraint(definition.pointee.constraint.pointee)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
        changes.append(.validateConstraint(string(command.name)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
        changes.append(
          .dropConstraint(string(command.name), ifExists: command.missing_ok != 0, isCascade: Self.isCascade(command)))
      case PG_QUERY__ALTER_TABLE_TYPE__AT_DropExpression:
        changes.append(.dropExpression(string(command.name), ifExists: command.missing_ok != 0))
      default: throw .unsupported(Self.alterationName(command.subtype))
      }
    }
    return AlterTableStatement(table: try relation(alter.relation), ifExists: alter.missing_ok != 0, changes: changes)
  }

  private static func isCascade(_ command: PgQuery__AlterTableCmd) -> Bool {
    command.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE
  }

  private mutating func typeChange(
    _ column: String, _ definition: PgQuery__ColumnDef
  ) throws(SQLError) -> AlterTableStatement.Change {
    if let clause = definition.coll_clause?.pointee {
      try requireBytewiseCollation(strings(clause.collname, clause.n_collname), at: position(clause.location))
    }
    let conversion = definition.raw_default == nil ? nil : try expression(definition.raw_default)
    return .setType(column, try typeName(definition.type_name), using: conversion)
  }

  static func alterationName(_ type: PgQuery__AlterTableType) -> String {
    switch type {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ChangeOwner: "OWNER TO"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace: "SET TABLESPACE"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions, PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
      "a storage parameter"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics: "ALTER COLUMN … SET STATISTICS"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStorage: "ALTER COLUMN … SET STORAGE"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity, PG_QUERY__ALTER_TABLE_TYPE__AT_SetIdentity,
      PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity:
      "an identity column"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit, PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit: "table inheritance"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition, PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
      "table partitioning"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableRowSecurity, PG_QUERY__ALTER_TABLE_TYPE__AT_DisableRowSecurity,
      PG_QUERY__ALTER_TABLE_TYPE__AT_ForceRowSecurity, PG_QUERY__ALTER_TABLE_TYPE__AT_NoForceRowSecurity:
      "row security"
    default: "this form of ALTER TABLE (\(type.rawValue))"
    }
  }
}

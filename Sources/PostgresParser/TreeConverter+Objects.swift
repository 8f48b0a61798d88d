import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  /// nil: another kind of statement.
  func objectStatement(_ node: NodePointer) throws(SQLError) -> ObjectStatementSyntax? {
    if let type = try typeStatement(node) { return .type(type) }
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_COMMENT_STMT: return .comment(try comment(node.pointee.comment_stmt.pointee))
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT: return try createSchema(node.pointee.create_schema_stmt.pointee)
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
      return .setSchema(try setSchema(node.pointee.alter_object_schema_stmt.pointee))
    case PG_QUERY__NODE__NODE_RENAME_STMT
    where node.pointee.rename_stmt.pointee.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
      let rename = node.pointee.rename_stmt.pointee
      return .renameSchema(string(rename.subname), to: string(rename.newname))
    case PG_QUERY__NODE__NODE_DROP_STMT
    where node.pointee.drop_stmt.pointee.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
      let drop = node.pointee.drop_stmt.pointee
      return .dropSchemas(
        strings(drop.objects, drop.n_objects), ifExists: drop.missing_ok != 0,
        isCascade: drop.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
    case PG_QUERY__NODE__NODE_CREATEDB_STMT:
      return .createDatabase(try createDatabase(node.pointee.createdb_stmt.pointee))
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
      // `FORCE`, the only option there is, ends the sessions in the way; here none is in the way.
      let drop = node.pointee.dropdb_stmt.pointee
      return .dropDatabase(string(drop.dbname), ifExists: drop.missing_ok != 0)
    case PG_QUERY__NODE__NODE_RENAME_STMT
    where node.pointee.rename_stmt.pointee.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE:
      let rename = node.pointee.rename_stmt.pointee
      return .renameDatabase(string(rename.subname), to: string(rename.newname))
    default: return nil
    }
  }

  private func createDatabase(_ create: PgQuery__CreatedbStmt) throws(SQLError) -> CreateDatabaseSyntax {
    var options: [CreateDatabaseSyntax.Option] = []
    for node in nodes(create.options, create.n_options) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      let element = node.pointee.def_elem.pointee
      let name = string(element.defname).lowercased()
      let place = position(element.location)
      guard !options.contains(where: { $0.name == name }) else {
        throw SQLError(.syntaxError, "conflicting or redundant options", position: place)
      }
      options.append(
        CreateDatabaseSyntax.Option(name: name, value: element.arg.flatMap { constantText($0) }, at: place))
    }
    return CreateDatabaseSyntax(name: string(create.dbname), options: options)
  }

  private func createSchema(_ create: PgQuery__CreateSchemaStmt) throws(SQLError) -> ObjectStatementSyntax {
    if create.n_schema_elts > 0 { throw .unsupported("CREATE SCHEMA with what is to be in it") }
    // `AUTHORIZATION role`: every role owns everything here, but a schema without a name has the role's.
    guard let name = optionalString(create.schemaname) ?? optionalString(create.authrole?.pointee.rolename) else {
      throw .unsupported("CREATE SCHEMA AUTHORIZATION of whoever is there")
    }
    return .createSchema(name, ifNotExists: create.if_not_exists != 0)
  }

  private func setSchema(_ alter: PgQuery__AlterObjectSchemaStmt) throws(SQLError) -> SetSchemaSyntax {
    guard
      alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE
        || alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE
        || alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW
    else { throw .unsupported("SET SCHEMA of this kind of object") }
    var result = SetSchemaSyntax(
      relation: try relation(alter.relation), isSequence: alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE,
      ifExists: alter.missing_ok != 0, schema: string(alter.newschema))
    result.isView = alter.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW
    return result
  }

  private func comment(_ comment: PgQuery__CommentStmt) throws(SQLError) -> CommentSyntax {
    guard let object = comment.object else { throw Self.malformed }
    func names() throws(SQLError) -> [String] {
      guard object.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
      return strings(object.pointee.list.pointee.items, object.pointee.list.pointee.n_items)
    }
    func name() throws(SQLError) -> String {
      guard let name = stringValue(object) else { throw Self.malformed }
      return name
    }
    /// The last of the names, and the relation that those before it are.
    func part() throws(SQLError) -> (RelationNameSyntax, String) {
      let all = try names()
      guard all.count > 1, let last = all.last else {
        throw SQLError(.syntaxError, "column name must be qualified")
      }
      return (try relation(Array(all.dropLast())), last)
    }
    let target: CommentSyntax.Target
    switch comment.objtype {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE: target = .table(try relation(try names()))
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW: target = .view(try relation(try names()))
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE: target = .sequence(try relation(try names()))
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX: target = .index(try relation(try names()))
    case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
      let (relation, column) = try part()
      target = .column(relation, column)
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT:
      let (relation, constraint) = try part()
      target = .constraint(relation, constraint)
    case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      guard object.pointee.node_case == PG_QUERY__NODE__NODE_TYPE_NAME else { throw Self.malformed }
      target = .type(try relation(of: object.pointee.type_name.pointee))
    case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA: target = .schema(try name())
    case PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE: target = .database(try name())
    default: throw .unsupported("COMMENT ON this kind of object")
    }
    return CommentSyntax(target: target, text: optionalString(comment.comment))
  }

  // MARK: Types

  /// nil: no statement about a type.
  private func typeStatement(_ node: NodePointer) throws(SQLError) -> TypeStatementSyntax? {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
      let create = node.pointee.create_enum_stmt.pointee
      return .create(
        try relation(strings(create.type_name, create.n_type_name)), labels: strings(create.vals, create.n_vals))
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT: return try alterEnum(node.pointee.alter_enum_stmt.pointee)
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT: throw .unsupported("CREATE TYPE of a composite type")
    case PG_QUERY__NODE__NODE_CREATE_RANGE_STMT: throw .unsupported("CREATE TYPE … AS RANGE")
    case PG_QUERY__NODE__NODE_DEFINE_STMT
    where node.pointee.define_stmt.pointee.kind == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      throw .unsupported("CREATE TYPE of a base type")
    case PG_QUERY__NODE__NODE_RENAME_STMT
    where node.pointee.rename_stmt.pointee.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      let rename = node.pointee.rename_stmt.pointee
      return .rename(try relation(ofList: rename.object), to: string(rename.newname))
    case PG_QUERY__NODE__NODE_RENAME_STMT
    where node.pointee.rename_stmt.pointee.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_ATTRIBUTE:
      throw .unsupported("ALTER TYPE … RENAME ATTRIBUTE")
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT
    where node.pointee.alter_object_schema_stmt.pointee.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      let alter = node.pointee.alter_object_schema_stmt.pointee
      return .setSchema(try relation(ofList: alter.object), string(alter.newschema))
    case PG_QUERY__NODE__NODE_DROP_STMT
    where node.pointee.drop_stmt.pointee.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      let drop = node.pointee.drop_stmt.pointee
      var names: [RelationNameSyntax] = []
      for object in nodes(drop.objects, drop.n_objects) {
        guard object.pointee.node_case == PG_QUERY__NODE__NODE_TYPE_NAME else { throw Self.malformed }
        names.append(try relation(of: object.pointee.type_name.pointee))
      }
      return .drop(
        names, ifExists: drop.missing_ok != 0, isCascade: drop.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
    case PG_QUERY__NODE__NODE_DROP_STMT
    where node.pointee.drop_stmt.pointee.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
      throw .unsupported("DROP DOMAIN")
    case PG_QUERY__NODE__NODE_ALTER_TYPE_STMT: throw .unsupported("ALTER TYPE … SET")
    default: return nil
    }
  }

  private func alterEnum(_ alter: PgQuery__AlterEnumStmt) throws(SQLError) -> TypeStatementSyntax {
    let name = try relation(strings(alter.type_name, alter.n_type_name))
    // Labels may be empty, names of labels may not be absent.
    if alter.old_val != nil, let old = optionalString(alter.old_val) {
      return .renameValue(name, old, to: string(alter.new_val))
    }
    let neighbour = optionalString(alter.new_val_neighbor).map {
      alter.new_val_is_after != 0 ? TypeStatementSyntax.Neighbour.after($0) : .before($0)
    }
    return .addValue(
      name, string(alter.new_val), ifNotExists: alter.skip_if_new_val_exists != 0, at: neighbour)
  }

  private func relation(ofList object: NodePointer?) throws(SQLError) -> RelationNameSyntax {
    guard let object, object.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
    return try relation(strings(object.pointee.list.pointee.items, object.pointee.list.pointee.n_items))
  }

  private func relation(of type: PgQuery__TypeName) throws(SQLError) -> RelationNameSyntax {
    if type.n_array_bounds > 0 { throw .unsupported("a statement about an array type") }
    return try relation(strings(type.names, type.n_names), at: position(type.location))
  }

  // MARK: LIKE

  /// What says how PostgreSQL stores and estimates (compression, storage, statistics) means nothing here.
  func like(_ clause: PgQuery__TableLikeClause, behind columnCount: Int) throws(SQLError) -> TableLikeSyntax {
    var options: TableLikeSyntax.Options = []
    // The bits of PostgreSQL's TableLikeOption.
    let bits: [(bit: UInt32, option: TableLikeSyntax.Options)] = [
      (1 << 0, .comments), (1 << 2, .constraints), (1 << 3, .defaults), (1 << 4, .generated), (1 << 5, .identity),
      (1 << 6, .indexes),
    ]
    for known in bits where clause.options & known.bit != 0 { options.insert(known.option) }
    return TableLikeSyntax(table: try relation(clause.relation), options: options, columnCount: columnCount)
  }
}

import Basics
import Catalog
import SQLSyntax
import SQLValues
import SchemaChange

extension SchemaStatementPlanner {
  func plan(_ statement: ObjectStatementSyntax) throws(SQLError) -> SchemaStatement {
    switch statement {
    case .comment(let comment): return .comment(CommentStatement(try target(comment.target), text: comment.text))
    case .createSchema(let name, let ifNotExists): return .namespace(.create(name, ifNotExists: ifNotExists))
    case .dropSchemas(let names, let ifExists, let isCascade):
      return .namespace(.drop(names, ifExists: ifExists, isCascade: isCascade))
    case .renameSchema(let name, let newName): return .namespace(.rename(name, to: newName))
    case .createDatabase(let create):
      for option in create.options { try requireMeaningless(option) }
      return .database(.create(create.name, ifNotExists: create.ifNotExists))
    case .dropDatabase(let name, let ifExists): return .database(.drop(name, ifExists: ifExists))
    case .renameDatabase(let name, let newName): return .database(.rename(name, to: newName))
    case .setSchema(let move):
      var statement = SetSchemaStatement(
        relation: try objectName(move.relation), isSequence: move.isSequence, ifExists: move.ifExists,
        schema: move.schema)
      statement.isView = move.isView
      return .setSchema(statement)
    case .view(let statement): return .view(try plan(statement))
    case .type(let statement): return .type(try type(statement))
    }
  }

  /// An option of `CREATE DATABASE` may say what is so anyway; else 0A000 with its name.
  private func requireMeaningless(_ option: CreateDatabaseSyntax.Option) throws(SQLError) {
    let locales: Set<String> = ["c", "posix", "c.utf-8", "c.utf8"]
    let accepted: Set<String>
    switch option.name {
    case "owner": accepted = ["root", binder.session.userName.lowercased()]
    case "template": accepted = ["template0", "template1"]
    case "encoding": accepted = ["utf8", "utf-8", "unicode", "6", "-1"]
    case "locale", "lc_collate", "lc_ctype": accepted = locales
    case "locale_provider": accepted = ["libc"]
    case "tablespace": accepted = ["pg_default"]
    case "strategy": accepted = ["wal_log", "file_copy"]
    case "connection_limit": accepted = ["-1"]
    case "allow_connections": accepted = ["true", "on", "yes", "1"]
    case "is_template": accepted = ["false", "off", "no", "0"]
    case "icu_locale", "collation_version", "oid": accepted = []
    default:
      throw SQLError(.syntaxError, "option \"\(option.name)\" not recognized", position: option.position)
    }
    guard let value = option.value, !accepted.contains(value.lowercased()) else { return }
    if option.name == "template", binder.catalog.database(named: value) == nil {
      throw SQLError(.invalidCatalogName, "template database \"\(value)\" does not exist")
    }
    throw .unsupported(
      "CREATE DATABASE … \(option.name.uppercased().replacing("CONNECTION_", with: "CONNECTION ")) \(value)",
      position: option.position)
  }

  private func type(_ statement: TypeStatementSyntax) throws(SQLError) -> TypeStatement {
    switch statement {
    case .create(let name, let labels): return .create(try newName(name), labels: labels)
    case .addValue(let name, let label, let ifNotExists, let neighbour):
      let place: TypeStatement.Neighbour? =
        switch neighbour {
        case nil: nil
        case .before(let other): .before(other)
        case .after(let other): .after(other)
        }
      return .addValue(try typeName(name), label, ifNotExists: ifNotExists, at: place)
    case .renameValue(let name, let old, let new): return .renameValue(try typeName(name), old, to: new)
    case .rename(let name, let newName): return .rename(try typeName(name), to: newName)
    case .setSchema(let name, let schema): return .setSchema(try typeName(name), schema)
    case .drop(let names, let ifExists, let isCascade):
      var found: [ObjectName] = []
      for name in names { found.append(try typeName(name, isDropped: true)) }
      return .drop(found, ifExists: ifExists, isCascade: isCascade)
    }
  }

  private func target(_ target: CommentSyntax.Target) throws(SQLError) -> CommentStatement.Target {
    switch target {
    case .table(let name): .table(try objectName(name))
    case .view(let name): .view(try objectName(name))
    case .sequence(let name): .sequence(try objectName(name))
    case .index(let name): .index(try objectName(name))
    case .column(let name, let column): .column(try objectName(name), column)
    case .constraint(let name, let constraint): .constraint(try objectName(name), constraint)
    case .schema(let name): .schema(name)
    case .database(let name): .database(name)
    case .type(let name): .type(try typeName(name))
    }
  }

  // MARK: Names

  /// The relation that a name is to lead to where the change is made. Without a schema it is the one that the search path leads to
  /// now, or the first schema of the path, where it is then missed.
  /// - Parameter newTable: is there by then.
  func objectName(_ name: RelationNameSyntax, besides newTable: ObjectName? = nil) throws(SQLError) -> ObjectName {
    guard name.schema == nil else { return try qualified(name) }
    let path = binder.session.searchPath
    let database = binder.session.databaseID
    let found = path.first { schema in
      binder.catalog.relation(named: name.name, schema: schema, in: database) != nil
        || (newTable?.name == name.name && newTable?.schema == schema)
    }
    return ObjectName(schema: found ?? path.first ?? "public", name: name.name, isFromSearchPath: true)
  }

  /// The type that a name is to lead to: as `objectName`, among types. One of PostgreSQL's own is refused.
  private func typeName(_ name: RelationNameSyntax, isDropped: Bool = false) throws(SQLError) -> ObjectName {
    if name.schema ?? "pg_catalog" == "pg_catalog" {
      let known = SystemType.named(name.name).map { SQLType.system($0) } ?? (try? SQLType.named(name.name))
      if let known {
        throw isDropped
          ? SQLError(
            .dependentObjectsStillExist,
            "cannot drop type \(known.baseName) because it is required by the database system")
          : SQLError(.wrongObjectType, "\(known.baseName) is not an enum", position: name.position)
      }
    }
    guard name.schema == nil else { return try qualified(name) }
    let path = binder.session.searchPath
    let database = binder.session.databaseID
    let found = path.first { schema in
      binder.catalog.type(named: name.name, schema: schema, in: database) != nil
        || binder.catalog.table(named: name.name, schema: schema, in: database) != nil
    }
    return ObjectName(schema: found ?? path.first ?? "public", name: name.name, isFromSearchPath: true)
  }

  /// The name of what is to be made: without a schema it comes into the first of the search path.
  func newName(_ name: RelationNameSyntax) throws(SQLError) -> ObjectName {
    guard name.schema == nil else { return try qualified(name) }
    guard let schema = binder.session.searchPath.first else {
      throw SQLError(.invalidSchemaName, "no schema has been selected to create in", position: name.position)
    }
    return ObjectName(schema: schema, name: name.name, isFromSearchPath: true)
  }

  private func qualified(_ name: RelationNameSyntax) throws(SQLError) -> ObjectName {
    let schema = name.schema ?? "public"
    if schema == "pg_catalog" || schema == "information_schema" {
      throw SQLError(
        .insufficientPrivilege, "permission denied: \"\(name.name)\" is a system catalog", position: name.position)
    }
    return ObjectName(schema: schema, name: name.name)
  }
}

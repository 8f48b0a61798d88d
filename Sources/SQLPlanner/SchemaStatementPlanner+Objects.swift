import Basics
import Catalog
import SQLSyntax
import SchemaChange

extension SchemaStatementPlanner {
  func plan(_ statement: ObjectStatementSyntax) throws(SQLError) -> SchemaStatement {
    switch statement {
    case .comment(let comment): return .comment(CommentStatement(try target(comment.target), text: comment.text))
    case .createSchema(let name, let ifNotExists): return .namespace(.create(name, ifNotExists: ifNotExists))
    case .dropSchemas(let names, let ifExists, let isCascade):
      return .namespace(.drop(names, ifExists: ifExists, isCascade: isCascade))
    case .renameSchema(let name, let newName): return .namespace(.rename(name, to: newName))
    case .setSchema(let move):
      var statement = SetSchemaStatement(
        relation: try objectName(move.relation), isSequence: move.isSequence, ifExists: move.ifExists,
        schema: move.schema)
      statement.isView = move.isView
      return .setSchema(statement)
    case .view(let statement): return .view(try plan(statement))
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

import Basics
import Catalog

/// What of a table a comment is on.
public enum CommentPlace: Hashable, Sendable {
  /// Or the sequence.
  case table
  case column(ColumnID)
  case index(IndexID)
  /// The constraint that a unique index is.
  case indexConstraint(IndexID)
  case constraint(ConstraintID)
}

/// `COMMENT ON`: a property of descriptors that nobody's reading or writing depends on, so it is one entry without barrier and
/// leaves commit floors alone.
extension Planner {
  func planComment(_ comment: CommentStatement) throws(SQLError) -> Plan {
    let tag = "COMMENT"
    // An empty comment is none, as in PostgreSQL.
    let text = comment.text?.isEmpty == true ? nil : comment.text
    guard text?.utf8.count ?? 0 <= SchemaLimits.maximumCommentBytes else {
      throw SQLError(
        .programLimitExceeded, "a comment can have at most \(SchemaLimits.maximumCommentBytes) bytes")
    }
    var notices: [String] = []
    var stages = StageBuilder(context)
    func set(_ table: TableDescriptor, _ place: CommentPlace, _ title: String) {
      guard table.comment(at: place) != text else { return }
      stages.edit(table.id, [.setComment(place, text)], "\(title): \(text == nil ? "no comment" : "commented on")")
    }
    switch comment.target {
    case .table(let name):
      guard let table = try resolveTable(name, notices: &notices) else { break }
      set(table, .table, "table \(table.name)")
    case .view(let name):
      guard let view = try resolveView(name, kind: "relation", notices: &notices) else { break }
      set(view, .table, "view \(view.name)")
    case .sequence(let name):
      guard let sequence = try resolveSequence(name, ifExists: false, notices: &notices) else { break }
      set(sequence, .table, "sequence \(sequence.name)")
    case .index(let name):
      guard let reference = try relation(name) else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name)
      }
      guard case .index(let id, let index) = reference, let table = context.catalog.table(id: id) else {
        throw SQLError(.wrongObjectType, "\"\(name.name)\" is not an index")
      }
      set(table, .index(index), "index \(name.name)")
    case .column(let name, let columnName):
      let view = context.catalog.view(named: name.name, schema: name.schema, in: context.databaseID)
      let found = if let view { Optional(view) } else { try resolveTable(name, notices: &notices) }
      guard let table = found else { break }
      guard let column = table.publicColumns.first(where: { $0.name == columnName }) else {
        throw SQLError(
          .undefinedColumn, "column \"\(columnName)\" of relation \"\(table.name)\" does not exist",
          tableName: table.name, columnName: columnName)
      }
      set(table, .column(column.id), "column \(columnName)")
    case .constraint(let name, let constraintName):
      guard let table = try resolveTable(name, notices: &notices) else { break }
      if let constraint = table.constraints.first(where: { $0.name == constraintName && !constraintName.isEmpty }) {
        set(table, .constraint(constraint.id), "constraint \(constraintName)")
      } else if let index = table.indexes.first(where: { $0.name == constraintName && table.isConstraint($0) }) {
        set(table, .indexConstraint(index.id), "constraint \(constraintName)")
      } else {
        throw SQLError(
          .undefinedObject, "constraint \"\(constraintName)\" for table \"\(table.name)\" does not exist",
          tableName: table.name)
      }
    case .type(let name): set(try resolveType(name).0, .table, "type \(name.name)")
    case .schema(let name):
      let namespace = try requireNamespace(name)
      if namespace.comment != text {
        stages.change(
          namespace.id, [.setComment(text)], "schema \(name): \(text == nil ? "no comment" : "commented on")")
      }
    case .database(let name):
      guard let database = context.catalog.database(named: name) else {
        // A warning in PostgreSQL: dumps may be restored under another name.
        return Plan(commandTag: tag, notices: ["database \"\(name)\" does not exist"])
      }
      guard database.comment != text else { break }
      stages.change(
        database.id, [.setComment(text)], "database \(name): \(text == nil ? "no comment" : "commented on")")
    }
    return stages.plan(commandTag: tag, notices: notices)
  }
}

extension TableDescriptor {
  /// Every place that can be commented on.
  var commentPlaces: [CommentPlace] {
    [.table] + columns.map { .column($0.id) } + indexes.flatMap { [.index($0.id), .indexConstraint($0.id)] }
      + constraints.map { .constraint($0.id) }
  }

  func comment(at place: CommentPlace) -> String? {
    switch place {
    case .table: comment
    case .column(let id): column(id)?.comment
    case .index(let id): index(id)?.comment
    case .indexConstraint(let id): index(id)?.constraintComment
    case .constraint(let id): constraint(id)?.comment
    }
  }

  /// False: what is to be commented on is not there.
  mutating func setComment(_ text: String?, at place: CommentPlace) -> Bool {
    switch place {
    case .table: comment = text
    case .column(let id):
      guard let position = columns.firstIndex(where: { $0.id == id }) else { return false }
      columns[position].comment = text
    case .index(let id), .indexConstraint(let id):
      guard let position = indexes.firstIndex(where: { $0.id == id }) else { return false }
      if case .index = place { indexes[position].comment = text } else { indexes[position].constraintComment = text }
    case .constraint(let id):
      guard let position = constraints.firstIndex(where: { $0.id == id }) else { return false }
      constraints[position].comment = text
    }
    return true
  }
}

extension CommentPlace {
  /// Kind and id.
  func encode(into writer: inout ByteWriter) {
    switch self {
    case .table: writer.field(1, UInt64(0))
    case .column(let id): writer.field(2, id)
    case .index(let id): writer.field(3, id)
    case .indexConstraint(let id): writer.field(4, id)
    case .constraint(let id): writer.field(5, id)
    }
  }

  init?(_ field: TaggedField) throws(MalformedBytes) {
    switch field.number {
    case 1: self = .table
    case 2: self = .column(try field.identifier())
    case 3: self = .index(try field.identifier())
    case 4: self = .indexConstraint(try field.identifier())
    case 5: self = .constraint(try field.identifier())
    default: return nil
    }
  }
}
